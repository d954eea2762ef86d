/* SPDX-License-Identifier: MIT
 * mta/in/content.c - DATA and BDAT: content goes to the queue while it comes in
 * (RFC 5321 4.1.1.4, 3030 2).
 *
 * Invariants:
 *  (1) "250 queued" is said only after the queue said that the message is on
 *      disk.
 *  (2) Whatever is refused, the octets that belong to it are read to their real
 *      end, or the connection ends: content never runs as commands.
 *  (3) session_reset_mail() follows every end of content, good or bad, but for
 *      a BDAT that is not the last.
 */
#include "lib/base/check.h"
#include "lib/base/map.h"
#include "lib/ipc/queue.h"
#include "lib/mail/header.h"
#include "lib/mail/trace.h"
#include "lib/rt/counters.h"
#include "mta/in/session.h"

#include <openssl/rand.h>

enum {
	/* RFC 5321 4.5.3.2.5: 3 minutes for each block. */
	DATA_TIMEOUT_S = 180,
	QUEUE_TIMEOUT_S = 60,
	QUEUE_CONNECT_S = 10,
	PIECE_OCTETS = 64 * 1024,
	USUAL_OCTETS = 8192, // of a message
	/* A header longer than this is sent on before its end is known. */
	HEADER_WAIT_OCTETS = 256 * 1024,
	TRACE_OCTETS = 8192,
	KEYS_OCTETS = 16 << 20, // of recipients: more than an envelope has
	// Received fields only of those who do not detect
	TOKEN_OCTETS = 20,
};

/* ---- to the queue ---- */

/* Case is no difference to mailboxes; the rest is what reports depend on. */
static enum err
rcpt_key(struct arena *arena, const struct recipient *r, struct str *out)
{
	struct buf key = BUF_INIT(r->address.n + r->orcpt.n + 2);
	enum err e;

	for (size_t i = 0; i < r->address.n; i++)
		buf_putc(&key, ascii_lower(r->address.p[i]));
	buf_putc(&key, '\0');
	buf_putc(&key, (char)r->notify);
	buf_put(&key, r->orcpt);
	e = arena_str(arena, buf_str(&key), out);
	buf_release(&key);
	return e;
}

/* S23: one that was named twice gets one copy. Recipients that one of ours has
 * numbered keep their numbers: it has done this itself. */
static enum err
drop_repeats(struct session *s)
{
	struct arena arena = ARENA_INIT(KEYS_OCTETS);
	struct map seen = MAP_INIT;
	size_t n = 0;
	enum err e = OK;

	if (s->n_rcpts < 2 || s->mail.xid.n > 0)
		return OK;
	for (size_t i = 0; i < s->n_rcpts && e == OK; i++) {
		struct str key;

		e = rcpt_key(&arena, &s->rcpts[i], &key);
		if (e == OK && map_set(&seen, key, s) == NULL)
			s->rcpts[n++] = s->rcpts[i];
	}
	map_release(&seen);
	arena_release(&arena);
	if (e == OK)
		s->n_rcpts = n;
	return e;
}

/* The envelope as it stands now, with what the lists ordered. */
static enum err
put_envelope(struct session *s, struct buf *out)
{
	struct envelope envelope = {
		.sender = s->sender,
		.login = s->login,
		.client = session_client(s),
		.helo = s->helo,
		.envid = s->mail.envid,
		.ret = s->mail.ret == SMTP_RET_FULL   ? RET_FULL
		       : s->mail.ret == SMTP_RET_HDRS ? RET_HDRS
						      : RET_UNSET,
		.is_8bit = s->mail.body == SMTP_BODY_8BITMIME,
		.is_smtputf8 = s->mail.is_smtputf8,
		.is_binary = s->mail.body == SMTP_BODY_BINARYMIME,
		.arrived_us = wall_us(),
		.xid = s->mail.xid,
		.is_repeat = s->mail.is_try,
		.is_unmapped = session_overrides(s, S("no_address_mappings")),
		.recipients = s->rcpts,
		.n_recipients = s->n_rcpts,
	};
	enum err e = policy_apply(s, &s->memory, &envelope);

	check(RAND_bytes((unsigned char *)&envelope.secret,
			 sizeof(envelope.secret)) == 1);
	s->n_changes_sent = policy_changes(s);
	if (e == OK)
		envelope_put(out, &envelope);
	return e;
}

