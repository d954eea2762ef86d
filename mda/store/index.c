/* SPDX-License-Identifier: MIT
 * mda/store/index.c - what was read out of messages, kept beside them.
 *
 * Process: store.  Format: index_record.h.  Design: doc/design/index.md.
 * Owns: the descriptor of the index file, as long as anybody reads it.
 * Invariants:
 *  (1) No octet of a blob is told whose checksum was not compared.
 *  (2) The file is appended to behind its good part; who reads while it is
 *      replaced keeps the old one.
 *  (3) Nothing waits for the disk: after a power cut what is broken is found
 *      by (1), and the index is begun anew.
 */
#include "mda/store/index.h"

#include "lib/base/check.h"
#include "lib/mail/header.h"
#include "lib/mail/imap_body.h"
#include "lib/mail/imap_envelope.h"
#include "lib/rt/log.h"
#include "mda/store/letter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	WINDOW_OCTETS = 256 * 1024,
	BLOB_MAX_OCTETS = 16 << 20,
	BATCH_FULL_OCTETS = 1 << 20,
	DEAD_FEW_OCTETS = 1 << 20,
	FIELD_MAX_OCTETS = 16 * 1024, // of one header field; more is cut off
	LIST_FIRST_CAP = 4096,
	RETRY_S = 10,
};

static const char index_name[] = "estafeta-index";

/* ---- the file ---- */

static void
drop_file(struct index_file **file)
{
	struct index_file *f = *file;

	*file = NULL;
	if (f == NULL || --f->n_users > 0)
		return;
	close(f->fd);
	free(f);
}

static struct index_file *
hold_file(struct index_file *f)
{
	f->n_users++;
	return f;
}

static struct index_file *
new_file(int fd)
{
	struct index_file *f = must_alloc(sizeof(*f));

	f->fd = fd;
	f->n_users = 1;
	return f;
}

void
index_release(struct index *x)
{
	drop_file(&x->file);
	*x = (struct index) { .is_loaded = false };
}

static void
drop_places(struct mailbox *m)
{
	for (size_t i = 0; i < m->n; i++)
		m->messages[i]->place = (struct index_place) { .at = 0 };
	drop_file(&m->index.file);
	m->index.end = m->index.live_octets = m->index.n_batches = 0;
	/* It is a cache: if it stays, it is found broken once more. */
	if (unlinkat(m->dir_fd, index_name, 0) != 0 && errno != ENOENT)
		log_warn("store.index", FERRNO(errno));
}

static void
forget(struct mailbox *m, const char *why)
{
	log_warn("store.index", FC("user", m->user->address),
		 FC("mailbox", m->dir), FC("reason", why),
		 FC("hint", "the index is made anew"));
	drop_places(m);
}

/* ---- loading ---- */

struct index_loading {
	int dir_fd, fd;
	uint32_t uidvalidity;
	struct index_entry *list;
	size_t n, cap, n_batches;
	uint64_t end;
	bool is_broken, is_cut;
};

static void
keep_entries(struct index_loading *l, const struct index_entry *entries,
	     size_t n)
{
	if (l->n + n > l->cap) {
		l->cap = l->cap ? l->cap * 2 : LIST_FIRST_CAP;
		l->list = must_realloc(l->list, l->cap * sizeof(*l->list));
	}
	memcpy(l->list + l->n, entries, n * sizeof(*entries));
	l->n += n;
	l->n_batches++;
}

static void
read_batches(struct index_loading *l, uint64_t size)
{
	struct index_entry *entries =
		must_alloc(INDEX_BATCH_MAX * sizeof(*entries));
	char *bytes = must_alloc(INDEX_BATCH_OCTETS);

	while (l->end < size) {
		uint64_t next;
		size_t n;
		ssize_t got =
			pread(l->fd, bytes, INDEX_BATCH_OCTETS, (off_t)l->end);
		enum err e =
			got <= 0 ? ERR_EOF
				 : index_read_batch(str_of(bytes, (size_t)got),
						    l->end, entries, &n, &next);

		l->is_broken = e == ERR_FORMAT;
		if (e != OK || next > size) { // its writer died
			l->is_cut = true;
			break;
		}
		keep_entries(l, entries, n);
		l->end = next;
	}
	free(entries);
	free(bytes);
}

