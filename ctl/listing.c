/* SPDX-License-Identifier: MIT
 * ctl/listing.c - the queue as postqueue prints it. */
#include "ctl/listing.h"

#include "lib/base/json.h"
#include "lib/base/utf8.h"

#include <inttypes.h>

enum {
	RCPT_COLUMN = 41,
	REASON_END_COLUMN = 78, // reasons end here when they are short enough
	KBYTE_OCTETS = 1024,
};

static const struct str header =
	STR_INIT("-Queue ID-  --Size-- ----Arrival Time---- "
		 "-Sender/Recipient-------\n");

/* C1 controls steer terminals as C0 ones do. */
static bool
is_shown(uint32_t character)
{
	return character >= 0x20 && (character < 0x7f || character > 0x9f);
}

static enum err
add_printable(struct buf *out, struct str s)
{
	enum err e = OK;

	while (s.n > 0 && e == OK) {
		uint32_t character = 0;
		size_t n = utf8_char(s, &character);

		e = n > 0 && is_shown(character) ? buf_add(out, str_first(s, n))
						 : buf_addc(out, '?');
		s = str_from(s, n ? n : 1);
	}
	return e;
}

static struct str
sender_of(const struct queue_entry *entry)
{
	return entry->sender.n ? entry->sender : S("MAILER-DAEMON");
}

static enum err
add_head(struct buf *out, const struct queue_entry *entry)
{
	static const char marks[QUEUE_STATES][2] = {
		[QUEUE_DEFERRED] = "",
		[QUEUE_ACTIVE] = "*",
		[QUEUE_HOLD] = "!",
		[QUEUE_CORRUPT] = "?",
	};
	time_t at_s = (time_t)entry->arrived_s;
	char id[QUEUE_ID_OCTETS + 2], date[32];
	struct tm tm;
	enum err e;

	snprintf(id, sizeof(id), "%.*s%s", STR(entry->id),
		 entry->is_expired && entry->state == QUEUE_DEFERRED
			 ? "#"
			 : marks[entry->state]);
	localtime_r(&at_s, &tm);
	strftime(date, sizeof(date), "%a %b %e %H:%M:%S", &tm);
	e = buf_addf(out, "%-11s %7" PRIu64 " %-20.20s ", id,
		     entry->size_octets, date);
	if (e == OK)
		e = add_printable(out, sender_of(entry));
	return e == OK ? buf_addc(out, '\n') : e;
}

static enum err
add_reason(struct buf *out, struct str reason)
{
	int room = REASON_END_COLUMN - 2 - (int)reason.n;
	enum err e = buf_addf(out, "%*s(", room > 0 ? room : 0, "");

	if (e == OK)
		e = add_printable(out, reason);
	return e == OK ? buf_add(out, S(")\n")) : e;
}

static enum err
add_rcpt(struct buf *out, struct str address)
{
	enum err e = buf_addf(out, "%*s", RCPT_COLUMN, "");

	if (e == OK)
		e = add_printable(out, address);
	return e == OK ? buf_addc(out, '\n') : e;
}

/* Those that were tried stand first, below their reason; a reason that is the
 * same as the one above is not repeated. */
static enum err
add_rcpts(struct buf *out, const struct queue_entry *entry, bool is_tried)
{
	struct str above = STR_NONE;
	enum err e = OK;

	for (size_t i = 0; i < entry->n_rcpts && e == OK; i++) {
		const struct queue_entry_rcpt *rcpt = &entry->rcpts[i];

		if ((rcpt->reason.n > 0) != is_tried)
			continue;
		if (is_tried && !str_eq(rcpt->reason, above))
			e = add_reason(out, rcpt->reason);
		above = rcpt->reason;
		if (e == OK)
			e = add_rcpt(out, rcpt->address);
	}
	return e;
}

enum err
listing_add(struct listing *l, struct buf *out, const struct queue_entry *entry)
{
	enum err e = OK;

	if (l->n_messages++ == 0)
		e = buf_add(out, header);
	l->n_octets += entry->size_octets;
	if (e == OK)
		e = add_head(out, entry);
	if (e == OK)
		e = add_rcpts(out, entry, true);
	if (e == OK)
		e = add_rcpts(out, entry, false);
	return e == OK ? buf_addc(out, '\n') : e;
}

void
listing_put_total(const struct listing *l, struct buf *out)
{
	if (l->n_messages == 0)
		buf_put(out, S("Mail queue is empty\n"));
	else
		buf_putf(out,
			 "-- %" PRIu64 " Kbytes in %" PRIu64 " Request%s.\n",
			 l->n_octets / KBYTE_OCTETS, l->n_messages,
			 l->n_messages == 1 ? "" : "s");
}

static enum err
add_json_rcpt(struct buf *out, const struct queue_entry_rcpt *rcpt)
{
	enum err e = buf_add(out, S("{\"address\": "));

	if (e == OK)
		e = json_add_string(out, rcpt->address);
	if (e == OK && rcpt->reason.n > 0) {
		e = buf_add(out, S(", \"delay_reason\": "));
		if (e == OK)
			e = json_add_string(out, rcpt->reason);
	}
	return e == OK ? buf_addc(out, '}') : e;
}

enum err
listing_add_json(struct buf *out, const struct queue_entry *entry)
{
	static const char *const names[QUEUE_STATES] = {
		[QUEUE_DEFERRED] = "deferred",
		[QUEUE_ACTIVE] = "active",
		[QUEUE_HOLD] = "hold",
		[QUEUE_CORRUPT] = "corrupt",
	};
	enum err e = buf_addf(out, "{\"queue_name\": \"%s\", \"queue_id\": ",
			      names[entry->state]);

	if (e == OK)
		e = json_add_string(out, entry->id);
	if (e == OK)
		e = buf_addf(out,
			     ", \"arrival_time\": %" PRId64
			     ", \"message_size\": %" PRIu64
			     ", \"forced_expire\": %s, \"sender\": ",
			     entry->arrived_s, entry->size_octets,
			     entry->is_expired ? "true" : "false");
	if (e == OK)
		e = json_add_string(out, sender_of(entry));
	if (e == OK)
		e = buf_add(out, S(", \"recipients\": ["));
	for (size_t i = 0; i < entry->n_rcpts && e == OK; i++) {
		if (i > 0)
			e = buf_add(out, S(", "));
		if (e == OK)
			e = add_json_rcpt(out, &entry->rcpts[i]);
	}
	return e == OK ? buf_add(out, S("]}\n")) : e;
}
