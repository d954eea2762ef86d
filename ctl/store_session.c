/* SPDX-License-Identifier: MIT
 * ctl/store_session.c - see store_session.h. */
#include "ctl/store_session.h"

#include "lib/base/check.h"
#include "lib/rt/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum {
	ANSWER_S = 600,
	TEXT_MAX_OCTETS = 256 << 20,
	DONE_MAX_OCTETS = 8192,
	IS_PIPE = -1,		// instead of an offset
	COPIES_TRIED_MAX = 200, // of the store, which take turns at the socket
};

struct opening {
	const struct options *options;
	struct str user;
	const char *key;
	store_session_fn *fn;
	void *arg;
	int result;
	bool is_elsewhere;
};

/* Appends text that comes by a descriptor: of a file, or all that a pipe holds
 * (offset IS_PIPE). */
static enum err
read_text(struct store_session *s, int fd, int64_t offset, uint64_t n_octets)
{
	size_t n = (size_t)n_octets;
	enum err e;

	if (fd < 0 || n_octets > TEXT_MAX_OCTETS)
		return ERR_FORMAT;
	e = buf_reserve(&s->text, n);
	if (e == OK && offset == IS_PIPE)
		e = fs_read_pipe(fd, s->text.p + s->text.n, n);
	else if (e == OK)
		e = fs_read_at(fd, s->text.p + s->text.n, n, offset);
	if (e == OK)
		s->text.n += n;
	return e;
}

static enum err
take_body(struct store_session *s, const struct frame *f)
{
	struct store_body range;

	if (store_read_body(f->body, &range) != OK || range.offset > INT64_MAX)
		return ERR_FORMAT;
	return read_text(s, f->fd, (int64_t)range.offset, range.n_octets);
}

static enum err
take_pipe(struct store_session *s, const struct frame *f)
{
	struct store_pipe pipe;

	if (store_read_pipe(f->body, &pipe) != OK)
		return ERR_FORMAT;
	return read_text(s, f->fd, IS_PIPE, pipe.n_octets);
}

static enum err
hear(struct co *co, struct store_session *s)
{
	bool is_done = false;
	enum err e = OK;

	buf_clear(&s->text);
	buf_clear(&s->done_text);
	while (e == OK && !is_done) {
		struct store_done done;
		struct frame f;

		e = call_recv(co, s->call, in_s(ANSWER_S), &f);
		if (e != OK)
			return e;
		is_done = f.type == STORE_DONE;
		if (f.type == STORE_TEXT)
			e = buf_add(&s->text, f.body);
		else if (f.type == STORE_BODY)
			e = take_body(s, &f);
		else if (f.type == STORE_PIPE)
			e = take_pipe(s, &f);
		else if (is_done)
			e = store_read_done(f.body, &done);
		else
			e = ERR_FORMAT;
		if (e == OK && is_done) {
			s->status = done.status;
			e = buf_add(&s->done_text, done.text);
		}
		frame_release(&f);
	}
	return e;
}

enum err
store_session_run(struct co *co, struct store_session *s, enum store_verb verb,
		  bool is_uid, struct str args)
{
	const struct store_command command = { verb, is_uid, args, S("d") };
	struct buf body = BUF_INIT(STORE_COMMAND_MAX_OCTETS);
	enum err e;

	store_put_command(&body, &command);
	e = call_send(co, s->call, STORE_COMMAND, buf_str(&body), -1, false,
		      in_s(ANSWER_S));
	buf_release(&body);
	return e == OK ? hear(co, s) : e;
}

static enum err
send_part(struct co *co, struct store_session *s,
	  const struct store_append *part)
{
	struct buf body = BUF_INIT(STORE_COMMAND_MAX_OCTETS);
	enum err e;

	store_put_append(&body, part);
	e = call_send(co, s->call, STORE_APPEND, buf_str(&body), -1, false,
		      in_s(ANSWER_S));
	buf_release(&body);
	return e == OK ? hear(co, s) : e;
}

