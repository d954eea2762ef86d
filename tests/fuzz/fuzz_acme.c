/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_acme.c - an acme.json is looked through.
 *
 * Oracle: what is found lies within the file and holds no bare quote; the same
 * file with white space around it gives the same; one octet less gives nothing.
 */
#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/mail/acme.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
is_within(struct str piece, struct str whole)
{
	for (size_t i = 0; i < piece.n; i++)
		if (piece.p[i] == '"' && (i == 0 || piece.p[i - 1] != '\\'))
			return false;
	return piece.p >= whole.p && piece.p + piece.n <= whole.p + whole.n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct str names[] = { STR_INIT("mail.example.test"),
					    STR_INIT("example.test") };
	struct str json = str_trim(str_of(data, size));
	struct buf spaced = BUF_INIT(1 << 20);
	struct acme_found found, again;
	bool is_found = acme_find(json, names, 2, &found);

	if (is_found) {
		check(is_within(found.certificate, json));
		check(is_within(found.key, json));
		check(!acme_find(str_first(json, json.n - 1), names, 2,
				 &again));
	}
	if (buf_addf(&spaced, " \r\n%.*s\t", STR(json)) == OK &&
	    spaced.n == json.n + 4) {
		check(acme_find(buf_str(&spaced), names, 2, &again) ==
		      is_found);
		if (is_found)
			check(str_eq(again.key, found.key));
	}
	buf_release(&spaced);
	return 0;
}
