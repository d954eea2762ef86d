/* SPDX-License-Identifier: MIT
 * lib/mail/imap_search.c - SEARCH programs. */
#include "lib/mail/imap_search.h"

#include "lib/base/utf8.h"
#include "lib/mail/imap_date.h"
#include "lib/mail/imap_flags.h"

/* What follows the word of a key. */
enum argument {
	TAKES_NOTHING,
	TAKES_TEXT,
	TAKES_FIELD, // text; the word itself names the header field
	TAKES_HEADER,
	TAKES_KEYWORD,
	TAKES_DATE,
	TAKES_NUMBER,
	TAKES_INTERVAL,
	TAKES_UIDS,
	TAKES_MODSEQ,
	TAKES_ID,
	TAKES_KEY,
	TAKES_TWO_KEYS,
	TAKES_NEW, // RECENT UNSEEN
};

static const struct word {
	struct str name;
	enum argument argument;
	enum imap_search_key key;
	unsigned flag;
	bool is_not;
	unsigned feature; // 0: always there
} words[] = {
	{ STR_INIT("ALL"), TAKES_NOTHING, IMAP_SEARCH_ALL, 0, false, 0 },
	{ STR_INIT("ANSWERED"), TAKES_NOTHING, IMAP_SEARCH_FLAG,
	  IMAP_FLAG_ANSWERED, false, 0 },
	{ STR_INIT("BCC"), TAKES_FIELD, IMAP_SEARCH_HEADER, 0, false, 0 },
	{ STR_INIT("BEFORE"), TAKES_DATE, IMAP_SEARCH_BEFORE, 0, false, 0 },
	{ STR_INIT("BODY"), TAKES_TEXT, IMAP_SEARCH_BODY, 0, false, 0 },
	{ STR_INIT("CC"), TAKES_FIELD, IMAP_SEARCH_HEADER, 0, false, 0 },
	{ STR_INIT("DELETED"), TAKES_NOTHING, IMAP_SEARCH_FLAG,
	  IMAP_FLAG_DELETED, false, 0 },
	{ STR_INIT("DRAFT"), TAKES_NOTHING, IMAP_SEARCH_FLAG, IMAP_FLAG_DRAFT,
	  false, 0 },
	{ STR_INIT("EMAILID"), TAKES_ID, IMAP_SEARCH_EMAILID, 0, false,
	  IMAP_SEARCH_HAS_OBJECTID },
	{ STR_INIT("FLAGGED"), TAKES_NOTHING, IMAP_SEARCH_FLAG,
	  IMAP_FLAG_FLAGGED, false, 0 },
	{ STR_INIT("FROM"), TAKES_FIELD, IMAP_SEARCH_HEADER, 0, false, 0 },
	{ STR_INIT("HEADER"), TAKES_HEADER, IMAP_SEARCH_HEADER, 0, false, 0 },
	{ STR_INIT("KEYWORD"), TAKES_KEYWORD, IMAP_SEARCH_KEYWORD, 0, false,
	  0 },
	{ STR_INIT("LARGER"), TAKES_NUMBER, IMAP_SEARCH_LARGER, 0, false, 0 },
	{ STR_INIT("MODSEQ"), TAKES_MODSEQ, IMAP_SEARCH_MODSEQ, 0, false,
	  IMAP_SEARCH_HAS_CONDSTORE },
	{ STR_INIT("NEW"), TAKES_NEW, IMAP_SEARCH_AND, 0, false, 0 },
	{ STR_INIT("NOT"), TAKES_KEY, IMAP_SEARCH_AND, 0, true, 0 },
	{ STR_INIT("OLD"), TAKES_NOTHING, IMAP_SEARCH_FLAG, IMAP_FLAG_RECENT,
	  true, 0 },
	{ STR_INIT("OLDER"), TAKES_INTERVAL, IMAP_SEARCH_OLDER, 0, false,
	  IMAP_SEARCH_HAS_WITHIN },
	{ STR_INIT("ON"), TAKES_DATE, IMAP_SEARCH_ON, 0, false, 0 },
	{ STR_INIT("OR"), TAKES_TWO_KEYS, IMAP_SEARCH_OR, 0, false, 0 },
	{ STR_INIT("RECENT"), TAKES_NOTHING, IMAP_SEARCH_FLAG, IMAP_FLAG_RECENT,
	  false, 0 },
	{ STR_INIT("SAVEDATESUPPORTED"), TAKES_NOTHING,
	  IMAP_SEARCH_SAVEDATESUPPORTED, 0, false, IMAP_SEARCH_HAS_SAVEDATE },
	{ STR_INIT("SAVEDBEFORE"), TAKES_DATE, IMAP_SEARCH_SAVEDBEFORE, 0,
	  false, IMAP_SEARCH_HAS_SAVEDATE },
	{ STR_INIT("SAVEDON"), TAKES_DATE, IMAP_SEARCH_SAVEDON, 0, false,
	  IMAP_SEARCH_HAS_SAVEDATE },
	{ STR_INIT("SAVEDSINCE"), TAKES_DATE, IMAP_SEARCH_SAVEDSINCE, 0, false,
	  IMAP_SEARCH_HAS_SAVEDATE },
	{ STR_INIT("SEEN"), TAKES_NOTHING, IMAP_SEARCH_FLAG, IMAP_FLAG_SEEN,
	  false, 0 },
	{ STR_INIT("SENTBEFORE"), TAKES_DATE, IMAP_SEARCH_SENTBEFORE, 0, false,
	  0 },
	{ STR_INIT("SENTON"), TAKES_DATE, IMAP_SEARCH_SENTON, 0, false, 0 },
	{ STR_INIT("SENTSINCE"), TAKES_DATE, IMAP_SEARCH_SENTSINCE, 0, false,
	  0 },
	{ STR_INIT("SINCE"), TAKES_DATE, IMAP_SEARCH_SINCE, 0, false, 0 },
	{ STR_INIT("SMALLER"), TAKES_NUMBER, IMAP_SEARCH_SMALLER, 0, false, 0 },
	{ STR_INIT("SUBJECT"), TAKES_FIELD, IMAP_SEARCH_HEADER, 0, false, 0 },
	{ STR_INIT("TEXT"), TAKES_TEXT, IMAP_SEARCH_TEXT, 0, false, 0 },
	{ STR_INIT("THREADID"), TAKES_ID, IMAP_SEARCH_THREADID, 0, false,
	  IMAP_SEARCH_HAS_OBJECTID },
	{ STR_INIT("TO"), TAKES_FIELD, IMAP_SEARCH_HEADER, 0, false, 0 },
	{ STR_INIT("UID"), TAKES_UIDS, IMAP_SEARCH_UID, 0, false, 0 },
	{ STR_INIT("UNANSWERED"), TAKES_NOTHING, IMAP_SEARCH_FLAG,
	  IMAP_FLAG_ANSWERED, true, 0 },
	{ STR_INIT("UNDELETED"), TAKES_NOTHING, IMAP_SEARCH_FLAG,
	  IMAP_FLAG_DELETED, true, 0 },
	{ STR_INIT("UNDRAFT"), TAKES_NOTHING, IMAP_SEARCH_FLAG, IMAP_FLAG_DRAFT,
	  true, 0 },
	{ STR_INIT("UNFLAGGED"), TAKES_NOTHING, IMAP_SEARCH_FLAG,
	  IMAP_FLAG_FLAGGED, true, 0 },
	{ STR_INIT("UNKEYWORD"), TAKES_KEYWORD, IMAP_SEARCH_KEYWORD, 0, true,
	  0 },
	{ STR_INIT("UNSEEN"), TAKES_NOTHING, IMAP_SEARCH_FLAG, IMAP_FLAG_SEEN,
	  true, 0 },
	{ STR_INIT("YOUNGER"), TAKES_INTERVAL, IMAP_SEARCH_YOUNGER, 0, false,
	  IMAP_SEARCH_HAS_WITHIN },
};

