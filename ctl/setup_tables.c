/* SPDX-License-Identifier: MIT
 * ctl/setup_tables.c - aliases, quotas, master users and relay hosts: one line
 * of one file each. */
#include "ctl/setup.h"
#include "ctl/pw.h"
#include "ctl/recount.h"
#include "lib/base/check.h"
#include "lib/base/json.h"
#include "lib/mail/quotas.h"
#include "router/map/main_cf.h"

#include <stdio.h>

enum {
	LINE_MAX_OCTETS = 1 << 20,
	FILE_MAX_OCTETS = 256 << 20,
	PORT_MAX = 65535,
	JSON_OCTETS = 4 << 20,
};

/* Sets one line made by format. */
static int set_line(struct setup *s, enum edit_file file, struct str key,
		    const char *format, ...) PRINTF(4, 5);

static int
set_line(struct setup *s, enum edit_file file, struct str key,
	 const char *format, ...)
{
	struct buf line = BUF_INIT(LINE_MAX_OCTETS);
	va_list ap;
	bool ok;

	va_start(ap, format);
	ok = buf_vaddf(&line, format, ap) == OK;
	va_end(ap);
	ok = ok && edit_set(&s->edit, file, key, buf_str(&line));
	buf_wipe(&line);
	return ok ? 0 : 1;
}

static void
print_json(const struct listfile_entry *entry, bool is_value_shown)
{
	struct buf out = BUF_INIT(JSON_OCTETS);

	buf_putc(&out, '{');
	json_put_member(&out, is_value_shown ? "alias" : "name", entry->key);
	if (is_value_shown)
		json_put_member(&out, "targets", entry->value);
	buf_put(&out, S("}\n"));
	fwrite(out.p, 1, out.n, stdout);
	buf_release(&out);
}

static int
print_entries(struct setup *s, enum edit_file file, bool is_value_shown)
{
	struct buf bytes = BUF_INIT(FILE_MAX_OCTETS);
	struct listfile_entry entry;
	size_t at = 0;
	bool ok = edit_read(&s->edit, file, &bytes);

	while (ok &&
	       listfile_next(buf_str(&bytes), edit_kind(file), &at, &entry)) {
		if (s->is_json) {
			print_json(&entry, is_value_shown);
			continue;
		}
		printf("* %.*s%s%.*s\n", STR(entry.key),
		       is_value_shown ? " " : "",
		       is_value_shown ? (int)entry.value.n : 0, entry.value.p);
	}
	buf_wipe(&bytes);
	return ok ? 0 : 1;
}

/* ---- aliases ---- */

/* An alias, or @domain for a whole domain; or a target, which may be anybody's.
 */
static bool
is_one_word(const struct setup *s, const char *word)
{
	if (word[0] != '\0' && word[strcspn(word, " \t\r\n,#|:\"")] == '\0' &&
	    strchr(word, '@') != NULL)
		return true;
	setup_fail(s, "'%s' is no address", word);
	return false;
}

int
setup_alias_add(struct setup *s)
{
	struct buf targets = BUF_INIT(LINE_MAX_OCTETS),
		   others = BUF_INIT(LINE_MAX_OCTETS);
	struct str alias = str_c(s->words[0]), target = str_c(s->words[1]);
	int status;

	if (!is_one_word(s, s->words[0]) || !is_one_word(s, s->words[1]))
		return 1;
	if (edit_find(&s->edit, EDIT_ACCOUNTS, alias, &targets))
		status = setup_fail(s, "%s is an account", s->words[0]);
	else if (!edit_find(&s->edit, EDIT_VIRTUAL, alias, &targets))
		status = set_line(s, EDIT_VIRTUAL, alias, "%.*s %.*s",
				  STR(alias), STR(target));
	else if (setup_without(buf_str(&targets), target, &others))
		status = setup_fail(s, "%s is a target of %s already",
				    s->words[1], s->words[0]);
	else
		status = set_line(s, EDIT_VIRTUAL, alias, "%.*s %.*s,%.*s",
				  STR(alias), STR(buf_str(&others)),
				  STR(target));
	buf_wipe(&targets);
	buf_release(&others);
	return status;
}

int
setup_alias_del(struct setup *s)
{
	struct buf targets = BUF_INIT(LINE_MAX_OCTETS),
		   others = BUF_INIT(LINE_MAX_OCTETS);
	struct str alias = str_c(s->words[0]), target = str_c(s->words[1]);
	int status;

	if (!edit_find(&s->edit, EDIT_VIRTUAL, alias, &targets) ||
	    !setup_without(buf_str(&targets), target, &others))
		status = setup_fail(s, "%s is no target of %s", s->words[1],
				    s->words[0]);
	else if (others.n == 0)
		status = edit_remove(&s->edit, EDIT_VIRTUAL, alias) ? 0 : 1;
	else
		status = set_line(s, EDIT_VIRTUAL, alias, "%.*s %.*s",
				  STR(alias), STR(buf_str(&others)));
	buf_release(&targets);
	buf_release(&others);
	return status;
}

int
setup_alias_list(struct setup *s)
{
	return print_entries(s, EDIT_VIRTUAL, true);
}

/* ---- quotas ---- */

