/* SPDX-License-Identifier: MIT
 * lib/mail/mime.c - the tree of parts, in one pass over the lines.
 *
 * Standards: RFC 2045, RFC 2046 5, RFC 6532 3.7 (message/global).
 * Invariants:
 *  (1) levels[0 .. n_levels) are the open parts, each the parent of the next;
 *      fields of the last one are read while in_header.
 *  (2) A line is looked at once: cost is lines times open multiparts, and the
 *      latter are at most MIME_DEPTH_MAX.
 *  (3) Ranges of children lie inside the body of their parent, in order. */
#include "lib/mail/mime.h"

#include "lib/base/check.h"
#include "lib/mail/header.h"

/* A place at the begin of a line, and what was counted before it. */
struct mark {
	size_t at, n_lf, n_bare_lf;
};

struct level {
	struct mime_part *part;
	struct str boundary; // STR_NONE: waits for none (any more)
	struct mark header, body;
};

struct parser {
	struct arena *arena;
	struct str in;
	struct level *levels;
	size_t n_levels;
	unsigned n_parts;
	bool in_header;
	struct mark now;      // begin of the current line
	struct mark line_end; // before the line end that precedes it
};

static struct level *
top(struct parser *p)
{
	check(p->n_levels > 0);
	return &p->levels[p->n_levels - 1];
}

static struct mime_range
range_of(struct mark from, struct mark to)
{
	struct mime_range r = { from.at, 0, 0 };

	if (to.at <= from.at)
		return r;
	r.n = to.at - from.at;
	r.size_octets = r.n + (to.n_bare_lf - from.n_bare_lf);
	return r;
}

static struct mime_part *
new_part(struct parser *p, struct mime_part *parent)
{
	struct mime_part *part;

	if (p->n_parts >= MIME_PARTS_MAX)
		return NULL;
	part = arena_alloc(p->arena, sizeof(*part));
	if (part == NULL)
		return NULL;
	p->n_parts++;
	part->parent = parent;
	if (parent == NULL)
		return part;
	part->depth = parent->depth + 1;
	if (parent->last_child == NULL)
		parent->children = part;
	else
		parent->last_child->next = part;
	parent->last_child = part;
	parent->n_children++;
	return part;
}

/* Begins a part whose header is at the mark. */
static bool
open_part(struct parser *p, struct mime_part *parent, struct mark at)
{
	struct mime_part *part = new_part(p, parent);

	if (part == NULL)
		return false;
	check(part->depth < MIME_DEPTH_MAX);
	p->levels[p->n_levels++] = (struct level) { part, STR_NONE, at, at };
	p->in_header = true;
	return true;
}

/* RFC 2045 5.2: the type of what has none, or a broken one. */
static void
set_text_plain(struct parser *p, struct mime_part *part)
{
	struct mime_param *charset = arena_alloc(p->arena, sizeof(*charset));

	part->is_default_type = true;
	part->type = S("text");
	part->subtype = S("plain");
	part->params = charset;
	if (charset == NULL)
		return;
	charset->name = S("charset");
	charset->value = S("us-ascii");
}

/* RFC 2045 6.4: what cannot be looked into. */
static void
set_opaque(struct mime_part *part)
{
	part->kind = MIME_LEAF;
	part->type = S("application");
	part->subtype = S("octet-stream");
	part->params = NULL;
}

struct fields {
	struct str type, encoding, disposition;
	struct str id, description, md5, language, location;
};

static void
read_fields(struct str header, struct fields *f)
{
	struct {
		struct str name;
		struct str *value;
	} wanted[] = {
		{ STR_INIT("Type"), &f->type },
		{ STR_INIT("Transfer-Encoding"), &f->encoding },
		{ STR_INIT("Disposition"), &f->disposition },
		{ STR_INIT("ID"), &f->id },
		{ STR_INIT("Description"), &f->description },
		{ STR_INIT("MD5"), &f->md5 },
		{ STR_INIT("Language"), &f->language },
		{ STR_INIT("Location"), &f->location },
	};
	struct str prefix = S("Content-");
	struct header_iter it;
	struct header_field field;

	*f = (struct fields) { 0 };
	header_iter_init(&it, header);
	while (header_next(&it, &field)) {
		struct str rest = str_from(field.name, prefix.n);

		if (!str_istarts(field.name, prefix))
			continue;
		for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
			if (wanted[i].value->p == NULL &&
			    str_ieq(wanted[i].name, rest))
				*wanted[i].value = field.value;
	}
}

/* In the arena if it has to be changed. */
static struct str
unfolded(struct parser *p, struct str value)
{
	char *copy;
	size_t n = 0;

	if (value.p == NULL || (memchr(value.p, '\r', value.n) == NULL &&
				memchr(value.p, '\n', value.n) == NULL &&
				memchr(value.p, '\0', value.n) == NULL))
		return value;
	copy = arena_alloc(p->arena, value.n);
	if (copy == NULL)
		return STR_NONE;
	for (size_t i = 0; i < value.n; i++)
		if (strchr("\r\n", value.p[i]) == NULL) // NUL is "in" it too
			copy[n++] = value.p[i];
	return str_of(copy, n);
}

