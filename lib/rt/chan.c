/* SPDX-License-Identifier: MIT
 * lib/rt/chan.c - calls and frames over a unix socket.
 *
 * Process: all.  Format: lib/ipc/frame.h.
 * Owns: the socket, its poll handle, the calls' queues, descriptors in flight.
 * Invariants:
 *  (1) A call is in chan->calls from open to call_free(); frames for unknown
 *      calls are dropped (the reader was faster in leaving).
 *  (2) The cost of frames sent and not yet credited is <= WINDOW + one frame,
 *      except for call_post(). Both sides reckon cost_of() alike.
 *  (3) A frame's descriptor leaves with its first octet or before it, in the
 *      order of the frames; at most MAX_FDS_PER_READ are ahead.
 */
#include "lib/rt/chan.h"

#include "lib/base/check.h"
#include "lib/base/map.h"
#include "lib/ipc/frame.h"
#include "lib/rt/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <uv.h>

enum {
	WINDOW_OCTETS = 512 * 1024,
	CREDIT_AT_OCTETS = WINDOW_OCTETS / 2,
	FRAME_COST_OCTETS = 128,	       // empty frames take memory, too
	FD_COST_OCTETS = 8 * 1024,	       // 64 descriptors fill a window
	UNREAD_MAX_OCTETS = 8 * WINDOW_OCTETS, // of a call that the peer opened
	READ_OCTETS = 64 * 1024,
	MAX_READS_PER_EVENT = 8,
	OUT_MAX_OCTETS = 512 << 20, // a bug guard: windows keep it far below
	MAX_FDS_PER_READ = 16,
	FD_QUEUE = 64,
	FD_QUEUE_POSTS = 16, // of them, room that call_send() leaves
	SHRINK_AT_OCTETS = 256 * 1024,
};
static const uint32_t opener_bit = 0x80000000u;

struct inbound {
	STAILQ_ENTRY(inbound) link;
	struct frame frame;
};

struct call {
	struct chan *chan;
	TAILQ_ENTRY(call) link;
	uint32_t id;
	const struct chan_rule *rule; // NULL when this side opened it
	bool has_opened;	      // the first frame was sent
	bool is_sent_end, is_recv_end;
	bool is_peer_gone;  // nobody there reads or credits any more
	size_t in_flight;   // cost of what was sent without credit
	size_t owed_credit; // cost of what was taken, not yet credited
	size_t unread;	    // cost of the inbox
	STAILQ_HEAD(, inbound) inbox;
	struct gate has_input;
	struct gate has_credit;
	struct co *listener;
};

struct pending_fd {
	size_t at; // offset in out of the frame's first octet
	int fd;
};

struct chan {
	int fd;
	uv_poll_t *poll;
	int events;
	bool is_opener, is_closed, is_told;
	const struct chan_rule *rules;
	uint32_t *n_open; // per rule
	chan_closed_fn *closed;
	void *owner;
	const char *name;
	TAILQ_HEAD(, call) calls;
	struct map by_id;
	uint32_t next_id;
	struct buf in, out;
	size_t out_at; // sent up to here
	struct pending_fd out_fds[FD_QUEUE];
	size_t n_out_fds;
	size_t fds_ahead_to;	 // in out: the descriptors up to here have left
	struct gate has_fd_room; // in out_fds
	int in_fds[FD_QUEUE];
	size_t n_in_fds;
	uv_prepare_t *flusher; // joins the frames of one loop turn
	bool is_flush_due;
};

void
frame_release(struct frame *f)
{
	free(f->memory);
	if (f->fd >= 0)
		close(f->fd);
	*f = (struct frame) { .fd = -1 };
}

static void
free_handle(uv_handle_t *handle)
{
	free(handle);
}

static struct str
id_key(const uint32_t *id)
{
	return str_of(id, sizeof(*id));
}

static void
free_chan_if_over(struct chan *chan)
{
	if (!chan->is_told || !TAILQ_EMPTY(&chan->calls))
		return;
	map_release(&chan->by_id);
	buf_release(&chan->in);
	buf_release(&chan->out);
	free(chan->n_open);
	free(chan);
}

static void
forget_fds(struct chan *chan, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close(chan->out_fds[i].fd);
	chan->n_out_fds -= n;
	memmove(chan->out_fds, chan->out_fds + n,
		chan->n_out_fds * sizeof(*chan->out_fds));
}

