/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_sasl.c - base64 of AUTH, and PLAIN in it (A01).
 *
 * Oracle: what decodes comes back from the encoding; the three parts and two
 * NUL are the message; no part has a NUL. */
#include "lib/base/base64.h"
#include "lib/base/check.h"
#include "lib/mail/sasl.h"

enum { MAX_OCTETS = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_plain(struct str message)
{
	struct sasl_plain p;
	enum sasl_result result = sasl_plain_parse(message, &p);

	if (result == SASL_MALFORMED)
		return;
	check(p.authzid.n + p.authcid.n + p.passwd.n + 2 == message.n);
	check(sasl_is_part(p.authcid, SASL_PART_MAX));
	check(sasl_is_part(p.passwd, SASL_PASSWORD_MAX));
	check(str_chr(p.passwd, '\0') < 0 && str_chr(p.authzid, '\0') < 0);
	check((result == SASL_OK) ==
	      (p.authzid.n == 0 || str_eq(p.authzid, p.authcid)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf plain = BUF_INIT(MAX_OCTETS),
		   text = BUF_INIT(2 * MAX_OCTETS);
	struct str in = str_of(data, size);

	if (size > MAX_OCTETS)
		return 0;
	check_plain(in);
	if (base64_decode(&plain, in) == OK) {
		check_plain(buf_str(&plain));
		check(base64_encode(&text, buf_str(&plain)) == OK);
		check(str_eq(buf_str(&text), in));
	} else {
		check(plain.n == 0);
	}
	buf_clear(&text);
	buf_clear(&plain);
	check(base64_encode(&text, in) == OK);
	check(base64_decode(&plain, buf_str(&text)) == OK);
	check(str_eq(buf_str(&plain), in));
	buf_release(&text);
	buf_release(&plain);
	return 0;
}
