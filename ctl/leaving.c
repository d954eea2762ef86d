/* SPDX-License-Identifier: MIT
 * ctl/leaving.c - see leaving.h. */
#include "ctl/leaving.h"

#include "lib/mail/cflines.h"
#include "lib/rt/fs.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
	PATH_OCTETS = 1024,
	FILE_MAX_OCTETS = 1 << 20,
	TOLD_MAX = 100, // of one setting, and of one file
};

/* ---- files that are elsewhere ---- */

struct places {
	const struct options *o;
	struct str dir;
	struct diag *d;
};

static bool
is_below(struct str path, struct str dir)
{
	while (dir.n > 1 && str_ends(dir, S("/")))
		dir.n--;
	return dir.n > 0 && str_starts(path, dir) &&
	       (path.n == dir.n || path.p[dir.n] == '/');
}

/* What comes with the system, with us, or from docker-mailserver itself. */
static bool
is_kept_elsewhere(const struct places *p, struct str path)
{
	static const struct str others[] = {
		STR_INIT("/tmp/docker-mailserver"), // means the directory
		STR_INIT("/usr"),
		STR_INIT("/etc/ssl/certs"),
		STR_INIT("/dev"),
		STR_INIT("/proc"),
	};

	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (is_below(path, others[i]))
			return true;
	return is_below(path, p->dir) ||
	       is_below(path, str_c(p->o->mail_dir)) ||
	       is_below(path, str_c(p->o->state_dir));
}

static bool
is_file(struct str path)
{
	char name[PATH_OCTETS];
	struct stat st;

	return str_to_c(path, name, sizeof(name)) == OK &&
	       stat(name, &st) == 0 && S_ISREG(st.st_mode);
}

/* The octets of a path: up to what ends a word in main.cf. */
static struct str
path_at(struct str text)
{
	size_t n = 0;

	while (n < text.n && !ascii_is_space(text.p[n]) &&
	       strchr(",{}()<>\"'", text.p[n]) == NULL)
		n++;
	return str_first(text, n);
}

/* Each absolute path of a value, behind "texthash:" or by itself. */
static void
tell_outside(const struct places *p, struct str file, uint32_t line,
	     struct str name, struct str value)
{
	char before = ' ';

	for (unsigned n = 0; value.n > 0 && n < TOLD_MAX;) {
		struct str path = S("");

		if (value.p[0] == '/' &&
		    (ascii_is_space(before) || strchr(",:{=", before) != NULL))
			path = path_at(value);
		if (path.n > 1 && !is_kept_elsewhere(p, path) &&
		    is_file(path)) {
			diag_note(p->d, file, line,
				  "%.*s: %.*s is not in this directory, so a "
				  "backup of the directory lacks it, and a "
				  "restored host does not start as this one: "
				  "move it here",
				  STR(name), STR(str_first(path, 300)));
			n++;
		}
		before = value.p[0];
		value = str_from(value, path.n > 0 ? path.n : 1);
	}
}

static void
check_settings(const struct places *p, const struct config *c)
{
	const struct master *m = &c->master;

	for (const struct setting *v = c->settings.first; v != NULL;
	     v = v->next)
		if (v->file.n > 0 &&
		    map_get(&c->settings.by_name, v->name) == v)
			tell_outside(p, v->file, v->line, v->name, v->value);
	for (size_t i = 0; i < m->n; i++) {
		const struct master_line *l = &m->lines[i];
		const struct setting *v =
			map_get(&c->smtpd[l->service][0].by_name, l->name);

		if (v != NULL && v->line == l->line)
			tell_outside(p, v->file, v->line, v->name, v->value);
	}
}

/* Files that variables name, and a password that stands in one. */
static void
check_variables(const struct places *p)
{
	static const char *const files[] = {
		"SSL_CERT_PATH",    "SSL_KEY_PATH",	    "SSL_ALT_CERT_PATH",
		"SSL_ALT_KEY_PATH", "RELAY_PASSWORD__FILE",
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		const char *value = getenv(files[i]);

		if (value != NULL)
			tell_outside(p, S(""), 0, str_c(files[i]),
				     str_c(value));
	}
	if (getenv("RELAY_PASSWORD") != NULL)
		diag_note(p->d, S(""), 0,
			  "RELAY_PASSWORD is in the environment alone, where a "
			  "backup of files does not find it: write it into "
			  "sasl-password.cf (setup relay add-auth)");
}

/* ---- dovecot.cf ---- */

static bool
has_word(struct str list, struct str word)
{
	struct str one;

	while (str_word(&list, &one)) {
		if (str_starts(one, S("+")))
			one = str_from(one, 1);
		if (str_ieq(one, word))
			return true;
	}
	return false;
}

/* What of Dovecot's tree is not found where we look, or not kept in it. */
static void
check_dovecot_tree(struct diag *d, struct str file, uint32_t line,
		   struct str name, struct str value)
{
	bool is_place = str_eq(name, S("mail_location"));

