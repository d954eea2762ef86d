/* SPDX-License-Identifier: MIT
 * router/map/config.c - see config.h.
 *
 * Process: router (and lint).
 * Owns: the arena that everything in a snapshot lives in, and its maps.
 * Invariants:
 *  (1) A struct config that config_load() gave never changes.
 *  (2) config_load() succeeds only if no error was told, but for tables of a
 *      type that is not supported; those are present and not available.
 */
#include "router/map/config.h"

#include "lib/base/check.h"
#include "lib/ipc/router.h"
#include "lib/mail/accounts.h"
#include "lib/mail/dnsbl.h"
#include "router/map/docker.h"
#include "lib/mail/tls_policy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX_OCTETS ((size_t)256 << 20)
#define CONFIG_MAX_OCTETS ((size_t)2 << 30)

enum {
	NAME_MAX_OCTETS = 1024,
	INCLUDE_DEPTH_MAX = 8,
	INCLUDE_FILES_MAX = 100,
	INCLUDED_MAX_OCTETS = 1 << 20,
	SETTING_MAX_OCTETS = 64 * 1024,
	PROC_MAX_OCTETS = 64 * 1024,
	/* docker-mailserver reads limits as if these many octets were a MiB */
	OCTETS_TAKEN_AS_MIB = 1000000,
	MIB = 1 << 20,
	SMTPD_VALUE_MAX_OCTETS = 8192,
	/* They go to the MTA in one message with all other settings. */
	AUTHORITIES_MAX_OCTETS = 512 * 1024,
	TABLE_HOSTS_MAX_OCTETS = 16 * 1024,
};

#define SYSTEM_AUTHORITIES "/etc/ssl/certs"
#define MOUNT_POINT "/tmp/docker-mailserver/"

struct file_name {
	struct str brief, mounted;
	struct str etc; // docker-mailserver's copy of it, or empty
};

enum file_id {
	MAIN,
	MASTER,
	ACCOUNTS,
	VIRTUAL,
	TRANSPORT,
	RELAYMAP,
	QUOTAS,
	SASL,
	SEND_ACCESS,
	RECEIVE_ACCESS,
	REGEXP,
	ALIASES,
	MASTERS,
};

static const struct file_name file_names[] = {
	[MAIN] = { STR_INIT("main.cf"), STR_INIT("postfix-main.cf"),
		   STR_INIT("") },
	[MASTER] = { STR_INIT("master.cf"), STR_INIT("postfix-master.cf"),
		     STR_INIT("") },
	[ACCOUNTS] = { STR_INIT("accounts.cf"), STR_INIT("postfix-accounts.cf"),
		       STR_INIT("") },
	[VIRTUAL] = { STR_INIT("virtual.cf"), STR_INIT("postfix-virtual.cf"),
		      STR_INIT("/etc/postfix/virtual") },
	[TRANSPORT] = { STR_INIT("transport.cf"),
			STR_INIT("postfix-transport.cf"), STR_INIT("") },
	[RELAYMAP] = { STR_INIT("relaymap.cf"), STR_INIT("postfix-relaymap.cf"),
		       STR_INIT("/etc/postfix/relayhost_map") },
	[QUOTAS] = { STR_INIT("quotas.cf"), STR_INIT("dovecot-quotas.cf"),
		     STR_INIT("") },
	[SASL] = { STR_INIT("sasl-password.cf"),
		   STR_INIT("postfix-sasl-password.cf"),
		   STR_INIT("/etc/postfix/sasl_passwd") },
	[SEND_ACCESS] = { STR_INIT("send-access.cf"),
			  STR_INIT("postfix-send-access.cf"), STR_INIT("") },
	[RECEIVE_ACCESS] = { STR_INIT("receive-access.cf"),
			     STR_INIT("postfix-receive-access.cf"),
			     STR_INIT("") },
	[REGEXP] = { STR_INIT("regexp.cf"), STR_INIT("postfix-regexp.cf"),
		     STR_INIT("/etc/postfix/regexp") },
	[ALIASES] = { STR_INIT("aliases.cf"), STR_INIT("postfix-aliases.cf"),
		      STR_INIT("/etc/aliases") },
	[MASTERS] = { STR_INIT("masters.cf"), STR_INIT("dovecot-masters.cf"),
		      STR_INIT("") },
};

#define N_FILES (sizeof(file_names) / sizeof(*file_names))

/* docker-mailserver reads these too; here they would have no effect. */
static const struct str not_read[] = {
	STR_INIT("dovecot.cf"),
};

struct loading {
	const struct config_input *in;
	struct config *c;
	struct diag *d;
	struct table_source source;
	size_t n_tolerated; // errors that do not spoil the set
	bool is_watch_full;
};

/* ---- names and bytes of files ---- */

static enum err
join(struct loading *l, struct str a, struct str b, struct str *out)
{
	char *p = arena_alloc(&l->c->arena, a.n + b.n + 1);

	if (p == NULL)
		return ERR_LIMIT;
	if (a.n > 0)
		memcpy(p, a.p, a.n);
	if (b.n > 0)
		memcpy(p + a.n, b.p, b.n);
	*out = (struct str) { p, a.n + b.n };
	return OK;
}

static enum err
in_dir(struct loading *l, struct str name, struct str *out)
{
	enum err e = join(l, l->c->dir, S("/"), out);

	return e != OK ? e : join(l, *out, name, out);
}

/* A file given in memory, by its path; NULL when there is none. */
static const struct table_variable *
memory_file(const struct loading *l, struct str path)
{
	struct str name = path;

	if (!str_starts(path, l->c->dir))
		return NULL;
	name = str_from(path, l->c->dir.n + 1);
	for (size_t i = 0; i < l->in->n_files; i++)
		if (str_eq(l->in->files[i].name, name))
			return &l->in->files[i];
	return NULL;
}

/* path is NUL-terminated, as all that join() makes. */
static bool
is_there(const struct loading *l, struct str path)
{
	struct stat st;

	if (l->in->files != NULL)
		return memory_file(l, path) != NULL;
	return strlen(path.p) == path.n && stat(path.p, &st) == 0;
}

/* The path of a file of the set; ERR_NOT_FOUND when it is absent. */
static enum err
find_file(struct loading *l, enum file_id id, struct str *out)
{
	struct str brief, mounted;
	enum err e = in_dir(l, file_names[id].brief, &brief);

	if (e == OK)
		e = in_dir(l, file_names[id].mounted, &mounted);
	if (e != OK)
		return e;
	*out = is_there(l, brief) ? brief : mounted;
	if (!is_there(l, *out))
		return ERR_NOT_FOUND;
	if (is_there(l, brief) && is_there(l, mounted))
		diag_error(l->d, brief, 0,
			   "%.*s is there as well; remove one of the two",
			   STR(mounted));
	return OK;
}

static enum err
tell_unreadable(struct loading *l, struct str path, const char *why)
{
	diag_error(l->d, path, 0, "cannot be read: %s", why);
	return ERR_IO;
}

static enum err
read_all(struct loading *l, int fd, struct str path, size_t size,
	 struct str *out)
{
	char *p = arena_alloc(&l->c->arena, size + 1);
	size_t n = 0;

