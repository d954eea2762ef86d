/* SPDX-License-Identifier: MIT
 * lib/mail/imap_body.c - writes BODYSTRUCTURE and BODY (RFC 9051 7.5.2). */
#include "lib/mail/imap_body.h"

#include "lib/mail/imap_envelope.h"
#include "lib/mail/imap_write.h"

struct writer {
	struct buf *out;
	struct str message;
	bool is_extended;
	enum err e; // the first failure; nothing is written behind it
};

static void
add(struct writer *w, struct str s)
{
	if (w->e == OK)
		w->e = buf_add(w->out, s);
}

static void
add_number(struct writer *w, size_t n)
{
	if (w->e == OK)
		w->e = buf_addf(w->out, " %zu", n);
}

static void
add_string(struct writer *w, struct str s)
{
	if (w->e == OK)
		w->e = imap_write_string(w->out, s);
}

static void
add_nstring(struct writer *w, struct str s)
{
	add(w, S(" "));
	if (w->e == OK)
		w->e = imap_write_nstring(w->out, s);
}

static void
add_params(struct writer *w, const struct mime_param *params)
{
	struct str before = S(" (");

	if (params == NULL) {
		add(w, S(" NIL"));
		return;
	}
	for (; params != NULL; params = params->next) {
		add(w, before);
		add_string(w, params->name);
		add(w, S(" "));
		add_string(w, params->value);
		before = S(" ");
	}
	add(w, S(")"));
}

/* "charset", also in the forms of RFC 2231. */
static bool
has_charset(const struct mime_param *params)
{
	struct str name = S("charset");

	for (; params != NULL; params = params->next)
		if (str_ieq(str_first(params->name, name.n), name) &&
		    (params->name.n == name.n || params->name.p[name.n] == '*'))
			return true;
	return false;
}

/* RFC 2046 4.1.2: what text/plain without a charset is in. Others of text have
 * defaults of their own (RFC 6657 3). */
static void
add_type_params(struct writer *w, const struct mime_part *part)
{
	struct mime_param charset = {
		.name = S("charset"),
		.value = S("us-ascii"),
		.next = part->params,
	};

	if (mime_is_text(part) && str_ieq(part->subtype, S("plain")) &&
	    !has_charset(part->params))
		add_params(w, &charset);
	else
		add_params(w, part->params);
}

static void
add_disposition(struct writer *w, const struct mime_part *part)
{
	if (part->disposition.n == 0) {
		add(w, S(" NIL"));
		return;
	}
	add(w, S(" ("));
	add_string(w, part->disposition);
	add_params(w, part->disposition_params);
	add(w, S(")"));
}

/* "en, de" as ("en" "de"); one alone as a string. */
static void
add_language(struct writer *w, struct str value)
{
	struct str tag, first = STR_NONE;
	unsigned n = 0;

	for (struct str rest = value; str_split(&rest, ',', &tag);) {
		tag = str_trim(tag);
		if (tag.n == 0)
			continue;
		n++;
		if (n == 1) {
			first = tag;
			continue;
		}
		if (n == 2) {
			add(w, S(" ("));
			add_string(w, first);
		}
		add_nstring(w, tag);
	}
	if (n < 2)
		add_nstring(w, first);
	else
		add(w, S(")"));
}

static void
add_extension(struct writer *w, const struct mime_part *part)
{
	add_disposition(w, part);
	add_language(w, part->language);
	add_nstring(w, part->location);
}

/* Begin of a part that is no multipart, up to its size. */
static void
add_single(struct writer *w, const struct mime_part *part)
{
	add(w, S("("));
	add_string(w, part->type);
	add(w, S(" "));
	add_string(w, part->subtype);
	add_type_params(w, part);
	add_nstring(w, part->id);
	add_nstring(w, part->description);
	add_nstring(w, part->encoding_name);
	add_number(w, part->body.size_octets);
	if (mime_is_text(part))
		add_number(w, part->lines);
}

static void
end_single(struct writer *w, const struct mime_part *part)
{
	if (part->kind == MIME_MESSAGE)
		add_number(w, part->lines);
	if (w->is_extended) {
		add_nstring(w, part->md5);
		add_extension(w, part);
	}
	add(w, S(")"));
}

static void
end_multipart(struct writer *w, const struct mime_part *part)
{
	add(w, S(" "));
	add_string(w, part->subtype);
	if (w->is_extended) {
		add_params(w, part->params);
		add_extension(w, part);
	}
	add(w, S(")"));
}

/* Opens the part; a message's envelope stands before its only child. */
static void
begin_part(struct writer *w, const struct mime_part *part)
{
	if (part->kind == MIME_MULTIPART) {
		add(w, S("("));
		return;
	}
	add_single(w, part);
	if (part->kind != MIME_MESSAGE)
		return;
	add(w, S(" "));
	if (w->e == OK)
		w->e = imap_envelope(
			w->out, mime_slice(w->message, part->children->header));
	add(w, S(" "));
}

static void
end_part(struct writer *w, const struct mime_part *part)
{
	if (part->kind == MIME_MULTIPART)
		end_multipart(w, part);
	else
		end_single(w, part);
}

/* Goes through the tree without recursion, as the depth is up to strangers. */
static enum err
write_tree(struct buf *out, struct str message, const struct mime_part *root,
	   bool is_extended)
{
	struct writer w = { out, message, is_extended, OK };
	const struct mime_part *part = root;
	size_t from = out->n;

	while (part != NULL && w.e == OK) {
		begin_part(&w, part);
		if (part->children != NULL) {
			part = part->children;
			continue;
		}
		end_part(&w, part);
		while (part != root && part->next == NULL) {
			part = part->parent;
			end_part(&w, part);
		}
		part = part == root ? NULL : part->next;
	}
	if (w.e != OK)
		buf_truncate(out, from);
	return w.e;
}

enum err
imap_body_structure(struct buf *out, struct str message,
		    const struct mime_part *root)
{
	return write_tree(out, message, root, true);
}

enum err
imap_body(struct buf *out, struct str message, const struct mime_part *root)
{
	return write_tree(out, message, root, false);
}
