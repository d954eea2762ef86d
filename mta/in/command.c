/* SPDX-License-Identifier: MIT
 * mta/in/command.c - SMTP commands (RFC 5321 4.1). */
#include "lib/base/check.h"
#include "lib/base/utf8.h"
#include "lib/ipc/queue.h"
#include "lib/mail/intl.h"
#include "lib/rt/counters.h"
#include "mta/in/session.h"

enum {
	USER_RATE_UNIT_S = 3600,
	ENVELOPE_RCPT_OCTETS = 20, // lengths and flags of one recipient
	/* Of all, less one more and the other fields (8 KiB at most). */
	ENVELOPE_RCPTS_OCTETS = QUEUE_ENVELOPE_MAX_OCTETS - 16 * 1024,
};

enum allowed {
	ANY = 0,
	GREETED = 1, // after HELO or EHLO
	IN_MAIL = 2, // after MAIL
	NOT_IN_MAIL = 4,
	LAST_IN_GROUP = 8, // nothing may be pipelined behind it (RFC 2920 3.1)
	JUNK = 16,
	NOT_IN_BDAT = 32, // the envelope has gone to the queue (RFC 3030 2)
};

typedef enum err
command_fn(struct co *co, struct session *s, struct str argument);

struct verb {
	enum smtp_verb verb;
	command_fn *run;
	unsigned allowed;
};

/* As it is compared and routed: NFC, A-labels. */
static enum smtp_syntax
to_canonical(struct session *s, enum smtp_syntax syntax, struct str *address)
{
	switch (intl_address(*address, &s->memory, address)) {
	case OK:
		return SMTP_OK;
	case ERR_FORMAT:
		return syntax;
	default:
		return SMTP_NO_MEMORY;
	}
}

/* "user@domain" as the router and the queue write addresses. */
static enum smtp_syntax
keep_address(struct session *s, const struct address *a,
	     enum smtp_syntax syntax, enum smtp_syntax too_long,
	     struct str *out)
{
	struct buf text = BUF_INIT(ENVELOPE_ADDRESS_MAX_OCTETS);
	enum smtp_syntax bad = SMTP_OK;

	if (!address_is_null(a) && address_format(&text, a) != OK)
		bad = too_long;
	else if (arena_str(&s->memory, buf_str(&text), out) != OK)
		bad = SMTP_NO_MEMORY;
	buf_release(&text);
	if (bad == SMTP_OK)
		bad = to_canonical(s, syntax, out);
	return bad;
}

/* What is parsed borrows from the line, whose memory goes with the next read;
 * the transaction lives longer. */
static enum smtp_syntax
keep_argument(struct session *s, struct str *argument)
{
	return arena_str(&s->memory, *argument, argument) == OK
		       ? SMTP_OK
		       : SMTP_NO_MEMORY;
}

static enum err
do_starttls(struct co *co, struct session *s, struct str argument UNUSED)
{
	enum err e;

	if (stream_is_tls(s->stream) || s->kind == LISTEN_SUBMISSIONS) {
		session_reply(s, 503, S("5.5.1"), S("TLS is active already"));
		return OK;
	}
	if (!session_may_starttls(s)) {
		session_reply(s, 454, S("4.7.0"), S("TLS not available"));
		return OK;
	}
	session_reply(s, 220, S("2.0.0"), S("Ready to start TLS"));
	e = session_accept_tls(co, s);
	/* RFC 3207 4.2: all that was known before is forgotten. */
	session_reset(s);
	return e;
}

static bool
must_login_first(struct session *s)
{
	if (session_must_encrypt(s)) {
		session_reply(s, 530, S("5.7.0"),
			      S("Must issue STARTTLS first"));
		return true;
	}
	if (!session_is_submission(s) || s->login.n > 0 ||
	    policy_is_login_by_lists(s))
		return false;
	session_reply(s, 530, S("5.7.0"),
		      session_may_auth(s) ? S("Authentication required")
					  : S("Must issue STARTTLS first"));
	return true;
}

