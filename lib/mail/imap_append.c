/* SPDX-License-Identifier: MIT
 * lib/mail/imap_append.c - arguments of APPEND. */
#include "lib/mail/imap_append.h"

/* 'SP [flag-list SP] [date-time SP]', up to the end. */
static bool
read_message_arguments(struct imap_reader *r, struct imap_append *out)
{
	struct str date;

	imap_reader_space(r);
	if (imap_reader_peek(r) == '(') {
		imap_flags_read(r, &out->flags);
		imap_reader_space(r);
	}
	if (imap_reader_peek(r) == '"') {
		imap_reader_string(r, &date);
		out->has_date = true;
		if (r->fault == IMAP_FINE &&
		    !imap_date_time_parse(date, &out->date))
			imap_reader_fail(r, IMAP_FAULT_SYNTAX,
					 "Malformed date-time");
		imap_reader_space(r);
	}
	return imap_reader_end(r);
}

bool
imap_append_read_first(struct imap_reader *r, struct imap_append *out)
{
	*out = (struct imap_append) { .has_date = false };
	imap_reader_astring(r, &out->mailbox);
	return read_message_arguments(r, out);
}

bool
imap_append_read_next(struct imap_reader *r, struct imap_append *out)
{
	*out = (struct imap_append) { .mailbox = out->mailbox };
	return read_message_arguments(r, out);
}
