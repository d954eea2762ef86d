/* SPDX-License-Identifier: MIT
 * ctl/pw.c - mailctl pw and doveadm pw: makes and tests password hashes. */
#include "ctl/pw.h"

#include "ctl/commands.h"
#include "lib/base/check.h"
#include "lib/mail/intl.h"
#include "lib/mail/password.h"
#include "lib/mail/scram.h"

#include <crypt.h>
#include <errno.h>
#include <openssl/rand.h>
#include <signal.h>
#include <sysexits.h>
#include <termios.h>
#include <unistd.h>

/* In the order of -l; the first is what is made without -s. */
static const struct scheme {
	enum account_scheme scheme;
	const char *prefix; // of crypt(5); NULL: none of its
} schemes[] = {
	{ ACCOUNT_SHA512_CRYPT, "$6$" },
	{ ACCOUNT_SHA256_CRYPT, "$5$" },
	{ ACCOUNT_BLF_CRYPT, "$2y$" },
	{ ACCOUNT_CRYPT, "$y$" },
	{ ACCOUNT_MD5_CRYPT, "$1$" },
	{ ACCOUNT_SCRAM_SHA_256, NULL }, // the others are not crypt(5)'s
	{ ACCOUNT_SSHA, NULL },
	{ ACCOUNT_SSHA256, NULL },
	{ ACCOUNT_SSHA512, NULL },
	{ ACCOUNT_PLAIN, NULL },
};

enum {
	N_SCHEMES = sizeof(schemes) / sizeof(*schemes),
	SCRAM_SALT_OCTETS = 16,
	DIGEST_SALT_OCTETS = 4, // as doveadm makes them
};

static const char help[] =
	"usage: mailctl pw [-s SCHEME] [-r ROUNDS] [-p PASSWORD] [-u USER]\n"
	"       mailctl pw -t HASH [-p PASSWORD]\n"
	"       mailctl pw -l [--json]\n"
	"\n"
	"Prints the hash of a password for accounts.cf, or tests one (-t).\n"
	"Without -p it is asked for; -p shows it to everybody who can list "
	"the\n"
	"processes. -l lists the schemes. -u is taken for doveadm's sake: no\n"
	"hash here depends on the user.\n"
	"\n"
	"$ echo \"user1@example1.local|$(mailctl pw)\" >>accounts.cf\n";

/* ---- asking ---- */

static struct termios terminal;

/* Leaves the terminal as it was. */
static void
on_signal(int signal_no)
{
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal);
	signal(signal_no, SIG_DFL);
	raise(signal_no);
}

static bool
read_line(char *to, size_t size)
{
	size_t n;

	if (fgets(to, (int)size, stdin) == NULL)
		return false;
	n = strcspn(to, "\n");
	if (to[n] == '\0' && n + 1 == size)
		return false; // too long
	to[n] = '\0';
	return true;
}

static bool
ask(const char *prompt, char *to, size_t size)
{
	struct termios silent;
	bool ok;

	if (tcgetattr(STDIN_FILENO, &terminal) != 0)
		return read_line(to, size); // a pipe
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	silent = terminal;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
	fputs(prompt, stderr);
	ok = read_line(to, size);
	fputc('\n', stderr);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal);
	return ok;
}

/* Twice at a terminal, where nobody sees what was typed. */
static bool
ask_new(char *to, size_t size)
{
	char again[PASSWORD_OCTETS];
	bool ok = ask("Enter new password: ", to, size);

	if (!ok || !isatty(STDIN_FILENO))
		return ok;
	ok = ask("Retype new password: ", again, sizeof(again));
	if (ok && strcmp(to, again) != 0) {
		fprintf(stderr, "the passwords differ\n");
		ok = false;
	}
	explicit_bzero(again, sizeof(again));
	return ok;
}

static void
say_unread(void)
{
	fprintf(stderr,
		"no password was read: type it, or give it on standard input "
		"(at most %d octets)\n",
		PASSWORD_OCTETS - 1);
}