	if (is_place && !str_istarts(value, S("maildir:")))
		diag_warn(d, file, line,
			  "only Maildir is read here: convert the mail with "
			  "doveadm sync to a mail_location of maildir: first");
	else if (is_place && str_ifind(value, S(":LAYOUT=fs")) >= 0)
		diag_warn(d, file, line,
			  "folders of LAYOUT=fs are not seen here: convert "
			  "them with doveadm sync to a mail_location without "
			  "it first");
	else if (is_place && str_ifind(value, S(":CONTROL=")) >= 0)
		diag_warn(d, file, line,
			  "the UIDs (dovecot-uidlist) lie at CONTROL=, and "
			  "clients would take all mail again: move the files "
			  "into the Maildirs first");
	if ((str_eq(name, S("pop3_uidl_format")) &&
	     !str_eq(value, S("%08Xu%08Xv"))) ||
	    (str_eq(name, S("pop3_reuse_xuidl")) && str_eq(value, S("yes"))))
		diag_warn(d, file, line,
			  "clients of POP3 know their messages by it, and "
			  "would take them again: set pop3_save_uidl = yes in "
			  "Dovecot, and move when they have all asked once");
}

static void
check_dovecot_line(struct diag *d, struct str file, uint32_t line,
		   struct str name, struct str value)
{
	bool is_plugins = str_eq(name, S("mail_plugins"));

	if (str_eq(name, S("imap_capability")) && has_word(value, S("ACL")) &&
	    str_ifind(value, S("RIGHTS=")) < 0)
		diag_warn(d, file, line,
			  "ACL is announced without RIGHTS=, and Roundcube "
			  "then lets nobody rename a folder: write RIGHTS=texk "
			  "behind it, or take ACL away");
	if (is_plugins &&
	    (has_word(value, S("acl")) || has_word(value, S("imap_acl"))))
		diag_warn(d, file, line,
			  "rights of others (ACL) are not kept here: folders "
			  "that were shared by them are their owner's alone");
	if ((is_plugins && has_word(value, S("mail_crypt"))) ||
	    str_starts(name, S("mail_crypt_")))
		diag_warn(d, file, line,
			  "mail that mail_crypt has encrypted cannot be read "
			  "here, nor from a backup without its keys: decrypt "
			  "it with Dovecot first (doveadm import), and keep "
			  "the keys with the backup");
	check_dovecot_tree(d, file, line, name, value);
}

static void
check_dovecot(const char *dir, struct diag *d)
{
	struct buf bytes = BUF_INIT(FILE_MAX_OCTETS);
	char path[PATH_OCTETS];
	struct str rest, line;
	uint32_t n = 0;

	snprintf(path, sizeof(path), "%.900s/dovecot.cf", dir);
	if (fs_read_file(AT_FDCWD, path, &bytes) != OK)
		bytes.n = 0; // that it cannot be read, others tell
	rest = buf_str(&bytes);
	while (rest.n > 0 && str_line(&rest, &line)) {
		struct str name;

		n++;
		line = cflines_trim(line);
		if (!str_starts(line, S("#")) && str_split(&line, '=', &name) &&
		    line.p != NULL)
			check_dovecot_line(d, str_c(path), n,
					   cflines_trim(name),
					   cflines_trim(line));
	}
	buf_release(&bytes);
}

/* ---- Sieve ---- */

/* USER@DOMAIN.dovecot.sieve: told once, with the first of them by its name. */
static void
check_sieve(const char *dir, struct diag *d)
{
	struct str first = S("");
	char name[PATH_OCTETS];
	struct dirent *entry;
	DIR *folder = opendir(dir);
	size_t n = 0;

	while (folder != NULL && (entry = readdir(folder)) != NULL) {
		struct str one = str_c(entry->d_name);

		if (!str_ends(one, S(".dovecot.sieve")) ||
		    str_chr(one, '@') < 0)
			continue;
		if (n++ > 0 && str_cmp(one, first) > 0)
			continue;
		snprintf(name, sizeof(name), "%s", entry->d_name);
		first = str_c(name);
	}
	if (folder != NULL)
		closedir(folder);
	if (n > 0)
		diag_warn(d, str_c(dir), 0,
			  "Sieve scripts of users are not run (%zu; the first "
			  "is %.*s): all of their mail goes to INBOX",
			  n, STR(first));
}

/* Where Dovecot's homes have the script that is active. */
static bool
has_script(const char *mail_dir, struct str account, char path[PATH_OCTETS])
{
	static const char *const places[] = { "/home", "" };
	struct str local, domain = account;
	struct stat st;

	if (!str_split(&domain, '@', &local) || domain.n == 0)
		return false;
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		snprintf(path, PATH_OCTETS, "%.300s/%.*s/%.*s%s/.dovecot.sieve",
			 mail_dir, STR(domain), STR(local), places[i]);
		if (lstat(path, &st) == 0)
			return true;
	}
	return false;
}

static void
check_homes(const struct places *p, const struct config *c)
{
	char path[PATH_OCTETS], first[PATH_OCTETS] = "";
	size_t n = 0;

	for (size_t i = 0; i < c->n_accounts; i++) {
		if (!has_script(p->o->mail_dir, c->accounts[i].name, path))
			continue;
		if (n++ == 0)
			snprintf(first, sizeof(first), "%s", path);
	}
	if (n > 0)
		diag_warn(p->d, str_c(p->o->mail_dir), 0,
			  "Sieve scripts in homes are not run (%zu; the first "
			  "is %s): all mail of these users goes to INBOX",
			  n, first);
}

void
leaving_check(const struct options *o, const char *dir, const struct config *c,
	      struct diag *d)
{
	struct places p = { o, str_c(dir), d };

	if (c != NULL)
		check_settings(&p, c);
	if (c != NULL)
		check_homes(&p, c);
	check_variables(&p);
	check_dovecot(dir, d);
	check_sieve(dir, d);
}
