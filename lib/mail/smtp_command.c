/* SPDX-License-Identifier: MIT
 * lib/mail/smtp_command.c - verbs and parameters, each a table. */
#include "lib/mail/smtp_command.h"

#include "lib/base/check.h"
#include "lib/base/utf8.h"
#include "lib/mail/xtext.h"

/* ---- answers ---- */

#define ANSWER(code, enhanced, text)                     \
	{                                                \
		code, STR_INIT(enhanced), STR_INIT(text) \
	}

static const struct smtp_answer answers[SMTP_N_SYNTAX] = {
	[SMTP_OK] = ANSWER(250, "2.0.0", "OK"),
	[SMTP_UNKNOWN_COMMAND] = ANSWER(500, "5.5.1", "Command not recognized"),
	/* 421 is the code that announces hanging up (RFC 5321 3.8). */
	[SMTP_FOREIGN_PROTOCOL] =
		ANSWER(421, "4.7.0", "This is a mail server, goodbye"),
	[SMTP_BAD_BYTES] =
		ANSWER(501, "5.5.2", "Control characters in command"),
	[SMTP_LINE_TOO_LONG] = ANSWER(500, "5.5.2", "Line too long"),
	[SMTP_NO_ARGUMENT_TAKEN] =
		ANSWER(501, "5.5.4", "Command takes no argument"),
	[SMTP_NEEDS_ARGUMENT] =
		ANSWER(501, "5.5.4", "Command needs an argument"),
	[SMTP_BAD_HELO] = ANSWER(501, "5.5.4", "Invalid host name"),
	[SMTP_BAD_MAIL] = ANSWER(501, "5.5.4", "Syntax: MAIL FROM:<address>"),
	[SMTP_BAD_RCPT] = ANSWER(501, "5.5.4", "Syntax: RCPT TO:<address>"),
	[SMTP_BAD_SENDER] = ANSWER(501, "5.1.7", "Bad sender address syntax"),
	[SMTP_BAD_RECIPIENT] =
		ANSWER(501, "5.1.3", "Bad recipient address syntax"),
	[SMTP_SENDER_TOO_LONG] =
		ANSWER(501, "5.1.7", "Sender address too long"),
	[SMTP_RECIPIENT_TOO_LONG] =
		ANSWER(501, "5.1.3", "Recipient address too long"),
	[SMTP_SENDER_NEEDS_UTF8] =
		ANSWER(553, "5.6.7", "Sender address needs SMTPUTF8"),
	[SMTP_RECIPIENT_NEEDS_UTF8] =
		ANSWER(553, "5.6.7", "Recipient address needs SMTPUTF8"),
	[SMTP_BAD_PARAM] = ANSWER(501, "5.5.4", "Bad parameter value"),
	[SMTP_DUPLICATE_PARAM] = ANSWER(501, "5.5.4", "Parameter given twice"),
	[SMTP_UNKNOWN_PARAM] = ANSWER(555, "5.5.4", "Unknown parameter"),
	[SMTP_SIZE_TOO_BIG] =
		ANSWER(552, "5.3.4", "Message size exceeds limit"),
	[SMTP_BAD_BDAT] = ANSWER(501, "5.5.4", "Syntax: BDAT size [LAST]"),
	[SMTP_NO_MEMORY] = ANSWER(452, "4.3.1", "Out of resources"),
};

const struct smtp_answer *
smtp_syntax_answer(enum smtp_syntax s)
{
	check((unsigned)s < SMTP_N_SYNTAX && answers[s].code != 0);
	return &answers[s];
}

/* ---- the line ---- */

enum arg_rule { ARG_ANY, ARG_NONE, ARG_NEEDED };

