/* SPDX-License-Identifier: MIT
 * tests/model/smtp_model.c - random SMTP sessions, checked against the model.
 *
 *   smtp_model [--seed S] [--commands N] [--workers N] [--errors N] [--junk N]
 *              [--session WORKER.NUMBER] --ledger PATH ENDPOINT...
 *   ENDPOINT: KIND:PORT:PLAIN:RCPT_LIMIT:SIZE_LIMIT:DOMAIN:RELAY
 *     KIND smtp, submission or submissions; PLAIN 1: AUTH without TLS is
 *     allowed; RELAY: a domain where only those who logged in may send, or -
 *
 * Each worker is a process with connections of its own, one after the other.
 * A batch of commands goes out in one write, in pieces or octet by octet; then
 * each reply is compared with what smtp_state.c allows. What was accepted with
 * 250 is written to PATH.WORKER, for the comparison with the mailboxes: id,
 * SHA-256 and size of the content, domain, sender, copies for each user.
 * --errors and --junk: how many the server allows before it may hang up.
 *
 * Prints seed, and counts per command and kind of reply. Exit code 1: a reply
 * that no standard allows; the whole session goes to standard error. The same
 * seed makes the same sessions. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/model/client.h"
#include "tests/model/smtp_state.h"

enum {
	MAX_ENDPOINTS = 16,
	MAX_WORKERS = 64,
	MAX_BATCH = 24,
	BATCH_OCTETS = 1 << 18,
	CONTENT_OCTETS = 1 << 17,
	NOTES_OCTETS = 1 << 20,
	NAME_OCTETS = 80,
	N_RECEIVED = 110, // more than any server allows (RFC 5321 6.3: 100)
	N_CLASSES = 6,	  // 0: closed, then the first digit of the code
	COMPLETE_FROM = 10000, // commands: then each kind of reply must occur
	PATIENCE = 3, // times as many commands, until each has occurred
};

static const char password[] = "password123";
static const char *const users[N_USERS] = { "m1", "m2",		"m3",
					    "m4", "postmaster", "relayed" };

struct endpoint {
	char kind[16];
	unsigned port;
	bool is_auth_plain;
	unsigned rcpt_limit;
	size_t size_limit;
	char domain[NAME_OCTETS], relay[NAME_OCTETS];
};

static struct {
	uint64_t seed, n_commands;
	unsigned n_workers, n_errors, n_junk;
	const char *ledger;
	long only_worker, only_session; // -1: all
	struct endpoint endpoints[MAX_ENDPOINTS];
	unsigned n_endpoints;
} options = { .seed = 1,
	      .n_commands = 20000,
	      .n_workers = 6,
	      .n_errors = 20,
	      .n_junk = 50,
	      .only_worker = -1,
	      .only_session = -1 };

static struct shared { // by all workers
	_Atomic uint64_t n_commands, n_sessions, n_messages, n_handshakes;
	_Atomic uint64_t counts[N_KINDS][N_CLASSES];
	_Atomic bool has_failed;
} * shared;

struct item { // one command of a batch
	struct step step;
	size_t payload, n_payload; // BDAT: where its octets are in out[]
};

static struct { // one worker
	unsigned number;
	uint64_t rng;
	unsigned long n_session, n_ids;
	FILE *ledger;
	SSL_CTX *tls;
	struct client client;
	const struct endpoint *endpoint;
	struct state state;
	enum kind theme; // what this session does often; NOOP: nothing
	unsigned n_errors, n_junk;
	bool may_be_over, has_binarymime;
	char sender[NAME_OCTETS], new_sender[NAME_OCTETS];
	char last_rcpt[NAME_OCTETS * 2];
	unsigned last_user;
	size_t declared, new_declared; // MAIL SIZE=; 0: none
	size_t likely_declared;	       // of the batch that is being made

	char out[BATCH_OCTETS];
	size_t n_out;
	struct item items[MAX_BATCH];
	unsigned n_items;

	char draft[CONTENT_OCTETS]; // a message, before dots are added
	size_t n_draft, n_cut;	    // n_cut: sent by BDAT already
	char taken[CONTENT_OCTETS]; // what BDAT was told 250 for
	size_t n_taken;

	char notes[NOTES_OCTETS];
	size_t n_notes;
} w;

static unsigned
below(unsigned n)
{
	return random_below(&w.rng, n);
}

static bool
chance(unsigned percent)
{
	return below(100) < percent;
}

/* ---- the record of a session ------------------------------------------- */

