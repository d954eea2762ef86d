/* SPDX-License-Identifier: MIT
 * mda/store/resting_test.c - sessions that idle in a mailbox whose model was
 * forgotten see what they would have seen. */
#include "tests/unit/store_frame.h"

enum { N = 5, LONG_AGO_S = 1000, WAIT_S = 5 };

static char *
path_of(const char *name, char out[512])
{
	snprintf(out, 512, "%s/example1.local/user1/%s", t.root, name);
	return out;
}

static void
make_letter(int number, const char *info)
{
	char name[300], path[512];
	FILE *file;

	snprintf(name, sizeof(name), "cur/%d.M%dP1.host,S=10,W=10%s",
		 1700000000 + number, number, info);
	file = fopen(path_of(name, path), "w");
	assert_non_null(file);
	assert_true(fputs("A: b\r\n\r\nx\r", file) >= 0);
	fclose(file);
}

/* No change of the same moment can be hidden by their times. */
static void
let_settle(void)
{
	const struct timespec times[] = { { .tv_sec = wall_s() - LONG_AGO_S },
					  { .tv_sec = wall_s() - LONG_AGO_S } };
	char path[512];

	assert_int_equal(0,
			 utimensat(AT_FDCWD, path_of("cur", path), times, 0));
	assert_int_equal(0,
			 utimensat(AT_FDCWD, path_of("new", path), times, 0));
}

static struct mailbox *
inbox(void)
{
	struct user *u = map_get(&tree.users, str_c(user1));

	return map_get(&u->mailboxes, S(""));
}

static void
idle(struct co *co, struct client *c, bool is_on)
{
	assert_int_equal(OK, call_send(co, c->call, STORE_IDLE,
				       is_on ? S("\1") : S("\0"), -1, false,
				       NEVER_US));
	if (is_on)
		return;
	buf_clear(&c->text);
	read_answer(co, c);
	assert_str(buf_str(&c->text), "OK done");
}

static void
wait_for(struct co *co, const bool *claim)
{
	for (int i = 0; i < 1000 && !*claim; i++)
		assert_int_equal(OK, co_sleep_until(co, in_ms(2)));
}

static void
wait_away(struct co *co)
{
	let_settle();
	mailbox_wake(inbox(), 0, 0);
	wait_for(co, &inbox()->resting.is_away);
	assert_false(inbox()->is_loaded);
	assert_int_equal(0, inbox()->n);
}

static void
told(struct co *co, struct client *c, const char *want)
{
	struct frame f;

	assert_int_equal(OK, call_recv(co, c->call, in_s(WAIT_S), &f));
	assert_int_equal(STORE_TEXT, f.type);
	unit_assert_str(f.body, str_c(want), __FILE__, __LINE__);
	frame_release(&f);
}

static void
told_bye(struct co *co, struct client *c)
{
	struct store_done done;
	struct frame f;

	assert_int_equal(OK, call_recv(co, c->call, in_s(WAIT_S), &f));
	assert_int_equal(STORE_DONE, f.type);
	assert_int_equal(OK, store_read_done(f.body, &done));
	assert_int_equal(STORE_BYE, done.status);
	frame_release(&f);
}

/* A client that idles in a mailbox of N messages, whose model is away. */
static void
begin(struct co *co, struct client *c)
{
	tree.max_resting_messages = 0;
	tree.rest_after_ms = 1;
	log_in(co, c);
	for (int i = 1; i <= N; i++)
		make_letter(i, i % 2 ? ":2,S" : ":2,");
	let_settle();
	run_command(co, c, VERB_SELECT, false, "INBOX");
	idle(co, c, true);
	wait_away(co);
}

/* The directories' times say whether anything happened: no model is made for
 * a look. */
static void
test_nothing_happens(struct co *co)
{
	uint64_t n_scans;
	struct client c;

	begin(co, &c);
	n_scans = inbox()->n_scans;
	mailbox_wake(inbox(), 0, 0);
	assert_int_equal(OK, co_sleep_until(co, in_ms(5)));
	assert_true(inbox()->resting.is_away);
	idle(co, &c, false);
	WANT(run_command(co, &c, VERB_NOOP, false, ""), "OK done");
	assert_int_equal(n_scans, inbox()->n_scans);
	WANT(run_command(co, &c, VERB_FETCH, false, "1:2 (UID FLAGS)"),
	     "* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n"
	     "* 2 FETCH (UID 2 FLAGS ())\r\nOK fetched");
	assert_true(inbox()->is_loaded);
	log_out(&c);
}

/* A model that is dear is kept for a while, though there are too many; then it
 * goes, though nothing else happens. */
static void
test_large_ones_are_kept_longer(struct co *co)
{
	enum { KEPT_MS = 300 };
	struct client c;
	int64_t began_us;

	tree.max_resting_messages = 0;
	tree.rest_after_ms = 1;
	tree.rest_short_us = 0;
	tree.rest_message_us = KEPT_MS * US_PER_MS / N;
	log_in(co, &c);
	for (int i = 1; i <= N; i++)
		make_letter(i, ":2,");
	let_settle();
	run_command(co, &c, VERB_SELECT, false, "INBOX");
	began_us = now_us();
	wait_for(co, &inbox()->resting.is_listed);
	assert_true(inbox()->resting.is_listed && inbox()->is_loaded);
	wait_for(co, &inbox()->resting.is_away);
	assert_true(inbox()->resting.is_away);
	assert_true(now_us() - began_us >= KEPT_MS * US_PER_MS);
	assert_int_equal(0, tree.n_resting_messages);
	log_out(&c);
}