int
setup_quota_set(struct setup *s)
{
	const char *size = s->words[1];
	char line[64] = "";
	struct str address;
	uint64_t octets;

	if (!setup_address(s, s->words[0], &address) ||
	    !setup_is_account(s, address))
		return 1;
	if (size == NULL) {
		printf("Size (as 512M or 5G; 0: no limit): ");
		fflush(stdout);
		if (fgets(line, sizeof(line), stdin) == NULL)
			return setup_fail(s, "no size was read");
		line[strcspn(line, "\r\n")] = '\0';
		size = line;
	}
	if (!quota_size(str_c(size), &octets))
		return setup_fail(s, "'%s': write 512M, 5G, or 0", size);
	return set_line(s, EDIT_QUOTAS, address, "%.*s:%s", STR(address), size);
}

int
setup_quota_del(struct setup *s)
{
	struct str address;

	if (!setup_address(s, s->words[0], &address))
		return 1;
	return edit_remove(&s->edit, EDIT_QUOTAS, address) ? 0 : 1;
}

int
setup_quota_recount(struct setup *s)
{
	int status = 0;

	for (int i = 0; i < s->n_words; i++) {
		struct str address;
		enum err e;

		if (!setup_address(s, s->words[i], &address)) {
			status = 1;
			continue;
		}
		e = recount(s->options, address);
		if (e != OK)
			status = setup_fail(s, "%.*s: %s", STR(address),
					    e == ERR_NOT_FOUND
						    ? "it has no mailbox yet"
						    : err_text(e));
	}
	return status;
}

/* ---- master users ---- */

static bool
is_master_name(const struct setup *s, const char *name)
{
	if (name[0] != '\0' && name[strcspn(name, " \t|@*:")] == '\0')
		return true;
	setup_fail(s,
		   "'%s' is no name of a master user: it has no '@', '*', "
		   "':' or '|'",
		   name);
	return false;
}

static int
set_master(struct setup *s, bool is_new)
{
	struct buf value = BUF_INIT(LINE_MAX_OCTETS);
	struct str name = str_c(s->words[0]);
	int status = 1;
	bool is_there;

	if (!is_master_name(s, s->words[0]))
		return 1;
	is_there = edit_find(&s->edit, EDIT_MASTERS, name, &value);
	buf_clear(&value);
	if (is_new == is_there)
		setup_fail(s, "%s is %s", s->words[0],
			   is_there ? "there already" : "no master user");
	else if (setup_hash(s->words[1], &value))
		status = set_line(s, EDIT_MASTERS, name, "%.*s|%.*s", STR(name),
				  STR(buf_str(&value)));
	buf_wipe(&value);
	return status;
}

int
setup_master_add(struct setup *s)
{
	return set_master(s, true);
}

int
setup_master_update(struct setup *s)
{
	return set_master(s, false);
}

int
setup_master_del(struct setup *s)
{
	int status = 0;

	for (int i = 0; i < s->n_words; i++)
		if (strcmp(s->words[i], "-y") != 0 &&
		    !edit_remove(&s->edit, EDIT_MASTERS, str_c(s->words[i])))
			status = 1;
	return status;
}

int
setup_master_list(struct setup *s)
{
	return print_entries(s, EDIT_MASTERS, false);
}

/* ---- relay hosts ---- */

/* "@domain" */
static bool
sender_key(struct setup *s, const char *domain, struct str *out)
{
	struct buf key = BUF_INIT(LINE_MAX_OCTETS);

	if (domain[0] == '@')
		domain++;
	if (domain[0] == '\0' ||
	    domain[strcspn(domain, " \t\r\n@#[]:\"")] != '\0') {
		setup_fail(s, "'%s' is no domain", domain);
		return false;
	}
	buf_putf(&key, "@%s", domain);
	check(arena_str(&s->arena, buf_str(&key), out) == OK);
	buf_release(&key);
	return true;
}

int
setup_relay_domain(struct setup *s)
{
	const char *port = s->words[2] ? s->words[2] : "25";
	const char *host = s->words[1];
	uint64_t number;
	struct str key;

	if (!sender_key(s, s->words[0], &key))
		return 1;
	if (host[0] == '\0' || host[strcspn(host, " \t\r\n[]#")] != '\0')
		return setup_fail(s,
				  "'%s' is no host: write its name without "
				  "brackets",
				  host);
	if (!str_to_u64(str_c(port), PORT_MAX, &number) || number == 0)
		return setup_fail(s, "'%s' is no port", port);
	return set_line(s, EDIT_RELAYMAP, key, "%.*s\t\t[%s]:%s", STR(key),
			host, port);
}

int
setup_relay_exclude(struct setup *s)
{
	struct str key;

	if (!sender_key(s, s->words[0], &key))
		return 1;
	return set_line(s, EDIT_RELAYMAP, key, "%.*s ", STR(key));
}

int
setup_relay_auth(struct setup *s)
{
	static char password[PASSWORD_OCTETS];
	const char *given = s->words[2];
	struct str key;
	int status;

	if (!sender_key(s, s->words[0], &key))
		return 1;
	if (given == NULL && !pw_ask_new(password))
		return 1;
	status = set_line(s, EDIT_SASL, key, "%.*s\t\t%s:%s", STR(key),
			  s->words[1], given ? given : password);
	explicit_bzero(password, sizeof(password));
	return status;
}