/* One parse of keys. depth counts NOT, OR and parentheses together. */
struct parse {
	struct imap_reader *r;
	const struct imap_search_scope *scope;
	struct imap_search *out;
	unsigned depth;
};

static struct imap_search_node *read_key(struct parse *p);

static struct imap_search_node *
new_node(struct parse *p, enum imap_search_key key)
{
	struct imap_search_node *node;

	if (p->r->fault != IMAP_FINE)
		return NULL;
	node = p->out->n_nodes < IMAP_SEARCH_NODES_MAX
		       ? arena_alloc(p->r->arena, sizeof(*node))
		       : NULL;
	if (node == NULL) {
		imap_reader_fail(p->r, IMAP_FAULT_LIMIT,
				 "Search program is too large");
		return NULL;
	}
	p->out->n_nodes++;
	node->key = key;
	return node;
}

static bool
read_text(struct imap_reader *r, struct str *out)
{
	if (!imap_reader_astring(r, out))
		return false;
	return utf8_is_valid(*out) ||
	       imap_reader_fail(r, IMAP_FAULT_SYNTAX,
				"Search text is not in its charset");
}

static bool
read_keyword(struct imap_reader *r, struct str *out)
{
	if (!imap_reader_atom(r, out))
		return false;
	return imap_is_keyword(*out) ||
	       imap_reader_fail(r, IMAP_FAULT_LIMIT, "Keyword is too long");
}

