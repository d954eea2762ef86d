/* SPDX-License-Identifier: MIT
 * ctl/setup_email.c - accounts: added, changed, listed, removed with their
 * aliases, quota and mail; and who may not send or receive. */
#include "ctl/doveadm_mail.h"
#include "ctl/files.h"
#include "ctl/setup.h"
#include "lib/base/check.h"
#include "lib/base/json.h"
#include "lib/mail/maildirsize.h"
#include "lib/rt/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	LINE_MAX_OCTETS = 4096,
	FILE_MAX_OCTETS = 256 << 20,
	PATH_OCTETS = 1024,
	DIAG_MAX_OCTETS = 1 << 20,
	TREE_DEPTH_MAX = 16,
	JSON_OCTETS = 16 << 10,
};

/* ---- accounts ---- */

static bool
write_account(struct setup *s, struct str address, const char *word)
{
	struct buf line = BUF_INIT(LINE_MAX_OCTETS);
	bool ok;

	buf_putf(&line, "%.*s|", STR(address));
	ok = setup_hash(word, &line) &&
	     edit_set(&s->edit, EDIT_ACCOUNTS, address, buf_str(&line));
	buf_wipe(&line);
	return ok;
}

int
setup_email_add(struct setup *s)
{
	struct buf there = BUF_INIT(LINE_MAX_OCTETS);
	struct str address;
	int status = 0;

	if (!setup_address(s, s->words[0], &address))
		return 1;
	if (edit_find(&s->edit, EDIT_ACCOUNTS, address, &there))
		status = setup_fail(s, "%.*s is an account already",
				    STR(address));
	else if (edit_find(&s->edit, EDIT_VIRTUAL, address, &there))
		status =
			setup_fail(s, "%.*s is an alias: setup alias del %s %s",
				   STR(address), s->words[0], "TARGET");
	else if (!write_account(s, address, s->words[1]))
		status = 1;
	buf_wipe(&there);
	return status;
}

/* Extra fields behind the hash stay. */
int
setup_email_update(struct setup *s)
{
	struct buf value = BUF_INIT(LINE_MAX_OCTETS),
		   line = BUF_INIT(LINE_MAX_OCTETS);
	struct str address, rest, hash;
	bool ok = false;

	if (!setup_address(s, s->words[0], &address) ||
	    !setup_is_account(s, address))
		return 1;
	if (edit_find(&s->edit, EDIT_ACCOUNTS, address, &value)) {
		rest = buf_str(&value);
		str_split(&rest, '|', &hash);
		buf_putf(&line, "%.*s|", STR(address));
		ok = setup_hash(s->words[1], &line);
		if (ok && rest.p != NULL)
			ok = buf_addc(&line, '|') == OK &&
			     buf_add(&line, rest) == OK;
		ok = ok &&
		     edit_set(&s->edit, EDIT_ACCOUNTS, address, buf_str(&line));
	}
	buf_wipe(&value);
	buf_wipe(&line);
	return ok ? 0 : 1;
}

/* ---- what an account has ---- */

static bool
is_target(struct str targets, struct str address)
{
	struct str target;

	while (settings_item(&targets, &target))
		if (str_ieq(target, address))
			return true;
	return false;
}

static void
print_aliases(struct str file, struct str address)
{
	struct listfile_entry entry;
	bool is_first = true;
	size_t at = 0;

	while (listfile_next(file, LISTFILE_BLANK, &at, &entry)) {
		if (!is_target(entry.value, address))
			continue;
		printf("%s%.*s", is_first ? "    [ aliases -> " : ", ",
		       STR(entry.key));
		is_first = false;
	}
	if (!is_first)
		printf(" ]\n");
}

/* "12K", "3.4M" as docker-mailserver's list has it; 0: "~", no limit. */
static void
print_octets(uint64_t n)
{
	static const char units[] = "BKMGT";
	size_t unit = 0;
	uint64_t tenths = n * 10;

	while (tenths >= 10240 && units[unit + 1] != '\0') {
		tenths /= 1024;
		unit++;
	}
	if (n == 0)
		printf("0");
	else if (unit == 0 || tenths % 10 == 0)
		printf("%" PRIu64 "%c", tenths / 10, units[unit]);
	else
		printf("%" PRIu64 ".%" PRIu64 "%c", tenths / 10, tenths % 10,
		       units[unit]);
}

/* MAIL/domain/local; false when the path is too long. */
static bool
mailbox_path(const struct setup *s, struct str address, char out[PATH_OCTETS])
{
	struct str rest = address, local;
	int n;

	str_split(&rest, '@', &local);
	n = snprintf(out, PATH_OCTETS, "%s/%.*s/%.*s", s->options->mail_dir,
		     STR(rest), STR(local));
	return n > 0 && n < PATH_OCTETS;
}

