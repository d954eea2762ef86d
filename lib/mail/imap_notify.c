/* SPDX-License-Identifier: MIT
 * lib/mail/imap_notify.c - arguments of NOTIFY (RFC 5465 8). */
#include "lib/mail/imap_notify.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static const struct {
	struct str name;
	enum imap_notify_filter filter;
} filters[] = {
	{ STR_INIT("SELECTED"), NOTIFY_SELECTED },
	{ STR_INIT("SELECTED-DELAYED"), NOTIFY_SELECTED_DELAYED },
	{ STR_INIT("INBOXES"), NOTIFY_INBOXES },
	{ STR_INIT("PERSONAL"), NOTIFY_PERSONAL },
	{ STR_INIT("SUBSCRIBED"), NOTIFY_SUBSCRIBED },
	{ STR_INIT("SUBTREE"), NOTIFY_SUBTREE },
	{ STR_INIT("MAILBOXES"), NOTIFY_MAILBOXES },
};

static const struct {
	struct str name;
	enum imap_notify_event event;
} events[] = {
	{ STR_INIT("MessageNew"), NOTIFY_MESSAGE_NEW },
	{ STR_INIT("MessageExpunge"), NOTIFY_MESSAGE_EXPUNGE },
	{ STR_INIT("FlagChange"), NOTIFY_FLAG_CHANGE },
	{ STR_INIT("AnnotationChange"), NOTIFY_ANNOTATION_CHANGE },
	{ STR_INIT("MailboxName"), NOTIFY_MAILBOX_NAME },
	{ STR_INIT("SubscriptionChange"), NOTIFY_SUBSCRIPTION_CHANGE },
	{ STR_INIT("MailboxMetadataChange"), NOTIFY_MAILBOX_METADATA },
	{ STR_INIT("ServerMetadataChange"), NOTIFY_SERVER_METADATA },
};

static bool
is_of_selected(const struct imap_notify_group *g)
{
	return g->filter == NOTIFY_SELECTED ||
	       g->filter == NOTIFY_SELECTED_DELAYED;
}

/* one-or-more-mailbox */
static void
read_mailboxes(struct imap_reader *r, struct imap_notify_group *g,
	       size_t *n_left)
{
	imap_reader_space(r);
	g->mailboxes = arena_array(r->arena, *n_left + 1, sizeof(struct str));
	if (g->mailboxes == NULL) {
		imap_reader_fail(r, IMAP_FAULT_LIMIT, "Command is too large");
		return;
	}
	if (imap_reader_peek(r) != '(') {
		imap_reader_astring(r, &g->mailboxes[g->n_mailboxes++]);
	} else {
		imap_reader_open(r);
		while (imap_reader_next(r, g->n_mailboxes)) {
			if (g->n_mailboxes == *n_left) {
				imap_reader_fail(r, IMAP_FAULT_LIMIT,
						 "Too many mailboxes");
				return;
			}
			imap_reader_astring(r, &g->mailboxes[g->n_mailboxes++]);
		}
		if (g->n_mailboxes == 0)
			imap_reader_fail(r, IMAP_FAULT_SYNTAX, "No mailboxes");
	}
	*n_left -= g->n_mailboxes <= *n_left ? g->n_mailboxes : *n_left;
}

static void
read_filter(struct imap_reader *r, struct imap_notify_group *g, size_t *n_left)
{
	struct str word;

	if (!imap_reader_atom(r, &word))
		return;
	for (size_t i = 0; i < COUNT(filters); i++)
		if (str_ieq(word, filters[i].name)) {
			g->filter = filters[i].filter;
			if (g->filter >= NOTIFY_SUBTREE)
				read_mailboxes(r, g, n_left);
			return;
		}
	imap_reader_fail(r, IMAP_FAULT_SYNTAX, "Unknown mailboxes of NOTIFY");
}

static void
read_event(struct imap_reader *r, unsigned features,
	   struct imap_notify_group *g)
{
	enum imap_notify_event event = NOTIFY_OTHER;
	struct str word;

