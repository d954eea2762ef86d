/* SPDX-License-Identifier: MIT
 * mda/store/sync.c - makes the model of a mailbox equal to its directories.
 *
 * Process: store.
 * A look compares the times of new/ and cur/ (dir_time.c) and, where they
 * differ, reads them (scan.c), finds what came, went or has another name
 * (pending.c), gives UIDs (uids.c), until a look finds nothing more.
 * Invariants:
 *  (1) What a reader sees of the model is durable, and in the log: see
 *      pending.c and uids.c.
 *  (2) A change that another program made during a change of our own is met at
 *      the next thorough look at the latest, which every SELECT is.
 */
#include "mda/store/uids.h"

#include "lib/base/check.h"
#include "lib/rt/log.h"
#include "mda/store/batch.h"
#include "mda/store/quota.h"
#include "mda/store/scan.h"

#include <stdio.h>

enum {
	SYNC_TRIES = 6,
	DEAF_FROM = 32, // files of a change of our own
};

/* ---- one scan ---- */

static enum err
take_scan(struct co *co, struct mailbox *m, struct scan *s, struct pending *p)
{
	enum err e = OK;

	m->n_scans++;
	m->must_scan_cur = false;
	m->list_trouble = OK;
	keyword_file_take(m, &s->keywords);
	pending_meet(co, m, s, p);
	if (m->is_loaded)
		e = pending_apply(co, m, p);
	if (e != OK)
		return e;
	if (s->is_list_read || !m->is_loaded)
		e = uids_take(co, m, s, p);
	if (e == ERR_FORMAT) {
		uids_renumber(m, p);
		e = OK;
	}
	if (e == OK && m->must_rewrite_list)
		e = uids_keep_validity(co, m);
	if (e == OK && (p->n > 0 || m->must_rewrite_list))
		e = uids_number(co, m, p);
	if (e != OK)
		return e;
	if (m->is_loaded) {
		pending_sort(p->messages, p->n);
		e = pending_join(co, m, p);
	} else {
		e = pending_make_model(co, m, s, p);
	}
	if (e != OK)
		return e;
	m->told_next_uid = m->next_uid;
	m->is_loaded = true;
	return OK;
}

static enum err
scan_once(struct co *co, struct mailbox *m, bool wants_new, bool wants_cur)
{
	struct scan *s = scan_new(m, wants_new, wants_cur);
	struct pending p = PENDING_NONE;
	enum err e;

	m->is_scanning = true;
	offload(co, scan_run, s);
	e = s->e == OK ? take_scan(co, m, s, &p) : s->e;
	m->is_scanning = false;
	pending_release(m, &p);
	scan_free(&s);
	return e;
}

/* ---- without a scan ---- */

struct first_look {
	int dir_fd;
	struct keyword_file keywords;
	bool has_snapshot; // as far as the name tells
};

static void
look_in_thread(void *arg)
{
	struct first_look *l = arg;

	keyword_file_read(l->dir_fd, &l->keywords);
	l->has_snapshot = snapshot_is_there(l->dir_fd);
}

/* What a snapshot needs beside itself. */
static void
load_keywords(struct co *co, struct mailbox *m)
{
	struct first_look l = { .dir_fd = m->dir_fd };

	keyword_file_init(&l.keywords, m);
	offload(co, look_in_thread, &l);
	keyword_file_take(m, &l.keywords);
	m->snapshot.is_tried = !l.has_snapshot;
	keyword_file_release(&l.keywords);
}

bool
mailbox_outline(struct co *co, struct mailbox *m, struct outline *out)
{
	bool ok = false;

	if (m->is_loaded || m->snapshot.is_tried || mailbox_lock(co, m) != OK)
		return false;
	if (!m->is_loaded && !m->snapshot.is_tried) {
		load_keywords(co, m);
		ok = !m->snapshot.is_tried && snapshot_outline(co, m, out) &&
		     !out->counts.has_new && !out->counts.has_unclaimed;
	}
	if (ok)
		keywords_adopt(&m->keywords, out->counts.keywords);
	mailbox_unlock(m);
	return ok;
}

bool
mailbox_is_beyond_outline(const struct mailbox *m)
{
	return m->is_loaded || dir_time_is_changed(m->new_fd, &m->new_time) ||
	       dir_time_is_changed(m->cur_fd, &m->cur_time);
}

/* ---- from new/ to cur/ ---- */