/* What the mailbox holds by its own count, or else by the store's; 0 when there
 * is none yet, or no store. */
static uint64_t
usage_octets(const struct setup *s, struct str address)
{
	struct buf bytes = BUF_INIT(MAILDIRSIZE_OCTETS_MAX);
	struct maildirsize size;
	char path[PATH_OCTETS];
	uint64_t octets = 0, messages;
	int dir;

	if (!mailbox_path(s, address, path))
		return 0;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return 0;
	if (fs_read_file(dir, "maildirsize", &bytes) == OK &&
	    maildirsize_parse(buf_str(&bytes), &size) == OK)
		octets = (uint64_t)size.octets;
	else if (!doveadm_usage(s->options, address, &octets, &messages))
		octets = 0;
	buf_release(&bytes);
	close(dir);
	return octets;
}

static void
print_account(const struct setup *s, const struct config *c, struct str address)
{
	const struct quota *quota = map_get(&c->quota_by_address, address);
	uint64_t limit = quota_storage(quota, c->default_quota_octets);
	uint64_t used = usage_octets(s, address);

	if (s->is_json) {
		struct buf out = BUF_INIT(JSON_OCTETS);

		buf_putc(&out, '{');
		json_put_member(&out, "account", address);
		json_put_number(&out, "used_octets", used);
		json_put_number(&out, "limit_octets", limit);
		buf_put(&out, S("}\n"));
		fwrite(out.p, 1, out.n, stdout);
		buf_release(&out);
		return;
	}
	printf("* %.*s ( ", STR(address));
	print_octets(used);
	printf(" / ");
	if (limit == 0)
		printf("~");
	else
		print_octets(limit);
	printf(" ) [%" PRIu64 "%%]\n", limit ? used * 100 / limit : 0);
}

int
setup_email_list(struct setup *s)
{
	struct buf virtual = BUF_INIT(FILE_MAX_OCTETS);
	struct config *c = NULL;
	struct diag d;
	int status = 0;

	diag_init(&d, DIAG_MAX_OCTETS);
	if (files_load(s->edit.dir, s->options->hostname, &d, &c) != OK)
		status = setup_fail(s, "%zu errors in %s: mailctl lint %s",
				    d.n_errors, s->edit.dir, s->edit.dir);
	else if (!edit_read(&s->edit, EDIT_VIRTUAL, &virtual))
		status = 1;
	for (size_t i = 0; status == 0 && i < c->n_accounts; i++) {
		print_account(s, c, c->accounts[i].name);
		if (!s->is_json)
			print_aliases(buf_str(&virtual), c->accounts[i].name);
	}
	config_free(&c);
	diag_release(&d);
	buf_release(&virtual);
	return status;
}

/* ---- removing ---- */

static enum err remove_tree(int dir, unsigned depth);

static enum err
remove_entry(int dir, const char *name, unsigned depth)
{
	enum err e;
	int sub;

	if (unlinkat(dir, name, 0) == 0)
		return OK;
	if (errno != EISDIR && errno != EPERM)
		return ERR_IO;
	sub = fs_open_dir(dir, name);
	if (sub < 0)
		return ERR_IO;
	e = remove_tree(sub, depth + 1);
	return e == OK && unlinkat(dir, name, AT_REMOVEDIR) != 0 ? ERR_IO : e;
}

