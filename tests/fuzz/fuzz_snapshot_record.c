/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_snapshot_record.c - a mailbox's snapshot as it may be found.
 *
 * The checksums are made right, else nothing would be reached. Oracle: what was
 * read, put again, is the octets that came; names lie within the file; and when
 * all of it could be read, they have no octet that a name cannot have. */
#include "lib/base/check.h"
#include "lib/base/crc32c.h"
#include "mda/store/snapshot_record.h"

#include <string.h>

enum { CRC_AT = SNAPSHOT_HEAD_OCTETS - 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_all(const struct snapshot_head *head, struct str table, struct str names)
{
	struct buf table_again = BUF_INIT(table.n + 1000);
	struct buf names_again = BUF_INIT(names.n + 1000);
	struct snapshot_reader r;
	struct snapshot_message message;
	struct log_vanished range;
	struct str extra;
	uint32_t uid = 0;
	bool has_zero = false; // then a later one lacks its own
	enum err e = snapshot_begin(&r, head, table, names, &extra);

	if (e == OK)
		buf_put(&table_again, extra);
	for (uint32_t i = 0; i < head->n_vanished && e == OK; i++) {
		e = snapshot_vanished(&r, &range);
		check(e != OK || range.first <= range.last);
		if (e == OK)
			snapshot_put_vanished(&table_again, &range);
	}
	for (uint32_t i = 0; i < head->n && e == OK; i++) {
		e = snapshot_message(&r, &message);
		if (e != OK)
			break;
		check(message.uid > uid && message.uid < head->next_uid);
		uid = message.uid;
		check(message.base.n > 0 && message.base.p >= names.p);
		has_zero |= strlen(message.info.p) != message.info.n ||
			    strlen(message.fields.p) != message.fields.n ||
			    memchr(message.base.p, 0, message.base.n) != NULL;
		check(memchr(message.base.p, '/', message.base.n) == NULL);
		check(snapshot_put_message(&table_again, &names_again,
					   &message));
	}
	if (e == OK && r.names.n == 0) {
		check(!has_zero);
		check(str_eq(buf_str(&table_again), table));
		check(str_eq(buf_str(&names_again), names));
	}
	buf_release(&table_again);
	buf_release(&names_again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf file = BUF_INIT(size + 1000), again = BUF_INIT(1000);
	struct snapshot_head head;
	uint32_t crc;
	uint64_t at;

	buf_put(&file, str_of(data, size));
	if (size >= SNAPSHOT_HEAD_OCTETS) {
		crc = crc32c(0, str_first(buf_str(&file), CRC_AT));
		for (int i = 0; i < 4; i++)
			file.p[CRC_AT + i] = (char)(crc >> (8 * i));
	}
	if (snapshot_read_head(buf_str(&file), &head) == OK &&
	    snapshot_octets(&head) == size) {
		struct str body =
			str_from(buf_str(&file), SNAPSHOT_HEAD_OCTETS);

		at = snapshot_names_at(&head) - SNAPSHOT_HEAD_OCTETS;
		head.body_crc = crc32c(0, body);
		snapshot_put_head(&again, &head);
		check(again.n == SNAPSHOT_HEAD_OCTETS);
		read_all(&head, str_first(body, at), str_from(body, at));
	}
	buf_release(&file);
	buf_release(&again);
	return 0;
}
