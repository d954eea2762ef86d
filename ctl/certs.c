/* SPDX-License-Identifier: MIT
 * ctl/certs.c - makes keys and certificates (RFC 5280, RFC 6125). */
#include "ctl/certs.h"

#include "ctl/crl.h"
#include "lib/base/check.h"
#include "lib/rt/dirs.h"
#include "lib/rt/fs.h"
#include "lib/rt/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	PEM_MAX_OCTETS = 1 << 20,
	PATH_OCTETS = 1024,
	PLACE_MAX_OCTETS = 4 * PATH_MAX, // each octet of a path as %XX
	NAMES_MAX_OCTETS = 4096,
	HOST_MAX_OCTETS = 253, // RFC 1035 3.1
	NAME_MAX_OCTETS = 64,  // RFC 5280 A.1: ub-common-name
	SERIAL_OCTETS = 16,    // RFC 5280 4.1.2.2: at most 20
	DAY_S = 86400,
	AUTHORITY_DAYS = 3650,
	LEAF_DAYS = 397, // what browsers accept at most
	RENEW_DAYS = 30,
	SKEW_S = 3600, // clients whose clock is late
};

/* ---- names ---- */

static bool
is_host_name(struct str name)
{
	if (name.n == 0 || name.n > HOST_MAX_OCTETS || name.p[0] == '.' ||
	    name.p[0] == '-' || str_find(name, S("..")) >= 0)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (!ascii_is_alpha(name.p[i]) && !ascii_is_digit(name.p[i]) &&
		    name.p[i] != '-' && name.p[i] != '.')
			return false;
	return true;
}

static bool
is_address(struct str name)
{
	char text[INET6_ADDRSTRLEN], binary[16];

	return str_to_c(name, text, sizeof(text)) == OK &&
	       (inet_pton(AF_INET, text, binary) == 1 ||
		inet_pton(AF_INET6, text, binary) == 1);
}

static void
put_name(struct buf *out, const char *kind, struct str name)
{
	buf_putf(out, "%s%s:%.*s", out->n ? "," : "", kind, STR(name));
}

void
certs_put_names(struct buf *out, struct str hostname)
{
	struct str name = hostname, first;

	if (str_ends(name, S(".")))
		name.n--;
	first = str_first(name, name.n);
	if (str_chr(name, '.') >= 0)
		first = str_first(name, (size_t)str_chr(name, '.'));
	if (is_address(name)) {
		put_name(out, "IP", name);
	} else if (is_host_name(name) && !str_ieq(name, S("localhost"))) {
		put_name(out, "DNS", name);
		if (!str_eq(first, name) && !str_ieq(first, S("localhost")))
			put_name(out, "DNS", first);
	}
	put_name(out, "DNS", S("localhost"));
	if (!str_eq(name, S("127.0.0.1")))
		put_name(out, "IP", S("127.0.0.1"));
	if (!str_eq(name, S("::1")))
		put_name(out, "IP", S("::1"));
}

/* ---- making ---- */

static bool
fail(const char *what)
{
	char text[256];

	ERR_error_string_n(ERR_peek_last_error(), text, sizeof(text));
	log_error("cert.failed", FC("what", what), FC("reason", text));
	ERR_clear_error();
	return false;
}

static bool
set_serial(X509 *x)
{
	unsigned char bytes[SERIAL_OCTETS];
	BIGNUM *n = NULL;
	bool ok;

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return false;
	bytes[0] &= 0x7f; // positive
	bytes[0] |= 0x40; // and of one length
	n = BN_bin2bn(bytes, sizeof(bytes), NULL);
	ok = n != NULL && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x));
	BN_free(n);
	return ok;
}

static bool
set_subject(X509 *x, struct str common_name)
{
	X509_NAME *name = X509_get_subject_name(x);

	common_name = str_first(common_name, NAME_MAX_OCTETS);
	return X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
					  (const unsigned char *)"Estafeta", -1,
					  -1, 0) == 1 &&
	       X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
					  (const unsigned char *)common_name.p,
					  (int)common_name.n, -1, 0) == 1;
}

static bool
add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *extension;
	X509V3_CTX context;
	bool ok;

	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, issuer, x, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	ok = extension != NULL && X509_add_ext(x, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return ok;
}

