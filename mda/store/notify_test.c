/* SPDX-License-Identifier: MIT
 * mda/store/notify_test.c - what a session that does not come to tell keeps
 * (RFC 5465 5.8): bounded, whoever posts how much. */
#include "mda/store/notify.c"

#include "tests/unit/unit.h"

static struct user user = { .address = (char *)(uintptr_t) "u@example" };

static struct notify *
listen_to(struct session *s, unsigned id, unsigned events)
{
	struct notify *n = must_alloc(sizeof(*n));

	*s = (struct session) { .user = &user, .id = id, .notify = n };
	s->pipeful = PIPEFUL_NONE;
	buf_init(&s->out, 1 << 20);
	n->s = s;
	n->what.events = events;
	TAILQ_INIT(&n->pending);
	arena_init(&n->arena, NOTIFY_ARENA_OCTETS);
	TAILQ_INSERT_TAIL(&user.listeners, n, link);
	return n;
}

static void
leave(struct session *s)
{
	notify_free(&s->notify);
	buf_release(&s->out);
}

static size_t
n_pending(const struct notify *n)
{
	const struct notice *notice;
	size_t count = 0;

	TAILQ_FOREACH (notice, &n->pending, link)
		count++;
	return count;
}

static void
one_notice_of_a_directory(void **state UNUSED)
{
	struct session s, other;
	struct notify *n, *m;

	TAILQ_INIT(&user.listeners);
	n = listen_to(&s, 1, NOTIFY_OF_MESSAGES);
	m = listen_to(&other, 2, NOTIFY_MAILBOX_NAME);
	for (int i = 0; i < 5000; i++)
		notify_post(&user, S(".a"), NOTIFY_MESSAGE_NEW, 0);
	notify_post(&user, S(".a"), NOTIFY_FLAG_CHANGE, 0);
	assert_int_equal(n_pending(n), 1);
	assert_int_equal(TAILQ_FIRST(&n->pending)->events,
			 NOTIFY_MESSAGE_NEW | NOTIFY_FLAG_CHANGE);
	assert_true(s.seat.is_woken);
	assert_int_equal(n_pending(m), 0); // did not ask for it
	notify_post(&user, S(".b"), NOTIFY_MESSAGE_NEW, 1);
	assert_int_equal(n_pending(n), 1); // its own doing
	notify_post_rename(&user, S(".x"), S(".y"), 1);
	assert_int_equal(n_pending(m), 1);
	assert_string_equal(TAILQ_FIRST(&m->pending)->old_dir, ".x");
	leave(&s);
	leave(&other);
	assert_true(TAILQ_EMPTY(&user.listeners));
}

static void
overflow_turns_it_off(void **state UNUSED)
{
	struct session s;
	struct notify *n;

	TAILQ_INIT(&user.listeners);
	n = listen_to(&s, 1, NOTIFY_OF_MESSAGES);
	for (int i = 0; i < 3 * NOTICES_MAX; i++) {
		char dir[32];

		snprintf(dir, sizeof(dir), ".%d", i);
		notify_post(&user, str_c(dir), NOTIFY_MESSAGE_NEW, 0);
		assert_true(n->by_dir.n <= NOTICES_MAX);
	}
	assert_true(n->has_overflowed);
	notify_tell(NULL, &s);
	assert_true(
		str_starts(buf_str(&s.out), S("* OK [NOTIFICATIONOVERFLOW] ")));
	assert_int_equal(n->by_dir.n, 0);
	assert_false(notify_is_on(&s));
	assert_int_equal(notify_selected(&s), 0); // as with NONE
	notify_post(&user, S(".a"), NOTIFY_MESSAGE_NEW, 0);
	assert_int_equal(n_pending(n), 0);
	leave(&s);
}

static void
entries_are_bounded(void **state UNUSED)
{
	struct session s;
	struct notify *n;

	TAILQ_INIT(&user.listeners);
	n = listen_to(&s, 1, NOTIFY_MAILBOX_METADATA);
	notify_post_entry(&user, S(""), NOTIFY_MAILBOX_METADATA,
			  S("/private/a"), 0);
	notify_post_entry(&user, S(""), NOTIFY_MAILBOX_METADATA,
			  S("/private/b"), 0);
	assert_true(str_eq(buf_str(&TAILQ_FIRST(&n->pending)->entries),
			   S(" /private/a /private/b")));
	for (int i = 0; i < NOTICE_ENTRIES_MAX_OCTETS; i++)
		notify_post_entry(&user, S(""), NOTIFY_MAILBOX_METADATA,
				  S("/private/a"), 0);
	assert_true(n->has_overflowed);
	leave(&s);
}

/* Whatever else the user has: nothing is looked up, and nothing waits, for the
 * folders that are not below. */
static void
a_rename_is_told_from_the_list(void **state UNUSED)
{
	struct arena arena = ARENA_INIT(FOLDERS_ARENA_OCTETS);
	struct session s;
	struct round r = { .s = &s, .has_folders = true };

	TAILQ_INIT(&user.listeners);
	r.n = listen_to(&s, 1, NOTIFY_MAILBOX_NAME);
	folders_init(&r.folders, &arena);
	assert_int_equal(OK, folders_add(&r.folders, S("new"), true, false, 0));
	assert_int_equal(OK, folders_add(&r.folders, S("new/caf\303\251"), true,
					 false, 0));
	assert_int_equal(OK, folders_add(&r.folders, S("gone \303\251"), false,
					 true, 0));
	assert_int_equal(OK, folders_finish(&r.folders));
	put_renamed(&r, S(".new"), S(".old"));
	assert_str(buf_str(&s.out),
		   "* LIST (\\HasChildren) \"/\" new (\"OLDNAME\" (old))\r\n"
		   "* LIST (\\HasNoChildren) \"/\" new/caf&AOk- "
		   "(\"OLDNAME\" (old/caf&AOk-))\r\n");
	folders_release(&r.folders);
	arena_release(&arena);
	leave(&s);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_notice_of_a_directory),
		cmocka_unit_test(overflow_turns_it_off),
		cmocka_unit_test(entries_are_bounded),
		cmocka_unit_test(a_rename_is_told_from_the_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
