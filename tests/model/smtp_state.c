/* SPDX-License-Identifier: MIT
 * tests/model/smtp_state.c - the reference model of an SMTP server.
 *
 * Process: the test.  Standards: RFC 5321 (4.1.4 order, 4.3.2 codes), 2920,
 * 3030, 3207, 4954, 1870, 6409; each rule names its section.
 * Invariants: pure; a fault leaves only the codes of faults. */
#include <stdarg.h>
#include <string.h>

#include "tests/model/smtp_state.h"

const char *const kind_names[N_KINDS] = {
	"EHLO",
	"HELO",
	"MAIL",
	"RCPT",
	"DATA",
	"content",
	"BDAT",
	"RSET",
	"NOOP",
	"VRFY",
	"EXPN",
	"HELP",
	"QUIT",
	"STARTTLS",
	"AUTH",
	"auth answer",
	"unknown verb",
	"long line",
	"foreign protocol",
};

/* Adds codes up to a 0. */
static void
add(struct answers *a, ...)
{
	va_list codes;
	int code;

	va_start(codes, a);
	while ((code = va_arg(codes, int)) != 0 && a->n < MAX_CODES)
		a->codes[a->n++] = code;
	va_end(codes);
}

bool
answers_have(const struct answers *a, int code)
{
	for (unsigned i = 0; i < a->n; i++)
		if (a->codes[i] == code ||
		    (a->codes[i] < 10 && a->codes[i] == code / 100))
			return true;
	return false;
}

static void
expect_mail(const struct state *s, const struct step *step, struct answers *a)
{
	if (s->has_mail && s->transfer >= BROKEN)
		add(a, 250, 503, 0); // 3030 2: RSET, or it is gone already
	else if (!s->is_greeted || s->has_mail)
		add(a, 503, 0); // 5321 4.1.4
	if (s->is_submission && !s->is_authenticated)
		add(a, 530, 0); // 6409 4.3, 4954 6, 3207 4
	if (step->flaw == FLAW_SYNTAX)
		add(a, 501, 553, 0);
	if (step->flaw == FLAW_UNKNOWN_PARAMETER)
		add(a, 555, 501, 0); // 5321 4.1.1.11
	if (step->flaw == FLAW_PARAMETER)
		add(a, 501, 555, 552, 0);
	if (step->flaw == FLAW_TOO_LARGE)
		add(a, 552, 0); // 1870 6.1
	if (step->flaw == FLAW_8BIT)
		add(a, 550, 553, 501, 0); // 6531 3.5; S14
	if (step->has_parameters && !s->is_extended)
		add(a, 250, 555, 501, 503, 0); // 5321 does not say
	if (a->n == 0)
		add(a, 250, 0);
}

static void
expect_rcpt(const struct state *s, const struct step *step, struct answers *a)
{
	bool is_full = s->n_distinct >= s->rcpt_limit;

	if (!s->has_mail || s->transfer == CHUNKS || s->transfer == BROKEN)
		add(a, 503, 0); // 5321 4.1.4; 3030 2: the envelope is closed
	if (s->transfer == UNCLEAR)
		add(a, 503, 0);
	if (step->flaw == FLAW_SYNTAX)
		add(a, 501, 553, 0);
	if (step->flaw == FLAW_UNKNOWN_PARAMETER ||
	    step->flaw == FLAW_PARAMETER)
		add(a, 555, 501, 0);
	if (step->whom == TO_NULL)
		add(a, 501, 550, 553, 0); // 5321 4.1.1.3
	if (step->whom == TO_NOBODY)
		add(a, 550, 0); // 5321 3.3
	if (step->whom == TO_RELAY && !s->is_authenticated)
		add(a, 550, 554, 551, 0); // 5321 3.6, 7.9
	if (is_full)
		add(a, 452, 0); // 5321 4.5.3.1.10
	if (a->n == 0 || (s->transfer == UNCLEAR && a->n == 1))
		add(a, 250, 0);
	if (s->n_rcpts >= s->rcpt_limit)
		add(a, 452, 0); // may count the same one again
}

static void
expect_data(const struct state *s, const struct step *step, struct answers *a)
{
	if (!s->has_mail)
		add(a, 503, 0); // 5321 4.1.4
	else if (s->n_rcpts == 0)
		add(a, 554, 503, 0); // 5321 3.3
	if (s->transfer != NO_CHUNK)
		add(a, 503, 554, 0); // 3030 2
	if (s->is_binary)
		add(a, 503, 554, 501, 0); // 3030 3
	if (step->flaw == FLAW_ARGUMENT)
		add(a, 501, 0);
	if (step->flaw == FLAW_TRAILING) {
		/* 2920 3.1: DATA is the last of its group. Octets behind it
		 * are content or nothing, and never commands (S06). */
		add(a, 5, 421, 0);
		a->must_close = true;
	}
	if (a->n == 0 || (s->transfer == UNCLEAR && s->n_rcpts > 0))
		add(a, 354, 0);
}