static bool
set_validity(X509 *x, int days, const ASN1_TIME *not_beyond)
{
	time_t from_s = time(NULL) - SKEW_S;

	if (X509_time_adj_ex(X509_getm_notBefore(x), 0, 0, &from_s) == NULL ||
	    X509_time_adj_ex(X509_getm_notAfter(x), days, 0, &from_s) == NULL)
		return false;
	if (not_beyond == NULL ||
	    ASN1_TIME_compare(X509_get0_notAfter(x), not_beyond) <= 0)
		return true;
	return X509_set1_notAfter(x, not_beyond) == 1;
}

/* NULL with the reason logged. Certificate and key stay the caller's. */
static X509 *
new_authority(EVP_PKEY *key, const char *hostname)
{
	X509 *x = X509_new();
	char name[NAME_MAX_OCTETS + 1];
	bool ok;

	snprintf(name, sizeof(name), "Authority of %s", hostname);
	ok = x != NULL && X509_set_version(x, X509_VERSION_3) == 1 &&
	     set_serial(x) && set_subject(x, str_c(name)) &&
	     X509_set_issuer_name(x, X509_get_subject_name(x)) == 1 &&
	     set_validity(x, AUTHORITY_DAYS, NULL) &&
	     X509_set_pubkey(x, key) == 1 &&
	     add_extension(x, x, NID_basic_constraints,
			   "critical,CA:TRUE,pathlen:0") &&
	     add_extension(x, x, NID_key_usage,
			   "critical,keyCertSign,cRLSign") &&
	     add_extension(x, x, NID_subject_key_identifier, "hash") &&
	     X509_sign(x, key, EVP_sha256()) > 0;
	if (ok)
		return x;
	fail("authority");
	X509_free(x);
	return NULL;
}

/* list: the place of what the authority has taken back. */
static X509 *
new_leaf(EVP_PKEY *key, const char *hostname, X509 *authority,
	 EVP_PKEY *authority_key, const char *list)
{
	struct buf names = BUF_INIT(NAMES_MAX_OCTETS);
	X509 *x = X509_new();
	bool ok;

	certs_put_names(&names, str_c(hostname));
	buf_putc(&names, '\0');
	ok = x != NULL && X509_set_version(x, X509_VERSION_3) == 1 &&
	     set_serial(x) && set_subject(x, str_c(hostname)) &&
	     X509_set_issuer_name(x, X509_get_subject_name(authority)) == 1 &&
	     set_validity(x, LEAF_DAYS, X509_get0_notAfter(authority)) &&
	     X509_set_pubkey(x, key) == 1 &&
	     add_extension(x, authority, NID_basic_constraints,
			   "critical,CA:FALSE") &&
	     add_extension(x, authority, NID_key_usage,
			   "critical,digitalSignature") &&
	     add_extension(x, authority, NID_ext_key_usage, "serverAuth") &&
	     add_extension(x, authority, NID_subject_key_identifier, "hash") &&
	     add_extension(x, authority, NID_authority_key_identifier,
			   "keyid:always") &&
	     add_extension(x, authority, NID_subject_alt_name, names.p) &&
	     add_extension(x, authority, NID_crl_distribution_points, list) &&
	     X509_sign(x, authority_key, EVP_sha256()) > 0;
	buf_release(&names);
	if (ok)
		return x;
	fail("certificate");
	X509_free(x);
	return NULL;
}

/* ---- the files ---- */

/* What lies in the directory; NULL: not there. */
struct found {
	X509 *authority, *leaf;
	EVP_PKEY *authority_key, *key;
};

static void
release_found(struct found *f)
{
	X509_free(f->authority);
	X509_free(f->leaf);
	EVP_PKEY_free(f->authority_key);
	EVP_PKEY_free(f->key);
	*f = (struct found) { 0 };
}

static void
replace_authority(struct found *f, X509 *x, EVP_PKEY *key)
{
	X509_free(f->authority);
	EVP_PKEY_free(f->authority_key);
	f->authority = x;
	f->authority_key = key;
}

/* OK and an empty buf when there is no such file. */
static enum err
read_pem(int dir, const char *name, struct buf *out)
{
	enum err e = fs_read_file(dir, name, out);

	return e == ERR_NOT_FOUND ? OK : e;
}

