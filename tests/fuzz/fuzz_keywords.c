/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_keywords.c - a dovecot-keywords is read and written anew.
 *
 * Oracle: names are keywords and found at their own number; the written file
 * has no bad line and the same names. */
#include "lib/base/check.h"
#include "lib/mail/keywords.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf written = BUF_INIT(4096);
	struct keywords k, again;

	(void)keywords_parse(str_of(data, size), &k);
	(void)keywords_adopt(&k, UINT32_MAX);
	for (int i = 0; i < KEYWORDS_MAX; i++) {
		if (k.names[i].n == 0)
			continue;
		check(keywords_is_name(k.names[i]));
		check(keywords_find(&k, k.names[i]) == i);
	}
	check(keywords_put(&k, &written) == OK);
	check(keywords_parse(buf_str(&written), &again) == 0);
	for (int i = 0; i < KEYWORDS_MAX; i++)
		check(str_eq(k.names[i], again.names[i]));
	buf_release(&written);
	return 0;
}
