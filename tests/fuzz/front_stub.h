/* SPDX-License-Identifier: MIT
 * tests/fuzz/front_stub.h - whole sessions of mda/front for fuzz_imap_session,
 * fuzz_pop3_session and fuzz_lmtp_session: the real sessions, with their
 * coroutines and channels; auth, store and router are stubs at the other ends
 * of socket pairs.
 *
 * The input is what the client sends. The stubs check what front must never
 * ask:
 *  - a session of a user without an AUTH_OK for it;
 *  - a command of a selected mailbox while none is selected;
 *  - octets of a message beyond what was promised. */
#include "mda/front/front.c"

#include "lib/ipc/router.h"
#include "lib/ipc/store.h"
#include "tests/fuzz/session_client.h"

#include <fcntl.h>
#include <sys/mman.h>

enum {
	OUTPUT_MAX = 16 << 20,
	TURNS_MAX = 10000,
	MESSAGES_MAX = 1000,
};

/* What front brought by LMTP, to its end. */
struct stub_message {
	struct buf content;
	size_t n_rcpts, n_good; // n_good: the stub said 250
};

static const struct str stub_user = STR_INIT("u@example");
static const struct str stub_body = STR_INIT("A: b\r\n\r\n.c\r\n");

static struct {
	int body_fd;
	unsigned n_right;  // logins that auth allowed
	unsigned n_stores; // sessions of store now
	bool is_imap;
	struct stub_message messages[MESSAGES_MAX];
	size_t n_messages;
} t;

/* ---- what takes the place of lib/rt/role.c ------------------------------- */

static void
answer(struct call *call, uint16_t type, struct buf *body, bool is_end)
{
	enum err e = call_post(call, type, buf_str(body), -1, is_end);

	(void)e; // front may have left
	buf_release(body);
}

static void
serve_settings(struct co *co, struct call *call, struct frame *first UNUSED,
	       void *owner UNUSED)
{
	const struct router_snapshot now = {
		.number = 1,
		.hostname = S("mda.example"),
		.mynetworks = S(""),
		.message_size_limit = 4000,
		.recipient_delimiter = S("+"),
	};
	struct buf body = BUF_INIT(FRAME_OCTETS);

	router_put_snapshot(&body, &now);
	answer(call, ROUTER_SNAPSHOT, &body, false);
	while (co_sleep_until(co, NEVER_US) == OK)
		;
}

static void
post_answer(struct call *call, enum auth_result result, struct str final)
{
	const struct auth_answer a = {
		.result = result,
		.user = result == AUTH_OK ? stub_user : S(""),
		.stamp = 1,
		.final = final,
	};
	struct buf body = BUF_INIT(FRAME_OCTETS);

	t.n_right += result == AUTH_OK;
	auth_put_answer(&body, &a);
	answer(call, AUTH_ANSWER, &body, true);
}

static void
serve_check(struct co *co UNUSED, struct call *call, struct frame *first,
	    void *owner UNUSED)
{
	struct auth_check asked;
	bool is_right;

	check(auth_read_check(first->body, &asked) == OK);
	check(str_eq(asked.protocol, t.is_imap ? S("imap") : S("pop3")));
	is_right = str_eq(asked.user, S("u")) && str_eq(asked.password, S("p"));
	post_answer(call,
		    is_right			    ? AUTH_OK
		    : str_eq(asked.user, S("wait")) ? AUTH_UNAVAILABLE
						    : AUTH_WRONG,
		    S(""));
}

/* "first" and "last" are SCRAM enough. */
static void
serve_scram(struct co *co, struct call *call, struct frame *first,
	    void *owner UNUSED)
{
	struct auth_scram asked;
	struct frame f;

	check(auth_read_scram(first->body, &asked) == OK);
	check(!asked.is_plus); // without TLS
	if (!str_eq(asked.message, S("first"))) {
		post_answer(call, AUTH_MALFORMED, S(""));
		return;
	}
	if (call_post(call, AUTH_CHALLENGE, S("challenge"), -1, false) != OK ||
	    call_recv(co, call, NEVER_US, &f) != OK)
		return;
	check(f.type == AUTH_RESPONSE);
	if (str_eq(f.body, S("last")))
		post_answer(call, AUTH_OK, S("v=final"));
	else
		post_answer(call, AUTH_WRONG, S(""));
	frame_release(&f);
}

static void
serve_offers(struct co *co, struct call *call, struct frame *first UNUSED,
	     void *owner UNUSED)
{
	const struct auth_offer offer = { .has_scram = true };
	struct buf body = BUF_INIT(FRAME_OCTETS);

	auth_put_offer(&body, &offer);
	answer(call, AUTH_OFFER, &body, false);
	while (co_sleep_until(co, NEVER_US) == OK)
		;
}

