/* SPDX-License-Identifier: MIT
 * lib/base/crc32c.c - CRC32C by table, or by the processor's instruction. */
#include "lib/base/crc32c.h"

static const uint32_t polynomial_reversed = 0x82f63b78u;

static uint32_t table[256];

__attribute__((constructor)) static void
fill_table(void)
{
	for (uint32_t byte = 0; byte < 256; byte++) {
		uint32_t crc = byte;

		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (crc & 1 ? polynomial_reversed : 0);
		table[byte] = crc;
	}
}

static uint32_t
crc_by_table(uint32_t crc, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		crc = table[(crc ^ (unsigned char)s.p[i]) & 0xff] ^ (crc >> 8);
	return crc;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t
crc_by_instruction(uint32_t crc, struct str s)
{
	uint64_t wide = crc, word;
	size_t i = 0;

	for (; i + 8 <= s.n; i += 8) {
		memcpy(&word, s.p + i, 8);
		wide = __builtin_ia32_crc32di(wide, word);
	}
	crc = (uint32_t)wide;
	for (; i < s.n; i++)
		crc = __builtin_ia32_crc32qi(crc, (unsigned char)s.p[i]);
	return crc;
}
#endif

uint32_t
crc32c(uint32_t crc, struct str s)
{
	crc = ~crc;
#ifdef __x86_64__
	if (__builtin_cpu_supports("sse4.2"))
		return ~crc_by_instruction(crc, s);
#endif
	return ~crc_by_table(crc, s);
}
