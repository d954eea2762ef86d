/* SPDX-License-Identifier: MIT
 * mda/store/quota_test.c - what is counted against the files that are there,
 * and who waits for whom. */
#include "mda/store/quota.c"

#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

static struct {
	struct tree tree;
	char root[64];
	struct router_quota limits;
	struct user *u;
} t;

static enum err
ask_test(struct co *co UNUSED, struct tree *tree UNUSED,
	 struct str address UNUSED, struct router_quota *out)
{
	*out = t.limits;
	if (t.limits.n_folders > 0 || t.limits.storage_octets == 0)
		return OK;
	out->grace_octets = t.limits.storage_octets / 10;
	out->n_folders = 1;
	out->folders[0] = (struct router_quota_folder) {
		"Trash", t.limits.storage_octets + (50 << 20), 0, false
	};
	return OK;
}

static void
put_file(const char *name, const char *content)
{
	int fd = openat(t.u->fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(OK, fs_write_all(fd, str_c(content)));
	close(fd);
}

static void
want_file(const char *content)
{
	struct buf file = BUF_INIT(1 << 16);

	assert_int_equal(OK, fs_read_file(t.u->fd, "maildirsize", &file));
	assert_str_eq(buf_str(&file), str_c(content));
	buf_release(&file);
}

static void
set_limit(struct co *co, uint64_t octets)
{
	t.limits.storage_octets = octets;
	t.tree.epoch++;
	assert_int_equal(OK, quota_prepare(co, t.u));
}

/* Maildir++: sizes from the names, stat where there is none; folders, cur and
 * new; no tmp, no hidden files, nothing that is no message. */
static void
counts_what_is_there(struct co *co)
{
	put_file("cur/1.a.h,S=100:2,S", "x");
	put_file("new/2.b.h,S=20,W=22", "x");
	put_file(".Sent/cur/3.c.h:2,", "seven!!");
	put_file("tmp/4.d.h,S=1000", "x");
	put_file("cur/.5.e.h,S=1000", "x");
	assert_int_equal(0, mkfifoat(t.u->fd, "cur/6.f.h,S=1000", 0600));
	assert_int_equal(0, symlinkat("/etc/passwd", t.u->fd, "cur/7.g.h"));
	assert_int_equal(0, symlinkat(".Sent", t.u->fd, ".Link"));
	set_limit(co, 5000);
	assert_int_equal(OK, quota_usage(co, t.u));
	want_file("5000S\n127 3\n");
	quota_remove(t.u, S(""), 100, 1);
	want_file("5000S\n127 3\n-100 -1\n");
	/* Lines that make no sense, or other limits: counted anew. */
	put_file("maildirsize", "5000S\n-1 -1\n");
	t.u->quota.is_counted = false;
	assert_int_equal(OK, quota_usage(co, t.u));
	want_file("5000S\n127 3\n");
	set_limit(co, 6000);
	assert_int_equal(OK, quota_usage(co, t.u));
	want_file("6000S\n127 3\n");
	/* No limit: nothing is kept that would grow old. */
	set_limit(co, 0);
	assert_int_equal(-1, faccessat(t.u->fd, "maildirsize", F_OK, 0));
}

static void
reservations(struct co *co)
{
	set_limit(co, 1000);
	assert_int_equal(OK, quota_reserve(co, t.u, QUOTA_IMAP, S(""), 600, 1));
	assert_int_equal(ERR_REFUSED,
			 quota_reserve(co, t.u, QUOTA_IMAP, S(""), 401, 1));
	assert_int_equal(OK, quota_reserve(co, t.u, QUOTA_IMAP, S(""), 400, 1));
	assert_int_equal(ERR_FULL,
			 quota_reserve(co, t.u, QUOTA_IMAP, S(""), 1001, 1));
	quota_cancel(t.u, 400, 1);
	put_file("new/1.a.h,S=600", "x");
	quota_enter(co, t.u);
	quota_commit(t.u, S(""), 600, 1);
	quota_leave(t.u);
	/* A delivery may pass by a tenth; Trash has room of its own. */
	assert_int_equal(ERR_FULL,
			 quota_reserve(co, t.u, QUOTA_IMAP, S(""), 500, 1));
	assert_int_equal(OK,
			 quota_reserve(co, t.u, QUOTA_DELIVERY, S(""), 500, 1));
	quota_cancel(t.u, 500, 1);
	assert_int_equal(ERR_FULL,
			 quota_reserve(co, t.u, QUOTA_DELIVERY, S(""), 501, 1));
	assert_int_equal(
		OK, quota_reserve(co, t.u, QUOTA_IMAP, S(".Trash"), 5000, 1));
	quota_cancel(t.u, 5000, 1);
	assert_int_equal(0, t.u->quota.reserved_octets);
	assert_int_equal(0, t.u->quota.reserved_messages);
}

static struct {
	unsigned percents[16];
	size_t n;
} told;

static void
tell_test(struct user *u UNUSED, unsigned percent)
{
	told.percents[told.n++] = percent;
}

static void
change(struct co *co, int64_t octets)
{
	quota_enter(co, t.u);
	if (octets > 0)
		quota_add(t.u, S(""), (uint64_t)octets, 1);
	else
		quota_remove(t.u, S(""), (uint64_t)-octets, 1);
	quota_leave(t.u);
}

/* docker-mailserver: at 80 and 95 %, each when it is passed on the way up, the
 * highest alone; and on the way down below 100 %. */
static void
levels_are_told_once(struct co *co)
{
	static const struct {
		int64_t octets;
		int percent; // -1: nobody is told
	} steps[] = {
		{ 799, -1 }, { 1, 80 },	  { 100, -1 }, { -101, -1 }, { 1, 80 },
		{ 150, 95 }, { 60, -1 },  { -10, -1 }, { -1, 0 },    { 1, -1 },
		{ -900, 0 }, { 950, 95 }, { -950, 0 },
	};

	t.tree.tell_quota = tell_test;
	set_limit(co, 1000);
	assert_int_equal(OK, quota_usage(co, t.u));
	for (size_t i = 0; i < N_OF(steps); i++) {
		told.n = 0;
		change(co, steps[i].octets);
		if (told.n != (steps[i].percent >= 0))
			fail_msg("step %zu: told %zu times", i, told.n);
		if (told.n == 1)
			assert_int_equal(told.percents[0], steps[i].percent);
	}
	/* Without a count nobody knows. */
	told.n = 0;
	t.u->quota.is_counted = false;
	change(co, 990);
	assert_int_equal(0, told.n);
}

/* Dovecot's rules: a folder's limit is for the sum where something is put into
 * it; ignore: it does not count. */
static void
folders_have_rules(struct co *co)
{
	put_file("cur/1.a.h,S=100:2,S", "x");
	assert_int_equal(OK, tree_make_folder(t.u->fd, ".Old.&AOQ-"));
	put_file(".Old.&AOQ-/cur/2.b.h,S=900:2,", "x");
	t.limits.n_folders = 2;
	t.limits.folders[0] =
		(struct router_quota_folder) { "Old/\303\244*", 500, 0, true };
	t.limits.folders[1] =
		(struct router_quota_folder) { "Spam*", 300, 0, false };
	set_limit(co, 500);
	assert_int_equal(OK, quota_usage(co, t.u));
	want_file("500S\n100 1\n");
	assert_true(quota_ignores(t.u, S(".Old.&AOQ-")));
	assert_false(quota_ignores(t.u, S(".Old")));
	quota_remove(t.u, S(".Old.&AOQ-"), 900, 1);
	want_file("500S\n100 1\n");
	assert_int_equal(OK, quota_reserve(co, t.u, QUOTA_IMAP, S(".Old.&AOQ-"),
					   5000, 1));
	quota_cancel(t.u, 5000, 1);
	assert_int_equal(ERR_FULL, quota_reserve(co, t.u, QUOTA_IMAP,
						 S(".Spam.x"), 201, 1));
	assert_int_equal(OK, quota_reserve(co, t.u, QUOTA_IMAP, S(""), 400, 1));
	quota_cancel(t.u, 400, 1);
	/* The rule goes: counted anew, though the file has the same limit. */
	t.limits.folders[0].is_ignored = false;
	t.tree.epoch++;
	assert_int_equal(OK, quota_prepare(co, t.u));
	assert_int_equal(OK, quota_usage(co, t.u));
	want_file("500S\n1000 2\n");
}

/* Maildir++: without maildirsize the next who needs the sum counts. */
static void
a_file_taken_away_asks_for_a_count(struct co *co)
{
	set_limit(co, 1000);
	assert_int_equal(OK, quota_usage(co, t.u));
	put_file("new/1.a.h,S=600", "x"); // by somebody who told nobody
	assert_int_equal(OK, quota_usage(co, t.u));
	want_file("1000S\n0 0\n");
	assert_int_equal(0, unlinkat(t.u->fd, "maildirsize", 0));
	assert_int_equal(OK, quota_usage(co, t.u));
	want_file("1000S\n600 1\n");
	assert_int_equal(600, t.u->quota.octets);
}

struct counter {
	struct co *waiter;
	bool is_over;
};

static void
run_count(struct co *co, void *arg)
{
	struct counter *c = arg;

	assert_int_equal(OK, count(co, t.u, true));
	c->is_over = true;
	co_wake(c->waiter);
}

/* A file that stands there before its amount was told: the count waits, and it
 * is taken once. Two who want a count share one. */
static void
a_count_waits_for_changes(struct co *co)
{
	struct counter a = { .waiter = co }, b = { .waiter = co };

	set_limit(co, 5000);
	assert_int_equal(OK, quota_reserve(co, t.u, QUOTA_IMAP, S(""), 70, 1));
	quota_enter(co, t.u);
	put_file("new/1.a.h,S=70", "x");
	assert_non_null(co_spawn(run_count, &a, "a"));
	assert_non_null(co_spawn(run_count, &b, "b"));
	assert_int_equal(OK, co_sleep_until(co, in_ms(20)));
	assert_false(a.is_over || b.is_over);
	quota_enter(co, t.u); // nested
	quota_leave(t.u);
	quota_commit(t.u, S(""), 70, 1);
	quota_leave(t.u);
	while (!a.is_over || !b.is_over)
		co_park(co);
	assert_int_equal(70, t.u->quota.octets);
	assert_int_equal(2, t.u->quota.n_counts); // the first was at reserve
	want_file("5000S\n70 1\n");
	/* And a change waits for a count. */
	a.is_over = false;
	assert_non_null(co_spawn(run_count, &a, "a"));
	co_breathe(co); // a timer could take longer than the count
	assert_true(t.u->quota.is_counting);
	quota_enter(co, t.u);
	assert_false(t.u->quota.is_counting);
	quota_leave(t.u);
	while (!a.is_over)
		co_park(co);
}

typedef void scenario_fn(struct co *co);

static void
run_scenario(struct co *co, void *arg)
{
	scenario_fn **scenario = arg;

	assert_int_equal(OK, tree_open(&t.tree, t.root, 0, S("h")));
	t.tree.ask_quota = ask_test;
	assert_int_equal(OK, tree_user(co, &t.tree, S("u@d.example"), &t.u));
	(*scenario)(co);
	user_drop(&t.u);
	tree_close(&t.tree);
}

static void
in_loop(scenario_fn *scenario)
{
	char command[128];

	memset(&t, 0, sizeof(t));
	t.limits.exists = true;
	snprintf(t.root, sizeof(t.root), "/tmp/quota_test.XXXXXX");
	assert_non_null(mkdtemp(t.root));
	loop_init();
	assert_non_null(co_spawn(run_scenario, &scenario, "scenario"));
	loop_run();
	loop_close();
	snprintf(command, sizeof(command), "rm -rf %s", t.root);
	assert_int_equal(0, system(command));
}

#define SCENARIO(name)                              \
	static void run_##name(void **state UNUSED) \
	{                                           \
		in_loop(name);                      \
	}
SCENARIO(counts_what_is_there)
SCENARIO(reservations)
SCENARIO(a_count_waits_for_changes)
SCENARIO(levels_are_told_once)
SCENARIO(folders_have_rules)
SCENARIO(a_file_taken_away_asks_for_a_count)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run_counts_what_is_there),
		cmocka_unit_test(run_reservations),
		cmocka_unit_test(run_a_count_waits_for_changes),
		cmocka_unit_test(run_levels_are_told_once),
		cmocka_unit_test(run_folders_have_rules),
		cmocka_unit_test(run_a_file_taken_away_asks_for_a_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
