/* SPDX-License-Identifier: MIT
 * lib/rt/options.h - where a program finds its files and listens: each a
 * variable of the environment and a flag. */
#pragma once

#include "lib/base/str.h"

enum listen_kind {
	LISTEN_SMTP,	    // 25
	LISTEN_SUBMISSION,  // 587, STARTTLS
	LISTEN_SUBMISSIONS, // 465, implicit TLS
	LISTEN_IMAP,	    // 143
	LISTEN_IMAPS,	    // 993
	LISTEN_POP3,	    // 110
	LISTEN_POP3S,	    // 995
	LISTEN_KINDS,
};

struct options {
	const char *config_dir, *mail_dir, *state_dir, *run_dir;
	const char *hostname; // OVERRIDE_HOSTNAME, or what the system says
	const char *ssl_type; // "" : plaintext AUTH is allowed
	const char *cert_path, *key_path, *alt_cert_path, *alt_key_path;
	const char *ssl_domain, *letsencrypt_dir;
	const char *tls_level; // "modern" or "intermediate"
	const char *log_level, *log_format;
	/* "[mta2]:25=[127.0.0.1]:3525, ..." : connect there instead. */
	const char *connect_map;
	const char *listen[LISTEN_KINDS]; // "addr:port, addr:port"
	/* "all", "ipv4" or "ipv6": what "*" stands for where mail is taken,
	 * and where it is read. */
	const char *smtp_protocols, *reading_protocols;
	unsigned n_in, n_out, n_front, n_store;
	unsigned imap_notify_s; // how often an idle client hears of us
	/* Who owns the mail tree when started as root; 0: the user vmail. */
	unsigned vmail_uid, vmail_gid;
	const char *search_index;      // "yes" or "no"
	const char *master_submission; // "1": masters may send, too
	unsigned poll_ms; // how often files are looked at; 0: as we like
};

/* Reads the environment, then the flags (which win). On --help, --version or
 * a mistake prints and exits. usage is the program's first line of help. The
 * strings belong to the options and live as long as the process. */
void
options_read(struct options *out, int argc, char **argv, const char *usage);
/* A variable, or the content of the file that NAME__FILE names (both set: the
 * plain one wins, with a warning); NULL when neither is set. Lives as long as
 * the process. */
const char *options_variable(const char *name);
/* Is it one of those that options_read() looks at? */
bool options_has_variable(struct str name);
bool options_is_plaintext_auth_allowed(const struct options *o);
