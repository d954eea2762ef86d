/* SPDX-License-Identifier: MIT
 * ctl/certs_test.c */
#include "ctl/certs.c"

#include "tests/unit/unit.h"

#include <sys/wait.h>

static char dir[] = "/tmp/certs_test.XXXXXX";

static void
names_of_a_host(void **state UNUSED)
{
	static const struct {
		const char *name;
		struct str host, want;
	} cases[] = {
		{ "full name", STR_INIT("mta1.example1.local"),
		  STR_INIT("DNS:mta1.example1.local,DNS:mta1,DNS:localhost,"
			   "IP:127.0.0.1,IP:::1") },
		{ "final dot", STR_INIT("a.b."),
		  STR_INIT("DNS:a.b,DNS:a,DNS:localhost,IP:127.0.0.1,IP:::1") },
		{ "short", STR_INIT("mta1"),
		  STR_INIT("DNS:mta1,DNS:localhost,IP:127.0.0.1,IP:::1") },
		{ "localhost once", STR_INIT("LocalHost"),
		  STR_INIT("DNS:localhost,IP:127.0.0.1,IP:::1") },
		{ "localhost.localdomain", STR_INIT("localhost.localdomain"),
		  STR_INIT("DNS:localhost.localdomain,DNS:localhost,"
			   "IP:127.0.0.1,IP:::1") },
		{ "an address", STR_INIT("192.0.2.1"),
		  STR_INIT("IP:192.0.2.1,DNS:localhost,IP:127.0.0.1,IP:::1") },
		{ "the address that is there", STR_INIT("::1"),
		  STR_INIT("IP:::1,DNS:localhost,IP:127.0.0.1") },
		{ "no other name slips in", STR_INIT("a,DNS:evil.example"),
		  STR_INIT("DNS:localhost,IP:127.0.0.1,IP:::1") },
		{ "wildcard", STR_INIT("*.example"),
		  STR_INIT("DNS:localhost,IP:127.0.0.1,IP:::1") },
		{ "empty", STR_INIT(""),
		  STR_INIT("DNS:localhost,IP:127.0.0.1,IP:::1") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct buf out = BUF_INIT(NAMES_MAX_OCTETS);

		certs_put_names(&out, cases[i].host);
		assert_str_eq(buf_str(&out), cases[i].want);
		buf_release(&out);
	}
}

static struct stat
facts_of_file(const char *name)
{
	char path[PATH_OCTETS];
	struct stat st = { 0 };

	snprintf(path, sizeof(path), "%s/tls/%s", dir, name);
	assert_int_equal(stat(path, &st), 0);
	return st;
}

static enum certs_done
make_for(const char *host, enum certs_want want)
{
	enum certs_done done;

	assert_int_equal(certs_make(dir, host, want, &done), OK);
	return done;
}

static void
assert_names(const char *want)
{
	char path[PATH_OCTETS];
	struct certs_facts facts;

	snprintf(path, sizeof(path), "%s/tls/cert.pem", dir);
	certs_facts_init(&facts);
	assert_int_equal(certs_read(path, &facts), OK);
	assert_str_eq(buf_str(&facts.names), str_c(want));
	assert_in_range(facts.until_s - facts.from_s, 397 * 86400, 397 * 86400);
	certs_facts_release(&facts);
}

static void
made_once_and_again_when_needed(void **state UNUSED)
{
	mode_t mask = umask(0077);
	ino_t authority, leaf, key;

	assert_non_null(mkdtemp(dir));
	assert_int_equal(make_for("a.example", CERTS_IF_NEEDED), CERTS_MADE);
	assert_int_equal(facts_of_file("").st_mode & 07777, 0755);
	assert_int_equal(facts_of_file("ca.pem").st_mode & 07777, 0644);
	assert_int_equal(facts_of_file("cert.pem").st_mode & 07777, 0644);
	assert_int_equal(facts_of_file("ca-key.pem").st_mode & 07777, 0600);
	assert_int_equal(facts_of_file("key.pem").st_mode & 07777, 0600);
	assert_names("a.example a localhost 127.0.0.1 ::1");
	assert_int_equal(make_for("a.example", CERTS_IF_NEEDED), CERTS_KEPT);

	/* For another name: a new certificate, nothing else. */
	authority = facts_of_file("ca.pem").st_ino;
	leaf = facts_of_file("cert.pem").st_ino;
	key = facts_of_file("key.pem").st_ino;
	assert_int_equal(make_for("b.example", CERTS_IF_NEEDED), CERTS_MADE);
	assert_names("b.example b localhost 127.0.0.1 ::1");
	assert_int_equal(facts_of_file("ca.pem").st_ino, authority);
	assert_int_equal(facts_of_file("key.pem").st_ino, key);
	assert_int_not_equal(facts_of_file("cert.pem").st_ino, leaf);

	assert_int_equal(make_for("b.example", CERTS_ALL_ANEW), CERTS_MADE);
	assert_int_equal(make_for("b.example", CERTS_IF_NEEDED), CERTS_KEPT);
	umask(mask);
}

/* As if the clock had been so far ahead when they were made. */
static void
put_off(int days)
{
	char path[PATH_OCTETS];
	struct found f = { 0 };
	int fd;

	snprintf(path, sizeof(path), "%s/tls", dir);
	fd = open(path, O_RDONLY | O_DIRECTORY);
	assert_int_equal(read_found(fd, &f), OK);
	X509_gmtime_adj(X509_getm_notBefore(f.authority), days * 86400l);
	X509_gmtime_adj(X509_getm_notBefore(f.leaf), days * 86400l);
	assert_true(X509_sign(f.authority, f.authority_key, EVP_sha256()) > 0);
	assert_true(X509_sign(f.leaf, f.authority_key, EVP_sha256()) > 0);
	assert_int_equal(write_certificate(fd, "ca.pem", f.authority), OK);
	assert_int_equal(write_certificate(fd, "cert.pem", f.leaf), OK);
	release_found(&f);
	close(fd);
}

/* F11: what was made in a wrong future serves nobody now. The authority stays
 * when it is our clock that is late by some days: clients know it. */
static void
made_in_a_wrong_future(void **state UNUSED)
{
	ino_t authority;

	put_off(2);
	authority = facts_of_file("ca.pem").st_ino;
	assert_int_equal(make_for("b.example", CERTS_IF_NEEDED), CERTS_MADE);
	assert_int_equal(facts_of_file("ca.pem").st_ino, authority);
	assert_int_equal(make_for("b.example", CERTS_IF_NEEDED), CERTS_KEPT);
	put_off(300);
	authority = facts_of_file("ca.pem").st_ino;
	assert_int_equal(make_for("b.example", CERTS_IF_NEEDED), CERTS_MADE);
	assert_int_not_equal(facts_of_file("ca.pem").st_ino, authority);
	assert_int_equal(make_for("b.example", CERTS_IF_NEEDED), CERTS_KEPT);
}

static X509 *
certificate_now(const char *name)
{
	char path[PATH_OCTETS];
	X509 *x;
	int fd;

	snprintf(path, sizeof(path), "%s/tls", dir);
	fd = open(path, O_RDONLY | O_DIRECTORY);
	assert_int_equal(read_certificate(fd, name, &x), OK);
	assert_non_null(x);
	close(fd);
	return x;
}

/* What OpenSSL says of it with the authority and the list that lie there. */
static int
error_of(X509 *leaf)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *context = X509_STORE_CTX_new();
	X509 *authority = certificate_now("ca.pem");
	char path[PATH_OCTETS];
	int error;

	snprintf(path, sizeof(path), "%s/tls/ca.crl", dir);
	assert_int_equal(X509_STORE_add_cert(store, authority), 1);
	assert_int_equal(X509_load_crl_file(X509_STORE_add_lookup(
						    store, X509_LOOKUP_file()),
					    path, X509_FILETYPE_ASN1),
			 1);
	X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
	assert_int_equal(X509_STORE_CTX_init(context, store, leaf, NULL), 1);
	X509_verify_cert(context);
	error = X509_STORE_CTX_get_error(context);
	X509_STORE_CTX_free(context);
	X509_STORE_free(store);
	X509_free(authority);
	return error;
}