static X509 *
parse_certificate(const struct buf *pem)
{
	BIO *bio = BIO_new_mem_buf(pem->p, (int)pem->n);
	X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	BIO_free(bio);
	ERR_clear_error();
	return x;
}

static EVP_PKEY *
parse_key(const struct buf *pem)
{
	BIO *bio = BIO_new_mem_buf(pem->p, (int)pem->n);
	/* An encrypted key is no key: nobody is there to type. */
	char empty[] = "";
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, empty);

	BIO_free(bio);
	ERR_clear_error();
	return key;
}

static enum err
read_certificate(int dir, const char *name, X509 **out)
{
	struct buf pem = BUF_INIT(PEM_MAX_OCTETS);
	enum err e = read_pem(dir, name, &pem);

	*out = e == OK && pem.n > 0 ? parse_certificate(&pem) : NULL;
	buf_release(&pem);
	return e;
}

static enum err
read_key(int dir, const char *name, EVP_PKEY **out)
{
	struct buf pem = BUF_INIT(PEM_MAX_OCTETS);
	enum err e = read_pem(dir, name, &pem);

	*out = e == OK && pem.n > 0 ? parse_key(&pem) : NULL;
	buf_wipe(&pem);
	return e;
}

static enum err
read_found(int dir, struct found *f)
{
	enum err e = read_certificate(dir, "ca.pem", &f->authority);

	if (e == OK)
		e = read_key(dir, "ca-key.pem", &f->authority_key);
	if (e == OK)
		e = read_certificate(dir, "cert.pem", &f->leaf);
	if (e == OK)
		e = read_key(dir, "key.pem", &f->key);
	return e;
}

static enum err
write_bio(int dir, const char *name, BIO *bio, mode_t mode)
{
	char *p = NULL;
	long n = BIO_get_mem_data(bio, &p);

	return n <= 0 ? ERR_IO
		      : fs_replace(dir, name, str_of(p, (size_t)n), mode);
}

static enum err
write_certificate(int dir, const char *name, X509 *x)
{
	BIO *bio = BIO_new(BIO_s_mem());
	enum err e = ERR_IO;

	if (bio != NULL && PEM_write_bio_X509(bio, x) == 1)
		e = write_bio(dir, name, bio, 0644);
	BIO_free(bio);
	return e;
}

static enum err
write_key(int dir, const char *name, EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	enum err e = ERR_IO;

	if (bio != NULL && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL,
							 0, NULL, NULL) == 1)
		e = write_bio(dir, name, bio, 0600);
	BIO_free(bio);
	return e;
}

/* ---- what is to do ---- */

static bool
ends_soon(X509 *x)
{
	time_t then_s = time(NULL) + (time_t)RENEW_DAYS * DAY_S;

	return X509_cmp_time(X509_get0_notAfter(x), &then_s) < 0;
}

/* Made when the clock was wrong, at least so many days ahead. */
static bool
begins_after(X509 *x, int days)
{
	time_t then_s = time(NULL) + (time_t)days * DAY_S;

	return X509_cmp_time(X509_get0_notBefore(x), &then_s) > 0;
}

static bool
is_authority_usable(const struct found *f)
{
	return f->authority != NULL && f->authority_key != NULL &&
	       X509_check_private_key(f->authority, f->authority_key) == 1;
}

/* Signed by the authority whose key we have. */
static bool
is_leaf_ours(const struct found *f)
{
	return is_authority_usable(f) &&
	       X509_verify(f->leaf, f->authority_key) == 1;
}

static bool
is_leaf_good(const struct found *f, const char *hostname)
{
	if (f->key == NULL || X509_check_private_key(f->leaf, f->key) != 1 ||
	    ends_soon(f->leaf) || begins_after(f->leaf, 0))
		return false;
	return X509_check_host(f->leaf, hostname, 0, 0, NULL) == 1 ||
	       X509_check_ip_asc(f->leaf, hostname, 0) == 1;
}

static enum err
make_authority(int dir, struct found *f, const char *hostname)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = key ? new_authority(key, hostname) : NULL;
	enum err e;

	if (x == NULL) {
		EVP_PKEY_free(key);
		return ERR_IO;
	}
	replace_authority(f, x, key);
	e = write_key(dir, "ca-key.pem", key);
	return e == OK ? write_certificate(dir, "ca.pem", x) : e;
}

