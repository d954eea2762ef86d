/* SPDX-License-Identifier: MIT
 * lib/mail/address.c - the grammar of RFC 5321 4.1.2 by hand: one cursor that
 * only moves forward.
 *
 * Every take_x() leaves the cursor behind what it took, and fails for good:
 * nothing is tried twice. 8-bit is taken as part of words at first and judged
 * at the end, so that "needs SMTPUTF8" is told from "malformed". */
#include "lib/mail/address.h"

#include "lib/base/utf8.h"

#include <arpa/inet.h>

enum { HOST_MAX_OCTETS = 253 }; // RFC 1035 2.3.4, as it is written

static bool
is_8bit(char c)
{
	return (unsigned char)c >= 0x80;
}

/* atext of RFC 5322 3.2.3 and UTF8-non-ascii of RFC 6531 3.3 */
static bool
is_atext(char c)
{
	if (ascii_is_alpha(c) || ascii_is_digit(c) || is_8bit(c))
		return true;
	return c != 0 && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL;
}

static bool
is_let_dig(char c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c) || is_8bit(c);
}

/* What may follow a backslash (quoted-pairSMTP), or stand alone in quotes when
 * it is neither a backslash nor a quote (qtextSMTP). */
static bool
is_quotable(char c)
{
	return ascii_is_print(c) || is_8bit(c);
}

static bool
take_char(struct str *in, char c)
{
	if (in->n == 0 || in->p[0] != c)
		return false;
	*in = str_from(*in, 1);
	return true;
}

static bool
take_dot_string(struct str *in, struct str *out)
{
	size_t n = 0;

	for (;;) {
		size_t atom_at = n;

		while (n < in->n && is_atext(in->p[n]))
			n++;
		if (n == atom_at)
			return false;
		if (n == in->n || in->p[n] != '.')
			break;
		n++;
	}
	*out = str_first(*in, n);
	*in = str_from(*in, n);
	return true;
}

/* *raw_out is what stands between the quotes, its backslashes included. */
static bool
take_quoted(struct str *in, struct str *raw_out, bool *has_pairs_out)
{
	size_t n = 1;

	*has_pairs_out = false;
	while (n < in->n && in->p[n] != '"') {
		if (in->p[n] == '\\') {
			*has_pairs_out = true;
			n++;
		}
		if (n == in->n || !is_quotable(in->p[n]))
			return false;
		n++;
	}
	if (n >= in->n || n == 1) // the empty one: see the header
		return false;
	*raw_out = str_sub(*in, 1, n - 1);
	*in = str_from(*in, n + 1);
	return true;
}

static bool
unquote(struct str raw, struct arena *a, struct str *out)
{
	char *p = arena_alloc(a, raw.n);
	size_t n = 0;

	if (p == NULL)
		return false;
	for (size_t i = 0; i < raw.n; i++) {
		if (raw.p[i] == '\\')
			i++;
		p[n++] = raw.p[i];
	}
	*out = str_of(p, n);
	return true;
}

static enum address_result
take_local(struct str *in, struct arena *a, struct str *out)
{
	bool has_pairs;
	struct str raw;

	if (in->n == 0 || in->p[0] != '"')
		return take_dot_string(in, out) ? ADDRESS_OK : ADDRESS_SYNTAX;
	if (!take_quoted(in, &raw, &has_pairs))
		return ADDRESS_SYNTAX;
	*out = raw;
	if (has_pairs && !unquote(raw, a, out))
		return ADDRESS_NO_MEMORY;
	return ADDRESS_OK;
}

static bool
is_label(struct str label)
{
	if (label.n == 0)
		return false;
	for (size_t i = 0; i < label.n; i++) {
		char c = label.p[i];

		/* Underscores are against RFC 1123 2.1 and in use. */
		if (!is_let_dig(c) && c != '-' && c != '_')
			return false;
	}
	return label.p[0] != '-' && label.p[label.n - 1] != '-';
}

static bool
is_literal_address(struct str inner)
{
	char text[INET6_ADDRSTRLEN];
	unsigned char address[sizeof(struct in6_addr)];
	int family = AF_INET;

	if (str_istarts(inner, S("IPv6:"))) {
		family = AF_INET6;
		inner = str_from(inner, sizeof("IPv6:") - 1);
	}
	if (str_to_c(inner, text, sizeof(text)) != OK)
		return false;
	return inet_pton(family, text, address) == 1;
}