static void
name_in_cur(const struct message *msg, char out[TREE_NAME_SIZE])
{
	int n = snprintf(out, TREE_NAME_SIZE, "%.*s%s", STR(msg->base),
			 msg->info != NULL ? msg->info : ":2,");

	if (n >= TREE_NAME_SIZE) // no room for flags: it moves as it is
		snprintf(out, TREE_NAME_SIZE, "%.*s", STR(msg->base));
}

/* Not flushed: what is lost is in new/ again. */
static void
move_new(struct co *co, struct mailbox *m)
{
	struct batch batch = BATCH_INIT;
	struct own_change own;
	uint32_t *uids = must_alloc((m->n + 1) * sizeof(*uids));

	for (size_t i = m->n; i > 0; i--) {
		struct message *msg = m->messages[i - 1];
		char from[TREE_NAME_SIZE], to[TREE_NAME_SIZE];

		if (!msg->is_in_new || !message_name(msg, from))
			continue;
		name_in_cur(msg, to);
		uids[batch.n] = msg->uid;
		batch_add(&batch, STEP_RENAME, m->new_fd, from, m->cur_fd, to);
	}
	if (batch.n > 0) {
		quota_enter(co, m->user);
		own_change_begin(m, &own, batch.n);
		batch_run(co, &batch);
		own_change_end(m, &own);
		quota_leave(m->user);
	}
	m->has_new = false;
	for (size_t i = 0; i < batch.n; i++) {
		struct message *msg = mailbox_find(m, uids[i]);

		if (msg == NULL || batch.steps[i].e != OK) {
			m->new_time.is_settled = false; // it is met again
			continue;
		}
		msg->is_in_new = false;
		mailbox_renamed(m, msg, str_c(batch.steps[i].to), 0, 0);
	}
	batch_release(&batch);
	free(uids);
}

/* ---- looking until nothing is new ---- */

/* Of the first model, before anything of it changes. */
static void
keep_first_uids(struct mailbox *m)
{
	if (m->n_outlined == 0 || m->first_uids != NULL || !m->is_loaded)
		return;
	m->first_uids = must_alloc((m->n + 1) * sizeof(*m->first_uids));
	m->n_first_uids = m->n;
	for (size_t i = 0; i < m->n; i++)
		m->first_uids[i] = m->messages[i]->uid;
}

static void
log_trouble(const struct mailbox *m, enum err before)
{
	if (m->list_trouble != OK && before == OK)
		log_error("store.uidlist", FC("user", m->user->address),
			  FC("mailbox", m->dir), FERR(m->list_trouble),
			  FC("hint",
			     m->is_validity_unwritten
				     ? "it cannot be written: UIDs are new "
				       "after a restart"
				     : "it cannot be written: new messages "
				       "wait, the others can be read"));
	else if (m->list_trouble == OK && before != OK)
		log_info("store.uidlist", FC("user", m->user->address),
			 FC("mailbox", m->dir),
			 FC("hint", "it can be written again"));
}

/* After a wait-free end of what may have made the model. */
static void
model_is_made(struct mailbox *m)
{
	keep_first_uids(m);
	resting_loaded(m);
}

/* Until a scan leaves nothing to look at. ERR_MORE: others change the mailbox
 * as fast as we read it. */
static enum err
scan_changes(struct co *co, struct mailbox *m, bool is_thorough)
{
	enum err e = OK;

	for (int i = 0; i < SYNC_TRIES; i++) {
		bool wants_all = !m->is_loaded || m->must_scan_cur;
		bool wants_new = wants_all ||
				 dir_time_is_changed(m->new_fd, &m->new_time);
		bool wants_cur = wants_all ||
				 dir_time_is_changed(m->cur_fd, &m->cur_time) ||
				 (is_thorough && m->is_assumed);

		if (!wants_new && !wants_cur)
			break;
		e = scan_once(co, m, wants_new, wants_cur);
		model_is_made(m);
		if (e == OK && !m->must_scan_cur)
			break;
		if (e != OK && e != ERR_MORE)
			break;
		m->must_scan_cur = true;
	}
	return e;
}