/* "URI:..." of the list in this directory. */
static enum err
put_list_place(struct buf *out, const char *path)
{
	char *whole = realpath(path, NULL);
	enum err e = whole ? buf_add(out, S("URI:")) : ERR_IO;

	if (e == OK)
		e = crl_put_place(out, str_c(whole));
	free(whole);
	return e == OK ? buf_add(out, str_of("", 1)) : e;
}

static enum err
make_leaf(int dir, const char *path, struct found *f, const char *hostname)
{
	struct buf list = BUF_INIT(PLACE_MAX_OCTETS);
	X509 *x = NULL;
	enum err e = OK;

	if (f->key == NULL) {
		f->key = EVP_EC_gen("P-256");
		e = f->key ? write_key(dir, "key.pem", f->key) : ERR_IO;
	}
	if (e != OK)
		return e;
	e = put_list_place(&list, path);
	if (e == OK)
		x = new_leaf(f->key, hostname, f->authority, f->authority_key,
			     list.p);
	e = x ? write_certificate(dir, "cert.pem", x) : ERR_IO;
	X509_free(x);
	buf_release(&list);
	return e;
}

/* A certificate whose key has been replaced is taken back. */
static enum err
make_list(int dir, const struct found *f, bool is_key_new)
{
	bool is_gone = is_key_new && f->leaf != NULL && is_leaf_ours(f);
	enum err e = crl_write(dir, f->authority, f->authority_key,
			       is_gone ? f->leaf : NULL, LEAF_DAYS);

	if (e != OK)
		fail("list of those taken back");
	return e;
}

/* With the lock held. */
static enum err
make_in(int dir, const char *path, const char *hostname, enum certs_want want,
	enum certs_done *out)
{
	struct found f = { 0 };
	enum err e = read_found(dir, &f);

	if (!is_host_name(str_c(hostname)) && !is_address(str_c(hostname)))
		hostname = "localhost";
	*out = CERTS_KEPT;
	if (e == OK && want == CERTS_IF_NEEDED && f.leaf != NULL) {
		bool is_ours = is_leaf_ours(&f);

		if (!is_ours || is_leaf_good(&f, hostname)) {
			*out = is_ours ? CERTS_KEPT : CERTS_FOREIGN;
			release_found(&f);
			return OK;
		}
	}
	if (e == OK && want != CERTS_IF_NEEDED) {
		EVP_PKEY_free(f.key);
		f.key = NULL;
	}
	/* Clients know the authority: a clock that is late is no reason. */
	if (e == OK &&
	    (want == CERTS_ALL_ANEW || !is_authority_usable(&f) ||
	     ends_soon(f.authority) || begins_after(f.authority, RENEW_DAYS)))
		e = make_authority(dir, &f, hostname);
	if (e == OK)
		e = make_leaf(dir, path, &f, hostname);
	if (e == OK)
		e = make_list(dir, &f, want != CERTS_IF_NEEDED);
	if (e == OK)
		*out = CERTS_MADE;
	release_found(&f);
	return e;
}

static int
open_locked(int dir)
{
	int fd = openat(dir, ".lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
			0600);

	while (fd >= 0 && flock(fd, LOCK_EX) != 0) {
		if (errno == EINTR)
			continue;
		close(fd);
		return -1;
	}
	return fd;
}

enum err
certs_make(const char *state_dir, const char *hostname, enum certs_want want,
	   enum certs_done *out)
{
	char path[PATH_OCTETS];
	mode_t mask;
	int dir = -1, lock;
	enum err e;

	snprintf(path, sizeof(path), "%s/tls", state_dir);
	if (dirs_make(path, 0755) == OK)
		dir = fs_open_dir(AT_FDCWD, path);
	lock = dir >= 0 ? open_locked(dir) : -1;
	if (lock < 0) {
		log_error("cert.failed", FC("path", path), FERRNO(errno));
		if (dir >= 0)
			close(dir);
		return ERR_IO;
	}
	mask = umask(0022); // what others may read is meant for them
	e = make_in(dir, path, hostname, want, out);
	umask(mask);
	close(lock);
	close(dir);
	return e;
}

/* ---- looking ---- */

