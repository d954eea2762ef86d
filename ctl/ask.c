/* SPDX-License-Identifier: MIT
 * ctl/ask.c - questions to the queue. */
#include "ctl/ask.h"

#include "lib/rt/log.h"

#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum { KEY_MAX_OCTETS = 512 };

enum err
ask_queue_again(struct co *co, struct chan *chan, enum queue_type type,
		struct str body, uint64_t *n_out)
{
	struct frame f;
	enum err e = chan_ask(co, chan, (uint16_t)type, body,
			      in_s(ASK_TIMEOUT_S), &f);

	if (e != OK)
		return e;
	e = f.type == QUEUE_COUNT ? queue_read_count(f.body, n_out)
				  : ERR_FORMAT;
	frame_release(&f);
	return e;
}

struct question {
	enum queue_type type;
	struct str body;
	uint64_t *n_out;
};

static enum err
ask(struct co *co, struct chan *chan, void *arg)
{
	struct question *q = arg;

	return ask_queue_again(co, chan, q->type, q->body, q->n_out);
}

enum err
ask_queue(const struct options *o, enum queue_type type, struct str body,
	  uint64_t *n_out)
{
	struct question q = { type, body, n_out };

	*n_out = 0;
	return client_ask(o, SERVICE_QUEUE, ask, &q);
}

enum err
ask_change(const struct options *o, enum queue_change what, uint8_t states,
	   const char *id, uint64_t *n_out)
{
	struct buf body = BUF_INIT(KEY_MAX_OCTETS);
	enum err e;

	*n_out = 0;
	if (id != NULL && (id[0] == '\0' || str_c(id).n > QUEUE_ID_OCTETS))
		return OK; // nothing has such an id
	queue_put_change(&body, what, states, str_c(id));
	e = ask_queue(o, QUEUE_CHANGE, buf_str(&body), n_out);
	buf_release(&body);
	return e;
}

enum err
ask_flush(const struct options *o, enum queue_flush what, const char *key,
	  uint64_t *n_out)
{
	struct buf body = BUF_INIT(KEY_MAX_OCTETS * 2);
	enum err e;

	queue_put_flush(&body, what, str_first(str_c(key), KEY_MAX_OCTETS));
	e = ask_queue(o, QUEUE_FLUSH, buf_str(&body), n_out);
	buf_release(&body);
	return e;
}

enum err
ask_frames(struct co *co, struct chan *chan, enum queue_type type,
	   struct str body, ask_frame_fn *take, void *arg)
{
	struct call *call = call_open(chan);
	enum err e = ERR_UNAVAILABLE;

	if (call != NULL)
		e = call_send(co, call, type, body, -1, true,
			      in_s(ASK_TIMEOUT_S));
	while (e == OK) {
		struct frame f;

		e = call_recv(co, call, in_s(ASK_TIMEOUT_S), &f);
		if (e != OK)
			break;
		e = take(arg, &f);
		frame_release(&f);
	}
	call_free(&call);
	return e == ERR_EOF ? OK : e;
}

struct events_question {
	ask_event_fn *take;
	void *arg;
};

static enum err
take_events(void *arg, const struct frame *f)
{
	const struct events_question *q = arg;
	struct str row = f->body;
	struct queue_event event;
	enum err e = f->type == QUEUE_EVENTS ? OK : ERR_FORMAT;

	while (row.n > 0 && e == OK) {
		e = queue_next_event(&row, &event);
		if (e == OK)
			q->take(q->arg, &event);
	}
	return e;
}

enum err
ask_events(struct co *co, struct chan *chan, const char *key,
	   ask_event_fn *take, void *arg)
{
	struct events_question q = { take, arg };

	return ask_frames(co, chan, QUEUE_TRACE, str_c(key), take_events, &q);
}

int
ask_failed(const struct options *o, const char *who, enum err e, int no)
{
	if (e == ERR_UNAVAILABLE && no == 0)
		fprintf(stderr,
			"%s: the queue hung up: it answers root and its own "
			"user only\n",
			who);
	else
		fprintf(stderr,
			"%s: mail system is down (%s/queue.sock: %s); mailctl "
			"run starts it, ESTAFETA_RUN says where its sockets "
			"are\n",
			who, o->run_dir, no ? strerror(no) : err_text(e));
	return EX_UNAVAILABLE;
}

void
ask_environment(struct options *o, char **argv)
{
	options_read(o, 1, argv, "");
	log_open("mailctl", LOG_ERROR);
	optind = 0; // getopt begins anew
}
