/* SPDX-License-Identifier: MIT
 * ctl/doveadm_mail.c - the verbs of doveadm that look into mailboxes.
 *
 * Process: mailctl.  Standards: Dovecot 2.3's output and exit statuses; asked
 * of the store in IMAP (RFC 9051, 5032, 8514).
 * Owns: nothing; the session is store_session.c's.
 */
#include "ctl/doveadm_mail.h"

#include "ctl/doveadm_private.h"
#include "ctl/doveadm_query.h"
#include "lib/base/check.h"
#include "lib/mail/imap_flags.h"
#include "lib/mail/imap_mailbox_name.h"
#include "lib/mail/imap_write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

enum {
	ARGS_MAX_OCTETS = 64 * 1024,
	NAME_MAX_OCTETS = 4096,
	LIST_MAX_OCTETS = 64 << 20,
	FIELDS_MAX = 32,
};

typedef int
verb_fn(struct co *co, struct store_session *s, const struct doveadm_ask *ask);

int
doveadm_fail(const struct doveadm_ask *ask, int status, const char *format, ...)
{
	va_list ap;

	fprintf(stderr, "doveadm(%.*s): Error: ", STR(ask->user));
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	return status;
}

/* A command; its status as an exit status, said when it failed. what: "Can't
 * create mailbox X". */
int
doveadm_run(struct co *co, struct store_session *s,
	    const struct doveadm_ask *ask, enum store_verb verb,
	    struct str args, const char *what, const char *name)
{
	enum err e = store_session_run(co, s, verb, false, args);
	struct str text = buf_str(&s->done_text);

	if (e != OK)
		return doveadm_fail(ask, EX_TEMPFAIL, "%s %s: %s", what, name,
				    err_text(e));
	if (s->status == STORE_OK)
		return 0;
	if (str_starts(text, S("[NONEXISTENT]")) ||
	    str_starts(text, S("no such mailbox")))
		return doveadm_fail(ask, EX_NOHOST,
				    "%s %s: Mailbox doesn't exist: %s", what,
				    name, name);
	if (str_starts(text, S("[ALREADYEXISTS]")))
		return doveadm_fail(ask, EX_DATAERR,
				    "%s %s: Mailbox already exists", what,
				    name);
	return doveadm_fail(ask, EX_TEMPFAIL, "%s %s: %.*s", what, name,
			    STR(text));
}

/* A name of the command line, as IMAP has it. False: it cannot be one (said).
 */
bool
doveadm_put_name(struct buf *out, const struct doveadm_ask *ask,
		 const char *name)
{
	struct buf wire = BUF_INIT(NAME_MAX_OCTETS);
	bool ok = imap_utf7_encode(str_c(name), &wire) == OK &&
		  imap_write_astring(out, buf_str(&wire)) == OK;

	buf_release(&wire);
	if (!ok)
		doveadm_fail(ask, EX_DATAERR, "Invalid mailbox name '%s'",
			     name);
	return ok;
}

/* ---- lists ---- */

/* The last word of a line of LIST: the name, in UTF-8. */
static bool
take_listed(struct str line, struct buf *name)
{
	struct buf wire = BUF_INIT(NAME_MAX_OCTETS);
	struct str rest = line, word;
	bool ok = false;
	ptrdiff_t at = str_find(line, S(") \"/\" "));

	buf_clear(name);
	if (at < 0 || !str_starts(line, S("* L")))
		return false;
	rest = str_from(line, (size_t)at + 6);
	if (str_starts(rest, S("\""))) {
		for (size_t i = 1; i < rest.n && rest.p[i] != '"'; i++) {
			i += rest.p[i] == '\\' && i + 1 < rest.n;
			buf_putc(&wire, rest.p[i]);
		}
	} else if (str_word(&rest, &word)) {
		buf_put(&wire, str_first(word, NAME_MAX_OCTETS));
	}
	ok = wire.n > 0 && imap_utf7_decode(buf_str(&wire), name) == OK;
	buf_release(&wire);
	return ok;
}

/* Names that fit the masks (none: "*"), one a line in out; selectable alone
 * when is_real. */
static int
list_names(struct co *co, struct store_session *s,
	   const struct doveadm_ask *ask, char **masks, int n, bool is_real,
	   struct buf *out)
{
	static char *all[] = { "*" };
	struct buf name = BUF_INIT(NAME_MAX_OCTETS);
	struct buf args = BUF_INIT(ARGS_MAX_OCTETS);
	int status = 0;

	if (n == 0)
		masks = all, n = 1;
	for (int i = 0; i < n && status == 0; i++) {
		struct str text, line;

		buf_clear(&args);
		buf_put(&args, S("\"\" "));
		if (!doveadm_put_name(&args, ask, masks[i])) {
			status = EX_DATAERR;
			break;
		}
		status = doveadm_run(
			co, s, ask,
			ask->only_subscribed ? VERB_LSUB : VERB_LIST,
			buf_str(&args), "Listing mailboxes", masks[i]);
		text = buf_str(&s->text);
		while (status == 0 && str_line(&text, &line)) {
			if (is_real &&
			    (str_find(line, S("\\NonExistent")) >= 0 ||
			     str_find(line, S("\\Noselect")) >= 0))
				continue;
			if (take_listed(line, &name) &&
			    (buf_add(out, buf_str(&name)) != OK ||
			     buf_addc(out, '\n') != OK))
				status = EX_TEMPFAIL;
		}
	}
	buf_release(&name);
	buf_release(&args);
	return status;
}