static const struct {
	struct str name;
	enum smtp_verb verb;
	enum arg_rule rule;
} verbs[] = {
	{ STR_INIT("EHLO"), SMTP_VERB_EHLO, ARG_NEEDED }, // 5321 4.1.1.1
	{ STR_INIT("HELO"), SMTP_VERB_HELO, ARG_NEEDED },
	{ STR_INIT("LHLO"), SMTP_VERB_LHLO, ARG_NEEDED }, // 2033 4.1
	{ STR_INIT("MAIL"), SMTP_VERB_MAIL, ARG_NEEDED },
	{ STR_INIT("RCPT"), SMTP_VERB_RCPT, ARG_NEEDED },
	{ STR_INIT("DATA"), SMTP_VERB_DATA, ARG_NONE },
	{ STR_INIT("BDAT"), SMTP_VERB_BDAT, ARG_NEEDED }, // 3030 2
	{ STR_INIT("RSET"), SMTP_VERB_RSET, ARG_NONE },
	{ STR_INIT("NOOP"), SMTP_VERB_NOOP, ARG_ANY }, // 5321 4.1.1.9
	{ STR_INIT("QUIT"), SMTP_VERB_QUIT, ARG_NONE },
	{ STR_INIT("VRFY"), SMTP_VERB_VRFY, ARG_NEEDED },
	{ STR_INIT("EXPN"), SMTP_VERB_EXPN, ARG_NEEDED },
	{ STR_INIT("HELP"), SMTP_VERB_HELP, ARG_ANY },
	{ STR_INIT("ETRN"), SMTP_VERB_ETRN, ARG_NEEDED },
	{ STR_INIT("AUTH"), SMTP_VERB_AUTH, ARG_NEEDED },	// 4954 4
	{ STR_INIT("STARTTLS"), SMTP_VERB_STARTTLS, ARG_NONE }, // 3207 4
	{ STR_INIT("XCLIENT"), SMTP_VERB_XCLIENT, ARG_NEEDED },
	{ STR_INIT("XFORWARD"), SMTP_VERB_XFORWARD, ARG_NEEDED },
};

/* First words of protocols whose requests a browser can be made to send here.
 * The blank belongs to them, so that no later verb of SMTP is met. */
static const struct str foreign[] = {
	STR_INIT("GET "),     STR_INIT("POST "),   STR_INIT("PUT "),
	STR_INIT("HEAD "),    STR_INIT("DELETE "), STR_INIT("PATCH "),
	STR_INIT("OPTIONS "), STR_INIT("TRACE "),  STR_INIT("CONNECT "),
	STR_INIT("PRI * "),   STR_INIT("SSH-"),
};

enum { TLS_HANDSHAKE = 0x16, TLS_MAJOR = 3 }; // RFC 8446 5.1

static bool
is_foreign(struct str line)
{
	if (line.n >= 2 && line.p[0] == TLS_HANDSHAKE && line.p[1] == TLS_MAJOR)
		return true;
	for (size_t i = 0; i < sizeof(foreign) / sizeof(*foreign); i++)
		if (str_istarts(line, foreign[i]))
			return true;
	return false;
}

static bool
has_control(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return true;
	}
	return false;
}

enum smtp_syntax
smtp_command_parse(struct str line, struct smtp_command *out)
{
	size_t n = 0;
	enum arg_rule rule = ARG_ANY;

	while (n < line.n && line.p[n] != ' ' && line.p[n] != '\t')
		n++;
	out->verb = SMTP_VERB_UNKNOWN;
	out->name = str_first(line, n);
	out->arg = str_trim(str_from(line, n));
	if (is_foreign(line))
		return SMTP_FOREIGN_PROTOCOL;
	if (has_control(line))
		return SMTP_BAD_BYTES;
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
		if (str_ieq(out->name, verbs[i].name)) {
			out->verb = verbs[i].verb;
			rule = verbs[i].rule;
		}
	}
	if (out->verb == SMTP_VERB_UNKNOWN)
		return SMTP_UNKNOWN_COMMAND;
	if (rule == ARG_NONE && out->arg.n > 0)
		return SMTP_NO_ARGUMENT_TAKEN;
	if (rule == ARG_NEEDED && out->arg.n == 0)
		return SMTP_NEEDS_ARGUMENT;
	return SMTP_OK;
}