bool
pw_ask_new(char password[PASSWORD_OCTETS])
{
	if (ask_new(password, PASSWORD_OCTETS))
		return true;
	say_unread();
	return false;
}

bool
pw_ask(char password[PASSWORD_OCTETS])
{
	if (ask("Password: ", password, PASSWORD_OCTETS))
		return true;
	say_unread();
	return false;
}

/* ---- hashing ---- */

/* NULL when it cannot be; static memory of the caller's data otherwise. */
static const char *
hash_of(const char *password, const char *setting, struct crypt_data *data)
{
	const char *hash = crypt_r(password, setting, data);

	return hash != NULL && hash[0] != '*' ? hash : NULL;
}

/* Clients of SCRAM prepare what their user types (RFC 5802 2.2), so the key
 * must be made of that. What cannot be prepared is taken as it is. */
static bool
make_secret(const char *password, struct str salt, uint32_t rounds,
	    struct scram_secret *out)
{
	struct str typed = str_c(password);
	struct buf prepared = BUF_INIT(2 * typed.n + 1);
	bool is_prepared = intl_password(&prepared, typed) == OK;
	bool ok = scram_secret_make(is_prepared ? buf_str(&prepared) : typed,
				    salt, rounds, out);

	buf_wipe(&prepared);
	return ok;
}

/* As doveadm does: 4096 rounds, 16 octets of salt. */
static bool
make_scram(unsigned long rounds, const char *password, struct buf *out)
{
	uint8_t salt[SCRAM_SALT_OCTETS];
	struct scram_secret secret;

	check(RAND_bytes(salt, sizeof(salt)) == 1);
	if (rounds > SCRAM_MAX_ITERATIONS ||
	    !make_secret(password, str_of(salt, sizeof(salt)),
			 rounds ? (uint32_t)rounds : SCRAM_USUAL_ITERATIONS,
			 &secret)) {
		fprintf(stderr, "SCRAM-SHA-256: -r is 1 to %d\n",
			SCRAM_MAX_ITERATIONS);
		return false;
	}
	buf_put(out, S("{SCRAM-SHA-256}"));
	return scram_secret_format(out, &secret) == OK;
}

static bool
make_simple(const struct scheme *scheme, const char *password, struct buf *out)
{
	uint8_t salt[DIGEST_SALT_OCTETS];

	buf_putf(out, "{%s}", account_scheme_text(scheme->scheme));
	if (scheme->scheme == ACCOUNT_PLAIN)
		return buf_add(out, str_c(password)) == OK;
	check(RAND_bytes(salt, sizeof(salt)) == 1);
	return password_put_salted(out, scheme->scheme, str_c(password),
				   str_of(salt, sizeof(salt))) == OK;
}

static bool
make(const struct scheme *scheme, unsigned long rounds, const char *password,
     struct buf *out)
{
	struct crypt_data *data;
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	const char *hash = NULL;

	if (scheme->scheme == ACCOUNT_SCRAM_SHA_256)
		return make_scram(rounds, password, out);
	if (scheme->prefix == NULL)
		return make_simple(scheme, password, out);
	data = must_alloc(sizeof(*data));
	if (crypt_gensalt_rn(scheme->prefix, rounds, NULL, 0, setting,
			     sizeof(setting)) != NULL)
		hash = hash_of(password, setting, data);
	if (hash != NULL)
		buf_putf(out, "{%s}%s", account_scheme_text(scheme->scheme),
			 hash);
	else
		fprintf(stderr, "%s: %s; is -r within the scheme's range?\n",
			account_scheme_text(scheme->scheme), strerror(errno));
	free(data);
	return hash != NULL;
}

bool
pw_hash(const char *password, struct buf *out)
{
	return make(&schemes[0], 0, password, out);
}

bool
pw_hash_quick(const char *password, struct buf *out)
{
	static const struct scheme salted = { ACCOUNT_SSHA256, NULL };

	return make(&salted, 0, password, out);
}