enum err
store_session_append(struct co *co, struct store_session *s, struct str args,
		     struct str content)
{
	const struct store_append first = { .args = args,
					    .size_octets = content.n,
					    .has_literal = true };
	const struct store_append end = { .args = S("") };
	enum err e = send_part(co, s, &first);

	if (e != OK || s->status != STORE_OK)
		return e;
	while (e == OK && content.n > 0) {
		struct str piece = str_first(content, STORE_CHUNK_MAX_OCTETS);

		e = call_send(co, s->call, STORE_CHUNK, piece, -1, false,
			      in_s(ANSWER_S));
		content = str_from(content, piece.n);
	}
	return e == OK ? send_part(co, s, &end) : e;
}

static enum err
open_session(struct co *co, struct chan *chan, void *arg)
{
	struct opening *o = arg;
	struct store_session s = { .chan = chan, .call = call_open(chan) };
	struct buf body =
		BUF_INIT(STORE_OPERATOR_KEY_OCTETS + STORE_USER_MAX_OCTETS);
	enum err e = ERR_UNAVAILABLE;

	buf_init(&s.text, TEXT_MAX_OCTETS);
	buf_init(&s.done_text, DONE_MAX_OCTETS);
	buf_put(&body, str_c(o->key));
	buf_put(&body, o->user);
	if (s.call != NULL)
		e = call_send(co, s.call, STORE_OPERATOR, buf_str(&body), -1,
			      false, in_s(ANSWER_S));
	if (e == OK)
		e = hear(co, &s);
	o->is_elsewhere =
		e == OK && s.status == STORE_NO &&
		str_eq(buf_str(&s.done_text), S(STORE_OPERATOR_ELSEWHERE));
	if (e == OK && s.status == STORE_OK)
		o->result = o->fn(co, &s, o->arg);
	else if (e == OK && !o->is_elsewhere)
		fprintf(stderr, "Error: the mail store: %.*s\n",
			STR(buf_str(&s.done_text)));
	call_free(&s.call);
	buf_wipe(&body);
	buf_release(&s.text);
	buf_release(&s.done_text);
	return e;
}

static bool
read_key(const struct options *o, char key[STORE_OPERATOR_KEY_OCTETS + 1])
{
	struct buf file = BUF_INIT(STORE_OPERATOR_KEY_OCTETS + 1);
	int dir = open(o->mail_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool is_good = dir >= 0 &&
		       fs_read_file(dir, STORE_OPERATOR_FILE, &file) == OK &&
		       file.n == STORE_OPERATOR_KEY_OCTETS;

	if (is_good) {
		memcpy(key, file.p, file.n);
		key[file.n] = '\0';
	} else {
		fprintf(stderr,
			"Error: cannot read %s/%s: be root, or the user of "
			"the mail\n",
			o->mail_dir, STORE_OPERATOR_FILE);
	}
	if (dir >= 0)
		close(dir);
	buf_wipe(&file);
	return is_good;
}

int
store_session_with(const struct options *o, struct str user,
		   store_session_fn *fn, void *arg)
{
	char key[STORE_OPERATOR_KEY_OCTETS + 1];
	struct opening opening = { o, user, key, fn, arg, EX_TEMPFAIL, false };
	enum err e = OK;
	int tries = 0;

	if (user.n > STORE_USER_MAX_OCTETS)
		return EX_NOUSER;
	if (!read_key(o, key))
		return EX_NOPERM;
	do
		e = client_ask(o, SERVICE_STORE, open_session, &opening);
	while (e == OK && opening.is_elsewhere && ++tries < COPIES_TRIED_MAX);
	explicit_bzero(key, sizeof(key));
	if (e != OK)
		fprintf(stderr,
			"Error: the mail store does not answer: %s; mailctl "
			"doctor looks why\n",
			err_text(e));
	return opening.result;
}