enum smtp_syntax
smtp_helo_parse(struct str arg, struct str *name_out)
{
	if (arg.n == 0 || arg.n > ADDRESS_DOMAIN_MAX)
		return SMTP_BAD_HELO;
	for (size_t i = 0; i < arg.n; i++)
		if (!ascii_is_print(arg.p[i]) || arg.p[i] == ' ')
			return SMTP_BAD_HELO;
	*name_out = arg;
	return SMTP_OK;
}

/* ---- parameters of MAIL and RCPT ---- */

struct param {
	struct str value;
	bool has_value;
	unsigned with;
	struct arena *arena;
};

/* One of mail and rcpt is NULL, as the table says. */
typedef enum smtp_syntax
param_fn(const struct param *p, struct smtp_mail_args *mail,
	 struct smtp_rcpt_args *rcpt);

enum { UINT64_DIGITS = 20 }; // RFC 1870 3: 1*20DIGIT

static enum smtp_syntax
parse_size(struct str digits, enum smtp_syntax bad, uint64_t *out)
{
	if (digits.n == 0 || digits.n > UINT64_DIGITS)
		return bad;
	for (size_t i = 0; i < digits.n; i++)
		if (!ascii_is_digit(digits.p[i]))
			return bad;
	return str_to_u64(digits, UINT64_MAX, out) ? SMTP_OK
						   : SMTP_SIZE_TOO_BIG;
}

static enum smtp_syntax
param_size(const struct param *p, struct smtp_mail_args *mail,
	   struct smtp_rcpt_args *rcpt UNUSED)
{
	mail->has_size = true;
	return parse_size(p->value, SMTP_BAD_PARAM, &mail->size_octets);
}

static enum smtp_syntax
param_body(const struct param *p, struct smtp_mail_args *mail,
	   struct smtp_rcpt_args *rcpt UNUSED)
{
	if (str_ieq(p->value, S("7BIT")))
		mail->body = SMTP_BODY_7BIT;
	else if (str_ieq(p->value, S("8BITMIME")))
		mail->body = SMTP_BODY_8BITMIME;
	else if (str_ieq(p->value, S("BINARYMIME")) &&
		 p->with & SMTP_WITH_BINARY)
		mail->body = SMTP_BODY_BINARYMIME;
	else
		return SMTP_BAD_PARAM;
	return SMTP_OK;
}

static enum smtp_syntax
param_smtputf8(const struct param *p, struct smtp_mail_args *mail,
	       struct smtp_rcpt_args *rcpt UNUSED)
{
	mail->is_smtputf8 = true;
	return p->has_value ? SMTP_BAD_PARAM : SMTP_OK;
}

/* xtext whose result holds no control character: it will be written into
 * logs, records and headers. */
static enum smtp_syntax
decode_value(struct str coded, struct arena *a, struct str *out)
{
	enum err e = xtext_decode(coded, a, out);

	if (e == ERR_LIMIT)
		return SMTP_NO_MEMORY;
	if (e != OK || has_control(*out) || str_chr(*out, '\t') >= 0)
		return SMTP_BAD_PARAM;
	return SMTP_OK;
}

static enum smtp_syntax
param_auth(const struct param *p, struct smtp_mail_args *mail,
	   struct smtp_rcpt_args *rcpt UNUSED)
{
	struct address addr;
	struct str text;
	enum smtp_syntax s = decode_value(p->value, p->arena, &text);

	if (s != SMTP_OK)
		return s;
	mail->has_auth = true;
	if (str_eq(text, S("<>")))
		return SMTP_OK;
	switch (address_parse(text, ADDRESS_LONG_LOCAL | ADDRESS_UTF8, &addr,
			      p->arena)) {
	case ADDRESS_OK:
		mail->auth = text;
		return SMTP_OK;
	case ADDRESS_NO_MEMORY:
		return SMTP_NO_MEMORY;
	default:
		return SMTP_BAD_PARAM;
	}
}