static int
mailbox_list(struct co *co, struct store_session *s,
	     const struct doveadm_ask *ask)
{
	struct buf names = BUF_INIT(LIST_MAX_OCTETS);
	struct buf wire = BUF_INIT(NAME_MAX_OCTETS);
	int status =
		list_names(co, s, ask, ask->words, ask->n_words, false, &names);
	struct str text, line;

	text = buf_str(&names);
	while (str_line(&text, &line)) {
		buf_clear(&wire);
		if (ask->wants_utf7 && imap_utf7_encode(line, &wire) == OK)
			line = buf_str(&wire);
		if (ask->is_all)
			printf("%.*s ", STR(ask->user));
		printf("%.*s\n", STR(line));
	}
	buf_release(&names);
	buf_release(&wire);
	return status;
}

/* ---- status ---- */

static const struct status_field {
	const char *name;
	struct str item; // of IMAP
	bool is_sum;	 // with -t
} status_fields[] = {
	{ "messages", STR_INIT("MESSAGES"), true },
	{ "recent", STR_INIT("RECENT"), true },
	{ "uidnext", STR_INIT("UIDNEXT"), false },
	{ "uidvalidity", STR_INIT("UIDVALIDITY"), false },
	{ "unseen", STR_INIT("UNSEEN"), true },
	{ "highestmodseq", STR_INIT("HIGHESTMODSEQ"), false },
	{ "vsize", STR_INIT("SIZE"), true },
	{ "guid", STR_INIT("MAILBOXID"), false },
};

enum { N_STATUS = sizeof(status_fields) / sizeof(*status_fields) };

static bool
read_status_fields(struct str text, bool wanted[N_STATUS])
{
	struct str word;

	while (str_word(&text, &word)) {
		size_t i = 0;

		while (i < N_STATUS && !str_eq(word, S("all")) &&
		       !str_eq(word, str_c(status_fields[i].name)))
			i++;
		if (i == N_STATUS)
			return false;
		if (str_eq(word, S("all")))
			memset(wanted, true, N_STATUS * sizeof(*wanted));
		wanted[i] = true;
	}
	return true;
}

/* The value behind an item's name in a line of STATUS, without parentheses. */
static struct str
status_value(struct str line, struct str item)
{
	struct buf key = BUF_INIT(64);
	struct str rest, word = S("0");
	ptrdiff_t at;

	for (int i = 0; i < 2; i++) {
		buf_clear(&key);
		buf_putf(&key, "%c%.*s ", i == 0 ? '(' : ' ', STR(item));
		at = str_find(line, buf_str(&key));
		if (at < 0)
			continue;
		rest = str_from(line, (size_t)at + key.n);
		str_word(&rest, &word);
		break;
	}
	buf_release(&key);
	while (word.n > 0 && word.p[0] == '(')
		word = str_from(word, 1);
	while (word.n > 0 && word.p[word.n - 1] == ')')
		word.n--;
	return word;
}

static void
print_status(const struct doveadm_ask *ask, const bool wanted[N_STATUS],
	     struct str name, struct str line, const uint64_t *sums)
{
	bool is_tab = ask->format != NULL && strcmp(ask->format, "tab") == 0;

	if (ask->is_all)
		printf("%.*s%c", STR(ask->user), is_tab ? '\t' : ' ');
	if (sums == NULL)
		printf("%.*s", STR(name));
	for (size_t i = 0, n = 0; i < N_STATUS; i++) {
		const struct status_field *f = &status_fields[i];

		if (!wanted[i] || (sums != NULL && !f->is_sum))
			continue;
		if (sums == NULL || n > 0)
			putchar(is_tab ? '\t' : ' ');
		if (!is_tab)
			printf("%s=", f->name);
		if (sums != NULL)
			printf("%llu", (unsigned long long)sums[i]);
		else
			printf("%.*s", STR(status_value(line, f->item)));
		n++;
	}
	putchar('\n');
}

