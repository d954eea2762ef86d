/* SPDX-License-Identifier: MIT
 * lib/mail/imap_fetch.c - FETCH items and the labels of their answers. */
#include "lib/mail/imap_fetch.h"

#include "lib/mail/crlf.h"
#include "lib/mail/header.h"
#include "lib/mail/imap_write.h"

#include <stdlib.h>

static const struct {
	struct str name;
	enum imap_fetch_kind kind;
	unsigned feature; // 0: always there
} simple_items[] = {
	{ STR_INIT("UID"), IMAP_FETCH_UID, 0 },
	{ STR_INIT("FLAGS"), IMAP_FETCH_FLAGS, 0 },
	{ STR_INIT("INTERNALDATE"), IMAP_FETCH_INTERNALDATE, 0 },
	{ STR_INIT("RFC822.SIZE"), IMAP_FETCH_RFC822_SIZE, 0 },
	{ STR_INIT("ENVELOPE"), IMAP_FETCH_ENVELOPE, 0 },
	{ STR_INIT("BODY"), IMAP_FETCH_BODY, 0 },
	{ STR_INIT("BODYSTRUCTURE"), IMAP_FETCH_BODYSTRUCTURE, 0 },
	{ STR_INIT("RFC822"), IMAP_FETCH_RFC822, 0 },
	{ STR_INIT("RFC822.HEADER"), IMAP_FETCH_RFC822_HEADER, 0 },
	{ STR_INIT("RFC822.TEXT"), IMAP_FETCH_RFC822_TEXT, 0 },
	{ STR_INIT("MODSEQ"), IMAP_FETCH_MODSEQ, IMAP_FETCH_HAS_CONDSTORE },
	{ STR_INIT("EMAILID"), IMAP_FETCH_EMAILID, IMAP_FETCH_HAS_OBJECTID },
	{ STR_INIT("THREADID"), IMAP_FETCH_THREADID, IMAP_FETCH_HAS_OBJECTID },
	{ STR_INIT("SAVEDATE"), IMAP_FETCH_SAVEDATE, IMAP_FETCH_HAS_SAVEDATE },
	{ STR_INIT("PREVIEW"), IMAP_FETCH_PREVIEW, IMAP_FETCH_HAS_PREVIEW },
};

static const struct {
	struct str name;
	enum imap_fetch_kind kind;
	bool is_peek;
	unsigned feature;
} section_items[] = {
	{ STR_INIT("BODY"), IMAP_FETCH_SECTION, false, 0 },
	{ STR_INIT("BODY.PEEK"), IMAP_FETCH_SECTION, true, 0 },
	{ STR_INIT("BINARY"), IMAP_FETCH_BINARY, false, IMAP_FETCH_HAS_BINARY },
	{ STR_INIT("BINARY.PEEK"), IMAP_FETCH_BINARY, true,
	  IMAP_FETCH_HAS_BINARY },
	{ STR_INIT("BINARY.SIZE"), IMAP_FETCH_BINARY_SIZE, true,
	  IMAP_FETCH_HAS_BINARY },
};

static const struct {
	struct str name;
	enum imap_section_text text;
} section_texts[] = {
	{ STR_INIT("HEADER"), IMAP_SECTION_HEADER },
	{ STR_INIT("HEADER.FIELDS"), IMAP_SECTION_FIELDS },
	{ STR_INIT("HEADER.FIELDS.NOT"), IMAP_SECTION_FIELDS_NOT },
	{ STR_INIT("TEXT"), IMAP_SECTION_TEXT },
	{ STR_INIT("MIME"), IMAP_SECTION_MIME },
};

/* In RFC 9051 6.4.5's order; each macro begins where the larger one does. */
static const enum imap_fetch_kind macro_kinds[] = {
	IMAP_FETCH_FLAGS,    IMAP_FETCH_INTERNALDATE, IMAP_FETCH_RFC822_SIZE,
	IMAP_FETCH_ENVELOPE, IMAP_FETCH_BODY,
};

static const struct {
	struct str name;
	size_t n;
} macros[] = {
	{ STR_INIT("FAST"), 3 },
	{ STR_INIT("ALL"), 4 },
	{ STR_INIT("FULL"), 5 },
};

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

/* The state of one parse: room for more items. */
struct item_list {
	struct imap_fetch_item *items;
	size_t n;
};