static enum err
open_call(struct co *co, struct session *s)
{
	struct buf body = BUF_INIT(QUEUE_ENVELOPE_MAX_OCTETS);
	struct chan *chan;
	enum err e = peer_chan(co, in.queue, in_s(QUEUE_CONNECT_S), &chan);

	s->is_queue_full = false;
	if (e == OK)
		e = drop_repeats(s);
	if (e == OK) {
		s->call = call_open(chan);
		e = s->call ? OK : ERR_UNAVAILABLE;
	}
	if (e == OK)
		e = put_envelope(s, &body);
	if (e == OK)
		e = call_send(co, s->call, QUEUE_ACCEPT, buf_str(&body), -1,
			      false, in_s(QUEUE_TIMEOUT_S));
	buf_release(&body);
	return e;
}

static enum err
put_received(struct session *s, struct buf *out)
{
	int64_t now = wall_s();
	struct settings *settings = settings_hold();
	struct trace t = {
		.helo = s->helo,
		.peer_address = s->is_local ? S("") : session_client(s),
		.peer_name = s->client_name,
		.by = settings_of(settings)->hostname,
		.tls = stream_tls_text(s->stream),
		.id = str_c(s->id),
		.single_rcpt = s->n_rcpts == 1 ? &s->first_rcpt : NULL,
		.unix_seconds = now,
		.utc_offset_minutes = utc_offset_minutes(now),
		.is_extended = s->is_extended,
		.is_auth = s->login.n > 0,
		.is_tls = stream_is_tls(s->stream),
		.is_utf8 = s->mail.is_smtputf8,
	};
	enum err e = trace_received(out, &t);

	settings_drop(&settings);
	return e;
}

/* RFC 6409 8: what a submitted message lacks. */
static enum err
put_missing(struct session *s, struct buf *out)
{
	struct settings *settings = settings_hold();
	unsigned char bytes[TOKEN_OCTETS / 2];
	char token[TOKEN_OCTETS + 1];
	int64_t now = wall_s();
	enum err e = OK;

	if (!s->data.has_date) {
		e = buf_add(out, S("Date: "));
		if (e == OK)
			e = date_format_rfc5322(out, now,
						utc_offset_minutes(now));
		if (e == OK)
			e = buf_add(out, S("\r\n"));
	}
	if (e == OK && !s->data.has_message_id) {
		check(RAND_bytes(bytes, sizeof(bytes)) == 1);
		for (size_t i = 0; i < sizeof(bytes); i++)
			snprintf(token + 2 * i, 3, "%02x", bytes[i]);
		e = buf_add(out, S("Message-ID: "));
		if (e == OK)
			e = trace_message_id(out, str_c(token),
					     settings_of(settings)->hostname);
		if (e == OK)
			e = buf_add(out, S("\r\n"));
	}
	settings_drop(&settings);
	return e;
}

static enum err
send_piece(struct co *co, struct session *s, struct str piece)
{
	while (piece.n > 0) {
		struct str part = str_first(piece, PIECE_OCTETS);
		enum err e = call_send(co, s->call, QUEUE_CHUNK, part, -1,
				       false, in_s(QUEUE_TIMEOUT_S));

		if (e != OK)
			return e;
		piece = str_from(piece, part.n);
	}
	return OK;
}

/* Our fields go before the first octet of the content, once the header was seen
 * whole (what it lacks is known then). */
static enum err
send_header(struct co *co, struct session *s)
{
	struct buf fields = BUF_INIT(TRACE_OCTETS);
	enum err e = send_piece(co, s, policy_prepended(s));

	if (e == OK)
		e = put_received(s, &fields);

	if (e == OK && session_is_submission(s))
		e = put_missing(s, &fields);
	if (e == OK)
		e = send_piece(co, s, buf_str(&fields));
	buf_release(&fields);
	s->is_header_sent = true;
	return e;
}

/* The header is not content to the rules that come now. */
static enum err
send_own_header(struct co *co, struct session *s)
{
	size_t n = header_length(buf_str(&s->out));
	enum err e = send_piece(co, s, str_first(buf_str(&s->out), n));

	buf_shift(&s->out, n);
	return e;
}

/* Hands on what was read. Content that will be refused anyway is dropped. */
static enum err
hand_on(struct co *co, struct session *s, bool is_end)
{
	enum err e = OK;

	if (s->data.is_too_big || s->call == NULL) {
		buf_clear(&s->out);
		return OK;
	}
	if (!s->is_header_sent) {
		if (!is_end && !s->data.has_body &&
		    s->out.n < HEADER_WAIT_OCTETS)
			return OK;
		e = policy_check_header(co, s, is_end || s->data.has_body);
		if (e == OK)
			e = send_header(co, s);
		if (e == OK && s->checks != NULL)
			e = send_own_header(co, s);
	}
	if (e == OK && (is_end || s->out.n >= PIECE_OCTETS)) {
		if (s->checks != NULL)
			e = policy_check_content(co, s, is_end);
		if (e == OK)
			e = send_piece(co, s, buf_str(&s->out));
		buf_clear(&s->out);
	}
	return e;
}