/* date, or date in quotes. */
static bool
read_date(struct imap_reader *r, int64_t *day_out)
{
	struct str date;

	if (!imap_reader_astring(r, &date))
		return false;
	return imap_date_parse(date, day_out) ||
	       imap_reader_fail(r, IMAP_FAULT_SYNTAX, "Malformed date");
}

static bool
read_interval(struct imap_reader *r, uint64_t *out)
{
	uint32_t seconds;
	bool is_read = imap_reader_nz_number(r, &seconds);

	*out = seconds;
	return is_read;
}

/* '["/flags/\\draft" all] 620162338' (RFC 7162 3.1.5). Sequences of single
 * entries are not kept, so the entry is read and has no effect. */
static bool
read_modseq(struct imap_reader *r, uint64_t *out)
{
	struct str entry;

	if (imap_reader_peek(r) == '"') {
		imap_reader_string(r, &entry);
		imap_reader_space(r);
		if (!imap_reader_try_word(r, S("all")) &&
		    !imap_reader_try_word(r, S("priv")) &&
		    !imap_reader_try_word(r, S("shared")))
			imap_reader_fail(r, IMAP_FAULT_SYNTAX,
					 "Malformed MODSEQ entry");
		imap_reader_space(r);
	}
	return imap_reader_number64(r, out);
}

static bool
enter(struct parse *p)
{
	if (p->depth == IMAP_DEPTH_MAX)
		return imap_reader_fail(p->r, IMAP_FAULT_LIMIT,
					"Search program is too deep");
	p->depth++;
	return true;
}

static struct imap_search_node *
read_not(struct parse *p)
{
	struct imap_search_node *node;

	if (!enter(p))
		return NULL;
	node = read_key(p);
	p->depth--;
	if (node != NULL)
		node->is_not = !node->is_not;
	return node;
}

/* Adds keys to an AND or OR; *last is where the next one is hung. */
static void
hang(struct imap_search_node *parent, struct imap_search_node **last,
     struct imap_search_node *node)
{
	if (node == NULL)
		return;
	if (*last == NULL)
		parent->first = node;
	else
		(*last)->next = node;
	*last = node;
}

/* "OR " where a key is due. */
static bool
try_or(struct imap_reader *r)
{
	size_t at = r->at;
	struct str name;
	int c = imap_reader_peek(r);

	if ((c == 'O' || c == 'o') && imap_reader_atom(r, &name) &&
	    str_ieq(name, S("OR")) && imap_reader_try(r, ' '))
		return true;
	r->at = at;
	return false;
}

/* Clients ask for one of many with an OR in each other, on either side: one
 * node with all of them, so that no chain is too deep. */
static struct imap_search_node *
read_or(struct parse *p)
{
	struct imap_search_node *node = new_node(p, IMAP_SEARCH_OR);
	struct imap_search_node *last = NULL;
	size_t n_due = 2;

	if (node == NULL || !enter(p))
		return NULL;
	while (n_due > 0 && p->r->fault == IMAP_FINE) {
		if (last != NULL)
			imap_reader_space(p->r);
		while (try_or(p->r))
			n_due++;
		hang(node, &last, read_key(p));
		n_due--;
	}
	p->depth--;
	return p->r->fault == IMAP_FINE ? node : NULL;
}

/* NEW: recent and not seen. */
static struct imap_search_node *
make_new(struct parse *p)
{
	struct imap_search_node *node = new_node(p, IMAP_SEARCH_AND);
	struct imap_search_node *recent = new_node(p, IMAP_SEARCH_FLAG);
	struct imap_search_node *seen = new_node(p, IMAP_SEARCH_FLAG);

	if (node == NULL || recent == NULL || seen == NULL)
		return NULL;
	recent->flag = IMAP_FLAG_RECENT;
	recent->next = seen;
	seen->flag = IMAP_FLAG_SEEN;
	seen->is_not = true;
	node->first = recent;
	return node;
}

