/* SPDX-License-Identifier: MIT
 * mda/store/match.c - does a message fit a SEARCH program (RFC 9051 6.4.4)? */
#include "mda/store/match.h"

#include "lib/base/check.h"
#include "lib/mail/date.h"
#include "lib/mail/header.h"
#include "lib/mail/imap_flags.h"
#include "lib/mail/search_text.h"

#include <stdlib.h>

enum {
	FOLDED_MAX_OCTETS = 4 << 20,
	TEXTS_MAX_OCTETS = 16 << 20,
	/* More keys look at the first TEXTS_MAX_OCTETS of the values alone. */
	HEADERS_FREE = 20,
};

static struct str
key_of(const struct imap_search_node *const *node)
{
	return str_of(node, sizeof(*node));
}

static void
add_question(struct matcher *m, const struct imap_search_node *node,
	     struct str needle)
{
	struct search_question *q = &m->questions[m->n_questions];

	if (needle.n == 0 || m->n_questions == SEARCH_QUESTIONS_MAX)
		return;
	*q = (struct search_question) {
		.needle = needle,
		.where = node->key == IMAP_SEARCH_BODY	 ? SEARCH_IN_BODY
			 : node->key == IMAP_SEARCH_TEXT ? SEARCH_IN_BOTH
							 : SEARCH_IN_HEADER,
		.is_field = node->key == IMAP_SEARCH_HEADER,
	};
	m->asking[m->n_questions++] = node;
}

static enum err
fold(struct matcher *m, const struct imap_search_node *node)
{
	struct buf out = BUF_INIT(FOLDED_MAX_OCTETS);
	const struct imap_search_node **key =
		arena_alloc(m->arena, sizeof(*key));
	struct str *folded = arena_alloc(m->arena, sizeof(*folded));
	enum err e = search_text_fold(&out, node->text);

	if (key == NULL || folded == NULL)
		e = ERR_LIMIT;
	if (e == OK)
		e = arena_str(m->arena, buf_str(&out), folded);
	buf_release(&out);
	if (e != OK)
		return e;
	add_question(m, node, *folded);
	*key = node;
	map_set(&m->folded, key_of(key), folded);
	return OK;
}

/* The reader has bounded the depth. */
static enum err
prepare(struct matcher *m, const struct imap_search_node *node)
{
	enum err e = OK;

	switch (node->key) {
	case IMAP_SEARCH_BODY:
	case IMAP_SEARCH_TEXT:
		m->needs_parts = true;
		m->n_texts++;
		e = fold(m, node);
		break;
	case IMAP_SEARCH_HEADER:
		m->needs_header = true;
		m->n_headers++;
		e = fold(m, node);
		break;
	case IMAP_SEARCH_SENTBEFORE:
	case IMAP_SEARCH_SENTON:
	case IMAP_SEARCH_SENTSINCE:
		m->needs_header = true;
		break;
	case IMAP_SEARCH_BEFORE:
	case IMAP_SEARCH_ON:
	case IMAP_SEARCH_SINCE:
	case IMAP_SEARCH_OLDER:
	case IMAP_SEARCH_YOUNGER:
		m->needs_date = true;
		break;
	case IMAP_SEARCH_LARGER:
	case IMAP_SEARCH_SMALLER:
		m->needs_size = true;
		break;
	case IMAP_SEARCH_EMAILID:
		m->needs_email_id = true;
		break;
	default:
		break;
	}
	for (const struct imap_search_node *c = node->first;
	     c != NULL && e == OK; c = c->next)
		e = prepare(m, c);
	return e;
}

enum err
matcher_init(struct matcher *m, const struct imap_search_node *root,
	     const struct keywords *keywords, int64_t now_s,
	     struct arena *arena)
{
	*m = (struct matcher) { .root = root, .arena = arena, .now_s = now_s };
	for (int i = 0; i < KEYWORDS_MAX; i++)
		if (arena_str(arena, keywords->names[i],
			      &m->keywords.names[i]) != OK)
			return ERR_LIMIT;
	return prepare(m, root);
}

void
matcher_release(struct matcher *m)
{
	map_release(&m->folded);
}

static struct str
folded_of(const struct matcher *m, const struct imap_search_node *node)
{
	const struct str *folded = map_get(&m->folded, key_of(&node));

	check(folded != NULL);
	return *folded;
}

