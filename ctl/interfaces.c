/* SPDX-License-Identifier: MIT
 * ctl/interfaces.c - see interfaces.h.
 *
 * Invariant: where inet_interfaces is not "all", no listener of "*" stays,
 * whatever is wrong with it. */
#include "ctl/interfaces.h"

#include "lib/base/check.h"
#include "lib/rt/fs.h"
#include "router/map/main_cf.h"

#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>

enum {
	FILE_MAX_OCTETS = 1 << 20,
	ARENA_OCTETS = 8 << 20,
	DIAG_OCTETS = 1 << 20,
	HOST_OCTETS = 256,
	PATH_OCTETS = 512,
	ADDRESS_OCTETS = 64, // with brackets
};

struct addresses {
	char list[INTERFACES_MAX][ADDRESS_OCTETS];
	size_t n;
	bool has_v4, has_v6; // of inet_protocols
	bool has_too_many;
};

/* Numeric, of a family that is wanted; once. */
static void
add_address(struct addresses *a, const struct sockaddr *at)
{
	char host[ADDRESS_OCTETS - 2], text[ADDRESS_OCTETS];
	bool is_v6 = at->sa_family == AF_INET6;

	if (!(is_v6 ? a->has_v6 : at->sa_family == AF_INET && a->has_v4))
		return;
	if (getnameinfo(at,
			is_v6 ? sizeof(struct sockaddr_in6)
			      : sizeof(struct sockaddr_in),
			host, sizeof(host), NULL, 0, NI_NUMERICHOST) != 0)
		return;
	snprintf(text, sizeof(text), is_v6 ? "[%s]" : "%s", host);
	for (size_t i = 0; i < a->n; i++)
		if (str_eq(str_c(a->list[i]), str_c(text)))
			return;
	a->has_too_many |= a->n == INTERFACES_MAX;
	if (a->n < INTERFACES_MAX)
		memcpy(a->list[a->n++], text, sizeof(text));
}

static void
add_loopback(struct addresses *a)
{
	struct ifaddrs *all = NULL;

	if (getifaddrs(&all) == 0)
		for (struct ifaddrs *i = all; i != NULL; i = i->ifa_next)
			if (i->ifa_addr != NULL &&
			    (i->ifa_flags & IFF_LOOPBACK) != 0)
				add_address(a, i->ifa_addr);
	if (all != NULL)
		freeifaddrs(all);
}

/* A name, or an address with or without brackets. */
static bool
add_host(struct addresses *a, struct str host)
{
	const struct addrinfo want = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	char name[HOST_OCTETS];

	if (str_starts(host, S("[")) && str_ends(host, S("]")))
		host = str_sub(host, 1, host.n - 2);
	if (host.n == 0 || str_to_c(host, name, sizeof(name)) != OK ||
	    getaddrinfo(name, NULL, &want, &found) != 0)
		return false;
	for (struct addrinfo *i = found; i != NULL; i = i->ai_next)
		add_address(a, i->ai_addr);
	freeaddrinfo(found);
	return true;
}

static void
set_protocols(struct addresses *a, struct str list)
{
	struct str word;
	bool is_any = false;

	while (settings_item(&list, &word)) {
		is_any = true;
		a->has_v4 |=
			str_ieq(word, S("ipv4")) || str_ieq(word, S("all"));
		a->has_v6 |=
			str_ieq(word, S("ipv6")) || str_ieq(word, S("all"));
	}
	if (!is_any || !(a->has_v4 || a->has_v6))
		a->has_v4 = a->has_v6 = true;
}

/* False: all. */
static bool
read_interfaces(struct addresses *a, const struct setting *v, struct diag *d)
{
	struct str list = v->value, word;

	while (settings_item(&list, &word))
		if (str_ieq(word, S("all")))
			return false;
	list = v->value;
	while (settings_item(&list, &word))
		if (str_ieq(word, S("loopback-only")))
			add_loopback(a);
		else if (!add_host(a, word))
			diag_warn(d, v->file, v->line,
				  "inet_interfaces: %.*s is no address, and "
				  "no host that can be found",
				  STR(str_first(word, 100)));
	if (a->has_too_many)
		diag_warn(d, v->file, v->line,
			  "inet_interfaces: more than %d addresses; the rest "
			  "is left out",
			  INTERFACES_MAX);
	if (a->n == 0) {
		diag_warn(d, v->file, v->line,
			  "inet_interfaces: nothing is left to listen at but "
			  "loopback");
		add_loopback(a);
	}
	return true;
}

