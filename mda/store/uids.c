/* SPDX-License-Identifier: MIT
 * mda/store/uids.c - UIDs: taken from dovecot-uidlist, given to what is new,
 * and written there.
 *
 * Process: store.  Format: uidlist.h.
 * Invariants:
 *  (1) A UID is given to the model only after its line is durable. The
 *      exception: no UID of this UIDVALIDITY is on the disk, and no other
 *      process will ever give that UIDVALIDITY.
 *  (2) The next UID only rises; a UIDVALIDITY is larger than all that this user
 *      had before, as long as there are larger ones.
 */
#include "mda/store/uids.h"

#include "lib/base/check.h"
#include "lib/mail/uidlist.h"
#include "lib/rt/log.h"
#include "mda/store/census.h"
#include "mda/store/list_file.h"
#include "mda/store/scan.h"

#include <stdio.h>
#include <sys/random.h>

enum {
	LINES_FEW = 100,
	SOON_S = 8,
};

/* ---- UIDVALIDITY ---- */

/* Behind the last number there is none: then any other has to do. */
static uint32_t
above(uint32_t v, uint32_t given)
{
	return v > given || given == UINT32_MAX ? v : given + 1;
}

static uint32_t
new_validity(struct mailbox *m)
{
	uint32_t v = above((uint32_t)wall_s(), m->user->tree->started_s);

	v = above(v, m->user->last_validity);
	v = above(v, m->uidvalidity);
	return m->user->last_validity = v;
}

struct keeping {
	int user_fd;
	uint32_t validity;
	enum err e;
};

static void
keep_in_thread(void *arg)
{
	struct keeping *k = arg;
	struct buf file = BUF_INIT(TREE_NAME_SIZE);

	buf_putf(&file, "%u\n", k->validity);
	k->e = fs_replace(k->user_fd, tree_validity_name, buf_str(&file),
			  TREE_MODE_FILE);
	buf_release(&file);
}

/* One that is ahead of the clock could come again after a restart. Another
 * could not: those of a process are above the time of its start. */
enum err
uids_keep_validity(struct co *co, const struct mailbox *m)
{
	struct keeping k = { .user_fd = m->user->fd,
			     .validity = m->user->last_validity };
	int64_t ahead_s;

	if (k.validity <= (uint32_t)wall_s())
		return OK;
	offload(co, keep_in_thread, &k);
	ahead_s = (int64_t)k.validity - wall_s();
	if (k.e == OK || ahead_s > SOON_S)
		return k.e;
	/* Without room for it the clock may get there. */
	return ahead_s > 0 ? co_sleep_until(co, in_s(ahead_s)) : OK;
}

