/* SPDX-License-Identifier: MIT
 * ctl/doveadm_carry.c - doveadm copy and move from another user's mailboxes.
 *
 * Process: mailctl.  Standards: Dovecot 2.3's arguments.
 * Owns: one batch of messages, in memory.
 * Invariants:
 *  (1) A message leaves the source only after its copy was answered with OK.
 *  (2) One session at a time: of the source, of the destination, and again.
 *  (3) UIDs are those of one UIDVALIDITY: a folder that another has taken the
 *      place of meanwhile is left alone.
 */
#include "ctl/doveadm_private.h"
#include "lib/base/check.h"

#include <string.h>
#include <sysexits.h>

enum {
	HITS_MAX_OCTETS = 256 << 20,
	BATCH_MAX_OCTETS = 512 << 20,
	BATCH_FULL_OCTETS = 32 << 20,
	BATCH_MESSAGES = 256,
	ARGS_MAX_OCTETS = 64 * 1024,
};

/* A message in the batch: where its parts are. */
struct carried {
	struct str uid;			  // borrows the hits
	size_t at, flags_octets, n_flags; // of the batch
	size_t date_octets, n_content;
};

struct carrying {
	struct doveadm_ask source; // the same question, of the other user
	const struct doveadm_ask *ask;
	struct buf hits;	 // folder LF uids LF, again
	struct str folder, uids; // where we are; uids: what is left
	uint64_t validity;	 // of the folder; 0: not seen yet
	struct buf batch;	 // flags, date, content, again
	struct carried list[BATCH_MESSAGES];
	size_t n;
	int status;
};

static int
take_hits(struct co *co UNUSED, struct store_session *s UNUSED,
	  const struct doveadm_ask *ask, struct str folder, struct str uids)
{
	struct carrying *c = ask->arg;

	return buf_add(&c->hits, folder) == OK &&
			       buf_addc(&c->hits, '\n') == OK &&
			       buf_add(&c->hits, uids) == OK &&
			       buf_addc(&c->hits, '\n') == OK
		       ? 0
		       : EX_TEMPFAIL;
}

static int
find_hits(struct co *co, struct store_session *s, void *arg)
{
	struct carrying *c = arg;

	return doveadm_search(co, s, &c->source, 3,
			      strcmp(c->ask->verb, "move") == 0
				      ? DOVEADM_REMOVES
				      : DOVEADM_READS,
			      take_hits);
}

static int
look_for_target(struct co *co, struct store_session *s, void *arg)
{
	struct carrying *c = arg;

	return doveadm_look_for(co, s, c->ask, c->ask->words[0]);
}

/* ---- reading ---- */

/* What stands between two texts; empty when they do not. */
static struct str
between(struct str text, struct str before, struct str after)
{
	ptrdiff_t at = str_find(text, before);
	struct str rest =
		at < 0 ? S("") : str_from(text, (size_t)at + before.n);

	at = str_find(rest, after);
	return at < 0 ? S("") : str_first(rest, (size_t)at);
}

/* The answer to a FETCH. False: the message is gone. */
static bool
take_message(struct carrying *c, struct str uid, struct str answer)
{
	struct carried *to = &c->list[c->n];
	ptrdiff_t at = str_find(answer, S("BODY[] {"));
	struct str head, size, flags, date, rest;
	uint64_t n = 0;

	if (at < 0)
		return false;
	head = str_first(answer, (size_t)at);
	head = str_from(head, (size_t)(str_rchr(head, '\n') + 1));
	rest = str_from(answer, (size_t)at);
	size = between(rest, S("{"), S("}\r\n"));
	rest = str_from(rest, S("BODY[] {").n + size.n + S("}\r\n").n);
	if (!str_to_u64(size, rest.n, &n) || n == 0)
		return false;
	flags = between(head, S("FLAGS ("), S(")"));
	date = between(head, S("INTERNALDATE \""), S("\""));
	*to = (struct carried) { .uid = uid,
				 .at = c->batch.n,
				 .n_flags = flags.n,
				 .date_octets = date.n,
				 .n_content = (size_t)n };
	if (buf_add(&c->batch, flags) != OK || buf_add(&c->batch, date) != OK ||
	    buf_add(&c->batch, str_first(rest, (size_t)n)) != OK)
		return false;
	c->n++;
	return true;
}

/* Behind SELECT or EXAMINE: is it the folder that it was the first time? */
static int
check_validity(struct carrying *c, struct str answer)
{
	struct str text = between(answer, S("[UIDVALIDITY "), S("]"));
	uint64_t validity;

	if (!str_to_u64(text, UINT32_MAX, &validity))
		return EX_TEMPFAIL;
	if (c->validity == 0)
		c->validity = validity;
	return c->validity == validity
		       ? 0
		       : doveadm_fail(&c->source, EX_TEMPFAIL,
				      "%s: %.*s is another mailbox now",
				      c->ask->verb, STR(c->folder));
}

