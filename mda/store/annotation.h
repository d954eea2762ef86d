/* SPDX-License-Identifier: MIT
 * mda/store/annotation.h - the octets of a file of annotations (RFC 5464).
 *Pure.
 *
 *	head    "EstMeta1"
 *	record  u32 octets of name | u32 octets of value | u32 crc | name |
 *value
 *
 * crc is CRC32C of the place of the record, the two lengths, name and value.
 * Names are in lower case and rise. The file is replaced whole. */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/buf.h"

enum {
	ANNOTATIONS_MAX = 200, // of one mailbox
	ANNOTATION_VALUE_MAX = 64 * 1024,
	ANNOTATIONS_FILE_MAX = 1 << 20,
};

struct annotation {
	struct str name, value;
};

struct annotations {
	struct annotation list[ANNOTATIONS_MAX];
	size_t n;
};

/* Strings borrow the file. ERR_FORMAT: it is damaged; what stands before that
 * is in *out. An empty file has none. */
enum err annotations_read(struct str file, struct annotations *out) MUST_USE;
/* Appends a file. ERR_LIMIT: out is full. */
enum err
annotations_write(const struct annotations *a, struct buf *out) MUST_USE;
/* NULL: there is none of that name, which is in lower case. */
const struct annotation *
annotations_find(const struct annotations *a, struct str name);
/* Sets, or removes (value STR_NONE); borrows both. ERR_LIMIT: too many. */
enum err annotations_set(struct annotations *a, struct str name,
			 struct str value) MUST_USE;