static void
set_encoding(struct parser *p, struct mime_part *part, struct str value)
{
	static const struct {
		struct str name;
		enum mime_encoding encoding;
	} known[] = {
		{ STR_INIT("7bit"), MIME_IDENTITY },
		{ STR_INIT("8bit"), MIME_IDENTITY },
		{ STR_INIT("binary"), MIME_IDENTITY },
		{ STR_INIT("quoted-printable"), MIME_QUOTED_PRINTABLE },
		{ STR_INIT("base64"), MIME_BASE64 },
	};
	struct mime_value v = { 0 };

	if (value.p != NULL)
		mime_value_parse(p->arena, value, &v);
	part->encoding_name = v.type.n > 0 ? v.type : S("7bit");
	part->encoding = MIME_UNKNOWN_ENCODING;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (str_ieq(known[i].name, part->encoding_name))
			part->encoding = known[i].encoding;
}

static void
set_type(struct parser *p, struct mime_part *part, struct str value)
{
	struct mime_value v = { 0 };
	bool is_in_digest = part->parent != NULL &&
			    part->parent->kind == MIME_MULTIPART &&
			    str_ieq(part->parent->subtype, S("digest"));

	if (value.p != NULL)
		mime_value_parse(p->arena, value, &v);
	if (v.type.n > 0 && v.subtype.n > 0) {
		part->type = v.type;
		part->subtype = v.subtype;
		part->params = v.params;
	} else if (value.p == NULL && is_in_digest) { // RFC 2046 5.1.5
		part->is_default_type = true;
		part->type = S("message");
		part->subtype = S("rfc822");
	} else {
		set_text_plain(p, part);
	}
}

static void
describe(struct parser *p, struct mime_part *part, struct str header)
{
	struct fields f;
	struct mime_value disposition = { 0 };

	read_fields(header, &f);
	set_encoding(p, part, f.encoding);
	set_type(p, part, f.type);
	if (f.disposition.p != NULL)
		mime_value_parse(p->arena, f.disposition, &disposition);
	part->disposition = disposition.type;
	if (disposition.type.n > 0)
		part->disposition_params = disposition.params;
	part->id = unfolded(p, f.id);
	part->description = unfolded(p, f.description);
	part->md5 = unfolded(p, f.md5);
	part->language = unfolded(p, f.language);
	part->location = unfolded(p, f.location);
}

static bool
is_message_type(const struct mime_part *part)
{
	return str_ieq(part->type, S("message")) &&
	       (str_ieq(part->subtype, S("rfc822")) ||
		str_ieq(part->subtype, S("global")));
}

/* The header of the last part ends at the mark; is there something inside? */
static void
end_header(struct parser *p, struct mark at)
{
	struct level *level = top(p);
	struct mime_part *part = level->part;
	bool is_multipart, is_message;

	level->body = at;
	part->header = range_of(level->header, at);
	p->in_header = false;
	describe(p, part, mime_slice(p->in, part->header));
	is_multipart = str_ieq(part->type, S("multipart"));
	is_message = is_message_type(part);
	if (!is_multipart && !is_message)
		return;
	if (part->depth + 1 >= MIME_DEPTH_MAX ||
	    part->encoding == MIME_BASE64 ||
	    part->encoding == MIME_QUOTED_PRINTABLE) {
		set_opaque(part);
		return;
	}
	if (is_message) {
		part->kind = MIME_MESSAGE;
		if (!open_part(p, part, at))
			set_opaque(part);
		return;
	}
	level->boundary =
		str_rtrim(mime_param_get(part->params, S("boundary")));
	if (level->boundary.n == 0 ||
	    level->boundary.n > MIME_BOUNDARY_MAX_OCTETS) {
		level->boundary = STR_NONE;
		set_text_plain(p, part);
		return;
	}
	part->kind = MIME_MULTIPART;
}

/* A multipart must have a part (RFC 9051 9, body-type-mpart). */
static void
add_missing_child(struct parser *p, struct mime_part *part)
{
	struct mime_part *child = new_part(p, part);

	if (child == NULL) {
		set_opaque(part);
		return;
	}
	set_text_plain(p, child);
	child->encoding_name = S("7bit");
	child->header = (struct mime_range) { part->body.at, 0, 0 };
	child->body = part->body;
	child->lines = part->lines;
}

/* Closes all parts behind the first n_left. Their bodies end at end; a header
 * that has no empty line goes on up to the current line. */
static void
close_parts(struct parser *p, size_t n_left, struct mark end)
{
	while (p->n_levels > n_left) {
		struct level *level = top(p);
		struct mime_part *part = level->part;

		if (p->in_header) {
			end_header(p, p->now);
			continue; // it may have opened another part
		}
		if (level->body.at > end.at)
			end = p->now; // the header took the line end
		part->body = range_of(level->body, end);
		if (part->body.n > 0)
			part->lines = end.n_lf - level->body.n_lf;
		if (part->kind == MIME_MULTIPART && part->children == NULL)
			add_missing_child(p, part);
		p->n_levels--;
	}
}

