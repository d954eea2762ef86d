/* SPDX-License-Identifier: MIT
 * tests/model/smtp_model.c - random SMTP sessions, checked against the model.
 *
 *   smtp_model [--seed S] [--commands N] [--workers N] [--errors N] [--junk N]
 *              [--session WORKER.NUMBER] --ledger PATH ENDPOINT...
 *   ENDPOINT: KIND:PORT:PLAIN:RCPT_LIMIT:SIZE_LIMIT:DOMAIN:RELAY
 *     KIND smtp, submission or submissions; PLAIN 1: AUTH without TLS is
 *     allowed; RELAY: a domain where only those who logged in may send, or -
 *
 * Each worker is a process with connections of its own, one after the other.
 * A batch of commands goes out in one write, in pieces or octet by octet; then
 * each reply is compared with what smtp_state.c allows. What was accepted with
 * 250 is written to PATH.WORKER, for the comparison with the mailboxes: id,
 * SHA-256 and size of the content, domain, sender, copies for each user.
 * --errors and --junk: how many the server allows before it may hang up.
 *
 * Prints seed, and counts per command and kind of reply. Exit code 1: a reply
 * that no standard allows; the whole session goes to standard error. The same
 * seed makes the same sessions. */
#include "tests/model/smtp_run.h"

#include <getopt.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct options options = { .seed = 1,
			   .n_commands = 20000,
			   .n_workers = 6,
			   .n_errors = 20,
			   .n_junk = 50,
			   .only_worker = -1,
			   .only_session = -1 };

struct shared *shared;
struct worker w;

/* ---- the record of a session ------------------------------------------- */

void
note(char mark, const char *p, size_t n)
{
	enum { SHOWN = 300, ROOM = SHOWN * 4 + 64 };
	char *to = w.notes + w.n_notes;
	size_t shown = n < SHOWN ? n : SHOWN;

	if (sizeof(w.notes) - w.n_notes < ROOM)
		return;
	to += sprintf(to, "%c: ", mark);
	for (size_t i = 0; i < shown; i++) {
		unsigned char c = (unsigned char)p[i];

		if (c == '\n')
			to += sprintf(to, "\\n%s",
				      i + 1 < shown ? "\n   " : "");
		else if (c >= ' ' && c < 127)
			*to++ = (char)c;
		else
			to += sprintf(to, c == '\r' ? "\\r" : "\\x%02x", c);
	}
	to += sprintf(to, shown < n ? " ... %zu octets\n" : "\n", n);
	w.n_notes = (size_t)(to - w.notes);
}

void
fail(const char *format, ...)
{
	va_list arguments;

	atomic_store(&shared->has_failed, true);
	va_start(arguments, format);
	flockfile(stderr);
	fprintf(stderr, "---- %s on port %u ----\n", w.endpoint->kind,
		w.endpoint->port);
	fwrite(w.notes, 1, w.n_notes, stderr);
	fprintf(stderr,
		"seed %llu, session %u.%lu: ", (unsigned long long)options.seed,
		w.number, w.n_session);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	fprintf(stderr,
		"state: tls=%d authenticated=%d greeted=%d extended=%d "
		"mail=%d rcpts=%u transfer=%d errors=%u junk=%u\n",
		w.state.is_tls, w.state.is_authenticated, w.state.is_greeted,
		w.state.is_extended, w.state.has_mail, w.state.n_rcpts,
		w.state.transfer, w.n_errors, w.n_junk);
	funlockfile(stderr);
	va_end(arguments);
	exit(1);
}