static void
note(char mark, const char *p, size_t n)
{
	enum { SHOWN = 300, ROOM = SHOWN * 4 + 64 };
	char *to = w.notes + w.n_notes;
	size_t shown = n < SHOWN ? n : SHOWN;

	if (sizeof(w.notes) - w.n_notes < ROOM)
		return;
	to += sprintf(to, "%c: ", mark);
	for (size_t i = 0; i < shown; i++) {
		unsigned char c = (unsigned char)p[i];

		if (c == '\n')
			to += sprintf(to, "\\n%s",
				      i + 1 < shown ? "\n   " : "");
		else if (c >= ' ' && c < 127)
			*to++ = (char)c;
		else
			to += sprintf(to, c == '\r' ? "\\r" : "\\x%02x", c);
	}
	to += sprintf(to, shown < n ? " ... %zu octets\n" : "\n", n);
	w.n_notes = (size_t)(to - w.notes);
}

__attribute__((format(printf, 1, 2), noreturn)) static void
fail(const char *format, ...)
{
	va_list arguments;

	atomic_store(&shared->has_failed, true);
	va_start(arguments, format);
	flockfile(stderr);
	fprintf(stderr, "---- %s on port %u ----\n", w.endpoint->kind,
		w.endpoint->port);
	fwrite(w.notes, 1, w.n_notes, stderr);
	fprintf(stderr,
		"seed %llu, session %u.%lu: ", (unsigned long long)options.seed,
		w.number, w.n_session);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	fprintf(stderr,
		"state: tls=%d authenticated=%d greeted=%d extended=%d "
		"mail=%d rcpts=%u transfer=%d errors=%u junk=%u\n",
		w.state.is_tls, w.state.is_authenticated, w.state.is_greeted,
		w.state.is_extended, w.state.has_mail, w.state.n_rcpts,
		w.state.transfer, w.n_errors, w.n_junk);
	funlockfile(stderr);
	va_end(arguments);
	exit(1);
}

/* ---- contents ----------------------------------------------------------- */

static void
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
static void
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

static unsigned
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

/* One line for what must now come to mailboxes. */
static void
promise(const char *p, size_t n)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned n_sum = 0;
	int n_id = 0;

	EVP_Digest(p, n, sum, &n_sum, EVP_sha256(), NULL);
	if (n > 10)
		while (n_id + 10 < (int)n && p[10 + n_id] != '\r')
			n_id++;
	fprintf(w.ledger, "%.*s ", n_id > 0 ? n_id : 1,
		n_id > 0 ? p + 10 : "-");
	for (unsigned i = 0; i < n_sum; i++)
		fprintf(w.ledger, "%02x", sum[i]);
	fprintf(w.ledger, " %zu %s <%s>", n, w.endpoint->domain, w.sender);
	for (unsigned i = 0; i < N_USERS; i++)
		fprintf(w.ledger, " %u-%u", w.state.least[i], w.state.most[i]);
	fputc('\n', w.ledger);
	atomic_fetch_add(&shared->n_messages, 1);
}

/* ---- replies ------------------------------------------------------------ */

static void
count(enum kind kind, int code)
{
	unsigned class = code > 0 ? (unsigned)code / 100 : 0;

	atomic_fetch_add(&shared->counts[kind][class], 1);
	atomic_fetch_add(&shared->n_commands, 1);
}

/* A 2yz reply has a status 2.y.z (RFC 2034 4), and so on. */
static bool
has_wrong_status(const struct step *step, int code)
{
	const char *text = w.client.text + 4;
	bool has_status = text[0] >= '0' && text[0] <= '9' && text[1] == '.';

	if (step->kind == EHLO || step->kind == HELO || code / 100 == 3)
		return false;
	return has_status && text[0] - '0' != code / 100;
}

static void
judge_ehlo(int code)
{
	bool has_auth = strstr(w.client.text, "AUTH ") != NULL;
	bool may_auth = w.state.is_submission &&
			(w.state.is_tls || w.state.is_auth_plain);

	if (code != 250)
		return;
	w.has_binarymime = strstr(w.client.text, "BINARYMIME") != NULL;
	if (w.state.is_tls == (strstr(w.client.text, "STARTTLS") != NULL))
		fail("STARTTLS must be offered before TLS, and only then");
	if (has_auth && !may_auth)
		fail("AUTH is offered where it is not allowed");
	if (!has_auth && may_auth && !w.state.is_authenticated)
		fail("AUTH is not offered");
}

/* Reads the reply to one command and compares it; false: the session is over.
 */