static bool
is_user_too_fast(struct session *s, enum rate rate, uint64_t limit)
{
	if (limit == 0 || s->login.n == 0 ||
	    rates_count(&in.users, s->login, rate, now_us(),
			USER_RATE_UNIT_S * US_PER_S) <= limit)
		return false;
	SESSION_LOG(s, LOG_WARN, "smtp.user-rate", FA("user", s->login),
		    F("client", session_client(s)), FN("limit", limit));
	return true;
}

static const struct str too_fast = STR_INIT("4.7.1");

/* Counted at MAIL, as Postfix does: per client, and per user and hour. */
static bool
is_sending_too_fast(struct session *s)
{
	if (session_is_too_fast(s, RATE_MESSAGES, s->rules->message_rate)) {
		session_reply(s, 450, too_fast,
			      S("Too much mail from your address, try again "
				"later"));
		return true;
	}
	if (is_user_too_fast(s, RATE_MESSAGES, s->rules->user_message_rate)) {
		session_reply(s, 450, too_fast,
			      S("Too many messages of yours within an hour, "
				"try again later"));
		return true;
	}
	return false;
}

static bool
is_rcpt_too_fast(struct session *s)
{
	if (session_is_too_fast(s, RATE_RECIPIENTS, s->rules->recipient_rate)) {
		session_reply(s, 450, too_fast,
			      S("Too many recipients from your address, try "
				"again later"));
		return true;
	}
	if (is_user_too_fast(s, RATE_RECIPIENTS,
			     s->rules->user_recipient_rate)) {
		session_reply(s, 450, too_fast,
			      S("Too many recipients of yours within an hour, "
				"try again later"));
		return true;
	}
	return false;
}

static enum err
do_mail(struct co *co, struct session *s, struct str argument)
{
	bool is_relay_decided;
	enum smtp_syntax bad;

	if (must_login_first(s) || is_sending_too_fast(s))
		return OK;
	session_reset_mail(s);
	s->settings = settings_hold();
	s->size_limit = hello_size_limit(s->settings);
	bad = keep_argument(s, &argument);
	if (bad == SMTP_OK)
		bad = smtp_mail_parse(argument, hello_parameters(s), &s->memory,
				      &s->mail);
	if (bad == SMTP_OK)
		bad = keep_address(s, &s->mail.from, SMTP_BAD_SENDER,
				   SMTP_SENDER_TOO_LONG, &s->sender);
	if (bad != SMTP_OK) {
		session_syntax(s, bad);
		session_reset_mail(s);
		return OK;
	}
	if (s->mail.has_size && s->mail.size_octets > s->size_limit) {
		session_reply(s, 552, S("5.3.4"),
			      S("Message size exceeds fixed limit"));
		session_reset_mail(s);
		return OK;
	}
	if (!policy_admits(co, s, POLICY_AT_MAIL, S(""), &is_relay_decided)) {
		session_reset_mail(s);
		return OK;
	}
	s->has_mail = true;
	session_reply(s, 250, S("2.1.0"), S("Ok"));
	return OK;
}

_Static_assert((int)SMTP_NOTIFY_NEVER == (int)NOTIFY_NEVER &&
		       (int)SMTP_NOTIFY_SUCCESS == (int)NOTIFY_SUCCESS &&
		       (int)SMTP_NOTIFY_FAILURE == (int)NOTIFY_FAILURE &&
		       (int)SMTP_NOTIFY_DELAY == (int)NOTIFY_DELAY,
	       "NOTIFY of the command and of the envelope");

/* ORCPT as the envelope keeps it, "type;address"; empty when not given. */
static enum err
keep_orcpt(struct session *s, const struct smtp_rcpt_args *args,
	   struct str *out)
{
	struct buf text = BUF_INIT(ENVELOPE_TEXT_MAX_OCTETS);
	enum err e = OK;

	*out = S("");
	if (!args->has_orcpt)
		return OK;
	e = buf_add(&text, args->orcpt_type);
	if (e == OK)
		e = buf_addc(&text, ';');
	if (e == OK)
		e = buf_add(&text, args->orcpt);
	if (e == OK)
		e = arena_str(&s->memory, buf_str(&text), out);
	buf_release(&text);
	return e;
}

