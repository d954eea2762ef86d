/* SPDX-License-Identifier: MIT
 * ctl/doveadm_query.c - see doveadm_query.h. */
#include "ctl/doveadm_query.h"

#include "lib/base/utf8.h"
#include "lib/mail/imap_write.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
	CRITERIA_MAX_OCTETS = 64 * 1024,
	DEPTH_MAX = 32,
	TIMESTAMP_DIGITS = 9, // so many or more are seconds since 1970
};

static const struct key {
	struct str name;
	enum {
		ALONE,
		STRING,
		TWO_STRINGS,
		NUMBERS,
		SIZE,
		DAY,
		AGO, // an age is exact: OLDER or YOUNGER (RFC 5032)
		MAILBOX,
	} kind;
	struct str by_age;
} keys[] = {
	{ STR_INIT("all"), ALONE, { 0 } },
	{ STR_INIT("answered"), ALONE, { 0 } },
	{ STR_INIT("deleted"), ALONE, { 0 } },
	{ STR_INIT("draft"), ALONE, { 0 } },
	{ STR_INIT("flagged"), ALONE, { 0 } },
	{ STR_INIT("new"), ALONE, { 0 } },
	{ STR_INIT("old"), ALONE, { 0 } },
	{ STR_INIT("recent"), ALONE, { 0 } },
	{ STR_INIT("seen"), ALONE, { 0 } },
	{ STR_INIT("unanswered"), ALONE, { 0 } },
	{ STR_INIT("undeleted"), ALONE, { 0 } },
	{ STR_INIT("undraft"), ALONE, { 0 } },
	{ STR_INIT("unflagged"), ALONE, { 0 } },
	{ STR_INIT("unseen"), ALONE, { 0 } },
	{ STR_INIT("bcc"), STRING, { 0 } },
	{ STR_INIT("body"), STRING, { 0 } },
	{ STR_INIT("cc"), STRING, { 0 } },
	{ STR_INIT("from"), STRING, { 0 } },
	{ STR_INIT("subject"), STRING, { 0 } },
	{ STR_INIT("text"), STRING, { 0 } },
	{ STR_INIT("to"), STRING, { 0 } },
	{ STR_INIT("header"), TWO_STRINGS, { 0 } },
	{ STR_INIT("keyword"), NUMBERS, { 0 } },
	{ STR_INIT("unkeyword"), NUMBERS, { 0 } },
	{ STR_INIT("uid"), NUMBERS, { 0 } },
	{ STR_INIT("modseq"), NUMBERS, { 0 } },
	{ STR_INIT("larger"), SIZE, { 0 } },
	{ STR_INIT("smaller"), SIZE, { 0 } },
	{ STR_INIT("before"), AGO, STR_INIT("OLDER") },
	{ STR_INIT("since"), AGO, STR_INIT("YOUNGER") },
	{ STR_INIT("on"), DAY, { 0 } },
	{ STR_INIT("sentbefore"), DAY, { 0 } },
	{ STR_INIT("sentsince"), DAY, { 0 } },
	{ STR_INIT("senton"), DAY, { 0 } },
	{ STR_INIT("savedbefore"), DAY, { 0 } },
	{ STR_INIT("savedsince"), DAY, { 0 } },
	{ STR_INIT("savedon"), DAY, { 0 } },
	{ STR_INIT("mailbox"), MAILBOX, { 0 } },
};

struct reading {
	struct doveadm_query *q;
	char *const *words;
	int n, at;
	int64_t now_s;
	unsigned depth;	 // of parentheses and NOT
	struct buf *out; // the term that is written
};

void
doveadm_query_init(struct doveadm_query *q)
{
	*q = (struct doveadm_query) { .criteria =
					      BUF_INIT(CRITERIA_MAX_OCTETS) };
}

void
doveadm_query_release(struct doveadm_query *q)
{
	buf_release(&q->criteria);
}

static bool
refuse(struct reading *r, const char *why)
{
	r->q->why = why;
	return false;
}

static bool
put(struct reading *r, struct str s)
{
	struct buf *b = r->out;

	return ((b->n == 0 || buf_addc(b, ' ') == OK) && buf_add(b, s) == OK) ||
	       refuse(r, "the query is too long");
}

static bool
put_string(struct reading *r, struct str s)
{
	struct buf *b = r->out;

	return (buf_addc(b, ' ') == OK && imap_write_string(b, s) == OK) ||
	       refuse(r, "the query is too long");
}

static bool
next(struct reading *r, struct str *out)
{
	if (r->at == r->n)
		return refuse(r, "a value is missing at the end");
	*out = str_c(r->words[r->at++]);
	return true;
}