/* Index of the outermost level that the line is a boundary of, or n_levels. */
static size_t
find_boundary(const struct parser *p, struct str line, bool *is_last_out)
{
	line = str_from(str_rtrim(line), 2);
	for (size_t i = 0; i < p->n_levels; i++) {
		struct str b = p->levels[i].boundary;

		if (b.p == NULL || !str_starts(line, b))
			continue;
		*is_last_out = line.n > b.n;
		if (line.n == b.n || str_eq(str_from(line, b.n), S("--")))
			return i;
	}
	return p->n_levels;
}

static void
handle_line(struct parser *p, struct str line, struct mark behind)
{
	size_t i = p->n_levels;
	bool is_last = false;

	if (str_starts(line, S("--")))
		i = find_boundary(p, line, &is_last);
	if (i < p->n_levels) {
		close_parts(p, i + 1, p->line_end);
		if (is_last || !open_part(p, p->levels[i].part, behind))
			p->levels[i].boundary = STR_NONE;
		return;
	}
	if (p->in_header && (line.p[0] == '\n' || str_eq(line, S("\r\n"))))
		end_header(p, behind);
}

static void
parse_lines(struct parser *p)
{
	while (p->now.at < p->in.n) {
		struct str rest = str_from(p->in, p->now.at);
		const char *lf = memchr(rest.p, '\n', rest.n);
		size_t n = lf == NULL ? rest.n : (size_t)(lf - rest.p) + 1;
		size_t n_text = n - (lf != NULL);
		bool has_cr = n_text > 0 && rest.p[n_text - 1] == '\r';
		struct mark end = p->now, behind = p->now;

		end.at += n_text - (lf != NULL && has_cr);
		behind.at += n;
		behind.n_lf += lf != NULL;
		behind.n_bare_lf += lf != NULL && !has_cr;
		handle_line(p, str_first(rest, n), behind);
		p->line_end = end;
		p->now = behind;
	}
}

enum err
mime_parse(struct arena *a, struct str message, struct mime_part **root_out)
{
	struct parser p = { .arena = a, .in = message };

	p.levels = arena_array(a, MIME_DEPTH_MAX, sizeof(*p.levels));
	if (p.levels == NULL || !open_part(&p, NULL, p.now))
		return ERR_LIMIT;
	*root_out = p.levels[0].part;
	parse_lines(&p);
	close_parts(&p, 0, p.now);
	return OK;
}

/* Part number n of the message whose root part is given, RFC 9051 6.4.5: "every
 * message has at least one part number". */
static const struct mime_part *
part_of_message(const struct mime_part *root, uint32_t n)
{
	const struct mime_part *child = root->children;

	if (root->kind != MIME_MULTIPART)
		return n == 1 ? root : NULL;
	while (child != NULL && --n > 0)
		child = child->next;
	return child;
}

static const struct mime_part *
part_of_part(const struct mime_part *part, uint32_t n)
{
	if (part->kind == MIME_MULTIPART)
		return part_of_message(part, n);
	if (part->kind == MIME_MESSAGE)
		return part_of_message(part->children, n);
	return NULL;
}

static struct mime_range
joined(struct mime_range header, struct mime_range body)
{
	return (struct mime_range) { header.at, header.n + body.n,
				     header.size_octets + body.size_octets };
}

enum err
mime_section(const struct mime_part *root, const uint32_t *numbers,
	     size_t n_numbers, enum mime_what what, struct mime_section *out)
{
	const struct mime_part *part = root, *message = root;

	for (size_t i = 0; i < n_numbers; i++) {
		if (numbers[i] == 0)
			return ERR_NOT_FOUND;
		part = i == 0 ? part_of_message(part, numbers[i])
			      : part_of_part(part, numbers[i]);
		if (part == NULL)
			return ERR_NOT_FOUND;
		message = part->kind == MIME_MESSAGE ? part->children : NULL;
	}
	*out = (struct mime_section) { part, what, part->body };
	if (what == MIME_WHOLE && n_numbers == 0)
		out->range = joined(part->header, part->body);
	if (what == MIME_WHOLE)
		return OK;
	if (what == MIME_MIME) {
		out->range = part->header;
		return n_numbers > 0 ? OK : ERR_NOT_FOUND;
	}
	if (message == NULL)
		return ERR_NOT_FOUND;
	out->part = message;
	out->range = what == MIME_TEXT ? message->body : message->header;
	return OK;
}

const struct mime_part *
mime_next(const struct mime_part *part)
{
	if (part->children != NULL)
		return part->children;
	while (part != NULL && part->next == NULL)
		part = part->parent;
	return part == NULL ? NULL : part->next;
}

struct str
mime_slice(struct str message, struct mime_range range)
{
	return str_sub(message, range.at, range.n);
}

bool
mime_is_text(const struct mime_part *part)
{
	return part->kind == MIME_LEAF && str_ieq(part->type, S("text"));
}
