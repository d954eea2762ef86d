/* SPDX-License-Identifier: MIT
 * mta/in/hello.c - HELO and EHLO, and what is offered (RFC 5321 4.1.1.1). */
#include "lib/ipc/queue.h"
#include "lib/mail/xclient.h"
#include "mta/in/session.h"

enum { LINES_MAX_OCTETS = 2048, KEYWORDS_WAIT_S = 30 };

uint64_t
hello_size_limit(const struct settings *settings)
{
	uint64_t limit = settings_of(settings)->message_size_limit;

	return limit > 0 && limit < QUEUE_CONTENT_MAX_OCTETS
		       ? limit
		       : QUEUE_CONTENT_MAX_OCTETS;
}

static bool
always(const struct session *s UNUSED)
{
	return true;
}

static bool
may_vrfy(const struct session *s)
{
	return !s->rules->is_vrfy_disabled;
}

static bool
may_utf8(const struct session *s)
{
	return s->rules->is_smtputf8;
}

static bool
may_xclient(const struct session *s)
{
	return s->may_xclient;
}

static void
put_attributes(const struct session *s UNUSED, struct buf *out)
{
	buf_put(out, S(" " XCLIENT_OFFER));
}

static bool
is_local(const struct session *s)
{
	return s->is_local;
}

/* Who is logged in: the default sender. */
static void
put_login(const struct session *s, struct buf *out)
{
	buf_putf(out, " %.*s", STR(s->login));
}

static void
put_size(const struct session *s, struct buf *out)
{
	buf_putf(out, " %llu",
		 (unsigned long long)hello_size_limit(s->current));
}

static void
put_mechanisms(const struct session *s, struct buf *out)
{
	buf_put(out, S(" PLAIN LOGIN"));
	if (login_may_scram())
		buf_put(out, S(" SCRAM-SHA-256"));
	if (login_may_bind(s))
		buf_put(out, S(" SCRAM-SHA-256-PLUS"));
}

/* RFC 9422 5.2: how many RCPT commands one transaction may have. */
static void
put_limits(const struct session *s, struct buf *out)
{
	buf_putf(out, " RCPTMAX=%llu",
		 (unsigned long long)session_recipient_limit(s));
}

/* What this client is not offered: as its address has it, else as all have. */
static struct str
discarded_of(const struct session *s)
{
	return s->discarded.n > 0 ? s->discarded
				  : s->rules->discard_ehlo_keywords;
}

/* "*": what cannot be known is not offered. */
static bool
is_discarded(const struct session *s, struct str name)
{
	struct str list = discarded_of(s), word;

	if (str_eq(list, S("*")))
		return true;
	while (settings_word(&list, &word))
		if (str_ieq(word, name))
			return true;
	return false;
}

/* RFC 3030 3: nothing without CHUNKING. */
static bool
may_binary(const struct session *s)
{
	return !is_discarded(s, S("CHUNKING"));
}

/* smtpd_discard_ehlo_keyword_address_maps */
static void
find_discarded(struct co *co, struct session *s)
{
	struct frame f = { .fd = -1 };
	enum err e;

	s->discarded = STR_NONE;
	if (s->rules->discard_ehlo_maps.n == 0)
		return;
	e = peer_ask(co, in.router, ROUTER_KEYWORDS, session_client(s),
		     in_s(KEYWORDS_WAIT_S), &f);
	if (e != OK || f.type != ROUTER_TEXT ||
	    arena_str(&s->session_memory, f.body, &s->discarded) != OK)
		s->discarded = S("*");
	frame_release(&f);
}