	if (!imap_reader_atom(r, &word))
		return;
	for (size_t i = 0; i < COUNT(events); i++)
		if (str_ieq(word, events[i].name))
			event = events[i].event;
	g->events |= event;
	if (event != NOTIFY_MESSAGE_NEW ||
	    !str_starts(str_from(r->in, r->at), S(" (")))
		return;
	/* RFC 5465 5.2: only where there are sequence numbers. */
	if (!is_of_selected(g) || g->has_fetch)
		imap_reader_fail(r, IMAP_FAULT_SYNTAX,
				 "Attributes are for the selected mailbox");
	imap_reader_space(r);
	g->has_fetch = imap_fetch_read_list(r, features, &g->fetch);
}

/* RFC 5465 5: what goes with what. */
static void
check_events(struct imap_reader *r, const struct imap_notify_group *g)
{
	const unsigned both = NOTIFY_MESSAGE_NEW | NOTIFY_MESSAGE_EXPUNGE;
	const unsigned flags = NOTIFY_FLAG_CHANGE | NOTIFY_ANNOTATION_CHANGE;

	if ((g->events & both) && (g->events & both) != both)
		imap_reader_fail(r, IMAP_FAULT_SYNTAX,
				 "MessageNew goes with MessageExpunge");
	if ((g->events & flags) && (g->events & both) != both)
		imap_reader_fail(r, IMAP_FAULT_SYNTAX,
				 "FlagChange goes with MessageNew");
	if (is_of_selected(g) && (g->events & ~(both | flags | NOTIFY_OTHER)))
		imap_reader_fail(r, IMAP_FAULT_SYNTAX,
				 "A selected mailbox has events of messages");
}

static void
read_group(struct imap_reader *r, unsigned features,
	   struct imap_notify_group *g, size_t *n_left)
{
	*g = (struct imap_notify_group) { .filter = NOTIFY_PERSONAL };
	imap_reader_open(r);
	imap_reader_next(r, 0);
	read_filter(r, g, n_left);
	imap_reader_space(r);
	if (!imap_reader_try_word(r, S("NONE"))) {
		size_t n = 0;

		imap_reader_open(r);
		for (; imap_reader_next(r, n); n++)
			read_event(r, features, g);
		if (n == 0)
			imap_reader_fail(r, IMAP_FAULT_SYNTAX, "No events");
	}
	if (imap_reader_next(r, 1))
		imap_reader_fail(r, IMAP_FAULT_SYNTAX, "Expected )");
	check_events(r, g);
}

static void
read_groups(struct imap_reader *r, unsigned features, struct imap_notify *out)
{
	size_t n_left = IMAP_NOTIFY_MAILBOXES_MAX, n_selected = 0;

	out->groups = arena_array(r->arena, IMAP_NOTIFY_GROUPS_MAX,
				  sizeof(*out->groups));
	if (out->groups == NULL) {
		imap_reader_fail(r, IMAP_FAULT_LIMIT, "Command is too large");
		return;
	}
	do {
		struct imap_notify_group *g = &out->groups[out->n];

		if (out->n == IMAP_NOTIFY_GROUPS_MAX) {
			imap_reader_fail(r, IMAP_FAULT_LIMIT,
					 "Too many groups");
			return;
		}
		imap_reader_space(r);
		read_group(r, features, g, &n_left);
		n_selected += is_of_selected(g);
		out->events |= g->events;
		out->n++;
	} while (r->fault == IMAP_FINE && imap_reader_peek(r) == ' ');
	if (n_selected > 1)
		imap_reader_fail(r, IMAP_FAULT_SYNTAX,
				 "SELECTED stands in one group");
}

bool
imap_notify_read(struct imap_reader *r, unsigned fetch_features,
		 struct imap_notify *out)
{
	*out = (struct imap_notify) { .is_none = false };
	if (imap_reader_try_word(r, S("NONE"))) {
		out->is_none = true;
		return imap_reader_end(r);
	}
	if (!imap_reader_try_word(r, S("SET")))
		return imap_reader_fail(r, IMAP_FAULT_SYNTAX,
					"Expected SET or NONE");
	if (str_istarts(str_from(r->in, r->at), S(" STATUS "))) {
		out->has_status = true;
		r->at += sizeof(" STATUS") - 1;
	}
	read_groups(r, fetch_features, out);
	return imap_reader_end(r);
}
