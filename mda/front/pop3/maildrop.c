/* SPDX-License-Identifier: MIT
 * mda/front/pop3/maildrop.c - the list of messages, their content, and what
 * becomes of them at the end: what store is asked for.
 *
 * Process: front.  Standards: RFC 1939 5 to 7.
 * Invariants:
 *  (1) The list never changes after it was read, so numbers stay.
 *  (2) Nothing is removed before QUIT.
 */
#include "mda/front/pop3/session.h"

#include "lib/base/check.h"

#include <errno.h>
#include <unistd.h>

enum {
	MESSAGES_MAX = 2000000,
	READ_OCTETS = 32 * 1024,
	SET_OCTETS = 32 * 1024,
	RANGE_OCTETS = 24, // "4294967295:4294967295,"
};

static enum err
lost_store(struct pop3_session *s)
{
	s->conn.bye = "[SYS/TEMP] The mail store is restarting";
	return ERR_UNAVAILABLE;
}

static enum err
send_command(struct co *co, struct pop3_session *s, enum store_verb verb,
	     bool is_uid, struct str args)
{
	const struct store_command command = { verb, is_uid, args, S("pop") };
	struct buf body = BUF_INIT(STORE_COMMAND_MAX_OCTETS);
	enum err e;

	store_put_command(&body, &command);
	e = call_send(co, s->conn.store, STORE_COMMAND, buf_str(&body), -1,
		      false, in_s(POP3_STORE_TIMEOUT_S));
	buf_release(&body);
	return e == OK || e == ERR_CANCELED ? e : lost_store(s);
}

static enum err
receive(struct co *co, struct pop3_session *s, struct frame *f)
{
	enum err e =
		call_recv(co, s->conn.store, in_s(POP3_STORE_TIMEOUT_S), f);

	return e == OK || e == ERR_CANCELED ? e : lost_store(s);
}

/* A STORE_DONE; done_out->text borrows the frame. */
static enum err
read_done(struct pop3_session *s, const struct frame *f,
	  struct store_done *done_out)
{
	if (f->type != STORE_DONE || store_read_done(f->body, done_out) != OK ||
	    done_out->status == STORE_BYE)
		return lost_store(s);
	return OK;
}

/* ---- the list ---- */

static bool
add_message(struct pop3_session *s, struct str line)
{
	struct str uid, size;
	struct pop3_message *m;
	uint64_t octets;

	str_split(&line, ' ', &uid);
	str_split(&line, ' ', &size);
	if (s->n_list == MESSAGES_MAX || !pop3_is_uidl(line) ||
	    !str_to_u64(size, INT64_MAX, &octets))
		return false;
	if (s->n_list == s->cap_list) {
		s->cap_list = s->cap_list ? s->cap_list * 2 : 64;
		s->list = must_realloc(s->list, s->cap_list * sizeof(*s->list));
	}
	m = &s->list[s->n_list];
	*m = (struct pop3_message) { .size_octets = octets };
	if (!pop3_number(uid, &m->uid) || m->uid == 0)
		return false;
	m->uidl = str_dup_c(line);
	s->n_list++;
	return true;
}

/* A piece of the list may end within a line: s->rest has its beginning. */
static enum err
add_messages(struct pop3_session *s, struct str text)
{
	while (text.n > 0) {
		ptrdiff_t at = str_chr(text, '\n');
		size_t n = at < 0 ? text.n : (size_t)at + 1;
		struct str whole, line;

		if (buf_add(&s->rest, str_first(text, n)) != OK)
			return lost_store(s);
		text = str_from(text, n);
		whole = buf_str(&s->rest);
		if (at < 0)
			return OK;
		if (!str_line(&whole, &line) || !add_message(s, line))
			return lost_store(s);
		buf_clear(&s->rest);
	}
	return OK;
}

/* How a command of store ended. */
struct answer {
	enum store_status status;
	bool is_in_use; // RFC 2449 8.1.1
};

