/* SPDX-License-Identifier: MIT
 * router/map/main_cf.h - main.cf: name = value, as Postfix reads it.
 *
 * Order of use: settings_init, settings_read (any number of files), presets
 * from elsewhere with settings_preset, settings_finish. After that the
 * settings never change, and each getter is one lookup in a map.
 *
 * The last assignment wins. $name, ${name}, $(name), ${name?text},
 * ${name:text} and their forms with {text} expand; so does $$, to one '$'.
 * What a value is (time, size, yes or no) is checked once, in settings_finish,
 * so that no getter can fail. Names that Postfix does not know, or that have
 * no effect here, are told with file and line. Standards: none (postconf(5)).
 */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/diag.h"
#include "lib/base/map.h"

struct setting {
	struct str name;
	struct str raw;	   // as written
	struct str value;  // expanded; from settings_finish on
	struct str *words; // its elements, as settings_item() gives them
	size_t n_words;
	struct str file;      // empty: a default, or the environment
	uint32_t line;	      // 0: a default, or the environment
	struct str origin;    // the variable that preset it, or empty
	struct setting *next; // in the order of assignment
};

struct settings {
	struct arena *arena;
	struct map by_name;	      // -> struct setting, the last assignment
	struct setting *first, *last; // all assignments
	/* From settings_finish on: those that were asked for lately, by the
	 * address of the name. */
	const struct setting **recent;
	/* Text whose "$name" counts as a use, or empty: postfix-master.cf. */
	struct str elsewhere;
};

void settings_init(struct settings *s, struct arena *arena);
void settings_release(struct settings *s);

/* Takes the assignments of one file. bytes and file must outlive s. A line that
 * is no assignment is an error in d and is left out. ERR_LIMIT: arena full. */
enum err settings_read(struct settings *s, struct str file, struct str bytes,
		       struct diag *d) MUST_USE;
/* A value from elsewhere (origin names the variable), for a name that no file
 * has set. A file that sets another value wins, with a warning. */
enum err settings_preset(struct settings *s, struct str name, struct str value,
			 struct str origin, struct diag *d) MUST_USE;
/* Takes all that was assigned in from, unexpanded; from may be finished. */
enum err
settings_derive(struct settings *s, const struct settings *from) MUST_USE;
/* One assignment of another file (line from 1); the strings must outlive s. */
enum err settings_set(struct settings *s, struct str file, uint32_t line,
		      struct str name, struct str value) MUST_USE;
/* Expands and checks all values, adds the defaults. */
enum err settings_finish(struct settings *s, struct diag *d) MUST_USE;

/* Expands where->raw, a text of another file (where has its name, file and
 * line), to the end of out. also gives more names: true when it has added what
 * the name stands for. ERR_FORMAT: it cannot be, told in d. */
typedef bool settings_also(const void *arg, struct str name, struct buf *out);
enum err settings_expand(const struct settings *s, const struct setting *where,
			 settings_also *also, const void *also_arg,
			 struct buf *out, struct diag *d) MUST_USE;

/* The getters take names that this module knows (check). */
struct str settings_text(const struct settings *s, const char *name);
uint64_t settings_time_s(const struct settings *s, const char *name);
uint64_t settings_number(const struct settings *s, const char *name);
bool settings_is_on(const struct settings *s, const char *name);
/* Is the word an element of that setting? */
bool
settings_lists(const struct settings *s, const char *name, struct str word);
/* With file and line, for messages; NULL when it has its default. */
const struct setting *settings_find(const struct settings *s, const char *name);

/* Takes the next element of a list: separated by commas and white space, which
 * may stand in braces ("inline:{a=b, c=d}"); a group that is all in braces is
 * one element, without them. False at the end. */
bool settings_item(struct str *list, struct str *item_out);

/* "300", "5d", "2h": digits and one of s m h d w, or default_unit. */
bool settings_parse_time(struct str text, char default_unit, uint64_t *s_out);
