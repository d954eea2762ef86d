/* SPDX-License-Identifier: MIT
 * lib/rt/role.c - the child's side: the parent's messages, channels to others.
 */
#include "lib/rt/role.h"

#include "lib/base/check.h"
#include "lib/rt/log.h"
#include "lib/rt/role_private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

enum {
	RETRY_MS = 50,
	/* The parent drops an answer when our socket is full, which some
	 * hundred packets do. */
	MAX_ASKED = 64,
};

struct request {
	TAILQ_ENTRY(request) link;
	enum service to;
	unsigned copy;
	bool is_answered;
	int fd;
	struct co *co;
};

static struct {
	struct role *role;
	int control_fd;
	uv_poll_t poll;
	uid_t uid; // the filter may close before it is asked for
	TAILQ_HEAD(, request) requests;
	unsigned n_asked; // answers that are still to come
	struct gate may_ask;
	bool is_stopping;
} me;

/* Without a parent there is nothing to do. */
NORETURN static void
leave_orphaned(void)
{
	log_flush();
	_exit(1);
}

/* False when the parent has too much to read already. */
static bool
send_control(enum control_type type, uint8_t what, uint8_t copy)
{
	struct control message = { type, what, copy };
	struct buf b = BUF_INIT(CONTROL_MAX_OCTETS);
	ssize_t n;

	control_put(&b, &message);
	n = send(me.control_fd, b.p, b.n, MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN)
		leave_orphaned();
	buf_release(&b);
	return n > 0;
}

/* Every answer serves the oldest request of its kind. */
static void
on_connected(const struct control *message, int fd)
{
	struct request *r;

	if (me.n_asked > 0)
		me.n_asked--;
	gate_wake_one(&me.may_ask);
	TAILQ_FOREACH (r, &me.requests, link) {
		if (r->is_answered || r->to != message->what ||
		    r->copy != message->copy)
			continue;
		r->is_answered = true;
		r->fd = fd;
		co_wake(r->co);
		return;
	}
	if (fd >= 0)
		close(fd);
}

static void
on_message(const struct control *message, int fd)
{
	struct role *role = me.role;

	switch (message->type) {
	case CONTROL_CONNECTED:
		on_connected(message, fd);
		return;
	case CONTROL_INCOMING:
		check(fd >= 0 && role->incoming != NULL);
		role->incoming(role, message->what, fd);
		return;
	case CONTROL_FILE:
		check(fd >= 0 && role->file != NULL);
		role->file(role, message->what, fd);
		return;
	case CONTROL_STOP:
		me.is_stopping = true;
		if (role->stop != NULL)
			role->stop(role);
		else
			loop_stop();
		return;
	case CONTROL_CONNECT:
	case CONTROL_READY:
	case CONTROL_TYPES:
		check_failed("message for the parent", __FILE__, __LINE__);
	}
}

static void
on_control(uv_poll_t *poll UNUSED, int status UNUSED, int events UNUSED)
{
	for (;;) {
		char packet[CONTROL_MAX_OCTETS];
		struct control message;
		int fd = -1;
		ssize_t n = control_receive(me.control_fd, packet, &fd);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			leave_orphaned();
		check(control_read(str_of(packet, (size_t)n), &message) == OK);
		on_message(&message, fd);
	}
}

void
role_open(struct role *role, int control_fd)
{
	me.role = role;
	me.control_fd = control_fd;
	me.uid = geteuid();
	TAILQ_INIT(&me.requests);
	gate_init(&me.may_ask);
	fcntl(control_fd, F_SETFL, fcntl(control_fd, F_GETFL) | O_NONBLOCK);
	check(uv_poll_init(loop_uv(), &me.poll, control_fd) == 0);
	check(uv_poll_start(&me.poll, UV_READABLE, on_control) == 0);
}

void
role_say_ready(void)
{
	check(send_control(CONTROL_READY, 0, 0));
}

/* Of a process that is not dumpable, the files in /proc are root's. Roles are
 * not, for good: confine_user(), and the filter refuses to change it. What
 * cannot be seen (no /proc, a process outside of the container) says nothing.
 */
static bool
is_role(pid_t pid)
{
	char path[40];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	return stat(path, &st) == 0 && st.st_uid != me.uid;
}

bool
unix_peer_is_trusted(int fd)
{
	struct ucred who;
	socklen_t n = sizeof(who);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) != 0)
		return false;
	return who.uid == 0 || (who.uid == me.uid && !is_role(who.pid));
}

