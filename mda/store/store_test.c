/* SPDX-License-Identifier: MIT
 * mda/store/store_test.c - what a session is told, and what is on the disk
 * after it (tests/unit/store_frame.h). */
#include "tests/unit/store_frame.h"

/* ---- deliveries ---- */

static void
test_delivery(struct co *co)
{
	struct buf file = BUF_INIT(1 << 20);
	char name[256], path[512];

	assert_int_equal(
		250, deliver(co, "AAAAAAAAAA1", "Subject: x\r\n\r\none\r\n"));
	assert_int_equal(1, count_files("new", name));
	assert_int_equal(0, count_files("tmp", NULL));
	assert_string_equal("1700000000.QAAAAAAAAAA1R0.mta1.example,S=93,W=93",
			    name);
	snprintf(path, sizeof(path), "new/%s", name);
	read_file(path, &file);
	assert_str(buf_str(&file), "Return-Path: <sender@example2.local>\r\n"
				   "Delivered-To: user1@example1.local\r\n"
				   "Subject: x\r\n\r\none\r\n");
	read_file("subscriptions", &file);
	assert_str(buf_str(&file), "V\t2\n\nDrafts\nSent\nJunk\nTrash\n");
	assert_int_equal(0, count_files(".Trash/cur", NULL));
	buf_release(&file);
}

static void
test_repeats(struct co *co)
{
	struct letter l = { .id = "AAAAAAAAAA2",
			    .to = user1,
			    .text = "Subject: x\r\n\r\n",
			    .is_repeat = true };
	char name[256], from[512], to[512];

	/* A repeat that is the first: it comes. */
	assert_int_equal(250, deliver_in_steps(co, &l, 100));
	assert_int_equal(250, deliver_in_steps(co, &l, 100));
	assert_int_equal(1, count_files("new", name));
	/* Its user has moved it. */
	snprintf(from, sizeof(from), "%s/example1.local/user1/new/%s", t.root,
		 name);
	snprintf(to, sizeof(to), "%s/example1.local/user1/.Trash/cur/%s:2,S",
		 t.root, name);
	assert_int_equal(0, rename(from, to));
	restart(co);
	assert_int_equal(250, deliver_in_steps(co, &l, 100));
	assert_int_equal(0, count_files("new", NULL));
	/* Or removed it. */
	assert_int_equal(0, unlink(to));
	assert_int_equal(250, deliver_in_steps(co, &l, 100));
	assert_int_equal(0, count_files("new", NULL));
	/* Another recipient of the same message is no repeat. */
	l.index = 1;
	assert_int_equal(250, deliver_in_steps(co, &l, 100));
	assert_int_equal(1, count_files("new", NULL));
}

static void
test_line_ends_and_large(struct co *co)
{
	size_t n = 700000;
	char *text = malloc(n + 1), name[256];
	struct letter l = { .id = "AAAAAAAAAA3", .to = user1, .text = text };
	struct letter small = { .id = "AAAAAAAAAA4",
				.to = user1,
				.text = "a\nb\r\nc\r\n\n" };

	/* "a", bare LF; CRLF cut in the middle; LF after CRLF: two bare. */
	assert_int_equal(250, deliver_in_steps(co, &small, 1));
	count_files("new", name);
	assert_string_equal("1700000000.QAAAAAAAAAA4R0.mta1.example,S=83,W=85",
			    name);
	memset(text, 'x', n);
	text[n] = '\0';
	assert_int_equal(250, deliver_in_steps(co, &l, 100000));
	assert_int_equal(2, count_files("new", NULL));
	free(text);
}

static void
test_quota(struct co *co)
{
	char *text = malloc(1001);

	memset(text, 'y', 1000);
	text[1000] = '\0';
	t.quota.storage_octets = 2000;
	tree.epoch++;
	assert_int_equal(250, ask_room(co, user1, 1500));
	assert_int_equal(552, ask_room(co, user1, 2300));
	assert_int_equal(250, deliver(co, "AAAAAAAAAA5", text)); // 1073
	assert_int_equal(250, deliver(co, "AAAAAAAAAA6", text)); // the grace
	assert_int_equal(552, deliver(co, "AAAAAAAAAA7", text));
	assert_int_equal(552, ask_room(co, user1, 1));
	assert_int_equal(552, ask_room(co, user1, 0)); // RCPT without SIZE
	assert_int_equal(2, count_files("new", NULL));
	restart(co);
	assert_int_equal(552, ask_room(co, user1, 1));
	t.quota.storage_octets = 0;
	tree.epoch++;
	assert_int_equal(250, ask_room(co, user1, 1 << 30));
	t.quota.exists = false;
	tree.epoch++;
	assert_int_equal(550, ask_room(co, user1, 1));
	/* Without a router what was known holds, and for others: later. */
	t.quota_error = ERR_UNAVAILABLE;
	tree.epoch++;
	assert_int_equal(550, ask_room(co, user1, 1));
	assert_int_equal(451, ask_room(co, "other@example1.local", 1));
	free(text);
}

static void
test_hostile_users(struct co *co)
{
	static const char *const users[] = { "../x@example1.local",
					     "x@..",
					     "a/b@example1.local",
					     "x",
					     "@example1.local",
					     ".x@y",
					     "x@",
					     "x@a/b" };

	for (size_t i = 0; i < N_OF(users); i++)
		assert_int_equal(550, ask_room(co, users[i], 1));
	assert_int_equal(250, ask_room(co, "USER1@Example1.LOCAL", 1));
	assert_int_equal(0, count_files("new", NULL));
}

/* Another program takes the user's directory away: no reason to tell a sender
 * that there is no such user. */
static void
test_home_taken_away(struct co *co)
{
	char command[256];

	t.quota.storage_octets = 100000;
	tree.epoch++;
	assert_int_equal(250, deliver(co, "AAAAAAAAAH1", "A: b\r\n\r\nc\r\n"));
	assert_int_equal(250, ask_room(co, user1, 100));
	snprintf(command, sizeof(command), "rm -r '%s/example1.local/user1'",
		 t.root);
	assert_int_equal(0, system(command));
	assert_int_not_equal(550, ask_room(co, user1, 100));
	assert_int_equal(250, deliver(co, "AAAAAAAAAH2", "A: b\r\n\r\nc\r\n"));
	assert_int_equal(1, count_files("new", NULL));
	snprintf(command, sizeof(command),
		 "rm -r '%s/example1.local/user1' && "
		 "ln -s nowhere '%s/example1.local/user1'",
		 t.root, t.root);
	assert_int_equal(0, system(command));
	assert_int_not_equal(550, ask_room(co, user1, 100));
	assert_int_equal(451, deliver(co, "AAAAAAAAAH3", "A: b\r\n\r\nc\r\n"));
}

/* A full mailbox is moved away: the one that takes its place is not full. */
static void
test_full_home_moved_away(struct co *co)
{
	char command[256];

	t.quota.storage_octets = 100;
	tree.epoch++;
	assert_int_equal(250, deliver(co, "AAAAAAAAAF1", "A: b\r\n\r\nc\r\n"));
	assert_int_equal(552, ask_room(co, user1, 100));
	snprintf(command, sizeof(command),
		 "mv '%s/example1.local/user1' '%s/away'", t.root, t.root);
	assert_int_equal(0, system(command));
	assert_int_equal(250, ask_room(co, user1, 100));
	assert_int_equal(552, ask_room(co, user1, 1000));
}

/* A command that still runs when the directory was moved away opens nothing
 * there any more: what it wrote would be in no account. */
static void
test_nothing_opens_where_home_was(struct co *co)
{
	struct mailbox *m = NULL;
	char command[256];
	struct user *u;

	assert_int_equal(250, deliver(co, "AAAAAAAAAG1", "A: b\r\n\r\nc\r\n"));
	u = user_hold(map_get(&tree.users, str_c(user1)));
	snprintf(command, sizeof(command),
		 "mv '%s/example1.local/user1' '%s/away'", t.root, t.root);
	assert_int_equal(0, system(command));
	assert_int_equal(250, deliver(co, "AAAAAAAAAG2", "A: b\r\n\r\nc\r\n"));
	assert_int_equal(ERR_UNAVAILABLE, mailbox_open(co, u, STR_NONE, &m));
	assert_int_equal(ERR_UNAVAILABLE, mailbox_open(co, u, S(".Sent"), &m));
	assert_null(m);
	user_drop(&u);
}