static void
close_fds(struct chan *chan)
{
	for (size_t i = 0; i < chan->n_in_fds; i++)
		close(chan->in_fds[i]);
	chan->n_in_fds = 0;
	forget_fds(chan, chan->n_out_fds);
}

static void
tell_closed(struct co *co UNUSED, void *arg)
{
	struct chan *chan = arg;

	if (chan->closed != NULL)
		chan->closed(chan, chan->owner);
	chan->is_told = true;
	free_chan_if_over(chan);
}

static size_t
cost_of(size_t body_octets, bool has_fd, uint32_t weight)
{
	return FRAME_COST_OCTETS + body_octets +
	       (has_fd ? FD_COST_OCTETS + weight : 0);
}

static size_t
cost_of_frame(const struct frame *f)
{
	return cost_of(f->body.n, f->fd >= 0, f->weight);
}

/* Something came for it, or nothing ever will. */
static void
wake_call(struct call *call)
{
	gate_wake_all(&call->has_input);
	if (call->listener != NULL)
		co_wake(call->listener);
}

void
chan_close(struct chan *chan)
{
	struct call *call;

	if (chan->is_closed)
		return;
	chan->is_closed = true;
	uv_poll_stop(chan->poll);
	uv_close((uv_handle_t *)chan->poll, free_handle);
	uv_prepare_stop(chan->flusher);
	uv_close((uv_handle_t *)chan->flusher, free_handle);
	close(chan->fd);
	close_fds(chan);
	gate_wake_all(&chan->has_fd_room);
	TAILQ_FOREACH (call, &chan->calls, link) {
		wake_call(call);
		gate_wake_all(&call->has_credit);
	}
	check(co_spawn(tell_closed, chan, "chan.closed") != NULL);
}

bool
chan_is_closed(const struct chan *chan)
{
	return chan->is_closed;
}

/* The peer did what the rules do not allow. */
static void
end_peer(struct chan *chan, const char *why)
{
	log_error("chan.refused", FC("chan", chan->name), FC("why", why));
	chan_close(chan);
}

static void watch(struct chan *chan, int events);

/* Sends out->[out_at..] with the descriptors of all frames in it, or up to the
 * frame whose descriptor is one too many. */
static ssize_t
send_some(struct chan *chan)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(MAX_FDS_PER_READ * sizeof(int))];
	} control = { 0 };
	size_t n_fds = 0, end = chan->fds_ahead_to;
	struct iovec iov = { chan->out.p + chan->out_at, 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (end <= chan->out_at) {
		n_fds = chan->n_out_fds < MAX_FDS_PER_READ ? chan->n_out_fds
							   : MAX_FDS_PER_READ;
		end = n_fds < chan->n_out_fds ? chan->out_fds[n_fds].at
					      : chan->out.n;
	}
	iov.iov_len = end - chan->out_at;
	if (n_fds > 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		for (size_t i = 0; i < n_fds; i++)
			memcpy(CMSG_DATA(&control.head) + i * sizeof(int),
			       &chan->out_fds[i].fd, sizeof(int));
	}
	n = sendmsg(chan->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n > 0 && n_fds > 0) {
		forget_fds(chan, n_fds);
		chan->fds_ahead_to = end;
	}
	return n;
}

static bool
has_fd_room(const struct chan *chan)
{
	return chan->n_out_fds < FD_QUEUE - FD_QUEUE_POSTS;
}

/* The peer reads no more. What it said before lies in the socket still;
 * on_event reads that, and then the end, which closes the channel. */
static void
drop_output(struct chan *chan)
{
	forget_fds(chan, chan->n_out_fds);
	chan->out_at = chan->out.n;
}

static void
forget_sent(struct chan *chan)
{
	if (chan->out_at == chan->out.n) {
		chan->out_at = chan->out.n = chan->fds_ahead_to = 0;
		if (chan->out.cap > SHRINK_AT_OCTETS)
			buf_release(&chan->out);
		return;
	}
	/* Moving no more than was sent since the last time: linear. */
	if (chan->out_at < SHRINK_AT_OCTETS ||
	    chan->out_at < chan->out.n - chan->out_at)
		return;
	buf_shift(&chan->out, chan->out_at);
	for (size_t i = 0; i < chan->n_out_fds; i++)
		chan->out_fds[i].at -= chan->out_at;
	chan->fds_ahead_to -= chan->fds_ahead_to < chan->out_at
				      ? chan->fds_ahead_to
				      : chan->out_at;
	chan->out_at = 0;
}