static bool
judge(const struct step *step, unsigned n_pending, int *code_out)
{
	struct answers right;
	int code = client_reply(&w.client);
	bool is_at_limit = w.n_errors + n_pending + 1 >= options.n_errors ||
			   w.n_junk + n_pending >= options.n_junk;

	note('S', w.client.text, strlen(w.client.text));
	state_expect(&w.state, step, &right);
	*code_out = code;
	if (code < 0)
		fail("no SMTP reply");
	count(step->kind, code);
	if (code == 0) {
		if (w.may_be_over || right.may_close || right.must_close ||
		    is_at_limit)
			return false;
		fail("closed instead of a reply to %s", kind_names[step->kind]);
	}
	if (code == 421 && !answers_have(&right, code) && is_at_limit)
		return false;
	if (!answers_have(&right, code))
		fail("%d to %s, should be %d or so", code,
		     kind_names[step->kind], right.codes[0]);
	if (has_wrong_status(step, code))
		fail("the status contradicts the code");
	if (step->kind == EHLO)
		judge_ehlo(code);
	if (right.must_close && code >= 400) {
		/* RFC 5321 3.8: 421 may come unasked before the end. */
		if (!client_is_at_end(&w.client) &&
		    !(is_at_limit && memcmp(w.client.text, "421", 3) == 0))
			fail("must hang up, but says %s", w.client.text);
		return false;
	}
	w.may_be_over |= right.may_close && code >= 400;
	w.n_errors += code >= 400;
	w.n_junk += code < 400 && step->kind != MAIL && step->kind != RCPT &&
		    step->kind != DATA && step->kind != BDAT;
	return true;
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

static void
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

/* ---- a session ---------------------------------------------------------- */

static void
send_out(const char *p, size_t n, bool is_together)
{
	enum { OCTET_BY_OCTET = 400 };
	enum cut cut = CUT_NONE;

	if (!is_together && chance(50))
		cut = n < OCTET_BY_OCTET && chance(40) ? CUT_ALL : CUT_SOME;
	note('C', p, n);
	/* When the server has hung up, the replies tell why. */
	(void)!client_send(&w.client, p, n, cut, &w.rng);
}

/* The content that 354 asked for; with dots added, and its end. */
static bool
send_content(void)
{
	struct step step = { .kind = CONTENT };
	bool is_line_start = true;
	size_t n_expected;
	int code;

	draft_message(false);
	w.n_out = 0;
	for (size_t i = 0; i < w.n_draft; i++) {
		if (is_line_start && w.draft[i] == '.')
			w.out[w.n_out++] = '.';
		w.out[w.n_out++] = w.draft[i];
		is_line_start =
			w.draft[i] == '\n' && i > 0 && w.draft[i - 1] == '\r';
	}
	memcpy(w.out + w.n_out, ".\r\n", 3);
	w.n_out += 3;
	n_expected = w.n_draft;
	step.content = flaws_of(w.draft, n_expected, w.declared);
	send_out(w.out, w.n_out, false);
	if (!judge(&step, 0, &code))
		return false;
	if (code == 250) {
		promise(w.draft, w.n_draft);
		w.n_errors = w.n_junk = 0;
	}
	state_take(&w.state, &step, code);
	return true;
}

static bool
send_auth_answer(const struct step *auth)
{
	struct step step = { .kind = AUTH_ANSWER, .is_login = auth->is_login };
	char user[NAME_OCTETS + 8], both[NAME_OCTETS * 2];
	const char *word = auth->flaw == FLAW_PASSWORD ? "wrong" : password;
	int code, n;

	snprintf(user, sizeof(user), "%s@%s", users[below(4)],
		 w.endpoint->domain);
	for (;;) {
		w.n_out = 0;
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
		send_out(w.out, w.n_out, false);
		if (!judge(&step, 0, &code))
			return false;
		state_take(&w.state, &step, code);
		if (code != 334)
			return true;
	}
}

/* What the reply asks for; false: the session is over. */
static bool
go_on(const struct item *item, int code)
{
	const struct step *step = &item->step;

	switch (step->kind) {
	case MAIL:
		if (code != 250)
			return true;
		memcpy(w.sender, w.new_sender, sizeof(w.sender));
		w.declared = w.new_declared;
		w.n_taken = 0;
		return true;
	case STARTTLS:
		if (code != 220) // what is behind it may be a command then
			return step->flaw != FLAW_TRAILING;
		if (!client_start_tls(&w.client, w.tls))
			fail("no TLS after 220");
		note('S', "(TLS)", 5);
		atomic_fetch_add(&shared->n_handshakes, 1);
		return true;
	case DATA:
		return code != 354 || send_content();
	case AUTH:
		return code != 334 || send_auth_answer(step);
	case QUIT:
		if (code == 221 && !client_is_at_end(&w.client))
			fail("talks after QUIT");
		return code != 221;
	default:
		return true;
	}
}

static void
take_chunk(const struct item *item)
{
	put(w.taken, &w.n_taken, sizeof(w.taken), w.out + item->payload,
	    item->n_payload);
	if (!item->step.is_last)
		return;
	promise(w.taken, w.n_taken);
	w.n_errors = w.n_junk = 0;
}

static bool
run_batch(void)
{
	bool is_together = false;

	make_batch();
	for (unsigned i = 0; i < w.n_items; i++)
		is_together |= w.items[i].step.flaw == FLAW_TRAILING;
	send_out(w.out, w.n_out, is_together);
	for (unsigned i = 0; i < w.n_items; i++) {
		const struct item *item = &w.items[i];
		int code;

		if (!judge(&item->step, w.n_items - i, &code))
			return false;
		if (item->step.kind == BDAT && code == 250)
			take_chunk(item);
		state_take(&w.state, &item->step, code);
		if (!go_on(item, code))
			return false;
	}
	return true;
}

static void
greet(void)
{
	int code;

	if (!client_open(&w.client, w.endpoint->port))
		fail("nobody listens");
	if (strcmp(w.endpoint->kind, "submissions") == 0) {
		if (!client_start_tls(&w.client, w.tls))
			fail("no TLS");
		atomic_fetch_add(&shared->n_handshakes, 1);
		w.state.is_tls = true;
	}
	code = client_reply(&w.client);
	note('S', w.client.text, strlen(w.client.text));
	if (code != 220)
		fail("no greeting");
}

/* Some replies are rare when all is drawn evenly. */
static enum kind
theme_of(unsigned long number)
{
	static const enum kind themes[] = { NOOP, RCPT, NOOP,	   NOOP,
					    NOOP, NOOP, LONG_LINE, NOOP };

	return themes[number % (sizeof(themes) / sizeof(*themes))];
}

static void
run_session(unsigned long number)
{
	enum { LONGEST = 40 }; // batches
	unsigned n_batches;

	w.n_session = number;
	w.theme = theme_of(number);
	w.n_ids = number * 1000; // the same in a session that is run alone
	w.rng = (options.seed + 1) * 0x9E3779B97F4A7C15ULL;
	w.rng ^= ((uint64_t)w.number << 40) + number + 1;
	for (int i = 0; i < 4; i++)
		random_next(&w.rng);
	w.endpoint = &options.endpoints[below(options.n_endpoints)];
	w.state = (struct state) {
		.is_submission = strcmp(w.endpoint->kind, "smtp") != 0,
		.is_auth_plain = w.endpoint->is_auth_plain,
		.rcpt_limit = w.endpoint->rcpt_limit,
	};
	w.n_errors = w.n_junk = 0;
	w.may_be_over = w.has_binarymime = false;
	w.n_notes = 0;
	w.declared = 0;
	w.last_rcpt[0] = '\0';
	greet();
	n_batches = 1 + below(LONGEST);
	for (unsigned i = 0; i < n_batches && run_batch(); i++)
		;
	client_close(&w.client); // in the middle of whatever it was
	atomic_fetch_add(&shared->n_sessions, 1);
}

/* Each kind of reply that the model can give was seen. */
static bool
is_complete(bool may_tell)
{
	static const struct {
		enum kind kind;
		unsigned class;
	} wanted[] = {
		{ EHLO, 2 },	     { EHLO, 5 },	 { HELO, 2 },
		{ MAIL, 2 },	     { MAIL, 5 },	 { RCPT, 2 },
		{ RCPT, 4 },	     { RCPT, 5 },	 { DATA, 3 },
		{ DATA, 5 },	     { CONTENT, 2 },	 { CONTENT, 5 },
		{ BDAT, 2 },	     { BDAT, 5 },	 { RSET, 2 },
		{ NOOP, 2 },	     { VRFY, 2 },	 { EXPN, 5 },
		{ HELP, 2 },	     { QUIT, 2 },	 { STARTTLS, 2 },
		{ STARTTLS, 5 },     { AUTH, 2 },	 { AUTH, 3 },
		{ AUTH, 5 },	     { AUTH_ANSWER, 2 }, { AUTH_ANSWER, 5 },
		{ UNKNOWN_VERB, 5 }, { LONG_LINE, 2 },	 { LONG_LINE, 5 },
	};
	bool is = true;

	for (unsigned i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
		if (shared->counts[wanted[i].kind][wanted[i].class] == 0) {
			is = false;
			if (may_tell)
				printf("never occurred: %s %uyz\n",
				       kind_names[wanted[i].kind],
				       wanted[i].class);
		}
	return is;
}

/* The commands are done, and long runs have seen all kinds of reply. */
static bool
is_enough(void)
{
	uint64_t n = atomic_load(&shared->n_commands);

	if (n < options.n_commands)
		return false;
	return options.n_commands < COMPLETE_FROM ||
	       n >= options.n_commands * PATIENCE || is_complete(false);
}

static void
run_worker(unsigned number)
{
	char path[4096];

	w.number = number;
	w.client.fd = -1;
	w.tls = SSL_CTX_new(TLS_client_method());
	snprintf(path, sizeof(path), "%s.%u", options.ledger, number);
	w.ledger = fopen(path, "w");
	if (!w.tls || !w.ledger) {
		perror(path);
		exit(1);
	}
	if (options.only_session >= 0)
		run_session((unsigned long)options.only_session);
	else
		for (unsigned long i = 0;
		     !atomic_load(&shared->has_failed) && !is_enough(); i++)
			run_session(i);
	if (fclose(w.ledger) != 0)
		exit(1);
	SSL_CTX_free(w.tls);
	exit(0);
}

/* ---- the whole run ------------------------------------------------------ */

static bool
read_endpoint(const char *text, struct endpoint *out)
{
	unsigned plain, limit;

	if (sscanf(text, "%15[a-z]:%u:%u:%u:%zu:%79[^:]:%79s", out->kind,
		   &out->port, &plain, &limit, &out->size_limit, out->domain,
		   out->relay) != 7)
		return false;
	out->is_auth_plain = plain != 0;
	out->rcpt_limit = limit;
	return true;
}

static bool
read_options(int argc, char **argv)
{
	static const struct option names[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "commands", required_argument, NULL, 'n' },
		{ "workers", required_argument, NULL, 'w' },
		{ "errors", required_argument, NULL, 'e' },
		{ "junk", required_argument, NULL, 'j' },
		{ "ledger", required_argument, NULL, 'l' },
		{ "session", required_argument, NULL, 'o' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (c == 's')
			options.seed = strtoull(optarg, NULL, 10);
		else if (c == 'n')
			options.n_commands = strtoull(optarg, NULL, 10);
		else if (c == 'w')
			options.n_workers = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'e')
			options.n_errors = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'j')
			options.n_junk = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'l')
			options.ledger = optarg;
		else if (c != 'o' ||
			 sscanf(optarg, "%ld.%ld", &options.only_worker,
				&options.only_session) != 2)
			return false;
	}
	for (; optind < argc && options.n_endpoints < MAX_ENDPOINTS; optind++)
		if (!read_endpoint(argv[optind],
				   &options.endpoints[options.n_endpoints++]))
			return false;
	return optind == argc && options.n_endpoints > 0 && options.ledger &&
	       options.n_workers > 0 && options.n_workers <= MAX_WORKERS;
}

