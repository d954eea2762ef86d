/* SPDX-License-Identifier: MIT
 * mda/store/search_file.c - the file of a mailbox's search index.
 *
 * Process: store, in threads.  Format: search_record.h.
 * Owns: a descriptor of its own for each who opens it.
 * Invariants:
 *  (1) No octet is used whose checksum was not compared.
 *  (2) A segment lies whole within the file, or is not listed.
 */
#include "mda/store/search_file.h"

#include "lib/base/check.h"
#include "lib/base/crc32c.h"
#include "mda/store/tree.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SEGMENTS_MAX = 1 << 16,
	SEGMENTS_FIRST_CAP = 16,
	CRC_OCTETS = 4,
};

const char search_name[] = "estafeta-search";
static const char draft_name[] = "estafeta-search.new";

void
search_file_release(struct search_file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	free(f->segments);
	*f = (struct search_file) { .fd = -1 };
}

static enum err
list_segments(struct search_file *f, uint64_t size)
{
	size_t cap = 0;

	while (f->end < size && f->n < SEGMENTS_MAX) {
		char head[SEARCH_SEGMENT_HEAD_OCTETS];
		struct search_segment s;
		enum err e = ERR_EOF;

		if (size - f->end >= sizeof(head))
			e = fs_read_at(f->fd, head, sizeof(head),
				       (int64_t)f->end);
		if (e == OK)
			e = search_read_segment(str_of(head, sizeof(head)),
						f->end, &s);
		f->is_cut = e == ERR_EOF || (e == OK && search_end(&s) > size);
		if (f->is_cut)
			return OK;
		if (e != OK)
			return e;
		if (f->n == cap) {
			cap = cap ? 2 * cap : SEGMENTS_FIRST_CAP;
			f->segments = must_realloc(f->segments,
						   cap * sizeof(*f->segments));
		}
		f->segments[f->n++] = s;
		f->end = search_end(&s);
	}
	return f->end < size ? ERR_FORMAT : OK;
}

enum err
search_file_open(int dir_fd, uint32_t uidvalidity, struct search_file *out)
{
	char head[SEARCH_HEAD_OCTETS];
	uint32_t found;
	struct stat st;
	enum err e;

	*out = (struct search_file) { .end = SEARCH_HEAD_OCTETS };
	out->fd = openat(dir_fd, search_name,
			 O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (out->fd < 0)
		return errno == ENOENT ? ERR_NOT_FOUND
		       : errno == ELOOP || errno == EISDIR || errno == ENXIO
			       ? ERR_FORMAT
			       : ERR_IO;
	if (fstat(out->fd, &st) != 0)
		return ERR_IO;
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
		return ERR_FORMAT;
	e = fs_read_at(out->fd, head, sizeof(head), 0);
	if (e == OK)
		e = search_read_head(str_of(head, sizeof(head)), &found);
	if (e == ERR_EOF || (e == OK && found != uidvalidity))
		e = ERR_FORMAT;
	return e == OK ? list_segments(out, (uint64_t)st.st_size) : e;
}

enum err
search_file_draft(int dir_fd, uint32_t uidvalidity, struct search_file *out)
{
	struct buf head = BUF_INIT(SEARCH_HEAD_OCTETS);
	enum err e;

	*out = (struct search_file) { .end = SEARCH_HEAD_OCTETS };
	unlinkat(dir_fd, draft_name, 0);
	out->fd = openat(dir_fd, draft_name,
			 O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
			 TREE_MODE_FILE);
	if (out->fd < 0)
		return errno == ENOSPC || errno == EDQUOT ? ERR_FULL : ERR_IO;
	search_put_head(&head, uidvalidity);
	e = fs_write_all_at(out->fd, buf_str(&head), 0);
	buf_release(&head);
	return e;
}

enum err
search_file_publish(int dir_fd)
{
	return fs_move(dir_fd, draft_name, dir_fd, search_name);
}

void
search_file_discard(int dir_fd, struct search_file *f)
{
	unlinkat(dir_fd, draft_name, 0);
	search_file_release(f);
}

static enum err
read_part(const struct search_file *f, uint64_t at, size_t n, uint32_t crc,
	  struct buf *out)
{
	enum err e;

	buf_clear(out);
	out->max = n + 1;
	if (n == 0)
		return crc == crc32c(0, STR_NONE) ? OK : ERR_FORMAT;
	if (buf_reserve(out, n) != OK)
		return ERR_LIMIT;
	e = fs_read_at(f->fd, out->p, n, (int64_t)at);
	if (e != OK)
		return e == ERR_EOF ? ERR_FORMAT : e;
	out->n = n;
	return crc == crc32c(0, buf_str(out)) ? OK : ERR_FORMAT;
}

enum err
search_file_read_docs(const struct search_file *f,
		      const struct search_segment *s, struct buf *out)
{
	return read_part(f, search_docs_at(s), s->n_docs * SEARCH_DOC_OCTETS,
			 s->docs_crc, out);
}

enum err
search_file_read_words(const struct search_file *f,
		       const struct search_segment *s, struct buf *out)
{
	return read_part(f, search_words_at(s), s->words_octets, s->words_crc,
			 out);
}

/* ---- postings ---- */

enum err
search_postings_open(const struct search_file *f,
		     const struct search_segment *s,
		     struct search_postings *out)
{
	size_t n = search_n_blocks(s);

	*out = (struct search_postings) { .file = f, .segment = s };
	out->octets = must_realloc(NULL, s->postings_octets + 1);
	out->is_read = must_alloc(n + 1);
	return read_part(f, search_blocks_at(s), n * CRC_OCTETS, s->blocks_crc,
			 &out->crcs);
}

void
search_postings_release(struct search_postings *p)
{
	buf_release(&p->crcs);
	free(p->octets);
	free(p->is_read);
}

static enum err
read_block(struct search_postings *p, uint32_t block)
{
	uint32_t at = block * SEARCH_BLOCK_OCTETS;
	size_t n = p->segment->postings_octets - at;
	uint32_t crc;
	enum err e;

	n = n < SEARCH_BLOCK_OCTETS ? n : SEARCH_BLOCK_OCTETS;
	e = fs_read_at(p->file->fd, p->octets + at, n,
		       (int64_t)(search_postings_at(p->segment) + at));
	if (e != OK)
		return e == ERR_EOF ? ERR_FORMAT : e;
	memcpy(&crc, p->crcs.p + (size_t)block * CRC_OCTETS, sizeof(crc));
	if (le32toh(crc) != crc32c(0, str_of(p->octets + at, n)))
		return ERR_FORMAT;
	p->is_read[block] = true;
	return OK;
}

enum err
search_postings_need(void *arg, uint32_t at, uint32_t n)
{
	struct search_postings *p = arg;

	if (n == 0)
		return OK;
	for (uint32_t block = at / SEARCH_BLOCK_OCTETS;
	     block <= (at + n - 1) / SEARCH_BLOCK_OCTETS; block++) {
		enum err e = p->is_read[block] ? OK : read_block(p, block);

		if (e != OK)
			return e;
	}
	return OK;
}
