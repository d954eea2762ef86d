/* SPDX-License-Identifier: MIT
 * mda/front/conn.c - the life of a mail client's connection: greeting, commands
 * of its protocol, last words.
 *
 * Process: front.
 * Owns: the stream, the call to store, the place among the connections.
 * Invariants:
 *  (1) Nothing is written after a failed write.
 *  (2) A stranger ends CONN_LOGIN_TIMEOUT_S after it began.
 */
#include "mda/front/conn.h"

#include "lib/base/check.h"
#include "lib/mail/cidr.h"

enum { BYE_TIMEOUT_S = 2, EVENT_OCTETS = 32 };

enum err
conn_flush(struct co *co, struct conn *c)
{
	enum err e = stream_flush(co, c->stream, in_s(CONN_WRITE_TIMEOUT_S));

	if (e != OK)
		c->is_mute = true;
	return e;
}

void
conn_take_command(struct conn *c)
{
	stream_take(c->stream, c->n_command);
	c->n_command = 0;
}

enum err
conn_start_tls(struct co *co, struct conn *c)
{
	enum err e = front_accept_tls(co, c->stream, c->login_deadline_us);

	if (e != OK)
		c->is_mute = true;
	return e;
}

struct str
conn_client(const struct conn *c)
{
	return c->origin[0] != '\0' ? str_c(c->origin) : stream_peer(c->stream);
}

void
conn_speaks_for(struct conn *c, struct str address)
{
	uint8_t octets[16];

	if (c->is_known || !cidr_address(address, octets) ||
	    !front_is_trusted(stream_peer(c->stream)) ||
	    str_to_c(address, c->origin, sizeof(c->origin)) != OK)
		return;
	log_at(LOG_DEBUG, str_c(c->client.id), "front.origin",
	       F("client", address), F("webmail", stream_peer(c->stream)));
}

static void
say_bye(struct co *co, struct conn *c)
{
	const char *text = c->bye != NULL ? c->bye : c->client.bye;
	enum err e;

	if (c->is_mute)
		return;
	if (text != NULL)
		stream_putf(c->stream, "%s %s\r\n", c->protocol->bye, text);
	e = stream_flush(co, c->stream, in_s(BYE_TIMEOUT_S));
	(void)e; // the connection ends anyhow
}

static void
log_end(const struct conn *c, enum err e)
{
	const char *why = c->bye	  ? c->bye
			  : c->client.bye ? c->client.bye
			  : c->is_quit	  ? c->protocol->end
					  : err_text(e);
	char event[EVENT_OCTETS];

	snprintf(event, sizeof(event), "%s.logout", c->protocol->name);
	log_at(c->is_known ? LOG_INFO : LOG_DEBUG, str_c(c->client.id), event,
	       F("user", c->client.user), FC("why", why),
	       FN("commands", c->n_commands),
	       FN("s", (now_us() - c->began_us) / US_PER_S));
}

static void
free_conn(struct conn *c)
{
	counter_down(c->protocol->count.sessions_now);
	limits_leave(&front.limits, &c->place, !c->is_known);
	call_free(&c->store);
	stream_free(&c->stream);
	c->protocol->free(c);
}

static void
serve(struct co *co, struct conn *c, bool is_tls)
{
	enum err e = is_tls ? conn_start_tls(co, c) : OK;

	if (e == OK) {
		c->protocol->greet(c);
		e = c->protocol->serve(co, c);
	}
	say_bye(co, c);
	log_end(c, e);
	front_leave(&c->client);
	free_conn(c);
}

static void
serve_plain(struct co *co, void *arg)
{
	serve(co, arg, false);
}

static void
serve_tls(struct co *co, void *arg)
{
	serve(co, arg, true);
}

void
conn_begin(struct conn *c, const struct conn_protocol *protocol, int fd,
	   struct limit_place *place, bool is_tls, size_t in_max)
{
	c->protocol = protocol;
	c->place = place;
	c->began_us = now_us();
	c->login_deadline_us = in_s(CONN_LOGIN_TIMEOUT_S);
	c->stream = stream_new(fd, in_max);
	counter_up(protocol->count.sessions_now);
	counter_add(protocol->count.sessions, 1);
	if (front_begin(&c->client, is_tls ? serve_tls : serve_plain, c,
			protocol->name))
		return;
	log_error("front.limit", FC("protocol", protocol->name));
	free_conn(c);
}
