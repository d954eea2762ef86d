/* SPDX-License-Identifier: MIT
 * mda/store/annotation.c - the octets of a file of annotations. */
#include "mda/store/annotation.h"

#include "lib/base/crc32c.h"
#include "lib/ipc/wire.h"
#include "lib/mail/imap_metadata.h"

enum { HEAD_OCTETS = 3 * sizeof(uint32_t) };

static const struct str magic = STR_INIT("EstMeta1");

static uint32_t
crc_of(size_t at, const struct annotation *a)
{
	struct buf b = BUF_INIT(HEAD_OCTETS);
	uint32_t crc;

	wire_put_u32(&b, (uint32_t)at);
	wire_put_u32(&b, (uint32_t)a->name.n);
	wire_put_u32(&b, (uint32_t)a->value.n);
	crc = crc32c(crc32c(crc32c(0, buf_str(&b)), a->name), a->value);
	buf_release(&b);
	return crc;
}

static bool
is_lower_name(struct str name)
{
	for (size_t i = 0; i < name.n; i++)
		if (ascii_lower(name.p[i]) != name.p[i])
			return false;
	return imap_entry_is_name(name, false);
}

static bool
read_record(struct str file, size_t *at, struct annotation *out)
{
	struct str rest = str_from(file, *at);
	struct wire w = wire_of(str_first(rest, HEAD_OCTETS));
	uint32_t n_name = wire_u32(&w), n_value = wire_u32(&w);
	uint32_t crc = wire_u32(&w);

	if (wire_end(&w) != OK || n_name > IMAP_METADATA_NAME_MAX ||
	    n_value > ANNOTATION_VALUE_MAX ||
	    (uint64_t)HEAD_OCTETS + n_name + n_value > rest.n)
		return false;
	out->name = str_sub(rest, HEAD_OCTETS, n_name);
	out->value = str_sub(rest, HEAD_OCTETS + n_name, n_value);
	if (crc != crc_of(*at, out) || !is_lower_name(out->name))
		return false;
	*at += HEAD_OCTETS + n_name + n_value;
	return true;
}

enum err
annotations_read(struct str file, struct annotations *out)
{
	size_t at = magic.n;

	out->n = 0;
	if (file.n == 0)
		return OK;
	if (!str_starts(file, magic))
		return ERR_FORMAT;
	while (at < file.n) {
		struct annotation *a = &out->list[out->n];

		if (out->n == ANNOTATIONS_MAX || !read_record(file, &at, a) ||
		    (out->n > 0 && str_cmp(a[-1].name, a->name) >= 0))
			return ERR_FORMAT;
		out->n++;
	}
	return OK;
}

enum err
annotations_write(const struct annotations *a, struct buf *out)
{
	size_t begin = out->n;
	enum err e = buf_add(out, magic);

	for (size_t i = 0; i < a->n && e == OK; i++) {
		const struct annotation *x = &a->list[i];

		if (out->max - out->n < HEAD_OCTETS + x->name.n + x->value.n)
			return ERR_LIMIT;
		uint32_t crc = crc_of(out->n - begin, x);

		wire_put_u32(out, (uint32_t)x->name.n);
		wire_put_u32(out, (uint32_t)x->value.n);
		wire_put_u32(out, crc);
		buf_put(out, x->name);
		buf_put(out, x->value);
	}
	return e;
}

/* The first whose name is not below. */
static size_t
place_of(const struct annotations *a, struct str name)
{
	size_t i = 0;

	while (i < a->n && str_cmp(a->list[i].name, name) < 0)
		i++;
	return i;
}

const struct annotation *
annotations_find(const struct annotations *a, struct str name)
{
	size_t i = place_of(a, name);

	return i < a->n && str_eq(a->list[i].name, name) ? &a->list[i] : NULL;
}

enum err
annotations_set(struct annotations *a, struct str name, struct str value)
{
	size_t i = place_of(a, name);
	bool is_there = i < a->n && str_eq(a->list[i].name, name);
	struct annotation *at = &a->list[i];

	if (value.p == NULL) {
		if (is_there)
			memmove(at, at + 1, (--a->n - i) * sizeof(*at));
		return OK;
	}
	if (!is_there) {
		if (a->n == ANNOTATIONS_MAX)
			return ERR_LIMIT;
		memmove(at + 1, at, (a->n++ - i) * sizeof(*at));
	}
	*at = (struct annotation) { name, value };
	return OK;
}
