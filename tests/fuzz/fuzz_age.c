/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_age.c - the note of the queue's clock, as a crash left it.
 *
 * Oracle: a note is taken whole, or leaves an age that knows nothing; ages are
 * never negative, never more than the wall clock says, and rise with it; what
 * was taken is written and read back as the same. A checksum that is 0 in the
 * input is replaced by the right one. */
#include "lib/base/check.h"
#include "mta/queue/age.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CRC_AT = 12, REST_AT = 20, TIMES = 6 };

static void
mend_checksum(struct buf *note)
{
	static const char none[4];
	struct wire w = wire_of(str_from(buf_str(note), CRC_AT + 4));
	struct str rest = wire_str_max(&w, AGE_NOTE_MAX_OCTETS);
	uint32_t crc = crc32c(NOTE_VERSION, rest);

	if (note->n > REST_AT && memcmp(note->p + CRC_AT, none, 4) == 0)
		for (int i = 0; i < 4; i++)
			note->p[CRC_AT + i] = (char)(crc >> 8 * i);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const int64_t second = 1000000, wall = 1795000000 * second;
	struct buf note = BUF_INIT(size + AGE_NOTE_MAX_OCTETS);
	struct buf again = BUF_INIT(AGE_NOTE_MAX_OCTETS);
	int64_t moved, before = INT64_MAX;
	struct age a, b;
	enum err e;

	buf_put(&note, str_of(data, size));
	mend_checksum(&note);
	e = age_resume(&a, buf_str(&note), S("boot"), wall, 900 * second,
		       &moved);
	check(a.n_gaps <= AGE_MAX_GAPS);
	check(e == OK || (a.n_gaps == 0 && moved == 0));
	check(a.base_us == wall - 900 * second ||
	      (moved == 0 && a.base_us - (wall - 900 * second) < AGE_JUMP_US &&
	       a.base_us - (wall - 900 * second) > -AGE_JUMP_US));
	for (int i = 0; i < TIMES; i++) { // older to younger
		int64_t arrived = wall - (TIMES - i) * 86400 * second;
		int64_t age = age_of(&a, wall, arrived);

		check(age >= 0 && age <= wall - arrived);
		check(age <= age_of(&a, wall + second, arrived));
		check(age <= before || a.n_gaps > 0);
		before = age;
	}
	age_put_note(&a, S("boot"), wall, &again);
	check(again.n == AGE_NOTE_MAX_OCTETS);
	check(age_resume(&b, buf_str(&again), S("boot"), wall, 900 * second,
			 &moved) == OK ||
	      a.n_gaps > 0);
	check(moved == 0);
	buf_release(&note);
	buf_release(&again);
	return 0;
}
