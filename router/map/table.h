/* SPDX-License-Identifier: MIT
 * router/map/table.h - lookup tables: "type:name", as Postfix has them.
 *
 * table_open() makes a table from its reference, table_find() asks it for one
 * key. Every map of main.cf goes through these two. A table never changes once
 * it is open; an edited file makes a new one.
 *
 *   texthash hash lmdb btree cdb dbm sdbm   a text file: key, blank, value
 *   regexp pcre cidr                        rules in a file, or in {{rule} ..}
 *   inline:{k=v, {k = v w}}  static:value  environ:x  fail:text
 *   unionmap:{a,b}  pipemap:{a,b}  randmap:{v,w}  proxy:type:name
 *   unix:passwd.byname  unix:group.byname
 *   tcp:host:port  socketmap:inet:host:port:name  socketmap:unix:path:name
 *
 * Keys of fixed tables are lower-cased (ASCII). Patterns (is_pattern) see the
 * whole string, as it is written, and are not to be asked for parts of it.
 *
 * A table of another host cannot be asked from pure code. table_find() looks
 * in ask->remote, which holds the answers that are known; when the one that is
 * needed is missing, it is noted there and ERR_MORE returned. The caller gets
 * the answer, adds it (remote_answer()) and asks everything once more.
 * Standards: none (postmap(1), regexp_table(5), ...; doc/design/tables.md). */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/diag.h"
#include "lib/base/map.h"
#include "router/map/remote.h"

struct table_entry {
	struct str key;	  // lower-cased
	struct str value; // empty only with is_key_alone_ok
	uint32_t line;
};

enum table_kind {
	TABLE_NONE,	   // never opened, or a mistake in the reference
	TABLE_UNSUPPORTED, // of a type that Postfix has, and we have not
	TABLE_ENTRIES,
	TABLE_PATTERNS,
	TABLE_NETWORKS,
	TABLE_STATIC,
	TABLE_FAIL,
	TABLE_UNION,
	TABLE_PIPE,
	TABLE_RANDOM,
	TABLE_REMOTE,
};

struct table_options {
	bool is_strict;		 // a duplicate key makes it unavailable
	bool is_key_alone_ok;	 // a key without a value is an entry
	bool is_alias_file;	 // flat files have the form "name: value"
				 // (aliases(5))
	bool is_no_substitution; // rules with $1 are left out, with a warning
};

struct table {
	enum table_kind kind;
	struct str name;   // as configured: "texthash:/etc/.../virtual.cf"
	struct str file;   // for messages
	uint32_t line;	   // of what stands in main.cf itself; else 0
	bool is_available; // false: each lookup must be answered "later"
	bool is_pattern;   // asked for whole strings alone
	struct table_options options;
	struct map entries;  // TABLE_ENTRIES: key -> struct table_entry
	struct rules *rules; // TABLE_PATTERNS, TABLE_NETWORKS
	struct table *parts; // TABLE_UNION, TABLE_PIPE
	size_t n_parts;
	struct str value;	  // TABLE_STATIC, TABLE_FAIL
	const struct str *values; // TABLE_RANDOM
	size_t n_values;
	struct remote_place place; // TABLE_REMOTE
};

/* A name and a value: a variable of the environment. */
struct table_variable {
	struct str name, value;
};

/* Where files and variables come from. */
struct table_source {
	struct arena *arena; // outlives the tables, as all bytes do
	/* Reads the file of a reference: *file_out is its path for messages.
	 * ERR_IO: told in d already. */
	enum err (*read)(void *arg, struct str path, struct str *file_out,
			 struct str *bytes_out);
	void *arg;
	const struct table_variable *variables; // for environ:
	size_t n_variables;
	struct diag *d;
	bool is_text_told; // that hash: and its kind read the text file
};

/* Opens what reference names. file and line: where it is written, for
 * messages. reference must outlive the table. A mistake in the
 * reference is an error in the diagnostics, and the table is not available.
 * ERR_IO: its file cannot be read (told). ERR_LIMIT: the arena is full. Release
 * in every case. */
enum err table_open(struct table *t, struct table_source *source,
		    struct str reference, struct str file, uint32_t line,
		    const struct table_options *options) MUST_USE;
/* The same from the bytes of a flat file, without a source. bytes, name, file
 * and arena must outlive it. ERR_LIMIT: the arena is full; the table is then
 * empty and not available. */
enum err
table_load(struct table *t, struct arena *arena, struct str name,
	   struct str file, struct str bytes,
	   const struct table_options *options, struct diag *d) MUST_USE;
void table_release(struct table *t);

/* What a lookup may use. */
struct table_ask {
	struct arena *arena;   // for values that are put together
	struct remote *remote; // NULL: no other host can be asked
	uint64_t *steps_left;  // of patterns, over all lookups; NULL: remote's,
			       // or no bound but each lookup's
};

struct table_answer {
	struct str value; // never empty, but with is_key_alone_ok
	struct str file;  // what decided, for messages
	uint32_t line;	  // 0: no line
	struct str why;	  // with ERR_UNAVAILABLE: one line for the log
};

/* OK, ERR_NOT_FOUND, ERR_UNAVAILABLE (it cannot be asked now: "later"), or
 * ERR_MORE (see above). out lives as long as the table and ask's arena. Time
 * and memory are bounded. */
enum err
table_find(const struct table *t, struct str key, const struct table_ask *ask,
	   struct table_answer *out) MUST_USE;

/* The tables of one setting. */
struct table_list {
	struct str what; // "virtual_alias_maps"
	struct table *list;
	size_t n;
};

enum table_part {
	TABLE_WHOLE, // all tables are asked
	TABLE_PART,  // the key is part of a string: not the patterns
};

/* Asks one table after the other; the first that has the key answers.
 * Otherwise as table_find(). *by_out: who answered or failed; may be NULL. */
enum err
table_list_find(const struct table_list *tables, struct str key,
		enum table_part part, const struct table_ask *ask,
		struct table_answer *out, const struct table **by_out) MUST_USE;
void table_list_release(struct table_list *tables);

/* TABLE_ENTRIES alone: the entry of a key in any case. NULL: no such entry, or
 * the table is not available: callers ask is_available first. */
const struct table_entry *table_get(const struct table *t, struct str key);

/* Does text have the form "type:name" of a type that is known here, or that
 * Postfix has? Names of hosts and of transports have not. */
bool table_is_reference(struct str text);
/* The i-th type that tables here may have, from 0; empty at the end. */
struct str table_type_name(size_t i);
