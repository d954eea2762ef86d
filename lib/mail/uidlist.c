/* SPDX-License-Identifier: MIT
 * lib/mail/uidlist.c - dovecot-uidlist, version 3. */
#include "lib/mail/uidlist.h"

/* Cuts at the first blank; what is left begins behind it. */
static struct str
take_field(struct str *line)
{
	ptrdiff_t blank = str_chr(*line, ' ');
	struct str field = blank < 0 ? *line : str_first(*line, (size_t)blank);

	*line = str_from(*line, blank < 0 ? line->n : field.n + 1);
	return field;
}

/* No line of the file may hold these, whoever wrote it. */
static bool
is_line_sound(struct str line)
{
	return line.n > 0 && line.n <= UIDLIST_LINE_OCTETS_MAX &&
	       str_chr(line, '\0') < 0 && str_chr(line, '\n') < 0;
}

static bool
read_u32(struct str s, uint32_t min, uint32_t max, uint32_t *out)
{
	uint64_t n;

	if (!str_to_u64(s, max, &n) || n < min)
		return false;
	*out = (uint32_t)n;
	return true;
}

static bool
is_guid(struct str s)
{
	if (s.n != UIDLIST_GUID_OCTETS)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (ascii_hex(s.p[i]) < 0 || ascii_lower(s.p[i]) != s.p[i])
			return false;
	return true;
}

/* Fields that are not ours are kept together: they are always written last, so
 * the first of them begins the run, which must then hold no more of ours. */
static bool
parse_header(struct str line, struct uidlist_header *out)
{
	*out = (struct uidlist_header) { 0 };
	if (!is_line_sound(line) || !str_eq(take_field(&line), S("3")))
		return false;
	while (line.n > 0) {
		struct str whole = line;
		struct str field = take_field(&line);
		struct str value = str_from(field, 1);
		char key = field.n > 0 ? field.p[0] : ' ';
		bool ok = true;

		if (out->extra.n > 0 || key == ' ')
			ok = key != 'V' && key != 'N' && key != 'G';
		else if (key == 'V')
			ok = out->uidvalidity == 0 &&
			     read_u32(value, 1, UINT32_MAX, &out->uidvalidity);
		else if (key == 'N')
			ok = out->next_uid == 0 &&
			     read_u32(value, 1, UINT32_MAX, &out->next_uid);
		else if (key == 'G')
			ok = out->guid.n == 0 && is_guid(value);
		else
			out->extra = whole;
		if (!ok)
			return false;
		if (key == 'G' && out->extra.n == 0)
			out->guid = value;
	}
	return out->uidvalidity != 0 && out->next_uid != 0;
}

static bool
parse_record(struct str line, struct uidlist_record *out)
{
	*out = (struct uidlist_record) { 0 };
	if (!is_line_sound(line) ||
	    !read_u32(take_field(&line), 1, UIDLIST_UID_MAX, &out->uid))
		return false;
	struct str from_fields = line;
	while (line.n > 0 && line.p[0] != ':')
		if (take_field(&line).n == 0)
			return false;
	if (line.n == 0)
		return false;
	if (line.p != from_fields.p)
		out->fields = str_of(from_fields.p,
				     (size_t)(line.p - from_fields.p) - 1);
	out->base = str_from(line, 1);
	if (str_chr(out->base, '/') >= 0)
		return false;
	ptrdiff_t colon = str_chr(out->base, ':');
	if (colon >= 0) {
		/* Flags may follow. Anything else is two lines that a crash
		 * ran together, and the second one's UID cannot be seen. */
		struct str info = str_from(out->base, (size_t)colon);

		if (!str_starts(info, S(":2,")) && !str_starts(info, S(":1,")))
			return false;
		out->base = str_first(out->base, (size_t)colon);
	}
	return out->base.n > 0 && out->base.p[0] != '.';
}

enum err
uidlist_begin(struct uidlist_reader *r, struct str file,
	      struct uidlist_header *out)
{
	ptrdiff_t lf =
		str_chr(str_first(file, UIDLIST_LINE_OCTETS_MAX + 1), '\n');