/* Runs a command of store; its text goes to take, or nowhere. */
static enum err
run(struct co *co, struct pop3_session *s, enum store_verb verb, bool is_uid,
    struct str args, enum err (*take)(struct pop3_session *, struct str),
    struct answer *out)
{
	enum err e = send_command(co, s, verb, is_uid, args);
	struct store_done done;
	struct frame f;

	while (e == OK) {
		e = receive(co, s, &f);
		if (e != OK || f.type != STORE_TEXT)
			break;
		if (take != NULL)
			e = take(s, f.body);
		frame_release(&f);
	}
	if (e != OK)
		return e;
	e = read_done(s, &f, &done);
	if (e == OK) {
		out->status = done.status;
		out->is_in_use = str_starts(done.text, S("[IN-USE]"));
	}
	frame_release(&f);
	return e;
}

enum err
pop3_open_maildrop(struct co *co, struct pop3_session *s)
{
	struct answer answer;
	enum err e = run(co, s, VERB_SELECT, false, S("INBOX"), NULL, &answer);

	if (e == OK && answer.status == STORE_OK)
		e = run(co, s, VERB_POP_LIST, false, S(""), add_messages,
			&answer);
	if (e == OK && s->rest.n > 0)
		e = lost_store(s);
	if (e != OK || answer.status == STORE_OK)
		return e;
	return answer.is_in_use ? ERR_EXISTS : ERR_UNAVAILABLE;
}

void
pop3_forget_list(struct pop3_session *s)
{
	for (size_t i = 0; i < s->n_list; i++)
		free(s->list[i].uidl);
	free(s->list);
	buf_release(&s->rest);
	s->list = NULL;
	s->n_list = s->cap_list = 0;
}

/* ---- content ---- */

struct sending {
	struct pop3_session *s;
	struct pop3_stuff stuff;
	struct pop3_top top;
	bool is_top, is_begun;
	uint64_t size_octets;
	struct buf out;
};

static void
begin(struct sending *w)
{
	if (w->is_begun)
		return;
	w->is_begun = true;
	if (w->is_top)
		pop3_ok(w->s, "Top of message follows");
	else
		stream_putf(w->s->conn.stream, "+OK %llu octets\r\n",
			    (unsigned long long)w->size_octets);
	w->s->conn.is_mute = true; // until the final dot
}

static enum err
send_piece(struct co *co, struct sending *w, struct str piece)
{
	if (w->is_top)
		piece = str_first(piece, pop3_top_feed(&w->top, piece));
	buf_clear(&w->out);
	check(pop3_stuff(&w->out, piece, &w->stuff) == OK);
	stream_put(w->s->conn.stream, buf_str(&w->out));
	return pop3_flush_some(co, w->s);
}

static enum err
send_text(struct co *co, struct sending *w, struct str text)
{
	enum err e = OK;

	while (e == OK && text.n > 0) {
		struct str piece = str_first(text, READ_OCTETS);

		text = str_from(text, piece.n);
		e = send_piece(co, w, piece);
	}
	return e;
}

static enum err
send_file(struct co *co, struct sending *w, const struct frame *f)
{
	char *bytes = must_alloc(READ_OCTETS);
	struct store_body range;
	enum err e = OK;

	if (f->fd < 0 || store_read_body(f->body, &range) != OK ||
	    range.offset > INT64_MAX ||
	    range.n_octets > INT64_MAX - range.offset)
		e = lost_store(w->s);
	while (e == OK && range.n_octets > 0 && !w->top.is_full) {
		size_t want = range.n_octets < READ_OCTETS
				      ? (size_t)range.n_octets
				      : READ_OCTETS;
		ssize_t n = pread(f->fd, bytes, want, (off_t)range.offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) { // the file is shorter than it was
			e = lost_store(w->s);
			break;
		}
		e = send_piece(co, w, str_of(bytes, (size_t)n));
		range.offset += (uint64_t)n;
		range.n_octets -= (uint64_t)n;
	}
	free(bytes);
	return e;
}