static int
status_of(struct co *co, struct store_session *s, const struct doveadm_ask *ask,
	  const bool wanted[N_STATUS], struct str name, uint64_t sums[N_STATUS])
{
	struct buf args = BUF_INIT(ARGS_MAX_OCTETS);
	char *text = str_dup_c(name);
	struct str line, rest;
	int status = 0;

	if (doveadm_put_name(&args, ask, text)) {
		buf_put(&args, S(" ("));
		for (size_t i = 0, n = 0; i < N_STATUS; i++)
			if (wanted[i])
				buf_putf(&args, "%s%.*s", n++ > 0 ? " " : "",
					 STR(status_fields[i].item));
		buf_putc(&args, ')');
		status = doveadm_run(co, s, ask, VERB_STATUS, buf_str(&args),
				     "Mailbox", text);
		rest = buf_str(&s->text);
		while (status == 0 && str_line(&rest, &line)) {
			if (!str_starts(line, S("* STATUS ")))
				continue;
			for (size_t i = 0; i < N_STATUS; i++) {
				uint64_t n = 0;

				if (str_to_u64(
					    status_value(line,
							 status_fields[i].item),
					    UINT64_MAX, &n))
					sums[i] += n;
			}
			if (!ask->with_totals)
				print_status(ask, wanted, name, line, NULL);
		}
	}
	free(text);
	buf_release(&args);
	return status;
}

static int
mailbox_status(struct co *co, struct store_session *s,
	       const struct doveadm_ask *ask)
{
	struct buf names = BUF_INIT(LIST_MAX_OCTETS);
	bool wanted[N_STATUS] = { false };
	uint64_t sums[N_STATUS] = { 0 };
	struct str rest, name;
	int status;

	if (ask->n_words < 2 ||
	    !read_status_fields(str_c(ask->words[0]), wanted))
		return EX_USAGE;
	if (ask->format != NULL && strcmp(ask->format, "tab") == 0 &&
	    ask->is_first) {
		printf("%s%s", ask->is_all ? "username\t" : "",
		       ask->with_totals ? "" : "mailbox");
		for (size_t i = 0, n = !ask->with_totals; i < N_STATUS; i++)
			if (wanted[i] &&
			    (!ask->with_totals || status_fields[i].is_sum))
				printf("%s%s", n++ > 0 ? "\t" : "",
				       status_fields[i].name);
		putchar('\n');
	}
	status = list_names(co, s, ask, ask->words + 1, ask->n_words - 1, true,
			    &names);
	if (status == 0 && names.n == 0)
		status = doveadm_fail(
			ask, EX_NOHOST,
			"Mailbox %s: Failed to lookup mailbox status: "
			"Mailbox doesn't exist: %s",
			ask->words[1], ask->words[1]);
	rest = buf_str(&names);
	while (status == 0 && str_line(&rest, &name))
		status = status_of(co, s, ask, wanted, name, sums);
	if (status == 0 && ask->with_totals)
		print_status(ask, wanted, S(""), S(""), sums);
	buf_release(&names);
	return status;
}

static int
sum_up(struct co *co, struct store_session *s, void *arg)
{
	const struct doveadm_ask ask = { .user = S("-"), .with_totals = true };
	struct buf names = BUF_INIT(LIST_MAX_OCTETS);
	bool wanted[N_STATUS] = { false };
	uint64_t *sums = arg;
	struct str rest, name;
	int status = list_names(co, s, &ask, NULL, 0, true, &names);

	read_status_fields(S("messages vsize"), wanted);
	rest = buf_str(&names);
	while (status == 0 && str_line(&rest, &name))
		status = status_of(co, s, &ask, wanted, name, sums);
	buf_release(&names);
	return status;
}

bool
doveadm_usage(const struct options *o, struct str user, uint64_t *octets_out,
	      uint64_t *messages_out)
{
	uint64_t sums[N_STATUS] = { 0 };
	int status = store_session_with(o, user, sum_up, sums);

	for (size_t i = 0; i < N_STATUS; i++) {
		if (strcmp(status_fields[i].name, "messages") == 0)
			*messages_out = sums[i];
		if (strcmp(status_fields[i].name, "vsize") == 0)
			*octets_out = sums[i];
	}
	return status == 0;
}

/* ---- changes of folders ---- */

static int
for_each_name(struct co *co, struct store_session *s,
	      const struct doveadm_ask *ask, enum store_verb verb,
	      const char *what)
{
	struct buf args = BUF_INIT(ARGS_MAX_OCTETS);
	int status = 0;

	if (ask->n_words < 1)
		return EX_USAGE;
	for (int i = 0; i < ask->n_words && status == 0; i++) {
		buf_clear(&args);
		status = doveadm_put_name(&args, ask, ask->words[i])
				 ? doveadm_run(co, s, ask, verb, buf_str(&args),
					       what, ask->words[i])
				 : EX_DATAERR;
		if (status == 0 && ask->subscribes &&
		    (verb == VERB_CREATE || verb == VERB_DELETE))
			status = doveadm_run(
				co, s, ask,
				verb == VERB_CREATE ? VERB_SUBSCRIBE
						    : VERB_UNSUBSCRIBE,
				buf_str(&args), "Can't subscribe mailbox",
				ask->words[i]);
	}
	buf_release(&args);
	return status;
}

static int
mailbox_create(struct co *co, struct store_session *s,
	       const struct doveadm_ask *ask)
{
	return for_each_name(co, s, ask, VERB_CREATE, "Can't create mailbox");
}

static int
mailbox_delete(struct co *co, struct store_session *s,
	       const struct doveadm_ask *ask)
{
	return for_each_name(co, s, ask, VERB_DELETE, "Can't delete mailbox");
}