static bool
is_day(enum imap_search_key key, int64_t day, int64_t wanted)
{
	if (key == IMAP_SEARCH_BEFORE || key == IMAP_SEARCH_SENTBEFORE ||
	    key == IMAP_SEARCH_SAVEDBEFORE)
		return day < wanted;
	if (key == IMAP_SEARCH_ON || key == IMAP_SEARCH_SENTON ||
	    key == IMAP_SEARCH_SAVEDON)
		return day == wanted;
	return day >= wanted;
}

static bool
was_sent(const struct imap_search_node *node, struct str header)
{
	struct header_field field;
	struct date date;

	return header_find(header, S("Date"), &field) &&
	       date_parse(field.value, &date) &&
	       is_day(node->key, date_day(date), node->day);
}

/* Of a program with many words the text is made once. */
struct texts {
	struct buf header, body;
	bool is_tried, is_there;
	struct buf fields; // those of a name behind those of another
	struct field_text {
		struct str name;
		size_t at, n;
		bool is_cut;
	} * named;
	size_t n_named;
};

/* False: one word, or a text too large to be kept. */
static bool
make_texts(const struct matcher *m, const struct letter *l, struct texts *t)
{
	if (!t->is_tried && m->n_texts > 1) {
		buf_init(&t->header, TEXTS_MAX_OCTETS);
		buf_init(&t->body, TEXTS_MAX_OCTETS);
		t->is_there =
			search_text_gather(&t->header, &t->body,
					   buf_str(&l->bytes), l->root) == OK;
	}
	t->is_tried = true;
	return t->is_there;
}

static bool
test_text(const struct matcher *m, const struct imap_search_node *node,
	  const struct letter *l, struct texts *t)
{
	struct str bytes = buf_str(&l->bytes), needle = folded_of(m, node);
	bool with_header = node->key == IMAP_SEARCH_TEXT;

	if (needle.n == 0)
		return true;
	if (make_texts(m, l, t))
		return str_find(buf_str(&t->body), needle) >= 0 ||
		       (with_header &&
			str_find(buf_str(&t->header), needle) >= 0);
	return with_header ? search_text_text(bytes, l->root, needle)
			   : search_text_body(bytes, l->root, needle);
}

static const struct field_text *
text_of_fields(const struct matcher *m, struct str name, struct str header,
	       struct texts *t)
{
	struct field_text *f;

	for (size_t i = 0; i < t->n_named; i++)
		if (str_ieq(t->named[i].name, name))
			return &t->named[i];
	if (t->named == NULL) {
		t->named = must_alloc(m->n_headers * sizeof(*t->named));
		buf_init(&t->fields, TEXTS_MAX_OCTETS);
	}
	f = &t->named[t->n_named++];
	*f = (struct field_text) { .name = name, .at = t->fields.n };
	f->is_cut = search_text_gather_fields(&t->fields, header, name) != OK;
	f->n = t->fields.n - f->at;
	return f;
}

static bool
test_fields(const struct matcher *m, const struct imap_search_node *node,
	    struct str header, struct texts *t)
{
	struct str needle = folded_of(m, node);
	const struct field_text *f;

	if (m->n_headers < 2)
		return search_text_header(header, node->name, needle);
	f = text_of_fields(m, node->name, header, t);
	if (f->is_cut && m->n_headers <= HEADERS_FREE)
		return search_text_header(header, node->name, needle);
	if (needle.n == 0)
		return f->n > 0;
	return str_find(str_sub(buf_str(&t->fields), f->at, f->n), needle) >= 0;
}

static bool
test_letter(const struct matcher *m, const struct imap_search_node *node,
	    const struct letter *l, struct texts *t)
{
	struct str bytes = buf_str(&l->bytes);
	struct str header = str_first(bytes, l->head_octets);

	switch (node->key) {
	case IMAP_SEARCH_HEADER:
		return test_fields(m, node, header, t);
	case IMAP_SEARCH_BODY:
	case IMAP_SEARCH_TEXT:
		return test_text(m, node, l, t);
	default:
		return was_sent(node, header);
	}
}

