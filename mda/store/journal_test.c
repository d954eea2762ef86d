/* SPDX-License-Identifier: MIT
 * mda/store/journal_test.c - CONDSTORE and QRESYNC (RFC 7162), and what becomes
 * of them when the mailbox log is lost, damaged, or other programs change the
 * mailbox meanwhile. */
#include "tests/unit/store_frame.h"

#include <signal.h>
#include <sys/resource.h>
#include <time.h>

#define ENABLE() DO(ENABLE, "QRESYNC")

static uint64_t
modseq_after(const char *text, const char *word)
{
	const char *at = strstr(text, word);

	if (at == NULL)
		fail_msg("no \"%s\" in:\n%s", word, text);
	return strtoull(at + strlen(word), NULL, 10);
}

static uint64_t
highest(const char *text)
{
	return modseq_after(text, "[HIGHESTMODSEQ ");
}

static void
assert_lacks(const char *text, const char *part)
{
	if (strstr(text, part) != NULL)
		fail_msg("\"%s\" is in:\n%s", part, text);
}

static void
append_some(struct co *co, struct client *c, int n)
{
	for (int i = 0; i < n; i++)
		assert_has(append(co, c, "INBOX () ", "Subject: x\r\n\r\n"),
			   "OK [APPENDUID");
}

/* RFC 7162 3.1: numbers rise with each change, and are told to those who have
 * asked for them. */
static void
test_condstore(struct co *co)
{
	struct client c, d;
	uint64_t before, one, two, high;
	char args[200];
	const char *text;

	log_in(co, &c);
	log_in(co, &d);
	append_some(co, &c, 3);
	before = highest(DO(SELECT, "INBOX (CONDSTORE)"));
	assert_true(before > UINT64_C(1500000000) * US_PER_S); // the clock
	assert_true(before < UINT64_C(1) << 62);
	assert_lacks(c.text.p, "NOMODSEQ");
	text = DO(FETCH, "1:3 (MODSEQ)");
	one = modseq_after(text, "* 1 FETCH (MODSEQ (");
	two = modseq_after(text, "* 2 FETCH (MODSEQ (");
	assert_true(one < two && two < before);
	assert_int_equal(before, modseq_after(text, "* 3 FETCH (MODSEQ ("));
	/* Another session's change, with its number. */
	run_command(co, &d, VERB_SELECT, false, "INBOX");
	run_command(co, &d, VERB_STORE, false, "2 +FLAGS.SILENT (\\Flagged)");
	text = DO(NOOP, "");
	high = modseq_after(
		text, "* 2 FETCH (UID 2 FLAGS (\\Flagged \\Recent) MODSEQ (");
	assert_true(high > before);
	/* 3.1.4.1 */
	snprintf(args, sizeof(args), "1:* (FLAGS) (CHANGEDSINCE %llu)",
		 (unsigned long long)before);
	snprintf(args + 100, 100,
		 "* 2 FETCH (MODSEQ (%llu) FLAGS (\\Flagged \\Recent))\r\n"
		 "OK fetched",
		 (unsigned long long)high);
	WANT(DO(FETCH, args), args + 100);
	/* 3.1.3: 2 has changed since, 1 has not. */
	snprintf(args, sizeof(args),
		 "1,2 (UNCHANGEDSINCE %llu) +FLAGS.SILENT "
		 "(\\Seen)",
		 (unsigned long long)before);
	text = DO(STORE, args);
	assert_has(text, "OK [MODIFIED 2] ");
	assert_true(modseq_after(text, "* 1 FETCH (UID 1 MODSEQ (") > high);
	assert_lacks(text, "* 2 FETCH");
	text = UID(STORE, "1:3 (UNCHANGEDSINCE 0) +FLAGS (\\Deleted)");
	assert_has(text, "OK [MODIFIED 1:3] ");
	WANT(DO(SEARCH, "DELETED"), "* SEARCH\r\nOK searched");
	/* 3.1.5 */
	snprintf(args, sizeof(args), "MODSEQ \"/flags/\\\\draft\" all %llu",
		 (unsigned long long)high);
	text = DO(SEARCH, args);
	one = modseq_after(text, "* SEARCH 1 2 (MODSEQ ");
	assert_true(one > high);
	snprintf(args, sizeof(args), "RETURN (MIN MAX) MODSEQ %llu",
		 (unsigned long long)high);
	assert_int_equal(one, modseq_after(DO(SEARCH, args),
					   "* ESEARCH (TAG \"A1\") MIN 1 MAX 2 "
					   "MODSEQ "));
	snprintf(args, sizeof(args), "RETURN (MAX) MODSEQ %llu",
		 (unsigned long long)high);
	assert_int_equal(high, modseq_after(DO(SEARCH, args), "MODSEQ "));
	/* 3.1.7 */
	assert_int_equal(one, modseq_after(DO(STATUS, "INBOX (HIGHESTMODSEQ)"),
					   "* STATUS INBOX (HIGHESTMODSEQ "));
	log_out(&c);
	log_out(&d);
}

