/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_smtp_client.c - whole sessions of mta/out with a server that
 * may say anything.
 *
 * The session is the real one, in its coroutine. The first octet says what is
 * to be delivered and how, the second how the input is cut, the rest is what
 * the server sends; octets 1 in it are not sent: there the server waits for
 * what we say.
 * What must hold (RFC 5321 4.2, 2033 4.2, 2920 3.1; mta/out/session.h):
 *  (1) each recipient has an outcome, in words that are printable;
 *  (2) who counts as delivered was asked for, all of the content was sent, and
 *      the server gave so many positive replies: greeting, EHLO, MAIL, each
 *      RCPT, and the end of the content (LMTP: one for each);
 *  (3) we say whole lines of printable ASCII, and nothing behind QUIT; a
 *      password only where the operator lets it go without TLS. */
#include "mta/out/session.h"

#include "lib/base/check.h"
#include "lib/rt/clock.h"
#include "lib/rt/co.h"
#include "lib/rt/log.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/fuzz/session_client.h"

enum {
	N_RCPTS = 3,
	OUTPUT_MAX = 1 << 20,
	STEP_S = 20,
	/* Of the first octet. */
	IS_LMTP = 1,
	IS_BINARY = 2,
	IS_REPEAT = 4,
	HAS_LOGIN = 8,
	MAY_LOGIN_PLAIN = 16,
	HAS_UTF8 = 32,
	HAS_MANY = 64,
};

static const struct str content = STR_INIT("A: b\r\n\r\n.c\r\n");
static const struct str stuffed = STR_INIT("A: b\r\n\r\n..c\r\n.\r\n");

static struct {
	uint8_t how;
	int fd;
	unsigned n_running;
	size_t n_messages; // of which somebody got one
	size_t n_rcpts;	   // who did, over all messages
} t;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- ours ---------------------------------------------------------------- */

/* (1) */
static void
check_outcome(const struct outcome *o)
{
	unsigned class = o->code / 100;

	check(o->is_set);
	check(o->code == 0 || class == 2 || class == 4 || class == 5);
	check(o->code == 0 || o->enhanced[0] == '\0' ||
	      o->enhanced[0] == (char)('0' + class));
	check(o->code != 0 || o->enhanced[0] == '\0' || o->enhanced[0] == '4');
	for (const char *c = o->text; *c != '\0'; c++)
		check(ascii_is_print(*c));
	for (const char *c = o->remote; *c != '\0'; c++)
		check(ascii_is_print(*c));
}

static enum err
deliver(struct co *co, struct session *s, const struct out_job *job)
{
	struct outcome outcomes[N_RCPTS] = { 0 };
	struct delivery d = { .job = job, .outcomes = outcomes };
	enum err e = session_deliver(co, s, &d);
	size_t n = 0;

	for (size_t i = 0; i < job->n_rcpts; i++) {
		check(e == OK || !outcomes[i].is_set);
		if (e == OK)
			check_outcome(&outcomes[i]);
		n += outcomes[i].code / 100 == 2;
	}
	t.n_rcpts += n;
	t.n_messages += n > 0;
	return e;
}

static void
stop_one(void)
{
	if (--t.n_running == 0)
		loop_stop();
}

static void
run_ours(struct co *co, void *arg UNUSED)
{
	const struct out_rcpt rcpts[N_RCPTS] = {
		{ .address = S("a@x.example"),
		  .orcpt = S(""),
		  .notify = 1,
		  .index = 0 },
		{ .address = t.how & HAS_UTF8 ? S("\xc3\xa9@x.example")
					      : S("b@x.example"),
		  .orcpt = S("rfc822;b@y.example"),
		  .index = 1 },
		{ .address = S("\"c d\"@x.example"),
		  .orcpt = S(""),
		  .index = 2 },
	};
	const struct out_job job = {
		.id = S("AAAA"),
		.protocol = t.how & IS_LMTP ? OUT_LMTP : OUT_SMTP,
		.next_hop = S("[127.0.0.1]"),
		.hostname = S("we.example"),
		.sender = S("s@we.example"),
		.envid = S("e"),
		.ret = 1,
		.is_8bit = true,
		.is_binary = t.how & IS_BINARY,
		.is_repeat = t.how & IS_REPEAT,
		.secret = 7,
		.sasl_user = S("u"),
		.sasl_password = S("secret"),
		.size_octets = content.n,
		.has_content = true,
		.content = content,
		.rcpts = rcpts,
		.n_rcpts = t.how & HAS_MANY ? N_RCPTS : 1,
	};
	const struct router_smtp smtp = {
		.helo_name = S("we.example"),
		.sasl_mechanisms = S(""),
		.connect_s = STEP_S,
		.helo_s = STEP_S,
		.starttls_s = STEP_S,
		.mail_s = STEP_S,
		.rcpt_s = STEP_S,
		.rset_s = STEP_S,
		.data_init_s = STEP_S,
		.data_xfer_s = STEP_S,
		.data_done_s = STEP_S,
		.cache_s = STEP_S,
		.reuse_s = STEP_S,
		.reuse_count = 2,
		.is_cache_on = true,
	};
	struct setup setup = { .smtp = smtp, .n_holds = 1 };
	const struct policy policy = {
		.level = TLS_NONE,
		.may_login_plain = t.how & MAY_LOGIN_PLAIN,
	};
	const struct target target = { .name = S("x.example"),
				       .address = S("127.0.0.1"),
				       .port = 25 };
	const struct session_settings settings = {
		.job = &job,
		.setup = &setup,
		.policy = &policy,
		.has_login = t.how & HAS_LOGIN,
		.resume_key = S(""),
	};
	struct outcome why = { 0 };
	bool is_tls;
	struct session *s =
		session_new(co, t.fd, &target, &settings, &why, &is_tls);

	if (s == NULL)
		check_outcome(&why);
	else if (deliver(co, s, &job) == OK && session_is_reusable(s))
		(void)!deliver(co, s, &job);
	session_quit(co, &s);
	check(setup.n_holds == 1);
	stop_one();
}

