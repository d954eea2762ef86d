/* SPDX-License-Identifier: MIT
 * ctl/setup_app.c - passwords of applications: one more of an account, for some
 * protocols, in its line of accounts.cf (accounts.cf(5)).
 *
 * One that we make is 100 random bits, so a quick hash is as good as a slow
 * one, and what is wrong costs the server no time. */
#include "ctl/setup.h"

#include "ctl/pw.h"
#include "lib/base/check.h"
#include "lib/base/json.h"

#include <openssl/rand.h>
#include <stdio.h>

enum {
	LINE_MAX_OCTETS = 64 * 1024,
	FILE_MAX_OCTETS = 256 << 20,
	DIAG_MAX_OCTETS = 64 * 1024,
	JSON_OCTETS = 16 * 1024,
	MADE_LETTERS = 20, // of 5 bits
	MADE_GROUP = 5,	   // then a hyphen
	NAME_MAX_OCTETS = 64,
};

static const struct {
	unsigned bit;
	const char *name;
} protocols[] = {
	{ ACCOUNT_FOR_SMTP, "smtp" },
	{ ACCOUNT_FOR_IMAP, "imap" },
	{ ACCOUNT_FOR_POP3, "pop3" },
	{ ACCOUNT_FOR_SIEVE, "sieve" },
};
enum { N_PROTOCOLS = sizeof(protocols) / sizeof(*protocols) };

/* ---- what is there ---- */

/* Accounts of these lines; false with a message when a line is wrong. */
static bool
parse(struct setup *s, struct str bytes, struct accounts *out)
{
	struct buf said = BUF_INIT(DIAG_MAX_OCTETS);
	struct diag d;
	bool ok;

	diag_init(&d, DIAG_MAX_OCTETS);
	ok = accounts_parse(&s->arena, S("accounts.cf"), bytes, &d, out) ==
		     OK &&
	     d.n_errors == 0;
	for (const struct diag_entry *e = d.first; e != NULL; e = e->next)
		if (e->severity == DIAG_ERROR && diag_format(e, &said) == OK) {
			fwrite(said.p, 1, said.n, stderr);
			buf_clear(&said);
		}
	buf_release(&said);
	diag_release(&d);
	return ok;
}

static void
print_app(const struct setup *s, struct str account,
	  const struct account_app *app, const char *made)
{
	struct buf out = BUF_INIT(JSON_OCTETS);
	const char *comma = "";

	if (s->is_json) {
		buf_putc(&out, '{');
		json_put_member(&out, "account", account);
		json_put_member(&out, "name", app->name);
		if (made != NULL)
			json_put_member(&out, "password", str_c(made));
		buf_put(&out, S(",\"protocols\":["));
	} else {
		buf_putf(&out, "* %.*s %.*s ", STR(account), STR(app->name));
	}
	for (size_t i = 0; i < N_PROTOCOLS; i++) {
		if (!(app->protocols & protocols[i].bit))
			continue;
		buf_putf(&out, s->is_json ? "%s\"%s\"" : "%s%s", comma,
			 protocols[i].name);
		comma = ",";
	}
	buf_put(&out, s->is_json ? S("]}\n") : S("\n"));
	fwrite(out.p, 1, out.n, stdout);
	buf_release(&out);
}

int
setup_app_list(struct setup *s)
{
	struct buf bytes = BUF_INIT(FILE_MAX_OCTETS);
	struct str only = STR_NONE;
	struct accounts accounts;
	int status = 1;

	if (s->n_words > 0 && (!setup_address(s, s->words[0], &only) ||
			       !setup_is_account(s, only)))
		return 1;
	if (edit_read(&s->edit, EDIT_ACCOUNTS, &bytes) &&
	    parse(s, buf_str(&bytes), &accounts)) {
		status = 0;
		for (size_t i = 0; i < accounts.n; i++) {
			const struct account *a = &accounts.list[i];

			if (only.p != NULL && !str_eq(a->login, only))
				continue;
			for (const struct account_app *app = a->apps; app;
			     app = app->next)
				print_app(s, a->login, app, NULL);
		}
	}
	buf_wipe(&bytes);
	return status;
}

/* ---- changes ---- */

static bool
is_app(struct str field, struct str name)
{
	struct str rest = field, head;

	return str_starts(field, S("app_")) && str_split(&rest, '=', &head) &&
	       rest.p != NULL && str_eq(str_from(head, S("app_").n), name);
}

/* Appends the account's line without that field; *is_there_out: it had one. */
static bool
put_line_without(struct setup *s, struct str address, struct str name,
		 struct buf *line, bool *is_there_out)
{
	struct buf value = BUF_INIT(LINE_MAX_OCTETS);
	struct str rest, hash, field;
	char before = '|';