/* ---- the end of content ---- */

/* What is wrong with the content itself; SMTP code, or 0. */
static int
find_fault(const struct smtp_data *d, bool is_binary, uint64_t most_hops,
	   struct str *enhanced_out, struct str *text_out)
{
	static const struct {
		int code;
		struct str enhanced, text;
	} faults[] = {
		{ 552, STR_INIT("5.3.4"),
		  STR_INIT("Message size exceeds fixed limit") },
		{ 550, STR_INIT("5.5.2"),
		  STR_INIT("Bare CR or LF in the message (RFC 5321 2.3.8)") },
		{ 550, STR_INIT("5.6.0"), STR_INIT("NUL in the message") },
		{ 554, STR_INIT("5.4.6"),
		  STR_INIT("Too many hops: a mail loop") },
	};
	bool has_bare = !is_binary && (d->has_bare_cr || d->has_bare_lf);
	int i = d->is_too_big		    ? 0
		: has_bare		    ? 1
		: !is_binary && d->has_nul  ? 2
		: d->n_received > most_hops ? 3
					    : -1;

	if (i < 0)
		return 0;
	*enhanced_out = faults[i].enhanced;
	*text_out = faults[i].text;
	return faults[i].code;
}

static void
take_refusal(struct session *s, const struct frame *f)
{
	enum queue_refusal why;

	s->is_queue_full = f->type == QUEUE_REFUSED &&
			   queue_read_refusal(f->body, &why) == OK &&
			   why == REFUSED_FULL;
}

/* The queue takes no more of it; it may have said why. */
static void
lose_call(struct co *co, struct session *s)
{
	struct frame f;

	if (s->call != NULL && call_has_input(s->call) &&
	    call_recv(co, s->call, in_s(QUEUE_TIMEOUT_S), &f) == OK) {
		take_refusal(s, &f);
		frame_release(&f);
	}
	call_free(&s->call);
}

static void
say_refused(struct session *s)
{
	SESSION_LOG(s, LOG_ERROR, "smtp.not-queued");
	if (s->is_queue_full)
		session_reply(s, 452, S("4.3.1"),
			      S("No room in the queue, try again later"));
	else
		session_reply(s, 451, S("4.3.0"),
			      S("The message could not be queued, try again "
				"later"));
}

/* ERR_UNAVAILABLE: the queue broke after it was told to commit, so nobody knows
 * whether the message is on disk. */
static enum err
commit(struct co *co, struct session *s, struct frame *f)
{
	int64_t deadline_us = in_s(QUEUE_TIMEOUT_S);
	struct buf body = BUF_INIT(QUEUE_ENVELOPE_MAX_OCTETS);
	enum err e = OK;

	/* The lists at the end of data ordered something more. */
	if (policy_changes(s) != s->n_changes_sent)
		e = put_envelope(s, &body);
	if (e == OK)
		e = call_send(co, s->call, QUEUE_COMMIT, buf_str(&body), -1,
			      true, deadline_us);
	buf_release(&body);
	if (e == OK || e == ERR_EOF)
		e = call_recv(co, s->call, deadline_us, f);
	return e == OK ? OK : ERR_UNAVAILABLE;
}

/* A rule ordered that it goes nowhere; the client must not see that. */
static void
discard_content(struct session *s)
{
	unsigned char bytes[QUEUE_ID_OCTETS / 2];
	char id[QUEUE_ID_OCTETS + 1];

	call_free(&s->call);
	check(RAND_bytes(bytes, sizeof(bytes)) == 1);
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(id + 2 * i, 3, "%02X", bytes[i]);
	SESSION_LOG(s, LOG_INFO, "smtp.discard", FC("id", id),
		    FA("from", s->sender), FN("rcpts", s->n_rcpts),
		    FA("to", s->rcpts[0].address),
		    FN("size", s->data.size_octets),
		    F("client", stream_peer(s->stream)));
	stream_putf(s->stream, "250 2.0.0 Ok: queued as %s\r\n", id);
	session_forgive(s);
}