void
role_serve_peer(int fd, const struct chan_rule *rules, void *owner,
		const char *name, const char *refused_event)
{
	if (!unix_peer_is_trusted(fd)) {
		log_warn(refused_event);
		close(fd);
		return;
	}
	chan_new(fd, false, rules, NULL, owner, name);
}

/* One question; *fd_out is -1 when the answer was no. */
static enum err
ask_parent(struct co *co, enum service to, unsigned copy, int64_t deadline_us,
	   int *fd_out)
{
	struct request r = { .to = to, .copy = copy, .fd = -1, .co = co };
	enum err e = OK;

	*fd_out = -1;
	while (me.n_asked >= MAX_ASKED) {
		e = gate_wait(co, &me.may_ask, deadline_us);
		if (e != OK)
			return e;
	}
	if (!send_control(CONTROL_CONNECT, (uint8_t)to, (uint8_t)copy))
		return OK;
	me.n_asked++;
	TAILQ_INSERT_TAIL(&me.requests, &r, link);
	while (!r.is_answered && e == OK)
		e = co_wait(co, deadline_us);
	TAILQ_REMOVE(&me.requests, &r, link);
	*fd_out = r.fd;
	return r.fd >= 0 ? OK : e;
}

enum err
role_connect(struct co *co, enum service to, unsigned copy, int64_t deadline_us,
	     int *fd_out)
{
	for (;;) {
		enum err e = ask_parent(co, to, copy, deadline_us, fd_out);

		if (*fd_out >= 0)
			return OK;
		/* Who is gone while all stop does not come back. */
		if (e == OK)
			e = me.is_stopping || now_us() >= deadline_us
				    ? ERR_UNAVAILABLE
				    : co_sleep_until(co, in_ms(RETRY_MS));
		if (e != OK)
			return e == ERR_TIMEOUT ? ERR_UNAVAILABLE : e;
	}
}

struct peer {
	enum service to;
	unsigned copy;
	const struct chan_rule *rules;
	struct chan *chan;
	bool is_connecting;
	struct gate gate;
	void (*connected)(struct chan *chan, void *arg);
	void *arg;
};

struct peer *
peer_new(enum service to, unsigned copy, const struct chan_rule *rules)
{
	struct peer *peer = must_alloc(sizeof(*peer));

	peer->to = to;
	peer->copy = copy;
	peer->rules = rules;
	gate_init(&peer->gate);
	return peer;
}

static void
on_closed(struct chan *chan, void *owner)
{
	struct peer *peer = owner;

	if (peer->chan == chan)
		peer->chan = NULL;
}

static enum err
connect_peer(struct co *co, struct peer *peer, int64_t deadline_us)
{
	int fd;
	enum err e;

	peer->is_connecting = true;
	e = role_connect(co, peer->to, peer->copy, deadline_us, &fd);
	peer->is_connecting = false;
	if (e == OK) {
		peer->chan = chan_new(fd, true, peer->rules, on_closed, peer,
				      service_name(peer->to));
		if (peer->connected != NULL)
			peer->connected(peer->chan, peer->arg);
	}
	gate_wake_all(&peer->gate);
	return e;
}

enum err
peer_chan(struct co *co, struct peer *peer, int64_t deadline_us,
	  struct chan **out)
{
	while (peer->chan == NULL || chan_is_closed(peer->chan)) {
		enum err e;

		if (peer->is_connecting)
			e = gate_wait(co, &peer->gate, deadline_us);
		else
			e = connect_peer(co, peer, deadline_us);
		if (e != OK)
			return e == ERR_TIMEOUT ? ERR_UNAVAILABLE : e;
	}
	*out = peer->chan;
	return OK;
}

enum err
peer_ask(struct co *co, struct peer *peer, uint16_t type, struct str body,
	 int64_t deadline_us, struct frame *out)
{
	enum err e = ERR_UNAVAILABLE;

	*out = (struct frame) { .fd = -1 };
	for (int i = 0; i < 2 && e == ERR_UNAVAILABLE; i++) {
		struct chan *chan;

		e = peer_chan(co, peer, deadline_us, &chan);
		if (e != OK)
			return e;
		e = chan_ask(co, chan, type, body, deadline_us, out);
	}
	return e;
}

void
peer_on_connect(struct peer *peer,
		void (*connected)(struct chan *chan, void *arg), void *arg)
{
	peer->connected = connected;
	peer->arg = arg;
}
