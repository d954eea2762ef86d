/* SPDX-License-Identifier: MIT
 * ctl/tls_files.c - see tls_files.h.
 *
 * Invariants:
 *  (1) main.pem is replaced only by what a server can use: each chain fits its
 *      key.
 *  (2) A private key is in no log and no diagnosis. */
#include "ctl/tls_files.h"

#include "ctl/files.h"
#include "lib/base/check.h"
#include "lib/rt/certificate.h"
#include "lib/rt/clock.h"
#include "lib/rt/dirs.h"
#include "lib/rt/fs.h"
#include "lib/rt/log.h"
#include "lib/rt/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	FILE_MAX_OCTETS = 1 << 20,
	ALL_MAX_OCTETS = 60 << 20, // below what a role takes
	DIAG_OCTETS = 1 << 20,
	LOOK_MS = 1000,
};

static const char *const names[] = { "main.cf", "postfix-main.cf" };

#define KEY_BEGINS "-----BEGIN "
#define KEY_ENDS "PRIVATE KEY-----"

struct gathering {
	const struct config *config;
	const struct setting *where; // that names the files
	struct str file;	     // and line: of what names them
	uint32_t line;
	struct diag *d;
	struct buf *out;
	size_t n_errors;
};

static void
tell(struct gathering *g, struct str path, const char *why)
{
	g->n_errors++;
	diag_error(g->d, g->file, g->line,
		   "%.*s: %.*s: %s; the certificates in use stay",
		   STR(g->where->name), STR(str_first(path, 300)), why);
}

static bool
append_file(struct gathering *g, struct str name, struct buf *out)
{
	struct buf path = BUF_INIT(CERTIFICATE_PATH_OCTETS);
	struct buf bytes = BUF_INIT(FILE_MAX_OCTETS);
	enum err e = OK;

	if (!str_starts(name, S("/")))
		e = buf_addf(&path, "%.*s/", STR(g->config->dir));
	if (e == OK)
		e = buf_addf(&path, "%.*s%c", STR(name), '\0');
	if (e == OK)
		e = fs_read_file(AT_FDCWD, path.p, &bytes);
	if (e == OK)
		e = buf_add(out, buf_str(&bytes));
	if (e == OK)
		e = buf_addc(out, '\n');
	if (e != OK)
		tell(g, name,
		     e == ERR_NOT_FOUND ? "there is no such file"
					: err_text(e));
	buf_release(&path);
	buf_wipe(&bytes);
	return e == OK;
}

/* One chain with its key. */
static void
add_section(struct gathering *g, struct str name, struct str pem)
{
	const char *why = tls_why_unfit(pem);

	if (why[0] != '\0') {
		tell(g, name, why);
		return;
	}
	if ((g->out->n > 0 && !str_ends(buf_str(g->out), S("\n")) &&
	     buf_addc(g->out, '\n') != OK) ||
	    buf_add(g->out, pem) != OK)
		tell(g, name, "too many certificates");
}

static void
add_separator(struct gathering *g, size_t n_before)
{
	if (g->out->n > n_before &&
	    buf_add(g->out, S(CERTIFICATE_SEPARATOR)) != OK)
		tell(g, S(""), "too many certificates");
}

/* Where the next private key begins, from at on; pem.n: there is none. */
static size_t
next_key(struct str pem, size_t at)
{
	while (at < pem.n) {
		ptrdiff_t begin = str_find(str_from(pem, at), S(KEY_BEGINS));
		struct str line;

		if (begin < 0)
			return pem.n;
		at += (size_t)begin;
		line = str_from(pem, at + sizeof(KEY_BEGINS) - 1);
		begin = str_find(line, S("-----"));
		if (begin >= 0 &&
		    str_ends(str_first(line, (size_t)begin + 5), S(KEY_ENDS)))
			return at;
		at++;
	}
	return pem.n;
}

/* key1, chain1, key2, chain2 ... in one file or in several. */
static void
add_chains(struct gathering *g, struct str list)
{
	struct buf pem = BUF_INIT(ALL_MAX_OCTETS);
	struct str name, all, first = S("");
	size_t n_errors = g->n_errors, n_before = g->out->n;

	while (settings_item(&list, &name)) {
		if (first.n == 0)
			first = name;
		append_file(g, name, &pem);
	}
	all = buf_str(&pem);
	if (g->n_errors == n_errors && next_key(all, 0) == all.n)
		tell(g, first, "no private key, which comes first");
	for (size_t at = next_key(all, 0), end;
	     g->n_errors == n_errors && at < all.n; at = end) {
		end = next_key(all, at + 1);
		add_separator(g, n_before);
		add_section(g, first, str_sub(all, at, end - at));
	}
	buf_wipe(&pem);
}

