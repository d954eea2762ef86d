/* SPDX-License-Identifier: MIT
 * router/map/bounce.h - bounce_template_file: the words of reports, with what
 * $names stand for (bounce(5)). Pure. */
#pragma once

#include "lib/mail/bounce_template.h"
#include "router/map/main_cf.h"

struct bounce_words {
	struct str charset, from, subject, copy_subject; // empty: ours
	struct str text;				 // empty: ours
};

/* A template that cannot be used is told in d and empty. Strings live in the
 * arena. ERR_LIMIT: it is full. */
enum err bounce_words_make(struct arena *arena, const struct settings *s,
			   struct str file, struct str bytes, struct diag *d,
			   struct bounce_words out[BOUNCE_VERIFY]) MUST_USE;