enum err
mailbox_sync(struct co *co, struct mailbox *m, bool is_thorough)
{
	enum err e, before = m->list_trouble;

	if (!m->is_loaded && !m->snapshot.is_tried) {
		load_keywords(co, m);
		if (!m->snapshot.is_tried)
			snapshot_load(co, m);
		model_is_made(m);
	}
	e = scan_changes(co, m, is_thorough);
	if (m->is_dead)
		return ERR_UNAVAILABLE;
	if (e != OK &&
	    (tree_is_removed(m->cur_fd) || tree_is_removed(m->new_fd))) {
		log_warn("store.mailbox", FC("user", m->user->address),
			 FC("mailbox", m->dir),
			 FC("hint", "its directory was taken away"));
		mailbox_kill(m);
		return ERR_UNAVAILABLE;
	}
	if (e == ERR_REFUSED) {
		log_error("store.uidlist", FC("user", m->user->address),
			  FC("mailbox", m->dir),
			  FC("hint", "another program changed its UIDs"));
		mailbox_kill(m);
		return ERR_UNAVAILABLE;
	}
	if (!m->is_loaded)
		return e == ERR_MORE ? ERR_UNAVAILABLE : e;
	/* After an error the new messages wait; the old ones can be read. */
	if (e != OK && e != ERR_MORE)
		m->list_trouble = e;
	m->must_scan_cur |= e != OK || m->list_trouble != OK;
	log_trouble(m, before);
	if (m->n_writers > 0 && m->has_new)
		move_new(co, m);
	return OK;
}

enum err
mailbox_look(struct co *co, struct mailbox *m, bool is_thorough)
{
	enum err e;

	if (m->is_loaded && !m->is_dead && !m->must_scan_cur &&
	    !dir_time_is_changed(m->new_fd, &m->new_time) &&
	    !dir_time_is_changed(m->cur_fd, &m->cur_time) &&
	    !(is_thorough && (m->is_assumed || m->is_scanning)) &&
	    !(m->n_writers > 0 && m->has_new))
		return OK;
	e = mailbox_lock(co, m);
	if (e != OK)
		return e;
	e = mailbox_sync(co, m, is_thorough);
	mailbox_unlock(m);
	return e;
}

/* ---- changes of our own ---- */

/* A foreign change in the same moment would be missed; it is met at the next
 * thorough look, which every SELECT is. */
void
own_change_begin(struct mailbox *m, struct own_change *own, size_t n_files)
{
	own->is_known = m->is_loaded && !m->must_scan_cur &&
			!dir_time_is_changed(m->cur_fd, &m->cur_time);
	own->is_deaf = n_files >= DEAF_FROM;
	if (own->is_deaf)
		mailbox_watch_cur(m, false);
}

void
own_change_end(struct mailbox *m, const struct own_change *own)
{
	if (own->is_deaf)
		mailbox_watch_cur(m, true);
	if (!own->is_known || !dir_time_take(m->cur_fd, &m->cur_time))
		return;
	m->cur_time.is_settled = true;
	m->is_assumed = true;
}

/* The list changed under us; the scan has met our files and numbered them. */
static enum err
find_added(struct co *co, struct mailbox *m, const struct str *names, size_t n,
	   uint32_t *uids_out)
{
	enum err e;

	m->must_scan_cur = true;
	e = mailbox_sync(co, m, true);
	for (size_t i = 0; i < n && e == OK; i++) {
		const struct message *msg =
			map_get(mailbox_bases(m), maildir_name_base(names[i]));

		if (msg == NULL || m->must_scan_cur)
			return ERR_UNAVAILABLE;
		uids_out[i] = msg->uid;
	}
	return e;
}

static enum err
add_name(struct mailbox *m, struct pending *p, struct str name,
	 const char *fields)
{
	struct maildir_name parsed;
	struct message *msg;
	enum err e = maildir_name_parse(name, &parsed);

	if (e != OK)
		return e;
	if (map_get(mailbox_bases(m), parsed.base) != NULL)
		return ERR_EXISTS;
	msg = pending_message(m, name, &parsed);
	msg->seen = m->n_scans;
	msg->is_unclaimed = true; // RFC 3501 6.3.11, 6.4.7
	msg->saved_s = (uint32_t)wall_s();
	if (fields != NULL)
		msg->fields = str_dup_c(str_c(fields));
	pending_add(m, p, msg);
	return OK;
}

enum err
mailbox_add(struct co *co, struct mailbox *m, const struct str *names,
	    char *const *fields, size_t n, uint32_t *uids_out)
{
	struct pending p = PENDING_NONE;
	enum err e = OK;

	for (size_t i = 0; i < n && e == OK; i++)
		e = add_name(m, &p, names[i], fields ? fields[i] : NULL);
	if (e == OK)
		e = uids_add(co, m, &p);
	if (e == OK) {
		for (size_t i = 0; i < n; i++)
			uids_out[i] = p.messages[i]->uid;
		e = pending_join(co, m, &p);
	}
	if (e == OK)
		m->told_next_uid = m->next_uid;
	pending_release(m, &p);
	return e == ERR_MORE ? find_added(co, m, names, n, uids_out) : e;
}