static void
accept_content(struct co *co, struct session *s)
{
	struct frame f = { .fd = -1 };

	if (s->call != NULL && hand_on(co, s, true) != OK)
		lose_call(co, s);
	if (s->call == NULL) {
		say_refused(s);
		return;
	}
	session_owes(s);
	if (commit(co, s, &f) != OK) {
		/* A reply would be a guess: 250 might lose the message, 451
		 * would be a lie when it is delivered. No reply tells the
		 * client the truth, and it tries again (RFC 5321 4.2.5). */
		SESSION_LOG(s, LOG_ERROR, "smtp.outcome-unknown",
			    FA("from", s->sender));
		session_hang_up(s);
	} else if (f.type == QUEUE_ACCEPTED) {
		counter_add(COUNT_SMTP_ACCEPTED, 1);
		SESSION_LOG(s, LOG_INFO, "smtp.accept", F("id", f.body),
			    FA("from", s->sender), FN("rcpts", s->n_rcpts),
			    FA("to", s->rcpts[0].address),
			    FN("size", s->data.size_octets),
			    F("client", session_client(s)),
			    F("login", s->login), F("helo", s->helo));
		stream_putf(s->stream, "250 2.0.0 Ok: queued as %.*s\r\n",
			    STR(f.body));
		session_forgive(s);
	} else {
		take_refusal(s, &f);
		say_refused(s);
	}
	frame_release(&f);
}

/* The rules see the end as well. */
static bool
are_checks_refusing(struct co *co, struct session *s)
{
	if ((!s->is_header_sent || s->checks != NULL) &&
	    hand_on(co, s, true) != OK)
		lose_call(co, s); // said at the end
	return policy_says_refused(s);
}

static void
end_content(struct co *co, struct session *s)
{
	struct str enhanced, text;
	bool is_relay_decided;
	bool is_binary = s->mail.body == SMTP_BODY_BINARYMIME;
	int code = find_fault(&s->data, is_binary, s->rules->hop_count,
			      &enhanced, &text);

	if (code != 0) {
		SESSION_LOG(s, LOG_WARN, "smtp.content-refused",
			    FA("from", s->sender), FN("code", code),
			    F("text", text), F("client", session_client(s)));
		session_reply(s, code, enhanced, text);
		/* After bare line ends nobody can be sure what comes next. */
		if (!is_binary && (s->data.has_bare_cr || s->data.has_bare_lf))
			session_hang_up(s);
	} else if (are_checks_refusing(co, s)) {
		call_free(&s->call);
	} else if (policy_admits(co, s, POLICY_AT_END_OF_DATA, S(""),
				 &is_relay_decided)) {
		if (policy_is_discarded(s))
			discard_content(s);
		else
			accept_content(co, s);
	}
	session_reset_mail(s);
}

/* For the next octets, when so many came since began_us: each block in its
 * time, and all of them no slower than smtpd_min_data_rate (F10). With
 * smtpd_per_request_deadline there is no time for each block, but one for all,
 * which what comes at that rate extends. */
static int64_t
next_deadline(const struct session *s, int64_t began_us, int64_t block_began_us,
	      uint64_t n_octets)
{
	struct session_time time = session_time(s);
	uint64_t rate = s->rules->min_data_rate;
	int64_t timeout_us = (int64_t)time.timeout_s * US_PER_S;
	int64_t block_us =
		block_began_us + (timeout_us < DATA_TIMEOUT_S * US_PER_S
					  ? timeout_us
					  : DATA_TIMEOUT_S * US_PER_S);
	int64_t rate_us = began_us + timeout_us;

	if (rate > 0)
		rate_us += (int64_t)(n_octets / rate) * US_PER_S;
	else if (!time.is_deadline)
		return block_us;
	return block_us < rate_us ? block_us : rate_us;
}

/* More of the content, of which n_octets are there. */
static enum err
wait_for_more(struct co *co, struct session *s, int64_t began_us,
	      uint64_t n_octets)
{
	int64_t block_us = now_us(), until_us;
	enum err e;

	do {
		until_us = next_deadline(s, began_us, block_us, n_octets);
		e = stream_fill(co, s->stream, session_look(until_us));
	} while (e == ERR_TIMEOUT && now_us() < until_us);
	return e;
}

/* ---- DATA ---- */

