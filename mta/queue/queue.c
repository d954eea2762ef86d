/* SPDX-License-Identifier: MIT
 * mta/queue/queue.c - start of the queue process, its rules. */
#include "mta/queue/queue.h"

#include "lib/base/check.h"
#include "lib/rt/log.h"
#include "lib/rt/net.h"
#include "mta/queue/message_replay.h"
#include "mta/queue/queue_private.h"

#include <unistd.h>

enum {
	MAX_ACCEPTS = 20000,
	MAX_COMMANDS = 16,
	MAX_TRACES = 2, // each reads all of the files
	THREADS = 4,	// one flushes, others prepare segments
	BEGIN_RETRY_S = 1,
	STOP_WAIT_S = 8, // out's time and some more, less than the parent's
	STOP_LOOK_MS = 10,
};

struct queue queue;

static const struct chan_rule from_in[] = {
	{ QUEUE_ACCEPT, QUEUE_ENVELOPE_MAX_OCTETS, MAX_ACCEPTS, false,
	  accept_serve, "queue.accept" },
	{ 0 },
};

static const struct chan_rule from_operator[] = {
	{ QUEUE_LIST, 16, MAX_COMMANDS, false, command_list, "queue.list" },
	{ QUEUE_FLUSH, 1024, MAX_COMMANDS, false, command_flush,
	  "queue.flush" },
	{ QUEUE_CHANGE, 1024, MAX_COMMANDS, false, command_change,
	  "queue.change" },
	{ QUEUE_TRACE, 1024, MAX_TRACES, false, command_trace, "queue.trace" },
	{ QUEUE_SHOW, 64, MAX_COMMANDS, false, command_show, "queue.show" },
	{ QUEUE_STATUS, 16, MAX_COMMANDS, false, command_status,
	  "queue.status" },
	{ 0 },
};

static void
on_found(void *arg, enum record_type type, struct str body, bool is_whole,
	 uint64_t segment, uint64_t offset)
{
	message_replay(arg, type, body, is_whole, segment, offset);
}

static void
in_is_gone(struct chan *chan UNUSED, void *owner UNUSED)
{
	queue.n_ins--;
}

static void
on_incoming(struct role *role UNUSED, enum service from, int fd)
{
	check(from == SERVICE_IN);
	queue.n_ins++;
	chan_new(fd, false, from_in, in_is_gone, NULL, "in");
}

static void
on_operator(int fd, const union address_any *peer UNUSED, void *arg UNUSED)
{
	role_serve_peer(fd, from_operator, NULL, "operator", "queue.untrusted");
}

/* It knows nothing yet. */
static void
out_is_new(struct chan *chan UNUSED, void *told)
{
	*(uint64_t *)told = 0;
}

static void
sync_repeats(struct co *co, void *arg)
{
	repeats_sync(co, arg);
}

static void
begin(struct co *co, void *arg UNUSED)
{
	struct queued *q, *next;

	/* On a full disk, until there is room: nobody needs to come. */
	while (spool_begin(co, queue.table.spool) != OK) {
		log_error("queue.no-segment",
			  FC("hint", "the queue's disk is full or broken"));
		if (co_sleep_until(co, in_s(BEGIN_RETRY_S)) != OK)
			return;
	}
	queue.is_started = true;
	gate_wake_all(&queue.started);
	/* The first try needs the settings; accepting does not. */
	while (settings_wait(co, NEVER_US) != OK)
		;
	log_info("queue.start", FN("messages", queue.table.n));
	schedule_start();
	history_start(queue.history);
	clock_file_start(queue.clock_file);
	for (q = TAILQ_FIRST(&queue.table.all); q != NULL; q = next) {
		next = TAILQ_NEXT(q, link);
		if (q->state == STATE_WAITS && !q->is_active &&
		    !heap_has(&q->due))
			schedule_at(q, q->next_try_us);
	}
}

static void
stop_at_last(struct co *co, void *arg UNUSED)
{
	if (co_sleep_until(co, in_s(STOP_WAIT_S)) == OK)
		loop_stop();
}

/* Out ends what it works at: its results, and the reports that are made of
 * them, are waited for. Else the next start would deliver it again. */
static void
stop_slowly(struct co *co, void *arg UNUSED)
{
	do {
		if (co_sleep_until(co, in_ms(STOP_LOOK_MS)) != OK)
			break;
		/* `in` goes when it has its answers; until then it may have
		 * mail for us, and promises of a reply. */
	} while (queue.n_delivering > 0 || queue.n_accepts > 0 ||
		 queue.n_ins > 0);
	spool_settle(co, queue.table.spool);
	spool_settle(co, queue.table.spool); // what the first made possible
	history_settle(co, queue.history);
	loop_stop();
}

static void
on_stop(struct role *role UNUSED)
{
	if (queue.is_stopping)
		return;
	queue.is_stopping = true;
	if (!queue.is_started ||
	    co_spawn(stop_at_last, NULL, "queue.last") == NULL ||
	    co_spawn(stop_slowly, NULL, "queue.stop") == NULL)
		loop_stop();
}

void
queue_start(struct role *role)
{
	char dir[1024];

	queue.role = role;
	offload_set_threads(THREADS);
	message_table_init(&queue.table);
	gate_init(&queue.started);
	snprintf(dir, sizeof(dir), "%s/spool", role->options->state_dir);
	queue.table.repeats = repeats_open(dir);
	if (spool_open(dir, on_found, &queue.table, &queue.table.spool) != OK)
		exit(1);
	message_replay_end(&queue.table);
	queue.history = history_open(dir);
	queue.clock_file = clock_file_open(dir, &queue.age);
	spool_before_free(queue.table.spool, sync_repeats, queue.table.repeats);
	confine_paths((const char *const[]) { dir, NULL }, NULL);
	queue.router = peer_new(SERVICE_ROUTER, 0, NULL);
	queue.n_outs = role->options->n_out;
	queue.outs = must_alloc(queue.n_outs * sizeof(*queue.outs));
	queue.told = must_alloc(queue.n_outs * sizeof(*queue.told));
	for (unsigned i = 0; i < queue.n_outs; i++) {
		queue.outs[i] = peer_new(SERVICE_OUT, i, NULL);
		peer_on_connect(queue.outs[i], out_is_new, &queue.told[i]);
	}
	settings_follow(queue.router, NULL, NULL);
	role->incoming = on_incoming;
	role->stop = on_stop;
	if (role->unix_fd >= 0)
		listener_new(role->unix_fd, on_operator, NULL);
	check(co_spawn(begin, NULL, "queue.begin") != NULL);
}