/* RFC 5280 4.2.1.13 and 5: the certificate says where the list is, and the
 * list says whose key has been replaced; a renewal takes nothing back. */
static void
a_replaced_key_is_taken_back(void **state UNUSED)
{
	X509 *first, *second, *third;
	CRL_DIST_POINTS *points;
	char want[PATH_OCTETS];
	const GENERAL_NAME *name;

	assert_int_equal(make_for("b.example", CERTS_ANEW), CERTS_MADE);
	first = certificate_now("cert.pem");
	assert_int_equal(error_of(first), X509_V_OK);
	assert_int_equal(facts_of_file("ca.crl").st_mode & 07777, 0644);
	points = X509_get_ext_d2i(first, NID_crl_distribution_points, NULL,
				  NULL);
	assert_int_equal(sk_DIST_POINT_num(points), 1);
	name = sk_GENERAL_NAME_value(
		sk_DIST_POINT_value(points, 0)->distpoint->name.fullname, 0);
	snprintf(want, sizeof(want), "file://%s/tls/ca.crl", dir);
	assert_string_equal((const char *)ASN1_STRING_get0_data(
				    name->d.uniformResourceIdentifier),
			    want);
	CRL_DIST_POINTS_free(points);

	assert_int_equal(make_for("c.example", CERTS_IF_NEEDED), CERTS_MADE);
	assert_int_equal(error_of(first), X509_V_OK);
	second = certificate_now("cert.pem");
	assert_int_equal(make_for("b.example", CERTS_ANEW), CERTS_MADE);
	assert_int_equal(error_of(second), X509_V_ERR_CERT_REVOKED);
	assert_int_equal(make_for("b.example", CERTS_ANEW), CERTS_MADE);
	third = certificate_now("cert.pem");
	assert_int_equal(error_of(second), X509_V_ERR_CERT_REVOKED);
	assert_int_equal(error_of(third), X509_V_OK);
	X509_free(first);
	X509_free(second);
	X509_free(third);
}

