/* SPDX-License-Identifier: MIT
 * lib/mail/intl.c - NFC by libunistring, IDNA by libidn2. */
#include "lib/mail/intl.h"

#include "lib/base/buf.h"
#include "lib/base/utf8.h"
#include "lib/mail/address.h"

#include <idn2.h>
#include <stdlib.h>
#include <uninorm.h>

enum { ADDRESS_MAX_OCTETS = 1024, DOMAIN_MAX_OCTETS = 512 };

static enum err
put_nfc(struct buf *out, struct str local)
{
	size_t n = 0;
	uint8_t *made;
	enum err e;

	if (utf8_is_ascii(local))
		return buf_add(out, local);
	made = u8_normalize(UNINORM_NFC, (const uint8_t *)local.p, local.n,
			    NULL, &n);
	if (made == NULL)
		return ERR_LIMIT;
	e = buf_add(out, str_of(made, n));
	explicit_bzero(made, n); // it may be a password
	free(made);
	return e;
}

/* The mappings make dots and slashes of their wide forms, and nothing of some
 * characters: what comes out must be a name. */
static enum err
put_a_labels(struct buf *out, struct str domain)
{
	char text[DOMAIN_MAX_OCTETS];
	char *made = NULL;
	enum err e = ERR_FORMAT;

	if (utf8_is_ascii(domain))
		return buf_add(out, domain);
	if (str_chr(domain, '\0') < 0 &&
	    str_to_c(domain, text, sizeof(text)) == OK &&
	    idn2_to_ascii_8z(text, &made,
			     IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) ==
		    IDN2_OK &&
	    address_is_host(str_c(made)))
		e = buf_add(out, str_c(made));
	idn2_free(made);
	return e;
}

enum err
intl_address(struct str address, struct arena *arena, struct str *out)
{
	struct buf made = BUF_INIT(ADDRESS_MAX_OCTETS);
	ptrdiff_t at = str_rchr(address, '@');
	size_t n_local = at < 0 ? address.n : (size_t)at;
	enum err e;

	*out = address;
	if (utf8_is_ascii(address))
		return OK;
	if (address.n > ADDRESS_MAX_OCTETS)
		return ERR_LIMIT;
	if (!utf8_is_valid(address))
		return ERR_FORMAT;
	e = put_nfc(&made, str_first(address, n_local));
	if (e == OK && at >= 0)
		e = buf_addc(&made, '@');
	if (e == OK && at >= 0)
		e = put_a_labels(&made, str_from(address, n_local + 1));
	if (e == OK)
		e = arena_str(arena, buf_str(&made), out);
	buf_release(&made);
	return e;
}

/* Unicode's class Zs. */
static bool
is_space(uint32_t c)
{
	return c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
	       c == 0x202f || c == 0x205f || c == 0x3000;
}

static enum err
put_spaced(struct buf *out, struct str password)
{
	enum err e = OK;

	while (password.n > 0 && e == OK) {
		uint32_t c;
		size_t n = utf8_char(password, &c);

		if (n == 0 || c < ' ' || (c >= 0x7f && c < 0xa0))
			return ERR_FORMAT;
		e = buf_add(out, is_space(c) ? S(" ") : str_first(password, n));
		password = str_from(password, n);
	}
	return e;
}

enum err
intl_password(struct buf *out, struct str password)
{
	struct buf spaced = BUF_INIT(ADDRESS_MAX_OCTETS);
	enum err e;

	if (password.n > ADDRESS_MAX_OCTETS)
		return ERR_LIMIT;
	e = put_spaced(&spaced, password);
	if (e == OK)
		e = put_nfc(out, buf_str(&spaced));
	buf_wipe(&spaced);
	return e;
}