/* One line for what must now come to mailboxes. */
static void
promise(const char *p, size_t n)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned n_sum = 0;
	int n_id = 0;

	EVP_Digest(p, n, sum, &n_sum, EVP_sha256(), NULL);
	if (n > 10)
		while (n_id + 10 < (int)n && p[10 + n_id] != '\r')
			n_id++;
	fprintf(w.ledger, "%.*s ", n_id > 0 ? n_id : 1,
		n_id > 0 ? p + 10 : "-");
	for (unsigned i = 0; i < n_sum; i++)
		fprintf(w.ledger, "%02x", sum[i]);
	fprintf(w.ledger, " %zu %s <%s>", n, w.endpoint->domain, w.sender);
	for (unsigned i = 0; i < N_USERS; i++)
		fprintf(w.ledger, " %u-%u", w.state.least[i], w.state.most[i]);
	fputc('\n', w.ledger);
	atomic_fetch_add(&shared->n_messages, 1);
}

/* ---- replies ------------------------------------------------------------ */

static void
count(enum kind kind, int code)
{
	unsigned class = code > 0 ? (unsigned)code / 100 : 0;

	atomic_fetch_add(&shared->counts[kind][class], 1);
	atomic_fetch_add(&shared->n_commands, 1);
}

/* A 2yz reply has a status 2.y.z (RFC 2034 4), and so on. */
static bool
has_wrong_status(const struct step *step, int code)
{
	const char *text = w.client.text + 4;
	bool has_status = text[0] >= '0' && text[0] <= '9' && text[1] == '.';

	if (step->kind == EHLO || step->kind == HELO || code / 100 == 3)
		return false;
	return has_status && text[0] - '0' != code / 100;
}

static void
judge_ehlo(int code)
{
	bool has_auth = strstr(w.client.text, "AUTH ") != NULL;
	bool may_auth = w.state.is_submission &&
			(w.state.is_tls || w.state.is_auth_plain);

	if (code != 250)
		return;
	w.has_binarymime = strstr(w.client.text, "BINARYMIME") != NULL;
	if (w.state.is_tls == (strstr(w.client.text, "STARTTLS") != NULL))
		fail("STARTTLS must be offered before TLS, and only then");
	if (has_auth && !may_auth)
		fail("AUTH is offered where it is not allowed");
	if (!has_auth && may_auth && !w.state.is_authenticated)
		fail("AUTH is not offered");
}

/* Reads the reply to one command and compares it; false: the session is over.
 */
static bool
judge(const struct step *step, unsigned n_pending, int *code_out)
{
	struct answers right;
	int code = client_reply(&w.client);
	bool is_at_limit = w.n_errors + n_pending + 1 >= options.n_errors ||
			   w.n_junk + n_pending >= options.n_junk;

	note('S', w.client.text, strlen(w.client.text));
	state_expect(&w.state, step, &right);
	*code_out = code;
	if (code < 0)
		fail("no SMTP reply");
	count(step->kind, code);
	if (code == 0) {
		if (w.may_be_over || right.may_close || right.must_close ||
		    is_at_limit)
			return false;
		fail("closed instead of a reply to %s", kind_names[step->kind]);
	}
	if (code == 421 && !answers_have(&right, code) && is_at_limit)
		return false;
	if (!answers_have(&right, code))
		fail("%d to %s, should be %d or so", code,
		     kind_names[step->kind], right.codes[0]);
	if (has_wrong_status(step, code))
		fail("the status contradicts the code");
	if (step->kind == EHLO)
		judge_ehlo(code);
	if (right.must_close && code >= 400) {
		/* RFC 5321 3.8: 421 may come unasked before the end. */
		if (!client_is_at_end(&w.client) &&
		    !(is_at_limit && memcmp(w.client.text, "421", 3) == 0))
			fail("must hang up, but says %s", w.client.text);
		return false;
	}
	w.may_be_over |= right.may_close && code >= 400;
	w.n_errors += code >= 400;
	w.n_junk += code < 400 && step->kind != MAIL && step->kind != RCPT &&
		    step->kind != DATA && step->kind != BDAT;
	return true;
}

/* ---- a session ---------------------------------------------------------- */

static void
send_out(const char *p, size_t n, bool is_together)
{
	enum { OCTET_BY_OCTET = 400 };
	enum cut cut = CUT_NONE;

	if (!is_together && chance(50))
		cut = n < OCTET_BY_OCTET && chance(40) ? CUT_ALL : CUT_SOME;
	note('C', p, n);
	/* When the server has hung up, the replies tell why. */
	(void)!client_send(&w.client, p, n, cut, &w.rng);
}