/* "*:25, 192.0.2.1:25" with the addresses for "*". */
static void
put_listeners(struct buf *out, struct str list, const struct addresses *a)
{
	struct str item;
	bool is_first = true;

	while (str_split(&list, ',', &item)) {
		bool is_any;

		item = str_trim(item);
		is_any = str_starts(item, S("*:"));
		for (size_t i = 0; i < (is_any ? a->n : 1); i++) {
			buf_put(out, is_first ? S("") : S(","));
			if (is_any)
				buf_put(out, str_c(a->list[i]));
			buf_put(out, str_from(item, is_any));
			is_first = false;
		}
	}
}

static void
put_addresses(const struct options *o, const struct addresses *a,
	      struct buf *out)
{
	static const struct {
		const char *flag;
		enum listen_kind kind;
	} flags[] = {
		{ "listen-smtp", LISTEN_SMTP },
		{ "listen-submission", LISTEN_SUBMISSION },
		{ "listen-submissions", LISTEN_SUBMISSIONS },
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		struct str list = str_c(o->listen[flags[i].kind]);

		if (str_chr(list, '*') < 0)
			continue;
		buf_put(out, str_c(flags[i].flag));
		buf_put(out, S("="));
		put_listeners(out, list, a);
		buf_put(out, S("\n"));
	}
}

static void
put_flags(const struct options *o, const struct settings *s, struct diag *d,
	  struct buf *out)
{
	const struct setting *interfaces = settings_find(s, "inet_interfaces");
	struct addresses a = { .n = 0 };

	set_protocols(&a, settings_text(s, "inet_protocols"));
	if (a.has_v4 != a.has_v6)
		buf_put(out, a.has_v4 ? S("smtp-protocols=ipv4\n")
				      : S("smtp-protocols=ipv6\n"));
	if (interfaces != NULL && read_interfaces(&a, interfaces, d))
		put_addresses(o, &a, out);
}

/* Nobody knows what it says of addresses. */
static void
put_loopback(const struct options *o, const char *path, enum err why,
	     struct diag *d, struct buf *out)
{
	struct addresses a = { .has_v4 = true, .has_v6 = true };

	diag_warn(d, str_c(path), 0,
		  "inet_interfaces: the file cannot be read (%s); mail is "
		  "taken at loopback alone",
		  err_text(why));
	add_loopback(&a);
	put_addresses(o, &a, out);
}

/* ERR_NOT_FOUND: no such file, or it says nothing of the kind. */
static enum err
read_main(const struct options *o, char *path, struct buf *bytes)
{
	static const char *const names[] = { "main.cf", "postfix-main.cf" };
	enum err e = ERR_NOT_FOUND;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(path, PATH_OCTETS, "%.400s/%s", o->config_dir,
			 names[i]);
		e = fs_read_file(AT_FDCWD, path, bytes);
		if (e != ERR_NOT_FOUND)
			break;
	}
	return e == OK && str_find(buf_str(bytes), S("inet_")) < 0
		       ? ERR_NOT_FOUND
		       : e;
}

void
interfaces_flags(const struct options *o, struct diag *d, struct buf *out)
{
	struct arena arena = ARENA_INIT(ARENA_OCTETS);
	struct buf bytes = BUF_INIT(FILE_MAX_OCTETS);
	const char *protocols = options_variable("POSTFIX_INET_PROTOCOLS");
	char path[PATH_OCTETS];
	struct settings s;
	struct diag others; // are the router's to tell
	enum err e;

	settings_init(&s, &arena);
	diag_init(&others, DIAG_OCTETS);
	e = read_main(o, path, &bytes);
	if (e == OK)
		e = settings_read(&s, str_c(path), buf_str(&bytes), &others);
	if (e == OK)
		e = settings_preset(&s, S("myhostname"), str_c(o->hostname),
				    S("hostname"), &others);
	if (e == OK && protocols != NULL)
		e = settings_preset(&s, S("inet_protocols"), str_c(protocols),
				    S("POSTFIX_INET_PROTOCOLS"), &others);
	if (e == OK)
		e = settings_finish(&s, &others);
	if (e == OK)
		put_flags(o, &s, d, out);
	else if (e != ERR_NOT_FOUND)
		put_loopback(o, path, e, d, out);
	diag_release(&others);
	settings_release(&s);
	buf_release(&bytes);
	arena_release(&arena);
}
