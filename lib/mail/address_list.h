/* SPDX-License-Identifier: MIT
 * lib/mail/address_list.h - the address-list of a header field (RFC 5322 3.4
 * and 4.4), read with tolerance.
 *
 * Takes groups, comments, quoted strings, domain literals, source routes,
 * empty list elements, missing ends. Any bytes give a list, in linear time.
 * Comments nest to any depth without recursion. Encoded words stay as they
 * are. The strs borrow from the value or live in the arena. */
#pragma once

#include "lib/base/arena.h"

enum {
	/* Items; behind the element that reaches it all is left out. */
	ADDRESS_LIST_MAX = 10000,
};

enum address_list_kind {
	ADDRESS_LIST_MAILBOX,
	ADDRESS_LIST_GROUP,	// begin: name is that of the group
	ADDRESS_LIST_GROUP_END, // all strs are empty
};

struct address_list_item {
	enum address_list_kind kind;
	/* Display name, unquoted, words apart by one space; without one the
	 * comment behind the address. p is NULL when there is none. */
	struct str name;
	struct str route; // "@a,@b", p is NULL when there is none
	/* Unquoted. Either may be empty if the mail is broken. */
	struct str local, domain;
	struct address_list_item *next;
};

struct address_list {
	struct address_list_item *first, *last;
	unsigned n;
};

/* value is raw (folds allowed). ERR_LIMIT when the arena is used up; what was
 * read until then is in *out. Otherwise each group item has its end, even at
 * ADDRESS_LIST_MAX. */
enum err address_list_parse(struct arena *a, struct str value,
			    struct address_list *out) MUST_USE;