/* Form only; 8-bit and length are judged by check_domain(). */
static bool
take_domain(struct str *in, struct str *out)
{
	size_t n = 0;
	struct str rest, label;

	if (in->n > 0 && in->p[0] == '[') {
		ptrdiff_t end = str_chr(*in, ']');

		if (end < 0 ||
		    !is_literal_address(str_sub(*in, 1, (size_t)end - 1)))
			return false;
		*out = str_first(*in, (size_t)end + 1);
		*in = str_from(*in, (size_t)end + 1);
		return true;
	}
	while (n < in->n && (is_let_dig(in->p[n]) || in->p[n] == '.' ||
			     in->p[n] == '-' || in->p[n] == '_'))
		n++;
	rest = *out = str_first(*in, n);
	*in = str_from(*in, n);
	if (n == 0 || out->p[n - 1] == '.')
		return false;
	while (str_split(&rest, '.', &label))
		if (!is_label(label))
			return false;
	return true;
}

static enum address_result
check_text(struct str s, unsigned flags)
{
	if (utf8_is_ascii(s))
		return ADDRESS_OK;
	if (!utf8_is_valid(s))
		return ADDRESS_SYNTAX;
	return flags & ADDRESS_UTF8 ? ADDRESS_OK : ADDRESS_NON_ASCII;
}

static enum address_result
check_domain(struct str domain, unsigned flags)
{
	struct str rest = domain, label;

	if (domain.n > ADDRESS_DOMAIN_MAX)
		return ADDRESS_TOO_LONG;
	if (address_is_literal(domain))
		return ADDRESS_OK;
	while (str_split(&rest, '.', &label))
		if (label.n > ADDRESS_LABEL_MAX)
			return ADDRESS_TOO_LONG;
	return check_text(domain, flags);
}

static enum address_result
check_local(struct str local, unsigned flags)
{
	if (local.n > ADDRESS_LOCAL_MAX && !(flags & ADDRESS_LONG_LOCAL))
		return ADDRESS_TOO_LONG;
	return check_text(local, flags);
}

static enum address_result
take_mailbox(struct str *in, unsigned flags, struct arena *a,
	     struct address *out)
{
	enum address_result r, r_domain;

	r = take_local(in, a, &out->local);
	if (r != ADDRESS_OK)
		return r;
	if (!take_char(in, '@') || !take_domain(in, &out->domain))
		return ADDRESS_SYNTAX;
	r = check_local(out->local, flags);
	r_domain = check_domain(out->domain, flags);
	/* ADDRESS_NON_ASCII promises that nothing else is wrong. */
	if (r == ADDRESS_OK || r_domain == ADDRESS_SYNTAX)
		return r_domain;
	if (r == ADDRESS_NON_ASCII && r_domain == ADDRESS_TOO_LONG)
		return r_domain;
	return r;
}

/* A-d-l: "@a,@b:". Its hosts must be well-formed, then they are forgotten. */
static bool
skip_source_route(struct str *in)
{
	struct str host;

	if (in->n == 0 || in->p[0] != '@')
		return true;
	do {
		if (!take_char(in, '@') || !take_domain(in, &host))
			return false;
	} while (take_char(in, ','));
	return take_char(in, ':');
}

enum address_result
address_parse_path(struct str in, unsigned flags, struct address *out,
		   struct arena *a, struct str *rest_out)
{
	struct address addr = ADDRESS_NULL;
	struct str rest = in, word;
	enum address_result r;