/* "$" becomes what it stands for. */
static bool
read_set(struct parse *p, uint32_t max, struct imap_seqset *out)
{
	if (!imap_seqset_read(p->r, max, out))
		return false;
	if (!out->is_saved)
		return true;
	if (!(p->scope->features & IMAP_SEARCH_HAS_SEARCHRES))
		return imap_reader_fail(p->r, IMAP_FAULT_SYNTAX,
					"Expected a set of numbers");
	*out = p->scope->saved;
	out->is_saved = true;
	return true;
}

static bool
read_argument(struct parse *p, const struct word *word,
	      struct imap_search_node *node)
{
	struct imap_reader *r = p->r;

	if (word->argument != TAKES_NOTHING)
		imap_reader_space(r);
	switch (word->argument) {
	case TAKES_TEXT:
		return read_text(r, &node->text);
	case TAKES_FIELD:
		node->name = word->name;
		return read_text(r, &node->text);
	case TAKES_HEADER:
		imap_reader_astring(r, &node->name);
		imap_reader_space(r);
		return read_text(r, &node->text);
	case TAKES_KEYWORD:
		return read_keyword(r, &node->text);
	case TAKES_DATE:
		return read_date(r, &node->day);
	case TAKES_NUMBER:
		return imap_reader_number64(r, &node->number);
	case TAKES_INTERVAL:
		return read_interval(r, &node->number);
	case TAKES_UIDS:
		return read_set(p, p->scope->uid_max, &node->set);
	case TAKES_MODSEQ:
		p->out->has_modseq = true;
		return read_modseq(r, &node->number);
	case TAKES_ID:
		return imap_reader_atom(r, &node->text);
	default:
		return r->fault == IMAP_FINE;
	}
}

static const struct word *
find_word(struct str name, unsigned features)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (str_ieq(name, words[i].name) &&
		    !(words[i].feature & ~features))
			return &words[i];
	return NULL;
}

static struct imap_search_node *
read_word(struct parse *p)
{
	struct str name;
	const struct word *word;
	struct imap_search_node *node;

	if (!imap_reader_atom(p->r, &name))
		return NULL;
	word = find_word(name, p->scope->features);
	if (word == NULL) {
		imap_reader_fail(p->r, IMAP_FAULT_SYNTAX, "Unknown search key");
		return NULL;
	}
	if (word->argument == TAKES_NEW)
		return make_new(p);
	if (word->argument == TAKES_KEY || word->argument == TAKES_TWO_KEYS) {
		imap_reader_space(p->r);
		return word->argument == TAKES_KEY ? read_not(p) : read_or(p);
	}
	node = new_node(p, word->key);
	if (node == NULL)
		return NULL;
	node->flag = word->flag;
	node->is_not = word->is_not;
	return read_argument(p, word, node) ? node : NULL;
}

static struct imap_search_node *
read_list(struct parse *p)
{
	struct imap_search_node *node = new_node(p, IMAP_SEARCH_AND);
	struct imap_search_node *last = NULL;
	size_t n = 0;

	if (node == NULL || !enter(p))
		return NULL;
	imap_reader_open(p->r);
	for (; imap_reader_next(p->r, n); n++)
		hang(node, &last, read_key(p));
	p->depth--;
	if (p->r->fault == IMAP_FINE && n == 0)
		imap_reader_fail(p->r, IMAP_FAULT_SYNTAX, "Empty search list");
	return p->r->fault == IMAP_FINE ? node : NULL;
}

static struct imap_search_node *
read_seqset(struct parse *p)
{
	struct imap_search_node *node = new_node(p, IMAP_SEARCH_SEQSET);

	if (node == NULL)
		return NULL;
	if (!read_set(p, p->scope->seq_max, &node->set))
		return NULL;
	/* "$" holds UIDs wherever it stands (RFC 5182 2.1). */
	if (node->set.is_saved)
		node->key = IMAP_SEARCH_UID;
	return node;
}