/* 3.1: whoever has not asked is told none; the first command that asks in a
 * selected mailbox is told the highest. */
static void
test_enabling(struct co *co)
{
	struct client c;

	log_in(co, &c);
	append_some(co, &c, 1);
	assert_has(DO(SELECT, "INBOX"), "[HIGHESTMODSEQ ");
	assert_lacks(DO(STORE, "1 +FLAGS (\\Seen)"), "MODSEQ");
	WANT(DO(STORE, "1 +FLAGS.SILENT (\\Draft)"), "OK stored");
	assert_has(DO(FETCH, "1 (MODSEQ)"), "* OK [HIGHESTMODSEQ ");
	assert_has(DO(STORE, "1 +FLAGS (\\Flagged)"), ") MODSEQ (");
	assert_lacks(DO(FETCH, "1 (FLAGS MODSEQ)"), "HIGHEST");
	/* 3.2.6: only for those who have it enabled, with CHANGEDSINCE, UID. */
	assert_has(UID(FETCH, "1 (FLAGS) (CHANGEDSINCE 1 VANISHED)"), "BAD ");
	assert_has(DO(SELECT, "INBOX (QRESYNC (1 1))"), "BAD ");
	WANT(DO(ENABLE, "X-NOTHING QRESYNC CONDSTORE"),
	     "* ENABLED CONDSTORE QRESYNC\r\nOK enabled");
	WANT(DO(ENABLE, "X-NOTHING"), "* ENABLED\r\nOK enabled");
	DO(SELECT, "INBOX");
	assert_has(DO(SELECT, "INBOX"), "* OK [CLOSED] "); // 3.2.11
	assert_has(DO(FETCH, "1 (FLAGS) (CHANGEDSINCE 1 VANISHED)"), "BAD ");
	assert_has(UID(FETCH, "1 (FLAGS) (VANISHED)"), "BAD ");
	assert_has(UID(FETCH, "1 (FLAGS) (CHANGEDSINCE 1 VANISHED)"), "OK ");
	log_out(&c);
}