static void
test_second_server(struct co *co UNUSED)
{
	struct tree other;

	assert_int_equal(ERR_EXISTS, tree_open(&other, t.root, 0, S("x")));
}

/* ---- sessions ---- */

static const char letter1[] =
	"Date: Mon, 7 Feb 1994 21:52:25 -0800 (PST)\r\n"
	"From: Fred Foobar <foobar@Blurdybloop.example>\r\n"
	"Subject: Re: afternoon meeting\r\n"
	"To: mooch@owatagu.example\r\n"
	"\r\n"
	"Hello Joe\r\n";
static const char letter2[] = "Subject: bare lines\n\none\ntwo\n";

static void
test_select_and_fetch(struct co *co)
{
	struct client c;
	const char *got;
	uint32_t validity;

	deliver(co, "AAAAAAAAAB1", letter1);
	deliver(co, "AAAAAAAAAB2", letter2);
	log_in(co, &c);
	got = DO(SELECT, "INBOX");
	assert_has(got, "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen "
			"\\Draft)\r\n");
	assert_has(got, "\\*)] ");
	assert_has(got, "* 2 EXISTS\r\n* 2 RECENT\r\n* OK [UNSEEN 1] ");
	assert_has(got, "[UIDNEXT 3]");
	assert_has(got, "OK [READ-WRITE] ");
	assert_true(c.is_selected);
	validity = number_after(got, "[UIDVALIDITY ");
	assert_int_equal(2, count_files("cur", NULL));
	assert_int_equal(0, count_files("new", NULL));

	WANT(DO(FETCH, "1:2 (UID FLAGS RFC822.SIZE)"),
	     "* 1 FETCH (UID 1 FLAGS (\\Recent) RFC822.SIZE 238)\r\n"
	     "* 2 FETCH (UID 2 FLAGS (\\Recent) RFC822.SIZE 107)\r\n"
	     "OK fetched");
	WANT(UID(FETCH, "2 (BODY.PEEK[TEXT])"),
	     "* 2 FETCH (UID 2 BODY[TEXT] {10}\r\none\r\ntwo\r\n)\r\n"
	     "OK fetched");
	WANT(DO(FETCH, "1 (BODY.PEEK[HEADER.FIELDS (Subject TO)])"),
	     "* 1 FETCH (BODY[HEADER.FIELDS (SUBJECT TO)] {61}\r\n"
	     "Subject: Re: afternoon meeting\r\n"
	     "To: mooch@owatagu.example\r\n\r\n)\r\nOK fetched");
	WANT(DO(FETCH, "1 (BODY.PEEK[1]<6.100>)"),
	     "* 1 FETCH (BODY[1]<6> {5}\r\nJoe\r\n)\r\nOK fetched");
	WANT(DO(FETCH, "2 (BODY.PEEK[]<1.4> BODY.PEEK[5])"),
	     "* 2 FETCH (BODY[]<1> {4}\r\netur BODY[5] NIL)\r\nOK fetched");
	got = DO(FETCH, "1 (ENVELOPE INTERNALDATE)");
	assert_has(got, "ENVELOPE (\"Mon, 7 Feb 1994 21:52:25 -0800 (PST)\" "
			"\"Re: afternoon meeting\" ((\"Fred Foobar\" NIL "
			"\"foobar\" \"Blurdybloop.example\")) ");
	assert_has(got, "INTERNALDATE \"14-Nov-2023 ");
	got = DO(FETCH, "1 (BODYSTRUCTURE)");
	assert_has(got, "BODYSTRUCTURE (\"text\" \"plain\" (\"charset\" "
			"\"us-ascii\") NIL NIL \"7bit\" 11 1 NIL NIL NIL NIL)");
	WANT(DO(FETCH, "1 (BODY[TEXT])"),
	     "* 1 FETCH (FLAGS (\\Seen \\Recent) BODY[TEXT] {11}\r\n"
	     "Hello Joe\r\n)\r\nOK fetched");
	assert_has(DO(FETCH, "3 (FLAGS)"), "BAD ");
	WANT(UID(FETCH, "77 (FLAGS)"), "OK fetched");
	log_out(&c);

	restart(co);
	log_in(co, &c);
	got = DO(EXAMINE, "inbox");
	assert_int_equal(validity, number_after(got, "[UIDVALIDITY "));
	assert_has(got, "* 2 EXISTS\r\n* 0 RECENT\r\n* OK [UNSEEN 2]");
	assert_has(got, "[PERMANENTFLAGS ()]");
	WANT(UID(FETCH, "1:* (FLAGS)"),
	     "* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n"
	     "* 2 FETCH (UID 2 FLAGS ())\r\nOK fetched");
	assert_has(DO(STORE, "1 FLAGS ()"), "NO [READ-ONLY]");
	assert_has(DO(SELECT, "Nope"), "NO [NONEXISTENT]");
	assert_false(c.is_selected);
	assert_has(DO(FETCH, "1 (FLAGS)"), "BAD ");
	log_out(&c);
}

static void
test_store_and_expunge(struct co *co)
{
	struct client c, d;
	char name[256];

	for (int i = 0; i < 4; i++) {
		char id[32];

		snprintf(id, sizeof(id), "AAAAAAAAAC%d", i);
		deliver(co, id, letter2);
	}
	log_in(co, &c);
	log_in(co, &d);
	DO(SELECT, "INBOX");
	run_command(co, &d, VERB_SELECT, false, "INBOX");
	WANT(DO(STORE, "2 +FLAGS (\\Flagged $Forwarded)"),
	     "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft "
	     "$Forwarded)\r\n"
	     "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen "
	     "\\Draft $Forwarded \\*)] flags that stay\r\n"
	     "* 2 FETCH (FLAGS (\\Flagged \\Recent $Forwarded))\r\nOK stored");
	WANT(DO(STORE, "1,3 +FLAGS.SILENT (\\Deleted)"), "OK stored");
	WANT(UID(STORE, "2 -FLAGS (\\Flagged)"),
	     "* 2 FETCH (UID 2 FLAGS (\\Recent $Forwarded))\r\nOK stored");
	/* The other session hears of it, and has no \Recent. */
	assert_has(run_command(co, &d, VERB_NOOP, false, ""),
		   "* 1 FETCH (UID 1 FLAGS (\\Deleted))\r\n"
		   "* 2 FETCH (UID 2 FLAGS ($Forwarded))\r\n"
		   "* 3 FETCH (UID 3 FLAGS (\\Deleted))\r\nOK done");
	WANT(run_command(co, &d, VERB_NOOP, false, ""), "OK done");
	WANT(UID(EXPUNGE, "3:4"), "* 3 EXPUNGE\r\n* 3 RECENT\r\nOK expunged");
	WANT(DO(EXPUNGE, ""), "* 1 EXPUNGE\r\n* 2 RECENT\r\nOK expunged");
	/* Numbers do not change under FETCH (RFC 9051 7.5.1) ... */
	WANT(run_command(co, &d, VERB_FETCH, false, "4 (UID)"),
	     "* 4 FETCH (UID 4)\r\nOK fetched");
	assert_has(run_command(co, &d, VERB_FETCH, false, "1:4 (UID FLAGS)"),
		   "* 4 FETCH (UID 4 FLAGS ())\r\nNO [EXPUNGEISSUED]");
	WANT(run_command(co, &d, VERB_FETCH, false, "1 (UID)"),
	     "* 1 FETCH (UID 1)\r\nOK fetched");
	/* ... but may under UID commands. */
	WANT(run_command(co, &d, VERB_FETCH, true, "1:4 (UID)"),
	     "* 2 FETCH (UID 2)\r\n* 4 FETCH (UID 4)\r\n"
	     "* 3 EXPUNGE\r\n* 1 EXPUNGE\r\nOK fetched");
	assert_int_equal(2, count_files("cur", NULL));
	WANT(DO(CLOSE, ""), "OK closed");
	log_out(&c);
	log_out(&d);
	restart(co);
	log_in(co, &c);
	DO(SELECT, "INBOX");
	WANT(UID(FETCH, "1:* (FLAGS)"),
	     "* 1 FETCH (UID 2 FLAGS ($Forwarded))\r\n"
	     "* 2 FETCH (UID 4 FLAGS ())\r\nOK fetched");
	/* A UID is never used again, also that of the last message. */
	DO(STORE, "2 +FLAGS (\\Deleted)");
	DO(EXPUNGE, "");
	log_out(&c);
	restart(co);
	deliver(co, "AAAAAAAAAC9", letter2);
	log_in(co, &c);
	assert_has(DO(SELECT, "INBOX"), "[UIDNEXT 6]");
	WANT(UID(FETCH, "* (UID)"), "* 2 FETCH (UID 5)\r\nOK fetched");
	count_files("cur", name);
	log_out(&c);
}

