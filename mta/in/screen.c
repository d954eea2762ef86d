/* SPDX-License-Identifier: MIT
 * mta/in/screen.c - strangers at port 25, before they are greeted: who cannot
 * wait for the greeting, and whom block lists name (postscreen(8)).
 *
 * Process: in.  Standards: RFC 5321 4.3.1 (the client waits), RFC 5782.
 * Who has passed is believed for a while (rates.h), so that those who write
 * often do not wait each time. Clients whom postscreen_access_list permits, by
 * default those in mynetworks, are not asked. */
#include "lib/base/check.h"
#include "lib/mail/dnsbl.h"
#include "mta/in/session.h"

enum {
	SITES_OCTETS = ROUTER_DNSBL_SITES_MAX * DNSBL_NAME_MAX_OCTETS,
	ACCESS_WAIT_S = 30,
	TEXT_OCTETS = 512,
};

/* ---- who talks first ---- */

static void
log_pregreet(struct session *s)
{
	SESSION_LOG(s, LOG_WARN, "smtp.pregreet",
		    F("client", session_client(s)),
		    F("action", s->rules->greet_action));
}

/* The first line of a greeting of two, which those who do not read what a
 * server says take for its end. True: somebody spoke, or went. */
static bool
is_impatient(struct co *co, struct session *s)
{
	struct rate_entry *client = s->client;
	size_t n = 0;
	enum err e;
	char c;

	if (s->rules->greet_wait_s == 0 || client->quiet_until_us > now_us())
		return false;
	stream_putf(s->stream, "220-%.*s\r\n",
		    STR(settings_of(s->current)->hostname));
	e = stream_flush(co, s->stream, in_s(1));
	if (e == OK)
		e = stream_peek_socket(co, s->stream, &c, 1,
				       in_s((int64_t)s->rules->greet_wait_s),
				       &n);
	if (e == ERR_TIMEOUT)
		client->quiet_until_us = in_s((int64_t)s->rules->greet_ttl_s);
	else if (e != OK)
		session_hang_up(s); // it did not wait at all
	return e == OK;
}

/* S07: a client that talks before the banner is no mail server. */
static bool
is_pregreeting(struct co *co, struct session *s)
{
	if (stream_has_octets(s->stream) || is_impatient(co, s)) {
		log_pregreet(s);
		return !str_ieq(s->rules->greet_action, S("ignore"));
	}
	return false;
}

/* ---- block lists ---- */

struct site {
	struct dnsbl_site site;
	struct str name; // that is asked for; in the screening's memory
};

static size_t
read_sites(const struct session *s, struct buf *memory, struct site *out)
{
	struct str list = s->rules->dnsbl_sites, item;
	size_t n = 0;

	while (n < ROUTER_DNSBL_SITES_MAX && settings_word(&list, &item)) {
		size_t at = memory->n;

		if (dnsbl_site_parse(item, &out[n].site) &&
		    dnsbl_name(memory, session_client(s), out[n].site.domain) ==
			    OK)
			out[n++].name = str_of(memory->p + at, memory->n - at);
	}
	return n;
}

static bool
is_listed_at(const struct session *s, const struct site *site)
{
	struct str lines = policy_addresses(s, site->name), line;

	while (lines.n > 0 && str_line(&lines, &line))
		if (dnsbl_filter_fits(site->site.filter, line))
			return true;
	return false;
}

/* The sum of the weights of those that name the client; the heaviest of them.
 */
static int64_t
weigh(const struct session *s, const struct site *sites, size_t n,
      struct str *heaviest_out)
{
	int64_t sum = 0;
	int most = 0;

	for (size_t i = 0; i < n; i++) {
		if (!is_listed_at(s, &sites[i]))
			continue;
		sum += sites[i].site.weight;
		if (sites[i].site.weight > most) {
			most = sites[i].site.weight;
			*heaviest_out = sites[i].site.domain;
		}
	}
	return sum;
}

/* Sets s->listed when the lists refuse it. Lists that do not answer say
 * nothing. */
