/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_ipc.c - decoders of messages between roles. The first octet
 * chooses one. Each value has one encoding: what was read, put again, must be
 * the octets that came. */
#include "lib/base/check.h"
#include "lib/ipc/auth.h"
#include "lib/ipc/envelope.h"
#include "lib/ipc/frame.h"
#include "lib/ipc/out.h"
#include "lib/ipc/policy.h"
#include "lib/ipc/queue.h"
#include "lib/ipc/router.h"
#include "lib/ipc/service.h"
#include "lib/ipc/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_OCTETS = 1 << 20, OUT_OCTETS = 8 << 20 };

/* ERR_FORMAT and the like when in is no such message; else it is in out. */
typedef enum err again_fn(struct str in, struct arena *arena, struct buf *out);

#define AGAIN(name, type, read, put)                                    \
	static enum err name(struct str in, struct arena *arena UNUSED, \
			     struct buf *out)                           \
	{                                                               \
		struct type m;                                          \
		enum err e = read;                                      \
                                                                        \
		if (e == OK)                                            \
			put(out, &m);                                   \
		return e;                                               \
	}

AGAIN(check_again, auth_check, auth_read_check(in, &m), auth_put_check)
AGAIN(scram_again, auth_scram, auth_read_scram(in, &m), auth_put_scram)
AGAIN(auth_again, auth_answer, auth_read_answer(in, &m), auth_put_answer)
AGAIN(envelope_again, envelope, envelope_read(in, arena, &m), envelope_put)
AGAIN(job_again, out_job, out_read_job(in, arena, &m), out_put_job)
AGAIN(result_again, out_result, out_read_result(in, &m), out_put_result)
AGAIN(dns_again, dns_answer, dns_read_answer(in, arena, &m), dns_put_answer)
static enum err
entry_again(struct str in, struct arena *arena, struct buf *out)
{
	enum err e = OK;

	while (in.n > 0 && e == OK) {
		struct queue_entry m;

		e = queue_read_entry(&in, arena, &m);
		if (e == OK)
			queue_put_entry(out, &m);
	}
	return e;
}

AGAIN(event_again, queue_event, queue_read_event(in, &m), queue_put_event)

static enum err
change_again(struct str in, struct arena *arena UNUSED, struct buf *out)
{
	enum queue_change what;
	uint8_t states;
	struct str id;
	enum err e = queue_read_change(in, &what, &states, &id);

	if (e == OK)
		queue_put_change(out, what, states, id);
	return e;
}

AGAIN(ask_again, router_ask, router_read_ask(in, &m), router_put_ask)
AGAIN(verdict_again, router_verdict, router_read_verdict(in, &m),
      router_put_verdict)
AGAIN(route_again, router_route, router_read_route(in, &m), router_put_route)
AGAIN(quota_again, router_quota, router_read_quota(in, &m), router_put_quota)
AGAIN(snapshot_again, router_snapshot, router_read_snapshot(in, &m),
      router_put_snapshot)
AGAIN(command_again, store_command, store_read_command(in, &m),
      store_put_command)
AGAIN(append_again, store_append, store_read_append(in, &m), store_put_append)
AGAIN(done_again, store_done, store_read_done(in, &m), store_put_done)
AGAIN(body_again, store_body, store_read_body(in, &m), store_put_body)
AGAIN(pipe_again, store_pipe, store_read_pipe(in, &m), store_put_pipe)
AGAIN(delivery_again, store_delivery, store_read_delivery(in, arena, &m),
      store_put_delivery)
AGAIN(answer_again, store_answer, store_read_answer(in, &m), store_put_answer)
AGAIN(policy_ask_again, policy_ask, policy_read_ask(in, arena, &m),
      policy_put_ask)
AGAIN(policy_answer_again, policy_answer, policy_read_answer(in, arena, &m),
      policy_put_answer)
AGAIN(control_again, control, control_read(in, &m), control_put)

static enum err
flush_again(struct str in, struct arena *arena UNUSED, struct buf *out)
{
	enum queue_flush what;
	struct str key;
	enum err e = queue_read_flush(in, &what, &key);

	if (e == OK)
		queue_put_flush(out, what, key);
	return e;
}

static enum err
room_again(struct str in, struct arena *arena UNUSED, struct buf *out)
{
	struct str mailbox;
	uint64_t n_octets;
	enum err e = store_read_room(in, &mailbox, &n_octets);

	if (e == OK)
		store_put_room(out, mailbox, n_octets);
	return e;
}

/* A head has no end of its own; what follows it is left alone. */
static enum err
head_again(struct str in, struct arena *arena UNUSED, struct buf *out)
{
	struct frame_head head;
	enum err e = frame_read_head(in, &head);

	if (e != OK)
		return e;
	frame_put_head(out, &head);
	buf_put(out, str_from(in, FRAME_HEAD_OCTETS));
	return OK;
}

static again_fn *const all[] = {
	scram_again,	check_again,	  auth_again,	       envelope_again,
	job_again,	result_again,	  dns_again,	       entry_again,
	ask_again,	verdict_again,	  route_again,	       quota_again,
	snapshot_again, command_again,	  append_again,	       done_again,
	body_again,	delivery_again,	  answer_again,	       control_again,
	flush_again,	room_again,	  head_again,	       change_again,
	event_again,	policy_ask_again, policy_answer_again, pipe_again,
};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = ARENA_INIT(ARENA_OCTETS);
	struct buf out = BUF_INIT(OUT_OCTETS);
	struct str in;

	if (size == 0)
		return 0;
	in = str_of(data + 1, size - 1);
	if (all[data[0] % (sizeof(all) / sizeof(*all))](in, &arena, &out) == OK)
		check(str_eq(buf_str(&out), in));
	buf_release(&out);
	arena_release(&arena);
	return 0;
}