static int
mailbox_subscribe(struct co *co, struct store_session *s,
		  const struct doveadm_ask *ask)
{
	return for_each_name(co, s, ask, VERB_SUBSCRIBE,
			     "Can't subscribe mailbox");
}

static int
mailbox_unsubscribe(struct co *co, struct store_session *s,
		    const struct doveadm_ask *ask)
{
	return for_each_name(co, s, ask, VERB_UNSUBSCRIBE,
			     "Can't unsubscribe mailbox");
}

static int
mailbox_rename(struct co *co, struct store_session *s,
	       const struct doveadm_ask *ask)
{
	struct buf args = BUF_INIT(ARGS_MAX_OCTETS);
	int status = EX_DATAERR;

	if (ask->n_words != 2)
		return EX_USAGE;
	if (doveadm_put_name(&args, ask, ask->words[0])) {
		buf_putc(&args, ' ');
		if (doveadm_put_name(&args, ask, ask->words[1]))
			status = doveadm_run(
				co, s, ask, VERB_RENAME, buf_str(&args),
				"Can't rename mailbox", ask->words[0]);
	}
	buf_release(&args);
	return status;
}

/* ---- search ---- */

static int
search_in(struct co *co, struct store_session *s, const struct doveadm_ask *ask,
	  const struct doveadm_query *q, struct str folder,
	  enum doveadm_purpose purpose, doveadm_hits_fn *take)
{
	struct buf args = BUF_INIT(ARGS_MAX_OCTETS);
	struct buf uids = BUF_INIT(LIST_MAX_OCTETS);
	char *name = str_dup_c(folder);
	struct str rest, line;
	int status = EX_DATAERR;

	if (doveadm_put_name(&args, ask, name))
		status = doveadm_run(co, s, ask,
				     purpose == DOVEADM_READS ? VERB_EXAMINE
							      : VERB_SELECT,
				     buf_str(&args), "Syncing mailbox", name);
	if (status == 0 && store_session_run(co, s, VERB_SEARCH, true,
					     buf_str(&q->criteria)) != OK)
		status = EX_TEMPFAIL;
	if (status == 0 && s->status != STORE_OK)
		status = doveadm_fail(ask, EX_USAGE, "Search query: %.*s",
				      STR(buf_str(&s->done_text)));
	rest = buf_str(&s->text);
	while (status == 0 && str_line(&rest, &line))
		if (str_starts(line, S("* SEARCH ")) &&
		    buf_add(&uids, str_from(line, 9)) != OK)
			status = EX_TEMPFAIL;
	if (status == 0 && uids.n > 0)
		status = take(co, s, ask, folder, buf_str(&uids));
	free(name);
	buf_release(&args);
	buf_release(&uids);
	return status;
}

int
doveadm_search(struct co *co, struct store_session *s,
	       const struct doveadm_ask *ask, int n_before,
	       enum doveadm_purpose purpose, doveadm_hits_fn *take)
{
	struct doveadm_query q;
	struct buf names = BUF_INIT(LIST_MAX_OCTETS);
	struct str rest, name;
	int status = 0;

	doveadm_query_init(&q);
	if (!doveadm_query_read(&q, ask->words + n_before,
				ask->n_words - n_before, time(NULL)))
		status = doveadm_fail(ask, EX_USAGE, "Search query: %s", q.why);
	else if (purpose == DOVEADM_REMOVES && q.mailbox == NULL)
		status = doveadm_fail(
			ask, EX_USAGE,
			"%s: To avoid accidents, search query must "
			"contain MAILBOX in all search branches",
			ask->verb);
	else if (purpose == DOVEADM_REMOVES && q.is_mailbox_all)
		status = doveadm_fail(
			ask, EX_USAGE,
			"%s: To avoid accidents, each branch in search query "
			"must contain something else besides MAILBOX (e.g. "
			"just add \"all\" if you want everything)",
			ask->verb);
	else if (q.mailbox != NULL && strpbrk(q.mailbox, "*%") == NULL)
		buf_putf(&names, "%s\n", q.mailbox);
	else
		status = list_names(co, s, ask, &q.mailbox, q.mailbox != NULL,
				    true, &names);
	rest = buf_str(&names);
	while (status == 0 && str_line(&rest, &name))
		status = search_in(co, s, ask, &q, name, purpose, take);
	doveadm_query_release(&q);
	buf_release(&names);
	return status;
}

static int
print_hits(struct co *co, struct store_session *s,
	   const struct doveadm_ask *ask, struct str folder, struct str uids)
{
	struct buf args = BUF_INIT(ARGS_MAX_OCTETS);
	struct buf guid = BUF_INIT(NAME_MAX_OCTETS);
	char *name = str_dup_c(folder);
	struct str uid;
	int status = EX_DATAERR;

	if (doveadm_put_name(&args, ask, name)) {
		buf_put(&args, S(" (MAILBOXID)"));
		status = doveadm_run(co, s, ask, VERB_STATUS, buf_str(&args),
				     "Mailbox", name);
	}
	if (status == 0)
		buf_put(&guid, str_first(status_value(buf_str(&s->text),
						      S("MAILBOXID")),
					 NAME_MAX_OCTETS));
	while (status == 0 && str_word(&uids, &uid)) {
		if (ask->is_all)
			printf("%.*s ", STR(ask->user));
		printf("%.*s %.*s\n", STR(buf_str(&guid)), STR(uid));
	}
	free(name);
	buf_release(&args);
	buf_release(&guid);
	return status;
}