/* 3.2: what a client that was away is told. */
static void
test_qresync(struct co *co)
{
	struct client c, d;
	uint64_t since, now;
	uint32_t validity;
	char args[200];
	const char *text;

	log_in(co, &c);
	log_in(co, &d);
	append_some(co, &c, 6);
	ENABLE();
	text = DO(SELECT, "INBOX");
	since = highest(text);
	validity = number_after(text, "[UIDVALIDITY ");
	run_command(co, &d, VERB_SELECT, false, "INBOX");
	run_command(co, &d, VERB_STORE, false, "2:4,6 +FLAGS (\\Deleted)");
	WANT(run_command(co, &d, VERB_EXPUNGE, true, "2:4"),
	     "* 4 EXPUNGE\r\n* 3 EXPUNGE\r\n* 2 EXPUNGE\r\nOK expunged");
	append_some(co, &d, 1);
	/* The one that is here, with QRESYNC: VANISHED. */
	text = DO(NOOP, "");
	assert_has(text, "* VANISHED 2:4\r\n");
	assert_lacks(text, "EXPUNGE");
	assert_has(text, "* 4 EXISTS\r\n");
	assert_has(text, "* 3 FETCH (UID 6 FLAGS (\\Deleted \\Recent)");
	assert_has(DO(STORE, "1 +FLAGS.SILENT (\\Deleted)"), "OK ");
	text = DO(EXPUNGE, "");
	assert_has(text, "* VANISHED 1,6\r\n");
	now = modseq_after(text, "OK [HIGHESTMODSEQ "); // 3.2.7
	log_out(&c);
	log_out(&d);
	restart(co);
	/* 3.2.5 */
	log_in(co, &c);
	ENABLE();
	snprintf(args, sizeof(args), "INBOX (QRESYNC (%u %llu))", validity,
		 (unsigned long long)since);
	text = DO(SELECT, args);
	assert_int_equal(now, highest(text));
	assert_has(text, "* VANISHED (EARLIER) 1:4,6\r\n");
	assert_has(text, "* 2 FETCH (UID 7 FLAGS ");
	assert_lacks(text, "UID 5 ");
	/* Only of what the client knows. */
	snprintf(args, sizeof(args), "INBOX (QRESYNC (%u %llu 3,5))", validity,
		 (unsigned long long)since);
	text = DO(SELECT, args);
	assert_has(text, "* VANISHED (EARLIER) 3\r\n");
	assert_lacks(text, "FETCH");
	/* Another UIDVALIDITY: nothing of it holds. */
	snprintf(args, sizeof(args), "INBOX (QRESYNC (%u 1))", validity + 1);
	text = DO(SELECT, args);
	assert_lacks(text, "VANISHED");
	assert_lacks(text, "FETCH");
	/* Nothing has changed: nothing is told. */
	snprintf(args, sizeof(args), "INBOX (QRESYNC (%u %llu))", validity,
		 (unsigned long long)now);
	text = DO(SELECT, args);
	assert_lacks(text, "VANISHED");
	assert_lacks(text, "FETCH");
	/* 3.2.6; and "*" is not less than what the client knew. */
	snprintf(args, sizeof(args), "1:* (FLAGS) (CHANGEDSINCE %llu VANISHED)",
		 (unsigned long long)since);
	text = UID(FETCH, args);
	assert_has(text, "* VANISHED (EARLIER) 1:4,6\r\n* 2 FETCH (");
	/* From a number of long ago all that is absent is told, but from the
	 * last pair that fits on (3.2.5.2). */
	snprintf(args, sizeof(args), "INBOX (QRESYNC (%u 1 (1,3 5,9)))",
		 validity);
	assert_has(DO(SELECT, args), "* VANISHED (EARLIER) 6\r\n");
	/* 3.2.8: who was not told of what went has no number for it. */
	DO(STORE, "1 +FLAGS (\\Deleted)");
	assert_lacks(DO(CLOSE, ""), "HIGHESTMODSEQ");
	/* MOVE: 7 goes; VANISHED, not EXPUNGE. */
	DO(SELECT, "INBOX");
	text = DO(MOVE, "1 Trash");
	assert_has(text, "* VANISHED 7\r\n");
	assert_has(text, "OK [HIGHESTMODSEQ ");
	log_out(&c);
}

/* ---- a client that goes away and comes back ---- */

enum {
	UIDS_MAX = 2000,
	ROUNDS = 12,
	STEP = 19,
	CHANGES = 4,
};

struct cache {
	uint32_t validity;
	uint64_t modseq;
	char *flags[UIDS_MAX]; // NULL: no such message
};

static void
cache_clear(struct cache *k)
{
	for (size_t i = 0; i < UIDS_MAX; i++) {
		free(k->flags[i]);
		k->flags[i] = NULL;
	}
}