/* The content that 354 asked for; with dots added, and its end. */
static bool
send_content(void)
{
	struct step step = { .kind = CONTENT };
	bool is_line_start = true;
	size_t n_expected;
	int code;

	draft_message(false);
	w.n_out = 0;
	for (size_t i = 0; i < w.n_draft; i++) {
		if (is_line_start && w.draft[i] == '.')
			w.out[w.n_out++] = '.';
		w.out[w.n_out++] = w.draft[i];
		is_line_start =
			w.draft[i] == '\n' && i > 0 && w.draft[i - 1] == '\r';
	}
	memcpy(w.out + w.n_out, ".\r\n", 3);
	w.n_out += 3;
	n_expected = w.n_draft;
	step.content = flaws_of(w.draft, n_expected, w.declared);
	send_out(w.out, w.n_out, false);
	if (!judge(&step, 0, &code))
		return false;
	if (code == 250) {
		promise(w.draft, w.n_draft);
		w.n_errors = w.n_junk = 0;
	}
	state_take(&w.state, &step, code);
	return true;
}

static bool
send_auth_answer(const struct step *auth)
{
	struct step step = { .kind = AUTH_ANSWER, .is_login = auth->is_login };
	unsigned user = below(4);
	int code;

	for (;;) {
		say_auth_answer(auth, user);
		send_out(w.out, w.n_out, false);
		if (!judge(&step, 0, &code))
			return false;
		state_take(&w.state, &step, code);
		if (code != 334)
			return true;
	}
}

/* What the reply asks for; false: the session is over. */
static bool
go_on(const struct item *item, int code)
{
	const struct step *step = &item->step;

	switch (step->kind) {
	case MAIL:
		if (code != 250)
			return true;
		memcpy(w.sender, w.new_sender, sizeof(w.sender));
		w.declared = w.new_declared;
		w.n_taken = 0;
		return true;
	case STARTTLS:
		if (code != 220) // what is behind it may be a command then
			return step->flaw != FLAW_TRAILING;
		if (!client_start_tls(&w.client, w.tls))
			fail("no TLS after 220");
		note('S', "(TLS)", 5);
		atomic_fetch_add(&shared->n_handshakes, 1);
		return true;
	case DATA:
		return code != 354 || send_content();
	case AUTH:
		return code != 334 || send_auth_answer(step);
	case QUIT:
		if (code == 221 && !client_is_at_end(&w.client))
			fail("talks after QUIT");
		return code != 221;
	default:
		return true;
	}
}

static void
take_chunk(const struct item *item)
{
	put(w.taken, &w.n_taken, sizeof(w.taken), w.out + item->payload,
	    item->n_payload);
	if (!item->step.is_last)
		return;
	promise(w.taken, w.n_taken);
	w.n_errors = w.n_junk = 0;
}

static bool
run_batch(void)
{
	bool is_together = false;

	make_batch();
	for (unsigned i = 0; i < w.n_items; i++)
		is_together |= w.items[i].step.flaw == FLAW_TRAILING;
	send_out(w.out, w.n_out, is_together);
	for (unsigned i = 0; i < w.n_items; i++) {
		const struct item *item = &w.items[i];
		int code;

		if (!judge(&item->step, w.n_items - i, &code))
			return false;
		if (item->step.kind == BDAT && code == 250)
			take_chunk(item);
		state_take(&w.state, &item->step, code);
		if (!go_on(item, code))
			return false;
	}
	return true;
}

static void
greet(void)
{
	int code;

	if (!client_open(&w.client, w.endpoint->port))
		fail("nobody listens");
	if (strcmp(w.endpoint->kind, "submissions") == 0) {
		if (!client_start_tls(&w.client, w.tls))
			fail("no TLS");
		atomic_fetch_add(&shared->n_handshakes, 1);
		w.state.is_tls = true;
	}
	code = client_reply(&w.client);
	note('S', w.client.text, strlen(w.client.text));
	if (code != 220)
		fail("no greeting");
}

