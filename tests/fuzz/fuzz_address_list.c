/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_address_list.c - groups are balanced, texts are bounded by
 * the value, and ENVELOPE holds no line end outside of literals. */
#include "lib/base/check.h"
#include "lib/mail/address_list.h"
#include "lib/mail/imap_envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
is_clean(struct str s)
{
	return s.n == 0 || (memchr(s.p, '\r', s.n) == NULL &&
			    memchr(s.p, '\n', s.n) == NULL &&
			    memchr(s.p, '\0', s.n) == NULL);
}

static void
check_list(const struct address_list *list, size_t size)
{
	const struct address_list_item *item = list->first;
	size_t n_octets = 0;
	bool in_group = false;
	unsigned n = 0;

	for (; item != NULL; item = item->next) {
		check(in_group == (item->kind == ADDRESS_LIST_GROUP_END) ||
		      item->kind == ADDRESS_LIST_MAILBOX);
		if (item->kind != ADDRESS_LIST_MAILBOX)
			in_group = item->kind == ADDRESS_LIST_GROUP;
		check(is_clean(item->name) && is_clean(item->route));
		check(is_clean(item->local) && is_clean(item->domain));
		n_octets += item->name.n + item->route.n + item->local.n +
			    item->domain.n;
		n++;
	}
	check(!in_group && n == list->n);
	check(n_octets <= 2 * size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = ARENA_INIT(16 << 20);
	struct buf header = BUF_INIT(2 * size + 20);
	struct buf out = BUF_INIT(8 << 20);
	struct address_list list;

	check(address_list_parse(&arena, str_of(data, size), &list) == OK);
	check_list(&list, size);
	buf_put(&header, S("From: "));
	buf_put(&header, str_of(data, size));
	if (imap_envelope(&out, buf_str(&header)) == OK)
		check(out.n > 0 && out.p[0] == '(' && out.p[out.n - 1] == ')');
	buf_release(&out);
	buf_release(&header);
	arena_release(&arena);
	return 0;
}