	*r = (struct uidlist_reader) { 0 };
	*out = (struct uidlist_header) { 0 };
	if (lf < 0 || !parse_header(str_first(file, (size_t)lf), out))
		return ERR_FORMAT;
	r->rest = str_from(file, (size_t)lf + 1);
	r->next_uid = out->next_uid;
	return OK;
}

static enum uidlist_step
broken(struct uidlist_reader *r)
{
	*r = (struct uidlist_reader) { 0 };
	return UIDLIST_BROKEN;
}

/* The line may be the beginning of one that would have been longer. */
static void
skip_torn_line(struct uidlist_reader *r)
{
	struct str line = r->rest;
	uint32_t uid;

	r->is_torn = true;
	r->rest = str_from(r->rest, r->rest.n);
	if (read_u32(take_field(&line), 1, UIDLIST_UID_MAX, &uid) &&
	    uid >= r->next_uid)
		r->next_uid = uid + 1;
}

enum uidlist_step
uidlist_next(struct uidlist_reader *r, struct uidlist_record *out)
{
	if (r->next_uid == 0)
		return UIDLIST_BROKEN;
	if (r->rest.n == 0)
		return UIDLIST_END;

	ptrdiff_t lf =
		str_chr(str_first(r->rest, UIDLIST_LINE_OCTETS_MAX + 1), '\n');
	if (lf < 0 && r->rest.n > UIDLIST_LINE_OCTETS_MAX)
		return broken(r);
	if (lf < 0) {
		skip_torn_line(r);
		return UIDLIST_END;
	}
	if (!parse_record(str_first(r->rest, (size_t)lf), out))
		return broken(r);
	if (out->uid <= r->last_uid)
		return broken(r);
	r->last_uid = out->uid;
	if (out->uid >= r->next_uid)
		r->next_uid = out->uid + 1;
	r->rest = str_from(r->rest, (size_t)lf + 1);
	return UIDLIST_RECORD;
}

bool
uidlist_field(struct str fields, char key, struct str *out)
{
	while (fields.n > 0) {
		struct str field = take_field(&fields);

		if (field.n > 0 && field.p[0] == key) {
			*out = str_from(field, 1);
			return true;
		}
	}
	return false;
}

/* Takes back what was added from `at` on, unless it is a line that the reader
 * would accept. */
static enum err
end_line(struct buf *b, size_t at, enum err e, bool is_header)
{
	struct str line = str_from(buf_str(b), at);
	struct uidlist_header header;
	struct uidlist_record record;

	if (e == OK && !(is_header ? parse_header(line, &header)
				   : parse_record(line, &record)))
		e = ERR_FORMAT;
	if (e == OK)
		e = buf_addc(b, '\n');
	if (e != OK)
		buf_truncate(b, at);
	return e;
}

enum err
uidlist_put_header(struct buf *b, const struct uidlist_header *header)
{
	size_t at = b->n;
	enum err e =
		buf_addf(b, "3 V%u N%u", header->uidvalidity, header->next_uid);

	if (e == OK && header->guid.n > 0)
		e = buf_addf(b, " G%.*s", STR(header->guid));
	if (e == OK && header->extra.n > 0)
		e = buf_addf(b, " %.*s", STR(header->extra));
	return end_line(b, at, e, true);
}

enum err
uidlist_put_record(struct buf *b, const struct uidlist_record *record)
{
	size_t at = b->n;
	enum err e;

	if (str_chr(record->base, ':') >= 0)
		return ERR_FORMAT;
	e = buf_add_number(b, record->uid);
	if (e == OK)
		e = buf_addc(b, ' ');
	if (e == OK && record->fields.n > 0)
		e = buf_add(b, record->fields);
	if (e == OK && record->fields.n > 0)
		e = buf_addc(b, ' ');
	if (e == OK)
		e = buf_addc(b, ':');
	if (e == OK)
		e = buf_add(b, record->base);
	return end_line(b, at, e, false);
}