static void
add_recipient(struct session *s, const struct smtp_rcpt_args *args,
	      struct str address, uint32_t xid_index)
{
	struct str orcpt;

	if (keep_orcpt(s, args, &orcpt) != OK) {
		session_syntax(s, SMTP_NO_MEMORY);
		return;
	}
	if (s->n_rcpts == s->n_rcpts_cap) {
		s->n_rcpts_cap = s->n_rcpts_cap ? s->n_rcpts_cap * 2 : 4;
		s->rcpts = must_realloc(s->rcpts,
					s->n_rcpts_cap * sizeof(*s->rcpts));
	}
	if (s->n_rcpts == 0)
		s->first_rcpt = args->to;
	s->rcpts[s->n_rcpts++] = (struct recipient) {
		.address = address,
		.orcpt = orcpt,
		.notify = (uint8_t)args->notify,
		.xid_index = xid_index,
	};
	s->rcpt_octets += address.n + orcpt.n + ENVELOPE_RCPT_OCTETS;
	session_reply(s, 250, S("2.1.5"), S("Ok"));
}

/* The queue takes no longer envelope, whatever the configuration says. */
static bool
has_room_for_rcpt(const struct session *s)
{
	return s->n_rcpts < session_recipient_limit(s) &&
	       s->rcpt_octets <= ENVELOPE_RCPTS_OCTETS;
}

static void
refuse_more_rcpts(struct session *s)
{
	/* RFC 5321 4.5.3.1.10: a client that pipelines can still send to the
	 * others. */
	if (++s->n_overshoot > s->rules->overshoot)
		session_count_error(s);
	session_say(s, 452, S("4.5.3"), S("Too many recipients"));
}

/* XID of RCPT: the sending host's number of the recipient, kept plus one. */
static bool
xid_index(struct str xid, uint32_t *out)
{
	uint64_t n;

	*out = 0;
	if (xid.n == 0)
		return true;
	if (!str_to_u64(xid, UINT32_MAX - 1, &n))
		return false;
	*out = (uint32_t)n + 1;
	return true;
}

/* SMTPUTF8 and XID are the transaction's (RFC 6531 3.4). */
static unsigned
rcpt_parameters(const struct session *s)
{
	unsigned with = hello_parameters(s);

	if (!s->mail.is_smtputf8)
		with &= ~(unsigned)SMTP_WITH_UTF8;
	if (s->mail.xid.n == 0)
		with &= ~(unsigned)SMTP_WITH_OWN;
	return with;
}

static void
refuse_rcpt(struct session *s, struct str address,
	    const struct router_verdict *v)
{
	counter_add(COUNT_SMTP_REFUSED_RCPTS, 1);
	SESSION_LOG(s, LOG_INFO, "rcpt.reject", FA("to", address),
		    FA("from", s->sender), FN("code", v->code),
		    F("dsn", v->enhanced), F("text", v->text),
		    F("client", session_client(s)));
	session_reply(s, v->code, v->enhanced, v->text);
}