static void
take_vanished(struct cache *k, const char *set)
{
	char *at = (char *)(uintptr_t)set;

	do {
		unsigned long first = strtoul(at, &at, 10), last = first;

		if (*at == ':')
			last = strtoul(at + 1, &at, 10);
		for (unsigned long u = first; u <= last && u < UIDS_MAX; u++) {
			free(k->flags[u]);
			k->flags[u] = NULL;
		}
	} while (*at++ == ',');
}

/* Takes over VANISHED and FETCH lines as a client does. */
static void
take_lines(struct cache *k, const char *text)
{
	const char *line = text;

	while (line != NULL && *line != '\0') {
		const char *end = strstr(line, "\r\n");
		const char *uid = strstr(line, "(UID ");
		const char *open = strstr(line, "FLAGS (");

		if (strncmp(line, "* VANISHED (EARLIER) ", 21) == 0) {
			take_vanished(k, line + 21);
		} else if (end != NULL && uid != NULL && uid < end) {
			unsigned long u = strtoul(uid + 5, NULL, 10);
			size_t n = strcspn(open + 7, ")");

			assert_true(u > 0 && u < UIDS_MAX);
			free(k->flags[u]);
			k->flags[u] = str_dup_c(str_of(open + 7, n));
		}
		line = end == NULL ? NULL : end + 2;
	}
}

static void
assert_same(const struct cache *a, const struct cache *b, const char *why)
{
	for (size_t u = 0; u < UIDS_MAX; u++) {
		const char *x = a->flags[u], *y = b->flags[u];

		if ((x == NULL) != (y == NULL) ||
		    (x != NULL && strcmp(x, y) != 0))
			fail_msg("after %s, UID %zu: the client has %s, it is "
				 "%s",
				 why, u, x == NULL ? "none" : x,
				 y == NULL ? "none" : y);
	}
}

static void
resync(struct co *co, struct cache *k, const char *why)
{
	struct cache fresh = { 0 };
	struct client c;
	uint32_t validity;
	uint64_t modseq;
	char args[100];
	const char *text;

	log_in(co, &c);
	ENABLE();
	snprintf(args, sizeof(args), "INBOX (QRESYNC (%u %llu))",
		 k->validity > 0 ? k->validity : 1,
		 k->modseq > 0 ? (unsigned long long)k->modseq : 1);
	text = DO(EXAMINE, args); // without \Recent being taken
	validity = number_after(text, "[UIDVALIDITY ");
	modseq = highest(text);
	if (validity != k->validity) {
		cache_clear(k);
		text = UID(FETCH, "1:* (FLAGS)");
	} else if (modseq < k->modseq) {
		fail_msg("after %s: HIGHESTMODSEQ went back by %llu", why,
			 (unsigned long long)(k->modseq - modseq));
	}
	take_lines(k, text);
	k->validity = validity;
	k->modseq = modseq;
	take_lines(&fresh, UID(FETCH, "1:* (FLAGS)"));
	assert_same(k, &fresh, why);
	cache_clear(&fresh);
	log_out(&c);
}

static char *
path_of(const char *name, char out[512])
{
	snprintf(out, 512, "%s/example1.local/user1/%s", t.root, name);
	return out;
}

/* Some file of cur/, or of new/; false without one. */
static bool
some_file(char out[512])
{
	static const char *const dirs[] = { "cur", "new" };

	for (size_t i = 0; i < N_OF(dirs); i++) {
		char name[256], below[300];

		if (count_files(dirs[i], name) == 0)
			continue;
		snprintf(below, sizeof(below), "%s/%s", dirs[i], name);
		path_of(below, out);
		return true;
	}
	return false;
}