static enum smtp_syntax
param_ret(const struct param *p, struct smtp_mail_args *mail,
	  struct smtp_rcpt_args *rcpt UNUSED)
{
	if (str_ieq(p->value, S("FULL")))
		mail->ret = SMTP_RET_FULL;
	else if (str_ieq(p->value, S("HDRS")))
		mail->ret = SMTP_RET_HDRS;
	else
		return SMTP_BAD_PARAM;
	return SMTP_OK;
}

static enum smtp_syntax
param_envid(const struct param *p, struct smtp_mail_args *mail,
	    struct smtp_rcpt_args *rcpt UNUSED)
{
	enum smtp_syntax s;

	if (p->value.n == 0 || p->value.n > SMTP_ENVID_MAX)
		return SMTP_BAD_PARAM;
	mail->has_envid = true;
	s = decode_value(p->value, p->arena, &mail->envid);
	if (s != SMTP_OK)
		return s;
	return utf8_is_ascii(mail->envid) ? SMTP_OK : SMTP_BAD_PARAM;
}

static enum smtp_syntax
param_xid(const struct param *p, struct smtp_mail_args *mail,
	  struct smtp_rcpt_args *rcpt)
{
	if (p->value.n == 0 || p->value.n > SMTP_XID_MAX)
		return SMTP_BAD_PARAM;
	for (size_t i = 0; i < p->value.n; i++) {
		char c = p->value.p[i];

		if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '-' &&
		    c != '_' && c != '.')
			return SMTP_BAD_PARAM;
	}
	if (mail != NULL)
		mail->xid = p->value;
	else
		rcpt->xid = p->value;
	return SMTP_OK;
}

static enum smtp_syntax
param_xtry(const struct param *p, struct smtp_mail_args *mail,
	   struct smtp_rcpt_args *rcpt UNUSED)
{
	mail->is_try = true;
	return str_eq(p->value, S("1")) ? SMTP_OK : SMTP_BAD_PARAM;
}

static enum smtp_syntax
param_notify(const struct param *p, struct smtp_mail_args *mail UNUSED,
	     struct smtp_rcpt_args *rcpt)
{
	static const struct {
		struct str name;
		unsigned bit;
	} words[] = {
		{ STR_INIT("NEVER"), SMTP_NOTIFY_NEVER },
		{ STR_INIT("SUCCESS"), SMTP_NOTIFY_SUCCESS },
		{ STR_INIT("FAILURE"), SMTP_NOTIFY_FAILURE },
		{ STR_INIT("DELAY"), SMTP_NOTIFY_DELAY },
	};
	struct str rest = p->value, word;

	while (str_split(&rest, ',', &word)) {
		unsigned bit = 0;

		for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
			if (str_ieq(word, words[i].name))
				bit = words[i].bit;
		if (bit == 0)
			return SMTP_BAD_PARAM;
		rcpt->notify |= bit;
	}
	if (rcpt->notify == 0)
		return SMTP_BAD_PARAM;
	if (rcpt->notify & SMTP_NOTIFY_NEVER &&
	    rcpt->notify != SMTP_NOTIFY_NEVER)
		return SMTP_BAD_PARAM;
	return SMTP_OK;
}

static bool
is_atom(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_alpha(s.p[i]) && !ascii_is_digit(s.p[i]) &&
		    s.p[i] != '-')
			return false;
	return s.n > 0;
}

/* utf-8-enc-addr of RFC 6533 3 may be plain UTF-8, which xtext is not. */
static bool
is_plain_utf8(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '+' || s.p[i] == '=' || s.p[i] == ' ')
			return false;
	return !has_control(s) && utf8_is_valid(s);
}

static enum smtp_syntax
param_orcpt(const struct param *p, struct smtp_mail_args *mail UNUSED,
	    struct smtp_rcpt_args *rcpt)
{
	struct str rest = p->value;
	enum smtp_syntax s;