static bool
test_facts(const struct matcher *m, const struct imap_search_node *node,
	   const struct facts *f)
{
	int number;

	switch (node->key) {
	case IMAP_SEARCH_ALL:
		return true;
	case IMAP_SEARCH_FLAG:
		return (f->flags & node->flag) != 0;
	case IMAP_SEARCH_KEYWORD:
		number = keywords_find(&m->keywords, node->text);
		return number >= 0 && (f->keywords & 1u << number);
	case IMAP_SEARCH_SEQSET:
		return imap_seqset_has(&node->set, f->seq);
	case IMAP_SEARCH_UID:
		return imap_seqset_has(&node->set, f->uid);
	case IMAP_SEARCH_BEFORE:
	case IMAP_SEARCH_ON:
	case IMAP_SEARCH_SINCE:
		return is_day(node->key,
			      date_day((struct date) { f->date_s,
						       f->date_offset_min }),
			      node->day);
	case IMAP_SEARCH_SAVEDBEFORE: // RFC 8514 4.3
	case IMAP_SEARCH_SAVEDON:
	case IMAP_SEARCH_SAVEDSINCE:
		return is_day(
			node->key,
			date_day((struct date) {
				f->saved_s, utc_offset_minutes(f->saved_s) }),
			node->day);
	case IMAP_SEARCH_SAVEDATESUPPORTED:
		return true;
	case IMAP_SEARCH_MODSEQ: // RFC 7162 3.1.5
		return f->modseq >= node->number;
	case IMAP_SEARCH_EMAILID: // RFC 8474 6
		return str_eq(node->text, str_c(f->email_id));
	case IMAP_SEARCH_THREADID: // all have NIL
		return false;
	case IMAP_SEARCH_LARGER:
		return f->size_octets > node->number;
	case IMAP_SEARCH_SMALLER:
		return f->size_octets < node->number;
	case IMAP_SEARCH_OLDER: // RFC 5032
		return m->now_s - f->date_s >= (int64_t)node->number;
	case IMAP_SEARCH_YOUNGER:
		return m->now_s - f->date_s < (int64_t)node->number;
	default:
		return false; // of extensions that are not announced
	}
}

static enum match
run(const struct matcher *m, const struct imap_search_node *node,
    const struct facts *f, const struct letter *l, struct texts *t);

/* AND looks for a NO, OR for a YES. */
static enum match
run_children(const struct matcher *m, const struct imap_search_node *node,
	     const struct facts *f, const struct letter *l, struct texts *t)
{
	enum match decides = node->key == IMAP_SEARCH_OR ? MATCH_YES : MATCH_NO;
	bool is_unknown = false;

	for (const struct imap_search_node *c = node->first; c != NULL;
	     c = c->next) {
		enum match r = run(m, c, f, l, t);

		if (r == decides)
			return decides;
		is_unknown |= r == MATCH_UNKNOWN;
	}
	if (is_unknown)
		return MATCH_UNKNOWN;
	return decides == MATCH_YES ? MATCH_NO : MATCH_YES;
}

static bool
needs_letter(enum imap_search_key key)
{
	return key == IMAP_SEARCH_HEADER || key == IMAP_SEARCH_BODY ||
	       key == IMAP_SEARCH_TEXT || key == IMAP_SEARCH_SENTBEFORE ||
	       key == IMAP_SEARCH_SENTON || key == IMAP_SEARCH_SENTSINCE;
}

static enum match
known_of(const struct matcher *m, const struct imap_search_node *node,
	 const struct facts *f)
{
	for (size_t i = 0; i < m->n_questions && f->known != NULL; i++)
		if (m->asking[i] == node)
			return f->known[i];
	return MATCH_UNKNOWN;
}

static enum match
run_on_letter(const struct matcher *m, const struct imap_search_node *node,
	      const struct facts *f, const struct letter *l, struct texts *t)
{
	enum match known = known_of(m, node, f);

	if (known != MATCH_UNKNOWN || l == NULL)
		return known;
	return test_letter(m, node, l, t) ? MATCH_YES : MATCH_NO;
}

static enum match
run(const struct matcher *m, const struct imap_search_node *node,
    const struct facts *f, const struct letter *l, struct texts *t)
{
	enum match r;

	if (node->key == IMAP_SEARCH_AND || node->key == IMAP_SEARCH_OR)
		r = run_children(m, node, f, l, t);
	else if (!needs_letter(node->key))
		r = test_facts(m, node, f) ? MATCH_YES : MATCH_NO;
	else
		r = run_on_letter(m, node, f, l, t);
	if (r == MATCH_UNKNOWN || !node->is_not)
		return r;
	return r == MATCH_YES ? MATCH_NO : MATCH_YES;
}

enum match
matcher_run(const struct matcher *m, const struct facts *facts,
	    const struct letter *letter)
{
	struct texts texts = { .is_tried = false };
	enum match r;

	if (letter == NULL)
		return run(m, m->root, facts, NULL, NULL);
	r = run(m, m->root, facts, letter, &texts);
	buf_release(&texts.header);
	buf_release(&texts.body);
	buf_release(&texts.fields);
	free(texts.named);
	return r;
}