static void
add_pair(struct gathering *g, const char *cert, const char *key)
{
	const struct settings *s = &g->config->settings;
	struct buf pem = BUF_INIT(2 * FILE_MAX_OCTETS + 2);
	struct str chain = settings_text(s, cert);

	g->where = settings_find(s, cert);
	if (g->where == NULL || chain.n == 0 || str_ieq(chain, S("none")))
		return;
	g->file = g->where->file;
	g->line = g->where->line;
	add_separator(g, 0);
	if (append_file(g, chain, &pem) &&
	    (str_eq(chain, settings_text(s, key)) ||
	     append_file(g, settings_text(s, key), &pem)))
		add_section(g, chain, buf_str(&pem));
	buf_wipe(&pem);
}

static void
add_names(struct gathering *g, const struct table *t)
{
	struct str name;
	void *value;
	size_t at = 0;

	if (t->kind != TABLE_ENTRIES) {
		tell(g, t->name,
		     "names of certificates need a table of "
		     "entries (texthash, inline ...)");
		return;
	}
	while (map_next(&t->entries, &at, &name, &value)) {
		const struct table_entry *entry = value;

		g->file = t->file;
		g->line = entry->line;
		if (buf_addf(g->out, "%s%.*s\n", CERTIFICATE_NAME,
			     STR(str_first(name, 255))) != OK)
			tell(g, name, "too many certificates");
		add_chains(g, entry->value);
	}
}

bool
tls_files_gather(const struct config *c, struct diag *d, struct buf *out)
{
	const struct settings *s = &c->settings;
	struct buf own = BUF_INIT(ALL_MAX_OCTETS);
	struct gathering g = { .config = c, .d = d, .out = &own };
	bool is_good;

	g.where = settings_find(s, "smtpd_tls_chain_files");
	if (g.where != NULL && g.where->value.n > 0) {
		g.file = g.where->file;
		g.line = g.where->line;
		add_chains(&g, g.where->value);
	} else {
		add_pair(&g, "smtpd_tls_cert_file", "smtpd_tls_key_file");
		add_pair(&g, "smtpd_tls_eccert_file", "smtpd_tls_eckey_file");
	}
	g.where = settings_find(s, "tls_server_sni_maps");
	if (g.where != NULL && c->tls_names.n > 0) {
		g.file = g.where->file;
		g.line = g.where->line;
		if (own.n == 0 && g.n_errors == 0)
			tell(&g, S("smtpd_tls_chain_files"),
			     "is needed for those who ask for no name");
		for (size_t i = 0; i < c->tls_names.n; i++)
			add_names(&g, &c->tls_names.list[i]);
	}
	is_good = g.n_errors == 0 && own.n > 0;
	if (is_good && out != NULL)
		check(buf_add(out, buf_str(&own)) == OK);
	buf_wipe(&own);
	return is_good;
}

/* ---- STATE/tls/main.pem ---- */

static int
open_dir(const struct options *o)
{
	char path[CERTIFICATE_PATH_OCTETS];

	snprintf(path, sizeof(path), "%.400s/tls", o->state_dir);
	return dirs_make(path, 0755) == OK ? fs_open_dir(AT_FDCWD, path) : -1;
}

static const char *
base_name(void)
{
	return strrchr(CERTIFICATE_MAIN, '/') + 1;
}

static void
put_in_force(const struct options *o, struct str pem)
{
	struct buf before = BUF_INIT(ALL_MAX_OCTETS);
	int dir = open_dir(o);
	enum err e = dir < 0 ? ERR_IO : OK;

	if (e == OK && fs_read_file(dir, base_name(), &before) == OK &&
	    str_eq(buf_str(&before), pem))
		pem = STR_NONE; // as it is
	if (e == OK && pem.n > 0) {
		e = fs_replace(dir, base_name(), pem, 0600);
		if (e == OK)
			log_info("tls.files", FC("written", CERTIFICATE_MAIN));
	}
	if (e != OK)
		log_error("tls.files", FC("path", o->state_dir), FERR(e));
	if (dir >= 0)
		close(dir);
	buf_wipe(&before);
}

static void
take_out(const struct options *o)
{
	int dir = open_dir(o);

	if (dir >= 0 && unlinkat(dir, base_name(), 0) == 0)
		log_info("tls.files", FC("removed", CERTIFICATE_MAIN));
	if (dir >= 0)
		close(dir);
}

/* Is it worth while to read all files of the configuration? */
static bool
is_named(const struct options *o)
{
	static const struct str words[] = {
		STR_INIT("smtpd_tls_chain_files"),
		STR_INIT("smtpd_tls_cert_file"),
		STR_INIT("smtpd_tls_eccert_file"),
		STR_INIT("tls_server_sni_maps"),
	};
	bool is_found = false;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct buf bytes = BUF_INIT(FILE_MAX_OCTETS);
		char path[CERTIFICATE_PATH_OCTETS];

		snprintf(path, sizeof(path), "%.400s/%s", o->config_dir,
			 names[i]);
		if (fs_read_file(AT_FDCWD, path, &bytes) == OK)
			for (size_t k = 0; k < 4; k++)
				is_found = is_found || str_find(buf_str(&bytes),
								words[k]) >= 0;
		buf_release(&bytes);
	}
	return is_found;
}

