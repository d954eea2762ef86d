/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_smtp_command.c - values that come out of a command line hold
 * no controls, and every refusal has a reply. First byte: extensions. */
#include "lib/base/check.h"
#include "lib/mail/smtp_command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_clean(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		check((unsigned char)s.p[i] >= ' ' && s.p[i] != 0x7f);
}

static void
check_mail(struct str arg, unsigned with, struct arena *a)
{
	struct smtp_mail_args m;
	enum smtp_syntax s = smtp_mail_parse(arg, with, a, &m);

	check(smtp_syntax_answer(s)->code >= 250);
	if (s != SMTP_OK)
		return;
	check_clean(m.from.local);
	check_clean(m.from.domain);
	check_clean(m.auth);
	check_clean(m.envid);
	check_clean(m.xid);
	check(m.envid.n <= SMTP_ENVID_MAX && m.xid.n <= SMTP_XID_MAX);
	check(m.is_smtputf8 || address_is_ascii(&m.from));
	check(with & SMTP_WITH_OWN || (m.xid.n == 0 && !m.is_try));
}

static void
check_rcpt(struct str arg, unsigned with, struct arena *a)
{
	struct smtp_rcpt_args r;
	enum smtp_syntax s = smtp_rcpt_parse(arg, with, a, &r);

	check(smtp_syntax_answer(s)->code >= 250);
	if (s != SMTP_OK)
		return;
	check(!address_is_null(&r.to));
	check_clean(r.to.local);
	check_clean(r.to.domain);
	check_clean(r.orcpt_type);
	check_clean(r.orcpt);
	check(!(r.notify & SMTP_NOTIFY_NEVER) || r.notify == SMTP_NOTIFY_NEVER);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = ARENA_INIT(1 << 20);
	struct smtp_command c;
	struct smtp_bdat_args bdat;
	struct str line, name;
	enum smtp_syntax s;

	if (size == 0)
		return 0;
	line = str_of(data + 1, size - 1);
	s = smtp_command_parse(line, &c);
	check(smtp_syntax_answer(s)->code >= 250);
	check(s != SMTP_OK || c.verb != SMTP_VERB_UNKNOWN);
	/* Each argument also by itself, whatever the verb. */
	check_mail(c.arg, data[0] & 63, &a);
	check_rcpt(c.arg, data[0] & 63, &a);
	if (smtp_helo_parse(c.arg, &name) == SMTP_OK)
		check_clean(name);
	if (smtp_bdat_parse(c.arg, &bdat) == SMTP_OK)
		check(ascii_is_digit(str_trim(c.arg).p[0]));
	arena_release(&a);
	return 0;
}