static int
do_search(struct co *co, struct store_session *s, const struct doveadm_ask *ask)
{
	return doveadm_search(co, s, ask, 0, DOVEADM_READS, print_hits);
}

/* ---- changes of messages ---- */

/* As many UIDs as one command takes; false: no more are left. */
static bool
next_set(struct str *uids, struct buf *set)
{
	struct str uid;

	buf_clear(set);
	while (set->n < ARGS_MAX_OCTETS / 2 && str_word(uids, &uid))
		buf_putf(set, "%s%.*s", set->n ? "," : "", STR(uid));
	return set->n > 0;
}

/* The flags as STORE has them. Dovecot's words and status where they are none.
 */
static int
read_flags(const struct doveadm_ask *ask, struct str words, struct buf *out)
{
	const char *blank = "";
	struct str word;

	buf_putc(out, '(');
	while (str_word(&words, &word)) {
		bool is_system = word.p[0] == '\\';

		if (is_system && imap_flag_bit(word) == 0) {
			fprintf(stderr, "Fatal: Invalid system flag: %.*s\n",
				STR(word));
			return EX_TEMPFAIL;
		}
		if (!is_system && !imap_is_keyword(word))
			return doveadm_fail(
				ask, EX_DATAERR,
				"Invalid keywords: Invalid characters in "
				"keyword");
		if (is_system && imap_flag_bit(word) == IMAP_FLAG_RECENT)
			continue;
		if (buf_addf(out, "%s%.*s", blank, STR(word)) != OK)
			return doveadm_fail(ask, EX_DATAERR, "Too many flags");
		blank = " ";
	}
	buf_putc(out, ')');
	return 0;
}

static int
flag_hits(struct co *co, struct store_session *s, const struct doveadm_ask *ask,
	  struct str folder UNUSED, struct str uids)
{
	struct buf args = BUF_INIT(ARGS_MAX_OCTETS);
	struct buf flags = BUF_INIT(ARGS_MAX_OCTETS / 4);
	int status = read_flags(ask, str_c(ask->words[0]), &flags);

	while (status == 0 && next_set(&uids, &args)) {
		buf_putf(&args, " %sFLAGS.SILENT %.*s", ask->prefix,
			 STR(buf_str(&flags)));
		if (store_session_run(co, s, VERB_STORE, true,
				      buf_str(&args)) != OK ||
		    s->status != STORE_OK)
			status = doveadm_fail(ask, EX_TEMPFAIL, "flags: %.*s",
					      STR(buf_str(&s->done_text)));
	}
	buf_release(&args);
	buf_release(&flags);
	return status;
}

static int
change_flags(struct co *co, struct store_session *s,
	     const struct doveadm_ask *ask, const char *prefix)
{
	struct doveadm_ask with = *ask;
	struct buf flags = BUF_INIT(ARGS_MAX_OCTETS / 4);
	int status = EX_USAGE;

	with.prefix = prefix;
	if (ask->n_words >= 2) // also where there are no hits
		status = read_flags(ask, str_c(ask->words[0]), &flags);
	if (status == 0)
		status = doveadm_search(co, s, &with, 1, DOVEADM_CHANGES,
					flag_hits);
	buf_release(&flags);
	return status;
}

static int
flags_add(struct co *co, struct store_session *s, const struct doveadm_ask *ask)
{
	return change_flags(co, s, ask, "+");
}

static int
flags_remove(struct co *co, struct store_session *s,
	     const struct doveadm_ask *ask)
{
	return change_flags(co, s, ask, "-");
}

static int
flags_replace(struct co *co, struct store_session *s,
	      const struct doveadm_ask *ask)
{
	return change_flags(co, s, ask, "");
}

static int
carry_hits(struct co *co, struct store_session *s,
	   const struct doveadm_ask *ask, struct str folder UNUSED,
	   struct str uids)
{
	bool is_move = strcmp(ask->verb, "move") == 0;
	struct buf args = BUF_INIT(ARGS_MAX_OCTETS);
	int status = 0;

	while (status == 0 && next_set(&uids, &args)) {
		buf_putc(&args, ' ');
		if (!doveadm_put_name(&args, ask, ask->words[0]))
			status = EX_DATAERR;
		else if (store_session_run(co, s,
					   is_move ? VERB_MOVE : VERB_COPY,
					   true, buf_str(&args)) != OK ||
			 s->status != STORE_OK)
			status = doveadm_fail(ask, EX_TEMPFAIL, "%s: %.*s",
					      ask->verb,
					      STR(buf_str(&s->done_text)));
	}
	buf_release(&args);
	return status;
}

