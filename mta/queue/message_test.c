/* SPDX-License-Identifier: MIT
 * mta/queue/message_test.c - messages over a real spool in a directory of its
 * own: what was committed is there after a restart, and nothing else. */
#include "mta/queue/message.c"

#include "mta/queue/message_draft.h"
#include "mta/queue/message_replay.h"
#include "mta/queue/message_rewrite.h"
#include "tests/unit/directory.h"
#include "tests/unit/in_process.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BIG_OCTETS = 700 * 1024 };

static void
found(void *arg, enum record_type type, struct str body, bool is_whole,
      uint64_t segment, uint64_t offset)
{
	message_replay(arg, type, body, is_whole, segment, offset);
}

static struct message_table table;

static void
open_spool(struct co *co)
{
	message_table_init(&table);
	check(spool_open(dir, found, &table, &table.spool) == OK);
	message_replay_end(&table);
	check(spool_begin(co, table.spool) == OK);
}

static struct message *
put_message(struct co *co, struct str sender, const char *const *rcpts,
	    size_t n_rcpts, struct str content)
{
	struct message_draft *d = message_draft_new();
	struct recipient list[8] = { { .notify = 0 } };
	struct envelope envelope = { .sender = sender,
				     .arrived_us = wall_us(),
				     .recipients = list,
				     .n_recipients = n_rcpts };
	struct buf body = BUF_INIT(65536);
	struct message *m;

	for (size_t i = 0; i < n_rcpts; i++)
		list[i].address = str_c(rcpts[i]);
	envelope_put(&body, &envelope);
	check(message_draft_add(co, &table, d, content) == OK);
	check(message_commit(co, &table, &d, buf_str(&body), &m) == OK);
	check(d == NULL);
	buf_release(&body);
	return m;
}

static void
remove_message(struct message **m)
{
	struct queued *q = (*m)->queued;

	*m = NULL;
	message_remove(&table, &q);
}

static const char *const two[] = { "a@x", "b@y" };

static char *
big_content(void)
{
	char *content = must_alloc(BIG_OCTETS);

	for (size_t i = 0; i < BIG_OCTETS; i++)
		content[i] = (char)('a' + i * 7 % 23);
	return content;
}

static void
write_all(struct co *co, void *arg UNUSED)
{
	char *big = big_content();
	struct message *m;
	uint32_t done = 1;

	open_spool(co);
	put_message(co, S("first@s"), two, 2, S("small content"));
	put_message(co, S("big@s"), two, 1, str_of(big, BIG_OCTETS));
	m = put_message(co, S("half@s"), two, 2, S("x"));
	message_rcpt_done(m, done);
	message_note_done(&table, m, &done, 1);
	message_set_reason(m, 0, S("host is down"));
	m->n_attempts = 3;
	message_sleep(&table, m->queued);
	m = put_message(co, S("gone@s"), two, 1, S("y"));
	remove_message(&m);
	m = put_message(co, S("alias@s"), two, 1, S("z"));
	struct final_rcpt added[] = { { 0, STR_INIT("c@z") },
				      { 0, STR_INIT("d@z") } };
	check(message_expand(co, &table, m, added, 2) == OK);
	/* A draft that is never committed, of many pieces. */
	struct message_draft *d = message_draft_new();
	check(message_draft_add(co, &table, d, str_of(big, BIG_OCTETS)) == OK);
	/* The last durable record covers the notes. */
	put_message(co, S("last@s"), two, 1, S(""));
	free(big);
	_exit(0); // as kill -9 would: nothing is closed
}

static struct message *
by_sender(struct str sender)
{
	struct queued *q;

	TAILQ_FOREACH (q, &table.all, link)
		if (wake(NULL, &table, q) == OK &&
		    str_eq(q->message->envelope.sender, sender))
			return q->message;
	return NULL;
}

/* All pieces of the content. */
static bool
has_content(const struct message *m, const char *want, size_t n)
{
	struct buf got = BUF_INIT(80 << 20);
	bool is_same;

	for (size_t i = 0; i < message_n_pieces(m); i++)
		check(message_read_piece(&table, m, i, &got) == OK);
	is_same = got.n == n && memcmp(got.p, want, n) == 0;
	buf_release(&got);
	return is_same;
}