static void
expect_content(const struct step *step, struct answers *a)
{
	if (step->content & HAS_BARE) {
		add(a, 5, 0); // 5321 2.3.8; S01
		a->may_close = true;
	}
	if (step->content & HAS_LOOP)
		add(a, 5, 0); // 5321 6.3
	if (step->content & IS_LARGE)
		add(a, 552, 0); // 1870 6.3
	if (a->n > 0)
		return;
	add(a, 250, 0);
	if (step->content & HAS_NUL)
		add(a, 5, 0); // 5321 2.4, S13: refused or unchanged
	if (step->content & IS_LIE)
		add(a, 552, 0); // 1870 6.3 leaves it open
}

static void
expect_bdat(const struct state *s, const struct step *step, struct answers *a)
{
	if (step->flaw != FLAW_NONE) { // how many octets follow, nobody knows
		add(a, 501, 503, 554, 552, 0);
		a->may_close = true;
		return;
	}
	if (!s->has_mail)
		add(a, 503, 554, 0);
	else if (s->n_rcpts == 0)
		add(a, 554, 503, 0); // 3030 2
	if (s->transfer == BROKEN || s->transfer == UNCLEAR)
		add(a, 503, 554, 0);
	if (a->n > 0)
		return;
	if (step->is_last) {
		expect_content(step, a);
	} else if (step->content & (HAS_BARE | HAS_LOOP | HAS_NUL)) {
		add(a, 250, 5, 0);
	} else if (step->content & (IS_LARGE | IS_LIE)) {
		add(a, 552, 250, 0);
	} else {
		add(a, 250, 0);
	}
	if (s->is_binary && (step->content & HAS_BARE))
		add(a, 250, 0); // 3030 3: octets are octets
	if (step->content & (HAS_BARE | IS_LARGE))
		a->may_close = true;
}

static void
expect_starttls(const struct state *s, const struct step *step,
		struct answers *a)
{
	if (s->is_tls)
		add(a, 503, 502, 500, 554, 0); // 3207 4.2
	if (step->flaw == FLAW_ARGUMENT)
		add(a, 501, 0); // 3207 4
	if (a->n == 0 && (!s->is_extended || s->has_mail))
		add(a, 503, 220, 0); // 3207 4 does not say
	if (step->flaw == FLAW_TRAILING) {
		add(a, 5, 421, s->is_tls ? 0 : 220, 0); // S04
		a->may_close = true;
	}
	if (a->n == 0)
		add(a, 220, 0);
}

static void
expect_auth(const struct state *s, const struct step *step, struct answers *a)
{
	if (!s->is_greeted)
		add(a, 503, 0); // 5321 4.1.4
	if (s->is_authenticated || s->has_mail)
		add(a, 503, 0); // 4954 4
	if (!s->is_submission)
		add(a, 503, 502, 500, 504, 538, 530, 0);
	else if (!s->is_tls && !s->is_auth_plain)
		add(a, 538, 530, 0); // 4954 6
	if (step->flaw == FLAW_MECHANISM)
		add(a, 504, 0);
	if (step->flaw == FLAW_SYNTAX)
		add(a, 501, 0);
	if (step->is_initial && step->flaw == FLAW_BASE64)
		add(a, 501, 0);
	if (step->is_initial && step->flaw == FLAW_PASSWORD)
		add(a, 535, 0);
	if (a->n == 0)
		add(a, step->is_initial ? 235 : 334, 0);
	if (!s->is_extended)
		add(a, 503, 0); // 4954 does not say what HELO allows
}

static void
expect_auth_answer(const struct state *s, struct answers *a)
{
	if (s->auth_flaw != FLAW_PASSWORD && s->auth_flaw != FLAW_NONE)
		add(a, 501, 0); // cancelled, or no base64
	else if (s->n_auth_answers > 1)
		add(a, 334, 0);
	else
		add(a, s->auth_flaw == FLAW_NONE ? 235 : 535, 0);
}