static const struct keyword {
	struct str name;
	unsigned offer;
	bool (*is_offered)(const struct session *s);
	void (*put_arguments)(const struct session *s, struct buf *out);
} keywords[] = {
	{ STR_INIT("PIPELINING"), OFFER_PIPELINING, always, NULL }, // 2920
	{ STR_INIT("SIZE"), OFFER_SIZE, always, put_size },	    // 1870
	{ STR_INIT("VRFY"), OFFER_VRFY, may_vrfy, NULL },
	{ STR_INIT("STARTTLS"), OFFER_STARTTLS, session_may_starttls, NULL },
	{ STR_INIT("AUTH"), OFFER_AUTH, session_may_auth, put_mechanisms },
	{ STR_INIT("ENHANCEDSTATUSCODES"), OFFER_STATUS, always, NULL },
	{ STR_INIT("8BITMIME"), OFFER_8BITMIME, always, NULL },	  // 6152
	{ STR_INIT("DSN"), OFFER_DSN, always, NULL },		  // 3461
	{ STR_INIT("SMTPUTF8"), OFFER_UTF8, may_utf8, NULL },	  // 6531
	{ STR_INIT("LIMITS"), OFFER_LIMITS, always, put_limits }, // 9422
	{ STR_INIT("XCLIENT"), OFFER_XCLIENT, may_xclient, put_attributes },
	{ STR_INIT("XLOGIN"), OFFER_LOGIN, is_local, put_login },
	{ STR_INIT("XESTAFETA"), OFFER_OWN, always, NULL }, // doc/design/xid.md
	{ STR_INIT("BINARYMIME"), OFFER_BINARY, may_binary, NULL }, // 3030
	{ STR_INIT("CHUNKING"), OFFER_CHUNKING, always, NULL },
};

/* Sets s->offers; the lines begin behind "250" and the name. */
static void
put_offers(struct session *s, struct buf *out)
{
	s->offers = 0;
	for (size_t i = 0; i < sizeof(keywords) / sizeof(*keywords); i++) {
		const struct keyword *k = &keywords[i];

		if (!k->is_offered(s) || is_discarded(s, k->name))
			continue;
		s->offers |= k->offer;
		buf_put(out, S("\r\n250-"));
		buf_put(out, k->name);
		if (k->put_arguments != NULL)
			k->put_arguments(s, out);
	}
}

static enum err
hello(struct co *co, struct session *s, struct str argument, bool is_extended)
{
	bool is_relay_decided;
	struct str name;
	enum smtp_syntax bad = smtp_helo_parse(argument, &name);

	if (bad != SMTP_OK) {
		session_syntax(s, bad);
		return ERR_FORMAT;
	}
	session_reset_mail(s);
	if (arena_str(&s->session_memory, name, &s->helo) != OK) {
		session_syntax(s, SMTP_NO_MEMORY);
		return ERR_FORMAT;
	}
	s->is_extended = is_extended;
	s->has_greeted =
		policy_admits(co, s, POLICY_AT_HELO, S(""), &is_relay_decided);
	s->offers = 0;
	return s->has_greeted ? OK : ERR_REFUSED;
}

enum err
hello_helo(struct co *co, struct session *s, struct str argument)
{
	if (hello(co, s, argument, false) == OK)
		stream_putf(s->stream, "250 %.*s\r\n",
			    STR(settings_of(s->current)->hostname));
	return OK;
}

enum err
hello_ehlo(struct co *co, struct session *s, struct str argument)
{
	struct buf lines = BUF_INIT(LINES_MAX_OCTETS);
	ptrdiff_t last;

	if (hello(co, s, argument, true) != OK)
		return OK;
	find_discarded(co, s);
	buf_putf(&lines, "250-%.*s", STR(settings_of(s->current)->hostname));
	put_offers(s, &lines);
	last = str_rchr(buf_str(&lines), '\n');
	lines.p[last + 1 + 3] = ' '; // of "250-"
	buf_put(&lines, S("\r\n"));
	stream_put(s->stream, buf_str(&lines));
	buf_release(&lines);
	return OK;
}

unsigned
hello_parameters(const struct session *s)
{
	static const struct {
		unsigned offer, with;
	} all[] = {
		{ OFFER_AUTH, SMTP_WITH_AUTH },
		{ OFFER_DSN, SMTP_WITH_DSN },
		{ OFFER_UTF8, SMTP_WITH_UTF8 },
		{ OFFER_BINARY, SMTP_WITH_BINARY },
		{ OFFER_OWN, SMTP_WITH_OWN },
	};
	unsigned with = SMTP_WITH_LONG_LOCAL;

	/* RFC 4954 5: MAIL's AUTH= belongs to a server that offers AUTH, but
	 * relays send it to port 25, too, where it does no harm. */
	if (s->is_extended)
		with |= SMTP_WITH_AUTH;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (s->offers & all[i].offer)
			with |= all[i].with;
	return with;
}