static enum err
do_rcpt(struct co *co, struct session *s, struct str argument)
{
	struct smtp_rcpt_args args;
	struct recipient_check *check;
	struct str address;
	uint32_t index = 0;
	enum smtp_syntax bad;
	bool may_relay;

	if (!has_room_for_rcpt(s)) {
		refuse_more_rcpts(s);
		return OK;
	}
	if (is_rcpt_too_fast(s))
		return OK;
	bad = keep_argument(s, &argument);
	if (bad == SMTP_OK)
		bad = smtp_rcpt_parse(argument, rcpt_parameters(s), &s->memory,
				      &args);
	if (bad == SMTP_OK && !xid_index(args.xid, &index))
		bad = SMTP_BAD_PARAM;
	if (bad == SMTP_OK)
		bad = keep_address(s, &args.to, SMTP_BAD_RECIPIENT,
				   SMTP_RECIPIENT_TOO_LONG, &address);
	if (bad != SMTP_OK) {
		session_syntax(s, bad);
		return OK;
	}
	if (s->listed != NULL) {
		screen_refuse(s);
		return OK;
	}
	if (!policy_admits(co, s, POLICY_AT_RCPT, address, &may_relay))
		return OK;
	if (recipient_check(co, s, address, may_relay, rcpt_parameters(s),
			    &check) != OK) {
		session_reply(s, 451, S("4.3.0"),
			      S("Cannot check the recipient now"));
	} else if (check->verdict.code != 250) {
		refuse_rcpt(s, address, &check->verdict);
	} else if (check->refusal.code != 0) {
		session_reply(s, check->refusal.code, check->refusal.enhanced,
			      check->refusal.text);
	} else if (check->verdict.bcc.n > 0 &&
		   !session_overrides(s, S("no_address_mappings")) &&
		   policy_add_copy(s, check->verdict.bcc) != OK) {
		session_reply(s, 452, S("4.5.3"),
			      S("Too many copies; send the rest in another "
				"message"));
	} else {
		add_recipient(s, &args, address, index);
	}
	recipient_check_free(&check);
	return OK;
}

static bool
has_recipients(struct session *s)
{
	if (s->n_rcpts > 0)
		return true;
	session_reply(s, 554, S("5.5.1"), S("No valid recipients"));
	return false;
}

static enum err
do_data(struct co *co, struct session *s, struct str argument UNUSED)
{
	bool is_relay_decided;

	if (s->transfer != TRANSFER_NONE) {
		session_reply(s, 503, S("5.5.1"),
			      S("DATA and BDAT do not mix (RFC 3030)"));
		return OK;
	}
	if (s->mail.body == SMTP_BODY_BINARYMIME) {
		session_reply(s, 503, S("5.5.1"),
			      S("BODY=BINARYMIME goes by BDAT (RFC 3030 3)"));
		return OK;
	}
	if (!has_recipients(s) ||
	    !policy_admits(co, s, POLICY_AT_DATA, S(""), &is_relay_decided))
		return OK;
	return content_data(co, s);
}

static enum err
do_rset(struct co *co UNUSED, struct session *s, struct str argument UNUSED)
{
	session_reset_mail(s);
	session_reply(s, 250, S("2.0.0"), S("Ok"));
	return OK;
}

static enum err
do_noop(struct co *co UNUSED, struct session *s, struct str argument UNUSED)
{
	session_reply(s, 250, S("2.0.0"), S("Ok"));
	return OK;
}

/* RFC 5321 3.5.3: we do not tell, but will take mail and try. RFC 6531 3.7.4.2:
 * the parameter SMTPUTF8 may follow. */
static enum err
do_vrfy(struct co *co UNUSED, struct session *s, struct str argument)
{
	if (s->rules->is_vrfy_disabled)
		session_reply(s, 502, S("5.5.1"), S("VRFY is disabled"));
	else if (!utf8_is_valid(argument))
		session_syntax(s, SMTP_BAD_RECIPIENT);
	else if (!utf8_is_ascii(argument) &&
		 !(s->offers & OFFER_UTF8 &&
		   str_iends(argument, S(" SMTPUTF8"))))
		session_syntax(s, SMTP_RECIPIENT_NEEDS_UTF8);
	else
		session_reply(s, 252, S("2.5.2"),
			      S("Cannot verify, but will try to deliver"));
	return OK;
}

static enum err
do_help(struct co *co UNUSED, struct session *s, struct str argument UNUSED)
{
	session_reply(
		s, 214, S("2.0.0"),
		S("Commands: EHLO HELO MAIL RCPT DATA BDAT RSET NOOP QUIT "
		  "VRFY STARTTLS AUTH (RFC 5321)"));
	return OK;
}

static enum err
do_quit(struct co *co UNUSED, struct session *s, struct str argument UNUSED)
{
	session_reply(s, 221, S("2.0.0"), S("Bye"));
	session_hang_up(s);
	return OK;
}

