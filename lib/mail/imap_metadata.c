/* SPDX-License-Identifier: MIT
 * lib/mail/imap_metadata.c - arguments of GETMETADATA and SETMETADATA. */
#include "lib/mail/imap_metadata.h"

/* ---- names ---- */

static const struct str tops[] = { STR_INIT("/private"), STR_INIT("/shared") };

bool
imap_entry_is_name(struct str name, bool is_top)
{
	size_t n_top = 0;

	for (size_t i = 0; i < sizeof(tops) / sizeof(*tops); i++)
		if (str_istarts(name, tops[i]))
			n_top = tops[i].n;
	if (n_top == 0 || name.n > IMAP_METADATA_NAME_MAX)
		return false;
	if (name.n == n_top)
		return is_top;
	if (name.p[n_top] != '/' || name.p[name.n - 1] == '/')
		return false;
	for (size_t i = 1; i < name.n; i++)
		if (!ascii_is_print(name.p[i]) || name.p[i] == '*' ||
		    name.p[i] == '%' ||
		    (name.p[i] == '/' && name.p[i - 1] == '/'))
			return false;
	return true;
}

bool
imap_entry_fits(struct str name, struct str asked,
		enum imap_metadata_depth depth)
{
	if (str_ieq(name, asked))
		return true;
	if (depth == DEPTH_0 || name.n <= asked.n + 1 ||
	    !str_istarts(name, asked) || name.p[asked.n] != '/')
		return false;
	return depth == DEPTH_INFINITY ||
	       str_chr(str_from(name, asked.n + 1), '/') < 0;
}

/* ---- arguments ---- */

static bool
read_name(struct imap_reader *r, bool is_top, struct str *out)
{
	if (!imap_reader_astring(r, out))
		return false;
	return imap_entry_is_name(*out, is_top) ||
	       imap_reader_fail(r, IMAP_FAULT_SYNTAX,
				"An entry is below /private or /shared");
}

static struct str *
new_list(struct imap_reader *r)
{
	struct str *list =
		arena_array(r->arena, IMAP_METADATA_ENTRIES_MAX, sizeof(*list));

	if (list == NULL)
		imap_reader_fail(r, IMAP_FAULT_LIMIT, "Command is too large");
	return list;
}

bool
imap_entries_read(struct imap_reader *r, struct imap_entries *out)
{
	struct str *names = new_list(r);

	*out = (struct imap_entries) { names, 0 };
	if (names == NULL)
		return false;
	if (imap_reader_peek(r) != '(') {
		out->n = 1;
		return read_name(r, true, &names[0]);
	}
	imap_reader_open(r);
	for (; imap_reader_next(r, out->n); out->n++) {
		if (out->n == IMAP_METADATA_ENTRIES_MAX)
			return imap_reader_fail(r, IMAP_FAULT_LIMIT,
						"Too many entries");
		read_name(r, true, &names[out->n]);
	}
	if (out->n == 0)
		imap_reader_fail(r, IMAP_FAULT_SYNTAX, "No entries");
	return r->fault == IMAP_FINE;
}

static void
read_depth(struct imap_reader *r, enum imap_metadata_depth *out)
{
	static const struct str words[] = { STR_INIT("0"), STR_INIT("1"),
					    STR_INIT("infinity") };
	struct str word;

	if (!imap_reader_atom(r, &word))
		return;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (str_ieq(word, words[i])) {
			*out = (enum imap_metadata_depth)i;
			return;
		}
	imap_reader_fail(r, IMAP_FAULT_SYNTAX, "DEPTH is 0, 1 or infinity");
}

static bool
read_options(struct imap_reader *r, struct imap_getmetadata *out)
{
	bool has_depth = false;

	imap_reader_open(r);
	if (imap_reader_peek(r) == ')')
		imap_reader_fail(r, IMAP_FAULT_SYNTAX, "No options");
	for (size_t n = 0; imap_reader_next(r, n); n++) {
		if (!has_depth && imap_reader_try_word(r, S("DEPTH"))) {
			has_depth = true;
			imap_reader_space(r);
			read_depth(r, &out->depth);
		} else if (!out->has_max &&
			   imap_reader_try_word(r, S("MAXSIZE"))) {
			out->has_max = true;
			imap_reader_space(r);
			imap_reader_number(r, &out->max_octets);
		} else {
			imap_reader_fail(r, IMAP_FAULT_SYNTAX,
					 "Unknown option");
		}
	}
	return imap_reader_space(r);
}

/* Behind the mailbox: are these options, with the entries behind them? */
static bool
has_options(const struct imap_reader *r)
{
	struct str rest = str_from(r->in, r->at);

	return str_istarts(rest, S("(DEPTH ")) ||
	       str_istarts(rest, S("(MAXSIZE "));
}

bool
imap_getmetadata_read(struct imap_reader *r, struct imap_getmetadata *out)
{
	*out = (struct imap_getmetadata) { .depth = DEPTH_0 };
	if (imap_reader_peek(r) == '(')
		read_options(r, out);
	imap_reader_astring(r, &out->mailbox);
	imap_reader_space(r);
	if (has_options(r))
		read_options(r, out);
	imap_entries_read(r, &out->entries);
	return imap_reader_end(r);
}

bool
imap_setmetadata_read(struct imap_reader *r, struct imap_setmetadata *out)
{
	struct str *names = new_list(r), *values = new_list(r);
	size_t n = 0;

	*out = (struct imap_setmetadata) { .values = values };
	imap_reader_astring(r, &out->mailbox);
	imap_reader_space(r);
	imap_reader_open(r);
	for (; imap_reader_next(r, n); n++) {
		if (n == IMAP_METADATA_ENTRIES_MAX)
			return imap_reader_fail(r, IMAP_FAULT_LIMIT,
						"Too many entries");
		read_name(r, false, &names[n]);
		imap_reader_space(r);
		imap_reader_nstring(r, &values[n]);
	}
	if (n == 0)
		imap_reader_fail(r, IMAP_FAULT_SYNTAX, "No entries");
	out->entries = (struct imap_entries) { names, n };
	return imap_reader_end(r);
}