	rcpt->has_orcpt = true;
	if (p->value.n > SMTP_ORCPT_MAX)
		return SMTP_BAD_PARAM;
	if (!str_split(&rest, ';', &rcpt->orcpt_type) ||
	    !is_atom(rcpt->orcpt_type) || rest.n == 0)
		return SMTP_BAD_PARAM;
	if (!utf8_is_ascii(rest)) {
		rcpt->orcpt = rest;
		return p->with & SMTP_WITH_UTF8 && is_plain_utf8(rest) &&
				       str_ieq(rcpt->orcpt_type, S("utf-8"))
			       ? SMTP_OK
			       : SMTP_BAD_PARAM;
	}
	s = decode_value(rest, p->arena, &rcpt->orcpt);
	if (s != SMTP_OK)
		return s;
	/* RFC 3461 4.2: what is decoded is printable ASCII. */
	return rcpt->orcpt.n > 0 && utf8_is_ascii(rcpt->orcpt) ? SMTP_OK
							       : SMTP_BAD_PARAM;
}

static enum smtp_syntax
param_xorig(const struct param *p, struct smtp_mail_args *mail UNUSED,
	    struct smtp_rcpt_args *rcpt)
{
	enum smtp_syntax s =
		p->value.n > SMTP_ORCPT_MAX
			? SMTP_BAD_PARAM
			: decode_value(p->value, p->arena, &rcpt->original);

	if (s != SMTP_OK)
		return s;
	return rcpt->original.n > 0 ? SMTP_OK : SMTP_BAD_PARAM;
}

enum { ON_MAIL = 1, ON_RCPT = 2 };

static const struct param_kind {
	struct str name;
	unsigned on;
	unsigned needs; // SMTP_WITH_.., or 0
	param_fn *parse;
} kinds[] = {
	{ STR_INIT("SIZE"), ON_MAIL, 0, param_size }, // 1870
	{ STR_INIT("BODY"), ON_MAIL, 0, param_body }, // 6152, 3030
	{ STR_INIT("SMTPUTF8"), ON_MAIL, SMTP_WITH_UTF8, param_smtputf8 },
	{ STR_INIT("AUTH"), ON_MAIL, SMTP_WITH_AUTH, param_auth }, // 4954 5
	{ STR_INIT("RET"), ON_MAIL, SMTP_WITH_DSN, param_ret },	   // 3461 4.3
	{ STR_INIT("ENVID"), ON_MAIL, SMTP_WITH_DSN, param_envid },
	{ STR_INIT("XTRY"), ON_MAIL, SMTP_WITH_OWN, param_xtry },
	{ STR_INIT("XID"), ON_MAIL | ON_RCPT, SMTP_WITH_OWN, param_xid },
	{ STR_INIT("NOTIFY"), ON_RCPT, SMTP_WITH_DSN, param_notify },
	{ STR_INIT("ORCPT"), ON_RCPT, SMTP_WITH_DSN, param_orcpt },
	{ STR_INIT("XORIG"), ON_RCPT, SMTP_WITH_ORIGINAL, param_xorig },
};

static enum smtp_syntax
parse_params(struct str rest, unsigned on, unsigned with, struct arena *a,
	     struct smtp_mail_args *mail, struct smtp_rcpt_args *rcpt)
{
	unsigned seen = 0;
	struct str word;

	if (rest.n > 0 && !ascii_is_space(rest.p[0]))
		return SMTP_BAD_PARAM;
	while (str_word(&rest, &word)) {
		ptrdiff_t equals = str_chr(word, '=');
		struct str name = word;
		struct param p = { STR_NONE, equals >= 0, with, a };
		enum smtp_syntax s;
		size_t i = 0;

		if (p.has_value) {
			name = str_first(word, (size_t)equals);
			p.value = str_from(word, (size_t)equals + 1);
		}
		while (i < sizeof(kinds) / sizeof(*kinds) &&
		       !(kinds[i].on & on && str_ieq(name, kinds[i].name)))
			i++;
		if (i == sizeof(kinds) / sizeof(*kinds) ||
		    (kinds[i].needs & with) != kinds[i].needs)
			return SMTP_UNKNOWN_PARAM;
		if (seen & 1u << i)
			return SMTP_DUPLICATE_PARAM;
		seen |= 1u << i;
		s = kinds[i].parse(&p, mail, rcpt);
		if (s != SMTP_OK)
			return s;
	}
	return SMTP_OK;
}

