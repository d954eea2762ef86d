/* SPDX-License-Identifier: MIT
 * router/map/table.h - a flat map file in memory: Postfix's texthash.
 *
 * A logical line is "key white-space value". Double quotes and backslash keep
 * white space in the key, and stay part of it. Keys are lower-cased (ASCII);
 * values stay as written, without blanks at the ends. A line that is no entry
 * is left out with a warning. Of two entries with one key the first counts:
 * Postfix would make the whole table unavailable, which is_strict asks for.
 * Loading and lookup are O(bytes) and O(1). */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/diag.h"
#include "lib/base/map.h"

struct table_entry {
	struct str key;	  // lower-cased
	struct str value; // empty only with is_key_alone_ok
	uint32_t line;
};

struct table {
	struct str name;    // as configured: "texthash:/etc/.../virtual.cf"
	struct str file;    // for messages
	bool is_available;  // false: each lookup must be answered "later"
	struct map entries; // key -> struct table_entry
};

struct table_options {
	bool is_strict;	      // a duplicate key makes it unavailable
	bool is_key_alone_ok; // a key without a value is an entry
};

/* Makes a table from the bytes of its file. bytes, name, file and arena must
 * outlive it. ERR_LIMIT: the arena is full; the table is then empty and not
 * available. Release in every case. */
enum err
table_load(struct table *t, struct arena *arena, struct str name,
	   struct str file, struct str bytes,
	   const struct table_options *options, struct diag *d) MUST_USE;
/* A table that cannot be read: each lookup is to be answered "later". */
void table_init_unavailable(struct table *t, struct str name, struct str file);
void table_release(struct table *t);

/* key in any case. NULL: no such entry, or the table is not available: callers
 * ask is_available first. */
const struct table_entry *table_get(const struct table *t, struct str key);

/* What kind of table a reference in main.cf means. */
enum table_type {
	TABLE_TEXT,	   // texthash hash lmdb btree cdb dbm: a text file
	TABLE_UNSUPPORTED, // a type that exists, but not here
	TABLE_NO_TYPE,	   // no "type:" in front
};

/* Cuts "type:path", with "proxy:" before it ignored. */
enum table_type
table_reference(struct str text, struct str *type_out, struct str *path_out);
