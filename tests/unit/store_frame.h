/* SPDX-License-Identifier: MIT
 * tests/unit/store_frame.h - front and store in one process, over a real mail
 * tree in a temporary directory, for tests of whole commands. A "restart"
 * forgets all that is in memory. */
#pragma once

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
	struct router_quota quota; // and a tenth's grace, 50 MiB for Trash
	enum err quota_error;
	bool is_over;
} t;

static enum err
ask_test(struct co *co UNUSED, struct tree *tr UNUSED,
	 struct str address UNUSED, struct router_quota *out)
{
	*out = t.quota;
	if (t.quota.storage_octets > 0 && t.quota.n_folders == 0) {
		out->grace_octets = t.quota.storage_octets / 10;
		out->n_folders = 1;
		out->folders[0] = (struct router_quota_folder) {
			"Trash", t.quota.storage_octets + (50 << 20),
			t.quota.messages, false
		};
	}
	return t.quota_error;
}

/* ---- the far side ---- */

static UNUSED void
connect_front(void)
{
	int pair[2];

	assert_int_equal(
		0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	t.front = chan_new(pair[0], true, NULL, NULL, NULL, "store");
	chan_new(pair[1], false, rules, NULL, &tree, "front");
}

static UNUSED void
start(void)
{
	assert_int_equal(OK, tree_open(&tree, t.root, 0, S("mta1.example")));
	tree.ring = ring_open(tree.root_fd, 0);
	assert_non_null(tree.ring);
	tree.ask_quota = ask_test;
	connect_front();
}

static UNUSED void
stop(struct co *co)
{
	chan_close(t.front);
	for (int i = 0; i < 20; i++) // both sides see the end
		assert_int_equal(OK, co_sleep_until(co, in_ms(1)));
	ring_close(&tree.ring);
	tree_close(&tree);
}

static UNUSED void
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
static UNUSED int
deliver_in_steps(struct co *co, const struct letter *l, size_t step)
{
	struct store_rcpt rcpt = { .mailbox = str_c(l->to),
				   .address = str_c(l->to),
				   .index = l->index };
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
		assert_int_equal(OK, call_send(co, call, STORE_CHUNK, piece, -1,
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

static UNUSED int
deliver(struct co *co, const char *id, const char *text)
{
	const struct letter l = { .id = id, .to = user1, .text = text };

	return deliver_in_steps(co, &l, 100000);
}

static UNUSED int
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
static UNUSED size_t
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

static UNUSED void
read_file(const char *name, struct buf *out)
{
	char path[512];

	buf_clear(out);
	snprintf(path, sizeof(path), "%s/example1.local/user1/%s", t.root,
		 name);
	assert_int_equal(OK, fs_read_file(AT_FDCWD, path, out));
}

/* ---- sessions ---- */

struct client {
	struct call *call;
	struct buf text; // untagged, bodies inline; then "OK text" and the like
	bool is_selected;
};

static UNUSED void
read_body(struct client *c, const struct frame *f)
{
	struct store_body range;

	assert_int_equal(OK, store_read_body(f->body, &range));
	assert_true(f->fd >= 0);
	assert_int_equal(OK, buf_reserve(&c->text, range.n_octets + 1));
	assert_int_equal(OK, fs_read_at(f->fd, c->text.p + c->text.n,
					range.n_octets, (int64_t)range.offset));
	c->text.n += range.n_octets;
}

static UNUSED void
read_pipe(struct client *c, const struct frame *f)
{
	struct store_pipe pipe;

	assert_int_equal(OK, store_read_pipe(f->body, &pipe));
	assert_true(f->fd >= 0);
	assert_int_equal(OK, buf_reserve(&c->text, pipe.n_octets + 1));
	assert_int_equal(
		OK, fs_read_pipe(f->fd, c->text.p + c->text.n, pipe.n_octets));
	c->text.n += pipe.n_octets;
	assert_int_equal(pipe.ends_line,
			 str_ends(buf_str(&c->text), S("\r\n")));
}

/* Reads to the DONE. */
static UNUSED void
read_answer(struct co *co, struct client *c)
{
	static const char *const words[] = { "OK", "NO", "BAD", "BYE" };
	bool is_done = false;

	while (!is_done) {
		struct store_done done;
		struct frame f;

		assert_int_equal(OK, call_recv(co, c->call, in_s(30), &f));
		is_done = f.type == STORE_DONE;
		if (f.type == STORE_BODY) {
			read_body(c, &f);
		} else if (f.type == STORE_PIPE) {
			read_pipe(c, &f);
		} else if (f.type == STORE_TEXT) {
			buf_put(&c->text, f.body);
		} else {
			assert_true(is_done);
			assert_int_equal(OK, store_read_done(f.body, &done));
			buf_putf(&c->text, "%s %.*s", words[done.status],
				 STR(done.text));
			c->is_selected = done.is_selected;
		}
		frame_release(&f);
	}
}

static UNUSED void
log_in_as(struct co *co, struct client *c, const char *user)
{
	*c = (struct client) { .call = call_open(t.front) };
	buf_init(&c->text, OUT_MAX_OCTETS);
	assert_int_equal(OK, call_send(co, c->call, STORE_SESSION, str_c(user),
				       -1, false, NEVER_US));
	read_answer(co, c);
	assert_str(buf_str(&c->text), "OK done");
}

static UNUSED void
log_in(struct co *co, struct client *c)
{
	log_in_as(co, c, user1);
}

static UNUSED void
log_out(struct client *c)
{
	call_post(c->call, STORE_CLOSE, STR_NONE, -1, true);
	call_free(&c->call);
	buf_release(&c->text);
}

static UNUSED const char *
run_command(struct co *co, struct client *c, enum store_verb verb, bool is_uid,
	    const char *args)
{
	const struct store_command command = { verb, is_uid, str_c(args),
					       S("A1") };
	struct buf b = BUF_INIT(OUT_MAX_OCTETS);

	buf_clear(&c->text);
	store_put_command(&b, &command);
	assert_int_equal(OK, call_send(co, c->call, STORE_COMMAND, buf_str(&b),
				       -1, false, NEVER_US));
	read_answer(co, c);
	buf_putc(&c->text, '\0');
	buf_release(&b);
	return c->text.p;
}
#define DO(verb, args) run_command(co, &c, VERB_##verb, false, args)
#define UID(verb, args) run_command(co, &c, VERB_##verb, true, args)
#define WANT(got, want) assert_string_equal((want), (got))

static UNUSED const char *
append(struct co *co, struct client *c, const char *args, const char *text)
{
	const struct store_append a = { .args = str_c(args),
					.size_octets = strlen(text),
					.has_literal = true };
	const struct store_append end = { .args = STR_NONE };
	struct buf b = BUF_INIT(OUT_MAX_OCTETS);

	buf_clear(&c->text);
	store_put_append(&b, &a);
	assert_int_equal(OK, call_send(co, c->call, STORE_APPEND, buf_str(&b),
				       -1, false, NEVER_US));
	read_answer(co, c);
	if (str_eq(buf_str(&c->text), S("OK send it"))) {
		buf_clear(&c->text);
		assert_int_equal(OK,
				 call_send(co, c->call, STORE_CHUNK,
					   str_c(text), -1, false, NEVER_US));
		buf_clear(&b);
		store_put_append(&b, &end);
		assert_int_equal(OK,
				 call_send(co, c->call, STORE_APPEND,
					   buf_str(&b), -1, false, NEVER_US));
		read_answer(co, c);
	}
	buf_putc(&c->text, '\0');
	buf_release(&b);
	return c->text.p;
}

/* REPLACE (RFC 8508) with one literal. */
static UNUSED const char *
replace(struct co *co, struct client *c, const char *args, const char *text)
{
	struct store_append a = { .args = str_c(args),
				  .size_octets = strlen(text),
				  .has_literal = true,
				  .is_replace = true };
	struct buf b = BUF_INIT(OUT_MAX_OCTETS);

	buf_clear(&c->text);
	for (int i = 0; i < 2; i++) {
		store_put_append(&b, &a);
		assert_int_equal(OK,
				 call_send(co, c->call, STORE_APPEND,
					   buf_str(&b), -1, false, NEVER_US));
		if (i == 0) {
			read_answer(co, c);
			assert_str(buf_str(&c->text), "OK send it");
			assert_int_equal(OK, call_send(co, c->call, STORE_CHUNK,
						       str_c(text), -1, false,
						       NEVER_US));
		}
		buf_clear(&b);
		a = (struct store_append) { .is_replace = true };
	}
	buf_clear(&c->text);
	read_answer(co, c);
	buf_putc(&c->text, '\0');
	buf_release(&b);
	return c->text.p;
}

static UNUSED uint32_t
number_after(const char *text, const char *word)
{
	const char *at = strstr(text, word);

	assert_non_null(at);
	return (uint32_t)strtoul(at + strlen(word), NULL, 10);
}

static UNUSED void
assert_has(const char *text, const char *part)
{
	if (strstr(text, part) != NULL)
		return;
	print_error("no \"%s\" in:\n%s\n", part, text);
	fail();
}

/* ---- running ---- */

typedef void scenario_fn(struct co *co);

static UNUSED void
run_scenario(struct co *co, void *arg)
{
	scenario_fn *const *scenario = arg;

	start();
	(*scenario)(co);
	stop(co);
	t.is_over = true;
}

static UNUSED void
in_loop(scenario_fn *scenario)
{
	char command[128];

	memset(&t, 0, sizeof(t));
	t.quota.exists = true;
	snprintf(t.root, sizeof(t.root), "/tmp/store_test.XXXXXX");
	assert_non_null(mkdtemp(t.root));
	log_open("store", LOG_ERROR);
	loop_init();
	watch_open();
	assert_non_null(co_spawn(run_scenario, &scenario, "scenario"));
	loop_run();
	assert_true(t.is_over);
	watch_close();
	loop_close();
	snprintf(command, sizeof(command), "rm -rf %s", t.root);
	assert_int_equal(0, system(command));
}

#define SCENARIO(name)                              \
	static void run_##name(void **state UNUSED) \
	{                                           \
		in_loop(test_##name);               \
	}
