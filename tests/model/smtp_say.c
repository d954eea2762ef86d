/* SPDX-License-Identifier: MIT
 * tests/model/smtp_say.c - what a client says: batches of commands, right ones
 * and wrong ones, and contents. */
#include "tests/model/smtp_run.h"

#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char password[] = "password123";
static const char *const users[N_USERS] = { "m1", "m2",		"m3",
					    "m4", "postmaster", "relayed" };

/* ---- contents ----------------------------------------------------------- */

void
put(char *to, size_t *n, size_t cap, const char *p, size_t n_more)
{
	if (n_more > cap - *n)
		abort(); // sizes are chosen so that this cannot be
	memcpy(to + *n, p, n_more);
	*n += n_more;
}

static void
draft_put(const char *p, size_t n)
{
	put(w.draft, &w.n_draft, sizeof(w.draft), p, n);
}

static void
draft_line(void)
{
	static const char *const whole[] = {
		".",	"..",  ".x", "",	 "QUIT",       "RSET",
		"DATA", ". .", " .", "\xc3\xa9", "\xff\x80\r", "MAIL FROM:<>",
	};
	unsigned n = below(chance(2) ? 3000 : 90);

	if (chance(25)) {
		const char *line = whole[below(sizeof(whole) / sizeof(*whole))];
		size_t length = strlen(line);

		draft_put(line,
			  length - (length > 0 && line[length - 1] == '\r'));
	}
	for (unsigned i = 0; i < n; i++) {
		char c = (char)(' ' + below(95));

		draft_put(&c, 1);
	}
	draft_put("\r\n", 2);
}

/* A new message; its first line has an id that no other one has. */
void
draft_message(bool for_bdat)
{
	static const char *const bare[] = {
		"\n.\r\n", "\r\n.\n", "\r.\r\n", "\r\n.\r", "\n",
		"\r",	   "\n.\n",   "x\ny",	 "\r\r\n",
	};
	char line[NAME_OCTETS];
	unsigned kind = below(100), n_lines = below(chance(10) ? 60 : 8);

	w.n_draft = w.n_cut = 0;
	draft_put(line,
		  (size_t)snprintf(line, sizeof(line), "Model-Id: %u-%lu\r\n",
				   w.number, ++w.n_ids));
	if (kind < 2)
		for (int i = 0; i < N_RECEIVED; i++)
			draft_put("Received: x\r\n", 13);
	draft_put("Subject: x\r\n\r\n", 14);
	for (unsigned i = 0; i < n_lines; i++)
		draft_line();
	if (kind >= 2 && kind < 4 &&
	    w.endpoint->size_limit < CONTENT_OCTETS / 2)
		while (w.n_draft <= w.endpoint->size_limit)
			draft_put("0123456789abcdef\r\n", 18);
	if (kind >= 4 && kind < 7) {
		const char *p = bare[below(sizeof(bare) / sizeof(*bare))];

		draft_put(p, strlen(p));
		draft_put("MAIL FROM:<>\r\n", 14);
	}
	if (kind >= 7 && kind < 9)
		draft_put("\0x\r\n", 4);
	if (for_bdat && chance(20))
		draft_put("no end of line", 14);
	if (for_bdat && kind == 99)
		w.n_draft = 0;
}

unsigned
flaws_of(const char *p, size_t n, size_t declared)
{
	unsigned flaws = 0, n_received = 0;

	for (size_t i = 0; i < n; i++) {
		bool is_lf = p[i] == '\n' && (i == 0 || p[i - 1] != '\r');
		bool is_cr = p[i] == '\r' && i + 1 < n && p[i + 1] != '\n';

		if (is_lf || is_cr)
			flaws |= HAS_BARE;
		if (p[i] == '\0')
			flaws |= HAS_NUL;
		n_received += p[i] == 'R' && n - i > 9 &&
			      memcmp(p + i, "Received:", 9) == 0;
	}
	if (n_received >= N_RECEIVED)
		flaws |= HAS_LOOP;
	if (n > w.endpoint->size_limit)
		flaws |= IS_LARGE;
	if (declared > 0 && n > declared)
		flaws |= IS_LIE;
	return flaws;
}

/* ---- commands ----------------------------------------------------------- */

__attribute__((format(printf, 1, 2))) static void
say(const char *format, ...)
{
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(w.out + w.n_out, sizeof(w.out) - w.n_out, format,
		      arguments);
	va_end(arguments);
	w.n_out += (size_t)n;
	if (w.n_out + CONTENT_OCTETS / 2 > sizeof(w.out))
		abort();
}