static int
print_hash(const struct scheme *scheme, unsigned long rounds,
	   const char *password)
{
	struct buf hash = BUF_INIT(CRYPT_OUTPUT_SIZE + 64);
	bool ok = make(scheme, rounds, password, &hash);

	if (ok)
		printf("%.*s\n", STR(buf_str(&hash)));
	buf_release(&hash);
	return ok ? 0 : EX_UNAVAILABLE;
}

static int
test(const char *field, const char *password)
{
	enum account_scheme scheme;
	struct str hash;

	if (!account_scheme_of(str_c(field), &scheme, &hash)) {
		fprintf(stderr, "a hash of this scheme cannot be tested here; "
				"-l lists those that can\n");
		return EX_DATAERR;
	}
	if (password_fits(scheme, hash, str_c(password))) {
		printf("%s (verified)\n", field);
		return 0;
	}
	fprintf(stderr, "Fatal: reverse password verification check failed: "
			"Password mismatch\n");
	return EX_TEMPFAIL; // what doveadm gives
}

static int
list_schemes(bool is_json)
{
	if (is_json) {
		for (size_t i = 0; i < N_SCHEMES; i++)
			printf("%s\"%s\"", i ? "," : "[",
			       account_scheme_text(schemes[i].scheme));
		printf("]\n");
		return 0;
	}
	for (size_t i = 0; i < N_SCHEMES; i++)
		printf("%s%s", i ? " " : "",
		       account_scheme_text(schemes[i].scheme));
	printf("\n");
	return 0;
}

static const struct scheme *
find_scheme(const char *name)
{
	for (size_t i = 0; i < N_SCHEMES; i++)
		if (str_ieq(str_c(account_scheme_text(schemes[i].scheme)),
			    str_c(name)))
			return &schemes[i];
	fprintf(stderr, "Fatal: Unknown scheme: %s; -l lists them\n", name);
	return NULL;
}

static int
hash_or_test(const struct scheme *scheme, unsigned long rounds,
	     const char *field, const char *given)
{
	static char password[PASSWORD_OCTETS];
	bool ok = true;
	int result;

	if (given != NULL)
		ok = str_to_c(str_c(given), password, sizeof(password)) == OK;
	else if (field != NULL)
		ok = ask("Enter password to verify: ", password,
			 sizeof(password));
	else
		ok = ask_new(password, sizeof(password));
	if (!ok) {
		say_unread();
		return EX_NOINPUT;
	}
	result = field ? test(field, password)
		       : print_hash(scheme, rounds, password);
	explicit_bzero(password, sizeof(password));
	return result;
}

int
pw_main(int argc, char **argv)
{
	const struct scheme *scheme = &schemes[0];
	const char *field = NULL, *password = NULL;
	uint64_t rounds = 0;
	int letter;

	if (argc > 1 && strcmp(argv[1], "--help") == 0) {
		fputs(help, stdout);
		return 0;
	}
	/* Only together: a password may be "--json". */
	if (argc == 3 && strcmp(argv[1], "-l") == 0 &&
	    strcmp(argv[2], "--json") == 0)
		return list_schemes(true);
	while ((letter = getopt(argc, argv, "lp:r:s:t:u:")) != -1) {
		switch (letter) {
		case 'l':
			return list_schemes(false);
		case 'p':
			password = optarg;
			break;
		case 'r':
			if (!str_to_u64(str_c(optarg), 1u << 31, &rounds)) {
				fprintf(stderr, "-r takes a number\n");
				return EX_USAGE;
			}
			break;
		case 's':
			scheme = find_scheme(optarg);
			if (scheme == NULL)
				return EX_USAGE;
			break;
		case 't':
			field = optarg;
			break;
		case 'u':
			break;
		default:
			return EX_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "%s: unexpected '%s'\n", argv[0], argv[optind]);
		return EX_USAGE;
	}
	return hash_or_test(scheme, rounds, field, password);
}
