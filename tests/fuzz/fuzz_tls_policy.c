/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_tls_policy.c - values of smtp_tls_policy_maps and lists of
 * protocols. Oracle: what is found lies in the text; each refusal has a reason;
 * no protocol older than TLS 1.2 is ever allowed. */
#include "lib/base/check.h"
#include "lib/mail/tls_policy.h"

enum { MAX_OCTETS = 1 << 14 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_within(struct str part, struct str text)
{
	check(part.n == 0 ||
	      (part.p >= text.p && part.p + part.n <= text.p + text.n));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_of(data, size);
	unsigned char octets[TLS_FINGERPRINT_OCTETS];
	struct tls_policy p;
	const char *why = NULL;
	unsigned with;

	if (size > MAX_OCTETS)
		return 0;
	if (tls_policy_parse(text, &p, &why)) {
		check(p.n_match <= TLS_POLICY_MATCHES);
		for (size_t i = 0; i < p.n_match; i++)
			check_within(p.match[i], text);
		check_within(p.protocols, text);
		check_within(p.servername, text);
	} else {
		check(why != NULL);
	}
	(void)!tls_fingerprint_parse(text, octets);
	if (tls_protocols_parse(text, &with))
		check(with != 0 && (with & ~3u) == 0);
	return 0;
}
