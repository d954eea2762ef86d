/* SPDX-License-Identifier: MIT
 * mta/queue/history_test.c - the ring over restarts, damage and its bounds. */
#include "mta/queue/history.c"

#include "tests/unit/directory.h"

static void
in_loop(co_fn *fn)
{
	loop_init();
	assert_non_null(co_spawn(fn, NULL, "test"));
	loop_run();
	loop_close();
}

static void
add(struct history *h, const char *id, const char *address, const char *text)
{
	history_add(h, &(struct queue_event) { .kind = EVENT_SENT,
					       .id = str_c(id),
					       .address = str_c(address),
					       .text = str_c(text) });
}

static size_t
count(struct co *co, struct history *h, const char *key)
{
	struct buf out = BUF_INIT(8 << 20);
	struct queue_event event;
	struct str row;
	size_t n = 0;

	assert_int_equal(history_find(co, h, str_c(key), &out), OK);
	for (row = buf_str(&out); row.n > 0; n++)
		assert_int_equal(queue_next_event(&row, &event), OK);
	buf_release(&out);
	return n;
}

static void
close_history(struct history *h)
{
	close(h->fds[0]);
	close(h->fds[1]);
	buf_release(&h->pending);
	buf_release(&h->writing);
	free(h);
}

static void
restart_and_damage(struct co *co, void *arg UNUSED)
{
	struct history *h = history_open(dir);
	uint64_t end;

	add(h, "one", "a@x", "1");
	add(h, "two", "b@x", "2");
	assert_int_equal(count(co, h, "one"), 1); // not written yet
	flush(co, h);
	assert_int_equal(count(co, h, "B@X"), 1);
	end = h->end;
	close_history(h);
	h = history_open(dir);
	assert_int_equal(h->end, end);
	add(h, "one", "a@x", "3");
	flush(co, h);
	assert_int_equal(count(co, h, "one"), 2);
	assert_int_equal(count(co, h, "none"), 0);
	/* The last record is torn: the next one takes its place. */
	assert_int_equal(ftruncate(h->fds[h->current], (off_t)h->end - 3), 0);
	close_history(h);
	h = history_open(dir);
	assert_int_equal(h->end, end);
	assert_int_equal(count(co, h, "one"), 1);
	close_history(h);
}

static void
events_survive_a_restart_and_a_torn_end(void **state UNUSED)
{
	in_loop(restart_and_damage);
}

static void
fill(struct co *co, void *arg UNUSED)
{
	struct history *h = history_open(dir);
	char *text = must_alloc(1001), id[16];

	memset(text, 't', 1000);
	for (int i = 0; i < 60000; i++) { // 60 MB
		snprintf(id, sizeof(id), "m%d", i);
		add(h, id, i % 2 ? "a@x" : "b@x", text);
		if (i % 900 == 0)
			flush(co, h);
		assert_true(h->end <= FILE_OCTETS);
	}
	flush(co, h);
	assert_int_equal(count(co, h, "m0"), 0);
	assert_int_equal(count(co, h, "m59999"), 1);
	assert_int_equal(count(co, h, "a@x"), MAX_MESSAGES);
	assert_int_equal(h->n_dropped, 0);
	free(text);
	close_history(h);
}

static void
old_events_make_room(void **state UNUSED)
{
	in_loop(fill);
}

static void
nothing_is_kept_beyond_the_buffer(void **state UNUSED)
{
	struct history *h = history_open(dir);

	for (int i = 0; i < 100000; i++)
		add(h, "id", "a@x", "text");
	assert_true(h->n_dropped > 0);
	assert_true(h->pending.n <= PENDING_OCTETS + EVENT_OCTETS);
	history_add(NULL, &(struct queue_event) { .kind = EVENT_DONE });
	close_history(h);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			events_survive_a_restart_and_a_torn_end, make_dir,
			remove_dir),
		cmocka_unit_test_setup_teardown(old_events_make_room, make_dir,
						remove_dir),
		cmocka_unit_test_setup_teardown(
			nothing_is_kept_beyond_the_buffer, make_dir,
			remove_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