static void
load_in_thread(void *arg)
{
	struct index_loading *l = arg;
	char head[INDEX_HEAD_OCTETS];
	uint32_t uidvalidity;
	struct stat st;

	l->fd = openat(l->dir_fd, index_name,
		       O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (l->fd < 0) {
		l->is_broken = errno == ELOOP;
		return;
	}
	l->end = INDEX_HEAD_OCTETS;
	if (fstat(l->fd, &st) != 0 || !S_ISREG(st.st_mode) ||
	    st.st_nlink != 1 ||
	    fs_read_at(l->fd, head, sizeof(head), 0) != OK ||
	    index_read_head(str_of(head, sizeof(head)), &uidvalidity) != OK ||
	    uidvalidity != l->uidvalidity)
		l->is_broken = true;
	else
		read_batches(l, (uint64_t)st.st_size);
}

void
index_forget(struct mailbox *m, const struct message *msg)
{
	for (int i = 0; i < INDEX_PARTS; i++)
		m->index.live_octets -= msg->place.n[i];
}

static void
take_entry(struct mailbox *m, struct message *msg,
	   const struct index_entry *entry)
{
	index_forget(m, msg);
	m->index.live_octets += index_blob_octets(entry);
	msg->place.at = entry->at;
	msg->place.crc = entry->crc;
	memcpy(msg->place.n, entry->n, sizeof(entry->n));
	msg->date_s = entry->date_s;
	msg->has_date = true;
	if (entry->wire_size_octets == 0)
		return;
	msg->size_octets = entry->size_octets;
	msg->wire_size_octets = entry->wire_size_octets;
	msg->has_size = msg->has_wire_size = true;
}

static void
take_entries(struct mailbox *m, const struct index_loading *l)
{
	size_t at = 0; // most entries are in the order of the messages

	for (size_t i = 0; i < l->n; i++) {
		const struct index_entry *entry = &l->list[i];

		if (at >= m->n || m->messages[at]->uid != entry->uid)
			at = mailbox_place(m, entry->uid);
		if (at < m->n && m->messages[at]->uid == entry->uid)
			take_entry(m, m->messages[at++], entry);
	}
}

void
index_load(struct co *co, struct mailbox *m)
{
	struct index *x = &m->index;
	struct index_loading l = { .dir_fd = m->dir_fd,
				   .fd = -1,
				   .uidvalidity = m->uidvalidity };

	if (x->is_loaded || x->is_writing || !m->is_loaded)
		return;
	x->is_loaded = x->is_writing = true;
	offload(co, load_in_thread, &l);
	x->is_writing = false;
	if (l.is_broken) {
		if (l.fd >= 0)
			close(l.fd);
		forget(m, "damaged, or of another version");
	} else if (l.fd >= 0) {
		if (l.is_cut)
			log_warn("store.index", FC("user", m->user->address),
				 FC("mailbox", m->dir),
				 FC("hint", "the end is not whole: cut off"));
		x->file = new_file(l.fd);
		x->end = l.end;
		x->n_batches = l.n_batches;
		take_entries(m, &l);
	}
	free(l.list);
}

/* ---- reading ---- */

struct window_job {
	int fd;
	uint64_t at;
	struct buf *bytes;
	bool ok;
};

static void
read_in_thread(void *arg)
{
	struct window_job *j = arg;
	size_t n = 0;

	while (n < j->bytes->cap) {
		ssize_t got = pread(j->fd, j->bytes->p + n, j->bytes->cap - n,
				    (off_t)(j->at + n));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	j->bytes->n = n;
}

void
index_window_release(struct index_window *w)
{
	buf_release(&w->bytes);
}

static void
fill_window(struct co *co, struct index *x, uint64_t at, size_t n,
	    struct index_window *w)
{
	struct index_file *f = hold_file(x->file);
	struct window_job job = { .fd = f->fd, .at = at, .bytes = &w->bytes };

	w->bytes.max = BLOB_MAX_OCTETS + WINDOW_OCTETS;
	buf_clear(&w->bytes);
	w->file = f;
	w->at = at;
	if (buf_reserve(&w->bytes, n > WINDOW_OCTETS ? n : WINDOW_OCTETS) ==
	    OK) {
		/* Most often the system has it: no way to a thread and back. */
		if (n <= WINDOW_OCTETS &&
		    fs_read_now(f->fd, w->bytes.p, WINDOW_OCTETS,
				(int64_t)at)) {
			w->bytes.n = WINDOW_OCTETS;
			co_breathe(co);
		} else {
			offload(co, read_in_thread, &job);
		}
	}
	drop_file(&f);
}

bool
index_read(struct co *co, struct mailbox *m, const struct index_place *place,
	   uint32_t uid, struct index_window *w, struct str *blob_out)
{
	const struct index_place p = *place; // the model may change meanwhile
	uint64_t n = 0;

	for (int i = 0; i < INDEX_PARTS; i++)
		n += p.n[i];
	if (m->index.file == NULL || p.at == 0)
		return false;
	if (w->file != m->index.file || p.at < w->at ||
	    p.at + n > w->at + w->bytes.n)
		fill_window(co, &m->index, p.at, (size_t)n, w);
	if (p.at < w->at || p.at + n > w->at + w->bytes.n ||
	    index_blob_crc(uid, str_sub(buf_str(&w->bytes),
					(size_t)(p.at - w->at), (size_t)n)) !=
		    p.crc) {
		if (m->index.file != NULL)
			forget(m, "a blob is damaged");
		return false;
	}
	*blob_out =
		str_sub(buf_str(&w->bytes), (size_t)(p.at - w->at), (size_t)n);
	return true;
}

/* ---- making ---- */

/* The first of each, as they are; what SORT and THREAD look at. */
static void
put_fields(struct buf *out, struct str header)
{
	static const struct str names[] = {
		STR_INIT("Date"),	STR_INIT("From"),
		STR_INIT("To"),		STR_INIT("Cc"),
		STR_INIT("Subject"),	STR_INIT("Message-ID"),
		STR_INIT("References"), STR_INIT("In-Reply-To"),
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct header_field field;
		struct str value;

		if (!header_find(header, names[i], &field))
			continue;
		value = str_trim(str_first(field.value, FIELD_MAX_OCTETS));
		if (buf_addf(out, "%.*s: %.*s\r\n", STR(names[i]),
			     STR(value)) != OK)
			return;
	}
	if (buf_add(out, S("\r\n")) != OK)
		return;
}

static void
end_part(struct index_entry *entry, enum index_part part, size_t *begin,
	 enum err e, struct buf *out)
{
	if (e != OK) // a monster; it is read when it is asked for
		buf_truncate(out, *begin);
	entry->n[part] = (uint32_t)(out->n - *begin);
	*begin = out->n;
}

void
index_make(const struct letter *letter, struct index_entry *entry,
	   struct buf *out)
{
	struct str bytes = buf_str(&letter->bytes);
	struct str header = str_first(bytes, letter->head_octets);
	size_t begin = out->n;

	entry->date_s = letter->date_s;
	entry->size_octets = letter->size_octets;
	entry->wire_size_octets = letter->wire_size_octets;
	end_part(entry, INDEX_ENVELOPE, &begin, imap_envelope(out, header),
		 out);
	if (letter->root != NULL) {
		end_part(entry, INDEX_BODY, &begin,
			 imap_body(out, bytes, letter->root), out);
		end_part(entry, INDEX_STRUCTURE, &begin,
			 imap_body_structure(out, bytes, letter->root), out);
	}
	put_fields(out, header);
	end_part(entry, INDEX_FIELDS, &begin, OK, out);
}

bool
index_batch_add(struct index_batch *b, const struct index_entry *entry,
		struct str blob)
{
	struct index_entry e = *entry;

	if (b->blobs.max == 0)
		buf_init(&b->blobs, INDEX_BLOBS_MAX_OCTETS);
	e.crc = index_blob_crc(e.uid, blob);
	if (buf_add(&b->blobs, blob) == OK)
		b->entries[b->n++] = e;
	return b->n == INDEX_BATCH_MAX || b->blobs.n >= BATCH_FULL_OCTETS;
}

/* ---- writing ---- */

struct writing {
	int dir_fd, fd; // fd -1: a new file
	uint64_t at;
	struct buf bytes;
	uint32_t uidvalidity;
	enum err e;
};

static void
write_in_thread(void *arg)
{
	struct writing *w = arg;

	if (w->fd < 0) {
		struct buf head = BUF_INIT(INDEX_HEAD_OCTETS);

		unlinkat(w->dir_fd, index_name, 0);
		w->fd = openat(w->dir_fd, index_name,
			       O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC |
				       O_NOFOLLOW,
			       TREE_MODE_FILE);
		if (w->fd < 0) {
			w->e = ERR_IO;
			return;
		}
		index_put_head(&head, w->uidvalidity);
		w->e = fs_write_all_at(w->fd, buf_str(&head), 0);
		buf_release(&head);
	}
	if (w->e == OK)
		w->e = fs_write_all_at(w->fd, buf_str(&w->bytes),
				       (int64_t)w->at);
}

static void
written(struct mailbox *m, const struct writing *w, struct index_batch *b)
{
	uint64_t at =
		w->at + INDEX_BATCH_HEAD_OCTETS + b->n * INDEX_ENTRY_OCTETS;

	for (size_t i = 0; i < b->n; i++) {
		struct index_entry *entry = &b->entries[i];
		struct message *msg = mailbox_find(m, entry->uid);

		entry->at = at;
		at += index_blob_octets(entry);
		if (msg != NULL)
			take_entry(m, msg, entry);
	}
	m->index.end = at;
	m->index.n_batches++;
}

/* Half of a batch would be found damaged. */
static void
give_up(struct mailbox *m, enum err e)
{
	m->index.retry_us = in_s(RETRY_S);
	log_error("store.index", FC("user", m->user->address),
		  FC("mailbox", m->dir), FERR(e),
		  FC("hint", "the index cannot be written: messages are read; "
			     "it is made anew later"));
	drop_places(m);
}

/* Most of it is dead: what is asked for again makes a new one. */
static bool
is_worn(const struct mailbox *m)
{
	const struct index *x = &m->index;

	return x->end > 4 * x->live_octets + DEAD_FEW_OCTETS ||
	       x->n_batches > m->n + INDEX_BATCH_MAX;
}

void
index_write(struct co *co, struct mailbox *m, struct index_batch *b)
{
	struct index *x = &m->index;
	struct index_file *file = NULL;
	struct writing w = { .dir_fd = m->dir_fd,
			     .fd = -1,
			     .at = INDEX_HEAD_OCTETS,
			     .uidvalidity = m->uidvalidity };

	if (b->n == 0 || x->is_writing || m->is_dead ||
	    now_us() < x->retry_us) {
		b->n = 0;
		buf_clear(&b->blobs);
		return;
	}
	if (x->file != NULL && is_worn(m))
		forget(m, "most of it is of no use");
	x->is_writing = true;
	if (x->file != NULL) {
		file = hold_file(x->file);
		w.fd = file->fd;
		w.at = x->end;
	}
	buf_init(&w.bytes, INDEX_BLOBS_MAX_OCTETS + INDEX_BATCH_OCTETS);
	index_put_batch(&w.bytes, w.at, b->entries, b->n, buf_str(&b->blobs));
	offload(co, write_in_thread, &w);
	buf_release(&w.bytes);
	x->is_writing = false;
	if (file == NULL && w.fd >= 0) {
		drop_file(&x->file);
		x->file = new_file(w.fd);
	}
	if (w.e == OK && (file == NULL || x->file == file))
		written(m, &w, b);
	else if (w.e != OK)
		give_up(m, w.e);
	drop_file(&file);
	b->n = 0;
	buf_clear(&b->blobs);
}