void
certs_facts_init(struct certs_facts *f)
{
	*f = (struct certs_facts) {
		.names = BUF_INIT(NAMES_MAX_OCTETS * 4),
		.issuer = BUF_INIT(NAMES_MAX_OCTETS),
		.sha256 = BUF_INIT(EVP_MAX_MD_SIZE * 3),
	};
}

void
certs_facts_release(struct certs_facts *f)
{
	buf_release(&f->names);
	buf_release(&f->issuer);
	buf_release(&f->sha256);
}

static enum err
put_address(struct buf *out, const ASN1_OCTET_STRING *octets)
{
	char text[INET6_ADDRSTRLEN];
	int family = ASN1_STRING_length(octets) == 4 ? AF_INET : AF_INET6;

	if (ASN1_STRING_length(octets) != 4 && ASN1_STRING_length(octets) != 16)
		return OK;
	if (inet_ntop(family, ASN1_STRING_get0_data(octets), text,
		      sizeof(text)) == NULL)
		return OK;
	return buf_addf(out, "%s%s", out->n ? " " : "", text);
}

static enum err
put_alt_names(struct buf *out, const GENERAL_NAMES *list)
{
	enum err e = OK;

	for (int i = 0; e == OK && i < sk_GENERAL_NAME_num(list); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(list, i);

		if (name->type == GEN_IPADD)
			e = put_address(out, name->d.iPAddress);
		if (name->type == GEN_DNS)
			e = buf_addf(out, "%s%.*s", out->n ? " " : "",
				     ASN1_STRING_length(name->d.dNSName),
				     (const char *)ASN1_STRING_get0_data(
					     name->d.dNSName));
	}
	return e;
}

static enum err
put_sha256(struct buf *out, const X509 *x)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (X509_digest(x, EVP_sha256(), digest, &n) != 1)
		return ERR_FORMAT;
	for (unsigned i = 0; i < n; i++)
		buf_putf(out, "%s%02X", i ? ":" : "", digest[i]);
	return OK;
}

static bool
time_of(const ASN1_TIME *t, time_t *out)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(t, &tm) != 1)
		return false;
	*out = timegm(&tm);
	return true;
}

static enum err
put_facts(X509 *x, struct certs_facts *out)
{
	GENERAL_NAMES *list =
		X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	char issuer[256] = "";
	enum err e = OK;

	if (list != NULL)
		e = put_alt_names(&out->names, list);
	GENERAL_NAMES_free(list);
	X509_NAME_get_text_by_NID(X509_get_issuer_name(x), NID_commonName,
				  issuer, sizeof(issuer));
	if (e == OK)
		e = buf_add(&out->issuer, str_c(issuer));
	if (e == OK)
		e = put_sha256(&out->sha256, x);
	if (e == OK && (!time_of(X509_get0_notBefore(x), &out->from_s) ||
			!time_of(X509_get0_notAfter(x), &out->until_s)))
		e = ERR_FORMAT;
	return e;
}

/* Links are followed: certificates that others renew are often links. */
static enum err
read_path(const char *path, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	enum err e;

	if (fd < 0)
		return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
	e = fs_read_fd(fd, out);
	close(fd);
	return e;
}

enum err
certs_read(const char *path, struct certs_facts *out)
{
	struct buf pem = BUF_INIT(PEM_MAX_OCTETS);
	enum err e = read_path(path, &pem);
	X509 *x = e == OK ? parse_certificate(&pem) : NULL;

	if (e == OK)
		e = x ? put_facts(x, out) : ERR_FORMAT;
	X509_free(x);
	buf_release(&pem);
	return e;
}

bool
certs_do_fit(const char *cert_path, const char *key_path)
{
	struct buf cert = BUF_INIT(PEM_MAX_OCTETS);
	struct buf key_pem = BUF_INIT(PEM_MAX_OCTETS);
	X509 *x = NULL;
	EVP_PKEY *key = NULL;
	bool fit = false;

	if (read_path(cert_path, &cert) == OK &&
	    read_path(key_path, &key_pem) == OK) {
		x = parse_certificate(&cert);
		key = parse_key(&key_pem);
		fit = x != NULL && key != NULL &&
		      X509_check_private_key(x, key) == 1;
	}
	ERR_clear_error();
	X509_free(x);
	EVP_PKEY_free(key);
	buf_release(&cert);
	buf_wipe(&key_pem);
	return fit;
}