/* What may not stand in a URI does not. */
static void
places_are_uris(void **state UNUSED)
{
	struct buf out = BUF_INIT(64);

	assert_int_equal(crl_put_place(&out, S("/a b/c,d:\xc3\xa9")), OK);
	assert_str_eq(buf_str(&out), S("file:///a%20b/c%2Cd%3A%C3%A9/ca.crl"));
	buf_release(&out);
}

/* A certificate of somebody else's authority is not replaced by ours. */
static void
a_foreign_certificate_is_kept(void **state UNUSED)
{
	char path[PATH_OCTETS];

	snprintf(path, sizeof(path), "%s/tls/ca-key.pem", dir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(make_for("c.example", CERTS_IF_NEEDED), CERTS_FOREIGN);
	assert_names("b.example b localhost 127.0.0.1 ::1");
	assert_int_equal(make_for("c.example", CERTS_ANEW), CERTS_MADE);
	assert_names("c.example c localhost 127.0.0.1 ::1");
}

/* Many that start at once end with one set that fits. */
static void
starters_do_not_race(void **state UNUSED)
{
	char cert[PATH_OCTETS], key[PATH_OCTETS], ca[PATH_OCTETS];
	int n_made = 0, status;

	snprintf(cert, sizeof(cert), "%s/tls/cert.pem", dir);
	snprintf(key, sizeof(key), "%s/tls/key.pem", dir);
	snprintf(ca, sizeof(ca), "%s/tls/ca.pem", dir);
	assert_int_equal(unlink(cert) | unlink(key) | unlink(ca), 0);
	for (int i = 0; i < 8; i++) {
		enum certs_done done;

		if (fork() == 0)
			_exit(certs_make(dir, "d.example", CERTS_IF_NEEDED,
					 &done) == OK
				      ? (int)done
				      : 99);
	}
	while (wait(&status) > 0) {
		assert_in_range(WEXITSTATUS(status), CERTS_KEPT, CERTS_MADE);
		n_made += WEXITSTATUS(status) == CERTS_MADE;
	}
	assert_int_equal(n_made, 1);
	assert_true(certs_do_fit(cert, key));
	assert_false(certs_do_fit(ca, key));
}

static void
a_path_that_cannot_be_is_an_error(void **state UNUSED)
{
	static const char *const names[] = { "ca.pem",	 "ca-key.pem",
					     "cert.pem", "key.pem",
					     ".lock",	 "ca.crl" };
	char path[PATH_OCTETS];
	enum certs_done done;

	assert_int_equal(certs_make("/proc/none", "a", CERTS_IF_NEEDED, &done),
			 ERR_IO);
	for (size_t i = 0; i < N_OF(names); i++) {
		snprintf(path, sizeof(path), "%s/tls/%s", dir, names[i]);
		assert_int_equal(unlink(path), 0);
	}
	snprintf(path, sizeof(path), "%s/tls", dir);
	assert_int_equal(rmdir(path) | rmdir(dir), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_a_host),
		cmocka_unit_test(made_once_and_again_when_needed),
		cmocka_unit_test(made_in_a_wrong_future),
		cmocka_unit_test(a_replaced_key_is_taken_back),
		cmocka_unit_test(places_are_uris),
		cmocka_unit_test(a_foreign_certificate_is_kept),
		cmocka_unit_test(starters_do_not_race),
		cmocka_unit_test(a_path_that_cannot_be_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
