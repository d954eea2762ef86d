/* SPDX-License-Identifier: MIT
 * lib/rt/scram_call.c - following what auth offers, and opening an exchange. */
#include "lib/rt/scram_call.h"

#include "lib/base/check.h"

enum { CONNECT_S = 10, RETRY_MS = 100 };

struct follower {
	struct peer *auth;
	bool *has_scram;
};

static enum err
follow_once(struct co *co, const struct follower *f)
{
	struct chan *chan;
	struct call *call;
	enum err e = peer_chan(co, f->auth, in_s(CONNECT_S), &chan);

	if (e != OK)
		return e;
	call = call_open(chan);
	if (call == NULL)
		return ERR_UNAVAILABLE;
	e = call_post(call, AUTH_OFFERS, STR_NONE, -1, true);
	while (e == OK) {
		struct auth_offer offer;
		struct frame frame;

		e = call_recv(co, call, NEVER_US, &frame);
		if (e == OK && frame.type == AUTH_OFFER &&
		    auth_read_offer(frame.body, &offer) == OK)
			*f->has_scram = offer.has_scram;
		frame_release(&frame);
	}
	call_free(&call);
	return e;
}

static void
follow(struct co *co, void *arg)
{
	struct follower *f = arg;

	while (follow_once(co, f) != ERR_CANCELED)
		if (co_sleep_until(co, in_ms(RETRY_MS)) != OK)
			break;
	free(f);
}

void
scram_follow_offers(struct peer *auth, bool *has_scram_out)
{
	struct follower *f = must_alloc(sizeof(*f));

	*f = (struct follower) { auth, has_scram_out };
	*has_scram_out = false;
	check(co_spawn(follow, f, "auth.offers") != NULL);
}

enum err
scram_open(struct co *co, struct peer *auth, struct stream *stream,
	   const struct auth_scram *asked, int64_t deadline_us,
	   struct call **call_out)
{
	uint8_t exporter[STREAM_BINDING_OCTETS], end[STREAM_BINDING_OCTETS];
	struct auth_scram scram = *asked;
	struct buf body = BUF_INIT(AUTH_SCRAM_MAX_OCTETS);
	struct chan *chan;
	enum err e = peer_chan(co, auth, deadline_us, &chan);

	scram.exporter =
		str_of(exporter,
		       stream_binding(stream, STREAM_TLS_EXPORTER, exporter));
	scram.end_point = str_of(
		end, stream_binding(stream, STREAM_TLS_SERVER_END_POINT, end));
	if (e == OK) {
		*call_out = call_open(chan);
		e = *call_out ? OK : ERR_UNAVAILABLE;
	}
	if (e == OK) {
		auth_put_scram(&body, &scram);
		e = call_send(co, *call_out, AUTH_SCRAM, buf_str(&body), -1,
			      false, deadline_us);
	}
	buf_release(&body);
	return e;
}
