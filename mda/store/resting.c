/* SPDX-License-Identifier: MIT
 * mda/store/resting.c - which models may be forgotten, and what is kept of
 * them.
 *
 * Process: store.  Design: doc/design/store.md.
 * Invariants:
 *  (1) A model is forgotten only while each holder of its mailbox is a session
 *      in a long wait that was told all of it, and when all that it knows is
 *      in files: so whoever goes on looks first whether it is there.
 *  (2) A listed mailbox is held, not dead, and has n_counted messages in
 *      the tree's count.
 *  (3) A model that comes back with another UIDVALIDITY is nobody's: BYE.
 */
#include "mda/store/resting.h"

#include "lib/base/check.h"
#include "lib/rt/log.h"
#include "mda/store/mailbox.h"

#include <malloc.h>
#include <stdlib.h>

/* With sanitizers all of it is forgotten soon, so that all tests pass through
 * here. */
#ifdef ESTAFETA_SANITIZED
enum { REST_AFTER_MS = 2, RESTING_MESSAGES_MAX = 0, REST_MESSAGE_US = 0 };
#else
enum {
	REST_AFTER_MS = 1000,
	RESTING_MESSAGES_MAX = 20000, // 4 MiB
	REST_MESSAGE_US = 1000,
};
#endif
enum { REST_SHORT_S = 2 };

/* What was forgotten lies between what was not: libc gives back the ends of its
 * heaps alone. */
enum { TRIM_MESSAGES = 10000, TRIM_AFTER_S = 1 };

void
resting_init(struct tree *t)
{
	TAILQ_INIT(&t->resting_mailboxes);
	t->max_resting_messages = RESTING_MESSAGES_MAX;
	t->rest_after_ms = REST_AFTER_MS;
	t->rest_message_us = REST_MESSAGE_US;
	t->rest_short_us = REST_SHORT_S * US_PER_S;
}

void
resting_release(struct resting *r)
{
	check(!r->is_listed);
	free(r->recents);
	*r = (struct resting) { .is_away = false };
}

/* ---- what may be forgotten ---- */

static bool
all_sessions_wait(const struct mailbox *m)
{
	const struct seat *seat;
	unsigned n = 0;

	TAILQ_FOREACH (seat, &m->seats, link) {
		if (!seat->is_resting || seat->told != m->change)
			return false;
		n++;
	}
	return n == m->n_holds;
}

static bool
is_in_files(const struct mailbox *m)
{
	const struct journal *j = &m->journal;

	return m->has_list && !m->must_rewrite_list && !m->must_scan_cur &&
	       m->told_next_uid == m->next_uid && m->cur_time.is_settled &&
	       m->new_time.is_settled && j->has_file && !j->must_rewrite &&
	       j->n_noted == 0 && j->n_vanished == j->n_written &&
	       j->head.highest == j->given;
}

static bool
may_be_forgotten(const struct mailbox *m)
{
	return m->is_loaded && !m->is_dead && !m->lock.is_held &&
	       m->n_outlined == 0 && !m->index.is_writing &&
	       m->columns.n_users == 0 && all_sessions_wait(m) &&
	       is_in_files(m);
}

static bool
is_seated(const struct mailbox *m, unsigned session)
{
	const struct seat *seat;

	TAILQ_FOREACH (seat, &m->seats, link)
		if (seat->session == session)
			return true;
	return false;
}

/* False: some is \Recent to whoever comes next, and no file says so. */
static bool
keep_recents(struct mailbox *m)
{
	struct resting *r = &m->resting;
	struct recent *list = NULL;
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++) {
		const struct message *msg = m->messages[i];

		if (msg->is_unclaimed && !msg->is_in_new) {
			free(list);
			return false;
		}
		if (msg->recent_session == 0 ||
		    !is_seated(m, msg->recent_session))
			continue;
		if (list == NULL)
			list = must_alloc((m->n - i) * sizeof(*list));
		list[n++] = (struct recent) { msg->uid, msg->recent_session };
	}
	if (n > 0)
		list = must_realloc(list, n * sizeof(*list));
	r->recents = list;
	r->n_recents = n;
	return true;
}

