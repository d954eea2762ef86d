/* SPDX-License-Identifier: MIT
 * mda/store/store_test.c - front and store in one process, over a real mail
 * tree in a temporary directory: what a session is told, and what is on the
 * disk after it. A "restart" forgets all that is in memory. */
#include "mda/store/store.c"

#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { OUT_MAX_OCTETS = 8 << 20 };

static const char user1[] = "user1@example1.local";

static struct {
	char root[64];
	struct chan *front;
	struct router_quota quota;
	enum err quota_error;
	bool is_over;
} t;

static enum err
ask_test(struct co *co UNUSED, struct tree *tr UNUSED, struct str address UNUSED,
	 struct router_quota *out)
{
	*out = t.quota;
	return t.quota_error;
}

/* ---- the far side ---- */

static void
connect_front(void)
{
	int pair[2];

	assert_int_equal(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				       pair));
	t.front = chan_new(pair[0], true, NULL, NULL, NULL, "store");
	chan_new(pair[1], false, rules, NULL, &tree, "front");
}

static void
start(void)
{
	assert_int_equal(OK, tree_open(&tree, t.root, 0, S("mta1.example")));
	tree.ring = ring_open(tree.root_fd, 0);
	assert_non_null(tree.ring);
	tree.ask_quota = ask_test;
	connect_front();
}

static void
stop(struct co *co)
{
	chan_close(t.front);
	for (int i = 0; i < 20; i++) // both sides see the end
		assert_int_equal(OK, co_sleep_until(co, in_ms(1)));
	ring_close(&tree.ring);
	tree_close(&tree);
}

static void
restart(struct co *co)
{
	stop(co);
	start();
}

struct letter {
	const char *id, *to, *text;
	uint32_t index;
	bool is_repeat;
};

/* Sends the text in pieces of `step`; gives the reply's code. */
static int
deliver_in_steps(struct co *co, const struct letter *l, size_t step)
{
	struct store_rcpt rcpt = { str_c(l->to), str_c(l->to), STR_NONE,
				   l->index };
	struct store_delivery d = {
		.id = str_c(l->id),
		.is_repeat = l->is_repeat,
		.sender = S("sender@example2.local"),
		.arrived_us = 1700000000 * US_PER_S,
		.rcpts = &rcpt,
		.n_rcpts = 1,
	};
	struct buf b = BUF_INIT(1 << 20);
	struct str text = str_c(l->text);
	struct call *call = call_open(t.front);
	struct store_answer answer;
	struct frame f;
	int code;

	store_put_delivery(&b, &d);
	assert_int_equal(OK, call_send(co, call, STORE_DELIVER, buf_str(&b), -1,
				       false, NEVER_US));
	do {
		struct str piece = str_first(text, step);

		text = str_from(text, piece.n);
		assert_int_equal(OK,
				 call_send(co, call, STORE_CHUNK, piece, -1,
					   text.n == 0, NEVER_US));
	} while (text.n > 0);
	assert_int_equal(OK, call_recv(co, call, in_s(30), &f));
	assert_int_equal(STORE_ANSWER, f.type);
	assert_int_equal(OK, store_read_answer(f.body, &answer));
	code = answer.code;
	frame_release(&f);
	call_free(&call);
	buf_release(&b);
	return code;
}

static int
deliver(struct co *co, const char *id, const char *text)
{
	const struct letter l = { .id = id, .to = user1, .text = text };

	return deliver_in_steps(co, &l, 100000);
}

static int
ask_room(struct co *co, const char *user, uint64_t size)
{
	struct buf b = BUF_INIT(1 << 20);
	struct store_answer answer;
	struct frame f;
	int code;

	store_put_room(&b, str_c(user), size);
	assert_int_equal(OK, chan_ask(co, t.front, STORE_ROOM, buf_str(&b),
				      in_s(30), &f));
	assert_int_equal(OK, store_read_answer(f.body, &answer));
	code = answer.code;
	frame_release(&f);
	buf_release(&b);
	return code;
}

