/* SPDX-License-Identifier: MIT
 * lib/mail/imap_envelope.c - writes ENVELOPE (RFC 9051 7.5.2). */
#include "lib/mail/imap_envelope.h"

#include "lib/mail/address_list.h"
#include "lib/mail/header.h"
#include "lib/mail/imap_write.h"

enum envelope_field {
	DATE,
	SUBJECT,
	FROM,
	SENDER,
	REPLY_TO,
	TO,
	CC,
	BCC,
	IN_REPLY_TO,
	MESSAGE_ID,
	N_FIELDS,
};

static const struct {
	struct str name;
	bool is_address;
	enum envelope_field instead; // when there is no address
} fields[N_FIELDS] = {
	[DATE] = { STR_INIT("Date"), false, DATE },
	[SUBJECT] = { STR_INIT("Subject"), false, SUBJECT },
	[FROM] = { STR_INIT("From"), true, FROM },
	[SENDER] = { STR_INIT("Sender"), true, FROM },
	[REPLY_TO] = { STR_INIT("Reply-To"), true, FROM },
	[TO] = { STR_INIT("To"), true, TO },
	[CC] = { STR_INIT("Cc"), true, CC },
	[BCC] = { STR_INIT("Bcc"), true, BCC },
	[IN_REPLY_TO] = { STR_INIT("In-Reply-To"), false, IN_REPLY_TO },
	[MESSAGE_ID] = { STR_INIT("Message-ID"), false, MESSAGE_ID },
};

static void
find_fields(struct str header, struct str values[N_FIELDS])
{
	struct header_iter it;
	struct header_field f;

	header_iter_init(&it, header);
	while (header_next(&it, &f))
		for (int i = 0; i < N_FIELDS; i++)
			if (values[i].p == NULL &&
			    str_ieq(f.name, fields[i].name))
				values[i] = f.value;
}

static enum err
add_text(struct buf *out, struct str value)
{
	struct buf unfolded = BUF_INIT(value.n);
	enum err e;

	if (value.p == NULL)
		return buf_add(out, S("NIL"));
	e = header_unfold(&unfolded, value);
	for (size_t i = 0; i < unfolded.n; i++) // folds need no literal
		if (unfolded.p[i] == '\t')
			unfolded.p[i] = ' ';
	if (e == OK)
		e = imap_write_string(out, buf_str(&unfolded));
	buf_release(&unfolded);
	return e;
}

/* (name route mailbox host); NIL in place of host makes it a group's begin or
 * end, NIL for the mailbox its end. */
static enum err
add_item(struct buf *out, const struct address_list_item *item)
{
	bool is_mailbox = item->kind == ADDRESS_LIST_MAILBOX;
	bool is_group = item->kind == ADDRESS_LIST_GROUP;
	struct str parts[] = {
		is_group ? STR_NONE : item->name,
		item->route,
		is_group ? item->name : item->local,
		item->domain,
	};
	enum err e = buf_addc(out, '(');

	for (size_t i = 0; i < 4 && e == OK; i++) {
		bool may_be_empty = (i == 2 && (is_mailbox || is_group)) ||
				    (i == 3 && is_mailbox);

		if (i > 0)
			e = buf_addc(out, ' ');
		if (e != OK)
			break;
		if (parts[i].n == 0 && !may_be_empty)
			e = buf_add(out, S("NIL"));
		else
			e = imap_write_string(out, parts[i]);
	}
	return e != OK ? e : buf_addc(out, ')');
}

static enum err
add_addresses(struct buf *out, struct str value)
{
	struct arena arena = ARENA_INIT(IMAP_ENVELOPE_ARENA_OCTETS);
	const struct address_list_item *item;
	struct address_list list;
	enum err e;

	e = address_list_parse(&arena, value, &list);
	if (e == OK && list.n == 0) {
		e = buf_add(out, S("NIL"));
	} else if (e == OK) {
		e = buf_addc(out, '(');
		for (item = list.first; item != NULL && e == OK;
		     item = item->next)
			e = add_item(out, item);
		if (e == OK)
			e = buf_addc(out, ')');
	}
	arena_release(&arena);
	return e;
}

/* The address field i, or what stands for it: "if the Sender or Reply-To lines
 * are absent or empty, the server sets the value to that of From". */
static enum err
add_address_field(struct buf *out, const struct str values[N_FIELDS], int i)
{
	size_t from = out->n;
	enum err e = add_addresses(out, values[i]);

	if (e != OK || (int)fields[i].instead == i)
		return e;
	if (!str_eq(str_from(buf_str(out), from), S("NIL")))
		return OK;
	buf_truncate(out, from);
	return add_addresses(out, values[fields[i].instead]);
}

enum err
imap_envelope(struct buf *out, struct str header)
{
	struct str values[N_FIELDS] = { 0 };
	size_t from = out->n;
	enum err e;

	find_fields(header, values);
	e = buf_addc(out, '(');
	for (int i = 0; i < N_FIELDS && e == OK; i++) {
		if (i > 0)
			e = buf_addc(out, ' ');
		if (e != OK)
			break;
		if (fields[i].is_address)
			e = add_address_field(out, values, i);
		else
			e = add_text(out, values[i]);
	}
	if (e == OK)
		e = buf_addc(out, ')');
	if (e != OK)
		buf_truncate(out, from);
	return e;
}