/* Recursion is bounded by enter(). */
static struct imap_search_node *
read_key(struct parse *p)
{
	int c = imap_reader_peek(p->r);

	if (c == '(')
		return read_list(p);
	if (c == '*' || c == '$' || (c >= '0' && c <= '9'))
		return read_seqset(p);
	return read_word(p);
}

bool
imap_search_read_keys(struct imap_reader *r,
		      const struct imap_search_scope *scope,
		      struct imap_search *out)
{
	struct parse p = { .r = r, .scope = scope, .out = out };
	struct imap_search_node *root = new_node(&p, IMAP_SEARCH_AND);
	struct imap_search_node *last = NULL;

	if (root == NULL)
		return false;
	do
		hang(root, &last, read_key(&p));
	while (imap_reader_try(r, ' '));
	out->root = root;
	return imap_reader_end(r);
}

static unsigned
read_return_word(struct imap_reader *r, unsigned features)
{
	static const struct {
		struct str name;
		unsigned bit, feature;
	} options[] = {
		{ STR_INIT("MIN"), IMAP_SEARCH_RETURN_MIN, 0 },
		{ STR_INIT("MAX"), IMAP_SEARCH_RETURN_MAX, 0 },
		{ STR_INIT("ALL"), IMAP_SEARCH_RETURN_ALL, 0 },
		{ STR_INIT("COUNT"), IMAP_SEARCH_RETURN_COUNT, 0 },
		{ STR_INIT("SAVE"), IMAP_SEARCH_RETURN_SAVE,
		  IMAP_SEARCH_HAS_SEARCHRES },
		{ STR_INIT("PARTIAL"), IMAP_SEARCH_RETURN_PARTIAL,
		  IMAP_SEARCH_HAS_PARTIAL },
	};
	struct str word;

	imap_reader_atom(r, &word);
	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
		if (str_ieq(word, options[i].name) &&
		    !(options[i].feature & ~features))
			return options[i].bit;
	imap_reader_fail(r, IMAP_FAULT_SYNTAX, "Unknown RETURN option");
	return 0;
}

static void
read_return_option(struct imap_reader *r, unsigned features,
		   struct imap_search *out)
{
	unsigned bit = read_return_word(r, features);

	if (bit == IMAP_SEARCH_RETURN_PARTIAL) {
		if (out->return_bits & bit)
			imap_reader_fail(r, IMAP_FAULT_SYNTAX,
					 "PARTIAL is there twice");
		imap_reader_space(r);
		imap_partial_read(r, &out->partial);
	}
	out->return_bits |= bit;
}

bool
imap_search_read_return(struct imap_reader *r, unsigned features,
			struct imap_search *out)
{
	if (!(features & IMAP_SEARCH_HAS_ESEARCH) ||
	    !imap_reader_try_word(r, S("RETURN")))
		return r->fault == IMAP_FINE;
	out->has_return = true;
	imap_reader_space(r);
	imap_reader_open(r);
	for (size_t n = 0; imap_reader_next(r, n); n++)
		read_return_option(r, features, out);
	/* RFC 9394 3.1 */
	if ((out->return_bits & IMAP_SEARCH_RETURN_PARTIAL) &&
	    (out->return_bits & IMAP_SEARCH_RETURN_ALL))
		imap_reader_fail(r, IMAP_FAULT_SYNTAX,
				 "PARTIAL and ALL exclude each other");
	if (out->return_bits == 0)
		out->return_bits = IMAP_SEARCH_RETURN_ALL;
	return imap_reader_space(r);
}

bool
imap_search_read_charset(struct imap_reader *r, struct imap_search *out)
{
	struct str charset;

	if (!imap_reader_astring(r, &charset))
		return false;
	out->is_charset_given = true;
	out->is_ascii = str_ieq(charset, S("US-ASCII"));
	if (!out->is_ascii && !str_ieq(charset, S("UTF-8")))
		return imap_reader_fail(r, IMAP_FAULT_CHARSET,
					"Unknown charset");
	return imap_reader_space(r);
}

bool
imap_search_read(struct imap_reader *r, const struct imap_search_scope *scope,
		 struct imap_search *out)
{
	*out = (struct imap_search) { 0 };
	imap_search_read_return(r, scope->features, out);
	if (imap_reader_try_word(r, S("CHARSET"))) {
		imap_reader_space(r);
		imap_search_read_charset(r, out);
	}
	return imap_search_read_keys(r, scope, out);
}