/* Takes over dir. Never follows a link. */
static enum err
remove_tree(int dir, unsigned depth)
{
	struct dirent *entry;
	enum err e = OK;
	DIR *stream = fdopendir(dir);

	check(stream != NULL);
	if (depth > TREE_DEPTH_MAX)
		e = ERR_LIMIT;
	while (e == OK && (entry = readdir(stream)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			e = remove_entry(dirfd(stream), entry->d_name, depth);
	closedir(stream);
	return e;
}

static bool
remove_mail(const struct setup *s, struct str address)
{
	char path[PATH_OCTETS];
	int dir;

	if (!mailbox_path(s, address, path))
		return false;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir < 0 && errno == ENOENT)
		return true;
	if (dir < 0 || remove_tree(dir, 0) != OK || rmdir(path) != 0) {
		setup_fail(s, "%s: %s", path, strerror(errno));
		return false;
	}
	return true;
}

/* The first alias that has address as a target; its key goes to key_out. */
static bool
find_alias_to(struct setup *s, struct str address, struct buf *key_out,
	      struct buf *targets_out)
{
	struct buf file = BUF_INIT(FILE_MAX_OCTETS);
	struct listfile_entry entry;
	bool is_found = false;
	size_t at = 0;

	buf_clear(key_out);
	buf_clear(targets_out);
	if (edit_read(&s->edit, EDIT_VIRTUAL, &file))
		while (!is_found && listfile_next(buf_str(&file),
						  LISTFILE_BLANK, &at, &entry))
			is_found = is_target(entry.value, address) &&
				   buf_add(key_out, entry.key) == OK &&
				   buf_add(targets_out, entry.value) == OK;
	buf_release(&file);
	return is_found;
}

static bool
remove_from_aliases(struct setup *s, struct str address)
{
	struct buf key = BUF_INIT(LINE_MAX_OCTETS),
		   targets = BUF_INIT(FILE_MAX_OCTETS),
		   line = BUF_INIT(FILE_MAX_OCTETS),
		   left = BUF_INIT(FILE_MAX_OCTETS);
	bool ok = true;

	while (ok && find_alias_to(s, address, &key, &targets)) {
		buf_clear(&line);
		buf_clear(&left);
		setup_without(buf_str(&targets), address, &left);
		if (left.n > 0) {
			buf_putf(&line, "%.*s %.*s", STR(buf_str(&key)),
				 STR(buf_str(&left)));
			ok = edit_set(&s->edit, EDIT_VIRTUAL, buf_str(&key),
				      buf_str(&line));
		} else {
			ok = edit_remove(&s->edit, EDIT_VIRTUAL, buf_str(&key));
		}
	}
	buf_release(&key);
	buf_release(&targets);
	buf_release(&line);
	buf_release(&left);
	return ok;
}

enum mail_data { DATA_ASK, DATA_REMOVE, DATA_KEEP };

static bool
is_mail_to_go(enum mail_data what, struct str address)
{
	char line[16] = "";

	if (what != DATA_ASK || !isatty(STDIN_FILENO))
		return what == DATA_REMOVE;
	printf("Remove all mail of %.*s as well? [y/N] ", STR(address));
	fflush(stdout);
	if (fgets(line, sizeof(line), stdin) == NULL)
		return false;
	return line[0] == 'y' || line[0] == 'Y';
}

static bool
remove_account(struct setup *s, struct str address, enum mail_data what)
{
	bool is_all_to_go = is_mail_to_go(what, address);

	return remove_from_aliases(s, address) &&
	       edit_remove(&s->edit, EDIT_QUOTAS, address) &&
	       edit_remove(&s->edit, EDIT_ACCOUNTS, address) &&
	       (!is_all_to_go || remove_mail(s, address));
}

int
setup_email_del(struct setup *s)
{
	enum mail_data what = DATA_ASK;
	struct str address;
	int status = 0;

	for (int i = 0; i < s->n_words; i++) {
		if (strcmp(s->words[i], "-y") == 0)
			what = DATA_REMOVE;
		else if (strcmp(s->words[i], "-n") == 0)
			what = DATA_KEEP;
		else if (!setup_address(s, s->words[i], &address) ||
			 !remove_account(s, address, what))
			status = 1;
	}
	return status;
}

/* ---- restrictions ---- */

static int
list_restricted(struct setup *s, enum edit_file file, const char *what)
{
	struct buf bytes = BUF_INIT(FILE_MAX_OCTETS);
	struct listfile_entry entry;
	size_t at = 0, n = 0;
	bool ok = edit_read(&s->edit, file, &bytes);

	while (ok &&
	       listfile_next(buf_str(&bytes), LISTFILE_BLANK, &at, &entry)) {
		printf("%.*s %.*s\n", STR(entry.key), STR(entry.value));
		n++;
	}
	if (ok && n == 0)
		printf("Everyone is allowed to %s mails\n", what);
	buf_release(&bytes);
	return ok ? 0 : 1;
}

int
setup_restrict(struct setup *s)
{
	const char *verb = s->words[0], *what = s->words[1];
	struct buf line = BUF_INIT(LINE_MAX_OCTETS);
	enum edit_file file;
	struct str address;
	bool ok;

	if (strcmp(what, "send") == 0)
		file = EDIT_SEND_ACCESS;
	else if (strcmp(what, "receive") == 0)
		file = EDIT_RECEIVE_ACCESS;
	else
		return setup_fail(s, "'%s': write send or receive", what);
	if (strcmp(verb, "list") == 0)
		return list_restricted(s, file, what);
	if (strcmp(verb, "add") != 0 && strcmp(verb, "del") != 0)
		return setup_fail(s, "'%s': write add, del or list", verb);
	if (s->n_words < 3)
		return setup_fail(s, "restrict %s %s: and which address?", verb,
				  what);
	if (!setup_address(s, s->words[2], &address))
		return 1;
	if (strcmp(verb, "del") == 0)
		return edit_remove(&s->edit, file, address) ? 0 : 1;
	buf_putf(&line, "%.*s \t\t REJECT", STR(address));
	ok = edit_set(&s->edit, file, address, buf_str(&line));
	buf_release(&line);
	return ok ? 0 : 1;
}