static void
say_base64(const void *p, size_t n)
{
	unsigned char text[NAME_OCTETS * 4];

	EVP_EncodeBlock(text, p, (int)n);
	say("%s\r\n", text);
}

static const char *
pick(unsigned n, ...)
{
	const char *found = "";
	unsigned chosen = below(n);
	va_list texts;

	va_start(texts, n);
	for (unsigned i = 0; i <= chosen; i++)
		found = va_arg(texts, const char *);
	va_end(texts);
	return found;
}
#define PICK(...)                                                       \
	pick(sizeof((const char *[]) { __VA_ARGS__ }) / sizeof(char *), \
	     __VA_ARGS__)

static void
say_mail(struct step *step, const struct state *likely)
{
	static unsigned long n_senders;

	if (chance(10))
		w.new_sender[0] = '\0';
	else
		snprintf(w.new_sender, sizeof(w.new_sender),
			 "s%u-%lu@from.example", w.number, ++n_senders);
	w.new_declared = 0;
	if (chance(8)) {
		step->flaw = FLAW_SYNTAX;
		say("%s\r\n", PICK("MAIL FROM:<a@b", "MAIL",
				   "MAIL FROM:", "MAIL TO:<a@b.example>",
				   "MAIL FROM:<a@>", "MAIL FROM:<@>",
				   "MAIL FROM:<a b@c.example>"));
		return;
	}
	if (chance(4)) { // RFC 6531 3.3
		step->is_utf8 = likely->is_extended && chance(50);
		if (!step->is_utf8)
			step->flaw = FLAW_8BIT;
		step->has_parameters = step->is_utf8;
		snprintf(w.new_sender, sizeof(w.new_sender),
			 "s\xc3\xa9%u-%lu@from.example", w.number, ++n_senders);
		say("MAIL FROM:<%s>%s\r\n", w.new_sender,
		    step->is_utf8 ? " SMTPUTF8" : "");
		return;
	}
	say("%s<%s>", PICK("MAIL FROM:", "mail from:", "Mail From:"),
	    w.new_sender);
	step->has_parameters = true;
	switch (likely->is_extended || chance(10) ? below(14) : 13) {
	case 0:
		say(" BODY=8BITMIME");
		break;
	case 1:
		w.new_declared = 1 + below(2000);
		say(" SIZE=%zu", w.new_declared);
		break;
	case 2:
		step->flaw = FLAW_TOO_LARGE;
		say(" SIZE=%zu", w.endpoint->size_limit * 10);
		break;
	case 3:
		step->flaw = FLAW_PARAMETER;
		say(" %s", PICK("SIZE=-1", "SIZE=x", "SIZE=1 SIZE=1",
				"SIZE=", "SIZE=18446744073709551617",
				"BODY=9BIT", "BODY=7BIT BODY=8BITMIME",
				"RET=HALF", "ENVID=+ZZ", "RET=FULL RET=FULL"));
		break;
	case 4:
		step->flaw = FLAW_UNKNOWN_PARAMETER;
		say(" %s", PICK("XYZ=1", "XYZ", "A=B SIZE=1"));
		break;
	case 5: // RFC 3461 4
		say(" %s", PICK("RET=HDRS", "RET=FULL ENVID=a+2Bb", "ENVID=x",
				"ret=full body=8bitmime"));
		break;
	case 6: // RFC 3030 3
		step->is_binary = w.has_binarymime;
		if (!w.has_binarymime)
			step->flaw = FLAW_UNKNOWN_PARAMETER;
		say(" BODY=BINARYMIME");
		break;
	default:
		step->has_parameters = false;
		break;
	}
	say("\r\n");
}

