/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_log_record.c - a mailbox log as it may be found.
 *
 * Oracle: an entry has one encoding, so the entries that were read, put again
 * one record each, are read as the same; the good part ends within the file,
 * and any head's numbers come back. */
#include "lib/base/check.h"
#include "mda/store/log_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_head(struct str file)
{
	struct buf b = BUF_INIT(LOG_HEAD_OCTETS);
	struct log_head head, again;

	if (log_read_head(file, &head) != OK) {
		memset(&head, 0, sizeof(head));
		memcpy(&head, file.p,
		       file.n < sizeof(head) ? file.n : sizeof(head));
	}
	log_put_head(&b, &head);
	check(b.n == LOG_HEAD_OCTETS);
	check(log_read_head(buf_str(&b), &again) == OK);
	check(head.uidvalidity == again.uidvalidity &&
	      head.octets == again.octets && head.floor == again.floor &&
	      head.highest == again.highest &&
	      head.reserved == again.reserved && head.boot == again.boot);
	buf_release(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str file = str_of(data, size);
	struct log_reader r = log_reader_of(file), s;
	struct buf written = BUF_INIT(8 * size + 1000);
	struct log_message m, m2 = { 0 };
	struct log_vanished v, v2;
	enum log_step step;

	check_head(file);
	while (written.n < LOG_HEAD_OCTETS)
		buf_putc(&written, '\0');
	while ((step = log_next(&r, &m, &v)) < LOG_STEP_END) {
		check(r.at <= size);
		if (step == LOG_STEP_MESSAGE)
			log_put_messages(&written, written.n, &m, 1);
		else
			log_put_vanished(&written, written.n, &v, 1);
	}
	check(log_next(&r, &m, &v) == step);
	check(step != LOG_STEP_END || r.at == size || size < LOG_HEAD_OCTETS);
	r = log_reader_of(file);
	s = log_reader_of(buf_str(&written));
	while ((step = log_next(&r, &m, &v)) < LOG_STEP_END) {
		check(log_next(&s, &m2, &v2) == step);
		check(step != LOG_STEP_MESSAGE ||
		      (m.uid == m2.uid && m.modseq == m2.modseq &&
		       m.flags == m2.flags && m.saved_s == m2.saved_s &&
		       m.keywords == m2.keywords));
		check(step != LOG_STEP_VANISHED ||
		      (v.first == v2.first && v.last == v2.last &&
		       v.modseq == v2.modseq));
	}
	check(log_next(&s, &m2, &v2) == LOG_STEP_END);
	buf_release(&written);
	return 0;
}