static void
serve_changes(struct co *co, struct call *call UNUSED,
	      struct frame *first UNUSED, void *owner UNUSED)
{
	while (co_sleep_until(co, NEVER_US) == OK)
		;
}

/* ---- store --------------------------------------------------------------- */

struct stub_store {
	struct call *call;
	bool is_selected, is_notifying, is_over;
	uint64_t chunk_octets; // of a message that was promised
};

static void
put_text(struct stub_store *s, struct str text)
{
	enum err e = call_post(s->call, STORE_TEXT, text, -1, false);

	(void)e;
}

static void
put_body(struct stub_store *s)
{
	const struct store_body range = { 0, stub_body.n };
	struct buf body = BUF_INIT(64);
	enum err e;

	store_put_body(&body, &range);
	e = call_post(s->call, STORE_BODY, buf_str(&body), dup(t.body_fd),
		      false);
	(void)e;
	buf_release(&body);
}

/* Text and body in a pipe. */
static void
put_pipe(struct stub_store *s)
{
	const struct str text = S("* 1 FETCH (BODY[] {12}\r\nA: b\r\n\r\n.c"
				  "\r\n)\r\n");
	const struct store_pipe held = { (uint32_t)text.n, true };
	struct buf body = BUF_INIT(64);
	int fds[2];
	enum err e;

	check(pipe2(fds, O_CLOEXEC) == 0);
	check(write(fds[1], text.p, text.n) == (ssize_t)text.n);
	close(fds[1]);
	store_put_pipe(&body, &held);
	e = call_post(s->call, STORE_PIPE, buf_str(&body), fds[0], false);
	(void)e;
	buf_release(&body);
}

static void
put_done(struct stub_store *s, enum store_status status)
{
	const struct store_done done = { status, S("[X] done"), s->is_selected,
					 s->is_notifying };
	struct buf body = BUF_INIT(1024);

	store_put_done(&body, &done);
	answer(s->call, STORE_DONE, &body, false);
	s->is_over = status == STORE_BYE;
}

/* What the arguments ask the stub for. */
static enum store_status
status_of(struct str args)
{
	return str_find(args, S("bye")) >= 0   ? STORE_BYE
	       : str_find(args, S("no")) >= 0  ? STORE_NO
	       : str_find(args, S("bad")) >= 0 ? STORE_BAD
					       : STORE_OK;
}

static void
run_stub(struct stub_store *s, const struct store_command *c)
{
	enum store_status status = status_of(c->args);

	switch (c->verb) {
	case VERB_SELECT:
	case VERB_EXAMINE:
		s->is_selected = status == STORE_OK;
		put_text(s, S("* 3 EXISTS\r\n"));
		break;
	case VERB_CLOSE:
	case VERB_UNSELECT:
		check(s->is_selected);
		s->is_selected = false;
		break;
	case VERB_FETCH:
		check(s->is_selected);
		put_text(s, S("* 1 FETCH (BODY[] {12}\r\n"));
		put_body(s);
		put_text(s, S(")\r\n"));
		if (str_find(c->args, S("1:")) >= 0)
			put_pipe(s);
		break;
	case VERB_STORE:
	case VERB_SEARCH:
	case VERB_SORT:
	case VERB_THREAD:
	case VERB_COPY:
	case VERB_MOVE:
	case VERB_EXPUNGE:
		check(s->is_selected);
		put_text(s, S("* X {3}\r\na\r\n\r\n"));
		break;
	case VERB_NOTIFY:
		s->is_notifying = status == STORE_OK;
		break;
	case VERB_POP_LIST:
		check(!t.is_imap && s->is_selected);
		put_text(s, S("1 12 a\r\n2 12 b\r\n"));
		put_text(s, S("3 12 c\r\n"));
		break;
	case VERB_POP_READ:
		check(!t.is_imap && s->is_selected);
		if (str_eq(c->args, S("2")))
			status = STORE_NO;
		else if (str_eq(c->args, S("3")))
			put_text(s, stub_body);
		else
			put_body(s);
		break;
	default:
		break;
	}
	put_done(s, status);
	if (s->is_notifying) { // at any time
		put_text(s, S("* 1 FETCH (BODY[] {12}\r\n"));
		put_body(s);
		put_text(s, S(")\r\n* STATUS x (MESSAGES 1)\r\n"));
	}
}

static void
take_append(struct stub_store *s, struct str body)
{
	struct store_append part;
	enum store_status status;

	check(store_read_append(body, &part) == OK);
	check(t.is_imap && s->chunk_octets == 0);
	status = status_of(part.args);
	if (part.size_octets > part.limit_octets)
		status = STORE_NO;
	if (status == STORE_OK && part.has_literal)
		s->chunk_octets = part.size_octets;
	put_done(s, status);
}