static void
say_rcpt(struct step *step, const struct state *likely)
{
	static unsigned long n_rcpts;
	const char *domain = w.endpoint->domain;
	unsigned kind = below(100);

	if (kind < 5) {
		step->flaw = FLAW_SYNTAX;
		say("%s\r\n", PICK("RCPT TO:<m1", "RCPT",
				   "RCPT TO:", "RCPT FROM:<m1@x.example>",
				   "RCPT TO:<m1@>"));
		return;
	}
	if (kind < 7) {
		step->whom = TO_NULL;
		say("RCPT TO:<>\r\n");
		return;
	}
	if (kind < 10) {
		step->flaw = FLAW_UNKNOWN_PARAMETER;
		say("RCPT TO:<m1@%s> XYZ=1\r\n", domain);
		return;
	}
	if (kind < 22) {
		step->whom = TO_NOBODY;
		say("RCPT TO:<nobody%u@%s>\r\n", below(10), domain);
		return;
	}
	if (kind < 30 &&
	    (w.endpoint->relay[0] != '-' || !likely->is_authenticated)) {
		step->whom = TO_RELAY;
		step->user = N_USERS - 1;
		say("RCPT TO:<x%lu@%s>\r\n", ++n_rcpts,
		    w.endpoint->relay[0] != '-' ? w.endpoint->relay
						: "foreign.example");
		return;
	}
	if (kind < 34 && w.last_rcpt[0] != '\0' && likely->n_distinct > 0) {
		step->whom = TO_USER_AGAIN;
		step->user = w.last_user;
		say("RCPT TO:<%s>\r\n", w.last_rcpt);
		return;
	}
	step->whom = TO_USER;
	step->user = below(N_USERS - 1);
	if (step->user == N_USERS - 2) {
		w.last_rcpt[0] = '\0';
		if (likely->most[step->user] > 0)
			step->whom = TO_USER_AGAIN;
		say("RCPT TO:<%s>\r\n",
		    PICK("postmaster", "Postmaster", "POSTMASTER"));
		return;
	}
	w.last_user = step->user;
	snprintf(w.last_rcpt, sizeof(w.last_rcpt), "%s+%lu@%s",
		 users[step->user], ++n_rcpts, domain);
	say("%s<%s>", PICK("RCPT TO:", "rcpt to:", "Rcpt To:"), w.last_rcpt);
	if (likely->is_extended && chance(10)) { // RFC 3461 4
		say("%s",
		    PICK(" NOTIFY=NEVER", " ORCPT=rfc822;a+2Bb@c.example",
			 " NOTIFY=FAILURE,DELAY ORCPT=rfc822;a@c.example"));
	} else if (chance(3)) {
		step->flaw = FLAW_PARAMETER;
		say("%s", PICK(" NOTIFY=NEVER,FAILURE", " NOTIFY=", " ORCPT=x",
			       " NOTIFY=SOMETIMES", " ORCPT=rfc822;+0",
			       " NOTIFY=NEVER NOTIFY=NEVER"));
	}
	say("\r\n");
}

static void
say_bdat(struct item *item, const struct state *likely)
{
	struct step *step = &item->step;
	bool is_good = likely->has_mail && likely->n_rcpts > 0 &&
		       likely->transfer <= CHUNKS;
	size_t left, n;

	if (chance(6)) {
		step->flaw = FLAW_SYNTAX;
		say("%s\r\n", PICK("BDAT", "BDAT -1", "BDAT +5 LAST", "BDAT x",
				   "BDAT 3 LOST", "BDAT LAST",
				   "BDAT 18446744073709551617 LAST"));
		return;
	}
	if (!is_good) { // its octets look like commands
		static const char lines[] = "NOOP\r\nVRFY smuggled\r\nRSET\r\n";

		n = below(sizeof(lines));
		step->is_last = chance(50);
		say("BDAT %zu%s\r\n%.*s", n, step->is_last ? " LAST" : "",
		    (int)n, lines);
		return;
	}
	if (likely->transfer == NO_CHUNK)
		draft_message(true);
	left = w.n_draft - w.n_cut;
	step->is_last = chance(45);
	n = step->is_last ? left : below((unsigned)left + 1);
	say("%s %zu%s\r\n", PICK("BDAT", "bdat"), n,
	    step->is_last ? PICK(" LAST", " last") : "");
	item->payload = w.n_out;
	item->n_payload = n;
	put(w.out, &w.n_out, sizeof(w.out), w.draft + w.n_cut, n);
	w.n_cut += n;
	step->content = flaws_of(w.draft, w.n_cut, w.likely_declared);
}

static void
say_auth(struct step *step)
{
	char user[NAME_OCTETS + 8], both[NAME_OCTETS * 2];
	unsigned kind = below(100);
	int n;

	step->is_initial = chance(50);
	if (kind < 6) {
		step->flaw = FLAW_MECHANISM;
		say("AUTH %s\r\n", PICK("XOAUTH9", "CRAM-MD5", "NTLM"));
		return;
	}
	if (kind < 12) {
		step->flaw = FLAW_BASE64;
		say("AUTH PLAIN%s\r\n", step->is_initial ? " !!!" : "");
		return;
	}
	if (kind < 18) {
		step->is_initial = false;
		step->flaw = FLAW_CANCEL;
		say("AUTH %s\r\n", PICK("PLAIN", "LOGIN"));
		return;
	}
	if (kind < 21)
		step->flaw = FLAW_PASSWORD;
	if (!step->is_initial) {
		step->is_login = chance(50);
		say("%s %s\r\n", PICK("AUTH", "auth"),
		    step->is_login ? "LOGIN" : "plain");
		return;
	}
	snprintf(user, sizeof(user), "%s@%s", users[below(4)],
		 w.endpoint->domain);
	n = snprintf(both, sizeof(both), "%c%s%c%s", 0, user, 0,
		     step->flaw == FLAW_PASSWORD ? "wrong" : password);
	say("AUTH PLAIN ");
	say_base64(both, (size_t)n);
}