int
doveadm_look_for(struct co *co, struct store_session *s,
		 const struct doveadm_ask *ask, const char *name)
{
	struct buf args = BUF_INIT(ARGS_MAX_OCTETS);
	int status = EX_DATAERR;

	if (doveadm_put_name(&args, ask, name)) {
		buf_put(&args, S(" (MESSAGES)"));
		status = doveadm_run(co, s, ask, VERB_STATUS, buf_str(&args),
				     "Can't open mailbox", name);
	}
	buf_release(&args);
	return status;
}

/* copy, move: the destination, which Dovecot opens first, then the query. */
static int
do_carry(struct co *co, struct store_session *s, const struct doveadm_ask *ask)
{
	bool is_move = strcmp(ask->verb, "move") == 0;
	int status;

	if (ask->n_words < 2)
		return EX_USAGE;
	status = doveadm_look_for(co, s, ask, ask->words[0]);
	if (status != 0)
		return status;
	return doveadm_search(co, s, ask, 1,
			      is_move ? DOVEADM_REMOVES : DOVEADM_READS,
			      carry_hits);
}

/* ---- expunge ---- */

int
doveadm_expunge_hits(struct co *co, struct store_session *s,
		     const struct doveadm_ask *ask, struct str folder UNUSED,
		     struct str uids)
{
	struct buf set = BUF_INIT(ARGS_MAX_OCTETS);
	int status = 0;

	while (status == 0 && next_set(&uids, &set)) {
		enum err e;

		buf_put(&set, S(" +FLAGS.SILENT (\\Deleted)"));
		e = store_session_run(co, s, VERB_STORE, true, buf_str(&set));
		set.n = (size_t)str_chr(buf_str(&set), ' ');
		if (e == OK && s->status == STORE_OK)
			e = store_session_run(co, s, VERB_EXPUNGE, true,
					      buf_str(&set));
		if (e != OK || s->status != STORE_OK)
			status = doveadm_fail(ask, EX_TEMPFAIL, "expunge: %.*s",
					      STR(buf_str(&s->done_text)));
	}
	buf_release(&set);
	return status;
}

static int
do_expunge(struct co *co, struct store_session *s,
	   const struct doveadm_ask *ask)
{
	return doveadm_search(co, s, ask, 0, DOVEADM_REMOVES,
			      doveadm_expunge_hits);
}

/* ---- fetch ---- */

/* What a field is asked by; behind: what stands before its value in the
 * answer. */
static const struct fetch_field {
	struct str name, item, behind;
	enum { PLAIN, LIST, QUOTED, LINES, FIELD } kind;
} fetch_fields[] = {
	{ STR_INIT("flags"), STR_INIT("FLAGS"), STR_INIT("FLAGS ("), LIST },
	{ STR_INIT("size.virtual"), STR_INIT("RFC822.SIZE"),
	  STR_INIT("RFC822.SIZE "), PLAIN },
	{ STR_INIT("modseq"), STR_INIT("MODSEQ"), STR_INIT("MODSEQ ("), LIST },
	{ STR_INIT("guid"), STR_INIT("EMAILID"), STR_INIT("EMAILID ("), LIST },
	{ STR_INIT("date.received"), STR_INIT("INTERNALDATE"),
	  STR_INIT("INTERNALDATE \""), QUOTED },
	{ STR_INIT("date.saved"), STR_INIT("SAVEDATE"), STR_INIT("SAVEDATE \""),
	  QUOTED },
	{ STR_INIT("hdr"), STR_INIT("BODY.PEEK[HEADER]"), STR_INIT("}\r\n"),
	  LINES },
	{ STR_INIT("body"), STR_INIT("BODY.PEEK[TEXT]"), STR_INIT("}\r\n"),
	  LINES },
	{ STR_INIT("text"), STR_INIT("BODY.PEEK[]"), STR_INIT("}\r\n"), LINES },
};

enum { N_FETCH = sizeof(fetch_fields) / sizeof(*fetch_fields) };

/* "31-Jan-2026 09:08:07 +0100" as "2026-01-31 09:08:07". */
static void
put_date(struct buf *out, struct str date)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm t = { 0 };
	char text[32] = "", month[4] = "", shown[32];
	const char *at;
	int sign, zone = 0, day, year;
	time_t when;

	if (str_to_c(date, text, sizeof(text)) != OK ||
	    sscanf(text, "%d-%3s-%d %d:%d:%d %d", &day, month, &year,
		   &t.tm_hour, &t.tm_min, &t.tm_sec, &zone) != 7 ||
	    (at = strstr(months, month)) == NULL)
		return;
	sign = zone < 0 ? -1 : 1;
	zone *= sign;
	t.tm_mday = day;
	t.tm_mon = (int)(at - months) / 3;
	t.tm_year = year - 1900;
	when = timegm(&t) - sign * (zone / 100 * 3600 + zone % 100 * 60);
	if (localtime_r(&when, &t) != NULL &&
	    strftime(shown, sizeof(shown), "%Y-%m-%d %H:%M:%S", &t) > 0)
		buf_put(out, str_c(shown));
}