static void
print_counts(void)
{
	static const char *const names[N_CLASSES] = { "closed", "1yz", "2yz",
						      "3yz",	"4yz", "5yz" };

	printf("seed %llu: %llu commands, %llu sessions, %llu handshakes, "
	       "%llu messages\n",
	       (unsigned long long)options.seed,
	       (unsigned long long)shared->n_commands,
	       (unsigned long long)shared->n_sessions,
	       (unsigned long long)shared->n_handshakes,
	       (unsigned long long)shared->n_messages);
	printf("%-18s", "");
	for (unsigned c = 0; c < N_CLASSES; c++)
		if (c != 1)
			printf("%9s", names[c]);
	putchar('\n');
	for (unsigned k = 0; k < N_KINDS; k++) {
		printf("%-18s", kind_names[k]);
		for (unsigned c = 0; c < N_CLASSES; c++)
			if (c != 1)
				printf("%9llu", (unsigned long long)
							shared->counts[k][c]);
		putchar('\n');
	}
}

int
main(int argc, char **argv)
{
	bool has_failed = false;
	int status;

	if (!read_options(argc, argv)) {
		fprintf(stderr, "usage: see tests/model/smtp_model.c\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	for (unsigned i = 0; i < options.n_workers; i++) {
		if (options.only_worker >= 0 && options.only_worker != (long)i)
			continue;
		if (fork() == 0)
			run_worker(i);
	}
	while (wait(&status) > 0) {
		has_failed |= status != 0;
		if (WIFSIGNALED(status))
			fprintf(stderr, "a worker: %s\n",
				strsignal(WTERMSIG(status)));
	}
	print_counts();
	if (options.only_session < 0 && !has_failed &&
	    options.n_commands >= COMPLETE_FROM)
		has_failed = !is_complete(true);
	return has_failed ? 1 : 0;
}