static void
test_copy_move_append(struct co *co)
{
	struct client c, d;
	const char *got;
	uint32_t v;

	deliver(co, "AAAAAAAAAD1", letter1);
	deliver(co, "AAAAAAAAAD2", letter2);
	deliver(co, "AAAAAAAAAD3", letter2);
	log_in(co, &c);
	log_in(co, &d);
	DO(SELECT, "INBOX");
	v = number_after(run_command(co, &d, VERB_SELECT, false, "Trash"),
			 "[UIDVALIDITY ");
	DO(STORE, "1:2 +FLAGS.SILENT (\\Seen Blue)");
	got = DO(COPY, "1:2 Trash");
	assert_has(got, "OK [COPYUID ");
	assert_int_equal(v, number_after(got, "[COPYUID "));
	assert_has(got, " 1:2 1:2] ");
	assert_has(run_command(co, &d, VERB_NOOP, false, ""), "* 2 EXISTS\r\n");
	WANT(run_command(co, &d, VERB_FETCH, false, "1:2 (FLAGS RFC822.SIZE)"),
	     "* 1 FETCH (FLAGS (\\Seen \\Recent Blue) RFC822.SIZE 238)\r\n"
	     "* 2 FETCH (FLAGS (\\Seen \\Recent Blue) RFC822.SIZE 107)\r\nOK "
	     "fetched");
	/* The second copy of the same cannot have the same name. */
	assert_has(UID(COPY, "1 Trash"), " 1 3] ");
	assert_has(DO(COPY, "1 Absent"), "NO [TRYCREATE]");
	assert_int_equal(3, count_files(".Trash/cur", NULL));
	assert_int_equal(3, count_files("cur", NULL));

	got = UID(MOVE, "2:3 Trash");
	assert_has(got, "* OK [COPYUID ");
	assert_has(got, " 2:3 4:5] ");
	assert_has(got, "* 3 EXPUNGE\r\n* 2 EXPUNGE\r\n");
	assert_has(got, "OK moved");
	assert_int_equal(1, count_files("cur", NULL));
	assert_int_equal(5, count_files(".Trash/cur", NULL));
	assert_has(run_command(co, &d, VERB_NOOP, false, ""), "* 5 EXISTS\r\n");

	got = append(co, &c,
		     "Sent (\\Seen $Label1) \"17-Jul-1996 02:44:25 -0700\" ",
		     letter2);
	assert_has(got, "OK [APPENDUID ");
	assert_has(got, " 1] ");
	assert_has(append(co, &c, "Absent ", letter2), "NO [TRYCREATE]");
	got = append(co, &c, "INBOX ", letter1);
	assert_has(got, "* 2 EXISTS\r\n");
	WANT(UID(FETCH, "4 (BODY.PEEK[TEXT])"),
	     "* 2 FETCH (UID 4 BODY[TEXT] {11}\r\nHello Joe\r\n)\r\nOK "
	     "fetched");
	assert_has(DO(MOVE, "2 INBOX"), "* 2 EXPUNGE\r\n* 2 EXISTS\r\n");
	WANT(DO(FETCH, "2 (UID)"), "* 2 FETCH (UID 5)\r\nOK fetched");
	log_out(&c);
	log_out(&d);
	restart(co);
	log_in(co, &c);
	DO(SELECT, "Sent");
	got = DO(FETCH, "1 (FLAGS INTERNALDATE BODY.PEEK[TEXT])");
	assert_has(got, "FLAGS (\\Seen $Label1)");
	assert_has(got, "17-Jul-1996 09:44:25 +0000");
	assert_has(got, "{10}\r\none\r\ntwo\r\n");
	DO(SELECT, "Trash");
	WANT(UID(FETCH, "1:* (UID)"),
	     "* 1 FETCH (UID 1)\r\n* 2 FETCH (UID 2)\r\n* 3 FETCH (UID 3)\r\n"
	     "* 4 FETCH (UID 4)\r\n* 5 FETCH (UID 5)\r\nOK fetched");
	log_out(&c);
}

static void
test_idle(struct co *co)
{
	struct client c;
	struct frame f;
	int64_t began_us;
	char from[512], to[600], name[256];

	log_in(co, &c);
	DO(SELECT, "INBOX");
	assert_int_equal(OK, call_send(co, c.call, STORE_IDLE, S("\1"), -1,
				       false, NEVER_US));
	assert_int_equal(OK, co_sleep_until(co, in_ms(5)));
	began_us = now_us();
	assert_int_equal(250, deliver(co, "AAAAAAAAAE1", letter1));
	assert_int_equal(OK, call_recv(co, c.call, in_s(5), &f));
	assert_int_equal(STORE_TEXT, f.type);
	assert_str(f.body, "* 1 EXISTS\r\n* 1 RECENT\r\n");
	assert_true(now_us() - began_us < 500 * US_PER_MS);
	frame_release(&f);
	/* Another program sets a flag. */
	count_files("cur", name);
	snprintf(from, sizeof(from), "%s/example1.local/user1/cur/%s", t.root,
		 name);
	snprintf(to, sizeof(to), "%sF", from);
	assert_int_equal(0, rename(from, to));
	assert_int_equal(OK, call_recv(co, c.call, in_s(5), &f));
	assert_str(f.body, "* 1 FETCH (UID 1 FLAGS (\\Flagged \\Recent))\r\n");
	frame_release(&f);
	assert_int_equal(0, unlink(to));
	assert_int_equal(OK, call_recv(co, c.call, in_s(5), &f));
	assert_str(f.body, "* 1 EXPUNGE\r\n* 0 RECENT\r\n");
	frame_release(&f);
	assert_int_equal(OK, call_send(co, c.call, STORE_IDLE, S("\0"), -1,
				       false, NEVER_US));
	buf_clear(&c.text);
	read_answer(co, &c);
	assert_str(buf_str(&c.text), "OK done");
	WANT(DO(NOOP, ""), "OK done");
	log_out(&c);
}