static void
expect_other(const struct step *step, struct answers *a)
{
	enum { SHORTEST_LIMIT = 510, LONGEST_LIMIT = 65536 };

	switch (step->kind) {
	case LONG_LINE: // 5321 4.5.3.1.4
		if (step->n_octets <= SHORTEST_LIMIT)
			add(a, 250, 0);
		else if (step->n_octets < LONGEST_LIMIT)
			add(a, 500, 501, 250, 0);
		else
			add(a, 500, 501, 0);
		a->may_close = step->n_octets > SHORTEST_LIMIT;
		return;
	case FOREIGN: // S16
		add(a, 421, 5, 0);
		a->must_close = true;
		return;
	case VRFY:
		if (step->flaw == FLAW_SYNTAX)
			add(a, 501, 502, 0);
		else
			add(a, 252, 250, 550, 502, 0);
		return;
	case EXPN:
		add(a, 502, 252, 550, 500, 0);
		return;
	case HELP:
		add(a, 214, 211, 502, 0);
		return;
	case UNKNOWN_VERB:
		add(a, 500, 502, 0);
		return;
	default:
		add(a, 250, 0);
		return;
	}
}

void
state_expect(const struct state *s, const struct step *step,
	     struct answers *out)
{
	*out = (struct answers) { 0 };
	switch (step->kind) {
	case EHLO:
	case HELO: // an empty name: 5321 4.1.1.1
		add(out, step->flaw == FLAW_SYNTAX ? 501 : 250, 0);
		break;
	case MAIL:
		expect_mail(s, step, out);
		break;
	case RCPT:
		expect_rcpt(s, step, out);
		break;
	case DATA:
		expect_data(s, step, out);
		break;
	case CONTENT:
		expect_content(step, out);
		break;
	case BDAT:
		expect_bdat(s, step, out);
		break;
	case STARTTLS:
		expect_starttls(s, step, out);
		break;
	case AUTH:
		expect_auth(s, step, out);
		break;
	case AUTH_ANSWER:
		expect_auth_answer(s, out);
		break;
	case QUIT:
		add(out, 221, 0);
		if (step->flaw == FLAW_ARGUMENT)
			add(out, 501, 0);
		break;
	case RSET:
		add(out, 250, 0);
		if (step->flaw == FLAW_ARGUMENT)
			add(out, 501, 0);
		break;
	default:
		expect_other(step, out);
		break;
	}
}

static void
end_transaction(struct state *s)
{
	s->has_mail = s->is_binary = false;
	s->transfer = NO_CHUNK;
	s->n_rcpts = s->n_distinct = 0;
	memset(s->least, 0, sizeof(s->least));
	memset(s->most, 0, sizeof(s->most));
}

static void
take_rcpt(struct state *s, const struct step *step)
{
	bool is_first = s->most[step->user] == 0;

	s->n_rcpts++;
	s->most[step->user]++;
	if (step->whom == TO_USER_AGAIN)
		return;
	s->n_distinct++;
	/* What ends in one mailbox by an alias may be one copy. */
	if (step->whom == TO_USER || is_first)
		s->least[step->user]++;
}

static void
take_bdat(struct state *s, const struct step *step, int code)
{
	if (code == 250) {
		s->transfer = CHUNKS;
		if (step->is_last)
			end_transaction(s);
	} else if (s->has_mail) {
		/* Before the first good chunk it is not told whether there
		 * was a transfer that failed. */
		bool is_early = s->n_rcpts == 0 || step->flaw != FLAW_NONE;

		s->transfer =
			is_early && s->transfer != BROKEN ? UNCLEAR : BROKEN;
	}
}

void
state_take(struct state *s, const struct step *step, int code)
{
	bool is_good = code >= 200 && code < 300;

	switch (step->kind) {
	case EHLO:
	case HELO:
		if (!is_good)
			return;
		end_transaction(s); // 5321 4.1.4
		s->is_greeted = true;
		s->is_extended = step->kind == EHLO;
		return;
	case MAIL:
		if (!is_good)
			return;
		end_transaction(s);
		s->has_mail = true;
		s->is_binary = step->is_binary;
		return;
	case RCPT:
		if (is_good)
			take_rcpt(s, step);
		return;
	case CONTENT:
		end_transaction(s); // whatever came of it: 5321 4.1.1.4
		return;
	case BDAT:
		take_bdat(s, step, code);
		return;
	case RSET:
		if (is_good)
			end_transaction(s);
		return;
	case STARTTLS:
		if (!is_good)
			return;
		end_transaction(s); // 3207 4.2: all that was said is forgotten
		s->is_tls = true;
		s->is_greeted = s->is_extended = s->is_authenticated = false;
		return;
	case AUTH:
		s->auth_flaw = step->flaw;
		s->n_auth_answers = step->is_login ? 2 : 1;
		if (is_good)
			s->is_authenticated = true;
		return;
	case AUTH_ANSWER:
		if (code == 334)
			s->n_auth_answers--;
		if (is_good)
			s->is_authenticated = true;
		return;
	default:
		return;
	}
}