static struct imap_fetch_item *
add_item(struct imap_reader *r, struct item_list *list)
{
	if (list->n == IMAP_FETCH_ITEMS_MAX) {
		imap_reader_fail(r, IMAP_FAULT_LIMIT, "Too many FETCH items");
		return NULL;
	}
	return &list->items[list->n++];
}

static bool
is_there(const struct imap_fetch_item *items, size_t n,
	 enum imap_fetch_kind kind)
{
	for (size_t i = 0; i < n; i++)
		if (items[i].kind == kind)
			return true;
	return false;
}

static struct imap_fetch_item *
add_simple(struct imap_reader *r, struct item_list *list,
	   enum imap_fetch_kind kind)
{
	struct imap_fetch_item *item;

	if (is_there(list->items, list->n, kind))
		return NULL;
	item = add_item(r, list);
	if (item != NULL)
		*item = (struct imap_fetch_item) {
			.kind = kind,
			.is_peek = kind != IMAP_FETCH_RFC822 &&
				   kind != IMAP_FETCH_RFC822_TEXT,
		};
	return item;
}

static bool
is_name_char(char c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c) || c == '.';
}

/* Takes the letters, digits and dots that come next. */
static struct str
take_name(struct imap_reader *r)
{
	struct str rest = str_from(r->in, r->at);
	size_t n = 0;

	if (r->fault != IMAP_FINE)
		return STR_NONE;
	while (n < rest.n && is_name_char(rest.p[n]))
		n++;
	r->at += n;
	return str_first(rest, n);
}

static int
compare_fields(const void *a, const void *b)
{
	return str_icmp(*(const struct str *)a, *(const struct str *)b);
}

static bool
read_fields(struct imap_reader *r, struct imap_section *section)
{
	size_t n_max = IMAP_FETCH_FIELDS_MAX, n = 0;
	struct str *fields = arena_array(r->arena, n_max, sizeof(*fields));
	struct str *sorted;

	if (fields == NULL)
		return imap_reader_fail(r, IMAP_FAULT_LIMIT,
					"Command is too large");
	imap_reader_space(r);
	imap_reader_open(r);
	for (; imap_reader_next(r, n); n++) {
		if (n == n_max)
			return imap_reader_fail(r, IMAP_FAULT_LIMIT,
						"Too many header fields");
		imap_reader_astring(r, &fields[n]);
	}
	if (r->fault == IMAP_FINE && n == 0)
		return imap_reader_fail(r, IMAP_FAULT_SYNTAX,
					"Empty list of header fields");
	sorted = arena_array(r->arena, n + 1, sizeof(*sorted));
	if (sorted == NULL)
		return imap_reader_fail(r, IMAP_FAULT_LIMIT,
					"Command is too large");
	memcpy(sorted, fields, n * sizeof(*fields));
	qsort(sorted, n, sizeof(*sorted), compare_fields);
	section->fields = fields;
	section->sorted = sorted;
	section->n_fields = n;
	return r->fault == IMAP_FINE;
}

/* "1.2.3" or "1.2.": stops before what is no number. Room for
 * IMAP_DEPTH_MAX. */
static bool
read_parts(struct imap_reader *r, struct imap_section *section)
{
	uint32_t *parts = arena_array(r->arena, IMAP_DEPTH_MAX, sizeof(*parts));

	if (parts == NULL)
		return imap_reader_fail(r, IMAP_FAULT_LIMIT,
					"Command is too large");
	section->parts = parts;
	do {
		if (section->n_parts == IMAP_DEPTH_MAX)
			return imap_reader_fail(r, IMAP_FAULT_LIMIT,
						"Part is too deep");
		if (!imap_reader_nz_number(r, &parts[section->n_parts]))
			return false;
		section->n_parts++;
		if (!imap_reader_try(r, '.'))
			return true;
	} while (imap_reader_peek(r) >= '0' && imap_reader_peek(r) <= '9');
	/* A dot was taken, so a text must follow. */
	if (imap_reader_peek(r) == ']')
		return imap_reader_fail(r, IMAP_FAULT_SYNTAX,
					"Malformed section");
	return true;
}

