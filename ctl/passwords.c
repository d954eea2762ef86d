/* SPDX-License-Identifier: MIT
 * ctl/passwords.c - see passwords.h. */
#include "ctl/passwords.h"

#include "lib/base/check.h"
#include "lib/mail/password.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
	FILE_MAX_OCTETS = 64 << 20,
	PATH_OCTETS = 1024,
	BUDGET_MS = 2000,
	DIAG_OCTETS = 1 << 20,
};

static int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool
read_accounts(const char *dir, const char *name, char path[PATH_OCTETS],
	      struct buf *out)
{
	int n = snprintf(path, PATH_OCTETS, "%s/%s", dir, name);
	FILE *file = n > 0 && n < PATH_OCTETS ? fopen(path, "rbe") : NULL;
	char piece[2048];
	size_t got;
	bool ok = file != NULL;

	while (ok && (got = fread(piece, 1, sizeof(piece), file)) > 0)
		ok = buf_add(out, str_of(piece, got)) == OK;
	if (file != NULL)
		fclose(file);
	return ok;
}

/* The well-known password of an account, or NULL. */
static const char *
find_known(const struct account *a, int64_t deadline_ms, bool *is_late_out)
{
	/* Of guides, images and test data. */
	static const char *const known[] = {
		"password123", "password", "123456",	 "admin",    "changeme",
		"secret",      "test",	   "mypassword", "12345678", "qwerty",
	};
	const char *found = NULL;

	for (size_t i = 0; i < sizeof(known) / sizeof(*known) && !found; i++) {
		*is_late_out = now_ms() >= deadline_ms;
		if (*is_late_out)
			break;
		if (password_fits(a->scheme, a->hash, str_c(known[i])))
			found = known[i];
	}
	return found;
}

void
passwords_check(const char *dir, struct diag *d)
{
	struct arena arena = ARENA_INIT((size_t)FILE_MAX_OCTETS * 4);
	struct buf bytes = BUF_INIT(FILE_MAX_OCTETS);
	int64_t deadline_ms = now_ms() + BUDGET_MS;
	struct accounts list = { NULL, 0 };
	bool is_late = false;
	char path[PATH_OCTETS];
	struct diag unheard; // the router's reading has told it already
	enum err e = OK;

	diag_init(&unheard, DIAG_OCTETS);
	if (!read_accounts(dir, "accounts.cf", path, &bytes) &&
	    !read_accounts(dir, "postfix-accounts.cf", path, &bytes))
		e = ERR_IO;
	if (e == OK)
		e = accounts_parse(&arena, str_c(path), buf_str(&bytes),
				   &unheard, &list);
	for (size_t i = 0; e == OK && i < list.n && !is_late; i++) {
		const struct account *a = &list.list[i];
		const char *known = find_known(a, deadline_ms, &is_late);

		if (known != NULL)
			diag_warn(d, str_c(path), a->line,
				  "the password of %.*s is \"%s\", which "
				  "everybody tries first; write the hash of "
				  "another (mailctl pw)",
				  STR(a->login), known);
		else if (is_late)
			diag_note(d, str_c(path), a->line,
				  "the accounts from here on were not tried "
				  "with well-known passwords: there are too "
				  "many for a short look");
	}
	diag_release(&unheard);
	buf_release(&bytes);
	arena_release(&arena);
}
