/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_repeat.c - the file of what was relayed lately (XID).
 *
 * The checksum is made right, else nothing would be reached. Oracle: a record
 * of another length is none; what was read, put again, is the octets that came,
 * but for the one that means nothing; with one octet changed it is none. */
#include "mta/queue/repeat.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { UNUSED_AT = REPEAT_DIGEST_OCTETS + QUEUE_ID_OCTETS + 1 };

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf in = BUF_INIT(size + 1), again = BUF_INIT(RECORD_OCTETS);
	struct record record;
	uint32_t crc;

	buf_put(&in, str_of(data, size));
	if (size == RECORD_OCTETS) {
		crc = crc32c(0, str_first(buf_str(&in), CRC_AT));
		for (int i = 0; i < 4; i++)
			in.p[CRC_AT + i] = (char)(crc >> 8 * i);
	}
	if (read_record(buf_str(&in), &record)) {
		check(size == RECORD_OCTETS);
		put_record(&again, &record);
		check(again.n == RECORD_OCTETS);
		if (in.p[UNUSED_AT] == '\0')
			check(str_eq(buf_str(&again), buf_str(&in)));
		in.p[(uint8_t)in.p[0] % RECORD_OCTETS] ^= 0x10;
		check(!read_record(buf_str(&in), &record));
	}
	buf_release(&in);
	buf_release(&again);
	return 0;
}