static bool
read_section_text(struct imap_reader *r, struct imap_section *section)
{
	struct str name = take_name(r);

	for (size_t i = 0; i < COUNT(section_texts); i++)
		if (str_ieq(name, section_texts[i].name))
			section->text = section_texts[i].text;
	if (section->text == IMAP_SECTION_ALL ||
	    (section->text == IMAP_SECTION_MIME && section->n_parts == 0))
		return imap_reader_fail(r, IMAP_FAULT_SYNTAX,
					"Unknown section");
	if (section->text == IMAP_SECTION_FIELDS ||
	    section->text == IMAP_SECTION_FIELDS_NOT)
		return read_fields(r, section);
	return true;
}

static bool
read_partial(struct imap_reader *r, struct imap_fetch_item *item)
{
	if (item->kind == IMAP_FETCH_BINARY_SIZE || !imap_reader_try(r, '<'))
		return true;
	item->has_partial = true;
	imap_reader_number64(r, &item->partial_first);
	imap_reader_byte(r, '.');
	imap_reader_number64(r, &item->partial_octets);
	if (r->fault == IMAP_FINE && item->partial_octets == 0)
		return imap_reader_fail(r, IMAP_FAULT_SYNTAX,
					"Partial length must not be 0");
	return imap_reader_byte(r, '>');
}

/* Behind the "[". */
static bool
read_section(struct imap_reader *r, struct imap_fetch_item *item)
{
	struct imap_section *section = &item->section;

	if (imap_reader_peek(r) >= '0' && imap_reader_peek(r) <= '9' &&
	    !read_parts(r, section))
		return false;
	bool is_text = imap_reader_peek(r) != ']';

	/* BODY[1TEXT] lacks its dot. */
	if (is_text && section->n_parts > 0 && r->in.p[r->at - 1] != '.')
		return imap_reader_fail(r, IMAP_FAULT_SYNTAX,
					"Malformed section");
	if (is_text && item->kind != IMAP_FETCH_SECTION)
		return imap_reader_fail(r, IMAP_FAULT_SYNTAX,
					"BINARY takes part numbers only");
	if (is_text && !read_section_text(r, section))
		return false;
	return imap_reader_byte(r, ']') && read_partial(r, item);
}

bool
imap_section_read(struct str spec, struct arena *arena,
		  struct imap_section *out)
{
	struct imap_fetch_item item = { .kind = IMAP_FETCH_SECTION };
	char *text = arena_alloc(arena, spec.n + 1);
	struct imap_reader r;

	if (text == NULL)
		return false;
	if (spec.n > 0)
		memcpy(text, spec.p, spec.n);
	text[spec.n] = ']';
	imap_reader_init(&r, str_of(text, spec.n + 1), arena);
	read_section(&r, &item);
	*out = item.section;
	return imap_reader_end(&r);
}

enum mime_what
imap_section_what(enum imap_section_text text)
{
	switch (text) {
	case IMAP_SECTION_HEADER:
	case IMAP_SECTION_FIELDS:
	case IMAP_SECTION_FIELDS_NOT:
		return MIME_HEADER;
	case IMAP_SECTION_TEXT:
		return MIME_TEXT;
	case IMAP_SECTION_MIME:
		return MIME_MIME;
	case IMAP_SECTION_ALL:
		break;
	}
	return MIME_WHOLE;
}

static bool
is_wanted(const struct imap_section *section, struct str name)
{
	bool is_named = section->n_fields > 0 &&
			bsearch(&name, section->sorted, section->n_fields,
				sizeof(name), compare_fields) != NULL;

	return section->text ==
	       (is_named ? IMAP_SECTION_FIELDS : IMAP_SECTION_FIELDS_NOT);
}

/* Not that of a message which ends in its header. */
static bool
has_blank_line(struct str header)
{
	return str_eq(header, S("\n")) || str_eq(header, S("\r\n")) ||
	       str_ends(header, S("\n\n")) || str_ends(header, S("\n\r\n"));
}

enum err
imap_section_pick(struct buf *out, const struct imap_section *section,
		  struct str header)
{
	struct header_iter it;
	struct header_field field;
	enum err e = OK;

	header_iter_init(&it, header);
	while (e == OK && header_next(&it, &field)) {
		struct str whole = str_sub(header, field.at, field.n);

		if (!is_wanted(section, field.name))
			continue;
		e = crlf_add(out, whole);
		if (e == OK && !str_ends(whole, S("\n"))) // the message's end
			e = buf_add(out, S("\r\n"));
	}
	return e == OK && has_blank_line(header) ? buf_add(out, S("\r\n")) : e;
}