static void
take_frame(struct stub_store *s, const struct frame *f)
{
	struct store_command c;

	switch (f->type) {
	case STORE_COMMAND:
		check(store_read_command(f->body, &c) == OK);
		check(s->chunk_octets == 0);
		run_stub(s, &c);
		break;
	case STORE_IDLE:
		check(t.is_imap && f->body.n == 1);
		if (f->body.p[0] == 1)
			put_text(s, S("* 7 EXISTS\r\n"));
		else
			put_done(s, STORE_OK);
		break;
	case STORE_APPEND:
		take_append(s, f->body);
		break;
	case STORE_CHUNK:
		check(f->body.n > 0 && f->body.n <= s->chunk_octets);
		s->chunk_octets -= f->body.n;
		break;
	case STORE_CLOSE:
		s->is_over = true;
		break;
	default:
		check_failed("front sent what it must not", __FILE__, __LINE__);
	}
}

static void
serve_session(struct co *co, struct call *call, struct frame *first,
	      void *owner UNUSED)
{
	struct stub_store s = { .call = call };
	struct frame f;

	check(str_eq(first->body, stub_user));
	check(t.n_right > 0);
	t.n_right--; // each is good for one session
	t.n_stores++;
	put_done(&s, STORE_OK);
	while (!s.is_over && call_recv(co, call, NEVER_US, &f) == OK) {
		take_frame(&s, &f);
		frame_release(&f);
	}
	t.n_stores--;
}

/* ---- LMTP ---------------------------------------------------------------- */

/* "no..." is unknown, "far..." elsewhere; others are mailboxes of that name. */
static void
serve_rcpt(struct co *co UNUSED, struct call *call, struct frame *first,
	   void *owner UNUSED)
{
	struct buf body = BUF_INIT(ROUTER_ASK_MAX_OCTETS);
	struct router_verdict v = { .code = 250,
				    .enhanced = S("2.1.5"),
				    .text = S("Ok"),
				    .is_local = true,
				    .bcc = S("") };
	struct router_ask ask;

	check(router_read_ask(first->body, &ask) == OK);
	v.mailbox = ask.rcpt;
	v.is_local = !str_starts(ask.rcpt, S("far"));
	if (str_starts(ask.rcpt, S("no"))) {
		v.code = 550;
		v.enhanced = S("5.1.1");
		v.text = S("unknown");
	}
	router_put_verdict(&body, &v);
	answer(call, ROUTER_VERDICT, &body, true);
}

static void
post_store_answer(struct call *call, unsigned code, bool is_end)
{
	const struct store_answer a = { .code = (uint16_t)code,
					.enhanced = code == 250	  ? S("2.1.5")
						    : code == 550 ? S("5.2.0")
								  : S("4.2.2"),
					.text = S("said the stub") };
	struct buf body = BUF_INIT(ROUTER_ASK_MAX_OCTETS);

	store_put_answer(&body, &a);
	answer(call, STORE_ANSWER, &body, is_end);
}

static void
serve_room(struct co *co UNUSED, struct call *call, struct frame *first,
	   void *owner UNUSED)
{
	struct str mailbox;
	uint64_t n_octets;

	check(store_read_room(first->body, &mailbox, &n_octets) == OK);
	post_store_answer(call, str_starts(mailbox, S("full")) ? 452 : 250,
			  true);
}

/* "bad..." is refused; at "gone..." this store dies. */
static void
settle_stub(struct call *call, const struct store_delivery *d,
	    struct stub_message *m)
{
	for (size_t i = 0; i < d->n_rcpts; i++) {
		struct str mailbox = d->rcpts[i].mailbox;
		bool is_good = !str_starts(mailbox, S("bad"));

		if (str_starts(mailbox, S("gone")))
			return;
		m->n_good += is_good;
		post_store_answer(call, is_good ? 250 : 550,
				  i + 1 == d->n_rcpts);
	}
}

static void
serve_delivery(struct co *co, struct call *call, struct frame *first,
	       void *owner UNUSED)
{
	struct stub_message m = { .content = BUF_INIT(FRAME_OCTETS) };
	struct arena arena = ARENA_INIT(FRAME_OCTETS);
	struct store_delivery d;
	bool is_whole = false;
	struct frame f;

	t.n_stores++;
	check(store_read_delivery(first->body, &arena, &d) == OK);
	check(d.n_rcpts > 0 && d.id.n > 0);
	while (!is_whole && call_recv(co, call, NEVER_US, &f) == OK) {
		check(f.type == STORE_CHUNK);
		check(buf_add(&m.content, f.body) == OK);
		is_whole = f.is_end;
		frame_release(&f);
	}
	m.n_rcpts = d.n_rcpts;
	if (is_whole) {
		settle_stub(call, &d, &m);
		check(t.n_messages < MESSAGES_MAX);
		t.messages[t.n_messages++] = m;
	} else {
		buf_release(&m.content);
	}
	arena_release(&arena);
	t.n_stores--;
}