static int
select_folder(struct co *co, struct store_session *s, struct carrying *c,
	      enum store_verb verb)
{
	struct buf args = BUF_INIT(ARGS_MAX_OCTETS);
	char *name = str_dup_c(c->folder);
	int status = EX_DATAERR;

	if (doveadm_put_name(&args, &c->source, name))
		status = doveadm_run(co, s, &c->source, verb, buf_str(&args),
				     "Syncing mailbox", name);
	if (status == 0)
		status = check_validity(c, buf_str(&s->text));
	buf_release(&args);
	free(name);
	return status;
}

static int
read_batch(struct co *co, struct store_session *s, void *arg)
{
	struct carrying *c = arg;
	struct buf args = BUF_INIT(ARGS_MAX_OCTETS);
	int status = select_folder(co, s, c, VERB_EXAMINE);
	struct str uid;

	c->n = 0;
	buf_clear(&c->batch);
	while (status == 0 && c->n < BATCH_MESSAGES &&
	       c->batch.n < BATCH_FULL_OCTETS && str_word(&c->uids, &uid)) {
		buf_clear(&args);
		buf_putf(&args, "%.*s (FLAGS INTERNALDATE BODY.PEEK[])",
			 STR(uid));
		if (store_session_run(co, s, VERB_FETCH, true,
				      buf_str(&args)) != OK ||
		    s->status != STORE_OK)
			status = doveadm_fail(&c->source, EX_TEMPFAIL,
					      "%s: UID %.*s: %.*s",
					      c->ask->verb, STR(uid),
					      STR(buf_str(&s->done_text)));
		else
			(void)take_message(c, uid, buf_str(&s->text));
	}
	buf_release(&args);
	return status;
}

/* ---- writing ---- */

static int
write_batch(struct co *co, struct store_session *s, void *arg)
{
	struct carrying *c = arg;
	struct buf args = BUF_INIT(ARGS_MAX_OCTETS);
	int status = 0;

	for (size_t i = 0; i < c->n && status == 0; i++) {
		const struct carried *m = &c->list[i];
		struct str rest = str_from(buf_str(&c->batch), m->at);
		struct str flags = str_first(rest, m->n_flags);
		struct str date =
			str_first(str_from(rest, m->n_flags), m->date_octets);
		struct str content =
			str_first(str_from(rest, m->n_flags + m->date_octets),
				  m->n_content);

		buf_clear(&args);
		if (!doveadm_put_name(&args, c->ask, c->ask->words[0]) ||
		    buf_addf(&args, " (%.*s) \"%.*s\" ", STR(flags),
			     STR(date)) != OK)
			status = EX_DATAERR;
		else if (store_session_append(co, s, buf_str(&args), content) !=
				 OK ||
			 s->status != STORE_OK)
			status = doveadm_fail(c->ask, EX_TEMPFAIL, "%s: %.*s",
					      c->ask->verb,
					      STR(buf_str(&s->done_text)));
		if (status != 0)
			c->n = i; // so many are there
	}
	buf_release(&args);
	return status;
}

static int
remove_batch(struct co *co, struct store_session *s, void *arg)
{
	struct carrying *c = arg;
	struct buf uids = BUF_INIT(HITS_MAX_OCTETS);
	int status = select_folder(co, s, c, VERB_SELECT);

	for (size_t i = 0; i < c->n; i++)
		buf_putf(&uids, "%s%.*s", i > 0 ? " " : "",
			 STR(c->list[i].uid));
	if (status == 0)
		status = doveadm_expunge_hits(co, s, &c->source, c->folder,
					      buf_str(&uids));
	buf_release(&uids);
	return status;
}

static int
carry_batch(struct carrying *c)
{
	const struct options *o = c->ask->options;
	int status = store_session_with(o, c->source.user, read_batch, c);
	int removal = 0;

	if (status != 0 || c->n == 0)
		return status;
	status = store_session_with(o, c->ask->user, write_batch, c);
	if (strcmp(c->ask->verb, "move") == 0 && c->n > 0)
		removal =
			store_session_with(o, c->source.user, remove_batch, c);
	return status != 0 ? status : removal;
}

int
doveadm_carry(const struct doveadm_ask *ask)
{
	struct carrying *c = must_alloc(sizeof(*c));
	struct str rest;
	int status;

	c->ask = ask;
	c->source = *ask;
	c->source.user = str_c(ask->words[2]);
	c->source.arg = c;
	buf_init(&c->hits, HITS_MAX_OCTETS);
	buf_init(&c->batch, BATCH_MAX_OCTETS);
	status =
		store_session_with(ask->options, ask->user, look_for_target, c);
	if (status == 0)
		status = store_session_with(ask->options, c->source.user,
					    find_hits, c);
	rest = buf_str(&c->hits);
	while (status == 0 && str_line(&rest, &c->folder) &&
	       str_line(&rest, &c->uids)) {
		c->validity = 0;
		while (status == 0 && str_trim(c->uids).n > 0)
			status = carry_batch(c);
	}
	buf_release(&c->hits);
	buf_release(&c->batch);
	free(c);
	return status;
}