void
say_auth_answer(const struct step *auth, unsigned number)
{
	char user[NAME_OCTETS + 8], both[NAME_OCTETS * 2];
	const char *word = auth->flaw == FLAW_PASSWORD ? "wrong" : password;
	int n;

	w.n_out = 0;
	snprintf(user, sizeof(user), "%s@%s", users[number],
		 w.endpoint->domain);
	n = snprintf(both, sizeof(both), "%c%s%c%s", 0, user, 0, word);
	if (auth->flaw == FLAW_CANCEL)
		say("*\r\n");
	else if (auth->flaw == FLAW_BASE64)
		say("%s\r\n", PICK("!!!!", "YQ=", "=", "Y Q=="));
	else if (!auth->is_login)
		say_base64(both, (size_t)n);
	else if (w.state.n_auth_answers == 2)
		say_base64(user, strlen(user));
	else
		say_base64(word, strlen(word));
}

static void
say_long(struct step *step)
{
	static const unsigned lengths[] = { 100, 510, 511, 1000, 2000, 70000 };
	unsigned n = lengths[below(w.theme == LONG_LINE || chance(20) ? 6 : 5)];

	step->n_octets = n;
	say("NOOP ");
	memset(w.out + w.n_out, 'x', n - 5);
	w.n_out += n - 5;
	say("\r\n");
}

static void
say_other(struct step *step)
{
	const char *trailing = PICK("NOOP\r\n", "VRFY behind\r\n", "RSET\r\n",
				    "EHLO x.example\r\n");

	switch (step->kind) {
	case DATA:
		if (chance(4)) {
			step->flaw = FLAW_TRAILING;
			say("DATA\r\nSubject: x\r\n\r\nMAIL FROM:<>\r\n");
		} else if (chance(4)) {
			step->flaw = FLAW_ARGUMENT;
			say("DATA now\r\n");
		} else {
			say("%s\r\n", PICK("DATA", "data"));
		}
		return;
	case STARTTLS:
		if (chance(10)) {
			step->flaw = FLAW_TRAILING;
			say("STARTTLS\r\n%s", trailing);
		} else if (chance(10)) {
			step->flaw = FLAW_ARGUMENT;
			say("STARTTLS now\r\n");
		} else {
			say("%s\r\n", PICK("STARTTLS", "starttls"));
		}
		return;
	case RSET:
	case QUIT:
		if (chance(5)) {
			step->flaw = FLAW_ARGUMENT;
			say("%s now\r\n", kind_names[step->kind]);
		} else {
			say("%s\r\n", kind_names[step->kind]);
		}
		return;
	case VRFY:
		if (chance(10)) {
			step->flaw = FLAW_SYNTAX;
			say("VRFY\r\n");
		} else {
			say("VRFY m1@%s\r\n", w.endpoint->domain);
		}
		return;
	case NOOP:
		say("%s\r\n", PICK("NOOP", "noop", "NOOP with a text"));
		return;
	case EXPN:
		say("EXPN list\r\n");
		return;
	case HELP:
		say("%s\r\n", PICK("HELP", "HELP MAIL"));
		return;
	case UNKNOWN_VERB:
		say("%s\r\n", PICK("XYZZY", "", "MAI FROM:<>", "RCPTTO:<m1>",
				   "\x80\x81", "EHLOO x", "DATAX"));
		return;
	default:
		say("%s\r\n", PICK("GET / HTTP/1.1", "POST / HTTP/1.0",
				   "CONNECT x:25 HTTP/1.1"));
		return;
	}
}

static void
say_step(struct item *item, const struct state *likely)
{
	struct step *step = &item->step;

	switch (step->kind) {
	case EHLO:
	case HELO:
		if (chance(5)) {
			step->flaw = FLAW_SYNTAX;
			say("%s\r\n", kind_names[step->kind]);
			return;
		}
		say("%s %s\r\n", kind_names[step->kind],
		    PICK("client.example", "[127.0.0.1]", "x"));
		return;
	case MAIL:
		say_mail(step, likely);
		return;
	case RCPT:
		say_rcpt(step, likely);
		return;
	case BDAT:
		say_bdat(item, likely);
		return;
	case AUTH:
		say_auth(step);
		return;
	case LONG_LINE:
		say_long(step);
		return;
	default:
		say_other(step);
		return;
	}
}

