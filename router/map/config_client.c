/* SPDX-License-Identifier: MIT
 * router/map/config_client.c - what the SMTP client works by: TLS, whom it
 * trusts, which address it has.
 *
 * Process: router (and lint). What it finds goes to mta/out in the snapshot of
 * settings.
 */
#include "router/map/config_private.h"

#include "lib/mail/tls_policy.h"

#include <dirent.h>

/* They go to the MTA in one message with all other settings. */
enum { AUTHORITIES_MAX_OCTETS = 512 * 1024 };

#define SYSTEM_AUTHORITIES "/etc/ssl/certs"

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
	enum err e = config_read_file(l, path, &bytes);

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
	enum err e = config_join(l, v->value, S("/"), &slash);

	dir = e == OK && l->in->files == NULL ? opendir(slash.p) : NULL;
	if (dir == NULL) {
		diag_error(l->d, v->file, v->line, "%.*s cannot be read",
			   STR(v->value));
		return e;
	}
	while (e == OK && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.' || entry->d_type == DT_DIR)
			continue;
		e = config_join(l, slash, str_c(entry->d_name), &path);
		if (e == OK)
			e = add_authorities(l, v, path, true, out);
	}
	closedir(dir);
	return e;
}

/* Without any the client trusts those of the system, which are all in
 * SYSTEM_AUTHORITIES. */
enum err
config_load_client(struct loading *l)
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
		e = arena_str(&l->c->arena, file->value, &path);
		if (e == OK)
			e = add_authorities(l, file, path, false, &all);
	}
	if (e == OK && dir != NULL && dir->value.n > 0 &&
	    !str_starts(dir->value, S(SYSTEM_AUTHORITIES)))
		e = add_authorities_dir(l, dir, &all);
	if (e == OK)
		e = arena_str(&l->c->arena, buf_str(&all),
			      &l->c->smtp_authorities);
	buf_release(&all);
	return e;
}