/* ---- values ---- */

/* "30d", "2 weeks": seconds. */
static bool
read_age(struct str s, uint64_t *seconds_out)
{
	static const struct {
		char unit;
		uint64_t seconds;
	} units[] = {
		{ 's', 1 },	{ 'm', 60 },	    { 'h', 3600 },
		{ 'd', 86400 }, { 'w', 7 * 86400 },
	};
	uint64_t n = 0;
	size_t digits = 0;
	struct str unit;

	while (digits < s.n && ascii_is_digit(s.p[digits]))
		digits++;
	unit = str_trim(str_from(s, digits));
	if (unit.n == 0 || !str_to_u64(str_first(s, digits), INT32_MAX, &n))
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (ascii_lower(unit.p[0]) == units[i].unit) {
			*seconds_out = n * units[i].seconds;
			return true;
		}
	return false;
}

static bool
put_day(struct reading *r, int64_t at_s)
{
	char text[32];
	time_t when = (time_t)at_s;
	struct tm t;

	if (localtime_r(&when, &t) == NULL ||
	    strftime(text, sizeof(text), "%d-%b-%Y", &t) == 0)
		return refuse(r, "no such date");
	return put(r, str_c(text));
}

/* 2026-01-31 */
static bool
is_iso(struct str s, int *year, int *month, int *day)
{
	char text[16], rest;

	return str_to_c(s, text, sizeof(text)) == OK &&
	       sscanf(text, "%4d-%2d-%2d%c", year, month, day, &rest) == 3 &&
	       *month >= 1 && *month <= 12 && *day >= 1 && *day <= 31;
}

static bool
put_date(struct reading *r, const struct key *key, struct str s)
{
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr",
					      "May", "Jun", "Jul", "Aug",
					      "Sep", "Oct", "Nov", "Dec" };
	char text[32], month_name[4], rest;
	int year, month, day;
	uint64_t n;

	if (read_age(s, &n)) {
		if (key->kind != AGO)
			return put(r, key->name) &&
			       put_day(r, r->now_s - (int64_t)n);
		snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
		return put(r, key->by_age) && put(r, str_c(text));
	}
	if (!put(r, key->name))
		return false;
	if (s.n >= TIMESTAMP_DIGITS && str_to_u64(s, INT32_MAX, &n))
		return put_day(r, (int64_t)n);
	if (is_iso(s, &year, &month, &day)) {
		snprintf(text, sizeof(text), "%02d-%s-%04d", day,
			 months[month - 1], year);
		return put(r, str_c(text));
	}
	if (str_to_c(s, text, sizeof(text)) == OK &&
	    sscanf(text, "%d-%3[A-Za-z]-%4d%c", &day, month_name, &year,
		   &rest) == 3)
		return put(r, s);
	return refuse(r, "a date is 2026-01-31, 31-Jan-2026, or an age as 30d");
}

static bool
put_size(struct reading *r, const struct key *key, struct str s)
{
	static const char units[] = "bkmgt";
	const char *unit = NULL;
	char text[32];
	uint64_t n;

	if (s.n > 0 && ascii_is_alpha(s.p[s.n - 1])) {
		unit = strchr(units, ascii_lower(s.p[s.n - 1]));
		if (unit == NULL)
			return refuse(r, "a size is 1000, 10k, 5M");
		s.n--;
	}
	if (!str_to_u64(s, UINT64_MAX >> 40, &n))
		return refuse(r, "a size is 1000, 10k, 5M");
	if (unit != NULL)
		n <<= 10 * (unit - units);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
	return put(r, key->name) && put(r, str_c(text));
}

/* A word that goes into the criteria as it is: no blank, quote or brace. */
static bool
is_plain(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~' ||
		    strchr("()\"{}%\\", s.p[i]) != NULL)
			return false;
	return s.n > 0;
}

static bool
put_key(struct reading *r, const struct key *key)
{
	struct str value, second;

	if (key->kind == ALONE)
		return put(r, key->name);
	if (!next(r, &value))
		return false;
	switch (key->kind) {
	case MAILBOX:
		if (r->depth > 0 || r->q->mailbox != NULL)
			return refuse(r, "MAILBOX stands once, and not within "
					 "parentheses, OR and NOT");
		r->q->mailbox = r->words[r->at - 1];
		return true;
	case STRING:
		return put(r, key->name) && put_string(r, value);
	case TWO_STRINGS:
		return next(r, &second) && put(r, key->name) &&
		       put_string(r, value) && put_string(r, second);
	case SIZE:
		return put_size(r, key, value);
	case DAY:
	case AGO:
		return put_date(r, key, value);
	default:
		return (is_plain(value) ||
			refuse(r, "a set, number or keyword is wrong")) &&
		       put(r, key->name) && put(r, value);
	}
}