static void
flush(struct chan *chan)
{
	while (chan->out_at < chan->out.n) {
		ssize_t n = send_some(chan);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) {
			drop_output(chan);
			break;
		}
		if (n < 0) {
			log_error("chan.send", FC("chan", chan->name),
				  FERRNO(errno));
			chan_close(chan);
			return;
		}
		chan->out_at += (size_t)n;
	}
	forget_sent(chan);
	if (has_fd_room(chan))
		gate_wake_all(&chan->has_fd_room);
	watch(chan, UV_READABLE | (chan->out.n > 0 ? UV_WRITABLE : 0));
}

static void
on_prepare(uv_prepare_t *flusher)
{
	struct chan *chan = flusher->data;

	uv_prepare_stop(flusher);
	chan->is_flush_due = false;
	flush(chan);
}

/* The descriptor of the frame that is put next. */
static enum err
put_fd(struct chan *chan, int fd)
{
	if (chan->n_out_fds == FD_QUEUE)
		return ERR_IO;
	chan->out_fds[chan->n_out_fds++] =
		(struct pending_fd) { chan->out.n, fd };
	return OK;
}

static void
put_frame(struct chan *chan, const struct frame_head *head, struct str body)
{
	frame_put_head(&chan->out, head);
	buf_put(&chan->out, body);
	if (!chan->is_flush_due) {
		chan->is_flush_due = true;
		uv_prepare_start(chan->flusher, on_prepare);
	}
}

static void
give_credit(struct call *call)
{
	struct frame_head head = { .call = call->id, .flags = FRAME_CREDIT };

	if (call->owed_credit < CREDIT_AT_OCTETS || call->is_recv_end ||
	    call->chan->is_closed)
		return;
	head.credit = (uint32_t)call->owed_credit;
	call->owed_credit = 0;
	put_frame(call->chan, &head, STR_NONE);
	flush(call->chan); // the peer goes on while we work on what it sent
}

static struct call *
new_call(struct chan *chan, uint32_t id)
{
	struct call *call = must_alloc(sizeof(*call));

	call->chan = chan;
	call->id = id;
	STAILQ_INIT(&call->inbox);
	gate_init(&call->has_input);
	gate_init(&call->has_credit);
	TAILQ_INSERT_TAIL(&chan->calls, call, link);
	map_set(&chan->by_id, id_key(&call->id), call);
	return call;
}

struct call *
call_open(struct chan *chan)
{
	if (chan->is_closed)
		return NULL;
	/* An id is free again long before 2^31 others were used. */
	do
		chan->next_id = (chan->next_id + 1) & ~opener_bit;
	while (map_get(
		&chan->by_id,
		id_key(&(uint32_t) { chan->next_id |
				     (chan->is_opener ? opener_bit : 0) })));
	return new_call(chan,
			chan->next_id | (chan->is_opener ? opener_bit : 0));
}

/* Unless both sides have ended. */
static void
say_gone(struct call *call)
{
	struct frame_head head = { .call = call->id, .flags = FRAME_GONE };

	if (call->chan->is_closed || call->is_peer_gone ||
	    (!call->has_opened && call->rule == NULL) ||
	    (call->is_sent_end && call->is_recv_end))
		return;
	put_frame(call->chan, &head, STR_NONE);
}

void
call_free(struct call **call_ref)
{
	struct call *call = *call_ref;
	struct inbound *in;
	struct chan *chan;

	if (call == NULL)
		return;
	*call_ref = NULL;
	chan = call->chan;
	say_gone(call);
	while ((in = STAILQ_FIRST(&call->inbox)) != NULL) {
		STAILQ_REMOVE_HEAD(&call->inbox, link);
		frame_release(&in->frame);
		free(in);
	}
	check(gate_is_empty(&call->has_input));
	check(gate_is_empty(&call->has_credit));
	if (call->rule != NULL)
		chan->n_open[call->rule - chan->rules]--;
	map_remove(&chan->by_id, id_key(&call->id));
	TAILQ_REMOVE(&chan->calls, call, link);
	free(call);
	free_chan_if_over(chan);
}

