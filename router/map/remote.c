/* SPDX-License-Identifier: MIT
 * router/map/remote.c - see remote.h. */
#include "router/map/remote.h"

#include "lib/base/check.h"

void
remote_init(struct remote *r, struct arena *arena)
{
	*r = (struct remote) { .arena = arena,
			       .max = REMOTE_MAX_QUESTIONS,
			       .steps_left = UINT64_MAX };
}

void
remote_forget(struct remote *r)
{
	if (r->n == 0)
		return;
	r->list = NULL;
	r->n = 0;
	arena_clear(r->arena);
}

static bool
is_same_place(const struct remote_place *a, const struct remote_place *b)
{
	return a->protocol == b->protocol && a->is_unix == b->is_unix &&
	       str_eq(a->host, b->host) && str_eq(a->port, b->port) &&
	       str_eq(a->map, b->map);
}

static enum err
copy_question(struct remote *r, const struct remote_place *place,
	      struct str key, struct remote_question *q)
{
	enum err e;

	*q = (struct remote_question) { .place = *place, .result = ERR_MORE };
	e = arena_str(r->arena, key, &q->key);
	if (e == OK)
		e = arena_str(r->arena, place->host, &q->place.host);
	if (e == OK)
		e = arena_str(r->arena, place->port, &q->place.port);
	return e != OK ? e : arena_str(r->arena, place->map, &q->place.map);
}

enum err
remote_find(struct remote *r, const struct remote_place *place, struct str key,
	    struct str *text_out)
{
	struct remote_question *q;

	for (size_t i = 0; i < r->n; i++) {
		q = &r->list[i];
		if (!is_same_place(&q->place, place) || !str_eq(q->key, key))
			continue;
		*text_out = q->text;
		return q->result;
	}
	if (r->list == NULL)
		r->list = arena_array(r->arena, r->max, sizeof(*r->list));
	if (r->list == NULL || r->n == r->max) {
		*text_out = S("too many questions to other hosts");
		return ERR_UNAVAILABLE;
	}
	if (copy_question(r, place, key, &r->list[r->n]) != OK) {
		*text_out = S("the key is too long");
		return ERR_UNAVAILABLE;
	}
	r->n++;
	return ERR_MORE;
}

struct remote_question *
remote_next(struct remote *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->list[i].result == ERR_MORE)
			return &r->list[i];
	return NULL;
}

void
remote_answer(struct remote *r, struct remote_question *q, enum err result,
	      struct str text)
{
	check(q->result == ERR_MORE && result != ERR_MORE);
	q->result = result;
	if (arena_str(r->arena, text, &q->text) == OK)
		return;
	q->result = ERR_UNAVAILABLE;
	q->text = S("the answer is too long");
}

/* "[::1]:port" or "host:port": the last ':' divides. */
static bool
take_host(struct str text, struct remote_place *out)
{
	ptrdiff_t colon = str_rchr(text, ':');
	uint64_t port;

	if (colon <= 0 || (size_t)colon + 1 == text.n)
		return false;
	out->host = str_first(text, (size_t)colon);
	out->port = str_from(text, (size_t)colon + 1);
	if (str_starts(out->host, S("[")) && str_ends(out->host, S("]")))
		out->host = str_sub(out->host, 1, out->host.n - 2);
	return out->host.n > 0 && str_to_u64(out->port, UINT16_MAX, &port) &&
	       port > 0;
}

bool
remote_parse_place(enum remote_protocol protocol, struct str text,
		   struct remote_place *out)
{
	ptrdiff_t colon;

	*out = (struct remote_place) { .protocol = protocol };
	if (protocol == REMOTE_TCP)
		return take_host(text, out);
	colon = str_rchr(text, ':');
	if (colon < 0 || (size_t)colon + 1 == text.n)
		return false;
	out->map = str_from(text, (size_t)colon + 1);
	text = str_first(text, (size_t)colon);
	if (str_starts(text, S("inet:")))
		return take_host(str_from(text, 5), out);
	if (!str_starts(text, S("unix:")))
		return false;
	out->is_unix = true;
	out->host = str_from(text, 5);
	return out->host.n > 0;
}

enum err
remote_put_host(const struct remote_place *place, struct buf *out)
{
	const char *protocol =
		place->protocol == REMOTE_TCP ? "tcp" : "socketmap";

	return place->is_unix ? buf_addf(out, "%s:unix:%.*s", protocol,
					 STR(place->host))
			      : buf_addf(out, "%s:inet:%.*s:%.*s", protocol,
					 STR(place->host), STR(place->port));
}