static enum err
ask_lists(struct co *co, struct session *s)
{
	struct site *sites =
		must_alloc(ROUTER_DNSBL_SITES_MAX * sizeof(*sites));
	struct str *names = must_alloc(ROUTER_DNSBL_SITES_MAX * sizeof(*names));
	struct buf memory = BUF_INIT(SITES_OCTETS);
	struct str heaviest = S("");
	int64_t sum = 0;
	size_t n;
	enum err e;

	check(buf_reserve(&memory, SITES_OCTETS) == OK); // it must not move
	n = read_sites(s, &memory, sites);
	for (size_t i = 0; i < n; i++)
		names[i] = sites[i].name;
	e = n > 0 ? policy_fetch_lists(co, s, names, n) : OK;
	if (e == OK)
		sum = weigh(s, sites, n, &heaviest);
	if (e == OK && sum >= (int64_t)s->rules->dnsbl_threshold) {
		SESSION_LOG(s, LOG_WARN, "smtp.dnsbl",
			    F("client", session_client(s)), FN("rank", sum),
			    F("list", heaviest),
			    F("action", s->rules->dnsbl_action));
		if (!str_ieq(s->rules->dnsbl_action, S("ignore")))
			s->listed = str_dup_c(heaviest);
	} else if (e == OK) {
		s->client->unlisted_until_us =
			in_s((int64_t)s->rules->dnsbl_ttl_s);
	}
	buf_release(&memory);
	free(names);
	free(sites);
	return e;
}

static void
refuse_listed(struct session *s, int code)
{
	struct buf text = BUF_INIT(TEXT_OCTETS);

	if (buf_addf(&text,
		     "Service unavailable; client [%.*s] blocked using %s",
		     STR(session_client(s)), s->listed) == OK)
		session_say(s, code, S("5.7.1"), buf_str(&text));
	buf_release(&text);
}

static void
drop(struct session *s)
{
	refuse_listed(s, 521);
	session_hang_up(s);
}

void
screen_refuse(struct session *s)
{
	refuse_listed(s, 550);
	session_count_error(s);
}

/* ---- postscreen_access_list ---- */

enum listed { LISTED_NOWHERE, LISTED_PERMIT, LISTED_REJECT };

static enum listed
ask_access_list(struct co *co, struct session *s)
{
	enum listed listed = LISTED_NOWHERE;
	struct frame f = { .fd = -1 };
	enum err e;

	if (s->rules->access_list.n == 0)
		return LISTED_NOWHERE;
	if (str_ieq(s->rules->access_list, S("permit_mynetworks")))
		return s->is_trusted ? LISTED_PERMIT : LISTED_NOWHERE;
	e = peer_ask(co, in.router, ROUTER_SCREEN, session_client(s),
		     in_s(ACCESS_WAIT_S), &f);
	if (e == OK && f.type == ROUTER_TEXT)
		listed = str_eq(f.body, S("permit"))   ? LISTED_PERMIT
			 : str_eq(f.body, S("reject")) ? LISTED_REJECT
						       : LISTED_NOWHERE;
	frame_release(&f);
	return listed;
}

/* True: the connection is over. */
static bool
is_denied(struct session *s)
{
	SESSION_LOG(s, LOG_WARN, "smtp.denylist",
		    F("client", session_client(s)),
		    F("action", s->rules->denylist_action));
	if (str_ieq(s->rules->denylist_action, S("ignore")))
		return false;
	s->listed = str_dup_c(S("postscreen_access_list"));
	if (!str_ieq(s->rules->denylist_action, S("drop")))
		return false;
	drop(s);
	return true;
}

/* ---- all of it ---- */

bool
screen_admits(struct co *co, struct session *s)
{
	enum listed listed;

	if (s->kind != LISTEN_SMTP || s->is_local)
		return true;
	listed = ask_access_list(co, s);
	if (listed == LISTED_PERMIT)
		return true;
	if (listed == LISTED_REJECT && is_denied(s))
		return false;
	if (is_pregreeting(co, s)) {
		session_reply(s, 554, S("5.5.1"),
			      S("you spoke before I greeted"));
		session_hang_up(s);
	}
	if (s->is_quit)
		return false;
	if (s->rules->dnsbl_sites.n == 0 || s->listed != NULL ||
	    s->client->unlisted_until_us > now_us())
		return true;
	if (ask_lists(co, s) != OK) {
		session_hang_up(s);
		return false;
	}
	if (s->listed == NULL || !str_ieq(s->rules->dnsbl_action, S("drop")))
		return true;
	drop(s);
	return false;
}