/* "FROM:" or "TO:", with blanks behind it that old clients send. */
static bool
take_keyword(struct str *arg, struct str keyword)
{
	if (!str_istarts(*arg, keyword))
		return false;
	*arg = str_ltrim(str_from(*arg, keyword.n));
	return true;
}

static unsigned
address_flags(unsigned with)
{
	unsigned flags = 0;

	if (with & SMTP_WITH_UTF8)
		flags |= ADDRESS_UTF8;
	if (with & SMTP_WITH_LONG_LOCAL)
		flags |= ADDRESS_LONG_LOCAL;
	return flags;
}

enum smtp_syntax
smtp_mail_parse(struct str arg, unsigned with, struct arena *a,
		struct smtp_mail_args *out)
{
	static const enum smtp_syntax wrong[] = {
		[ADDRESS_OK] = SMTP_OK,
		[ADDRESS_SYNTAX] = SMTP_BAD_SENDER,
		[ADDRESS_TOO_LONG] = SMTP_SENDER_TOO_LONG,
		[ADDRESS_NON_ASCII] = SMTP_SENDER_NEEDS_UTF8,
		[ADDRESS_NO_MEMORY] = SMTP_NO_MEMORY,
	};
	enum address_result r;
	enum smtp_syntax s;
	struct str rest;

	*out = (struct smtp_mail_args) { 0 };
	if (has_control(arg))
		return SMTP_BAD_BYTES;
	if (!take_keyword(&arg, S("FROM:")))
		return SMTP_BAD_MAIL;
	r = address_parse_path(arg, address_flags(with) | ADDRESS_ALLOW_NULL,
			       &out->from, a, &rest);
	if (r != ADDRESS_OK)
		return wrong[r];
	s = parse_params(rest, ON_MAIL, with, a, out, NULL);
	if (s == SMTP_OK && !out->is_smtputf8 && !address_is_ascii(&out->from))
		return SMTP_SENDER_NEEDS_UTF8; // RFC 6531 3.4
	return s;
}

enum smtp_syntax
smtp_rcpt_parse(struct str arg, unsigned with, struct arena *a,
		struct smtp_rcpt_args *out)
{
	static const enum smtp_syntax wrong[] = {
		[ADDRESS_OK] = SMTP_OK,
		[ADDRESS_SYNTAX] = SMTP_BAD_RECIPIENT,
		[ADDRESS_TOO_LONG] = SMTP_RECIPIENT_TOO_LONG,
		[ADDRESS_NON_ASCII] = SMTP_RECIPIENT_NEEDS_UTF8,
		[ADDRESS_NO_MEMORY] = SMTP_NO_MEMORY,
	};
	enum address_result r;
	struct str rest;

	*out = (struct smtp_rcpt_args) { 0 };
	if (has_control(arg))
		return SMTP_BAD_BYTES;
	if (!take_keyword(&arg, S("TO:")))
		return SMTP_BAD_RCPT;
	r = address_parse_path(arg,
			       address_flags(with) | ADDRESS_ALLOW_POSTMASTER,
			       &out->to, a, &rest);
	if (r != ADDRESS_OK)
		return wrong[r];
	return parse_params(rest, ON_RCPT, with, a, NULL, out);
}

/* ---- BDAT ---- */

enum smtp_syntax
smtp_bdat_parse(struct str arg, struct smtp_bdat_args *out)
{
	struct str rest = arg, size, last;

	*out = (struct smtp_bdat_args) { 0 };
	if (!str_word(&rest, &size))
		return SMTP_BAD_BDAT;
	if (str_word(&rest, &last)) {
		if (!str_ieq(last, S("LAST")) || str_trim(rest).n > 0)
			return SMTP_BAD_BDAT;
		out->is_last = true;
	}
	return parse_size(size, SMTP_BAD_BDAT, &out->size_octets);
}