/* The literal at the end of the head, with LF; the answer may end it early. */
static void
put_lines(struct buf *out, struct str answer, struct str behind)
{
	ptrdiff_t at = str_find(answer, behind);
	struct str head, rest;
	uint64_t n = 0;

	if (at < 0)
		return;
	head = str_first(answer, (size_t)at);
	head = str_from(head, (size_t)(str_rchr(head, '{') + 1));
	rest = str_from(answer, (size_t)at + behind.n);
	if (str_to_u64(head, rest.n, &n))
		rest = str_first(rest, (size_t)n);
	for (size_t i = 0; i < rest.n; i++)
		if (rest.p[i] != '\r' || i + 1 == rest.n ||
		    rest.p[i + 1] != '\n')
			buf_putc(out, rest.p[i]);
}

static void
put_value(struct buf *out, const struct fetch_field *f, struct str answer)
{
	ptrdiff_t at = str_find(answer, f->behind);
	struct str rest;
	char end = f->kind == LIST ? ')' : f->kind == QUOTED ? '"' : ' ';
	size_t n = 0;

	if (f->kind == LINES) {
		put_lines(out, answer, f->behind);
		return;
	}
	if (at < 0)
		return;
	rest = str_from(answer, (size_t)at + f->behind.n);
	while (n < rest.n && rest.p[n] != end && rest.p[n] != ')' &&
	       rest.p[n] != '\r')
		n++;
	rest = str_first(rest, n);
	if (f->kind == QUOTED)
		put_date(out, rest);
	else
		buf_put(out, rest);
}

/* hdr.NAME: the field's value, unfolded. */
static void
put_header(struct buf *out, struct str answer)
{
	struct buf text = BUF_INIT(LIST_MAX_OCTETS);
	struct str rest, line, name;
	bool is_first = true;

	put_lines(&text, answer, S("}\r\n"));
	rest = buf_str(&text);
	while (str_line(&rest, &line) && line.n > 0) {
		if (is_first)
			str_split(&line, ':', &name);
		is_first = false;
		buf_put(out, is_first ? line : str_trim(line));
		if (rest.n > 0 && (rest.p[0] == ' ' || rest.p[0] == '\t'))
			buf_putc(out, ' ');
		else
			break;
	}
	buf_release(&text);
}

/* NULL: hdr.NAME, or none of these. */
static const struct fetch_field *
find_field(struct str name)
{
	for (size_t i = 0; i < N_FETCH; i++)
		if (str_eq(name, fetch_fields[i].name))
			return &fetch_fields[i];
	return NULL;
}

/* Before anything is shown. */
static int
check_fields(const struct doveadm_ask *ask)
{
	struct str rest = str_c(ask->words[0]), name;

	while (str_word(&rest, &name))
		if (!str_eq(name, S("uid")) && !str_eq(name, S("mailbox")) &&
		    !str_eq(name, S("user")) && !str_starts(name, S("hdr.")) &&
		    find_field(name) == NULL)
			return doveadm_fail(ask, EX_USAGE,
					    "Unknown fetch field: %.*s",
					    STR(name));
	return 0;
}

static int
fetch_one(struct co *co, struct store_session *s, const struct doveadm_ask *ask,
	  struct str name, struct str uid, struct buf *out, bool *is_lines_out)
{
	struct buf args = BUF_INIT(ARGS_MAX_OCTETS);
	const struct fetch_field *f = find_field(name);
	int status = 0;

	*is_lines_out = f != NULL && f->kind == LINES;
	buf_putf(&args, "%.*s (", STR(uid));
	if (f != NULL)
		buf_put(&args, f->item);
	else
		buf_putf(&args, "BODY.PEEK[HEADER.FIELDS (%.*s)]",
			 STR(str_first(str_from(name, 4), 256)));
	buf_putc(&args, ')');
	if (store_session_run(co, s, VERB_FETCH, true, buf_str(&args)) != OK ||
	    s->status != STORE_OK)
		status = doveadm_fail(ask, EX_TEMPFAIL, "fetch %.*s: %.*s",
				      STR(name), STR(buf_str(&s->done_text)));
	else if (f != NULL)
		put_value(out, f, buf_str(&s->text));
	else
		put_header(out, buf_str(&s->text));
	buf_release(&args);
	return status;
}

static int
print_field(struct co *co, struct store_session *s,
	    const struct doveadm_ask *ask, struct str name, struct str folder,
	    struct str uid, bool is_first)
{
	struct buf value = BUF_INIT(LIST_MAX_OCTETS);
	bool is_tab = ask->format != NULL && strcmp(ask->format, "tab") == 0;
	bool is_flow = ask->format != NULL && strcmp(ask->format, "flow") == 0;
	bool is_lines = false;
	int status = 0;