static void
read_all(struct co *co, void *arg UNUSED)
{
	char *big = big_content();
	struct message *m;

	open_spool(co);
	check(table.n == 5);
	m = by_sender(S("first@s"));
	check(m != NULL && m->n_rcpts == 2 && m->n_left == 2 && m->is_repeat);
	check(m->size_octets == 13 && has_content(m, "small content", 13));
	m = by_sender(S("big@s"));
	check(m != NULL && m->size_octets == BIG_OCTETS);
	check(has_content(m, big, BIG_OCTETS));
	m = by_sender(S("half@s"));
	check(m != NULL && m->n_left == 1 && m->rcpts[1].is_done);
	check(m->n_attempts == 3 &&
	      strcmp(m->rcpts[0].reason, "host is down") == 0);
	m = by_sender(S("alias@s"));
	check(m != NULL && m->n_rcpts == 3 && m->n_left == 3);
	check(str_eq(m->rcpts[2].address, S("d@z")));
	check(by_sender(S("gone@s")) == NULL);
	free(big);
	_exit(0);
}

static void
what_was_committed_survives_a_kill(void **state UNUSED)
{
	in_process(write_all);
	in_process(read_all);
	in_process(read_all); // and the restart after it
}

static void
rewrite_all(struct co *co, void *arg UNUSED)
{
	struct message *m;
	struct queued *q;

	open_spool(co);
	TAILQ_FOREACH (q, &table.all, link)
		check(message_rewrite(co, &table, q) == OK);
	put_message(co, S("after@s"), two, 1, S("."));
	m = by_sender(S("after@s"));
	remove_message(&m);
	put_message(co, S("flush@s"), two, 1, S("."));
	m = by_sender(S("flush@s"));
	remove_message(&m);
	check(co_sleep_until(co, in_ms(200)) == OK); // lingering notes
	_exit(0);
}

static size_t
count_segments(void)
{
	char command[160];
	FILE *out;
	int n = 0;

	snprintf(command, sizeof(command), "ls '%s'/*.seg | wc -l", dir);
	out = popen(command, "r");
	assert_int_equal(fscanf(out, "%d", &n), 1);
	pclose(out);
	return (size_t)n;
}

static void
compaction_keeps_all_and_gives_space_back(void **state UNUSED)
{
	in_process(write_all);
	for (int i = 0; i < 3; i++)
		in_process(read_all); // a new segment each
	in_process(rewrite_all);
	in_process(read_all);
	assert_in_range(count_segments(), 1, 3);
}

static void
torn_reads(struct co *co, void *arg UNUSED)
{
	open_spool(co);
	/* Whatever was cut: never more than there was, and it opens. */
	check(table.n <= 5);
	_exit(0);
}

static void
a_torn_tail_opens_and_shows_only_whole_records(void **state UNUSED)
{
	char path[128];
	struct stat st;

	in_process(write_all);
	snprintf(path, sizeof(path), "%s/0000000001.seg", dir);
	assert_int_equal(stat(path, &st), 0);
	for (int i = 1; i <= 24; i++) {
		off_t cut = st.st_size - st.st_size * i / 24;

		assert_int_equal(truncate(path, cut), 0);
		in_process(torn_reads);
	}
}

/* A stranger in the old segment keeps it, so that the next scan meets both
 * places of each message that was copied. */
static void
rewrite_alias(struct co *co, void *arg UNUSED)
{
	struct message *m;

	open_spool(co);
	check(message_rewrite(co, &table, by_sender(S("alias@s"))->queued) ==
	      OK);
	check(message_rewrite(co, &table, by_sender(S("half@s"))->queued) ==
	      OK);
	m = by_sender(S("last@s"));
	remove_message(&m);
	put_message(co, S("last@s"), two, 1, S("."));
	_exit(0);
}

static void
a_copy_beside_its_original_adds_no_recipients(void **state UNUSED)
{
	in_process(write_all);
	in_process(rewrite_alias);
	in_process(read_all);
	in_process(rewrite_alias);
	in_process(read_all);
}

enum { MANY = 9000, LONG_OCTETS = 500 };

static void
write_many(struct co *co, void *arg UNUSED)
{
	enum { STEP = 1000 };
	static struct final_rcpt added[STEP];
	char *text = must_alloc(LONG_OCTETS + 1);
	struct message *m;

	memset(text, 'x', LONG_OCTETS);
	open_spool(co);
	m = put_message(co, S("many@s"), two, 1, S("x"));
	for (int i = 0; i < STEP; i++)
		added[i].address = str_of(text, LONG_OCTETS);
	for (int i = 0; i < MANY / STEP; i++)
		check(message_expand(co, &table, m, added, STEP) == OK);
	_exit(0);
}