static const struct verb verbs[] = {
	/* verb                run           allowed when    RFC 5321, or */
	{ SMTP_VERB_EHLO, hello_ehlo, LAST_IN_GROUP | JUNK }, // 4.1.1.1
	{ SMTP_VERB_HELO, hello_helo, JUNK },		      // 4.1.1.1
	{ SMTP_VERB_STARTTLS, do_starttls, LAST_IN_GROUP },   // 3207 4
	{ SMTP_VERB_AUTH, login_run, GREETED | NOT_IN_MAIL }, // 4954 4
	{ SMTP_VERB_MAIL, do_mail, GREETED | NOT_IN_MAIL },   // 4.1.1.2
	{ SMTP_VERB_RCPT, do_rcpt, IN_MAIL | NOT_IN_BDAT },   // 4.1.1.3
	{ SMTP_VERB_DATA, do_data, IN_MAIL | LAST_IN_GROUP }, // 4.1.1.4
	{ SMTP_VERB_BDAT, content_bdat, ANY },		      // 3030 2
	{ SMTP_VERB_RSET, do_rset, JUNK },		      // 4.1.1.5
	{ SMTP_VERB_NOOP, do_noop, JUNK },		      // 4.1.1.9
	{ SMTP_VERB_VRFY, do_vrfy, JUNK },		      // 4.1.1.6
	{ SMTP_VERB_HELP, do_help, JUNK },		      // 4.1.1.8
	{ SMTP_VERB_XCLIENT, xclient_run, LAST_IN_GROUP | NOT_IN_MAIL },
	{ SMTP_VERB_QUIT, do_quit, ANY }, // 4.1.1.10
};

static const struct verb *
find_verb(enum smtp_verb verb)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		if (verbs[i].verb == verb)
			return &verbs[i];
	return NULL;
}

/* False, with the reply given, when the command must not come now. */
static bool
is_in_order(struct session *s, const struct verb *v)
{
	/* A body that was pipelined behind DATA, or plain text behind STARTTLS,
	 * must never be run as commands. */
	if ((v->allowed & LAST_IN_GROUP) && stream_has_octets(s->stream)) {
		session_reply(s, 503, S("5.5.0"),
			      S("Nothing may be pipelined behind this "
				"command (RFC 2920)"));
		session_hang_up(s);
		return false;
	}
	if ((v->allowed & GREETED) && !s->has_greeted) {
		session_reply(s, 503, S("5.5.1"), S("Say EHLO first"));
		return false;
	}
	if ((v->allowed & IN_MAIL) && !s->has_mail) {
		session_reply(s, 503, S("5.5.1"), S("Say MAIL first"));
		return false;
	}
	if ((v->allowed & NOT_IN_MAIL) && s->has_mail) {
		session_reply(s, 503, S("5.5.1"),
			      S("Not inside a mail transaction"));
		return false;
	}
	if ((v->allowed & NOT_IN_BDAT) && s->transfer != TRANSFER_NONE) {
		session_reply(s, 503, S("5.5.1"),
			      S("Not between chunks of a message (RFC 3030)"));
		return false;
	}
	if ((v->allowed & JUNK) && ++s->n_junk > s->rules->junk_commands)
		session_count_error(s);
	return !s->is_quit;
}

enum err
command_run(struct co *co, struct session *s, struct str line)
{
	struct smtp_command command;
	enum smtp_syntax bad;
	const struct verb *v;

	bad = smtp_command_parse(line, &command);
	if (bad == SMTP_OK && command.verb != SMTP_VERB_AUTH &&
	    line.n > SMTP_COMMAND_LONG_MAX)
		bad = SMTP_LINE_TOO_LONG;
	/* A refused BDAT must still be read over: content_bdat answers. */
	if (bad != SMTP_OK && command.verb != SMTP_VERB_BDAT) {
		session_syntax(s, bad);
		return OK;
	}
	v = find_verb(command.verb);
	if (v == NULL) {
		session_reply(s, 502, S("5.5.1"), S("Command not implemented"));
		return OK;
	}
	if (!is_in_order(s, v))
		return OK;
	return v->run(co, s, command.arg);
}
