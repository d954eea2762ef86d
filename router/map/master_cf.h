/* SPDX-License-Identifier: MIT
 * router/map/master_cf.h - master.cf: service/type/name=value, one a line, as
 * docker-mailserver's postfix-master.cf has them.
 *
 * Each service of the SMTP server has settings of its own: those of main.cf,
 * with the lines for it above them, whatever their order. They are made twice,
 * with $stress empty and set. Pure, linear in the file. */
#pragma once

#include "router/map/main_cf.h"

enum master_service {
	MASTER_SMTP,	    // smtp/inet, smtpd/pass
	MASTER_SUBMISSION,  // submission/inet
	MASTER_SUBMISSIONS, // submissions/inet, smtps/inet
	MASTER_SERVICES,
};

struct master_line {
	enum master_service service;
	struct str name, value;
	uint32_t line;
};

struct master {
	struct master_line *lines; // in the order of the file
	size_t n;
};

/* The list is in the arena, its strings in bytes. A line that cannot be used is
 * an error or a warning in d. ERR_LIMIT: the arena is full. */
enum err master_parse(struct arena *arena, struct str file, struct str bytes,
		      struct diag *d, struct master *out) MUST_USE;

/* Fills out (settings_init was called) with main.cf's settings and those lines
 * for service; only what is wrong with the lines is told in d. */
enum err master_settings(const struct master *m, struct str file,
			 enum master_service service, bool is_stressed,
			 const struct settings *main_cf, struct diag *d,
			 struct settings *out) MUST_USE;
