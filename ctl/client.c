/* SPDX-License-Identifier: MIT
 * ctl/client.c - connect, run one coroutine, leave. */
#include "ctl/client.h"

#include "lib/base/check.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int
client_dial(const struct options *o, enum service service)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), saved;

	if (fd < 0)
		return -1;
	snprintf(at.sun_path, sizeof(at.sun_path), "%.90s/%s.sock", o->run_dir,
		 service_name(service));
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* Runs fn(co, arg) in a loop of its own until nothing is left to do. */
static void
client_run(co_fn *fn, void *arg)
{
	signal(SIGPIPE, SIG_IGN);
	loop_init();
	check(co_spawn(fn, arg, "command") != NULL);
	loop_run();
	loop_close();
}

struct question {
	int fd;
	const char *name;
	client_fn *ask;
	void *arg;
	enum err result;
};

static void
put_question(struct co *co, void *arg)
{
	struct question *q = arg;
	struct chan *chan = chan_new(q->fd, true, NULL, NULL, NULL, q->name);

	q->result = q->ask(co, chan, q->arg);
	chan_close(chan);
}

enum err
client_ask(const struct options *o, enum service service, client_fn *ask,
	   void *arg)
{
	struct question q = {
		.fd = client_dial(o, service),
		.name = service_name(service),
		.ask = ask,
		.arg = arg,
	};

	if (q.fd < 0)
		return ERR_UNAVAILABLE;
	client_run(put_question, &q);
	errno = 0;
	return q.result;
}