static enum err
post(struct call *call, uint16_t type, struct str body, int fd, uint32_t weight,
     bool is_end)
{
	struct frame_head head = {
		.body_octets = (uint32_t)body.n,
		.call = call->id,
		.type = type,
		.credit = weight,
	};
	unsigned flags = 0;

	check(body.n <= FRAME_BODY_MAX_OCTETS);
	check(weight <= (fd < 0 ? 0 : FRAME_WEIGHT_MAX_OCTETS));
	check(!call->is_sent_end);
	if (call->chan->is_closed)
		return ERR_UNAVAILABLE;
	if (call->is_peer_gone)
		return ERR_EOF;
	if (fd >= 0 && put_fd(call->chan, fd) != OK)
		return ERR_IO;
	if (!call->has_opened && call->rule == NULL)
		flags |= FRAME_OPEN;
	if (is_end)
		flags |= FRAME_END;
	if (fd >= 0)
		flags |= FRAME_HAS_FD;
	head.flags = (uint8_t)flags;
	call->has_opened = true;
	call->is_sent_end = is_end;
	call->in_flight += cost_of(body.n, fd >= 0, weight);
	put_frame(call->chan, &head, body);
	return OK;
}

static enum err
wait_for_room(struct co *co, struct call *call, bool has_fd,
	      int64_t deadline_us)
{
	struct chan *chan = call->chan;

	while (!chan->is_closed && !call->is_peer_gone) {
		struct gate *gate;
		enum err e;

		if (call->in_flight >= WINDOW_OCTETS)
			gate = &call->has_credit;
		else if (has_fd && !has_fd_room(chan))
			gate = &chan->has_fd_room;
		else
			break;
		e = gate_wait(co, gate, deadline_us);
		if (e != OK)
			return e;
	}
	return OK;
}

/* What was not posted is nobody's. */
static enum err
close_unless_ok(enum err e, int fd)
{
	if (e != OK && fd >= 0)
		close(fd);
	return e;
}

enum err
call_post(struct call *call, uint16_t type, struct str body, int fd,
	  bool is_end)
{
	return close_unless_ok(post(call, type, body, fd, 0, is_end), fd);
}

static enum err
send_weighed(struct co *co, struct call *call, uint16_t type, struct str body,
	     int fd, uint32_t weight, bool is_end, int64_t deadline_us)
{
	enum err e = wait_for_room(co, call, fd >= 0, deadline_us);

	if (e == OK)
		e = post(call, type, body, fd, weight, is_end);
	return close_unless_ok(e, fd);
}

enum err
call_send(struct co *co, struct call *call, uint16_t type, struct str body,
	  int fd, bool is_end, int64_t deadline_us)
{
	return send_weighed(co, call, type, body, fd, 0, is_end, deadline_us);
}

enum err
call_send_heavy(struct co *co, struct call *call, uint16_t type,
		struct str body, int fd, uint32_t weight, int64_t deadline_us)
{
	return send_weighed(co, call, type, body, fd, weight, false,
			    deadline_us);
}

bool
call_has_input(const struct call *call)
{
	return !STAILQ_EMPTY(&call->inbox) || call->is_recv_end ||
	       call->chan->is_closed;
}

enum err
call_recv(struct co *co, struct call *call, int64_t deadline_us,
	  struct frame *out)
{
	struct inbound *in;

	*out = (struct frame) { .fd = -1 };
	while (!call_has_input(call)) {
		enum err e = gate_wait(co, &call->has_input, deadline_us);

		if (e != OK)
			return e;
	}
	in = STAILQ_FIRST(&call->inbox);
	if (in == NULL)
		return call->is_recv_end ? ERR_EOF : ERR_UNAVAILABLE;
	STAILQ_REMOVE_HEAD(&call->inbox, link);
	*out = in->frame;
	free(in);
	call->unread -= cost_of_frame(out);
	call->owed_credit += cost_of_frame(out);
	give_credit(call);
	return OK;
}

void
call_set_listener(struct call *call, struct co *co)
{
	call->listener = co;
}

struct chan *
call_chan(const struct call *call)
{
	return call->chan;
}

enum err
chan_ask(struct co *co, struct chan *chan, uint16_t type, struct str body,
	 int64_t deadline_us, struct frame *out)
{
	struct call *call = call_open(chan);
	enum err e;

	*out = (struct frame) { .fd = -1 };
	if (call == NULL)
		return ERR_UNAVAILABLE;
	e = call_send(co, call, type, body, -1, true, deadline_us);
	if (e == OK)
		e = call_recv(co, call, deadline_us, out);
	call_free(&call);
	return e == ERR_EOF ? ERR_UNAVAILABLE : e;
}

