/* SPDX-License-Identifier: MIT
 * lib/rt/certificate.c - see certificate.h. */
#include "lib/rt/certificate.h"

#include <stdio.h>
#include <unistd.h>

size_t
certificate_names(const struct options *o, struct str names_out[3])
{
	struct str host = str_c(o->hostname), name = str_c(o->ssl_domain);
	ptrdiff_t dot = str_chr(host, '.');
	struct str domain = host;
	size_t n = 0;

	/* More than two labels: all but the first. */
	if (dot >= 0 && str_chr(str_from(host, (size_t)dot + 1), '.') >= 0)
		domain = str_from(host, (size_t)dot + 1);
	if (str_starts(name, S("*.")))
		name = str_from(name, 2);
	if (name.n > 0)
		names_out[n++] = name;
	names_out[n++] = host;
	names_out[n++] = domain;
	return n;
}

static bool
is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

static bool
find_live(const struct options *o, struct certificate_files *out)
{
	static const char *const keys[] = { "key.pem", "privkey.pem" };
	struct str names[3];
	size_t n = certificate_names(o, names);

	for (size_t i = 0; i < n; i++) {
		if (str_chr(names[i], '/') >= 0)
			continue;
		snprintf(out->path[0], CERTIFICATE_PATH_OCTETS,
			 "%.200s/live/%.*s/fullchain.pem", o->letsencrypt_dir,
			 STR(str_first(names[i], 255)));
		for (size_t k = 0; is_there(out->path[0]) && k < 2; k++) {
			snprintf(out->path[1], CERTIFICATE_PATH_OCTETS,
				 "%.200s/live/%.*s/%s", o->letsencrypt_dir,
				 STR(str_first(names[i], 255)), keys[k]);
			if (is_there(out->path[1]))
				return true;
		}
	}
	return false;
}

static void
set(struct certificate_files *out, const char *cert, const char *key)
{
	snprintf(out->path[0], CERTIFICATE_PATH_OCTETS, "%s", cert);
	snprintf(out->path[1], CERTIFICATE_PATH_OCTETS, "%s", key);
}

static void
set_in(struct certificate_files *out, int which, const char *dir,
       const char *name, const char *end)
{
	snprintf(out->path[which], CERTIFICATE_PATH_OCTETS, "%.200s/%.255s%s",
		 dir, name, end);
}

static void
set_given(const struct options *o, struct certificate_files *out)
{
	set(out, o->cert_path, o->key_path);
	if (o->alt_cert_path[0] == '\0')
		return;
	snprintf(out->path[2], CERTIFICATE_PATH_OCTETS, "%s", o->alt_cert_path);
	snprintf(out->path[3], CERTIFICATE_PATH_OCTETS, "%s", o->alt_key_path);
}

/* What main.cf names, if it names any. */
static bool
find_main(const struct options *o, bool is_smtp, struct certificate_files *out)
{
	struct str type = str_c(o->ssl_type);
	bool is_free = o->cert_path[0] == '\0' &&
		       (type.n == 0 || str_ieq(type, S("auto")));

	if (!is_smtp && !is_free)
		return false;
	set_in(out, 0, o->state_dir, CERTIFICATE_MAIN, "");
	if (is_there(out->path[0]))
		return true;
	out->path[0][0] = '\0';
	return false;
}

void
certificate_find(const struct options *o, bool is_smtp,
		 struct certificate_files *out)
{
	struct str type = str_c(o->ssl_type);
	char ssl[300];

	memset(out, 0, sizeof(*out));
	if (find_main(o, is_smtp, out))
		return;
	snprintf(ssl, sizeof(ssl), "%.200s/ssl", o->config_dir);
	if (str_ieq(type, S("self-signed"))) {
		set_in(out, 0, ssl, o->hostname, "-cert.pem");
		set_in(out, 1, ssl, o->hostname, "-key.pem");
	} else if (str_ieq(type, S("custom"))) {
		set_in(out, 0, ssl, o->hostname, "-full.pem");
	} else if (str_ieq(type, S("letsencrypt"))) {
		if (find_live(o, out))
			return;
		set_in(out, 0, o->state_dir, CERTIFICATE_ACME, "");
		out->path[1][0] = '\0';
	} else if (o->cert_path[0] != '\0') {
		set_given(o, out);
	} else {
		set_in(out, 0, o->state_dir, "tls/cert.pem", "");
		set_in(out, 1, o->state_dir, "tls/key.pem", "");
	}
}

bool
certificate_is_ours(const struct options *o)
{
	return o->cert_path[0] == '\0' &&
	       (o->ssl_type[0] == '\0' ||
		str_ieq(str_c(o->ssl_type), S("auto")));
}

void
certificate_advice(const struct options *o,
		   char text_out[CERTIFICATE_ADVICE_OCTETS])
{
	struct str type = str_c(o->ssl_type);

	if (str_ieq(type, S("letsencrypt")))
		snprintf(text_out, CERTIFICATE_ADVICE_OCTETS,
			 "SSL_TYPE=letsencrypt: %s/live/%s/fullchain.pem and "
			 "privkey.pem, or %s/acme.json, must be there and "
			 "readable; SSL_DOMAIN names another directory of "
			 "live/",
			 o->letsencrypt_dir,
			 o->ssl_domain[0] != '\0' ? o->ssl_domain : o->hostname,
			 o->letsencrypt_dir);
	else if (str_ieq(type, S("self-signed")))
		snprintf(text_out, CERTIFICATE_ADVICE_OCTETS,
			 "SSL_TYPE=self-signed: put %s-cert.pem and "
			 "%s-key.pem into %s/ssl",
			 o->hostname, o->hostname, o->config_dir);
	else if (str_ieq(type, S("custom")))
		snprintf(text_out, CERTIFICATE_ADVICE_OCTETS,
			 "SSL_TYPE=custom: put %s-full.pem into %s/ssl",
			 o->hostname, o->config_dir);
	else if (o->cert_path[0] != '\0')
		snprintf(text_out, CERTIFICATE_ADVICE_OCTETS,
			 "SSL_CERT_PATH and SSL_KEY_PATH: name files that can "
			 "be read");
	else if (str_ieq(type, S("manual")))
		snprintf(text_out, CERTIFICATE_ADVICE_OCTETS,
			 "SSL_TYPE=manual: let SSL_CERT_PATH and SSL_KEY_PATH "
			 "name your files");
	else
		snprintf(text_out, CERTIFICATE_ADVICE_OCTETS,
			 "mailctl cert make");
}
