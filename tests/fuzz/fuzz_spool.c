/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_spool.c - the restart of the queue: records, whole but of any
 * content and in any order, are replayed into the table of messages.
 *
 * Input: records, each a type, a segment (one octet each), a length (two, low
 * first) and a body. The spool has two empty segments, so that content in them
 * is held and dropped. Oracle: the table's count is its list's; each message is
 * found by its id; indexes are in range; every message can be ended. */
#include "lib/base/check.h"
#include "mta/queue/message.h"
#include "mta/queue/message_replay.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { N_SEGMENTS = 2 };

static struct message_table table;
static int files[N_SEGMENTS];

static void
nothing_found(void *arg UNUSED, enum record_type type UNUSED,
	      struct str body UNUSED, bool is_whole UNUSED,
	      uint64_t segment UNUSED, uint64_t offset UNUSED)
{
	check_failed("a record in an empty segment", __FILE__, __LINE__);
}

static void
open_once(void)
{
	char dir[] = "/tmp/fuzz-spool-XXXXXX", path[64];
	struct buf head = BUF_INIT(SEGMENT_HEAD_OCTETS);

	if (table.spool != NULL)
		return;
	check(mkdtemp(dir) != NULL);
	for (unsigned i = 1; i <= N_SEGMENTS; i++) {
		struct segment_head fields = { i, i - 1, SEGMENT_HEAD_OCTETS };
		int fd;

		buf_clear(&head);
		segment_put_head(&head, &fields);
		snprintf(path, sizeof(path), "%s/%010u.seg", dir, i);
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		check(fd >= 0 && write(fd, head.p, head.n) == (ssize_t)head.n);
		files[i - 1] = fd;
	}
	buf_release(&head);
	message_table_init(&table);
	check(spool_open(dir, nothing_found, NULL, &table.spool) == OK);
	/* The files stay open. */
	for (unsigned i = 1; i <= N_SEGMENTS; i++) {
		snprintf(path, sizeof(path), "%s/%010u.seg", dir, i);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/lock", dir);
	unlink(path);
	rmdir(dir);
	check(freopen("/dev/null", "w", stdout) != NULL); // the log
}

/* It lies in its file, too: a message is read from there. */
static void
replay_one(enum record_type type, bool is_whole, unsigned segment,
	   struct str body, uint64_t *ends)
{
	struct buf record = BUF_INIT(1 << 17);

	if (type == 0)
		return;
	record_put(&record, segment + 1, ends[segment], type, body);
	check(pwrite(files[segment], record.p, record.n,
		     (off_t)ends[segment]) == (ssize_t)record.n);
	buf_release(&record);
	message_replay(&table, type, body, is_whole, segment + 1,
		       ends[segment] + RECORD_HEAD_OCTETS);
	ends[segment] += record_size(body.n);
}

static void
check_message(const struct message *m)
{
	size_t n_left = 0;

	check(m->is_repeat && m->n_left > 0);
	for (size_t i = 0; i < m->n_rcpts; i++) {
		n_left += !m->rcpts[i].is_done;
		check(m->rcpts[i].original < m->envelope.n_recipients);
	}
	check(n_left == m->n_left);
}

static void
replay(struct str in)
{
	uint64_t ends[N_SEGMENTS] = { SEGMENT_HEAD_OCTETS,
				      SEGMENT_HEAD_OCTETS };

	while (in.n >= 4) {
		const uint8_t *head = (const uint8_t *)in.p;
		size_t n = head[2] | (size_t)head[3] << 8;
		struct str body;

		in = str_from(in, 4);
		body = str_first(in, n);
		in = str_from(in, body.n);
		replay_one(head[0] % RECORD_TYPES_END, head[0] < 0x80,
			   head[1] % N_SEGMENTS, body, ends);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct queued *q;
	size_t n = 0;

	open_once();
	replay(str_of(data, size));
	message_replay_end(&table);
	TAILQ_FOREACH (q, &table.all, link) {
		struct message_look look;

		n++;
		check(message_find(&table, str_c(q->id)) == q);
		if (q->message != NULL)
			check_message(q->message);
		message_look_begin(&table, q, true, &look);
		message_look_run(&look);
		message_look_end(&table, &look);
		check(look.q == q);
		message_look_release(&table, &look);
		for (size_t i = 0; i < q->n_extents; i++)
			check(q->extents[i].segment <= q->record.segment);
	}
	check(n == table.n);
	while ((q = TAILQ_FIRST(&table.all)) != NULL)
		message_replay(&table, RECORD_GONE, str_c(q->id), true, 1,
			       SEGMENT_HEAD_OCTETS);
	check(table.n == 0);
	return 0;
}