enum err
content_data(struct co *co, struct session *s)
{
	int64_t began_us = now_us();
	enum smtp_data_result result = SMTP_DATA_MORE;
	enum err e = open_call(co, s);

	if (e != OK) {
		session_reply(s, 451, S("4.3.0"),
			      S("The queue does not answer, try again later"));
		session_reset_mail(s);
		return e == ERR_CANCELED ? e : OK;
	}
	buf_init(&s->out, HEADER_WAIT_OCTETS + 2 * PIECE_OCTETS + 262144);
	check(buf_reserve(&s->out, USUAL_OCTETS) == OK);
	smtp_data_init(&s->data, SMTP_DATA_DOTS, s->size_limit);
	stream_put(s->stream, S("354 End data with <CR><LF>.<CR><LF>\r\n"));
	while (result == SMTP_DATA_MORE) {
		size_t n;

		if (stream_peek(s->stream).n == 0)
			e = wait_for_more(co, s, began_us, s->data.size_octets);
		if (e != OK)
			return e; // the connection is over, nothing is queued
		result = smtp_data_feed(&s->data, stream_peek(s->stream), &n,
					&s->out);
		stream_take(s->stream, n);
		if (hand_on(co, s, false) != OK)
			lose_call(co, s); // said at the end
	}
	end_content(co, s);
	return OK;
}

/* ---- BDAT ---- */

/* Reads size octets; into the message, or nowhere. */
static enum err
read_chunk(struct co *co, struct session *s, uint64_t size, bool is_wanted)
{
	int64_t began_us = now_us();
	uint64_t n_read = 0;

	while (size > 0) {
		struct str in_now = stream_peek(s->stream);
		size_t n;

		if (in_now.n == 0) {
			enum err e = wait_for_more(co, s, began_us, n_read);

			if (e != OK)
				return e;
			continue;
		}
		in_now = str_first(in_now,
				   size < in_now.n ? (size_t)size : in_now.n);
		if (is_wanted && smtp_data_feed(&s->data, in_now, &n,
						&s->out) == SMTP_DATA_END)
			check_failed("end within a chunk", __FILE__, __LINE__);
		stream_take(s->stream, in_now.n);
		size -= in_now.n;
		n_read += in_now.n;
		if (is_wanted && hand_on(co, s, false) != OK)
			lose_call(co, s);
	}
	return OK;
}

static enum err
refuse_chunk(struct co *co, struct session *s, uint64_t size, int code,
	     struct str enhanced, struct str text)
{
	enum err e = read_chunk(co, s, size, false);

	if (e == OK)
		session_reply(s, code, enhanced, text);
	return e;
}

static enum err
begin_chunks(struct co *co, struct session *s)
{
	enum err e = open_call(co, s);

	buf_init(&s->out, HEADER_WAIT_OCTETS + 2 * PIECE_OCTETS + 262144);
	smtp_data_init(&s->data, SMTP_DATA_CHUNK, s->size_limit);
	s->transfer = TRANSFER_BDAT;
	if (e != OK)
		call_free(&s->call); // the last chunk's reply says so
	return e == ERR_CANCELED ? e : OK;
}

enum err
content_bdat(struct co *co, struct session *s, struct str argument)
{
	struct smtp_bdat_args args;
	bool is_relay_decided;
	enum smtp_syntax bad = smtp_bdat_parse(argument, &args);
	enum err e = OK;

	if (bad != SMTP_OK) {
		session_syntax(s, bad);
		session_hang_up(s); // how much to skip is unknown
		return OK;
	}
	if (s->is_extended && !(s->offers & OFFER_CHUNKING)) {
		session_reply(s, 502, S("5.5.1"), S("BDAT is not offered"));
		session_hang_up(s); // its octets need not be there
		return OK;
	}
	if (s->transfer == TRANSFER_BDAT_FAILED || !s->has_mail)
		return refuse_chunk(co, s, args.size_octets, 503, S("5.5.1"),
				    S("Say MAIL and RCPT first"));
	if (s->n_rcpts == 0) {
		s->transfer = TRANSFER_BDAT_FAILED;
		return refuse_chunk(co, s, args.size_octets, 554, S("5.5.1"),
				    S("No valid recipients"));
	}
	if (s->transfer == TRANSFER_NONE &&
	    !policy_admits(co, s, POLICY_AT_DATA, S(""), &is_relay_decided)) {
		s->transfer = TRANSFER_BDAT_FAILED;
		return read_chunk(co, s, args.size_octets, false);
	}
	if (s->transfer == TRANSFER_NONE)
		e = begin_chunks(co, s);
	if (e == OK)
		e = read_chunk(co, s, args.size_octets, true);
	if (e != OK)
		return e;
	if (args.is_last) {
		smtp_data_finish(&s->data);
		end_content(co, s);
		return OK;
	}
	if (s->data.is_too_big) {
		session_reply(s, 552, S("5.3.4"),
			      S("Message size exceeds fixed limit"));
		session_reset_mail(s);
		s->transfer = TRANSFER_BDAT_FAILED;
		return OK;
	}
	stream_putf(s->stream, "250 2.0.0 %llu octets received\r\n",
		    (unsigned long long)args.size_octets);
	return OK;
}