static void
make_guid(struct mailbox *m)
{
	uint8_t random[sizeof(m->guid) / 2];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		memset(random, 0, sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(m->guid + 2 * i, 3, "%02x", random[i]);
}

static void
begin_list(struct mailbox *m)
{
	m->uidvalidity = new_validity(m);
	m->next_uid = 1;
	free(m->extra);
	m->extra = NULL;
	make_guid(m);
	m->n_lines = 0;
	m->must_rewrite_list = m->is_validity_unwritten = true;
}

/* All lines again, with new numbers. */
void
uids_renumber(struct mailbox *m, struct pending *p)
{
	begin_list(m);
	for (size_t i = 0; i < p->n; i++) {
		message_free_part(m, p->messages[i]->fields);
		p->messages[i]->fields = NULL;
		p->messages[i]->uid = 0;
	}
}

/* ---- what the list says ---- */

static void
keep_record(struct mailbox *m, struct message *msg,
	    const struct uidlist_record *record)
{
	msg->uid = record->uid;
	message_free_part(m, msg->fields);
	msg->fields = record->fields.n > 0 ? str_dup_c(record->fields) : NULL;
}

/* ERR_FORMAT: not to be trusted. ERR_REFUSED: it contradicts what was told. */
static enum err
take_records(struct mailbox *m, struct uidlist_reader *r,
	     const struct pending *p)
{
	struct uidlist_record record;
	enum uidlist_step step;
	size_t hint = 0;

	m->n_lines = 0;
	while ((step = uidlist_next(r, &record)) == UIDLIST_RECORD) {
		struct message *msg =
			p->is_census ? census_find(p->messages, p->n,
						   record.base, &hint)
				     : map_get(mailbox_bases(m), record.base);
		bool is_told = msg != NULL && mailbox_find(m, msg->uid) == msg;

		m->n_lines++;
		if (is_told && msg->uid != record.uid)
			return ERR_REFUSED;
		if (msg != NULL && !is_told)
			keep_record(m, msg, &record); // the last one counts
	}
	if (step == UIDLIST_BROKEN)
		return ERR_FORMAT;
	if (r->next_uid > m->next_uid)
		m->next_uid = r->next_uid;
	m->must_rewrite_list = r->is_torn;
	return OK;
}

struct taking {
	struct mailbox *m;
	const struct pending *p;
	struct uidlist_reader *r;
	enum err e;
};

static void
records_in_thread(void *arg)
{
	struct taking *k = arg;

	k->e = take_records(k->m, k->r, k->p);
}

static void
take_header(struct mailbox *m, const struct uidlist_header *header)
{
	m->uidvalidity = header->uidvalidity;
	if (m->next_uid < header->next_uid)
		m->next_uid = header->next_uid;
	if (m->user->last_validity < m->uidvalidity)
		m->user->last_validity = m->uidvalidity;
	snprintf(m->guid, sizeof(m->guid), "%.*s", STR(header->guid));
	free(m->extra);
	m->extra = header->extra.n > 0 ? str_dup_c(header->extra) : NULL;
}

/* ERR_FORMAT, ERR_REFUSED: as take_records(). */
static enum err
take_whole_list(struct co *co, struct mailbox *m, const struct scan *s,
		const struct pending *p)
{
	struct uidlist_header header;
	struct uidlist_reader r;
	struct taking k = { .m = m, .p = p, .r = &r };
	enum err e = uidlist_begin(&r, buf_str(&s->list), &header);

	if (e != OK)
		return e;
	if (m->is_loaded && header.uidvalidity != m->uidvalidity)
		return ERR_REFUSED;
	take_header(m, &header);
	pending_run(co, m, p, records_in_thread, &k);
	m->must_rewrite_list |= s->is_list_shared;
	if (k.e == OK && header.guid.n == 0) { // told as MAILBOXID
		make_guid(m);
		m->must_rewrite_list = m->is_guid_unwritten = true;
	}
	return k.e;
}

enum err
uids_take(struct co *co, struct mailbox *m, const struct scan *s,
	  const struct pending *p)
{
	enum err e;

	m->has_list = s->has_list;
	m->list_inode = s->list_inode;
	m->list_octets = s->list_octets;
	if (!s->has_list) {
		if (m->is_loaded)
			return ERR_REFUSED;
		begin_list(m);
		return OK;
	}
	e = take_whole_list(co, m, s, p);
	if (e != ERR_FORMAT)
		return e;
	log_error("store.uidlist", FC("user", m->user->address),
		  FC("mailbox", m->dir),
		  FC("hint", "not to be trusted; a new UIDVALIDITY is given"));
	return m->is_loaded ? ERR_REFUSED : ERR_FORMAT;
}

/* ---- writing it ---- */

static void
put_record(struct buf *b, const struct message *msg)
{
	const struct uidlist_record record = {
		.uid = msg->uid,
		.fields = str_c(msg->fields),
		.base = msg->base,
	};

	if (uidlist_put_record(b, &record) != OK)
		log_error("store.uidlist", F("base", msg->base));
}

static void
put_header(struct mailbox *m, struct buf *b)
{
	const struct uidlist_header header = {
		.uidvalidity = m->uidvalidity,
		.next_uid = m->next_uid,
		.guid = str_c(m->guid),
		.extra = str_c(m->extra),
	};

	check(uidlist_put_header(b, &header) == OK);
}

/* The messages of the model and the new ones, by UID. */
static void
put_whole_list(struct mailbox *m, struct buf *b, struct message **more,
	       size_t n)
{
	struct message **all = must_alloc((m->n + n + 1) * sizeof(*all));

	if (m->n > 0)
		memcpy(all, m->messages, m->n * sizeof(*all));
	if (n > 0)
		memcpy(all + m->n, more, n * sizeof(*all));
	pending_sort(all, m->n + n);
	put_header(m, b);
	for (size_t i = 0; i < m->n + n; i++)
		put_record(b, all[i]);
	free(all);
}

struct listing {
	struct mailbox *m;
	const struct pending *p;
	struct buf *lines;
};

static void
lines_in_thread(void *arg)
{
	struct listing *k = arg;

	put_whole_list(k->m, k->lines, k->p->messages, k->p->n);
}

static enum err
change_list(struct co *co, struct mailbox *m, struct pending *p,
	    uint32_t first_new, bool is_whole)
{
	struct tree *t = m->user->tree;
	struct buf b = BUF_INIT(UIDLIST_FILE_MAX_OCTETS);
	struct list_change change = {
		.dir_fd = m->dir_fd,
		.root_fd = t->root_fd,
		.lock_name = t->lock_name,
		.is_whole = is_whole,
		.is_known = m->has_list,
		.inode = m->list_inode,
		.octets = m->list_octets,
	};
	struct listing k = { .m = m, .p = p, .lines = &b };
	size_t n_lines = 0;

	if (change.is_whole)
		pending_run(co, m, p, lines_in_thread, &k);
	for (size_t i = 0; !change.is_whole && i < p->n; i++) {
		if (p->messages[i]->uid < first_new)
			continue;
		put_record(&b, p->messages[i]);
		n_lines++;
	}
	change.content = buf_str(&b);
	if (b.n > 0)
		offload(co, list_file_change, &change);
	buf_release(&b);
	if (change.e != OK)
		return change.e;
	m->has_list = true;
	m->must_rewrite_list = false;
	m->is_validity_unwritten = m->is_guid_unwritten = false;
	m->list_inode = change.inode;
	m->list_octets = change.octets;
	m->n_lines = change.is_whole ? m->n + p->n : m->n_lines + n_lines;
	return OK;
}

/* Writes the lines of new messages that have none; ERR_MORE: read the list
 * again first. first_new: the least UID without a line. */
static enum err
write_lines(struct co *co, struct mailbox *m, struct pending *p,
	    uint32_t first_new)
{
	bool must_be_whole = m->must_rewrite_list || !m->has_list;
	bool is_worn = m->n_lines > LINES_FEW + 2 * (m->n + p->n);
	enum err e = change_list(co, m, p, first_new, must_be_whole || is_worn);

	/* Room for a second list is not needed to add some lines. */
	if (e == ERR_FULL && !must_be_whole && is_worn)
		e = change_list(co, m, p, first_new, false);
	return e;
}

/* ---- giving UIDs ---- */

/* Arrival: the seconds, then the bytes of the name. The seconds are read once:
 * to read them in each comparison took half of a first SELECT. */
struct arrival {
	unsigned long long s;
	struct message *msg;
};

static int
compare_arrival(const void *a, const void *b)
{
	const struct arrival *x = a, *y = b;

	if (x->s != y->s)
		return x->s < y->s ? -1 : 1;
	return str_cmp(x->msg->base, y->msg->base);
}

static void
sort_by_arrival(struct message **messages, size_t n)
{
	struct arrival *list = must_alloc((n + 1) * sizeof(*list));

	for (size_t i = 0; i < n; i++) {
		list[i].s = strtoull(messages[i]->base.p, NULL, 10);
		list[i].msg = messages[i];
	}
	qsort(list, n, sizeof(*list), compare_arrival);
	for (size_t i = 0; i < n; i++)
		messages[i] = list[i].msg;
	free(list);
}

static void
sort_in_thread(void *arg)
{
	struct pending *p = arg;

	for (size_t i = 0; i < p->n && !p->is_census; i++)
		if (p->messages[i]->uid == 0) {
			sort_by_arrival(p->messages, p->n);
			return;
		}
}

static bool
give_uids(struct mailbox *m, struct pending *p)
{
	for (size_t i = 0; i < p->n; i++) {
		if (p->messages[i]->uid != 0)
			continue;
		if (m->next_uid > UIDLIST_UID_MAX)
			return false;
		p->messages[i]->uid = m->next_uid++;
	}
	return true;
}

/* Opens a mailbox whose uidlist cannot be written (e) with what may be told of
 * it nevertheless. */
static enum err
do_without_lines(struct mailbox *m, struct pending *p, uint32_t first_new,
		 enum err e)
{
	if (m->is_validity_unwritten) {
		/* RFC 9051 7.1, UIDNOTSTICKY. Another process gives one that
		 * is above its start, so never this. */
		if ((e != ERR_FULL && e != ERR_IO) ||
		    m->uidvalidity > (uint32_t)wall_s())
			return e;
	} else {
		if (m->is_guid_unwritten) // it would be another tomorrow
			return e;
		pending_leave_out(m, p, first_new);
		m->next_uid = first_new;
	}
	m->list_trouble = e;
	return OK;
}

enum err
uids_number(struct co *co, struct mailbox *m, struct pending *p)
{
	enum err e;
	uint32_t first_new;

	pending_run(co, m, p, sort_in_thread, p);
	first_new = m->next_uid;
	if (!give_uids(m, p)) {
		if (m->is_loaded)
			return ERR_REFUSED;
		uids_renumber(m, p);
		first_new = m->next_uid;
		check(give_uids(m, p));
	}
	/* Those whose line was there already have lesser UIDs. */
	e = write_lines(co, m, p, first_new);
	if (e == OK || e == ERR_MORE)
		return e;
	if (!m->is_loaded)
		e = do_without_lines(m, p, first_new, e);
	if (e != OK)
		m->next_uid = first_new; // nobody was told of more
	return e;
}

enum err
uids_add(struct co *co, struct mailbox *m, struct pending *p)
{
	uint32_t first_new = m->next_uid;

	return give_uids(m, p) ? write_lines(co, m, p, first_new)
			       : ERR_UNAVAILABLE;
}
