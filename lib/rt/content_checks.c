/* SPDX-License-Identifier: MIT
 * lib/rt/content_checks.c - see content_checks.h. */
#include "lib/rt/content_checks.h"

#include "lib/base/check.h"
#include "lib/ipc/router.h"

enum { WAIT_S = 100 }; // for one piece; the router has others to look at

struct content_checks {
	struct call *call;
	bool is_over;
	struct frame answer;
};

enum err
content_checks_open(struct co *co, struct peer *router,
		    enum policy_content_way way, struct str header,
		    struct content_checks **out)
{
	struct buf body = BUF_INIT(POLICY_HEADER_ASK_MAX_OCTETS);
	struct content_checks *c = must_alloc(sizeof(*c));
	struct chan *chan;
	enum err e = peer_chan(co, router, in_s(WAIT_S), &chan);

	c->answer.fd = -1;
	if (e == OK) {
		c->call = call_open(chan);
		e = c->call != NULL ? OK : ERR_UNAVAILABLE;
	}
	policy_put_content(&body, way, header);
	if (e == OK)
		e = call_send(co, c->call, ROUTER_CONTENT, buf_str(&body), -1,
			      false, in_s(WAIT_S));
	buf_release(&body);
	if (e != OK)
		content_checks_free(&c);
	*out = c;
	return e;
}

void
content_checks_free(struct content_checks **checks)
{
	struct content_checks *c = *checks;

	*checks = NULL;
	if (c == NULL)
		return;
	call_free(&c->call);
	frame_release(&c->answer);
	free(c);
}

static enum err
take_piece(struct co *co, struct content_checks *c, struct buf *out)
{
	struct frame f = { .fd = -1 };
	struct str octets;
	enum err e = call_recv(co, c->call, in_s(WAIT_S), &f);

	if (e == OK && f.type != ROUTER_PIECE)
		e = ERR_FORMAT;
	if (e == OK)
		e = policy_read_piece(f.body, &c->is_over, &octets);
	if (e == OK)
		e = buf_add(out, octets);
	frame_release(&f);
	return e;
}

enum err
content_checks_feed(struct co *co, struct content_checks *c, struct str octets,
		    bool is_end, struct buf *out)
{
	enum err e = OK;

	do {
		struct str piece = str_first(octets, POLICY_PIECE_MAX_OCTETS);

		if (c->is_over)
			return buf_add(out, octets);
		octets = str_from(octets, piece.n);
		e = call_send(co, c->call, ROUTER_PIECE, piece, -1,
			      is_end && octets.n == 0, in_s(WAIT_S));
		if (e == OK)
			e = take_piece(co, c, out);
		if (e == OK && c->is_over)
			e = call_recv(co, c->call, in_s(WAIT_S), &c->answer);
	} while (e == OK && octets.n > 0);
	return e;
}

bool
content_checks_is_over(const struct content_checks *c)
{
	return c->is_over;
}

enum err
content_checks_answer(const struct content_checks *c, struct arena *arena,
		      struct policy_answer *out)
{
	return c->answer.type == ROUTER_CONTENT_ANSWER
		       ? policy_read_answer(c->answer.body, arena, out)
		       : ERR_FORMAT;
}