static void
rewrite_many(struct co *co, void *arg UNUSED)
{
	struct message *m;

	open_spool(co);
	m = by_sender(S("many@s"));
	check(m != NULL && m->n_rcpts == MANY + 1);
	check(message_rewrite(co, &table, m->queued) == OK);
	_exit(0);
}

static void
the_longest_list_of_recipients_is_kept_and_copied(void **state UNUSED)
{
	in_process(write_many);
	in_process(rewrite_many);
	in_process(rewrite_many);
}

static void
write_huge(struct co *co, void *arg UNUSED)
{
	enum { OCTETS = 1 << 20, TIMES = 70 };
	struct message_draft *d = message_draft_new();
	struct recipient to = { .address = S("a@x") };
	struct envelope envelope = { .recipients = &to, .n_recipients = 1 };
	struct buf body = BUF_INIT(65536);
	char *piece = must_alloc(OCTETS);
	struct message *m;

	open_spool(co);
	envelope_put(&body, &envelope);
	for (int i = 0; i < TIMES; i++)
		check(message_draft_add(co, &table, d, str_of(piece, OCTETS)) ==
		      OK);
	check(message_commit(co, &table, &d, buf_str(&body), &m) == OK);
	check(m->size_octets == (uint64_t)OCTETS * TIMES);
	message_forget_content(&table, m);
	check(message_n_pieces(m) > 500);
	_exit(0);
}

static void
a_message_of_70_megabytes_is_taken(void **state UNUSED)
{
	in_process(write_huge);
}

static void
make_segment(uint64_t number, const struct segment_head *head)
{
	struct buf b = BUF_INIT(4096);
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%010d.seg", dir, (int)number);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	if (head != NULL)
		segment_put_head(&b, head);
	assert_int_equal(write(fd, b.p, b.n), b.n);
	close(fd);
	buf_release(&b);
}

static void
read_none(struct co *co, void *arg UNUSED)
{
	open_spool(co);
	check(table.n == 0);
	_exit(0);
}

static void
an_abandoned_tail_stays_abandoned_behind_an_empty_segment(void **state UNUSED)
{
	struct segment_head head = { 9, 1, SEGMENT_HEAD_OCTETS };

	in_process(write_all);
	/* Its head could not be written; the one after it says where the
	 * first one ended. */
	make_segment(8, NULL);
	make_segment(9, &head);
	in_process(read_none);
}

static void
write_empty(struct co *co, void *arg UNUSED)
{
	open_spool(co);
	for (int i = 0; i < 20; i++)
		put_message(co, S("empty@s"), two, 2, S(""));
	check(spool_wants_compaction(table.spool) == 0);
	_exit(0);
}

static void
live_messages_without_content_are_not_copied_for_ever(void **state UNUSED)
{
	for (int i = 0; i < 8; i++)
		in_process(write_empty); // a segment each
}

static void
sleep_all(struct co *co, void *arg UNUSED)
{
	struct queued *q;

	open_spool(co);
	TAILQ_FOREACH (q, &table.all, link) {
		check(wake(NULL, &table, q) == OK);
		message_sleep(&table, q);
	}
	/* The notes linger, and are written. */
	TAILQ_FOREACH (q, &table.all, link) {
		for (int i = 0; i < 1000 && q->message != NULL; i++)
			check(co_sleep_until(co, in_ms(5)) == OK);
		check(q->message == NULL && q->status.segment != 0);
	}
	/* What was only put off is no repeat. */
	q = TAILQ_FIRST(&table.all);
	q->is_untried = true;
	check(wake(co, &table, q) == OK && !q->message->is_repeat);
	_exit(0);
}

static void
what_sleeps_is_all_there_when_it_wakes(void **state UNUSED)
{
	in_process(write_all);
	in_process(sleep_all);
	in_process(read_all);
	in_process(rewrite_all);
	in_process(read_all);
}