static void
trim_in_thread(void *arg UNUSED)
{
	malloc_trim(0);
}

static void
trim(struct co *co, void *arg)
{
	struct tree *t = arg;

	if (co_sleep_until(co, in_s(TRIM_AFTER_S)) == OK)
		offload(co, trim_in_thread, NULL);
	t->n_untrimmed = 0;
}

static void
count_forgotten(struct tree *t, size_t n)
{
	bool was_due = t->n_untrimmed >= TRIM_MESSAGES;

	t->n_untrimmed += n;
	if (!was_due && t->n_untrimmed >= TRIM_MESSAGES &&
	    co_spawn(trim, t, "store.trim") == NULL)
		t->n_untrimmed = 0;
}

/* Before that it is not forgotten. */
static int64_t
due_us(const struct mailbox *m)
{
	const struct tree *t = m->user->tree;
	int64_t us = (int64_t)m->n * t->rest_message_us;

	return m->resting.since_us + (us < t->rest_short_us ? 0 : us);
}

static void
forget_longest(struct tree *t)
{
	struct mailbox *m, *next;
	int64_t at_us = now_us();

	for (m = TAILQ_FIRST(&t->resting_mailboxes);
	     m != NULL && t->n_resting_messages > t->max_resting_messages;
	     m = next) {
		next = TAILQ_NEXT(m, rest_link);
		if (due_us(m) > at_us)
			continue;
		resting_leave(m);
		if (!may_be_forgotten(m) || !keep_recents(m))
			continue;
		count_forgotten(t, m->n);
		m->resting.is_away = true;
		m->resting.uidvalidity = m->uidvalidity;
		m->resting.change = m->change;
		mailbox_forget_model(m);
	}
}

/* ---- waiting ---- */

static void
list(struct mailbox *m)
{
	struct tree *t = m->user->tree;

	m->resting.is_listed = true;
	m->resting.since_us = now_us();
	m->resting.change = m->change;
	m->resting.n_counted = m->n;
	TAILQ_INSERT_TAIL(&t->resting_mailboxes, m, rest_link);
	t->n_resting_messages += m->n;
}

int64_t
resting_begin(struct mailbox *m, struct seat *seat, bool is_even)
{
	struct tree *t = m->user->tree;
	struct resting *r = &m->resting;

	seat->is_resting = true;
	seat->told = is_even ? m->change : 0;
	if (!may_be_forgotten(m))
		return NEVER_US;
	if (!r->is_listed || r->n_counted != m->n || r->change != m->change) {
		resting_leave(m);
		list(m);
	}
	forget_longest(t);
	return r->is_listed && t->n_resting_messages > t->max_resting_messages
		       ? due_us(m)
		       : NEVER_US;
}

void
resting_end(struct seat *seat)
{
	seat->is_resting = false;
}

void
resting_leave(struct mailbox *m)
{
	struct tree *t = m->user->tree;

	if (!m->resting.is_listed)
		return;
	m->resting.is_listed = false;
	TAILQ_REMOVE(&t->resting_mailboxes, m, rest_link);
	t->n_resting_messages -= m->resting.n_counted;
}

void
resting_loaded(struct mailbox *m)
{
	struct resting *r = &m->resting;

	if (!r->is_away || !m->is_loaded)
		return;
	r->is_away = false;
	for (size_t i = 0; i < r->n_recents; i++) {
		struct message *msg = mailbox_find(m, r->recents[i].uid);

		if (msg == NULL)
			continue;
		message_claim(m, msg, r->recents[i].session);
	}
	free(r->recents);
	r->recents = NULL;
	r->n_recents = 0;
	/* What went meanwhile has a number above. */
	if (m->change != r->change)
		m->removal = m->change;
	if (m->uidvalidity == r->uidvalidity)
		return;
	log_error("store.uidlist", FC("user", m->user->address),
		  FC("mailbox", m->dir),
		  FC("hint", "another program changed its UIDVALIDITY"));
	mailbox_kill(m);
}