/* Another program's change. */
static const char *
change_from_outside(unsigned random)
{
	char from[512], to[512], *info;

	if (!some_file(from))
		return "nothing";
	if (random % 3 == 0) {
		assert_int_equal(0, unlink(from));
		return "a removal from outside";
	}
	info = strstr(from, ":2,");
	snprintf(to, sizeof(to), "%.*s:2,%s",
		 (int)(info != NULL ? info - from : (int)strlen(from)), from,
		 random % 2 ? "F" : "RS");
	if (strstr(to, "/new/") != NULL)
		return "nothing";
	assert_int_equal(0, rename(from, to));
	return "a change from outside";
}

/* Must hold: a log that was deleted, cut, damaged, or is of another version. */
static const char *
damage(unsigned kind, unsigned random)
{
	struct buf file = BUF_INIT(1 << 20);
	char path[512];
	int fd;

	path_of("estafeta-log", path);
	if (fs_read_file(AT_FDCWD, path, &file) != OK) {
		buf_release(&file);
		return "no log";
	}
	assert_true(file.n > 0);
	if (kind == 0) {
		assert_int_equal(0, unlink(path));
	} else if (kind == 1) {
		assert_int_equal(0, truncate(path, random % file.n));
	} else {
		size_t at = random % (kind == 2 ? 64 : file.n);

		file.p[at] ^= (char)(1 + random % 255);
		fd = open(path, O_WRONLY);
		assert_true(fd >= 0);
		assert_int_equal(OK, fs_write_all(fd, buf_str(&file)));
		close(fd);
	}
	buf_release(&file);
	return kind == 0   ? "the log's removal"
	       : kind == 1 ? "the log's truncation"
			   : "a changed octet in the log";
}

static const char *
change_at_random(struct co *co, unsigned random)
{
	struct client c;
	char args[64];

	log_in(co, &c);
	DO(SELECT, "INBOX");
	switch (random % 8) {
	case 0:
	case 1:
		append_some(co, &c, 1 + (int)(random / 8 % 3));
		break;
	case 2:
		snprintf(args, sizeof(args), "%u +FLAGS (\\Deleted)",
			 1 + random / 8 % 5);
		DO(STORE, args);
		DO(EXPUNGE, "");
		break;
	case 3:
		snprintf(args, sizeof(args), "%u Trash", 1 + random / 8 % 5);
		DO(MOVE, args);
		break;
	case 4:
		DO(STORE, "1:* FLAGS ()"); // and back
		break;
	default:
		snprintf(args, sizeof(args), "%u:%u %cFLAGS (\\Seen k%u)",
			 1 + random / 8 % 5, 1 + random / 64 % 9,
			 random % 2 ? '+' : '-', random % 3);
		DO(STORE, args);
	}
	log_out(&c);
	return "changes";
}

static void
test_away(struct co *co)
{
	static struct cache k;
	const char *why = "nothing";
	unsigned seed = (unsigned)wall_us(), n_damages = 0, n_outside = 0;

	print_message("seed %u\n", seed);
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < CHANGES; i++)
			why = change_at_random(co, (unsigned)rand_r(&seed));
		if (round % 4 == 1) {
			stop(co);
			why = damage((unsigned)rand_r(&seed) % 4,
				     (unsigned)rand_r(&seed));
			if (round % 8 == 5)
				change_from_outside((unsigned)rand_r(&seed));
			start();
			n_damages++;
		} else if (round % 4 == 3) {
			if (round % 8 == 3)
				stop(co);
			why = change_from_outside((unsigned)rand_r(&seed));
			if (round % 8 == 3)
				start();
			n_outside++;
		}
		resync(co, &k, why);
	}
	assert_true(n_damages > 2 && n_outside > 2);
	cache_clear(&k);
}

