/* SPDX-License-Identifier: MIT
 * lib/mail/imap_append.c - arguments of APPEND. */
#include "lib/mail/imap_append.h"

void
imap_append_init(struct imap_append *a)
{
	*a = (struct imap_append) { .at = IMAP_APPEND_AT_MAILBOX };
}

static enum imap_append_step
fault(struct imap_reader *r, const char *text)
{
	imap_reader_fail(r, IMAP_FAULT_SYNTAX, text);
	return IMAP_APPEND_FAULT;
}

/* The part ends here, and a literal follows it. */
static enum imap_append_step
meet_literal(struct imap_append *a, struct imap_reader *r, bool is_last,
	     enum imap_append_literal literal)
{
	if (!imap_reader_is_done(r) || is_last)
		return fault(r, "Expected a literal");
	a->literal = literal;
	return IMAP_APPEND_LITERAL;
}

/* 'SP [flag-list SP] [date-time SP]' and what kind of message it is. */
static enum imap_append_step
begin(struct imap_append *a, struct imap_reader *r)
{
	struct str date;

	a->flags = (struct imap_flags) { 0 };
	a->has_date = false;
	imap_reader_space(r);
	if (imap_reader_peek(r) == '(') {
		imap_flags_read(r, &a->flags);
		imap_reader_space(r);
	}
	if (imap_reader_peek(r) == '"') {
		imap_reader_string(r, &date);
		a->has_date = true;
		if (r->fault == IMAP_FINE &&
		    !imap_date_time_parse(date, &a->date))
			imap_reader_fail(r, IMAP_FAULT_SYNTAX,
					 "Malformed date-time");
		imap_reader_space(r);
	}
	a->at = IMAP_APPEND_AT_LITERAL;
	a->literal = IMAP_APPEND_MESSAGE;
	a->n_elements = 0;
	if (imap_reader_try_word(r, S("CATENATE"))) {
		a->at = IMAP_APPEND_AT_CATENATE;
		imap_reader_space(r);
		imap_reader_byte(r, '(');
	} else if (imap_reader_try_word(r, S("UTF8"))) {
		a->literal = IMAP_APPEND_UTF8;
		imap_reader_space(r);
		imap_reader_byte(r, '(');
	}
	if (r->fault != IMAP_FINE)
		return IMAP_APPEND_FAULT;
	a->n_messages++;
	return IMAP_APPEND_BEGIN;
}

/* cat-part of RFC 4469 5. */
static enum imap_append_step
read_element(struct imap_append *a, struct imap_reader *r, bool is_last)
{
	if (a->n_elements > 0 && imap_reader_try(r, ')')) {
		a->at = IMAP_APPEND_AT_MESSAGE;
		return IMAP_APPEND_FINISH;
	}
	if (a->n_elements++ > 0)
		imap_reader_space(r);
	if (imap_reader_try_word(r, S("TEXT"))) {
		imap_reader_space(r);
		return meet_literal(a, r, is_last, IMAP_APPEND_TEXT);
	}
	if (imap_reader_try_word(r, S("UTF8"))) { // RFC 6855 4
		imap_reader_space(r);
		imap_reader_byte(r, '(');
		a->at = IMAP_APPEND_AT_CATENATE_UTF8_END;
		return meet_literal(a, r, is_last, IMAP_APPEND_UTF8);
	}
	if (!imap_reader_try_word(r, S("URL")))
		return fault(r, "Expected TEXT, URL or UTF8");
	imap_reader_space(r);
	if (imap_reader_is_done(r))
		return meet_literal(a, r, is_last, IMAP_APPEND_URL_LITERAL);
	return imap_reader_astring(r, &a->url) ? IMAP_APPEND_URL
					       : IMAP_APPEND_FAULT;
}

enum imap_append_step
imap_append_next(struct imap_append *a, struct imap_reader *r, bool is_last)
{
	if (r->fault != IMAP_FINE)
		return IMAP_APPEND_FAULT;
	switch (a->at) {
	case IMAP_APPEND_AT_MAILBOX:
		if (!imap_reader_astring(r, &a->mailbox))
			return IMAP_APPEND_FAULT;
		return begin(a, r);
	case IMAP_APPEND_AT_MESSAGE:
		if (is_last && a->n_messages > 0 && imap_reader_is_done(r))
			return IMAP_APPEND_DONE;
		return begin(a, r);
	case IMAP_APPEND_AT_LITERAL:
		a->at = a->literal == IMAP_APPEND_UTF8 ? IMAP_APPEND_AT_UTF8_END
						       : IMAP_APPEND_AT_FINISH;
		return meet_literal(a, r, is_last, a->literal);
	case IMAP_APPEND_AT_UTF8_END:
		if (!imap_reader_byte(r, ')'))
			return IMAP_APPEND_FAULT;
		a->at = IMAP_APPEND_AT_MESSAGE;
		return IMAP_APPEND_FINISH;
	case IMAP_APPEND_AT_FINISH:
		a->at = IMAP_APPEND_AT_MESSAGE;
		return IMAP_APPEND_FINISH;
	case IMAP_APPEND_AT_CATENATE_UTF8_END:
		if (!imap_reader_byte(r, ')'))
			return IMAP_APPEND_FAULT;
		a->at = IMAP_APPEND_AT_CATENATE;
		break;
	case IMAP_APPEND_AT_CATENATE:
		break;
	}
	return read_element(a, r, is_last);
}