/* Files in a directory below the user's; the last one's name. */
static size_t
count_files(const char *dir, char *name_out)
{
	char path[256];
	struct dirent *entry;
	size_t n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/example1.local/user1/%s", t.root, dir);
	d = opendir(path);
	if (d == NULL)
		return 0;
	while ((entry = readdir(d)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		if (name_out != NULL)
			snprintf(name_out, 256, "%s", entry->d_name);
		n++;
	}
	closedir(d);
	return n;
}

static void
read_file(const char *name, struct buf *out)
{
	char path[512];

	buf_clear(out);
	snprintf(path, sizeof(path), "%s/example1.local/user1/%s", t.root,
		 name);
	assert_int_equal(OK, fs_read_file(AT_FDCWD, path, out));
}

/* ---- deliveries ---- */

static void
test_delivery(struct co *co)
{
	struct buf file = BUF_INIT(1 << 20);
	char name[256], path[512];

	assert_int_equal(250, deliver(co, "AAAAAAAAAA1",
				      "Subject: x\r\n\r\none\r\n"));
	assert_int_equal(1, count_files("new", name));
	assert_int_equal(0, count_files("tmp", NULL));
	assert_string_equal("1700000000.QAAAAAAAAAA1R0.mta1.example,S=93,W=93",
			    name);
	snprintf(path, sizeof(path), "new/%s", name);
	read_file(path, &file);
	assert_str(buf_str(&file),
		   "Return-Path: <sender@example2.local>\r\n"
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
	struct letter l = { .id = "AAAAAAAAAA2", .to = user1,
			    .text = "Subject: x\r\n\r\n", .is_repeat = true };
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
	struct letter small = { .id = "AAAAAAAAAA4", .to = user1,
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
					     "x@..", "a/b@example1.local", "x",
					     "@example1.local", ".x@y", "x@",
					     "x@a/b" };

	for (size_t i = 0; i < N_OF(users); i++)
		assert_int_equal(550, ask_room(co, users[i], 1));
	assert_int_equal(250, ask_room(co, "USER1@Example1.LOCAL", 1));
	assert_int_equal(0, count_files("new", NULL));
}

static void
test_second_server(struct co *co UNUSED)
{
	struct tree other;

	assert_int_equal(ERR_EXISTS, tree_open(&other, t.root, 0, S("x")));
}

/* ---- running ---- */

typedef void scenario_fn(struct co *co);

static void
run_scenario(struct co *co, void *arg)
{
	scenario_fn *const *scenario = arg;

	start();
	(*scenario)(co);
	stop(co);
	t.is_over = true;
}

static void
in_loop(scenario_fn *scenario)
{
	char command[128];

	memset(&t, 0, sizeof(t));
	t.quota.exists = true;
	snprintf(t.root, sizeof(t.root), "/tmp/store_test.XXXXXX");
	assert_non_null(mkdtemp(t.root));
	loop_init();
	assert_non_null(co_spawn(run_scenario, &scenario, "scenario"));
	loop_run();
	assert_true(t.is_over);
	loop_close();
	snprintf(command, sizeof(command), "rm -rf %s", t.root);
	assert_int_equal(0, system(command));
}

#define SCENARIO(name)                          \
	static void run_##name(void **state UNUSED) \
	{                                       \
		in_loop(test_##name);           \
	}
SCENARIO(delivery)
SCENARIO(repeats)
SCENARIO(line_ends_and_large)
SCENARIO(quota)
SCENARIO(hostile_users)
SCENARIO(second_server)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run_delivery),
		cmocka_unit_test(run_repeats),
		cmocka_unit_test(run_line_ends_and_large),
		cmocka_unit_test(run_quota),
		cmocka_unit_test(run_hostile_users),
		cmocka_unit_test(run_second_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