static void
log_all(const struct diag *d)
{
	for (const struct diag_entry *e = d->first; e != NULL; e = e->next) {
		struct buf line = BUF_INIT(4096);

		if (e->severity == DIAG_ERROR && diag_format(e, &line) == OK)
			log_error("tls.files",
				  F("text", str_rtrim(buf_str(&line))));
		buf_release(&line);
	}
}

/* Does main.cf set one of them to something? */
static bool
has_setting(const struct config *c)
{
	static const char *const all[] = { "smtpd_tls_chain_files",
					   "smtpd_tls_cert_file",
					   "smtpd_tls_eccert_file",
					   "tls_server_sni_maps" };

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (settings_text(&c->settings, all[i]).n > 0)
			return true;
	return false;
}

bool
tls_files_take(const struct options *o)
{
	struct buf pem = BUF_INIT(ALL_MAX_OCTETS);
	struct config *c = NULL;
	struct diag d, own;
	bool has_files = is_named(o);

	diag_init(&d, DIAG_OCTETS);
	diag_init(&own, DIAG_OCTETS);
	/* What is wrong with the rest of the files is the router's to tell. */
	if (has_files && files_load(o->config_dir, o->hostname, &d, &c) == OK) {
		has_files = has_setting(c);
		if (has_files && tls_files_gather(c, &own, &pem))
			put_in_force(o, buf_str(&pem));
		log_all(&own);
	}
	if (!has_files)
		take_out(o);
	config_free(&c);
	diag_release(&d);
	diag_release(&own);
	buf_wipe(&pem);
	return has_files;
}

/* ---- changes ---- */

/* Sum of what stat() tells of one path, mixed into what was before. */
static uint64_t
mix(uint64_t sum, const char *path)
{
	struct stat st = { 0 };

	if (stat(path, &st) != 0)
		memset(&st, 0, sizeof(st));
	sum = (sum ^ (uint64_t)st.st_ino) * 0x9e3779b97f4a7c15u;
	sum = (sum ^ (uint64_t)st.st_size) * 0x9e3779b97f4a7c15u;
	sum = (sum ^ (uint64_t)st.st_mtim.tv_sec) * 0x9e3779b97f4a7c15u;
	return (sum ^ (uint64_t)st.st_mtim.tv_nsec) * 0x9e3779b97f4a7c15u;
}

static uint64_t
mix_name(const struct config *c, uint64_t sum, struct str name)
{
	char path[CERTIFICATE_PATH_OCTETS];
	bool is_whole = str_starts(name, S("/"));

	snprintf(path, sizeof(path), "%.*s%s%.*s",
		 is_whole ? 0 : (int)str_first(c->dir, 250).n, c->dir.p,
		 is_whole ? "" : "/", STR(str_first(name, 250)));
	return mix(sum, path);
}

static uint64_t
mix_list(const struct config *c, uint64_t sum, struct str list)
{
	struct str name;

	while (settings_item(&list, &name))
		sum = mix_name(c, sum, name);
	return sum;
}

/* Of all files that matter. */
static uint64_t
sum_of(const struct config *c)
{
	static const char *const lists[] = {
		"smtpd_tls_chain_files", "smtpd_tls_cert_file",
		"smtpd_tls_key_file",	 "smtpd_tls_eccert_file",
		"smtpd_tls_eckey_file",
	};
	uint64_t sum = 1;

	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
		sum = mix_list(c, sum, settings_text(&c->settings, lists[i]));
	for (size_t i = 0; i < c->tls_names.n; i++) {
		const struct table *t = &c->tls_names.list[i];
		struct str name;
		void *value;
		size_t at = 0;

		sum = mix_name(c, sum, t->file);
		while (map_next(&t->entries, &at, &name, &value))
			sum = mix_list(
				c, sum,
				((const struct table_entry *)value)->value);
	}
	return sum;
}

void
tls_files_follow(const struct options *o)
{
	struct config *c = NULL;
	struct diag d;
	uint64_t sum;

	while (tls_files_take(o)) {
		diag_init(&d, DIAG_OCTETS);
		if (files_load(o->config_dir, o->hostname, &d, &c) != OK)
			c = NULL;
		sum = c != NULL ? sum_of(c) : 0;
		/* Until one of them changes; a set that cannot be loaded is
		 * mended in main.cf, or in a table that nobody looks at. */
		do
			usleep(LOOK_MS * 1000);
		while (c != NULL && sum_of(c) == sum);
		config_free(&c);
		diag_release(&d);
	}
}

bool
tls_files_have_changed(const struct options *o)
{
	static uint64_t before;
	char path[CERTIFICATE_PATH_OCTETS];
	uint64_t sum = 1;
	bool is_same;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(path, sizeof(path), "%.400s/%s", o->config_dir,
			 names[i]);
		sum = mix(sum, path);
	}
	is_same = sum == before;
	before = sum;
	return !is_same;
}