static void
test_folders(struct co *co)
{
	struct client c;
	const char *got;
	uint32_t v;

	log_in(co, &c);
	WANT(DO(LIST, "\"\" \"\""),
	     "* LIST (\\Noselect) \"/\" \"\"\r\nOK listed");
	WANT(DO(LIST, "\"\" *"),
	     "* LIST (\\HasNoChildren \\Drafts) \"/\" Drafts\r\n"
	     "* LIST (\\HasNoChildren) \"/\" INBOX\r\n"
	     "* LIST (\\HasNoChildren \\Junk) \"/\" Junk\r\n"
	     "* LIST (\\HasNoChildren \\Sent) \"/\" Sent\r\n"
	     "* LIST (\\HasNoChildren \\Trash) \"/\" Trash\r\nOK listed");
	assert_has(DO(CREATE, "a/b/"), "OK [MAILBOXID (");
	assert_has(DO(CREATE, "a/b"), "NO [ALREADYEXISTS]");
	assert_has(DO(CREATE, "x.y"), "NO [CANNOT]");
	assert_has(DO(CREATE, "INBOX"), "NO [ALREADYEXISTS]");
	assert_has(DO(CREATE, "Old (USE (\\Archive))"), "OK [MAILBOXID (");
	assert_has(DO(CREATE, "All (USE (\\All))"), "NO [USEATTR]");
	WANT(DO(LIST, "\"\" %"),
	     "* LIST (\\HasNoChildren \\Drafts) \"/\" Drafts\r\n"
	     "* LIST (\\HasNoChildren) \"/\" INBOX\r\n"
	     "* LIST (\\HasNoChildren \\Junk) \"/\" Junk\r\n"
	     "* LIST (\\HasNoChildren \\Archive) \"/\" Old\r\n"
	     "* LIST (\\HasNoChildren \\Sent) \"/\" Sent\r\n"
	     "* LIST (\\HasNoChildren \\Trash) \"/\" Trash\r\n"
	     "* LIST (\\Noselect \\HasChildren) \"/\" a\r\nOK listed");
	WANT(DO(LIST, "(SPECIAL-USE) \"\" \"O*\" RETURN (SUBSCRIBED)"),
	     "* LIST (\\HasNoChildren \\Archive) \"/\" Old\r\nOK listed");
	WANT(DO(SUBSCRIBE, "a/b"), "OK done");
	WANT(DO(SUBSCRIBE, "gone"), "OK done");
	WANT(DO(LSUB, "\"\" \"a*\""), "* LSUB () \"/\" a/b\r\nOK listed");
	WANT(DO(LSUB, "\"\" \"a%\""),
	     "* LSUB (\\Noselect) \"/\" a\r\nOK listed");
	WANT(DO(LIST, "(SUBSCRIBED) \"\" (g* a*)"),
	     "* LIST (\\HasNoChildren \\Subscribed) \"/\" a/b\r\n"
	     "* LIST (\\NonExistent \\HasNoChildren \\Subscribed) \"/\" "
	     "gone\r\nOK listed");
	WANT(DO(LIST, "(SUBSCRIBED RECURSIVEMATCH) \"\" \"a\""),
	     "* LIST (\\NonExistent \\HasChildren) \"/\" a (\"CHILDINFO\" "
	     "(\"SUBSCRIBED\"))\r\nOK listed");
	WANT(DO(UNSUBSCRIBE, "gone"), "OK done");
	append(co, &c, "a/b (\\Seen) ", letter1);
	got = DO(STATUS, "a/b (MESSAGES UNSEEN UIDNEXT UIDVALIDITY SIZE)");
	assert_has(got, "* STATUS a/b (MESSAGES 1 UIDNEXT 2 UIDVALIDITY ");
	assert_has(got, " UNSEEN 0 SIZE 164)\r\n");
	v = number_after(got, "UIDVALIDITY ");
	WANT(DO(LIST, "\"\" a/b RETURN (STATUS (MESSAGES))"),
	     "* LIST (\\HasNoChildren) \"/\" a/b\r\n"
	     "* STATUS a/b (MESSAGES 1)\r\nOK listed");
	assert_has(DO(CREATE, "a"), "OK [MAILBOXID (");
	WANT(DO(RENAME, "a z"), "OK renamed");
	assert_has(DO(SELECT, "z/b"), "* 1 EXISTS\r\n");
	assert_has(DO(SELECT, "a/b"), "NO [NONEXISTENT]");
	assert_has(DO(RENAME, "z z/x"), "NO [CANNOT]");
	assert_has(DO(RENAME, "z Sent"), "NO [ALREADYEXISTS]");
	WANT(DO(DELETE, "z/b"), "OK deleted");
	assert_has(DO(DELETE, "z/b"), "NO [NONEXISTENT]");
	assert_has(DO(DELETE, "INBOX"), "NO [CANNOT]");
	/* The same name again: other UIDs. */
	assert_has(DO(CREATE, "z/b"), "OK [MAILBOXID (");
	assert_true(number_after(DO(STATUS, "z/b (UIDVALIDITY)"),
				 "UIDVALIDITY ") > v);
	/* Also when names come and go faster than the clock, and we restart. */
	for (int i = 0; i < 5; i++) {
		uint32_t before = v;

		v = number_after(DO(STATUS, "z/b (UIDVALIDITY)"),
				 "UIDVALIDITY ");
		assert_true(v > before);
		WANT(DO(DELETE, "z/b"), "OK deleted");
		log_out(&c);
		restart(co);
		log_in(co, &c);
		assert_has(DO(CREATE, "z/b"), "OK [MAILBOXID (");
	}
	deliver(co, "AAAAAAAAAF1", letter1);
	WANT(DO(RENAME, "INBOX Moved"), "OK renamed");
	assert_has(DO(STATUS, "Moved (MESSAGES)"), "(MESSAGES 1)");
	assert_has(DO(STATUS, "INBOX (MESSAGES)"), "(MESSAGES 0)");
	log_out(&c);
}

/* Whatever is lost in the second after a restart, no number comes again. */
static void
test_validity_after_restarts(struct co *co)
{
	struct client c;
	uint32_t last = 0;

	for (int i = 0; i < 6; i++) {
		char path[512];
		uint32_t v;

		log_in(co, &c);
		v = number_after(DO(STATUS, "INBOX (UIDVALIDITY)"),
				 "UIDVALIDITY ");
		assert_true(v > last);
		last = v;
		log_out(&c);
		stop(co);
		snprintf(path, sizeof(path),
			 "%s/example1.local/user1/dovecot-uidlist", t.root);
		assert_int_equal(0, unlink(path));
		start();
	}
}

static void
test_deleted_under_a_session(struct co *co)
{
	struct client c, d;
	struct store_done done;
	struct frame f;

	log_in(co, &c);
	log_in(co, &d);
	run_command(co, &d, VERB_SELECT, false, "Junk");
	WANT(DO(DELETE, "Junk"), "OK deleted");
	assert_has(run_command(co, &d, VERB_NOOP, false, ""), "BYE ");
	/* In IDLE it is told at once. */
	run_command(co, &d, VERB_SELECT, false, "Drafts");
	assert_int_equal(OK, call_send(co, d.call, STORE_IDLE, S("\1"), -1,
				       false, NEVER_US));
	assert_int_equal(OK, co_sleep_until(co, in_ms(5)));
	WANT(DO(DELETE, "Drafts"), "OK deleted");
	assert_int_equal(OK, call_recv(co, d.call, in_s(1), &f));
	assert_int_equal(STORE_DONE, f.type);
	assert_int_equal(OK, store_read_done(f.body, &done));
	assert_int_equal(STORE_BYE, done.status);
	frame_release(&f);
	/* What front sent before it heard of it does no harm. */
	assert_true(call_send(co, d.call, STORE_IDLE, S("\0"), -1, false,
			      in_s(1)) != ERR_TIMEOUT);
	WANT(DO(NOOP, ""), "OK done");
	log_out(&c);
	log_out(&d);
}

struct selecting {
	struct client c;
	struct co *waiter;
	bool is_over;
};

static void
run_select(struct co *co, void *arg)
{
	struct selecting *s = arg;

	assert_has(run_command(co, &s->c, VERB_SELECT, false, "INBOX"),
		   "OK [READ-WRITE]");
	s->is_over = true;
	co_wake(s->waiter);
}

static struct mailbox *
inbox(void)
{
	struct user *u = map_get(&tree.users, str_c(user1));
	struct mailbox *m;

	assert_non_null(u);
	m = map_get(&u->mailboxes, STR_NONE);
	assert_non_null(m);
	return m;
}

static struct mailbox *
hold_locked_inbox(struct co *co)
{
	struct mailbox *m = mailbox_hold(inbox());

	assert_int_equal(OK, mailbox_lock(co, m));
	return m;
}