static void
doze(struct co *co, void *arg UNUSED)
{
	static const struct final_rcpt added = { 0, STR_INIT("c@z") };
	struct message *m;
	struct queued *q;
	char *big = big_content();

	open_spool(co);
	q = put_message(co, S("new@s"), two, 2, S("its content"))->queued;
	message_doze(&table, q);
	check(q->message == NULL && table.content_octets == 0);
	check(wake(co, &table, q) == OK);
	m = q->message;
	check(!m->is_repeat && m->n_left == 2 && m->content != NULL);
	check(has_content(m, "its content", 11));
	check(table.content_octets == 11);
	message_forget_content(&table, m);
	check(has_content(m, "its content", 11));

	q = put_message(co, S("big@s"), two, 1, str_of(big, BIG_OCTETS))
		    ->queued;
	message_doze(&table, q);
	check(q->message == NULL && wake(co, &table, q) == OK);
	check(has_content(q->message, big, BIG_OCTETS));

	/* What only memory knows is not forgotten. */
	m = put_message(co, S("alias@s"), two, 1, S("x"));
	check(message_expand(co, &table, m, &added, 1) == OK);
	message_rcpt_done(m, 0);
	message_doze(&table, m->queued);
	check(m->queued->message == m);
	m = put_message(co, S("tried@s"), two, 1, S("x"));
	m->n_attempts = 1;
	message_doze(&table, m->queued);
	check(m->queued->message == m);
	free(big);
	_exit(0);
}

static void
what_is_new_dozes_without_a_note(void **state UNUSED)
{
	in_process(doze);
}

/* One octet of each record is wrong, in a segment that is finished: nothing
 * else is lost, and what is damaged is kept and told from the rest. */
static void
read_damaged(struct co *co, void *arg UNUSED)
{
	size_t n_corrupt = 0, n_awake = 0;
	struct queued *q;

	open_spool(co);
	TAILQ_FOREACH (q, &table.all, link) {
		struct buf piece = BUF_INIT(RECORD_BODY_MAX_OCTETS);
		bool is_bad = q->state == STATE_CORRUPT ||
			      wake(NULL, &table, q) != OK;

		for (size_t i = 0; !is_bad && i < message_n_pieces(q->message);
		     i++) {
			buf_clear(&piece);
			is_bad = message_read_piece(&table, q->message, i,
						    &piece) != OK;
		}
		buf_release(&piece);
		n_corrupt += is_bad;
		n_awake += !is_bad;
	}
	/* A GONE or DONE that is damaged makes a repeat, no loss. */
	check(n_corrupt <= 1 && n_corrupt + n_awake >= 5);
	check(n_corrupt + n_awake <= 6);
	_exit(0);
}

static void
flip(const char *path, off_t at)
{
	int fd = open(path, O_RDWR);
	char c;

	assert_int_equal(pread(fd, &c, 1, at), 1);
	c ^= 0x10;
	assert_int_equal(pwrite(fd, &c, 1, at), 1);
	close(fd);
}

static void
a_damaged_record_loses_nothing_else(void **state UNUSED)
{
	char path[128];

	in_process(write_all);
	in_process(read_all); // finishes the segment
	snprintf(path, sizeof(path), "%s/0000000001.seg", dir);
	for (off_t at = SEGMENT_HEAD_OCTETS + RECORD_HEAD_OCTETS + 5; at < 3000;
	     at += 97) {
		flip(path, at);
		in_process(read_damaged);
		flip(path, at);
	}
	in_process(read_all);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_was_committed_survives_a_kill, make_dir,
			remove_dir),
		cmocka_unit_test_setup_teardown(
			compaction_keeps_all_and_gives_space_back, make_dir,
			remove_dir),
		cmocka_unit_test_setup_teardown(
			a_torn_tail_opens_and_shows_only_whole_records,
			make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(
			a_copy_beside_its_original_adds_no_recipients, make_dir,
			remove_dir),
		cmocka_unit_test_setup_teardown(
			the_longest_list_of_recipients_is_kept_and_copied,
			make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(
			a_message_of_70_megabytes_is_taken, make_dir,
			remove_dir),
		cmocka_unit_test_setup_teardown(
			an_abandoned_tail_stays_abandoned_behind_an_empty_segment,
			make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(
			live_messages_without_content_are_not_copied_for_ever,
			make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(
			what_is_new_dozes_without_a_note, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(
			what_sleeps_is_all_there_when_it_wakes, make_dir,
			remove_dir),
		cmocka_unit_test_setup_teardown(
			a_damaged_record_loses_nothing_else, make_dir,
			remove_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
