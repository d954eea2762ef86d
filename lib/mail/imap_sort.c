/* SPDX-License-Identifier: MIT
 * lib/mail/imap_sort.c - SORT and THREAD. */
#include "lib/mail/imap_sort.h"

static const struct {
	struct str name;
	enum imap_sort_key key;
} sort_keys[] = {
	{ STR_INIT("ARRIVAL"), IMAP_SORT_ARRIVAL },
	{ STR_INIT("CC"), IMAP_SORT_CC },
	{ STR_INIT("DATE"), IMAP_SORT_DATE },
	{ STR_INIT("FROM"), IMAP_SORT_FROM },
	{ STR_INIT("SIZE"), IMAP_SORT_SIZE },
	{ STR_INIT("SUBJECT"), IMAP_SORT_SUBJECT },
	{ STR_INIT("TO"), IMAP_SORT_TO },
	{ STR_INIT("DISPLAYFROM"), IMAP_SORT_DISPLAYFROM },
	{ STR_INIT("DISPLAYTO"), IMAP_SORT_DISPLAYTO },
};

static const struct {
	struct str name;
	enum imap_thread_algorithm algorithm;
} algorithms[] = {
	{ STR_INIT("ORDEREDSUBJECT"), IMAP_THREAD_ORDEREDSUBJECT },
	{ STR_INIT("REFERENCES"), IMAP_THREAD_REFERENCES },
	{ STR_INIT("REFS"), IMAP_THREAD_REFS },
};

static bool
read_criterion(struct imap_reader *r, struct imap_sort *out)
{
	struct imap_sort_criterion *criterion = &out->criteria[out->n];
	struct str word;

	if (out->n == IMAP_SORT_CRITERIA_MAX)
		return imap_reader_fail(r, IMAP_FAULT_LIMIT,
					"Too many sort criteria");
	criterion->is_reverse = imap_reader_try_word(r, S("REVERSE"));
	if (criterion->is_reverse)
		imap_reader_space(r);
	imap_reader_atom(r, &word);
	for (size_t i = 0; i < sizeof(sort_keys) / sizeof(*sort_keys); i++) {
		if (!str_ieq(word, sort_keys[i].name))
			continue;
		criterion->key = sort_keys[i].key;
		out->n++;
		return true;
	}
	return imap_reader_fail(r, IMAP_FAULT_SYNTAX, "Unknown sort criterion");
}

bool
imap_sort_read(struct imap_reader *r, const struct imap_search_scope *scope,
	       struct imap_sort *out)
{
	*out = (struct imap_sort) { .n = 0 };
	imap_search_read_return(r, scope->features, &out->search);
	imap_reader_open(r);
	for (size_t n = 0; imap_reader_next(r, n); n++)
		read_criterion(r, out);
	if (r->fault == IMAP_FINE && out->n == 0)
		imap_reader_fail(r, IMAP_FAULT_SYNTAX, "No sort criteria");
	imap_reader_space(r);
	imap_search_read_charset(r, &out->search);
	return imap_search_read_keys(r, scope, &out->search);
}

bool
imap_thread_read(struct imap_reader *r, const struct imap_search_scope *scope,
		 struct imap_thread *out)
{
	struct str word;
	size_t i = 0, n = sizeof(algorithms) / sizeof(*algorithms);

	*out = (struct imap_thread) { .search = { 0 } };
	imap_reader_atom(r, &word);
	while (i < n && !str_ieq(word, algorithms[i].name))
		i++;
	if (i == n)
		return imap_reader_fail(r, IMAP_FAULT_SYNTAX,
					"Unknown thread algorithm");
	out->algorithm = algorithms[i].algorithm;
	imap_reader_space(r);
	imap_search_read_charset(r, &out->search);
	return imap_search_read_keys(r, scope, &out->search);
}