/* A flush fails while a job appends to the uidlist: whoever opens the mailbox
 * anew waits for that job, so that there is one writer. */
static void
test_dead_while_it_is_changed(struct co *co)
{
	struct selecting s = { .waiter = co };
	struct client c;
	struct mailbox *m;

	log_in(co, &c);
	log_in(co, &s.c);
	DO(SELECT, "INBOX");
	m = hold_locked_inbox(co);
	mailbox_kill(m);
	assert_non_null(co_spawn(run_select, &s, "select"));
	assert_int_equal(OK, co_sleep_until(co, in_ms(50)));
	assert_false(s.is_over);
	assert_has(DO(NOOP, ""), "BYE ");
	mailbox_unlock(m);
	mailbox_drop(&m);
	while (!s.is_over)
		co_park(co);
	/* Nor does a session that has not noticed keep the next one away. */
	mailbox_kill(inbox());
	log_out(&c);
	log_in(co, &c);
	assert_has(DO(SELECT, "INBOX"), "OK [READ-WRITE]");
	assert_has(run_command(co, &s.c, VERB_NOOP, false, ""), "BYE ");
	log_out(&s.c);
	log_out(&c);
}

static void
run_append(struct co *co, void *arg)
{
	struct selecting *s = arg;

	assert_has(append(co, &s->c, "INBOX () ", "Subject: x\r\n\r\n"),
		   "NO [UNAVAILABLE]");
	s->is_over = true;
	co_wake(s->waiter);
}

/* A flush fails while another session waits for its turn: the mailbox is there
 * all the same, so nobody is told that it is not. */
static void
test_dead_while_somebody_waits(struct co *co)
{
	struct selecting s = { .waiter = co };
	struct client c;
	struct mailbox *m;

	log_in(co, &c);
	log_in(co, &s.c);
	DO(SELECT, "INBOX");
	m = hold_locked_inbox(co);
	assert_non_null(co_spawn(run_append, &s, "append"));
	assert_int_equal(OK, co_sleep_until(co, in_ms(50)));
	assert_false(s.is_over);
	mailbox_kill(m);
	mailbox_unlock(m);
	mailbox_drop(&m);
	while (!s.is_over)
		co_park(co);
	log_out(&s.c);
	log_out(&c);
}

static void
test_search_and_sort(struct co *co)
{
	static const char *const letters[] = {
		"Subject: Re: beta\r\nFrom: Zoe <a@x.example>\r\n"
		"Date: Tue, 1 Mar 2022 10:00:00 +0000\r\n\r\nneedle here\r\n",
		"Subject: alpha\r\nFrom: Amy <z@x.example>\r\n"
		"Date: Mon, 7 Mar 2022 10:00:00 +0000\r\n\r\nhay\r\n",
		"Subject: =?utf-8?q?caf=C3=A9?=\r\nFrom: m@x.example\r\n"
		"Date: Wed, 2 Mar 2022 10:00:00 +0000\r\n\r\n"
		"much longer hay than before\r\n",
	};
	struct client c;

	for (int i = 0; i < 3; i++) {
		char id[32];

		snprintf(id, sizeof(id), "AAAAAAAAAG%d", i);
		deliver(co, id, letters[i]);
	}
	log_in(co, &c);
	DO(SELECT, "INBOX");
	DO(STORE, "2 +FLAGS.SILENT (\\Seen Blue)");
	WANT(DO(SEARCH, "ALL"), "* SEARCH 1 2 3\r\nOK searched");
	WANT(DO(SEARCH, "UNSEEN"), "* SEARCH 1 3\r\nOK searched");
	WANT(DO(SEARCH, "KEYWORD blue"), "* SEARCH 2\r\nOK searched");
	WANT(DO(SEARCH, "UNKEYWORD Blue"), "* SEARCH 1 3\r\nOK searched");
	WANT(DO(SEARCH, "BODY NEEDLE"), "* SEARCH 1\r\nOK searched");
	WANT(DO(SEARCH, "OR SEEN BODY needle"), "* SEARCH 1 2\r\nOK searched");
	WANT(DO(SEARCH, "NOT TEXT hay"), "* SEARCH 1\r\nOK searched");
	WANT(DO(SEARCH, "CHARSET UTF-8 SUBJECT {5}\r\nCAF\xc3\x89"),
	     "* SEARCH 3\r\nOK searched");
	WANT(DO(SEARCH, "SENTSINCE 2-Mar-2022"), "* SEARCH 2 3\r\nOK searched");
	WANT(DO(SEARCH, "SINCE 1-Jan-2023 BEFORE 1-Jan-2024"),
	     "* SEARCH 1 2 3\r\nOK searched");
	WANT(DO(SEARCH, "YOUNGER 3600"), "* SEARCH\r\nOK searched");
	WANT(DO(SEARCH, "OLDER 3600 1:2"), "* SEARCH 1 2\r\nOK searched");
	WANT(UID(SEARCH, "RETURN (MIN MAX COUNT) ALL"),
	     "* ESEARCH (TAG \"A1\") UID MIN 1 MAX 3 COUNT 3\r\nOK searched");
	WANT(DO(SEARCH, "RETURN () UNSEEN"),
	     "* ESEARCH (TAG \"A1\") ALL 1,3\r\nOK searched");
	WANT(DO(SEARCH, "RETURN (ALL COUNT) BODY nowhere"),
	     "* ESEARCH (TAG \"A1\") COUNT 0\r\nOK searched");
	assert_has(DO(SEARCH, "CHARSET KOI8-R ALL"), "NO [BADCHARSET");
	/* RFC 5182 */
	WANT(DO(SEARCH, "$"), "* SEARCH\r\nOK searched");
	WANT(UID(SEARCH, "RETURN (SAVE) UNSEEN"), "OK searched");
	WANT(DO(SEARCH, "$"), "* SEARCH 1 3\r\nOK searched");
	WANT(DO(SEARCH, "NOT $"), "* SEARCH 2\r\nOK searched");
	WANT(DO(SEARCH, "UID $ SUBJECT caf"), "* SEARCH 3\r\nOK searched");
	WANT(DO(FETCH, "$ (UID)"),
	     "* 1 FETCH (UID 1)\r\n* 3 FETCH (UID 3)\r\nOK fetched");
	WANT(DO(SEARCH, "RETURN (SAVE MIN) ALL"),
	     "* ESEARCH (TAG \"A1\") MIN 1\r\nOK searched");
	WANT(DO(SEARCH, "$"), "* SEARCH 1\r\nOK searched");
	WANT(DO(SEARCH, "RETURN (SAVE MIN MAX) ALL"),
	     "* ESEARCH (TAG \"A1\") MIN 1 MAX 3\r\nOK searched");
	assert_has(DO(SEARCH, "RETURN (SAVE) WRONG"), "BAD ");
	WANT(DO(SEARCH, "$"), "* SEARCH 1 3\r\nOK searched");
	WANT(DO(SEARCH, "RETURN (SAVE COUNT MIN) ALL"),
	     "* ESEARCH (TAG \"A1\") MIN 1 COUNT 3\r\nOK searched");
	WANT(DO(SEARCH, "$"), "* SEARCH 1 2 3\r\nOK searched");
	WANT(DO(SEARCH, "RETURN (SAVE PARTIAL -1:-1 MIN) ALL"),
	     "* ESEARCH (TAG \"A1\") MIN 1 PARTIAL (-1:-1 3)\r\nOK searched");
	WANT(UID(SEARCH, "$"), "* SEARCH 1 3\r\nOK searched");
	/* RFC 9394 */
	WANT(UID(SEARCH, "RETURN (PARTIAL 2:9) ALL"),
	     "* ESEARCH (TAG \"A1\") UID PARTIAL (2:9 2:3)\r\nOK searched");
	WANT(UID(SEARCH, "RETURN (PARTIAL -2:-3 COUNT) ALL"),
	     "* ESEARCH (TAG \"A1\") UID COUNT 3 PARTIAL (-2:-3 1:2)\r\n"
	     "OK searched");
	WANT(UID(SEARCH, "RETURN (PARTIAL 4:5) ALL"),
	     "* ESEARCH (TAG \"A1\") UID PARTIAL (4:5 NIL)\r\nOK searched");
	WANT(UID(FETCH, "1:* (UID) (PARTIAL -1:-2)"),
	     "* 2 FETCH (UID 2)\r\n* 3 FETCH (UID 3)\r\nOK fetched");
	WANT(UID(FETCH, "1:* (UID) (PARTIAL 9:10)"), "OK fetched");
	/* RFC 5267: the first and the last of the order. */
	WANT(DO(SORT, "RETURN (MIN MAX COUNT ALL) (SUBJECT) UTF-8 ALL"),
	     "* ESEARCH (TAG \"A1\") MIN 2 MAX 3 COUNT 3 ALL 2,1,3\r\n"
	     "OK sorted");
	WANT(DO(THREAD, "ORDEREDSUBJECT UTF-8 BODY nowhere"),
	     "* THREAD\r\nOK threaded");
	WANT(UID(THREAD, "REFERENCES UTF-8 1"), "* THREAD (1)\r\nOK threaded");
	assert_has(DO(THREAD, "REFS UTF-8 ALL"), "(1)");
	assert_has(DO(THREAD, "REFS ALL"), "NO [BADCHARSET");
	assert_has(DO(SEARCH, "WRONG"), "BAD ");
	WANT(DO(SORT, "(SUBJECT) UTF-8 ALL"), "* SORT 2 1 3\r\nOK sorted");
	WANT(UID(SORT, "(REVERSE DATE) US-ASCII ALL"),
	     "* SORT 2 3 1\r\nOK sorted");
	WANT(DO(SORT, "(FROM) UTF-8 ALL"), "* SORT 1 3 2\r\nOK sorted");
	WANT(DO(SORT, "(DISPLAYFROM) UTF-8 ALL"), "* SORT 2 3 1\r\nOK sorted");
	WANT(DO(SORT, "(REVERSE SIZE) UTF-8 NOT SEEN"),
	     "* SORT 3 1\r\nOK sorted");
	log_out(&c);
}