/* Octets of a log changed, and cut there; log_record_test does it to each. */
static void
test_each_octet(struct co *co)
{
	struct buf file = BUF_INIT(1 << 20);
	struct client c;
	char path[512];
	uint64_t last;
	size_t n;

	log_in(co, &c);
	append_some(co, &c, 2);
	DO(SELECT, "INBOX");
	DO(STORE, "1 +FLAGS (\\Deleted)");
	DO(EXPUNGE, "");
	last = modseq_after(DO(STATUS, "INBOX (HIGHESTMODSEQ)"), "MODSEQ ");
	log_out(&c);
	path_of("estafeta-log", path);
	for (size_t i = (size_t)wall_us() % STEP;; i += STEP) {
		buf_clear(&file);
		assert_int_equal(OK, fs_read_file(AT_FDCWD, path, &file));
		n = i / 2;
		if (n >= file.n)
			break;
		stop(co);
		if (i % 2) {
			assert_int_equal(0, truncate(path, (off_t)n));
		} else {
			int fd = open(path, O_WRONLY);

			file.p[n] ^= 0x55;
			assert_int_equal(OK, fs_write_all(fd, buf_str(&file)));
			close(fd);
		}
		start();
		log_in(co, &c);
		assert_true(highest(DO(SELECT, "INBOX")) > last);
		last = highest(c.text.p);
		assert_has(DO(FETCH, "1 (UID BODY.PEEK[])"), "(UID 2 BODY[] {");
		log_out(&c);
	}
	buf_release(&file);
}

/* After a power cut more may have been told than the log has. */
static void
test_other_boot(struct co *co)
{
	struct client c;
	uint64_t last, reserved;

	log_in(co, &c);
	append_some(co, &c, 1);
	last = highest(DO(SELECT, "INBOX"));
	log_out(&c);
	restart(co);
	log_in(co, &c);
	assert_int_equal(last, highest(DO(SELECT, "INBOX")));
	log_out(&c);
	stop(co);
	start();
	tree.boot++;
	log_in(co, &c);
	reserved = highest(DO(SELECT, "INBOX"));
	assert_true(reserved > last);
	assert_has(DO(STORE, "1 +FLAGS (\\Seen)"), "OK ");
	log_out(&c);
	stop(co);
	start();
	tree.boot++;
	log_in(co, &c);
	assert_true(highest(DO(SELECT, "INBOX")) > reserved);
	log_out(&c);
}

/* RFC 8514: the time when a message came into this mailbox. */
static void
test_savedate(struct co *co)
{
	struct client c;
	char before[64], after[64], args[64];
	time_t now = time(NULL);
	struct tm tm;

	assert_int_equal(250, deliver(co, "AAAAAAAAAA1", "x\r\n\r\n"));
	log_in(co, &c);
	DO(SELECT, "INBOX");
	/* Of a delivery: when it arrived, 1700000000. */
	WANT(DO(FETCH, "1 (SAVEDATE)"),
	     "* 1 FETCH (SAVEDATE \"14-Nov-2023 22:13:20 +0000\")\r\n"
	     "OK fetched");
	WANT(DO(SEARCH, "SAVEDON 14-Nov-2023"), "* SEARCH 1\r\nOK searched");
	WANT(DO(SEARCH, "SAVEDBEFORE 14-Nov-2023"), "* SEARCH\r\nOK searched");
	WANT(DO(SEARCH, "SAVEDATESUPPORTED"), "* SEARCH 1\r\nOK searched");
	/* Of a copy: now. INTERNALDATE goes along. */
	assert_has(DO(COPY, "1 Trash"), "OK [COPYUID");
	DO(SELECT, "Trash");
	assert_has(DO(FETCH, "1 (INTERNALDATE)"), "\"14-Nov-2023 22:13:20");
	snprintf(before, sizeof(before), "%s", DO(FETCH, "1 (SAVEDATE)"));
	gmtime_r(&now, &tm);
	strftime(args, sizeof(args), "SAVEDSINCE %d-%b-%Y", &tm);
	WANT(DO(SEARCH, args), "* SEARCH 1\r\nOK searched");
	log_out(&c);
	restart(co);
	log_in(co, &c);
	DO(SELECT, "Trash");
	snprintf(after, sizeof(after), "%s", DO(FETCH, "1 (SAVEDATE)"));
	assert_string_equal(before, after);
	log_out(&c);
}