static void
test_kept_as_long_as_few(struct co *co)
{
	struct client c;

	tree.max_resting_messages = N;
	log_in(co, &c);
	for (int i = 1; i <= N; i++)
		make_letter(i, ":2,");
	let_settle();
	run_command(co, &c, VERB_SELECT, false, "INBOX");
	idle(co, &c, true);
	wait_for(co, &inbox()->resting.is_listed);
	assert_true(inbox()->is_loaded);
	assert_int_equal(N, tree.n_resting_messages);
	idle(co, &c, false);
	WANT(run_command(co, &c, VERB_NOOP, false, ""), "OK done");
	assert_int_equal(0, tree.n_resting_messages);
	log_out(&c);
}

/* RFC 9051 7.5.1, 7.4.1: what is told, and in which order. */
static void
test_news(struct co *co)
{
	char from[512], to[512];
	struct client c;

	begin(co, &c);
	assert_int_equal(250, deliver(co, "AAAAAAAAAR1", "A: b\r\n\r\nx\r\n"));
	told(co, &c, "* 6 EXISTS\r\n* 1 RECENT\r\n");
	wait_away(co);
	/* Another program sets a flag, and takes one away. */
	path_of("cur/1700000002.M2P1.host,S=10,W=10:2,", from);
	path_of("cur/1700000002.M2P1.host,S=10,W=10:2,F", to);
	assert_int_equal(0, rename(from, to));
	told(co, &c, "* 2 FETCH (UID 2 FLAGS (\\Flagged))\r\n");
	wait_away(co);
	path_of("cur/1700000003.M3P1.host,S=10,W=10:2,S", from);
	assert_int_equal(0, unlink(from));
	told(co, &c, "* 3 EXPUNGE\r\n");
	wait_away(co);
	idle(co, &c, false);
	WANT(run_command(co, &c, VERB_FETCH, false, "2:* (UID FLAGS)"),
	     "* 2 FETCH (UID 2 FLAGS (\\Flagged))\r\n"
	     "* 3 FETCH (UID 4 FLAGS ())\r\n"
	     "* 4 FETCH (UID 5 FLAGS (\\Seen))\r\n"
	     "* 5 FETCH (UID 6 FLAGS (\\Recent))\r\nOK fetched");
	log_out(&c);
}

/* What another session does, itself without news, is told to the one that
 * idles; its own changes are not told again when the model comes back. */
static void
test_two_sessions(struct co *co)
{
	struct client c, d;
	uint64_t highest;

	begin(co, &c);
	log_in(co, &d);
	assert_has(run_command(co, &d, VERB_SELECT, false, "INBOX"),
		   "* 5 EXISTS\r\n* 0 RECENT\r\n");
	assert_has(run_command(co, &d, VERB_STORE, false,
			       "4 +FLAGS (\\Deleted \\Seen)"),
		   "* 4 FETCH (FLAGS (\\Deleted \\Seen))\r\n");
	told(co, &c, "* 4 FETCH (UID 4 FLAGS (\\Deleted \\Seen))\r\n");
	idle(co, &d, true);
	wait_away(co);
	highest = inbox()->change;
	idle(co, &d, false);
	WANT(run_command(co, &d, VERB_NOOP, false, ""), "OK done");
	assert_has(run_command(co, &d, VERB_EXPUNGE, false, ""),
		   "* 4 EXPUNGE\r\n");
	told(co, &c, "* 4 EXPUNGE\r\n");
	assert_int_equal(highest + 1, inbox()->change); // RFC 7162 3.1
	log_out(&d);
	log_out(&c);
}

/* Whoever waits between commands rests, too. */
static void
test_between_commands(struct co *co)
{
	struct client c;

	begin(co, &c);
	idle(co, &c, false);
	wait_away(co);
	assert_has(replace(co, &c, "2 INBOX ", "A: b\r\n\r\nnew\r\n"),
		   "* 2 EXPUNGE\r\n");
	log_out(&c);
}

/* RFC 9051 2.3.1.1: UIDs of another UIDVALIDITY are other messages. */
static void
test_another_validity(struct co *co)
{
	char path[512];
	struct client c;

	begin(co, &c);
	assert_int_equal(0, unlink(path_of("dovecot-uidlist", path)));
	make_letter(N + 1, ":2,");
	told_bye(co, &c);
	log_out(&c);
}

SCENARIO(nothing_happens)
SCENARIO(large_ones_are_kept_longer)
SCENARIO(kept_as_long_as_few)
SCENARIO(news)
SCENARIO(two_sessions)
SCENARIO(between_commands)
SCENARIO(another_validity)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run_nothing_happens),
		cmocka_unit_test(run_large_ones_are_kept_longer),
		cmocka_unit_test(run_kept_as_long_as_few),
		cmocka_unit_test(run_news),
		cmocka_unit_test(run_two_sessions),
		cmocka_unit_test(run_between_commands),
		cmocka_unit_test(run_another_validity),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