static const struct chan_rule rules_router[] = {
	{ ROUTER_RCPT, FRAME_OCTETS, MAX_CALLS, false, serve_rcpt, "rcpt" },
	{ ROUTER_SETTINGS, FRAME_OCTETS, MAX_CALLS, false, serve_settings,
	  "settings" },
	{ .serve = NULL },
};
static const struct chan_rule rules_auth[] = {
	{ AUTH_CHECK, FRAME_OCTETS, MAX_CALLS, false, serve_check, "check" },
	{ AUTH_SCRAM, FRAME_OCTETS, MAX_CALLS, false, serve_scram, "scram" },
	{ AUTH_OFFERS, FRAME_OCTETS, MAX_CALLS, false, serve_offers, "offers" },
	{ AUTH_CHANGES, FRAME_OCTETS, MAX_CALLS, false, serve_changes,
	  "changes" },
	{ .serve = NULL },
};
static const struct chan_rule rules_store[] = {
	{ STORE_SESSION, FRAME_OCTETS, MAX_CALLS, false, serve_session,
	  "session" },
	{ STORE_ROOM, FRAME_OCTETS, MAX_CALLS, false, serve_room, "room" },
	{ STORE_DELIVER, FRAME_OCTETS, MAX_CALLS, false, serve_delivery,
	  "deliver" },
	{ .serve = NULL },
};

struct peer *
peer_new(enum service to, unsigned copy UNUSED,
	 const struct chan_rule *ours UNUSED)
{
	return stub_peer(to == SERVICE_ROUTER ? rules_router
			 : to == SERVICE_AUTH ? rules_auth
					      : rules_store);
}

bool
unix_peer_is_trusted(int fd UNUSED)
{
	return false;
}

/* ---- the client ---------------------------------------------------------- */

static void
run_client(struct co *co, void *arg UNUSED)
{
	client_talk(co);
	for (int i = 0; t.n_stores > 0 && i < TURNS_MAX; i++)
		co_breathe(co);
	check(t.n_stores == 0);
	loop_stop();
}

static void
start_front(void)
{
	static struct role_spec spec;
	static struct options options = { .ssl_type = "",
					  .n_front = 1,
					  .n_store = 1,
					  .imap_notify_s = 1000 };
	static struct role role = { .spec = &spec,
				    .options = &options,
				    .unix_fd = -1 };

	log_open("fuzz", LOG_ERROR);
	loop_init();
	front_start(&role);
	t.body_fd = memfd_create("body", MFD_CLOEXEC);
	check(write(t.body_fd, stub_body.p, stub_body.n) ==
	      (ssize_t)stub_body.n);
}

enum stub_kind { STUB_IMAP, STUB_POP3, STUB_LMTP };

/* One connection, with this input; its output is in client.output. */
static void
run_front(const uint8_t *data, size_t size, enum stub_kind kind)
{
	static bool has_started;
	union address_any peer = { .any.sa_family = AF_UNIX };
	int fds[2];

	t.is_imap = kind == STUB_IMAP;
	if (!has_started)
		start_front();
	has_started = true;
	client_take(data + 1, size - 1);
	client.piece = data[0] & 1 ? INPUT_MAX : 1 + (data[0] >> 1);
	t.n_right = 0;
	buf_init(&client.output, OUTPUT_MAX);
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	client.fd = fds[1];
	if (kind == STUB_IMAP)
		imap_accept(fds[0], &peer, false);
	else if (kind == STUB_POP3)
		pop3_accept(fds[0], &peer, false);
	else
		lmtp_accept(fds[0]);
	check(co_spawn(run_client, NULL, "client") != NULL);
	loop_run();
}

/* ---- for the oracles ----------------------------------------------------- */

/* Where they are in input and output. */
static struct {
	size_t at, at_output;
} o;

/* The next line of input with its LF; false: there is none. */
static bool
next_input(struct str *out)
{
	struct str left = str_of(client.input + o.at, client.n_input - o.at);
	ptrdiff_t end = str_chr(left, '\n');

	if (end < 0)
		return false;
	*out = str_first(left, (size_t)end + 1);
	o.at += (size_t)end + 1;
	return true;
}

/* The next line of output without its end; false: there is none. None is cut,
 * and none has an octet that could end it for somebody. */
static bool
next_output(struct str *out)
{
	struct str left = str_from(buf_str(&client.output), o.at_output);
	ptrdiff_t end = str_chr(left, '\n');

	if (left.n == 0)
		return false;
	check(end >= 1 && left.p[end - 1] == '\r');
	*out = str_first(left, (size_t)end - 1);
	for (size_t i = 0; i < out->n; i++)
		check((unsigned char)out->p[i] >= ' ' && out->p[i] != 127);
	o.at_output += (size_t)end + 1;
	return true;
}