static void
test_quota_of_sessions(struct co *co)
{
	struct client c;
	char *text = malloc(3001);

	memset(text, 'y', 3000);
	text[3000] = '\0';
	t.quota.storage_octets = 10 * 1024;
	t.quota.messages = 100;
	log_in(co, &c);
	assert_has(append(co, &c, "INBOX ", text), "OK [APPENDUID ");
	WANT(DO(GETQUOTAROOT, "INBOX"),
	     "* QUOTAROOT INBOX \"User quota\"\r\n"
	     "* QUOTA \"User quota\" (STORAGE 3 10 MESSAGE 1 100)\r\n"
	     "OK quota given");
	DO(SELECT, "INBOX");
	assert_has(DO(COPY, "1 Drafts"), "OK [COPYUID");
	assert_has(DO(COPY, "1 Drafts"), "OK [COPYUID");
	assert_has(DO(COPY, "1 Drafts"), "NO [OVERQUOTA]");
	assert_has(append(co, &c, "INBOX ", text), "NO [OVERQUOTA]");
	/* Deleting must work: Trash has room of its own. */
	assert_has(DO(COPY, "1 Trash"), "OK [COPYUID");
	DO(STORE, "1 +FLAGS.SILENT (\\Deleted)");
	DO(EXPUNGE, "");
	WANT(DO(DELETE, "Drafts"), "OK deleted");
	WANT(DO(GETQUOTA, "\"User quota\""),
	     "* QUOTA \"User quota\" (STORAGE 3 10 MESSAGE 1 100)\r\n"
	     "OK quota given");
	assert_has(DO(GETQUOTA, "other"), "NO ");
	log_out(&c);
	free(text);
}

struct racer {
	struct co *waiter;
	unsigned *n_running;
	char id[32];
	int code;
};

static void
run_racer(struct co *co, void *arg)
{
	struct racer *r = arg;
	char text[1601];

	memset(text, 'y', 1600);
	text[1600] = '\0';
	r->code = deliver(co, r->id, text); // 1.6 KiB with its head
	--*r->n_running;
	co_wake(r->waiter);
}

/* Octets and messages of the file's lines. */
static void
read_usage(int64_t *octets_out, int64_t *messages_out)
{
	struct buf file = BUF_INIT(1 << 16);
	struct str rest, line;
	long long octets, messages;

	*octets_out = *messages_out = 0;
	read_file("maildirsize", &file);
	buf_putc(&file, '\0');
	rest = str_first(buf_str(&file), file.n - 1);
	assert_true(str_line(&rest, &line)); // the limits
	while (str_line(&rest, &line)) {
		assert_int_equal(
			2, sscanf(line.p, "%lld %lld", &octets, &messages));
		*octets_out += octets;
		*messages_out += messages;
	}
	buf_release(&file);
}

/* Many deliveries at once into a mailbox that an EXPUNGE empties: room for
 * half of them, and the counts meet both. */
static void
test_quota_race(struct co *co)
{
	enum { ROUNDS = 12, RACERS = 40, ROOM = 20 * 1700 };
	struct racer *racers = calloc(RACERS, sizeof(*racers));
	int64_t octets, messages;
	size_t n_files;
	struct client c;

	t.quota.storage_octets = ROOM;
	tree.epoch++;
	for (int round = 0; round < ROUNDS; round++) {
		unsigned n_running = RACERS;
		int n_told = 0;

		for (int i = 0; i < RACERS; i++) {
			struct racer *r = &racers[i];

			*r = (struct racer) { .waiter = co,
					      .n_running = &n_running };
			snprintf(r->id, sizeof(r->id), "B%05dC%04d", round, i);
			assert_non_null(co_spawn(run_racer, r, "racer"));
		}
		while (n_running > 0)
			co_park(co);
		for (int i = 0; i < RACERS; i++)
			n_told += racers[i].code == 250;
		n_files = count_files("new", NULL);
		assert_int_equal(n_told, n_files);
		/* The grace is a tenth, for the last one. */
		assert_true(n_files * 1674 <= ROOM * 11 / 10);
		assert_true(n_files >= 19);
		read_usage(&octets, &messages);
		assert_int_equal(n_files, messages);
		assert_int_equal(n_files * 1674, octets);
		log_in(co, &c);
		DO(SELECT, "INBOX");
		DO(STORE, "1:* +FLAGS.SILENT (\\Deleted)");
		assert_has(DO(EXPUNGE, ""), "OK expunged");
		log_out(&c);
	}
	free(racers);
}

static void
write_file(const char *name, const char *text)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/example1.local/user1/%s", t.root,
		 name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(0, fclose(file));
}