/* What is interesting depends on what is likely; all is tried everywhere. */
static enum kind
choose(const struct state *s)
{
	/*  EHLO HELO MAIL RCPT DATA - BDAT RSET NOOP VRFY EXPN HELP QUIT TLS
	 * AUTH
	 *  - ? long foreign */
	static const unsigned char weights[][N_KINDS] = {
		{ 200, 20, 5, 4, 4, 0, 4, 4, 4, 4, 2, 2, 1, 12, 6, 0, 4, 1, 1 },
		{ 8, 4, 200, 6, 6, 0, 6, 6, 6, 6, 2, 2, 2, 20, 20, 0, 6, 2, 1 },
		{ 3, 2, 6, 200, 8, 0, 8, 6, 4, 4, 1, 1, 1, 2, 6, 0, 4, 1, 1 },
		{ 2, 1, 5, 70, 60, 0, 60, 5, 4, 4, 1, 1, 1, 2, 4, 0, 4, 1, 1 },
		{ 1, 1, 3, 6, 5, 0, 90, 3, 2, 2, 1, 1, 1, 1, 3, 0, 2, 1, 1 },
		{ 6, 2, 20, 20, 30, 0, 20, 40, 2, 2, 1, 1, 1, 2, 3, 0, 2, 1,
		  1 },
		{ 6, 2, 0, 0, 6, 0, 0, 40, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0 },
	};
	const unsigned char *row;
	unsigned sum = 0, chosen;

	if (!s->is_greeted)
		row = weights[0];
	else if (!s->has_mail)
		row = weights[1];
	else if (s->transfer == UNCLEAR)
		row = weights[6];
	else if (s->transfer == BROKEN)
		row = weights[5];
	else if (s->transfer == CHUNKS)
		row = weights[4];
	else
		row = weights[s->n_rcpts > 0 ? 3 : 2];
	if (s->is_submission && !s->is_authenticated && s->is_extended &&
	    !s->has_mail && chance(50))
		return s->is_tls || s->is_auth_plain ? AUTH : STARTTLS;
	if (w.theme == LONG_LINE && s->transfer == NO_CHUNK && chance(20))
		return LONG_LINE;
	if (w.theme == RCPT && s->has_mail && s->transfer == NO_CHUNK &&
	    chance(90)) // more of them than some endpoints take
		return RCPT;
	for (unsigned i = 0; i < N_KINDS; i++)
		sum += row[i];
	chosen = below(sum);
	for (unsigned i = 0; i < N_KINDS; i++) {
		if (chosen < row[i])
			return (enum kind)i;
		chosen -= row[i];
	}
	return NOOP;
}

/* After these the client must wait (RFC 2920 3.1), or we do not know what the
 * server made of them. */
static bool
ends_batch(const struct step *step, const struct state *likely)
{
	switch (step->kind) {
	case MAIL: // w.sender is that of the last MAIL
	case EHLO:
	case HELO:
	case DATA:
	case STARTTLS:
	case AUTH:
	case QUIT:
	case FOREIGN:
		return step->kind != MAIL;
	case RSET:
		return step->flaw != FLAW_NONE;
	case LONG_LINE:
		return step->n_octets > 510;
	case BDAT:
		return step->flaw != FLAW_NONE || step->content != 0 ||
		       step->is_last || likely->transfer >= BROKEN;
	default:
		return likely->transfer >= BROKEN;
	}
}

void
make_batch(void)
{
	struct state likely = w.state;
	unsigned n = chance(30) ? 1 : 1 + below(MAX_BATCH);
	bool has_mail = false;

	w.n_out = w.n_items = 0;
	w.likely_declared = w.declared;
	while (w.n_items < n && w.n_out < BATCH_OCTETS / 4) {
		struct item *item = &w.items[w.n_items];
		struct answers right;

		*item = (struct item) { .step.kind = choose(&likely) };
		if (item->step.kind == MAIL && has_mail)
			continue; // one sender at a time is kept
		has_mail |= item->step.kind == MAIL;
		say_step(item, &likely);
		w.n_items++;
		state_expect(&likely, &item->step, &right);
		state_take(&likely, &item->step, right.codes[0]);
		if (item->step.kind == MAIL && right.codes[0] == 250)
			w.likely_declared = w.new_declared;
		if (ends_batch(&item->step, &likely))
			return;
	}
}