static void
limit_files(rlim_t octets)
{
	const struct rlimit limit = { octets, RLIM_INFINITY };

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(0, setrlimit(RLIMIT_FSIZE, &limit));
}

/* F05: where nothing can be written, flags are set and messages deleted; the
 * log is given up, and whoever was away is told all the same. */
static void
test_full_disk(struct co *co)
{
	struct client c;
	uint64_t since;
	uint32_t validity;
	char args[100];
	const char *text;

	log_in(co, &c);
	append_some(co, &c, 3);
	ENABLE();
	text = DO(SELECT, "INBOX");
	since = highest(text);
	validity = number_after(text, "[UIDVALIDITY ");
	limit_files(64);
	assert_has(DO(STORE, "1:2 +FLAGS (\\Deleted)"), "OK ");
	assert_has(UID(EXPUNGE, "1"), "* VANISHED 1\r\n");
	assert_has(append(co, &c, "INBOX () ", "Subject: x\r\n\r\n"), "NO [");
	limit_files(RLIM_INFINITY);
	log_out(&c);
	restart(co);
	log_in(co, &c);
	ENABLE();
	snprintf(args, sizeof(args), "INBOX (QRESYNC (%u %llu))", validity,
		 (unsigned long long)since);
	text = DO(SELECT, args);
	assert_true(highest(text) > since);
	assert_has(text, "* 2 EXISTS\r\n");
	assert_has(text, "* VANISHED (EARLIER) 1\r\n");
	assert_has(text, "* 1 FETCH (UID 2 FLAGS (\\Deleted)");
	log_out(&c);
}

/* F06: the list says that the last UID was given, the log knows of fewer. */
static void
test_last_uid(struct co *co)
{
	struct buf list = BUF_INIT(1 << 20);
	char path[512], args[100];
	uint32_t validity;
	uint64_t since;
	struct client c;
	const char *text;
	FILE *f;

	log_in(co, &c);
	append_some(co, &c, 2);
	text = DO(SELECT, "INBOX");
	since = highest(text);
	validity = number_after(text, "[UIDVALIDITY ");
	log_out(&c);
	stop(co);
	read_file("dovecot-uidlist", &list);
	buf_putc(&list, '\0');
	snprintf(path, sizeof(path), "%s/example1.local/user1/dovecot-uidlist",
		 t.root);
	f = fopen(path, "w");
	assert_non_null(f);
	text = strstr(list.p, " N");
	assert_non_null(text);
	fprintf(f, "%.*s N4294967295%s", (int)(text - list.p), list.p,
		text + 2 + strspn(text + 2, "0123456789"));
	assert_int_equal(0, fclose(f));
	start();
	log_in(co, &c);
	ENABLE();
	snprintf(args, sizeof(args), "INBOX (QRESYNC (%u %llu))", validity,
		 (unsigned long long)since);
	text = DO(SELECT, args);
	assert_has(text, "* 2 EXISTS\r\n");
	assert_has(text, "[UIDNEXT 4294967295]");
	assert_has(text, "* VANISHED (EARLIER) 3:4294967294\r\n");
	log_out(&c);
	buf_release(&list);
}

SCENARIO(savedate)
SCENARIO(last_uid)
SCENARIO(full_disk)
SCENARIO(condstore)
SCENARIO(enabling)
SCENARIO(qresync)
SCENARIO(away)
SCENARIO(each_octet)
SCENARIO(other_boot)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run_savedate),
		cmocka_unit_test(run_last_uid),
		cmocka_unit_test(run_full_disk),
		cmocka_unit_test(run_condstore),
		cmocka_unit_test(run_enabling),
		cmocka_unit_test(run_qresync),
		cmocka_unit_test(run_away),
		cmocka_unit_test(run_each_octet),
		cmocka_unit_test(run_other_boot),
	};

	cmocka_set_test_filter(getenv("T"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