static enum err
end(struct co *co, struct sending *w, const struct store_done *done)
{
	if (done->status != STORE_OK && !w->is_begun) {
		pop3_error(w->s, done->status == STORE_NO
					 ? "The message cannot be read"
					 : "[SYS/TEMP] Try again later");
		return OK;
	}
	if (done->status != STORE_OK) // in the middle: the client must not take
		return lost_store(w->s); // it for whole
	begin(w);
	buf_clear(&w->out);
	check(pop3_stuff_end(&w->out, &w->stuff) == OK);
	stream_put(w->s->conn.stream, buf_str(&w->out));
	w->s->conn.is_mute = false;
	return pop3_flush_some(co, w->s);
}

static enum err
relay(struct co *co, struct sending *w)
{
	for (;;) {
		struct store_done done;
		struct frame f;
		enum err e = receive(co, w->s, &f);
		bool is_done;

		if (e != OK)
			return e;
		is_done = f.type != STORE_TEXT && f.type != STORE_BODY;
		if (!is_done)
			begin(w);
		if (f.type == STORE_TEXT)
			e = send_text(co, w, f.body);
		else if (f.type == STORE_BODY)
			e = send_file(co, w, &f);
		else
			e = read_done(w->s, &f, &done);
		if (is_done && e == OK)
			e = end(co, w, &done);
		frame_release(&f);
		if (e != OK || is_done)
			return e;
	}
}

enum err
pop3_send_message(struct co *co, struct pop3_session *s,
		  struct pop3_message *message, const uint32_t *top_lines)
{
	struct sending w = {
		.s = s,
		.stuff = POP3_STUFF_INIT,
		.is_top = top_lines != NULL,
		.size_octets = message->size_octets,
		.out = BUF_INIT(2 * READ_OCTETS + 16),
	};
	char uid[16];
	enum err e;

	pop3_top_init(&w.top, top_lines ? *top_lines : 0);
	snprintf(uid, sizeof(uid), "%u", message->uid);
	e = send_command(co, s, VERB_POP_READ, false, str_c(uid));
	if (e == OK)
		e = relay(co, &w);
	if (e == OK && w.is_begun && !w.is_top)
		message->is_read = true;
	buf_release(&w.out);
	return e;
}

/* ---- the end ---- */

static bool
is_of(const struct pop3_message *m, enum store_verb verb)
{
	return verb == VERB_POP_DELETE ? m->is_deleted
				       : m->is_read && !m->is_deleted;
}

/* The next UIDs as a set of at most SET_OCTETS; false at the end. */
static bool
next_set(const struct pop3_session *s, enum store_verb verb, size_t *at,
	 struct buf *out)
{
	buf_clear(out);
	while (*at < s->n_list && out->n + RANGE_OCTETS < SET_OCTETS) {
		size_t first = *at, last;

		(*at)++;
		if (!is_of(&s->list[first], verb))
			continue;
		for (last = first;
		     *at < s->n_list && is_of(&s->list[*at], verb) &&
		     s->list[*at].uid == s->list[last].uid + 1;
		     last++)
			(*at)++;
		buf_putf(out, "%s%u:%u", out->n > 0 ? "," : "",
			 s->list[first].uid, s->list[last].uid);
	}
	return out->n > 0;
}

static enum err
update(struct co *co, struct pop3_session *s, enum store_verb verb,
       bool *done_out)
{
	struct buf set = BUF_INIT(SET_OCTETS);
	size_t at = 0;
	enum err e = OK;

	while (e == OK && next_set(s, verb, &at, &set)) {
		struct answer answer;

		e = run(co, s, verb, true, buf_str(&set), NULL, &answer);
		if (e == OK && answer.status != STORE_OK)
			*done_out = false;
	}
	buf_release(&set);
	return e;
}

enum err
pop3_update(struct co *co, struct pop3_session *s, bool *done_out)
{
	bool is_marked = true; // \Seen is a courtesy: not worth an error
	enum err e;

	*done_out = true;
	e = update(co, s, VERB_POP_DELETE, done_out);
	return e != OK ? e : update(co, s, VERB_POP_SEEN, &is_marked);
}