/* What nobody should put into a Maildir harms nobody. */
static void
test_monsters(struct co *co)
{
	enum { TEXT_OCTETS = 200000, PIECE = 64 * 1024 };
	static const char name[] = "cur/1700000001.M1P1.vm:2,";
	struct buf text = BUF_INIT(1 << 20), wire = BUF_INIT(1 << 20);
	char path[512], want[64], args[64];
	struct client c;
	const char *got;

	assert_int_equal(250, deliver(co, "AAAAAAAAAM1", "a: b\r\n\r\nhay"));
	snprintf(path, sizeof(path), "%s/example1.local/user1/%s", t.root,
		 name);
	write_file(name, "a: b\n\n");
	assert_int_equal(0, truncate(path, (off_t)1 << 41)); // a hole
	log_in(co, &c);
	assert_has(DO(SELECT, "INBOX"), "* 2 EXISTS");
	assert_has(DO(FETCH, "2 (RFC822.SIZE)"), "NO [LIMIT]");
	assert_has(DO(FETCH, "2 (BODY.PEEK[])"), "NO [LIMIT]");
	WANT(DO(SEARCH, "TEXT hay"), "* SEARCH 1\r\nOK searched");
	WANT(DO(SEARCH, "LARGER 1"), "* SEARCH 1\r\nOK searched");
	/* Line ends of all kinds at the borders of the pieces. */
	for (size_t i = 0; i < TEXT_OCTETS; i++) {
		char now = "x\r\n\n\r"[(i + i / PIECE) % 5];

		if (now == '\n' && (i == 0 || text.p[i - 1] != '\r'))
			buf_putc(&wire, '\r');
		buf_putc(&wire, now);
		buf_putc(&text, now);
	}
	buf_putc(&text, '\0');
	write_file("cur/1700000002.M1P1.vm:2,", text.p);
	assert_has(DO(NOOP, ""), "* 3 EXISTS");
	for (size_t at = PIECE - 5; at < wire.n; at += PIECE / 2 + 1) {
		snprintf(args, sizeof(args), "3 BODY.PEEK[]<%zu.70000>", at);
		got = DO(FETCH, args);
		snprintf(want, sizeof(want), "* 3 FETCH (BODY[]<%zu> {%zu}\r\n",
			 at, wire.n - at < 70000 ? wire.n - at : 70000);
		assert_has(got, want);
		got = strchr(got, '}') + 3;
		assert_memory_equal(got, wire.p + at,
				    wire.n - at < 70000 ? wire.n - at : 70000);
	}
	log_out(&c);
	buf_release(&text);
	buf_release(&wire);
}

/* A process that died before it told the amount: the repeat puts it right. */
static void
test_quota_of_repeats(struct co *co)
{
	struct letter l = { .id = "AAAAAAAAAB1", .to = user1, .text = "x\r\n" };
	int64_t octets, messages;

	t.quota.storage_octets = 10000;
	tree.epoch++;
	for (int i = 0; i < 2; i++) {
		l.is_repeat = i == 1;
		assert_int_equal(250, deliver_in_steps(co, &l, 100));
		restart(co);
		write_file("maildirsize", "10000S\n0 0\n");
		assert_int_equal(250, deliver_in_steps(co, &l, 100));
		assert_int_equal(250, ask_room(co, user1, 1));
		assert_int_equal(1, count_files("new", NULL));
		read_usage(&octets, &messages);
		assert_int_equal(1, messages);
		assert_int_equal(77, octets);
		/* Known already: not twice. */
		assert_int_equal(250, deliver_in_steps(co, &l, 100));
		assert_int_equal(250, ask_room(co, user1, 1));
		read_usage(&octets, &messages);
		assert_int_equal(1, messages);
	}
	/* While there is no limit nothing is counted, and none is believed. */
	t.quota.storage_octets = 0;
	tree.epoch++;
	assert_int_equal(250, deliver(co, "AAAAAAAAAB2", "x\r\n"));
	t.quota.storage_octets = 10000;
	tree.epoch++;
	assert_int_equal(250, ask_room(co, user1, 1));
	read_usage(&octets, &messages);
	assert_int_equal(2, messages);
}

/* Files as Debian's Dovecot 2.3 leaves them. */
static void
test_foreign_files(struct co *co)
{
	struct buf file = BUF_INIT(1 << 20);
	struct client c;
	const char *got;

	assert_int_equal(250, ask_room(co, user1, 1));
	write_file("cur/1795219920.M882804P9545.vm,S=48,W=50:2,FSab",
		   "Subject: a\n\n0123456789012345678901234567890123456");
	write_file("cur/1795219922.M1P1.vm:2,", "Subject: b\n\nx\n");
	write_file("dovecot-uidlist",
		   "3 V1795219922 N9 G098f2034d0e1006b4925000083ecc375\n"
		   "1 :1795219900.gone.vm\n"
		   "7 W50 :1795219920.M882804P9545.vm,S=48,W=50\n");
	write_file("dovecot-keywords", "0 $Forwarded\n1 NonJunk\n");
	log_in(co, &c);
	got = DO(SELECT, "INBOX");
	assert_has(got, "[UIDVALIDITY 1795219922]");
	assert_has(got, "[UIDNEXT 10]");
	WANT(UID(FETCH, "1:* (FLAGS RFC822.SIZE)"),
	     "* 1 FETCH (UID 7 FLAGS (\\Flagged \\Seen $Forwarded NonJunk) "
	     "RFC822.SIZE 50)\r\n"
	     "* 2 FETCH (UID 9 FLAGS () RFC822.SIZE 17)\r\nOK fetched");
	read_file("dovecot-uidlist", &file);
	assert_str(buf_str(&file),
		   "3 V1795219922 N9 G098f2034d0e1006b4925000083ecc375\n"
		   "1 :1795219900.gone.vm\n"
		   "7 W50 :1795219920.M882804P9545.vm,S=48,W=50\n"
		   "9 :1795219922.M1P1.vm\n");
	log_out(&c);
	/* A torn line: its UID is burned. */
	restart(co);
	write_file("dovecot-uidlist",
		   "3 V1795219922 N9 G098f2034d0e1006b4925000083ecc375\n"
		   "7 :1795219920.M882804P9545.vm,S=48,W=50\n"
		   "9 :17952199");
	log_in(co, &c);
	got = DO(SELECT, "INBOX");
	assert_has(got, "[UIDVALIDITY 1795219922]");
	WANT(UID(FETCH, "1:* (UID)"),
	     "* 1 FETCH (UID 7)\r\n* 2 FETCH (UID 10)\r\nOK fetched");
	log_out(&c);
	/* What cannot be trusted gets a larger UIDVALIDITY. */
	restart(co);
	write_file("dovecot-uidlist", "rubbish\n");
	log_in(co, &c);
	got = DO(SELECT, "INBOX");
	assert_true(number_after(got, "[UIDVALIDITY ") != 1795219922);
	WANT(UID(FETCH, "1:* (UID)"),
	     "* 1 FETCH (UID 1)\r\n* 2 FETCH (UID 2)\r\nOK fetched");
	log_out(&c);
	buf_release(&file);
}

/* F06: a list of the last UIDVALIDITY that there is. What is made next to it,
 * or after it, has a number all the same. */
static void
test_last_validity(struct co *co)
{
	const uint32_t soon_s = (uint32_t)wall_s() + 1000;
	struct client c;
	uint32_t v;

	assert_int_equal(250, ask_room(co, user1, 1));
	write_file("dovecot-uidlist",
		   "3 V4294967295 N1 G098f2034d0e1006b4925000083ecc375\n");
	log_in(co, &c);
	v = number_after(DO(SELECT, "INBOX"), "[UIDVALIDITY ");
	assert_int_equal(UINT32_MAX, v);
	assert_has(DO(CREATE, "Next"), "OK ");
	v = number_after(DO(SELECT, "Next"), "[UIDVALIDITY ");
	assert_true(v > 0 && v < soon_s);
	log_out(&c);
	restart(co);
	write_file("dovecot-uidlist",
		   "3 V4294967295 N1 G098f2034d0e1006b4925000083ecc375\n"
		   "rubbish\n");
	log_in(co, &c);
	v = number_after(DO(SELECT, "INBOX"), "[UIDVALIDITY ");
	assert_true(v > 0 && v < soon_s);
	log_out(&c);
}

/* Who comes back has UIDVALIDITYs above the old ones; others hear nothing of
 * them, however large they were. */
static void
test_validity_of_who_comes_back(struct co *co)
{
	const uint32_t large = 4000000000;
	char command[256];
	struct client c;
	uint32_t v;

	assert_int_equal(250, ask_room(co, user1, 1));
	write_file("dovecot-uidlist",
		   "3 V4000000000 N1 G098f2034d0e1006b4925000083ecc375\n");
	log_in(co, &c);
	v = number_after(DO(SELECT, "INBOX"), "[UIDVALIDITY ");
	assert_int_equal(large, v);
	snprintf(command, sizeof(command), "rm -r '%s/example1.local/user1'",
		 t.root);
	assert_int_equal(0, system(command));
	assert_int_equal(250, deliver(co, "AAAAAAAAAV1", "A: b\r\n\r\nc\r\n"));
	assert_has(DO(NOOP, ""), "BYE ");
	log_out(&c);
	log_in(co, &c);
	v = number_after(DO(SELECT, "INBOX"), "[UIDVALIDITY ");
	assert_true(v > large);
	log_out(&c);
	log_in_as(co, &c, "user2@example1.local");
	v = number_after(DO(SELECT, "INBOX"), "[UIDVALIDITY ");
	assert_true(v < large);
	log_out(&c);
}