/* tcp_table(5): '%', white space, control and 8-bit octets as %XX. */
static enum err
put_encoded(struct buf *out, struct str s)
{
	enum err e = OK;

	for (size_t i = 0; e == OK && i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		e = c > ' ' && c < 0x7f && c != '%'
			    ? buf_addc(out, s.p[i])
			    : buf_addf(out, "%%%02X", c);
	}
	return e;
}

enum err
remote_put_request(const struct remote_place *place, struct str key,
		   struct buf *out)
{
	enum err e;

	if (place->protocol == REMOTE_SOCKETMAP)
		return buf_addf(out, "%zu:%.*s %.*s,", place->map.n + 1 + key.n,
				STR(place->map), STR(key));
	e = buf_add(out, S("get "));
	if (e == OK)
		e = put_encoded(out, key);
	return e == OK ? buf_addc(out, '\n') : e;
}

/* %XX back to octets; false: a '%' without two digits. */
static bool
decode(struct str s, struct arena *arena, struct str *out)
{
	char *p = arena_alloc(arena, s.n + 1);
	size_t n = 0;

	for (size_t i = 0; p != NULL && i < s.n; i++) {
		int high, low;

		if (s.p[i] != '%') {
			p[n++] = s.p[i];
			continue;
		}
		high = i + 2 < s.n ? ascii_hex(s.p[i + 1]) : -1;
		low = i + 2 < s.n ? ascii_hex(s.p[i + 2]) : -1;
		if (high < 0 || low < 0)
			return false;
		p[n++] = (char)(high * 16 + low);
		i += 2;
	}
	*out = (struct str) { p, n };
	return p != NULL;
}

/* "200 value", "500 no such key", "400 why". */
static enum err
read_tcp(struct str bytes, struct arena *arena, struct str *text_out)
{
	ptrdiff_t end = str_chr(bytes, '\n');
	struct str line, code;

	if (end < 0)
		return bytes.n >= REMOTE_TCP_MAX_OCTETS ? ERR_FORMAT : ERR_MORE;
	if ((size_t)end + 1 != bytes.n || bytes.n > REMOTE_TCP_MAX_OCTETS)
		return ERR_FORMAT;
	line = str_rtrim(str_first(bytes, (size_t)end));
	code = str_first(line, 4);
	if (!decode(str_from(line, 4), arena, text_out))
		return ERR_FORMAT;
	if (str_eq(code, S("200 ")))
		return OK;
	if (str_eq(code, S("500 ")))
		return ERR_NOT_FOUND;
	return str_eq(code, S("400 ")) ? ERR_UNAVAILABLE : ERR_FORMAT;
}

/* A netstring; *text_out is what it holds. */
static enum err
read_netstring(struct str bytes, struct str *text_out)
{
	ptrdiff_t colon = str_chr(str_first(bytes, 8), ':');
	uint64_t n;

	if (colon < 0)
		return bytes.n >= 8 ? ERR_FORMAT : ERR_MORE;
	if (!str_to_u64(str_first(bytes, (size_t)colon),
			REMOTE_MAX_ANSWER_OCTETS, &n))
		return ERR_FORMAT;
	bytes = str_from(bytes, (size_t)colon + 1);
	if (bytes.n <= n)
		return ERR_MORE;
	if (bytes.n != n + 1 || bytes.p[n] != ',')
		return ERR_FORMAT;
	*text_out = str_first(bytes, n);
	return OK;
}

static enum err
read_socketmap(struct str bytes, struct arena *arena, struct str *text_out)
{
	static const struct {
		struct str word;
		enum err result;
	} words[] = {
		{ STR_INIT("OK "), OK },
		{ STR_INIT("NOTFOUND "), ERR_NOT_FOUND },
		{ STR_INIT("TEMP "), ERR_UNAVAILABLE },
		{ STR_INIT("TIMEOUT "), ERR_UNAVAILABLE },
		{ STR_INIT("PERM "), ERR_UNAVAILABLE },
	};
	enum err e = read_netstring(bytes, text_out);

	for (size_t i = 0; e == OK && i < sizeof(words) / sizeof(*words); i++)
		if (str_starts(*text_out, words[i].word)) {
			*text_out = str_from(*text_out, words[i].word.n);
			e = arena_str(arena, *text_out, text_out);
			return e == OK ? words[i].result : ERR_FORMAT;
		}
	return e == OK ? ERR_FORMAT : e;
}

enum err
remote_read_reply(const struct remote_place *place, struct str bytes,
		  struct arena *arena, struct str *text_out)
{
	*text_out = S("");
	return place->protocol == REMOTE_TCP
		       ? read_tcp(bytes, arena, text_out)
		       : read_socketmap(bytes, arena, text_out);
}