/* Some replies are rare when all is drawn evenly. */
static enum kind
theme_of(unsigned long number)
{
	static const enum kind themes[] = { NOOP, RCPT, NOOP,	   NOOP,
					    NOOP, NOOP, LONG_LINE, NOOP };

	return themes[number % (sizeof(themes) / sizeof(*themes))];
}

static void
run_session(unsigned long number)
{
	enum { LONGEST = 40 }; // batches
	unsigned n_batches;

	w.n_session = number;
	w.theme = theme_of(number);
	w.n_ids = number * 1000; // the same in a session that is run alone
	w.rng = (options.seed + 1) * 0x9E3779B97F4A7C15ULL;
	w.rng ^= ((uint64_t)w.number << 40) + number + 1;
	for (int i = 0; i < 4; i++)
		random_next(&w.rng);
	w.endpoint = &options.endpoints[below(options.n_endpoints)];
	w.state = (struct state) {
		.is_submission = strcmp(w.endpoint->kind, "smtp") != 0,
		.is_auth_plain = w.endpoint->is_auth_plain,
		.rcpt_limit = w.endpoint->rcpt_limit,
	};
	w.n_errors = w.n_junk = 0;
	w.may_be_over = w.has_binarymime = false;
	w.n_notes = 0;
	w.declared = 0;
	w.last_rcpt[0] = '\0';
	greet();
	n_batches = 1 + below(LONGEST);
	for (unsigned i = 0; i < n_batches && run_batch(); i++)
		;
	client_close(&w.client); // in the middle of whatever it was
	atomic_fetch_add(&shared->n_sessions, 1);
}

/* Each kind of reply that the model can give was seen. */
static bool
is_complete(bool may_tell)
{
	static const struct {
		enum kind kind;
		unsigned class;
	} wanted[] = {
		{ EHLO, 2 },	     { EHLO, 5 },	 { HELO, 2 },
		{ MAIL, 2 },	     { MAIL, 5 },	 { RCPT, 2 },
		{ RCPT, 4 },	     { RCPT, 5 },	 { DATA, 3 },
		{ DATA, 5 },	     { CONTENT, 2 },	 { CONTENT, 5 },
		{ BDAT, 2 },	     { BDAT, 5 },	 { RSET, 2 },
		{ NOOP, 2 },	     { VRFY, 2 },	 { EXPN, 5 },
		{ HELP, 2 },	     { QUIT, 2 },	 { STARTTLS, 2 },
		{ STARTTLS, 5 },     { AUTH, 2 },	 { AUTH, 3 },
		{ AUTH, 5 },	     { AUTH_ANSWER, 2 }, { AUTH_ANSWER, 5 },
		{ UNKNOWN_VERB, 5 }, { LONG_LINE, 2 },	 { LONG_LINE, 5 },
	};
	bool is = true;

	for (unsigned i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
		if (shared->counts[wanted[i].kind][wanted[i].class] == 0) {
			is = false;
			if (may_tell)
				printf("never occurred: %s %uyz\n",
				       kind_names[wanted[i].kind],
				       wanted[i].class);
		}
	return is;
}

/* The commands are done, and long runs have seen all kinds of reply. */
static bool
is_enough(void)
{
	uint64_t n = atomic_load(&shared->n_commands);

	if (n < options.n_commands)
		return false;
	return options.n_commands < COMPLETE_FROM ||
	       n >= options.n_commands * PATIENCE || is_complete(false);
}

static void
run_worker(unsigned number)
{
	char path[4096];

	w.number = number;
	w.client.fd = -1;
	w.tls = SSL_CTX_new(TLS_client_method());
	snprintf(path, sizeof(path), "%s.%u", options.ledger, number);
	w.ledger = fopen(path, "w");
	if (!w.tls || !w.ledger) {
		perror(path);
		exit(1);
	}
	if (options.only_session >= 0)
		run_session((unsigned long)options.only_session);
	else
		for (unsigned long i = 0;
		     !atomic_load(&shared->has_failed) && !is_enough(); i++)
			run_session(i);
	if (fclose(w.ledger) != 0)
		exit(1);
	SSL_CTX_free(w.tls);
	exit(0);
}

/* ---- the whole run ------------------------------------------------------ */

static bool
read_endpoint(const char *text, struct endpoint *out)
{
	unsigned plain, limit;

	if (sscanf(text, "%15[a-z]:%u:%u:%u:%zu:%79[^:]:%79s", out->kind,
		   &out->port, &plain, &limit, &out->size_limit, out->domain,
		   out->relay) != 7)
		return false;
	out->is_auth_plain = plain != 0;
	out->rcpt_limit = limit;
	return true;
}

static bool
read_options(int argc, char **argv)
{
	static const struct option names[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "commands", required_argument, NULL, 'n' },
		{ "workers", required_argument, NULL, 'w' },
		{ "errors", required_argument, NULL, 'e' },
		{ "junk", required_argument, NULL, 'j' },
		{ "ledger", required_argument, NULL, 'l' },
		{ "session", required_argument, NULL, 'o' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (c == 's')
			options.seed = strtoull(optarg, NULL, 10);
		else if (c == 'n')
			options.n_commands = strtoull(optarg, NULL, 10);
		else if (c == 'w')
			options.n_workers = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'e')
			options.n_errors = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'j')
			options.n_junk = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'l')
			options.ledger = optarg;
		else if (c != 'o' ||
			 sscanf(optarg, "%ld.%ld", &options.only_worker,
				&options.only_session) != 2)
			return false;
	}
	for (; optind < argc && options.n_endpoints < MAX_ENDPOINTS; optind++)
		if (!read_endpoint(argv[optind],
				   &options.endpoints[options.n_endpoints++]))
			return false;
	return optind == argc && options.n_endpoints > 0 && options.ledger &&
	       options.n_workers > 0 && options.n_workers <= MAX_WORKERS;
}

