/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_uidlist.c - a dovecot-uidlist is read and written anew.
 *
 * Oracle: UIDs rise and stay below next_uid; what was read can be written; the
 * written file has the same records and the same next UID. */
#include "lib/base/check.h"
#include "lib/mail/uidlist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
compare(struct str file, struct str written)
{
	struct uidlist_header a_header, b_header;
	struct uidlist_record a, b;
	struct uidlist_reader ra, rb;
	enum uidlist_step step;
	struct str value;

	check(uidlist_begin(&ra, file, &a_header) == OK);
	check(uidlist_begin(&rb, written, &b_header) == OK);
	check(str_eq(a_header.guid, b_header.guid));
	check(a_header.uidvalidity == b_header.uidvalidity);
	do {
		step = uidlist_next(&ra, &a);
		check(uidlist_next(&rb, &b) == step);
		if (step != UIDLIST_RECORD)
			break;
		check(a.uid == b.uid && str_eq(a.base, b.base));
		check(uidlist_field(a.fields, 'G', &value) ==
		      uidlist_field(b.fields, 'G', &value));
	} while (true);
	check(ra.next_uid == rb.next_uid && !rb.is_torn);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str file = str_of(data, size);
	struct buf records = BUF_INIT(2 * size + 1000);
	struct buf written = BUF_INIT(3 * size + 2000);
	struct uidlist_header header;
	struct uidlist_record record;
	struct uidlist_reader r;
	enum uidlist_step step;
	uint32_t last = 0;

	if (uidlist_begin(&r, file, &header) != OK) {
		check(uidlist_next(&r, &record) == UIDLIST_BROKEN);
		return 0;
	}
	while ((step = uidlist_next(&r, &record)) == UIDLIST_RECORD) {
		check(record.uid > last && record.uid < r.next_uid);
		last = record.uid;
		check(uidlist_put_record(&records, &record) == OK);
	}
	if (step == UIDLIST_END) {
		check(r.next_uid >= header.next_uid);
		header.next_uid = r.next_uid;
		check(uidlist_put_header(&written, &header) == OK);
		check(buf_add(&written, buf_str(&records)) == OK);
		compare(file, buf_str(&written));
	}
	buf_release(&records);
	buf_release(&written);
	return 0;
}