	if (!take_char(&rest, '<'))
		return ADDRESS_SYNTAX;
	if (take_char(&rest, '>')) {
		if (!(flags & ADDRESS_ALLOW_NULL))
			return ADDRESS_SYNTAX;
		goto done;
	}
	word = str_first(rest, sizeof("postmaster>") - 1);
	if (flags & ADDRESS_ALLOW_POSTMASTER &&
	    str_ieq(word, S("postmaster>"))) {
		addr.local = str_first(word, word.n - 1);
		rest = str_from(rest, word.n);
		goto done;
	}
	if (!skip_source_route(&rest))
		return ADDRESS_SYNTAX;
	r = take_mailbox(&rest, flags, a, &addr);
	if (r == ADDRESS_SYNTAX || r == ADDRESS_NO_MEMORY)
		return r;
	if (!take_char(&rest, '>'))
		return ADDRESS_SYNTAX;
	if (in.n - rest.n > ADDRESS_PATH_MAX)
		return ADDRESS_TOO_LONG;
	if (r != ADDRESS_OK)
		return r;
done:
	*out = addr;
	*rest_out = rest;
	return ADDRESS_OK;
}

enum address_result
address_parse(struct str in, unsigned flags, struct address *out,
	      struct arena *a)
{
	struct address addr = ADDRESS_NULL;
	struct str rest = in;
	enum address_result r;

	if (in.n == 0 && flags & ADDRESS_ALLOW_NULL) {
		*out = addr;
		return ADDRESS_OK;
	}
	if (flags & ADDRESS_ALLOW_POSTMASTER && str_ieq(in, S("postmaster"))) {
		out->local = in;
		out->domain = STR_NONE;
		return ADDRESS_OK;
	}
	r = take_mailbox(&rest, flags, a, &addr);
	if (r == ADDRESS_SYNTAX || r == ADDRESS_NO_MEMORY)
		return r;
	if (rest.n > 0)
		return ADDRESS_SYNTAX;
	if (in.n > ADDRESS_PATH_MAX - 2)
		return ADDRESS_TOO_LONG;
	if (r == ADDRESS_OK)
		*out = addr;
	return r;
}

bool
address_is_host(struct str name)
{
	struct str rest = name, label;

	if (name.n == 0 || name.n > HOST_MAX_OCTETS)
		return false;
	while (str_split(&rest, '.', &label)) {
		if (label.n == 0 || label.n > ADDRESS_LABEL_MAX ||
		    label.p[0] == '-')
			return false;
		for (size_t i = 0; i < label.n; i++) {
			char c = label.p[i];

			if (!ascii_is_alpha(c) && !ascii_is_digit(c) &&
			    c != '-' && c != '_' && (unsigned char)c < 0x80)
				return false;
		}
	}
	return true;
}

struct str
address_local_of(struct str text)
{
	ptrdiff_t at = str_rchr(text, '@');

	return at < 0 ? text : str_first(text, (size_t)at);
}

struct str
address_domain_of(struct str text)
{
	ptrdiff_t at = str_rchr(text, '@');

	return at < 0 ? S("") : str_from(text, (size_t)at + 1);
}

bool
address_is_null(const struct address *addr)
{
	return addr->local.n == 0 && addr->domain.n == 0;
}

bool
address_is_ascii(const struct address *addr)
{
	return utf8_is_ascii(addr->local) && utf8_is_ascii(addr->domain);
}

bool
address_is_domain(struct str domain, unsigned flags)
{
	struct str rest = domain, taken;

	return take_domain(&rest, &taken) && rest.n == 0 &&
	       check_domain(domain, flags) == ADDRESS_OK;
}

bool
address_is_literal(struct str domain)
{
	return domain.n > 0 && domain.p[0] == '[';
}

static bool
is_dot_string(struct str local)
{
	struct str rest = local, taken;

	return take_dot_string(&rest, &taken) && rest.n == 0;
}

static enum err
format_quoted(struct buf *out, struct str local)
{
	enum err e = buf_addc(out, '"');

	for (size_t i = 0; i < local.n && e == OK; i++) {
		if (local.p[i] == '"' || local.p[i] == '\\')
			e = buf_addc(out, '\\');
		if (e == OK)
			e = buf_addc(out, local.p[i]);
	}
	return e == OK ? buf_addc(out, '"') : e;
}

enum err
address_format(struct buf *out, const struct address *addr)
{
	enum err e;

	if (address_is_null(addr))
		return OK;
	if (is_dot_string(addr->local))
		e = buf_add(out, addr->local);
	else
		e = format_quoted(out, addr->local);
	if (e != OK || addr->domain.n == 0)
		return e;
	e = buf_addc(out, '@');
	return e == OK ? buf_add(out, addr->domain) : e;
}