/* ---- theirs -------------------------------------------------------------- */

static void
run_theirs(struct co *co, void *arg UNUSED)
{
	client_talk(co);
	stop_one();
}

/* ---- what was said ------------------------------------------------------- */

/* Last lines of replies of that class, by RFC 5321 4.2.1 read as loosely as
 * can be. */
static size_t
count_replies(char class)
{
	struct str rest = str_of(client.input, client.n_input), line;
	size_t n = 0;

	while (str_split(&rest, '\n', &line) && rest.p != NULL)
		n += line.n >= 3 && line.p[0] == class &&
		     ascii_is_digit(line.p[1]) && ascii_is_digit(line.p[2]) &&
		     (line.n == 3 || line.p[3] != '-');
	return n;
}

static size_t
count(struct str text)
{
	struct str rest = buf_str(&client.output);
	size_t n = 0;
	ptrdiff_t at;

	while ((at = str_find(rest, text)) >= 0) {
		rest = str_from(rest, (size_t)at + text.n);
		n++;
	}
	return n;
}

/* (2) */
static void
check_delivered(void)
{
	size_t n_ends = t.how & IS_LMTP ? t.n_rcpts : t.n_messages;

	if (t.n_rcpts == 0)
		return;
	check(count_replies('2') >= 2 + t.n_messages + t.n_rcpts + n_ends);
	check(count(S("MAIL FROM:<")) >= t.n_messages);
	check(count(S("RCPT TO:<")) >= t.n_rcpts);
	check(count(stuffed) + count(S(" LAST\r\nA: b\r\n\r\n.c\r\n")) >=
	      t.n_messages);
	check(!(t.how & IS_BINARY) || count(S("DATA\r\n")) == 0);
}

/* (3) */
static void
check_lines(void)
{
	struct str rest = buf_str(&client.output), line;

	check(rest.n == 0 || str_ends(rest, S("\r\n")) ||
	      count(S("MAIL FROM:<")) > 0);
	while (str_split(&rest, '\n', &line) && rest.p != NULL) {
		check(str_ends(line, S("\r")));
		line.n--;
		for (size_t i = 0; i < line.n; i++)
			check(ascii_is_print(line.p[i]) ||
			      ((t.how & HAS_UTF8) &&
			       (unsigned char)line.p[i] >= 0x80));
		check(!str_eq(line, S("QUIT")) || rest.n == 0);
	}
	if (!(t.how & HAS_LOGIN) || !(t.how & MAY_LOGIN_PLAIN))
		check(count(S("AUTH ")) == 0);
}

static void
start(void)
{
	log_open("fuzz", LOG_ERROR);
	loop_init();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool has_started;
	int fds[2];

	if (size < 2 || size > INPUT_MAX)
		return 0;
	if (!has_started)
		start();
	has_started = true;
	t.how = data[0];
	t.n_messages = t.n_rcpts = 0;
	client_take(data + 2, size - 2);
	client.speaks_first = true;
	client.piece = data[1] & 1 ? INPUT_MAX : 1 + (data[1] >> 1);
	buf_init(&client.output, OUTPUT_MAX);
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	t.fd = fds[0];
	client.fd = fds[1];
	t.n_running = 2;
	check(co_spawn(run_ours, NULL, "ours") != NULL);
	check(co_spawn(run_theirs, NULL, "theirs") != NULL);
	loop_run();
	check(t.n_running == 0);
	check_delivered();
	check_lines();
	buf_release(&client.output);
	return 0;
}