struct serving {
	struct call *call;
	struct frame first;
};

static void
serve(struct co *co, void *arg)
{
	struct serving *serving = arg;
	struct call *call = serving->call;

	call->rule->serve(co, call, &serving->first, call->chan->owner);
	frame_release(&serving->first);
	call_free(&call);
	free(serving);
}

static const struct chan_rule *
find_rule(const struct chan *chan, uint16_t type)
{
	const struct chan_rule *rule = chan->rules;

	for (; rule != NULL && rule->serve != NULL; rule++)
		if (rule->type == type)
			return rule;
	return NULL;
}

static void
accept_call(struct chan *chan, uint32_t id, struct frame *first)
{
	const struct chan_rule *rule = find_rule(chan, first->type);
	struct serving *serving;
	size_t i;

	if (rule == NULL || first->body.n > rule->max_octets ||
	    (first->fd >= 0 && !rule->may_carry_fd)) {
		frame_release(first);
		end_peer(chan, rule ? rule->name : "unknown message");
		return;
	}
	i = (size_t)(rule - chan->rules);
	if (chan->n_open[i] >= rule->max_calls) {
		frame_release(first);
		end_peer(chan, "too many calls at once");
		return;
	}
	serving = must_alloc(sizeof(*serving));
	serving->call = new_call(chan, id);
	serving->call->rule = rule;
	serving->call->is_recv_end = first->is_end;
	serving->call->owed_credit = cost_of_frame(first);
	serving->first = *first;
	chan->n_open[i]++;
	check(co_spawn(serve, serving, rule->name) != NULL);
	give_credit(serving->call); // the first frame may fill the window
}

static void
deliver_frame(struct call *call, struct frame *f)
{
	const struct chan_rule *rule = call->rule;
	struct inbound *in;

	if (call->is_recv_end ||
	    (rule != NULL && f->body.n > rule->max_octets) ||
	    (rule != NULL && f->fd >= 0 && !rule->may_carry_fd) ||
	    (rule != NULL && call->unread > UNREAD_MAX_OCTETS)) {
		frame_release(f);
		end_peer(call->chan, "frame not allowed in this call");
		return;
	}
	call->is_recv_end = f->is_end;
	if (f->is_end && f->type == 0 && f->body.n == 0) {
		frame_release(f); // only says: over
		wake_call(call);
		return;
	}
	call->unread += cost_of_frame(f);
	in = must_alloc(sizeof(*in));
	in->frame = *f;
	STAILQ_INSERT_TAIL(&call->inbox, in, link);
	wake_call(call);
}

static void
peer_left(struct call *call)
{
	call->is_peer_gone = call->is_recv_end = true;
	wake_call(call);
	gate_wake_all(&call->has_credit);
}

static void
take_credit(struct call *call, uint32_t credit)
{
	call->in_flight -= credit < call->in_flight ? credit : call->in_flight;
	gate_wake_all(&call->has_credit);
}

static void
dispatch(struct chan *chan, const struct frame_head *head, struct str body)
{
	struct call *call = map_get(&chan->by_id, id_key(&head->call));
	bool is_theirs = ((head->call & opener_bit) != 0) != chan->is_opener;
	struct frame f = {
		.type = head->type,
		.is_end = (head->flags & FRAME_END) != 0,
		.fd = -1,
	};

	if (head->flags & FRAME_HAS_FD) {
		if (chan->n_in_fds == 0) {
			end_peer(chan, "descriptor promised, none came");
			return;
		}
		f.fd = chan->in_fds[0];
		f.weight = head->credit;
		chan->n_in_fds--;
		memmove(chan->in_fds, chan->in_fds + 1,
			chan->n_in_fds * sizeof(int));
	}
	if (head->flags & FRAME_CREDIT) {
		if (call != NULL)
			take_credit(call, head->credit);
		return;
	}
	if (head->flags & FRAME_GONE) {
		if (call != NULL)
			peer_left(call);
		return;
	}
	if (body.n > 0) {
		f.memory = must_realloc(NULL, body.n);
		memcpy(f.memory, body.p, body.n);
		f.body = str_of(f.memory, body.n);
	}
	if (head->flags & FRAME_OPEN) {
		if (!is_theirs || call != NULL) {
			frame_release(&f);
			end_peer(chan, "call opened twice");
			return;
		}
		accept_call(chan, head->call, &f);
		return;
	}
	if (call == NULL)
		frame_release(&f);
	else
		deliver_frame(call, &f);
}

