/* SPDX-License-Identifier: MIT
 * ctl/recount.c - see recount.h. */
#include "ctl/recount.h"

#include "ctl/client.h"
#include "lib/ipc/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { PATH_OCTETS = 1024, ASK_S = 60 };

static enum err
ask_room(struct co *co, struct chan *chan, void *arg)
{
	const struct str *address = arg;
	struct buf body = BUF_INIT(STORE_USER_MAX_OCTETS + 64);
	struct frame f;
	enum err e;

	store_put_room(&body, *address, 0);
	e = chan_ask(co, chan, STORE_ROOM, buf_str(&body), in_s(ASK_S), &f);
	buf_release(&body);
	if (e == OK)
		frame_release(&f);
	return e;
}

enum err
recount(const struct options *o, struct str address)
{
	struct str domain = address, local;
	char path[PATH_OCTETS];
	enum err e = OK;
	int n, dir;

	str_split(&domain, '@', &local);
	n = snprintf(path, sizeof(path), "%s/%.*s/%.*s", o->mail_dir,
		     STR(domain), STR(local));
	if (n < 0 || n >= PATH_OCTETS)
		return ERR_LIMIT;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir < 0)
		return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
	if (unlinkat(dir, "maildirsize", 0) != 0 && errno != ENOENT)
		e = ERR_IO;
	close(dir);
	/* Nobody listens: it is counted when somebody does. */
	if (e == OK && client_ask(o, SERVICE_STORE, ask_room, &address) != OK)
		return OK;
	return e;
}
