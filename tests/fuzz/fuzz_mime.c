/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_mime.c - ranges of parts are nested and in order, each part
 * is found under its number, and BODYSTRUCTURE is one balanced list. */
#include "lib/base/check.h"
#include "lib/mail/crlf.h"
#include "lib/mail/decode.h"
#include "lib/mail/header.h"
#include "lib/mail/imap_body.h"
#include "lib/mail/imap_fetch.h"
#include "lib/mail/search_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_MAX_OCTETS = 8 << 20 };

static size_t
end_of(struct mime_range r)
{
	return r.at + r.n;
}

static void
check_part(struct str in, const struct mime_part *part)
{
	const struct mime_part *child = part->children;
	size_t at = part->body.at;
	unsigned n = 0;

	check(part->depth < MIME_DEPTH_MAX);
	check(part->type.n > 0 && part->subtype.n > 0);
	check(end_of(part->header) == part->body.at);
	check(end_of(part->body) <= in.n);
	check(part->header.n == header_length(mime_slice(in, part->header)));
	check(part->body.size_octets == crlf_size(mime_slice(in, part->body)) ||
	      (part->body.at > 0 && in.p[part->body.at] == '\n'));
	check((part->kind == MIME_LEAF) == (child == NULL));
	for (; child != NULL; child = child->next) {
		check(child->parent == part);
		check(child->depth == part->depth + 1);
		check(child->header.at >= at);
		at = end_of(child->body);
		check(at <= end_of(part->body));
		n++;
	}
	check(n == part->n_children);
	check(part->kind != MIME_MESSAGE || n == 1);
}

/* Numbers of the path to the part, if it has one of its own. */
static void
check_find(const struct mime_part *root, const struct mime_part *part)
{
	struct arena arena = ARENA_INIT(65536);
	struct buf path = BUF_INIT(10000);
	struct imap_section section;
	struct mime_section found;

	for (const struct mime_part *p = part; p->parent != NULL;
	     p = p->parent) {
		struct buf longer = BUF_INIT(10000);
		const struct mime_part *sibling = p->parent->children;
		unsigned n = 1;

		for (; sibling != p; sibling = sibling->next)
			n++;
		if (p->parent->kind == MIME_MESSAGE && p != part &&
		    p->kind == MIME_MULTIPART)
			continue; // has no number
		if (p->parent->kind == MIME_MESSAGE &&
		    p->kind == MIME_MULTIPART)
			goto out;
		buf_putf(&longer, path.n > 0 ? "%u." : "%u", n);
		buf_put(&longer, buf_str(&path));
		buf_release(&path);
		path = longer;
	}
	if (root->kind != MIME_MULTIPART && part != root) {
		struct buf longer = BUF_INIT(10000);

		buf_put(&longer, S("1."));
		buf_put(&longer, buf_str(&path));
		buf_release(&path);
		path = longer;
	}
	if (!imap_section_read(buf_str(&path), &arena, &section)) {
		check(part->depth + 1 >= IMAP_DEPTH_MAX);
		goto out;
	}
	check(mime_section(root, section.parts, section.n_parts, MIME_WHOLE,
			   &found) == OK);
	check(found.part == part);
out:
	buf_release(&path);
	arena_release(&arena);
}

/* One list: parentheses match outside of strings, and no line ends but those
 * that open literals. */
static void
check_list(struct str s)
{
	size_t depth = 0, i = 0;

	check(s.n > 0 && s.p[0] == '(');
	while (i < s.n) {
		char c = s.p[i++];

		check(ascii_is_print(c));
		if (c == '(') {
			depth++;
		} else if (c == ')') {
			check(depth-- > 0);
			check(depth > 0 || i == s.n);
		} else if (c == '"') {
			while (i < s.n && s.p[i] != '"') {
				check(ascii_is_print(s.p[i]));
				i += s.p[i] == '\\' ? 2 : 1;
			}
			check(i < s.n);
			i++;
		} else if (c == '{') {
			uint64_t n;
			ptrdiff_t end = str_chr(str_from(s, i), '}');

			check(end > 0);
			check(str_to_u64(str_sub(s, i, (size_t)end), s.n, &n));
			i += (size_t)end + 1;
			check(str_starts(str_from(s, i), S("\r\n")));
			check(n <= s.n - i - 2);
			check(memchr(s.p + i, '\0', n) == NULL);
			i += 2 + n;
		}
	}
	check(depth == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = ARENA_INIT(MIME_ARENA_OCTETS);
	struct str in = str_of(data, size);
	struct buf text = BUF_INIT(TEXT_MAX_OCTETS);
	struct mime_part *root;
	const struct mime_part *part;
	unsigned n = 0;

	check(mime_parse(&arena, in, &root) == OK);
	check(root->header.at == 0 && end_of(root->body) == size);
	for (part = root; part != NULL; part = mime_next(part)) {
		check(++n <= MIME_PARTS_MAX);
		check_part(in, part);
		check_find(root, part);
		buf_clear(&text);
		if (part->kind == MIME_LEAF)
			check(decode_part(&text, in, part) == OK);
		buf_clear(&text);
	}
	(void)search_text_text(in, root, S("needle"));
	buf_clear(&text);
	if (imap_body_structure(&text, in, root) == OK)
		check_list(buf_str(&text));
	buf_clear(&text);
	if (imap_body(&text, in, root) == OK)
		check_list(buf_str(&text));
	buf_release(&text);
	arena_release(&arena);
	return 0;
}