static void
parse_input(struct chan *chan)
{
	struct str rest = buf_str(&chan->in);
	struct frame_head head;

	while (!chan->is_closed) {
		enum err e = frame_read_head(rest, &head);

		if (e == ERR_FORMAT) {
			end_peer(chan, "not a frame");
			return;
		}
		if (e != OK || rest.n - FRAME_HEAD_OCTETS < head.body_octets)
			break;
		dispatch(chan, &head,
			 str_sub(rest, FRAME_HEAD_OCTETS, head.body_octets));
		rest = str_from(rest, FRAME_HEAD_OCTETS + head.body_octets);
	}
	buf_shift(&chan->in, chan->in.n - rest.n);
	if (chan->in.n == 0 && chan->in.cap > SHRINK_AT_OCTETS)
		buf_release(&chan->in);
}

static bool
keep_fds(struct chan *chan, struct msghdr *msg)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	bool fits = !(msg->msg_flags & MSG_CTRUNC);

	for (; c != NULL; c = CMSG_NXTHDR(msg, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int),
			       sizeof(int));
			if (chan->n_in_fds == FD_QUEUE) {
				close(fd);
				fits = false;
			} else {
				chan->in_fds[chan->n_in_fds++] = fd;
			}
		}
	}
	return fits;
}

/* False when nothing came. There may be more when the read was full. */
static bool
read_some(struct chan *chan, bool *is_full_out)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(MAX_FDS_PER_READ * sizeof(int))];
	} control;
	struct iovec iov;
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t n;

	*is_full_out = false;
	check(buf_reserve(&chan->in, READ_OCTETS) == OK);
	iov = (struct iovec) { chan->in.p + chan->in.n,
			       chan->in.cap - chan->in.n };
	do
		n = recvmsg(chan->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0) {
		chan_close(chan);
		return false;
	}
	chan->in.n += (size_t)n;
	if (!keep_fds(chan, &msg)) {
		end_peer(chan, "too many descriptors");
		return false;
	}
	*is_full_out = (size_t)n == iov.iov_len;
	parse_input(chan);
	return !chan->is_closed;
}

static void
on_event(uv_poll_t *poll, int status, int events)
{
	struct chan *chan = poll->data;
	bool is_full = true;

	if (status < 0) {
		/* The peer left with our frames unread; its own come first. */
		while (read_some(chan, &is_full))
			;
		chan_close(chan);
		return;
	}
	if (events & UV_READABLE)
		for (int i = 0; i < MAX_READS_PER_EVENT && is_full; i++)
			if (!read_some(chan, &is_full))
				break;
	if (!chan->is_closed && (events & UV_WRITABLE))
		flush(chan);
}

static void
watch(struct chan *chan, int events)
{
	if (chan->events == events)
		return;
	chan->events = events;
	check(uv_poll_start(chan->poll, events, on_event) == 0);
}

struct chan *
chan_new(int fd, bool is_opener, const struct chan_rule *rules,
	 chan_closed_fn *closed, void *owner, const char *name)
{
	struct chan *chan = must_alloc(sizeof(*chan));
	size_t n_rules = 0;

	while (rules != NULL && rules[n_rules].serve != NULL)
		n_rules++;
	chan->fd = fd;
	chan->is_opener = is_opener;
	chan->rules = rules;
	chan->n_open = must_alloc(n_rules * sizeof(*chan->n_open));
	chan->closed = closed;
	chan->owner = owner;
	chan->name = name;
	TAILQ_INIT(&chan->calls);
	gate_init(&chan->has_fd_room);
	buf_init(&chan->in, 2 * FRAME_BODY_MAX_OCTETS + 2 * READ_OCTETS);
	buf_init(&chan->out, OUT_MAX_OCTETS);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	chan->poll = must_alloc(sizeof(*chan->poll));
	chan->flusher = must_alloc(sizeof(*chan->flusher));
	check(uv_poll_init(loop_uv(), chan->poll, fd) == 0);
	chan->poll->data = chan;
	uv_prepare_init(loop_uv(), chan->flusher);
	chan->flusher->data = chan;
	watch(chan, UV_READABLE);
	return chan;
}