	if (p == NULL)
		return ERR_LIMIT;
	while (n <= size) {
		ssize_t got = read(fd, p + n, size + 1 - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return tell_unreadable(l, path, strerror(errno));
		if (got == 0)
			break;
		n += (size_t)got;
	}
	if (n > size)
		return tell_unreadable(l, path, "it grew while it was read");
	*out = (struct str) { p, n };
	return OK;
}

static enum err
read_memory(struct loading *l, struct str path, struct str *out)
{
	const struct table_variable *f = memory_file(l, path);

	if (f == NULL)
		return tell_unreadable(l, path, "there is no such file");
	return join(l, f->value, S(""), out);
}

/* Passwords may be readable for the parent alone, which hands them over. */
static int
open_file(const struct loading *l, struct str path)
{
	struct str name = str_from(path, (size_t)(str_rchr(path, '/') + 1));

	if (l->in->sasl_fd > 0 && str_starts(path, l->c->dir) &&
	    (str_eq(name, file_names[SASL].brief) ||
	     str_eq(name, file_names[SASL].mounted)) &&
	    lseek(l->in->sasl_fd, 0, SEEK_SET) == 0)
		return fcntl(l->in->sasl_fd, F_DUPFD_CLOEXEC, 0);
	return open(path.p, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

uint64_t
config_file_state(const char *path)
{
	struct stat st;
	uint64_t facts[6] = { 0 };

	if (stat(path, &st) != 0)
		return 0;
	facts[0] = hash_bytes(str_c(path));
	facts[1] = (uint64_t)st.st_size;
	facts[2] = (uint64_t)st.st_mtim.tv_sec;
	facts[3] = (uint64_t)st.st_mtim.tv_nsec;
	facts[4] = st.st_ino;
	facts[5] = st.st_dev;
	return hash_bytes(str_of(facts, sizeof(facts)));
}

/* For who watches: files in dir are seen as its entries. What does not fit is
 * not watched, and told once. */
static void
note_elsewhere(struct loading *l, struct str path)
{
	struct buf *out = l->in->watch != NULL ? &l->in->watch->paths : NULL;
	struct str rest, one;

	if (out == NULL || str_rchr(path, '/') == (ptrdiff_t)l->c->dir.n)
		return;
	for (rest = buf_str(out); str_split(&rest, '\0', &one);)
		if (str_eq(one, path))
			return;
	if (out->max - out->n > path.n) {
		buf_put(out, path);
		buf_putc(out, '\0');
		l->in->watch->state += config_file_state(path.p);
	} else if (!l->is_watch_full) {
		l->is_watch_full = true;
		diag_note(l->d, path, 0,
			  "there are too many files outside the "
			  "configuration's directory; from here on they are "
			  "read again only when something else changes");
	}
}

/* ERR_IO: told in the diagnostics. */
static enum err
read_file(struct loading *l, struct str path, struct str *out)
{
	struct stat st;
	enum err e;
	int fd;

	if (l->in->files != NULL)
		return read_memory(l, path, out);
	if (strlen(path.p) != path.n)
		return tell_unreadable(l, path, "a NUL in its name");
	note_elsewhere(l, path);
	fd = open_file(l, path);
	if (fd < 0)
		return tell_unreadable(l, path, strerror(errno));
	if (fstat(fd, &st) != 0)
		e = tell_unreadable(l, path, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		e = tell_unreadable(l, path, "not a regular file");
	else if ((size_t)st.st_size > FILE_MAX_OCTETS)
		e = tell_unreadable(l, path, "larger than 256 MiB");
	else
		e = read_all(l, fd, path, (size_t)st.st_size, out);
	close(fd);
	return e;
}

/* The other name of a file of the set that is absent, when that is there. */
static enum err
other_name(struct loading *l, struct str *path)
{
	ptrdiff_t slash = str_rchr(*path, '/');
	struct str name = str_from(*path, (size_t)(slash + 1)), other;

	for (size_t i = 0; i < N_FILES; i++) {
		const struct file_name *f = &file_names[i];
		bool is_etc = f->etc.n > 0 && str_eq(*path, f->etc);
		enum err e;

		if (!is_etc && !str_eq(name, f->brief) &&
		    !str_eq(name, f->mounted))
			continue;
		e = find_file(l, (enum file_id)i, &other);
		if (e == OK)
			*path = other;
		return e == ERR_NOT_FOUND ? OK : e;
	}
	return OK;
}

/* A path written in main.cf, as a path here. */
static enum err
map_path(struct loading *l, struct str text, struct str *out)
{
	enum err e;

	if (str_starts(text, S(MOUNT_POINT)))
		e = in_dir(l, str_from(text, S(MOUNT_POINT).n), out);
	else if (!str_starts(text, S("/")))
		e = in_dir(l, text, out);
	else
		e = join(l, text, S(""), out);
	return e != OK || is_there(l, *out) ? e : other_name(l, out);
}

/* ---- variables ---- */

static bool
plain_variable(const struct loading *l, struct str name, struct str *out)
{
	for (size_t i = 0; i < l->in->n_variables; i++)
		if (str_eq(l->in->variables[i].name, name)) {
			*out = l->in->variables[i].value;
			return true;
		}
	return false;
}

/* NAME or the content of the file that NAME__FILE names; empty when neither is
 * set, or set to nothing. */
static enum err
variable(struct loading *l, struct str name, struct str *out)
{
	struct str value = S(""), twin, path;
	enum err e = join(l, name, S("__FILE"), &twin);
	bool has_value = plain_variable(l, name, &value);

	if (e != OK)
		return e;
	if (plain_variable(l, twin, &path) && path.n > 0) {
		if (has_value && value.n > 0)
			diag_warn(l->d, S(""), 0,
				  "%.*s and %.*s are both set; the first "
				  "counts; unset one",
				  STR(name), STR(twin));
		else
			e = join(l, path, S(""), &path);
		if (e == OK && value.n == 0 && !is_there(l, path))
			diag_warn(l->d, S(""), 0,
				  "%.*s names %.*s, which is not there; it is "
				  "ignored",
				  STR(twin), STR(path));
		else if (e == OK && value.n == 0)
			e = read_file(l, path, &value);
	}
	if (e == OK)
		e = join(l, str_rtrim(value), S(""), out);
	return e == ERR_IO ? OK : e;
}

/* ---- main.cf ---- */

static enum err
preset(struct loading *l, const char *variable_name, const char *setting)
{
	struct str value = S("");
	enum err e = variable(l, str_c(variable_name), &value);

	if (e != OK || value.n == 0)
		return e;
	return settings_preset(&l->c->settings, str_c(setting), value,
			       str_c(variable_name), l->d);
}

/* Puts "restriction file, " before a list. A list that nobody wrote then holds
 * only that. */
static enum err
prepend_access(struct loading *l, enum file_id id, const char *restriction,
	       const char *setting)
{
	struct settings *s = &l->c->settings;
	struct setting *v = map_get(&s->by_name, str_c(setting));
	struct buf text = BUF_INIT(SETTING_MAX_OCTETS);
	struct str path, whole = S("");
	enum err e = find_file(l, id, &path);

	if (e == OK)
		e = buf_addf(&text, "%s texthash:%.*s%s%.*s", restriction,
			     STR(path), v != NULL ? ", " : "",
			     STR(v != NULL ? v->raw : S("")));
	if (e == OK)
		e = join(l, buf_str(&text), S(""), &whole);
	buf_release(&text);
	if (e != OK)
		return e == ERR_NOT_FOUND ? OK : e;
	if (v != NULL) {
		v->raw = whole;
		return OK;
	}
	return settings_preset(s, str_c(setting), whole, path, l->d);
}

/* docker-mailserver's own lists, where its names of files are in use and
 * main.cf says nothing else. */
static enum err
preset_dms_lists(struct loading *l)
{
	static const struct {
		const char *setting, *value;
	} lists[] = {
		{ "smtpd_helo_restrictions",
		  "permit_mynetworks, reject_invalid_helo_hostname, permit" },
		{ "smtpd_client_restrictions",
		  "permit_mynetworks, permit_sasl_authenticated, "
		  "reject_unauth_destination, reject_unauth_pipelining" },
		{ "smtpd_sender_restrictions",
		  "permit_sasl_authenticated, permit_mynetworks, "
		  "reject_unknown_sender_domain" },
		{ "smtpd_recipient_restrictions",
		  "permit_sasl_authenticated, permit_mynetworks, "
		  "reject_unauth_destination, reject_unauth_pipelining, "
		  "reject_invalid_helo_hostname, "
		  "reject_non_fqdn_helo_hostname, "
		  "reject_unknown_recipient_domain" },
	};
	struct settings *s = &l->c->settings;
	enum err e = OK;

	for (size_t i = 0; e == OK && i < sizeof(lists) / sizeof(*lists); i++)
		if (map_get(&s->by_name, str_c(lists[i].setting)) == NULL)
			e = settings_preset(s, str_c(lists[i].setting),
					    str_c(lists[i].value),
					    S("docker-mailserver"), l->d);
	return e;
}

/* POSTFIX_REJECT_UNKNOWN_CLIENT_HOSTNAME=1. */
static enum err
preset_unknown_client(struct loading *l)
{
	struct settings *s = &l->c->settings;
	struct setting *v =
		map_get(&s->by_name, S("smtpd_client_restrictions"));
	struct str value = S("");
	enum err e = variable(l, S("POSTFIX_REJECT_UNKNOWN_CLIENT_HOSTNAME"),
			      &value);

	if (e != OK || !str_eq(value, S("1")))
		return e;
	if (v == NULL)
		return settings_preset(
			s, S("smtpd_client_restrictions"),
			S("permit_mynetworks, permit_sasl_authenticated, "
			  "reject_unknown_client_hostname"),
			S("POSTFIX_REJECT_UNKNOWN_CLIENT_HOSTNAME"), l->d);
	return join(l, v->raw, S(", reject_unknown_client_hostname"), &v->raw);
}

/* A file of /proc, which has no size; empty when it cannot be read. */
static enum err
read_proc(struct loading *l, const char *path, struct str given,
	  struct str *out)
{
	int fd = given.n > 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	char *p = arena_alloc(&l->c->arena, PROC_MAX_OCTETS);
	size_t n = 0;
	ssize_t got = 1;

	if (given.n > 0)
		return join(l, given, S(""), out);

	while (fd >= 0 && p != NULL && got > 0 && n < PROC_MAX_OCTETS) {
		got = read(fd, p + n, PROC_MAX_OCTETS - n);
		n += got > 0 ? (size_t)got : 0;
	}
	if (fd >= 0)
		close(fd);
	*out = str_of(p, n);
	return p != NULL ? OK : ERR_LIMIT;
}

/* PERMIT_DOCKER. */
static enum err
preset_networks(struct loading *l)
{
	struct buf list = BUF_INIT(SETTING_MAX_OCTETS);
	struct str how = S(""), route = S(""), trie = S(""), whole;
	const char *why = NULL;
	enum err e = variable(l, S("PERMIT_DOCKER"), &how);

	if (e != OK || how.n == 0)
		return e;
	e = read_proc(l, "/proc/net/route", l->in->proc_route, &route);
	if (e == OK)
		e = read_proc(l, "/proc/net/fib_trie", l->in->proc_trie, &trie);
	/* Which address is a gateway's must be known, or nobody is trusted. */
	if (e == OK && route.n == 0) {
		diag_warn(l->d, S(""), 0,
			  "PERMIT_DOCKER has no effect: /proc/net/route cannot "
			  "be read; write mynetworks");
		return OK;
	}
	buf_put(&list, S("127.0.0.0/8 [::1]/128"));
	if (e == OK)
		e = docker_networks(how, route, trie, &list, &why);
	if (e == OK && why != NULL)
		diag_error(l->d, S(""), 0, "PERMIT_DOCKER=%.*s %s", STR(how),
			   why);
	if (e == OK)
		e = join(l, buf_str(&list), S(""), &whole);
	buf_release(&list);
	if (e == OK && !str_eq(how, S("none")))
		diag_note(
			l->d, S(""), 0,
			"PERMIT_DOCKER=%.*s: who comes from one of %.*s may "
			"send anywhere; a gateway (!) may not, because behind "
			"it may be anybody",
			STR(how), STR(whole));
	return e != OK ? e
		       : settings_preset(&l->c->settings, S("mynetworks"),
					 whole, S("PERMIT_DOCKER"), l->d);
}

static bool
uses_dms_names(struct loading *l)
{
	struct str path;

	return (find_file(l, MAIN, &path) == OK &&
		str_ends(path, file_names[MAIN].mounted)) ||
	       (find_file(l, ACCOUNTS, &path) == OK &&
		str_ends(path, file_names[ACCOUNTS].mounted));
}

static enum err
preset_restrictions(struct loading *l)
{
	enum err e = preset_networks(l);

	if (e == OK && uses_dms_names(l))
		e = preset_dms_lists(l);
	if (e == OK)
		e = preset_unknown_client(l);
	if (e == OK)
		e = prepend_access(l, SEND_ACCESS, "check_sender_access",
				   "smtpd_sender_restrictions");
	if (e == OK)
		e = prepend_access(l, RECEIVE_ACCESS, "check_recipient_access",
				   "smtpd_recipient_restrictions");
	return e;
}

static enum err
load_main(struct loading *l)
{
	static const struct {
		const char *variable, *setting;
	} presets[] = {
		{ "OVERRIDE_HOSTNAME", "myhostname" },
		{ "POSTFIX_MESSAGE_SIZE_LIMIT", "message_size_limit" },
		{ "POSTFIX_MAILBOX_SIZE_LIMIT", "mailbox_size_limit" },
		{ "DEFAULT_RELAY_HOST", "relayhost" },
		{ "POSTMASTER_ADDRESS", "postmaster_address" },
		{ "POSTFIX_INET_PROTOCOLS", "inet_protocols" },
	};
	struct settings *s = &l->c->settings;
	struct str path, bytes, hostname;
	enum err e = find_file(l, MAIN, &path);

	if (e == OK)
		e = read_file(l, path, &bytes);
	if (e == OK)
		e = settings_read(s, path, bytes, l->d);
	if (e == ERR_NOT_FOUND || e == ERR_IO)
		e = OK;
	for (size_t i = 0; e == OK && i < sizeof(presets) / sizeof(*presets);
	     i++)
		e = preset(l, presets[i].variable, presets[i].setting);
	if (e == OK && l->in->hostname.n > 0 &&
	    map_get(&s->by_name, S("myhostname")) == NULL) {
		e = join(l, l->in->hostname, S(""), &hostname);
		if (e == OK)
			e = settings_preset(s, S("myhostname"), hostname,
					    S("hostname"), l->d);
	}
	if (e == OK)
		e = preset_restrictions(l);
	if (e == OK && find_file(l, MASTER, &path) == OK && is_there(l, path) &&
	    read_file(l, path, &bytes) == OK)
		s->elsewhere = bytes;
	return e != OK ? e : settings_finish(s, l->d);
}

/* A value of main.cf is told for the first service, not for all. */
static bool
is_told_elsewhere(const struct loading *l, const struct settings *s,
		  const struct setting *v)
{
	const struct settings *first = &l->c->smtpd[0][0];
	const struct setting *same = map_get(&first->by_name, v->name);

	return s != first && v->line == same->line &&
	       str_eq(v->file, same->file);
}

/* All that mta/in is told must fit into one message. */
static void
check_lengths(struct loading *l, const struct settings *s)
{
	const struct router_field *f = router_smtpd_fields;

	for (; f->setting != NULL; f++) {
		const struct setting *v =
			map_get(&s->by_name, str_c(f->setting));

		if (v->value.n > SMTPD_VALUE_MAX_OCTETS &&
		    !is_told_elsewhere(l, s, v))
			diag_error(l->d, v->file, v->line,
				   "%s is longer than %d octets", f->setting,
				   SMTPD_VALUE_MAX_OCTETS);
	}
}

/* Lists of networks that mta/in reads. */
static enum err
check_smtpd_networks(struct loading *l, const struct settings *s)
{
	static const char *const names[] = {
		"smtpd_authorized_xclient_hosts",
		"smtpd_upstream_proxy_networks",
		"smtpd_client_event_limit_exceptions",
	};
	enum err e = OK;

	for (size_t i = 0; e != ERR_LIMIT && i < sizeof(names) / sizeof(*names);
	     i++) {
		const struct setting *v = map_get(&s->by_name, str_c(names[i]));
		struct cidr_list list;
		struct str bad = S("");
		const char *why = "";

		e = cidr_list_parse(&l->c->arena, v->value, &list, &bad, &why);
		/* A default is mynetworks, which is told where it stands. */
		if (e == ERR_FORMAT && v->file.n > 0 &&
		    !is_told_elsewhere(l, s, v))
			diag_error(l->d, v->file, v->line, "%s: %.*s: %s",
				   names[i], STR(str_first(bad, 100)), why);
	}
	return e == ERR_LIMIT ? e : OK;
}

struct choice {
	const char *setting;
	const char *words; // what it may be
};

static void
check_choices(struct loading *l, const struct settings *s)
{
	static const struct choice choices[] = {
		{ "smtpd_upstream_proxy_protocol", "haproxy" },
		{ "smtpd_forbid_bare_newline", "yes no note normalize reject" },
		{ "postscreen_greet_action", "ignore enforce drop" },
		{ "postscreen_dnsbl_action", "ignore enforce drop" },
		{ "smtpd_tls_security_level", "none may encrypt" },
	};

	for (size_t i = 0; i < sizeof(choices) / sizeof(*choices); i++) {
		const struct setting *v =
			map_get(&s->by_name, str_c(choices[i].setting));
		struct str words = str_c(choices[i].words), word;
		bool is_one = v->value.n == 0 || is_told_elsewhere(l, s, v);

		while (str_word(&words, &word))
			is_one = is_one || str_ieq(word, v->value);
		if (!is_one)
			diag_error(l->d, v->file, v->line,
				   "%s = %.*s is none of: %s",
				   choices[i].setting,
				   STR(str_first(v->value, 100)),
				   choices[i].words);
	}
}

static void
check_protocols(struct loading *l, const struct settings *s)
{
	static const char *const names[] = { "smtpd_tls_protocols",
					     "smtpd_tls_mandatory_protocols" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const struct setting *v = map_get(&s->by_name, str_c(names[i]));
		unsigned with;

		if (v->value.n > 0 && !tls_protocols_parse(v->value, &with) &&
		    !is_told_elsewhere(l, s, v))
			diag_error(l->d, v->file, v->line,
				   "%s leaves none of TLS 1.2 and 1.3; write "
				   ">=TLSv1.2 or >=TLSv1.3",
				   names[i]);
	}
}

/* What there is satisfies medium and high. */
static void
check_ciphers(struct loading *l, const struct settings *s)
{
	static const char *const names[] = { "smtpd_tls_ciphers",
					     "smtpd_tls_mandatory_ciphers" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const struct setting *v = map_get(&s->by_name, str_c(names[i]));

		if (!str_ieq(v->value, S("medium")) &&
		    !str_ieq(v->value, S("high")) && v->value.n > 0 &&
		    !is_told_elsewhere(l, s, v))
			diag_warn(l->d, v->file, v->line,
				  "%s = %.*s: ciphers below high are not "
				  "offered here",
				  names[i], STR(str_first(v->value, 100)));
	}
}

static void
check_dnsbl(struct loading *l, const struct settings *s)
{
	const struct setting *v =
		map_get(&s->by_name, S("postscreen_dnsbl_sites"));
	struct str list = v->value, item;
	struct dnsbl_site site;
	size_t n = 0;

	if (list.n == 0 || is_told_elsewhere(l, s, v))
		return;
	while (settings_item(&list, &item)) {
		if (++n > ROUTER_DNSBL_SITES_MAX)
			diag_error(l->d, v->file, v->line,
				   "postscreen_dnsbl_sites: more than %d",
				   ROUTER_DNSBL_SITES_MAX);
		if (n > ROUTER_DNSBL_SITES_MAX)
			return;
		if (!dnsbl_site_parse(item, &site))
			diag_error(l->d, v->file, v->line,
				   "postscreen_dnsbl_sites: %.*s is not "
				   "domain=127.d.d.d*weight",
				   STR(str_first(item, 100)));
	}
	if (str_ieq(settings_text(s, "postscreen_dnsbl_action"), S("ignore")))
		diag_note(l->d, v->file, v->line,
			  "postscreen_dnsbl_action is ignore: what the lists "
			  "say is logged, and nobody is refused");
}

static void
check_proxies(struct loading *l, const struct settings *s)
{
	const struct setting *v =
		map_get(&s->by_name, S("smtpd_upstream_proxy_protocol"));

	if (v->value.n > 0 &&
	    settings_text(s, "smtpd_upstream_proxy_networks").n == 0 &&
	    !is_told_elsewhere(l, s, v))
		diag_error(l->d, v->file, v->line,
			   "smtpd_upstream_proxy_protocol without "
			   "smtpd_upstream_proxy_networks would refuse "
			   "everybody; name the proxies' networks there");
}

/* master.cf, and the settings of each service. */
static enum err
load_master(struct loading *l)
{
	struct str path = S(""), bytes;
	struct master *m = &l->c->master;
	enum err e = find_file(l, MASTER, &path);

	if (e == OK)
		e = read_file(l, path, &bytes);
	if (e == OK)
		e = master_parse(&l->c->arena, path, bytes, l->d, m);
	if (e == ERR_NOT_FOUND || e == ERR_IO)
		e = OK;
	for (unsigned i = 0; e == OK && i < MASTER_SERVICES; i++)
		for (unsigned k = 0; e == OK && k < 2; k++)
			e = master_settings(m, path, (enum master_service)i,
					    k == 1, &l->c->settings,
					    k == 0 ? l->d : NULL,
					    &l->c->smtpd[i][k]);
	for (unsigned i = 0; e == OK && i < MASTER_SERVICES; i++) {
		check_lengths(l, &l->c->smtpd[i][0]);
		check_choices(l, &l->c->smtpd[i][0]);
		check_proxies(l, &l->c->smtpd[i][0]);
		check_dnsbl(l, &l->c->smtpd[i][0]);
		check_protocols(l, &l->c->smtpd[i][0]);
		check_ciphers(l, &l->c->smtpd[i][0]);
		e = check_smtpd_networks(l, &l->c->smtpd[i][0]);
	}
	return e;
}

/* RELAY_HOST and what goes with it. */
static enum err
load_relay_variables(struct loading *l)
{
	struct config *c = l->c;
	struct str host = S(""), port = S(""), bare = S("");
	enum err e = variable(l, S("RELAY_HOST"), &host);
	struct buf text = BUF_INIT(NAME_MAX_OCTETS);

	if (e == OK)
		e = variable(l, S("RELAY_PORT"), &port);
	if (e == OK)
		e = variable(l, S("DEFAULT_RELAY_HOST"), &bare);
	if (e == OK)
		e = variable(l, S("RELAY_USER"), &c->relay_user);
	if (e == OK)
		e = variable(l, S("RELAY_PASSWORD"), &c->relay_password);
	if (e == OK && host.n > 0) {
		if (str_starts(host, S("[")) && str_ends(host, S("]")))
			host = str_sub(host, 1, host.n - 2);
		e = buf_addf(&text, "[%.*s]:%.*s", STR(host),
			     STR(port.n > 0 ? port : S("25")));
	}
	if (e == OK)
		e = join(l, buf_str(&text), S(""), &c->relay_nexthop);
	buf_release(&text);
	c->relay_auth_nexthop = bare.n > 0 ? bare : c->relay_nexthop;
	if (e == OK && c->relay_user.n > 0 && c->relay_auth_nexthop.n == 0)
		diag_warn(l->d, S(""), 0,
			  "RELAY_USER has no effect without RELAY_HOST or "
			  "DEFAULT_RELAY_HOST");
	return e;
}

/* ---- tables ---- */

static enum err
read_for_table(void *arg, struct str path, struct str *file_out,
	       struct str *bytes_out)
{
	struct loading *l = arg;
	enum err e = map_path(l, path, file_out);

	return e != OK ? e : read_file(l, *file_out, bytes_out);
}

/* Tables of a type that is not here put mail off; the set is good without. */
static size_t
count_unsupported(const struct table *t)
{
	size_t n = t->kind == TABLE_UNSUPPORTED;

	for (size_t i = 0; i < t->n_parts; i++)
		n += count_unsupported(&t->parts[i]);
	return n;
}

/* Who must be connected to for this table, or for its parts. */
static enum err
keep_hosts(struct loading *l, const struct table *t)
{
	struct str list = l->c->table_hosts, one;
	struct buf text = BUF_INIT(TABLE_HOSTS_MAX_OCTETS);
	struct buf host = BUF_INIT(TABLE_HOSTS_MAX_OCTETS);
	bool is_known = t->kind != TABLE_REMOTE || !t->is_available;
	enum err e = is_known ? OK : remote_put_host(&t->place, &host);

	while (e == OK && !is_known && str_split(&list, '\n', &one))
		is_known = str_eq(one, buf_str(&host));
	list = l->c->table_hosts;
	if (e == OK && !is_known)
		e = buf_addf(&text, "%.*s%s%.*s", STR(list),
			     list.n > 0 ? "\n" : "", STR(buf_str(&host)));
	if (e == OK && !is_known)
		e = arena_str(&l->c->arena, buf_str(&text), &l->c->table_hosts);
	buf_release(&host);
	buf_release(&text);
	for (size_t i = 0; e == OK && i < t->n_parts; i++)
		e = keep_hosts(l, &t->parts[i]);
	return e;
}

/* One reference of a list. ERR_IO: told. */
static enum err
load_table(struct loading *l, const struct setting *where, struct str text,
	   struct table_options options, struct table *t)
{
	struct str file = where ? where->file : S("");
	uint32_t line = where ? where->line : 0;
	enum err e;

	options.is_strict = settings_is_on(&l->c->settings, "strict_tables");
	e = table_open(t, &l->source, text, file, line, &options);
	l->n_tolerated += count_unsupported(t);
	if (e == OK)
		e = keep_hosts(l, t);
	if (e == ERR_IO && where != NULL)
		diag_note(l->d, file, line, "it is named here");
	return e;
}

static bool
names_path(const struct table_list *t, struct str path)
{
	for (size_t i = 0; i < t->n; i++)
		if (str_eq(t->list[i].file, path))
			return true;
	return false;
}

enum { DEFAULTS_MAX = 2 };

/* A file of the set that serves a setting which main.cf does not set. */
struct default_file {
	const char *type; // with its colon; NULL: none
	enum file_id id;
};

/* Opens those that are there. */
static enum err
load_defaults(struct loading *l, const struct default_file *files,
	      struct table_options options, struct table_list *out)
{
	out->list = arena_array(&l->c->arena, DEFAULTS_MAX, sizeof(*out->list));
	if (out->list == NULL)
		return ERR_LIMIT;
	for (size_t i = 0; i < DEFAULTS_MAX && files[i].type != NULL; i++) {
		struct str path;
		enum err e = find_file(l, files[i].id, &path);

		if (e == ERR_NOT_FOUND)
			continue;
		if (e == OK)
			e = join(l, str_c(files[i].type), path, &path);
		if (e == OK)
			e = load_table(l, NULL, path, options,
				       &out->list[out->n++]);
		if (e != OK)
			return e;
	}
	return OK;
}

/* A file of the set that main.cf passes over. */
static enum err
tell_passed_over(struct loading *l, const struct default_file *files,
		 const struct setting *where, const struct table_list *out)
{
	for (size_t i = 0; i < DEFAULTS_MAX && files[i].type != NULL; i++) {
		struct str path;
		enum err e = find_file(l, files[i].id, &path);

		if (e != OK && e != ERR_NOT_FOUND)
			return e;
		if (e == OK && !names_path(out, path))
			diag_warn(l->d, path, 0,
				  "this file has no effect, because %.*s in "
				  "%.*s:%u does not name it",
				  STR(where->name), STR(where->file),
				  where->line);
	}
	return OK;
}

/* Debian's main.cf names /etc/aliases, which a container has not; nobody wrote
 * that file, so it is not missed. */
static bool
is_absent_aliases(struct loading *l, struct str reference)
{
	struct str path;

	return str_ends(reference, S(":/etc/aliases")) &&
	       map_path(l, S("/etc/aliases"), &path) == OK &&
	       !is_there(l, path);
}

/* A table that alias_maps names, for local_recipient_maps names it again. */
static bool
is_in_alias_maps(struct loading *l, struct str reference)
{
	struct str list = settings_text(&l->c->settings, "alias_maps"), item;

	while (settings_item(&list, &item))
		if (str_eq(item, reference))
			return true;
	return false;
}

/* docker-mailserver writes the accounts, and their domains, to these. */
static bool
is_made_of_accounts(struct str reference)
{
	return str_ends(reference, S(":/etc/postfix/vmailbox")) ||
	       str_ends(reference, S("/etc/postfix/vhost"));
}

/* ---- aliases(5) ---- */

/* An alias whose ":include:" files are being read. */
struct including {
	struct loading *l;
	const struct table *t;
	const struct table_entry *entry;
	struct buf *out;
	unsigned n_files;
};

static enum err
include_value(struct including *in, struct str value, unsigned depth);

/* Takes a member of a value: up to a comma outside double quotes. */
static bool
next_member(struct str *rest, struct str *out)
{
	bool is_quoted = false;
	size_t n = 0;

	while (rest->n > 0 && (rest->p[0] == ',' || ascii_is_space(rest->p[0])))
		*rest = str_from(*rest, 1);
	for (; n < rest->n && (is_quoted || rest->p[n] != ','); n++)
		is_quoted ^= rest->p[n] == '"';
	*out = str_rtrim(str_first(*rest, n));
	*rest = str_from(*rest, n);
	return n > 0;
}

static enum err
include_file(struct including *in, struct str path, unsigned depth)
{
	struct str file, bytes, line;
	enum err e = OK;

	if (depth > INCLUDE_DEPTH_MAX || ++in->n_files > INCLUDE_FILES_MAX) {
		diag_error(in->l->d, in->t->file, in->entry->line,
			   "the files that \"%.*s\" includes lead back to "
			   "themselves, or are too many",
			   STR(in->entry->key));
		return OK;
	}
	e = read_for_table(in->l, path, &file, &bytes);
	while (e == OK && str_line(&bytes, &line)) {
		line = str_trim(line);
		if (line.n > 0 && line.p[0] != '#')
			e = include_value(in, line, depth);
	}
	return e;
}

/* Writes the addresses of value, and of what it includes, to in->out. */
static enum err
include_value(struct including *in, struct str value, unsigned depth)
{
	struct str member;
	enum err e = OK;

	while (e == OK && next_member(&value, &member)) {
		if (str_istarts(member, S(":include:"))) {
			e = include_file(in, str_from(member, 9), depth + 1);
			continue;
		}
		if (in->out->n > 0)
			e = buf_add(in->out, S(", "));
		if (e == OK)
			e = buf_add(in->out, member);
	}
	return e;
}

/* Puts what is included in its place, and tells of what is not done here. */
static enum err
finish_alias(struct loading *l, const struct table *t,
	     struct table_entry *entry)
{
	struct buf out = BUF_INIT(INCLUDED_MAX_OCTETS);
	struct including in = { l, t, entry, &out, 0 };
	struct str rest = entry->value, member;
	enum err e = OK;

	if (str_ifind(entry->value, S(":include:")) >= 0) {
		e = include_value(&in, entry->value, 0);
		if (e == OK)
			e = arena_str(&l->c->arena, buf_str(&out),
				      &entry->value);
	}
	while (e == OK && next_member(&rest, &member))
		if (str_starts(member, S("|")) || str_starts(member, S("/")) ||
		    str_starts(member, S("\"|")))
			diag_warn(l->d, t->file, entry->line,
				  "commands and files get no mail here: what "
				  "comes for \"%.*s\" is put off; write "
				  "addresses, or :include:/file",
				  STR(entry->key));
	buf_release(&out);
	return e;
}

static enum err
finish_aliases(struct loading *l)
{
	enum err e = OK;
	struct str key;
	void *value;

	for (size_t i = 0; i < l->c->aliases.n; i++) {
		const struct table *t = &l->c->aliases.list[i];

		for (size_t at = 0;
		     e == OK && map_next(&t->entries, &at, &key, &value);)
			e = finish_alias(l, t, value);
	}
	return e;
}

/* The tables of one setting, or the files of the set that serve without. */
static enum err
load_tables(struct loading *l, const char *setting,
	    const struct default_file *files, struct table_options options,
	    struct table_list *out)
{
	const struct setting *where = settings_find(&l->c->settings, setting);
	struct str list = settings_text(&l->c->settings, setting), rest = list;
	struct str item;
	enum err e = OK;

	out->what = str_c(setting);
	if (where == NULL)
		return load_defaults(l, files, options, out);
	while (settings_item(&rest, &item))
		out->n++;
	out->list = arena_array(&l->c->arena, out->n, sizeof(*out->list));
	if (out->list == NULL)
		return ERR_LIMIT;
	out->n = 0;
	while (e == OK && settings_item(&list, &item)) {
		bool is_alias_file = is_in_alias_maps(l, item);

		if ((is_alias_file && is_absent_aliases(l, item)) ||
		    is_made_of_accounts(item))
			continue;
		options.is_alias_file = is_alias_file;
		e = load_table(l, where, item, options, &out->list[out->n++]);
	}
	return e != OK ? e : tell_passed_over(l, files, where, out);
}

/* Lists of plain names. */
static void
check_masquerade(struct loading *l)
{
	static const char *const names[] = { "masquerade_domains",
					     "masquerade_exceptions" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const struct setting *where =
			settings_find(&l->c->settings, names[i]);
		struct str list = where ? where->value : S(""), item;

		while (settings_item(&list, &item))
			if (str_chr(item, ':') >= 0 || str_chr(item, '/') >= 0)
				diag_error(l->d, where->file, where->line,
					   "%s: only names stand here, not "
					   "%.*s",
					   names[i], STR(str_first(item, 200)));
	}
}

/* local_header_rewrite_clients has words that never match here. */
static void
tell_clients(struct loading *l)
{
	static const struct str known[] = {
		STR_INIT("permit_inet_interfaces"),
		STR_INIT("permit_mynetworks"),
		STR_INIT("permit_sasl_authenticated"),
	};
	const struct setting *where =
		settings_find(&l->c->settings, "local_header_rewrite_clients");
	struct str list = where ? where->value : S(""), item;

	while (settings_item(&list, &item)) {
		bool is_known = false;

		for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
			is_known = is_known || str_eq(item, known[i]);
		if (!is_known)
			diag_warn(l->d, where->file, where->line,
				  "%.*s never matches here; write "
				  "permit_inet_interfaces, permit_mynetworks "
				  "or permit_sasl_authenticated",
				  STR(str_first(item, 200)));
	}
}

/* Does main.cf say who is known, other than by the accounts? */
static bool
is_listing(struct loading *l, const char *setting)
{
	struct str list = settings_text(&l->c->settings, setting), item;

	if (settings_find(&l->c->settings, setting) == NULL)
		return false;
	while (settings_item(&list, &item))
		if (is_made_of_accounts(item))
			return false;
	return true;
}

static enum err
load_all_tables(struct loading *l)
{
	struct config *c = l->c;
	const struct {
		const char *setting;
		struct default_file files[DEFAULTS_MAX];
		struct table_options options;
		struct table_list *out;
	} all[] = {
		{ "virtual_alias_maps",
		  { { "texthash:", VIRTUAL }, { "pcre:", REGEXP } },
		  { 0 },
		  &c->virtual_alias },
		{ "alias_maps",
		  { { "texthash:", ALIASES } },
		  { .is_no_substitution = true, .is_alias_file = true },
		  &c->aliases },
		{ "canonical_maps", { { 0 } }, { 0 }, &c->canonical },
		{ "sender_canonical_maps",
		  { { 0 } },
		  { 0 },
		  &c->sender_canonical },
		{ "recipient_canonical_maps",
		  { { 0 } },
		  { 0 },
		  &c->recipient_canonical },
		{ "relay_recipient_maps",
		  { { 0 } },
		  { 0 },
		  &c->relay_recipient },
		{ "recipient_bcc_maps", { { 0 } }, { 0 }, &c->recipient_bcc },
		{ "sender_bcc_maps", { { 0 } }, { 0 }, &c->sender_bcc },
		{ "transport_maps",
		  { { "texthash:", TRANSPORT } },
		  { .is_no_substitution = true },
		  &c->transport },
		{ "sender_dependent_relayhost_maps",
		  { { "texthash:", RELAYMAP } },
		  { .is_key_alone_ok = true },
		  &c->sender_relayhost },
		{ "sender_dependent_default_transport_maps",
		  { { 0 } },
		  { 0 },
		  &c->sender_transport },
		{ "smtp_sasl_password_maps",
		  { { "texthash:", SASL } },
		  { 0 },
		  &c->sasl },
		{ "relocated_maps", { { 0 } }, { 0 }, &c->relocated },
		{ "smtp_tls_policy_maps", { { 0 } }, { 0 }, &c->tls_policy },
		{ "smtpd_sender_login_maps",
		  { { 0 } },
		  { 0 },
		  &c->sender_login },
		{ "header_checks", { { 0 } }, { 0 }, &c->header_checks },
		{ "smtpd_discard_ehlo_keyword_address_maps",
		  { { 0 } },
		  { 0 },
		  &c->discard_ehlo },
		{ "tls_server_sni_maps", { { 0 } }, { 0 }, &c->tls_names },
		{ "mime_header_checks",
		  { { 0 } },
		  { 0 },
		  &c->mime_header_checks },
		{ "nested_header_checks",
		  { { 0 } },
		  { 0 },
		  &c->nested_header_checks },
		{ "body_checks", { { 0 } }, { 0 }, &c->body_checks },
		{ "smtp_header_checks",
		  { { 0 } },
		  { 0 },
		  &c->smtp_header_checks },
		{ "smtp_mime_header_checks",
		  { { 0 } },
		  { 0 },
		  &c->smtp_mime_header_checks },
		{ "smtp_nested_header_checks",
		  { { 0 } },
		  { 0 },
		  &c->smtp_nested_header_checks },
		{ "smtp_body_checks", { { 0 } }, { 0 }, &c->smtp_body_checks },
		{ "local_recipient_maps",
		  { { 0 } },
		  { 0 },
		  &c->local_recipient },
		{ "virtual_mailbox_maps",
		  { { 0 } },
		  { 0 },
		  &c->virtual_mailbox },
	};
	enum err e = OK;

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		enum err r = load_tables(l, all[i].setting, all[i].files,
					 all[i].options, all[i].out);

		if (r != OK && r != ERR_IO)
			return r;
		if (r == ERR_IO)
			e = r; // go on, to tell all that is wrong at once
	}
	c->has_local_recipient = is_listing(l, "local_recipient_maps");
	c->has_virtual_mailbox = is_listing(l, "virtual_mailbox_maps");
	check_masquerade(l);
	tell_clients(l);
	c->mime_checks = settings_find(&c->settings, "mime_header_checks")
				 ? &c->mime_header_checks
				 : &c->header_checks;
	c->nested_checks = settings_find(&c->settings, "nested_header_checks")
				   ? &c->nested_header_checks
				   : &c->header_checks;
	return e != OK ? e : finish_aliases(l);
}

static enum err
load_access_table(void *arg, const struct setting *where, struct str text,
		  struct table *t)
{
	enum err e =
		load_table(arg, where, text, (struct table_options) { 0 }, t);

	/* Told; the set is refused for it. */
	return e == ERR_IO ? OK : e;
}

static enum err
load_policies(struct loading *l)
{
	struct policy_source source = {
		.arena = &l->c->arena,
		.settings = &l->c->settings,
		.d = l->d,
		.load = load_access_table,
		.load_arg = l,
	};
	struct str spoof = S("");
	enum err e = variable(l, S("SPOOF_PROTECTION"), &spoof);

	for (size_t i = 0; i < POLICY_SERVICES; i++)
		source.services[i] = &l->c->smtpd[i][0];
	source.is_spoof_protected = str_eq(spoof, S("1"));
	return e != OK ? e : policy_compile(&l->c->policies, &source);
}

/* Passwords in a file that others may read. */
static void
check_sasl_mode(struct loading *l)
{
	struct stat st;

	for (size_t i = 0; i < l->c->sasl.n; i++) {
		const struct table *t = &l->c->sasl.list[i];

		if (t->entries.n > 0 && l->in->files == NULL &&
		    stat(t->file.p, &st) == 0 && (st.st_mode & 077) != 0)
			diag_warn(l->d, t->file, 0,
				  "others may read these passwords; write "
				  "chmod 600 %.*s",
				  STR(t->file));
	}
}

/* ---- TLS of the client ---- */

static void
check_smtp_tls(struct loading *l)
{
	static const char *const protocols[] = {
		"smtp_tls_protocols",
		"smtp_tls_mandatory_protocols",
	};
	const struct settings *s = &l->c->settings;
	const struct setting *v = settings_find(s, "smtp_tls_security_level");
	struct str level = settings_text(s, "smtp_tls_security_level");
	struct tls_policy policy;
	const char *why;
	unsigned with;

	if (level.n > 0 && !tls_policy_parse(level, &policy, &why))
		diag_error(l->d, v->file, v->line,
			   "smtp_tls_security_level: %s", why);
	else if (level.n > 0 && policy.was_dane)
		diag_warn(l->d, v->file, v->line,
			  "there is no DANE yet: dane works as may, dane-only "
			  "as encrypt");
	for (size_t i = 0; i < sizeof(protocols) / sizeof(*protocols); i++) {
		v = settings_find(s, protocols[i]);
		if (!tls_protocols_parse(settings_text(s, protocols[i]), &with))
			diag_error(l->d, v->file, v->line,
				   "%s leaves none of TLS 1.2 and 1.3, or has "
				   "an unknown name",
				   protocols[i]);
	}
	v = settings_find(s, "smtp_tls_wrappermode");
	if (settings_is_on(s, "smtp_tls_wrappermode") &&
	    (level.n == 0 || policy.level < TLS_ENCRYPT))
		diag_error(l->d, v->file, v->line,
			   "smtp_tls_wrappermode needs "
			   "smtp_tls_security_level = encrypt, or a stricter "
			   "one");
}

static void
check_bind_addresses(struct loading *l)
{
	static const struct {
		const char *setting;
		bool is_v6;
	} all[] = { { "smtp_bind_address", false },
		    { "smtp_bind_address6", true } };
	uint8_t octets[16];

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		const struct setting *v =
			settings_find(&l->c->settings, all[i].setting);

		if (v == NULL || v->value.n == 0)
			continue;
		if (!cidr_address(v->value, octets) ||
		    (str_chr(v->value, ':') >= 0) != all[i].is_v6)
			diag_error(l->d, v->file, v->line,
				   "%s = %.*s is no IPv%c address",
				   all[i].setting,
				   STR(str_first(v->value, 100)),
				   all[i].is_v6 ? '6' : '4');
	}
}

/* Appends one file of certificates. What is no certificate in a directory is
 * passed over. */
static enum err
add_authorities(struct loading *l, const struct setting *v, struct str path,
		bool is_of_dir, struct buf *out)
{
	struct str bytes;
	enum err e = read_file(l, path, &bytes);

	if (e == ERR_LIMIT)
		return e;
	if (e != OK || str_find(bytes, S("-----BEGIN CERT")) < 0) {
		if (!is_of_dir)
			diag_error(l->d, v->file, v->line,
				   "%.*s has no certificate in PEM", STR(path));
		return OK;
	}
	if (buf_add(out, bytes) == OK && buf_addc(out, '\n') == OK)
		return OK;
	diag_error(l->d, v->file, v->line,
		   "more than %d octets of authorities; name a file with those "
		   "that are needed",
		   AUTHORITIES_MAX_OCTETS);
	return OK;
}

static enum err
add_authorities_dir(struct loading *l, const struct setting *v, struct buf *out)
{
	struct str path, slash;
	const struct dirent *entry;
	DIR *dir;
	enum err e = join(l, v->value, S("/"), &slash);

	dir = e == OK && l->in->files == NULL ? opendir(slash.p) : NULL;
	if (dir == NULL) {
		diag_error(l->d, v->file, v->line, "%.*s cannot be read",
			   STR(v->value));
		return e;
	}
	while (e == OK && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.' || entry->d_type == DT_DIR)
			continue;
		e = join(l, slash, str_c(entry->d_name), &path);
		if (e == OK)
			e = add_authorities(l, v, path, true, out);
	}
	closedir(dir);
	return e;
}

/* Without any the client trusts those of the system, which are all in
 * SYSTEM_AUTHORITIES. */
static enum err
load_authorities(struct loading *l)
{
	const struct settings *s = &l->c->settings;
	const struct setting *file = settings_find(s, "smtp_tls_CAfile");
	const struct setting *dir = settings_find(s, "smtp_tls_CApath");
	struct buf all = BUF_INIT(AUTHORITIES_MAX_OCTETS);
	struct str path;
	enum err e = OK;

	check_smtp_tls(l);
	check_bind_addresses(l);
	if (file != NULL && file->value.n > 0 &&
	    !str_starts(file->value, S(SYSTEM_AUTHORITIES))) {
		e = join(l, file->value, S(""), &path);
		if (e == OK)
			e = add_authorities(l, file, path, false, &all);
	}
	if (e == OK && dir != NULL && dir->value.n > 0 &&
	    !str_starts(dir->value, S(SYSTEM_AUTHORITIES)))
		e = add_authorities_dir(l, dir, &all);
	if (e == OK)
		e = join(l, buf_str(&all), S(""), &l->c->smtp_authorities);
	buf_release(&all);
	return e;
}

/* ---- words of reports ---- */

/* Whatever is wrong with it, mail goes on, and reports are in our words. */
static enum err
load_reports(struct loading *l)
{
	const struct setting *v =
		settings_find(&l->c->settings, "bounce_template_file");
	size_t n_before = l->d->n_errors;
	struct str path, bytes;
	enum err e;

	if (v == NULL || v->value.n == 0)
		return OK;
	e = join(l, v->value, S(""), &path);
	if (e == OK)
		e = read_file(l, path, &bytes);
	if (e == OK && bytes.n > BOUNCE_FILE_MAX_OCTETS)
		diag_error(l->d, v->file, v->line,
			   "%.*s has more than %d octets", STR(path),
			   BOUNCE_FILE_MAX_OCTETS);
	else if (e == OK)
		e = bounce_words_make(&l->c->arena, &l->c->settings, path,
				      bytes, l->d, l->c->reports);
	l->n_tolerated += l->d->n_errors - n_before;
	return e == ERR_IO ? OK : e;
}

/* ---- accounts, domains, quotas ---- */

static enum err
add_domain(struct loading *l, struct str name, unsigned flags,
	   struct config_domain **out)
{
	struct config_domain *d;
	enum err e = arena_lower(&l->c->arena, name, &name);

	if (e != OK)
		return e;
	d = map_get(&l->c->domains, name);
	if (d == NULL) {
		d = arena_alloc(&l->c->arena, sizeof(*d));
		if (d == NULL)
			return ERR_LIMIT;
		d->name = name;
		map_set(&l->c->domains, name, d);
	}
	d->flags |= flags & ~d->excluded;
	if (out != NULL)
		*out = d;
	return OK;
}

static enum err
add_account(struct loading *l, struct str name, uint32_t line)
{
	struct config_account *a = &l->c->accounts[l->c->n_accounts];
	ptrdiff_t at = str_chr(name, '@');
	struct config_domain *domain;
	enum err e;

	if (at < 0) {
		diag_error(l->d, S(""), 0, "the account %.*s has no domain",
			   STR(name));
		return OK;
	}
	e = arena_lower(&l->c->arena, name, &a->name);
	if (e == OK)
		e = add_domain(l, str_from(name, (size_t)at + 1),
			       DOMAIN_MAILBOX, &domain);
	if (e != OK || map_get(&l->c->account_by_name, a->name) != NULL)
		return e;
	a->line = line;
	l->c->n_accounts++;
	map_set(&l->c->account_by_name, a->name, a);
	if (domain->first_account == NULL)
		domain->first_account = a;
	return OK;
}

/* mda/auth reads them; what is wrong with them lint tells. */
static enum err
check_masters(struct loading *l)
{
	struct accounts masters;
	struct str path, bytes;
	enum err e = find_file(l, MASTERS, &path);

	if (e == OK)
		e = read_file(l, path, &bytes);
	if (e == OK)
		e = masters_parse(&l->c->arena, path, bytes, l->d, &masters);
	return e == ERR_NOT_FOUND ? OK : e;
}

static enum err
read_accounts(struct loading *l, struct accounts *out)
{
	struct str path, bytes;
	enum err e = find_file(l, ACCOUNTS, &path);

	*out = (struct accounts) { NULL, 0 };
	if (e == ERR_NOT_FOUND) {
		diag_warn(l->d, l->c->dir, 0,
			  "no file accounts.cf: local mail is put off until "
			  "there is an account");
		return OK;
	}
	if (e == OK)
		e = read_file(l, path, &bytes);
	if (e == OK)
		e = accounts_parse(&l->c->arena, path, bytes, l->d, out);
	return e == OK ? check_masters(l) : e;
}

static enum err
load_accounts(struct loading *l)
{
	const struct config_input *in = l->in;
	struct accounts file = { NULL, 0 };
	bool is_given = in->accounts == CONFIG_ACCOUNTS_GIVEN;
	enum err e = OK;
	size_t n;

	if (in->accounts == CONFIG_ACCOUNTS_UNKNOWN)
		return OK;
	if (in->accounts == CONFIG_ACCOUNTS_FILE)
		e = read_accounts(l, &file);
	if (e != OK)
		return e;
	n = is_given ? in->n_account_names : file.n;
	l->c->is_accounts_known = true;
	l->c->accounts =
		arena_array(&l->c->arena, n + 1, sizeof(*l->c->accounts));
	if (l->c->accounts == NULL)
		return ERR_LIMIT;
	for (size_t i = 0; e == OK && i < n; i++)
		e = is_given ? add_account(l, in->account_names[i], 0)
			     : add_account(l, file.list[i].login,
					   file.list[i].line);
	return e;
}

/* Is it in virtual_alias_domains, by name or by a table? */
static bool
is_alias_domain(struct loading *l, struct str name)
{
	const struct config_domain *domain = map_get(&l->c->domains, name);
	struct table_ask ask = { &l->c->arena, NULL, NULL };
	struct table_answer ignored;

	if (domain != NULL &&
	    ((domain->flags | domain->excluded) & DOMAIN_ALIAS) != 0)
		return (domain->flags & DOMAIN_ALIAS) != 0;
	return table_list_find(&l->c->domain_tables[DOMAINS_OF_ALIASES], name,
			       TABLE_WHOLE, &ask, &ignored, NULL) == OK;
}

/* The domain of each key: "user@dom" and "@dom" are mailbox domains, as in
 * docker-mailserver, unless virtual_alias_domains says otherwise; "dom.ain"
 * alone declares an alias domain, as in Postfix.
 * A word without a dot is a local user. */
static enum err
domains_of_keys(struct loading *l, const struct table *t)
{
	struct str key;
	void *value;
	enum err e = OK;

	for (size_t at = 0;
	     e == OK && map_next(&t->entries, &at, &key, &value);) {
		ptrdiff_t sign = str_rchr(key, '@');
		bool is_alias;

		if (sign < 0 && str_chr(key, '.') < 0)
			continue;
		is_alias = sign < 0 ||
			   is_alias_domain(l, str_from(key, (size_t)sign + 1));
		e = add_domain(l, str_from(key, (size_t)(sign + 1)),
			       is_alias ? DOMAIN_ALIAS : DOMAIN_MAILBOX, NULL);
	}
	return e;
}

static const char *const domain_settings[DOMAIN_LISTS] = {
	[DOMAINS_OF_MAILBOXES] = "virtual_mailbox_domains",
	[DOMAINS_OF_US] = "mydestination",
	[DOMAINS_OF_ALIASES] = "virtual_alias_domains",
	[DOMAINS_OF_RELAY] = "relay_domains",
};

/* A table in a list of domains: its keys are domains; what is no list of keys
 * is kept, to be asked. */
static enum err
domains_of_table(struct loading *l, const struct setting *where,
		 struct str item, enum config_domain_list list)
{
	struct table_list *tables = &l->c->domain_tables[list];
	struct table *t = &tables->list[tables->n];
	struct str key;
	void *value;
	enum err e;

	if (is_made_of_accounts(item))
		return OK;
	e = load_table(l, where, item,
		       (struct table_options) { .is_key_alone_ok = true }, t);
	if (e == OK && t->kind != TABLE_ENTRIES) {
		tables->n++;
		return OK;
	}
	for (size_t at = 0;
	     e == OK && map_next(&t->entries, &at, &key, &value);)
		e = add_domain(l, key, 1u << list, NULL);
	table_release(t);
	return e;
}

/* "!name": the list does not have this domain, whatever stands behind. */
static enum err
exclude_domain(struct loading *l, const struct setting *where, struct str item,
	       unsigned flag)
{
	struct config_domain *domain;
	enum err e;

	if (str_chr(item, ':') >= 0 || str_starts(item, S("/"))) {
		diag_error(l->d, where->file, where->line,
			   "%.*s: only a name can be excluded, not %.*s",
			   STR(where->name), STR(str_first(item, 200)));
		return OK;
	}
	e = add_domain(l, item, 0, &domain);
	if (e == OK && (domain->flags & flag) == 0)
		domain->excluded |= flag;
	return e;
}

static enum err
domains_of_setting(struct loading *l, enum config_domain_list list)
{
	const char *setting = domain_settings[list];
	const struct setting *where = settings_find(&l->c->settings, setting);
	struct str items = settings_text(&l->c->settings, setting), item;
	struct table_list *tables = &l->c->domain_tables[list];
	enum err e = OK;
	size_t n = 0;

	for (struct str rest = items; settings_item(&rest, &item);)
		n++;
	tables->what = str_c(setting);
	tables->list = arena_array(&l->c->arena, n, sizeof(*tables->list));
	if (tables->list == NULL && n > 0)
		return ERR_LIMIT;
	while (e == OK && settings_item(&items, &item))
		if (str_starts(item, S("!")))
			e = exclude_domain(l, where, str_from(item, 1),
					   1u << list);
		else if (str_chr(item, ':') >= 0 || str_starts(item, S("/")))
			e = domains_of_table(l, where, item, list);
		else
			e = add_domain(l, item, 1u << list, NULL);
	return e;
}

_Static_assert(DOMAIN_MAILBOX == 1 << DOMAINS_OF_MAILBOXES &&
		       DOMAIN_MYDESTINATION == 1 << DOMAINS_OF_US &&
		       DOMAIN_ALIAS == 1 << DOMAINS_OF_ALIASES &&
		       DOMAIN_RELAY == 1 << DOMAINS_OF_RELAY,
	       "flags are numbered as the lists");

static enum err
load_domains(struct loading *l)
{
	enum err e = OK;

	for (unsigned i = 0; e == OK && i < DOMAIN_LISTS; i++)
		e = domains_of_setting(l, (enum config_domain_list)i);
	for (size_t i = 0; e == OK && i < l->c->virtual_alias.n; i++)
		e = domains_of_keys(l, &l->c->virtual_alias.list[i]);
	return e;
}

static enum err
load_quotas(struct loading *l)
{
	struct config *c = l->c;
	struct str bytes, is_on = S("");
	enum err e = variable(l, S("ENABLE_QUOTAS"), &is_on);

	if (e != OK || str_eq(is_on, S("0")))
		return e;
	e = find_file(l, QUOTAS, &c->quotas_file);
	c->default_quota_octets =
		settings_number(&c->settings, "mailbox_size_limit") /
		OCTETS_TAKEN_AS_MIB * MIB;
	if (e == ERR_NOT_FOUND)
		return OK;
	if (e == OK)
		e = read_file(l, c->quotas_file, &bytes);
	if (e == OK)
		e = quotas_parse(&c->arena, c->quotas_file, bytes, l->d,
				 &c->quotas);
	for (size_t i = 0; e == OK && i < c->quotas.n; i++)
		map_set(&c->quota_by_address, c->quotas.list[i]->address,
			c->quotas.list[i]);
	return e;
}

static enum err
load_networks(struct loading *l)
{
	const struct setting *where =
		settings_find(&l->c->settings, "mynetworks");
	struct str bad = S("");
	const char *why = NULL;
	enum err e = cidr_list_parse(
		&l->c->arena, settings_text(&l->c->settings, "mynetworks"),
		&l->c->mynetworks, &bad, &why);

	if (e == ERR_FORMAT)
		diag_error(l->d, where ? where->file : S(""),
			   where ? where->line : 0, "mynetworks: %.*s: %s",
			   STR(bad), why);
	return e == ERR_FORMAT ? OK : e;
}

/* For lint: behind a gateway may be anybody. */
static enum err
load_gateways(struct loading *l)
{
	struct buf list = BUF_INIT(SETTING_MAX_OCTETS);
	struct str route = l->in->proc_route, text, bad;
	const char *why;
	enum err e = OK;

	if (l->in->files == NULL)
		e = read_proc(l, "/proc/net/route", route, &route);
	if (e == OK)
		e = docker_gateways(route, &list);
	if (e == OK)
		e = join(l, buf_str(&list), S(""), &text);
	buf_release(&list);
	if (e == OK)
		e = cidr_list_parse(&l->c->arena, text, &l->c->gateways, &bad,
				    &why);
	return e == ERR_FORMAT ? OK : e;
}

static enum err
tell_not_read(struct loading *l)
{
	struct str path;

	for (size_t i = 0; i < sizeof(not_read) / sizeof(*not_read); i++) {
		enum err e = in_dir(l, not_read[i], &path);

		if (e != OK)
			return e;
		if (is_there(l, path))
			diag_warn(
				l->d, path, 0,
				"this file is not read yet and has no effect");
	}
	return OK;
}

static enum err
load_all(struct loading *l)
{
	static enum err (*const steps[])(struct loading *) = {
		load_main,	  load_master,	 load_relay_variables,
		load_all_tables,  load_policies, load_accounts,
		load_domains,	  load_quotas,	 load_networks,
		load_authorities, load_reports,	 load_gateways,
		tell_not_read,
	};
	struct config *c = l->c;
	enum err e = OK;

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		enum err r = steps[i](l);

		if (r != OK && r != ERR_IO)
			return r;
		if (r == ERR_IO)
			e = r;
	}
	check_sasl_mode(l);
	c->is_sasl_by_sender =
		settings_is_on(&c->settings,
			       "smtp_sender_dependent_authentication") ||
		(c->sasl.n > 0 &&
		 settings_find(&c->settings, "smtp_sasl_password_maps") ==
			 NULL);
	c->is_sasl_on = settings_is_on(&c->settings, "smtp_sasl_auth_enable") ||
			c->is_sasl_by_sender || c->relay_user.n > 0;
	return e == ERR_IO ? ERR_FORMAT : e;
}

enum err
config_load(const struct config_input *in, struct diag *d, struct config **out)
{
	struct config *c = must_alloc(sizeof(*c));
	struct loading l = { .in = in,
			     .c = c,
			     .d = d,
			     .source = { .arena = &c->arena,
					 .read = read_for_table,
					 .arg = &l,
					 .variables = in->variables,
					 .n_variables = in->n_variables,
					 .d = d } };
	size_t n_before = d->n_errors;
	enum err e;

	*out = NULL;
	arena_init(&c->arena, CONFIG_MAX_OCTETS);
	settings_init(&c->settings, &c->arena);
	for (size_t i = 0; i < 2 * MASTER_SERVICES; i++)
		settings_init(&c->smtpd[i / 2][i % 2], &c->arena);
	e = join(&l, in->dir, S(""), &c->dir);
	if (e == OK)
		e = load_all(&l);
	if (e == OK && d->n_errors > n_before + l.n_tolerated)
		e = ERR_FORMAT;
	if (e == ERR_LIMIT)
		diag_error(d, in->dir, 0, "the files together are too large");
	if (e != OK)
		config_free(&c);
	*out = c;
	return e;
}

void
config_free(struct config **config)
{
	struct config *c = *config;

	if (c == NULL)
		return;
	table_list_release(&c->virtual_alias);
	table_list_release(&c->transport);
	table_list_release(&c->sender_relayhost);
	table_list_release(&c->sender_transport);
	table_list_release(&c->sasl);
	table_list_release(&c->relocated);
	table_list_release(&c->aliases);
	table_list_release(&c->canonical);
	table_list_release(&c->sender_canonical);
	table_list_release(&c->recipient_canonical);
	table_list_release(&c->recipient_bcc);
	table_list_release(&c->sender_bcc);
	table_list_release(&c->relay_recipient);
	table_list_release(&c->tls_policy);
	table_list_release(&c->sender_login);
	table_list_release(&c->header_checks);
	table_list_release(&c->tls_names);
	table_list_release(&c->discard_ehlo);
	table_list_release(&c->mime_header_checks);
	table_list_release(&c->nested_header_checks);
	table_list_release(&c->body_checks);
	table_list_release(&c->smtp_header_checks);
	table_list_release(&c->smtp_mime_header_checks);
	table_list_release(&c->smtp_nested_header_checks);
	table_list_release(&c->smtp_body_checks);
	table_list_release(&c->local_recipient);
	table_list_release(&c->virtual_mailbox);
	for (size_t i = 0; i < DOMAIN_LISTS; i++)
		table_list_release(&c->domain_tables[i]);
	policy_release(&c->policies);
	map_release(&c->account_by_name);
	map_release(&c->quota_by_address);
	map_release(&c->domains);
	for (size_t i = 0; i < 2 * MASTER_SERVICES; i++)
		settings_release(&c->smtpd[i / 2][i % 2]);
	settings_release(&c->settings);
	arena_release(&c->arena);
	free(c);
	*config = NULL;
}

struct config *
config_hold(struct config *c)
{
	c->n_holds++;
	return c;
}

void
config_drop(struct config **config)
{
	struct config *c = *config;

	if (c == NULL || c->n_holds == 0) {
		config_free(config);
		return;
	}
	c->n_holds--;
	*config = NULL;
}

/* ---- questions ---- */

static void *
get_folded(const struct map *m, struct str name)
{
	char folded[NAME_MAX_OCTETS];

	if (name.n > sizeof(folded))
		return NULL;
	for (size_t i = 0; i < name.n; i++)
		folded[i] = ascii_lower(name.p[i]);
	return map_get(m, str_of(folded, name.n));
}

const struct config_domain *
config_domain(const struct config *c, struct str name)
{
	return get_folded(&c->domains, name);
}

const struct config_account *
config_account(const struct config *c, struct str name)
{
	return get_folded(&c->account_by_name, name);
}

bool
config_is_relay_domain(const struct config *c, struct str name)
{
	bool is_deep =
		settings_lists(&c->settings, "parent_domain_matches_subdomains",
			       S("relay_domains"));
	const struct config_domain *d;
	ptrdiff_t dot;

	for (;;) {
		d = config_domain(c, name);
		if (d != NULL && (d->excluded & DOMAIN_RELAY) != 0)
			return false;
		if (d != NULL && (d->flags & DOMAIN_RELAY) != 0)
			return true;
		dot = str_chr(name, '.');
		if (!is_deep || dot < 0)
			return false;
		name = str_from(name, (size_t)dot + 1);
	}
}

bool
config_is_my_network(const struct config *c, const uint8_t address[16])
{
	return cidr_list_has(&c->mynetworks, address);
}
