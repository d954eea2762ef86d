/* SPDX-License-Identifier: MIT
 * lib/mail/tls_policy.c - see tls_policy.h. */
#include "lib/mail/tls_policy.h"

static const struct {
	struct str name;
	enum tls_level level;
	bool was_dane;
} levels[] = {
	{ STR_INIT("none"), TLS_NONE, false },
	{ STR_INIT("may"), TLS_MAY, false },
	{ STR_INIT("encrypt"), TLS_ENCRYPT, false },
	{ STR_INIT("fingerprint"), TLS_FINGERPRINT, false },
	{ STR_INIT("verify"), TLS_VERIFY, false },
	{ STR_INIT("secure"), TLS_SECURE, false },
	{ STR_INIT("dane"), TLS_MAY, true },
	{ STR_INIT("dane-only"), TLS_ENCRYPT, true },
};

#define N_OF_ARRAY(a) (sizeof(a) / sizeof(*(a)))

static bool
find_level(struct str word, struct tls_policy *out)
{
	for (size_t i = 0; i < N_OF_ARRAY(levels); i++) {
		if (!str_ieq(word, levels[i].name))
			continue;
		out->level = levels[i].level;
		out->was_dane = levels[i].was_dane;
		return true;
	}
	return false;
}

static const char *
take_attribute(struct str word, struct tls_policy *p)
{
	struct str value = word, name;
	const struct {
		struct str name;
		struct str *to;
	} single[] = {
		{ S("protocols"), &p->protocols },
		{ S("ciphers"), &p->ciphers },
		{ S("exclude"), &p->exclude },
		{ S("servername"), &p->servername },
	};
	unsigned with;

	str_split(&value, '=', &name);
	if (value.p == NULL || value.n == 0)
		return "write name=value behind the level";
	if (str_ieq(name, S("match"))) {
		if (p->n_match == TLS_POLICY_MATCHES)
			return "too many match=";
		p->match[p->n_match++] = value;
		return NULL;
	}
	for (size_t i = 0; i < N_OF_ARRAY(single); i++) {
		if (!str_ieq(name, single[i].name))
			continue;
		*single[i].to = value;
		return str_ieq(name, S("protocols")) &&
				       !tls_protocols_parse(value, &with)
			       ? "protocols= leaves none of TLS 1.2 and 1.3, "
				 "or has an unknown name"
			       : NULL;
	}
	return "unknown attribute; known are match, protocols, ciphers, "
	       "exclude, servername";
}

bool
tls_policy_parse(struct str text, struct tls_policy *out, const char **why_out)
{
	struct str word;
	unsigned char print[TLS_FINGERPRINT_OCTETS];

	*out = (struct tls_policy) { .level = TLS_NONE };
	*why_out = "no level; write none, may, encrypt, fingerprint, verify "
		   "or secure";
	if (!str_word(&text, &word) || !find_level(word, out))
		return false;
	while (str_word(&text, &word)) {
		*why_out = take_attribute(word, out);
		if (*why_out != NULL)
			return false;
	}
	*why_out = "a fingerprint is the SHA-256 of the certificate or of its "
		   "key, in hexadecimal";
	for (size_t i = 0; i < out->n_match && out->level == TLS_FINGERPRINT;
	     i++) {
		struct str list = out->match[i], item;

		while (str_split(&list, '|', &item))
			if (!tls_fingerprint_parse(item, print))
				return false;
	}
	*why_out = NULL;
	return true;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool
tls_fingerprint_parse(struct str text,
		      unsigned char out[TLS_FINGERPRINT_OCTETS])
{
	size_t n = 0;

	for (size_t i = 0; i < text.n; i += 2) {
		int high, low;

		if (n > 0 && text.p[i] == ':')
			i++;
		if (text.n - i < 2 || n == TLS_FINGERPRINT_OCTETS)
			return false;
		high = hex_digit(text.p[i]);
		low = hex_digit(text.p[i + 1]);
		if (high < 0 || low < 0)
			return false;
		out[n++] = (unsigned char)(high << 4 | low);
	}
	return n == TLS_FINGERPRINT_OCTETS;
}

/* Rank of a version; 0: no such. */
static int
version_rank(struct str name)
{
	static const struct str names[] = {
		STR_INIT("SSLv2"),   STR_INIT("SSLv3"),	  STR_INIT("TLSv1"),
		STR_INIT("TLSv1.1"), STR_INIT("TLSv1.2"), STR_INIT("TLSv1.3"),
	};

	for (size_t i = 0; i < N_OF_ARRAY(names); i++)
		if (str_ieq(name, names[i]))
			return (int)i + 1;
	return 0;
}

static struct str
next_protocol(struct str *text)
{
	size_t n = 0, skip = 0;
	struct str word;

	while (skip < text->n && str_chr(S(" \t,:"), text->p[skip]) >= 0)
		skip++;
	*text = str_from(*text, skip);
	while (n < text->n && str_chr(S(" \t,:"), text->p[n]) < 0)
		n++;
	word = str_first(*text, n);
	*text = str_from(*text, n);
	return word;
}

bool
tls_protocols_parse(struct str text, unsigned *with_out)
{
	enum { RANKS = 6, RANK_1_2 = 5, RANK_1_3 = 6 };
	unsigned listed = 0, refused = 0, with;
	int min = 1, max = RANKS;
	struct str word;

	while ((word = next_protocol(&text)).n > 0) {
		bool is_min = str_starts(word, S(">="));
		bool is_max = str_starts(word, S("<="));
		bool is_not = word.p[0] == '!';
		int rank = version_rank(str_from(word, is_min || is_max ? 2
						       : is_not		? 1
									: 0));

		if (rank == 0)
			return false;
		if (is_min)
			min = rank;
		else if (is_max)
			max = rank;
		else if (is_not)
			refused |= 1u << rank;
		else
			listed |= 1u << rank;
	}
	with = listed ? listed : ~0u;
	with &= ~refused;
	*with_out = 0;
	if (with & 1u << RANK_1_2 && min <= RANK_1_2 && max >= RANK_1_2)
		*with_out |= TLS_WITH_1_2;
	if (with & 1u << RANK_1_3 && min <= RANK_1_3 && max >= RANK_1_3)
		*with_out |= TLS_WITH_1_3;
	return *with_out != 0;
}