static bool
read_section_item(struct imap_reader *r, unsigned features, struct str name,
		  struct item_list *list)
{
	struct imap_fetch_item *item;

	for (size_t i = 0; i < COUNT(section_items); i++) {
		if (!str_ieq(name, section_items[i].name) ||
		    section_items[i].feature & ~features)
			continue;
		item = add_item(r, list);
		if (item == NULL)
			return false;
		*item = (struct imap_fetch_item) {
			.kind = section_items[i].kind,
			.is_peek = section_items[i].is_peek,
		};
		return imap_reader_byte(r, '[') && read_section(r, item);
	}
	return imap_reader_fail(r, IMAP_FAULT_SYNTAX, "Unknown FETCH item");
}

static bool
read_simple_item(struct imap_reader *r, unsigned features, struct str name,
		 struct item_list *list)
{
	struct imap_fetch_item *item;
	bool is_lazy;

	for (size_t i = 0; i < COUNT(simple_items); i++) {
		if (!str_ieq(name, simple_items[i].name) ||
		    simple_items[i].feature & ~features)
			continue;
		item = add_simple(r, list, simple_items[i].kind);
		is_lazy = simple_items[i].kind == IMAP_FETCH_PREVIEW &&
			  str_istarts(str_from(r->in, r->at), S(" (LAZY)"));
		if (is_lazy)
			r->at += sizeof(" (LAZY)") - 1;
		if (item != NULL)
			item->is_lazy = is_lazy;
		return r->fault == IMAP_FINE;
	}
	return imap_reader_fail(r, IMAP_FAULT_SYNTAX, "Unknown FETCH item");
}

static bool
read_item(struct imap_reader *r, unsigned features, struct str name,
	  struct item_list *list)
{
	if (imap_reader_peek(r) == '[')
		return read_section_item(r, features, name, list);
	return read_simple_item(r, features, name, list);
}

/* Macros stand alone, never in a list (RFC 9051 9, fetch). */
static bool
read_macro_or_item(struct imap_reader *r, unsigned features,
		   struct item_list *list)
{
	struct str name = take_name(r);

	for (size_t i = 0; i < COUNT(macros); i++) {
		if (!str_ieq(name, macros[i].name))
			continue;
		for (size_t k = 0; k < macros[i].n; k++)
			add_simple(r, list, macro_kinds[k]);
		return true;
	}
	return read_item(r, features, name, list);
}

static bool
read_modifiers(struct imap_reader *r, unsigned features, struct imap_fetch *out)
{
	imap_reader_open(r);
	for (size_t n = 0; imap_reader_next(r, n); n++) {
		if (features & IMAP_FETCH_HAS_CONDSTORE &&
		    imap_reader_try_word(r, S("CHANGEDSINCE"))) {
			out->has_changed_since = true;
			imap_reader_space(r);
			imap_reader_number64(r, &out->changed_since);
		} else if (features & IMAP_FETCH_HAS_QRESYNC &&
			   imap_reader_try_word(r, S("VANISHED"))) {
			out->has_vanished = true;
		} else if (features & IMAP_FETCH_HAS_PARTIAL &&
			   !out->has_partial &&
			   imap_reader_try_word(r, S("PARTIAL"))) {
			out->has_partial = true;
			imap_reader_space(r);
			imap_partial_read(r, &out->partial);
		} else {
			imap_reader_fail(r, IMAP_FAULT_SYNTAX,
					 "Unknown FETCH modifier");
		}
	}
	/* RFC 7162 3.2.6 */
	if (out->has_vanished && !out->has_changed_since)
		imap_reader_fail(r, IMAP_FAULT_SYNTAX,
				 "VANISHED needs CHANGEDSINCE");
	return r->fault == IMAP_FINE;
}

static bool
begin_list(struct imap_reader *r, struct item_list *list,
	   struct imap_fetch *out)
{
	*list = (struct item_list) {
		.items = arena_array(r->arena, IMAP_FETCH_ITEMS_MAX,
				     sizeof(*list->items)),
	};
	*out = (struct imap_fetch) { .items = list->items };
	return list->items != NULL ||
	       imap_reader_fail(r, IMAP_FAULT_LIMIT, "Command is too large");
}