	*is_there_out = false;
	if (!edit_find(&s->edit, EDIT_ACCOUNTS, address, &value)) {
		buf_release(&value);
		return false;
	}
	rest = buf_str(&value);
	str_split(&rest, '|', &hash);
	buf_putf(line, "%.*s|%.*s", STR(address), STR(hash));
	while (rest.p != NULL && str_word(&rest, &field)) {
		if (is_app(field, name)) {
			*is_there_out = true;
			continue;
		}
		buf_putf(line, "%c%.*s", before, STR(field));
		before = ' ';
	}
	buf_wipe(&value);
	return true;
}

/* RFC 4648's letters, in lower case: they are typed at telephones. */
static void
make_password(char out[PASSWORD_OCTETS])
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
	uint8_t random[MADE_LETTERS];
	size_t n = 0;

	check(RAND_bytes(random, sizeof(random)) == 1);
	for (size_t i = 0; i < MADE_LETTERS; i++) {
		if (i > 0 && i % MADE_GROUP == 0)
			out[n++] = '-';
		out[n++] = letters[random[i] % (sizeof(letters) - 1)];
	}
	out[n] = '\0';
	explicit_bzero(random, sizeof(random));
}

static bool
is_name(const struct setup *s, struct str name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789.-_";
	bool ok = name.n > 0 && name.n <= NAME_MAX_OCTETS;

	for (size_t i = 0; i < name.n; i++)
		ok = ok && str_chr(str_c(allowed), name.p[i]) >= 0;
	if (!ok)
		setup_fail(s,
			   "'%.*s': a name has letters, digits, '.', '-' and "
			   "'_', %d at most",
			   STR(name), NAME_MAX_OCTETS);
	return ok;
}

static bool
are_protocols(const struct setup *s, const char *word)
{
	struct str list = str_c(word), name;

	while (str_split(&list, ',', &name))
		if (!str_ieq(name, S("all")) && account_protocol(name) == 0) {
			setup_fail(s,
				   "'%s': write smtp, imap, pop3, sieve with "
				   "commas between them, or all",
				   word);
			return false;
		}
	return true;
}

/* The line is in force only as a whole: nobody must be locked out by it. */
static bool
write_line(struct setup *s, struct str address, struct buf *line,
	   struct accounts *out)
{
	return parse(s, buf_str(line), out) && out->n == 1 &&
	       edit_set(&s->edit, EDIT_ACCOUNTS, address, buf_str(line));
}

static void
say_added(const struct setup *s, const struct account *account, struct str name,
	  const char *made)
{
	if (account->scheme == ACCOUNT_SCRAM_SHA_256)
		fprintf(stderr,
			"%s: SCRAM is offered to nobody while an account has "
			"passwords of applications\n",
			s->edit.command);
	if (!s->is_json) {
		if (made != NULL)
			printf("%s\n", made);
		return;
	}
	for (const struct account_app *app = account->apps; app;
	     app = app->next)
		if (str_eq(app->name, name))
			print_app(s, account->login, app, made);
}

/* words: address, name, protocols, and the password if it is not to be made. */
int
setup_app_add(struct setup *s)
{
	static char made[PASSWORD_OCTETS];
	struct buf line = BUF_INIT(LINE_MAX_OCTETS);
	struct str address, name = str_c(s->words[1]);
	bool is_made = s->n_words < 4, is_there, ok;
	struct accounts accounts;
	int status = 1;

	if (!is_name(s, name) || !are_protocols(s, s->words[2]) ||
	    !setup_address(s, s->words[0], &address) ||
	    !setup_is_account(s, address))
		return 1;
	ok = put_line_without(s, address, name, &line, &is_there);
	if (ok && is_there) {
		setup_fail(s, "%.*s has one of that name", STR(address));
	} else if (ok) {
		bool has_extra =
			str_chr(str_from(buf_str(&line), address.n + 1), '|') >=
			0;

		buf_putf(&line, "%capp_%.*s=%s:", has_extra ? ' ' : '|',
			 STR(name), s->words[2]);
		if (is_made)
			make_password(made);
		ok = is_made ? pw_hash_quick(made, &line)
			     : setup_hash(strcmp(s->words[3], "-") == 0
						  ? NULL
						  : s->words[3],
					  &line);
		if (ok && write_line(s, address, &line, &accounts)) {
			status = 0;
			say_added(s, &accounts.list[0], name,
				  is_made ? made : NULL);
		}
		explicit_bzero(made, sizeof(made));
	}
	buf_wipe(&line);
	return status;
}

int
setup_app_remove(struct setup *s)
{
	int status = 0;
	struct str address;

	if (!setup_address(s, s->words[0], &address) ||
	    !setup_is_account(s, address))
		return 1;
	for (int i = 1; i < s->n_words; i++) {
		struct buf line = BUF_INIT(LINE_MAX_OCTETS);
		struct accounts accounts;
		bool is_there;

		if (!put_line_without(s, address, str_c(s->words[i]), &line,
				      &is_there) ||
		    (is_there && !write_line(s, address, &line, &accounts)))
			status = 1;
		else if (!is_there)
			status = setup_fail(s, "%.*s has none of that name: %s",
					    STR(address), s->words[i]);
		buf_wipe(&line);
	}
	return status;
}