static void
print_counts(void)
{
	static const char *const names[N_CLASSES] = { "closed", "1yz", "2yz",
						      "3yz",	"4yz", "5yz" };

	printf("seed %llu: %llu commands, %llu sessions, %llu handshakes, "
	       "%llu messages\n",
	       (unsigned long long)options.seed,
	       (unsigned long long)shared->n_commands,
	       (unsigned long long)shared->n_sessions,
	       (unsigned long long)shared->n_handshakes,
	       (unsigned long long)shared->n_messages);
	printf("%-18s", "");
	for (unsigned c = 0; c < N_CLASSES; c++)
		if (c != 1)
			printf("%9s", names[c]);
	putchar('\n');
	for (unsigned k = 0; k < N_KINDS; k++) {
		printf("%-18s", kind_names[k]);
		for (unsigned c = 0; c < N_CLASSES; c++)
			if (c != 1)
				printf("%9llu", (unsigned long long)
							shared->counts[k][c]);
		putchar('\n');
	}
}

int
main(int argc, char **argv)
{
	bool has_failed = false;
	int status;

	if (!read_options(argc, argv)) {
		fprintf(stderr, "usage: see tests/model/smtp_model.c\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	for (unsigned i = 0; i < options.n_workers; i++) {
		if (options.only_worker >= 0 && options.only_worker != (long)i)
			continue;
		if (fork() == 0)
			run_worker(i);
	}
	while (wait(&status) > 0) {
		has_failed |= status != 0;
		if (WIFSIGNALED(status))
			fprintf(stderr, "a worker: %s\n",
				strsignal(WTERMSIG(status)));
	}
	print_counts();
	if (options.only_session < 0 && !has_failed &&
	    options.n_commands >= COMPLETE_FROM)
		has_failed = !is_complete(true);
	return has_failed ? 1 : 0;
}