static bool
end_list(struct imap_reader *r, const struct item_list *list,
	 struct imap_fetch *out)
{
	out->n = list->n;
	for (size_t i = 0; i < list->n; i++)
		out->sets_seen |= !list->items[i].is_peek;
	if (r->fault == IMAP_FINE && list->n == 0)
		imap_reader_fail(r, IMAP_FAULT_SYNTAX, "No FETCH items");
	return r->fault == IMAP_FINE;
}

static void
read_list(struct imap_reader *r, unsigned features, struct item_list *list)
{
	imap_reader_open(r);
	for (size_t n = 0; imap_reader_next(r, n); n++)
		read_item(r, features, take_name(r), list);
}

bool
imap_fetch_read_list(struct imap_reader *r, unsigned features,
		     struct imap_fetch *out)
{
	struct item_list list;

	if (!begin_list(r, &list, out))
		return false;
	read_list(r, features, &list);
	return end_list(r, &list, out);
}

bool
imap_fetch_read(struct imap_reader *r, unsigned features,
		struct imap_fetch *out)
{
	struct item_list list;

	if (!begin_list(r, &list, out))
		return false;
	if (imap_reader_peek(r) == '(')
		read_list(r, features, &list);
	else
		read_macro_or_item(r, features, &list);
	if (!end_list(r, &list, out))
		return false;
	if (imap_reader_try(r, ' '))
		read_modifiers(r, features, out);
	return imap_reader_end(r);
}

bool
imap_fetch_add_kind(struct imap_fetch *f, enum imap_fetch_kind kind,
		    struct arena *arena)
{
	struct imap_fetch_item *items;

	if (is_there(f->items, f->n, kind))
		return true;
	items = arena_array(arena, f->n + 1, sizeof(*items));
	if (items == NULL)
		return false;
	items[0] = (struct imap_fetch_item) { .kind = kind, .is_peek = true };
	if (f->n > 0)
		memcpy(items + 1, f->items, f->n * sizeof(*items));
	f->items = items;
	f->n++;
	return true;
}

static enum err
write_field(struct buf *b, struct str field)
{
	size_t start = b->n;
	enum err e = imap_write_astring(b, field);

	for (size_t i = start; i < b->n; i++)
		b->p[i] = ascii_upper(b->p[i]);
	return e;
}

static enum err
write_fields(struct buf *b, const struct imap_section *section)
{
	enum err e = buf_add(b, S(" ("));

	for (size_t i = 0; e == OK && i < section->n_fields; i++) {
		if (i > 0)
			e = buf_addc(b, ' ');
		if (e == OK)
			e = write_field(b, section->fields[i]);
	}
	return e == OK ? buf_addc(b, ')') : e;
}

static enum err
write_section(struct buf *b, const struct imap_section *section)
{
	enum err e = OK;

	for (size_t i = 0; e == OK && i < section->n_parts; i++)
		e = buf_addf(b, "%s%u", i ? "." : "", section->parts[i]);
	if (e != OK || section->text == IMAP_SECTION_ALL)
		return e;
	if (section->n_parts > 0)
		e = buf_addc(b, '.');
	for (size_t i = 0; e == OK && i < COUNT(section_texts); i++)
		if (section_texts[i].text == section->text)
			e = buf_add(b, section_texts[i].name);
	if (e == OK && section->n_fields > 0)
		e = write_fields(b, section);
	return e;
}

static struct str
item_name(const struct imap_fetch_item *item)
{
	switch (item->kind) {
	case IMAP_FETCH_SECTION:
		return S("BODY[");
	case IMAP_FETCH_BINARY:
		return S("BINARY[");
	case IMAP_FETCH_BINARY_SIZE:
		return S("BINARY.SIZE[");
	default:
		break;
	}
	for (size_t i = 0; i < COUNT(simple_items); i++)
		if (simple_items[i].kind == item->kind)
			return simple_items[i].name;
	return STR_NONE;
}

enum err
imap_fetch_write_label(struct buf *b, const struct imap_fetch_item *item)
{
	struct str name = item_name(item);
	enum err e = buf_add(b, name);

	if (e != OK || !str_ends(name, S("[")))
		return e;
	e = write_section(b, &item->section);
	if (e == OK)
		e = buf_addc(b, ']');
	if (e == OK && item->has_partial)
		e = buf_addf(b, "<%llu>",
			     (unsigned long long)item->partial_first);
	return e;
}
