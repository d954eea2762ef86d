/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_imap_search.c - a tree has the shape that its keys promise,
 * counted nodes, bounded depth and valid texts. SORT and THREAD as well. */
#include "lib/base/check.h"
#include "lib/base/utf8.h"
#include "lib/mail/imap_sort.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
walk(const struct imap_search_node *node, unsigned depth)
{
	size_t n = 1, n_children = 0;

	check(depth <= IMAP_DEPTH_MAX + 2);
	check(utf8_is_valid(node->text));
	for (const struct imap_search_node *c = node->first; c; c = c->next) {
		n += walk(c, depth + 1);
		n_children++;
	}
	if (node->key == IMAP_SEARCH_OR)
		check(n_children >= 2);
	else
		check((n_children > 0) == (node->key == IMAP_SEARCH_AND));
	check((node->flag != 0) == (node->key == IMAP_SEARCH_FLAG));
	if (node->key == IMAP_SEARCH_HEADER)
		check(node->name.p != NULL && node->text.p != NULL);
	if (node->key == IMAP_SEARCH_OLDER || node->key == IMAP_SEARCH_YOUNGER)
		check(node->number > 0);
	return n;
}

static void
check_search(const struct imap_search *search)
{
	check(walk(search->root, 0) == search->n_nodes);
	check(search->n_nodes <= IMAP_SEARCH_NODES_MAX);
	check(search->has_return == (search->return_bits != 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct imap_search_scope scope = { .seq_max = 9,
					   .uid_max = 99,
					   .features = 127 };
	struct arena arena = ARENA_INIT(1 << 20);
	struct imap_reader r;
	struct imap_search search;
	struct imap_sort sort;
	struct imap_thread thread;
	struct str in = str_of(data, size);

	imap_reader_init(&r, in, &arena);
	if (imap_search_read(&r, &scope, &search))
		check_search(&search);
	else
		check(r.fault != IMAP_FINE && r.fault_text != NULL);
	imap_reader_init(&r, in, &arena);
	if (imap_sort_read(&r, &scope, &sort))
		check_search(&sort.search);
	imap_reader_init(&r, in, &arena);
	if (imap_thread_read(&r, &scope, &thread))
		check_search(&thread.search);
	arena_release(&arena);
	return 0;
}