static bool
is_set(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_digit(s.p[i]) && strchr(":,*", s.p[i]) == NULL)
			return false;
	return s.n > 0;
}

static bool read_level(struct reading *r, struct buf *out);

/* "( ... )", NOT and what it is about, a key with its value, numbers. */
static bool
read_term(struct reading *r, struct str word)
{
	struct buf inner = BUF_INIT(CRITERIA_MAX_OCTETS), *out = r->out;
	bool ok;

	if (str_ieq(word, S("not"))) {
		if (++r->depth > DEPTH_MAX)
			return refuse(r, "too deep");
		ok = put(r, word) && next(r, &word) && read_term(r, word);
		r->depth--;
		return ok;
	}
	if (str_eq(word, S("("))) {
		if (++r->depth > DEPTH_MAX)
			return refuse(r, "too deep");
		ok = read_level(r, &inner);
		r->depth--;
		r->out = out;
		if (ok && (r->at == r->n || strcmp(r->words[r->at], ")") != 0))
			ok = refuse(r, "a ) is missing");
		r->at++;
		ok = ok && put(r, S("(")) &&
		     buf_add(out, buf_str(&inner)) == OK &&
		     buf_addc(out, ')') == OK;
		buf_release(&inner);
		return ok;
	}
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (str_ieq(word, keys[i].name))
			return put_key(r, &keys[i]);
	return is_set(word) ? put(r, word)
			    : refuse(r, "there is a word that is no key");
}

/* Terms to the end or a closing parenthesis: all of them, or one of them with
 * OR between each two, which IMAP writes before them. */
static bool
read_level(struct reading *r, struct buf *out)
{
	struct buf term = BUF_INIT(CRITERIA_MAX_OCTETS);
	size_t n_terms = 0, n_ors = 0;
	bool ok = true, wants_term = true;

	while (ok && r->at < r->n && strcmp(r->words[r->at], ")") != 0) {
		struct str word = str_c(r->words[r->at++]);

		if (str_ieq(word, S("or"))) {
			ok = !wants_term || refuse(r, "OR is between two");
			wants_term = true;
			n_ors++;
			/* What was read is its first operand. */
			continue;
		}
		buf_clear(&term);
		r->out = &term;
		ok = read_term(r, word);
		wants_term = false;
		n_terms++;
		if (ok && n_ors > 0 && n_ors != n_terms - 1)
			ok = refuse(r, "use parentheses when mixing ANDs and "
				       "ORs");
		if (ok && term.n == 0 &&
		    (n_ors > 0 || (r->at < r->n &&
				   str_ieq(str_c(r->words[r->at]), S("or")))))
			ok = refuse(r, "MAILBOX stands not within OR");
		if (!ok || term.n == 0)
			continue;
		if (r->at < r->n && str_ieq(str_c(r->words[r->at]), S("or")))
			ok = (out->n == 0 || buf_addc(out, ' ') == OK) &&
			     buf_add(out, S("or")) == OK;
		ok = ok && (out->n == 0 || buf_addc(out, ' ') == OK) &&
		     buf_add(out, buf_str(&term)) == OK;
	}
	buf_release(&term);
	if (ok && n_ors > 0 && n_terms != n_ors + 1)
		ok = refuse(r, "use parentheses when mixing ANDs and ORs");
	if (ok && n_terms == 0)
		ok = refuse(r, "there is nothing to look for");
	if (!ok && r->q->why == NULL)
		r->q->why = "the query is too long";
	return ok;
}

bool
doveadm_query_read(struct doveadm_query *q, char *const *words, int n,
		   int64_t now_s)
{
	struct reading r = { .q = q, .words = words, .n = n, .now_s = now_s };
	struct buf terms = BUF_INIT(CRITERIA_MAX_OCTETS);
	bool ok = read_level(&r, &terms);

	if (ok && r.at < n)
		ok = refuse(&r, "a ( is missing");
	for (int i = 0; ok && i < n; i++)
		if (!utf8_is_ascii(str_c(words[i]))) {
			buf_put(&q->criteria, S("CHARSET UTF-8 "));
			break;
		}
	/* MAILBOX alone: everything in it. */
	q->is_mailbox_all = terms.n == 0;
	if (ok && terms.n == 0)
		buf_put(&terms, S("all"));
	ok = ok && (buf_add(&q->criteria, buf_str(&terms)) == OK ||
		    refuse(&r, "the query is too long"));
	buf_release(&terms);
	return ok;
}