/* An account is taken away and comes back: who waits for news of all mailboxes
 * hears that his are gone, with none selected, too. */
static void
test_waiting_when_home_goes(struct co *co)
{
	struct store_done done;
	char command[256];
	struct client c;
	struct frame f;

	log_in(co, &c);
	assert_has(DO(NOTIFY, "SET (PERSONAL (MessageNew MessageExpunge))"),
		   "OK ");
	snprintf(command, sizeof(command),
		 "mv '%s/example1.local/user1' '%s/away'", t.root, t.root);
	assert_int_equal(0, system(command));
	assert_int_equal(250, deliver(co, "AAAAAAAAAW1", "A: b\r\n\r\nc\r\n"));
	assert_int_equal(OK, call_recv(co, c.call, in_s(1), &f));
	assert_int_equal(STORE_DONE, f.type);
	assert_int_equal(OK, store_read_done(f.body, &done));
	assert_int_equal(STORE_BYE, done.status);
	frame_release(&f);
	log_out(&c);
}

/* The longest line that POP3's list can have. */
static void
test_longest_pop3_line(struct co *co)
{
	struct buf list = BUF_INIT(4096);
	char uidl[256], want[400];
	struct client c;

	memset(uidl, 'p', 255);
	uidl[255] = '\0';
	assert_int_equal(250, ask_room(co, user1, 1));
	write_file("cur/1.a,S=9223372036854775807,W=9223372036854775807:2,",
		   "Subject: a\r\n\r\n");
	buf_putf(&list,
		 "3 V5 N4294967295 G098f2034d0e1006b4925000083ecc375\n"
		 "4294967294 P%s :1.a,S=9223372036854775807,"
		 "W=9223372036854775807\n",
		 uidl);
	buf_putc(&list, '\0');
	write_file("dovecot-uidlist", list.p);
	snprintf(want, sizeof(want),
		 "4294967294 9223372036854775807 %s\r\nOK done", uidl);
	log_in(co, &c);
	DO(SELECT, "INBOX");
	assert_true(strcmp(DO(POP_LIST, ""), want) == 0);
	log_out(&c);
	buf_release(&list);
}

/* F01: a file that has another name, too, is not written to. */
static void
test_hard_links(struct co *co)
{
	struct buf before = BUF_INIT(1 << 20), after = BUF_INIT(1 << 20);
	char list[512], size[512], other[512];
	struct client c;

	t.quota.storage_octets = 1 << 20;
	tree.epoch++;
	log_in(co, &c);
	assert_has(append(co, &c, "INBOX () ", letter1), "OK [APPENDUID");
	snprintf(list, sizeof(list), "%s/example1.local/user1/dovecot-uidlist",
		 t.root);
	snprintf(size, sizeof(size), "%s/example1.local/user1/maildirsize",
		 t.root);
	for (int i = 0; i < 2; i++) {
		const char *name = i == 0 ? list : size;

		snprintf(other, sizeof(other), "%s/other%d", t.root, i);
		assert_int_equal(0, link(name, other));
		buf_clear(&before);
		assert_int_equal(OK, fs_read_file(AT_FDCWD, other, &before));
		assert_has(append(co, &c, "INBOX () ", letter1),
			   "OK [APPENDUID");
		buf_clear(&after);
		assert_int_equal(OK, fs_read_file(AT_FDCWD, other, &after));
		assert_str_eq(buf_str(&after), buf_str(&before));
		buf_clear(&after);
	}
	assert_has(DO(STATUS, "INBOX (MESSAGES UIDNEXT)"), "(MESSAGES 3 ");
	log_out(&c);
	restart(co);
	log_in(co, &c);
	assert_has(DO(STATUS, "INBOX (MESSAGES UIDNEXT)"), "(MESSAGES 3 ");
	log_out(&c);
	buf_release(&before);
	buf_release(&after);
}

/* Its process died before the ring was flushed; the folder it was moved to goes
 * with it. */
static void
test_deleted_does_not_come_back(struct co *co)
{
	struct letter l = { .id = "AAAAAAAAAH1",
			    .to = user1,
			    .text = "Subject: x\r\n\r\n" };
	struct client c;

	assert_int_equal(250, deliver_in_steps(co, &l, 100));
	stop(co);
	start();
	assert_int_equal(0, unlinkat(tree.root_fd, ".estafeta.delivered.0", 0));
	restart(co);
	log_in(co, &c);
	assert_has(DO(CREATE, "old"), "OK ");
	DO(SELECT, "INBOX");
	assert_has(DO(MOVE, "1 old"), "OK ");
	assert_has(DO(DELETE, "old"), "OK ");
	log_out(&c);
	restart(co);
	l.is_repeat = true;
	assert_int_equal(250, deliver_in_steps(co, &l, 100));
	assert_int_equal(0, count_files("new", NULL));
}

SCENARIO(hard_links)
SCENARIO(deleted_does_not_come_back)
SCENARIO(delivery)
SCENARIO(repeats)
SCENARIO(line_ends_and_large)
SCENARIO(quota)
SCENARIO(hostile_users)
SCENARIO(home_taken_away)
SCENARIO(nothing_opens_where_home_was)
SCENARIO(full_home_moved_away)
SCENARIO(second_server)
SCENARIO(select_and_fetch)
SCENARIO(store_and_expunge)
SCENARIO(copy_move_append)
SCENARIO(idle)
SCENARIO(folders)
SCENARIO(deleted_under_a_session)
SCENARIO(dead_while_it_is_changed)
SCENARIO(monsters)
SCENARIO(validity_after_restarts)
SCENARIO(search_and_sort)
SCENARIO(dead_while_somebody_waits)
SCENARIO(quota_of_sessions)
SCENARIO(quota_race)
SCENARIO(quota_of_repeats)
SCENARIO(foreign_files)
SCENARIO(last_validity)
SCENARIO(longest_pop3_line)
SCENARIO(waiting_when_home_goes)
SCENARIO(validity_of_who_comes_back)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run_delivery),
		cmocka_unit_test(run_hard_links),
		cmocka_unit_test(run_deleted_does_not_come_back),
		cmocka_unit_test(run_repeats),
		cmocka_unit_test(run_line_ends_and_large),
		cmocka_unit_test(run_quota),
		cmocka_unit_test(run_hostile_users),
		cmocka_unit_test(run_home_taken_away),
		cmocka_unit_test(run_nothing_opens_where_home_was),
		cmocka_unit_test(run_full_home_moved_away),
		cmocka_unit_test(run_second_server),
		cmocka_unit_test(run_select_and_fetch),
		cmocka_unit_test(run_store_and_expunge),
		cmocka_unit_test(run_copy_move_append),
		cmocka_unit_test(run_idle),
		cmocka_unit_test(run_folders),
		cmocka_unit_test(run_deleted_under_a_session),
		cmocka_unit_test(run_dead_while_it_is_changed),
		cmocka_unit_test(run_dead_while_somebody_waits),
		cmocka_unit_test(run_monsters),
		cmocka_unit_test(run_validity_after_restarts),
		cmocka_unit_test(run_search_and_sort),
		cmocka_unit_test(run_quota_of_sessions),
		cmocka_unit_test(run_quota_race),
		cmocka_unit_test(run_quota_of_repeats),
		cmocka_unit_test(run_foreign_files),
		cmocka_unit_test(run_last_validity),
		cmocka_unit_test(run_longest_pop3_line),
		cmocka_unit_test(run_waiting_when_home_goes),
		cmocka_unit_test(run_validity_of_who_comes_back),
	};

	cmocka_set_test_filter(getenv("T"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