	if (str_eq(name, S("uid")))
		buf_put(&value, uid);
	else if (str_eq(name, S("mailbox")))
		buf_put(&value, folder);
	else if (str_eq(name, S("user")))
		buf_put(&value, ask->user);
	else
		status = fetch_one(co, s, ask, name, uid, &value, &is_lines);
	if (status == 0 && (is_tab || is_flow))
		printf("%s%.*s%s%.*s",
		       is_first ? ""
		       : is_tab ? "\t"
				: " ",
		       is_tab ? 0 : (int)name.n, name.p, is_tab ? "" : "=",
		       STR(buf_str(&value)));
	else if (status == 0)
		printf("%.*s:%s%.*s%s", STR(name), is_lines ? "\n" : " ",
		       STR(buf_str(&value)),
		       is_lines && value.n > 0 && value.p[value.n - 1] == '\n'
			       ? ""
			       : "\n");
	buf_release(&value);
	return status;
}

static bool has_printed; // a message: the next one is set off

static int
fetch_hits(struct co *co, struct store_session *s,
	   const struct doveadm_ask *ask, struct str folder, struct str uids)
{
	bool is_pager =
		ask->format == NULL || strcmp(ask->format, "pager") == 0;
	struct str uid;
	int status = 0;

	while (status == 0 && str_word(&uids, &uid)) {
		struct str rest = str_c(ask->words[0]), name;
		bool is_first = true;

		if (is_pager && has_printed)
			fputs("\f\n", stdout);
		has_printed = true;
		while (status == 0 && str_word(&rest, &name)) {
			status = print_field(co, s, ask, name, folder, uid,
					     is_first);
			is_first = false;
		}
		if (!is_pager)
			putchar('\n');
	}
	return status;
}

static int
do_fetch(struct co *co, struct store_session *s, const struct doveadm_ask *ask)
{
	struct str rest, name;
	const char *separator = "";
	int status;

	if (ask->n_words < 2)
		return EX_USAGE;
	status = check_fields(ask);
	if (status != 0)
		return status;
	rest = str_c(ask->words[0]);
	if (ask->format != NULL && strcmp(ask->format, "tab") == 0 &&
	    ask->is_first) {
		for (; str_word(&rest, &name); separator = "\t")
			printf("%s%.*s", separator, STR(name));
		putchar('\n');
	}
	return doveadm_search(co, s, ask, 1, DOVEADM_READS, fetch_hits);
}

/* ---- which ---- */

static const struct {
	const char *verb, *command; // command: of mailbox and flags
	verb_fn *run;
} verbs[] = {
	{ "mailbox", "list", mailbox_list },
	{ "mailbox", "status", mailbox_status },
	{ "mailbox", "create", mailbox_create },
	{ "mailbox", "delete", mailbox_delete },
	{ "mailbox", "rename", mailbox_rename },
	{ "mailbox", "subscribe", mailbox_subscribe },
	{ "mailbox", "unsubscribe", mailbox_unsubscribe },
	{ "flags", "add", flags_add },
	{ "flags", "remove", flags_remove },
	{ "flags", "replace", flags_replace },
	{ "copy", NULL, do_carry },
	{ "move", NULL, do_carry },
	{ "search", NULL, do_search },
	{ "fetch", NULL, do_fetch },
	{ "expunge", NULL, do_expunge },
};

enum { N_VERBS = sizeof(verbs) / sizeof(*verbs) };

bool
doveadm_is_mail_verb(const char *verb)
{
	for (size_t i = 0; i < N_VERBS; i++)
		if (strcmp(verbs[i].verb, verb) == 0)
			return true;
	return false;
}

bool
doveadm_has_commands(const char *verb)
{
	for (size_t i = 0; i < N_VERBS; i++)
		if (strcmp(verbs[i].verb, verb) == 0)
			return verbs[i].command != NULL;
	return false;
}

static int
run_verb(struct co *co, struct store_session *s, void *arg)
{
	const struct doveadm_ask *all = arg;
	struct doveadm_ask ask = *all;

	for (size_t i = 0; i < N_VERBS; i++) {
		if (strcmp(verbs[i].verb, ask.verb) != 0)
			continue;
		if (verbs[i].command == NULL)
			return verbs[i].run(co, s, &ask);
		if (ask.n_words > 0 &&
		    strcmp(verbs[i].command, ask.words[0]) == 0) {
			ask.words++, ask.n_words--;
			return verbs[i].run(co, s, &ask);
		}
	}
	return EX_USAGE;
}

const char *
doveadm_source(const struct doveadm_ask *ask)
{
	bool carries = strcmp(ask->verb, "copy") == 0 ||
		       strcmp(ask->verb, "move") == 0;

	return carries && ask->n_words > 3 && strcmp(ask->words[1], "user") == 0
		       ? ask->words[2]
		       : NULL;
}

int
doveadm_mail(const struct doveadm_ask *ask)
{
	struct doveadm_ask copy = *ask;

	if (doveadm_source(ask) != NULL)
		return doveadm_carry(ask);
	return store_session_with(ask->options, ask->user, run_verb, &copy);
}
