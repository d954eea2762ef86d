/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_imap_notify.c - arguments of NOTIFY.
 *
 * Oracle (RFC 5465 5, 8): what was read keeps the rules of which events go
 * together and where; the events of all groups are their union. */
#include "lib/base/check.h"
#include "lib/mail/imap_notify.h"

enum { ARENA_OCTETS = 1 << 20, MAX_OCTETS = 1 << 15, ALL_FEATURES = 127 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_group(const struct imap_notify_group *g)
{
	const unsigned both = NOTIFY_MESSAGE_NEW | NOTIFY_MESSAGE_EXPUNGE;
	bool is_selected = g->filter == NOTIFY_SELECTED ||
			   g->filter == NOTIFY_SELECTED_DELAYED;

	check((g->events & both) == 0 || (g->events & both) == both);
	check(!(g->events & NOTIFY_FLAG_CHANGE) || (g->events & both) == both);
	check(!g->has_fetch || (is_selected && g->fetch.n > 0));
	check(!is_selected ||
	      !(g->events & (NOTIFY_MAILBOX_NAME | NOTIFY_SUBSCRIPTION_CHANGE |
			     NOTIFY_MAILBOX_METADATA)));
	check((g->n_mailboxes > 0) == (g->filter >= NOTIFY_SUBTREE));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = ARENA_INIT(ARENA_OCTETS);
	struct imap_notify n;
	struct imap_reader r;
	unsigned events = 0;

	if (size > MAX_OCTETS)
		return 0;
	imap_reader_init(&r, str_of(data, size), &arena);
	if (imap_notify_read(&r, ALL_FEATURES, &n)) {
		check(n.is_none == (n.n == 0));
		check(n.n <= IMAP_NOTIFY_GROUPS_MAX);
		for (size_t i = 0; i < n.n; i++) {
			check_group(&n.groups[i]);
			events |= n.groups[i].events;
		}
		check(events == n.events);
	}
	arena_release(&arena);
	return 0;
}
