/* SPDX-License-Identifier: MIT
 * lib/rt/log_test.c - what foreign bytes can make of a line: nothing (F14). The
 * lines of Postfix were compared with those that pflogsumm 1.1 reads. */
#include "lib/rt/log.c"

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

static char seen[65536];
static size_t n_seen;

/* What one event writes to standard output. */
static void
capture(const char *style, const char *who, enum log_level level,
	const char *event, const struct log_field *fields)
{
	char path[] = "/tmp/log-XXXXXX";
	int fd = mkstemp(path), saved = dup(STDOUT_FILENO);
	ssize_t n;

	assert_true(fd >= 0 && saved >= 0);
	unlink(path);
	fflush(stdout);
	dup2(fd, STDOUT_FILENO);
	log_open(who, LOG_INFO);
	assert_true(log_use_format(style, "mx.example"));
	log_write(level, S("s1"), event, fields);
	log_use_format("text", "");
	dup2(saved, STDOUT_FILENO);
	close(saved);
	n = pread(fd, seen, sizeof(seen) - 1, 0);
	close(fd);
	assert_true(n >= 0);
	n_seen = (size_t)n;
	seen[n_seen] = '\0';
}

#define FIELDS(...)                                   \
	(const struct log_field[])                    \
	{                                             \
		__VA_ARGS__,                          \
		{                                     \
			LOG_END, NULL, { NULL, 0 }, 0 \
		}                                     \
	}

static void
expect(const char *part)
{
	if (strstr(seen, part) == NULL)
		fail_msg("no '%s' in %s", part, seen);
}

static void
test_lines_that_pflogsumm_reads(void **state UNUSED)
{
	capture("postfix", "mta/in", LOG_INFO, "smtp.accept",
		FIELDS(F("id", S("1abc")), FA("from", S("a@b")), FN("rcpts", 2),
		       FN("size", 77), F("client", S("192.0.2.1")),
		       F("login", S("a@b"))));
	expect(" mx.example postfix/smtpd[");
	expect("]: 1abc: client=unknown[192.0.2.1], sasl_method=PLAIN, "
	       "sasl_username=a@b\n");
	expect("]: 1abc: from=<a@b>, size=77, nrcpt=2 (queue active)\n");
	capture("postfix", "mta/queue", LOG_INFO, "delivery",
		FIELDS(FC("id", "1abc"), FC("status", "sent"),
		       FA("to", S("c@d")), FN("code", 250),
		       F("dsn", S("2.0.0")), F("remote", S("h[192.0.2.9]")),
		       F("text", S("2.0.0 Ok: queued as X")),
		       FN("delay_us", 1500000)));
	expect("postfix/smtp[");
	expect("]: 1abc: to=<c@d>, relay=h[192.0.2.9], delay=1.5, "
	       "delays=0/0/0/1.5, dsn=2.0.0, status=sent (250 2.0.0 Ok: "
	       "queued as X)\n");
	capture("postfix", "mta/queue", LOG_INFO, "delivery",
		FIELDS(FC("id", "1abc"), FC("status", "failed"),
		       FA("to", S("c@d")), F("remote", S("mda"))));
	expect("postfix/lmtp[");
	expect("status=bounced (");
	capture("postfix", "mta/queue", LOG_INFO, "message.done",
		FIELDS(FC("id", "1abc")));
	expect("]: 1abc: removed\n");
	capture("postfix", "mta/in", LOG_INFO, "rcpt.reject",
		FIELDS(FA("to", S("c@d")), FA("from", S("a@b")),
		       FN("code", 550), F("dsn", S("5.1.1")),
		       F("text", S("<c@d>: unknown")),
		       F("client", S("192.0.2.1"))));
	expect("]: NOQUEUE: reject: RCPT from unknown[192.0.2.1]: 550 5.1.1 "
	       "<c@d>: <c@d>: unknown; from=<a@b> to=<c@d> proto=ESMTP\n");
	capture("postfix", "mda/front", LOG_WARN, "imap.store",
		FIELDS(F("user", S("x"))));
	expect("postfix/estafeta-mda-front[");
	expect("]: warning: imap.store user=x\n");
}

static void
test_foreign_bytes_stay_in_their_line(void **state UNUSED)
{
	static const char *const styles[] = { "text", "json", "postfix" };
	static const char *const events[] = { "smtp.accept", "rcpt.reject",
					      "other" };
	struct str evil = S("a\r\nJan 31 postfix/qmgr[1]: X: removed\n\x1b[2J"
			    "\0\xff\"<>\\");

	for (size_t i = 0; i < 3; i++)
		for (size_t k = 0; k < 3; k++) {
			size_t n_lines = 0;

			capture(styles[i], "mta/in", LOG_INFO, events[k],
				FIELDS(FA("from", evil), FA("to", evil),
				       F("client", evil), F("text", evil),
				       F("id", S("1abc")), F("login", evil)));
			for (size_t at = 0; at < n_seen; at++) {
				unsigned char c = (unsigned char)seen[at];

				n_lines += c == '\n';
				assert_true(c == '\n' || c >= ' ');
				assert_true(c != 0x7f);
			}
			assert_int_equal(n_lines, i == 2 && k == 0 ? 2 : 1);
		}
}

static void
test_long_values_are_cut(void **state UNUSED)
{
	static const char *const styles[] = { "text", "json", "postfix" };
	static char big[100000];
	struct log_field fields[60];

	memset(big, '\1', sizeof(big));
	for (size_t i = 0; i < 59; i++)
		fields[i] =
			(struct log_field)F("text", str_of(big, sizeof(big)));
	fields[59] = (struct log_field) { LOG_END, NULL, { NULL, 0 }, 0 };
	for (size_t i = 0; i < 3; i++) {
		capture(styles[i], "mta/in", LOG_INFO, "other", fields);
		assert_true(n_seen > 100 && n_seen <= LINE_MAX_OCTETS);
	}
}

/* Lines in the file, which end in k=N; is their order that of N? */
static int
lines_in(int fd, int *last, bool *is_ordered)
{
	ssize_t n = pread(fd, seen, sizeof(seen) - 1, 0);
	int n_lines = 0;

	assert_true(n >= 0);
	seen[n] = '\0';
	*last = -1;
	for (const char *p = seen; (p = strstr(p, " k=")) != NULL; p += 3) {
		int k = p[3] - '0';

		*is_ordered &= k > *last;
		*last = k;
		n_lines++;
	}
	return n_lines;
}

static void
test_a_batch_keeps_order_and_loses_nothing(void **state UNUSED)
{
	static const struct {
		const char *name;
		enum log_level levels[4];
		size_t n;
		int n_seen; // lines before log_flush()
	} cases[] = {
		{ "info waits", { LOG_INFO, LOG_INFO }, 2, 0 },
		{ "a warning takes all before it along",
		  { LOG_INFO, LOG_WARN, LOG_INFO },
		  3,
		  2 },
		{ "an error does not wait", { LOG_ERROR }, 1, 1 },
	};
	char path[] = "/tmp/log-XXXXXX";
	int fd = mkstemp(path), saved = dup(STDOUT_FILENO);

	assert_true(fd >= 0 && saved >= 0);
	unlink(path);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int n_early, n_all, last = 0;
		bool is_ordered = true;

		fflush(stdout);
		assert_int_equal(ftruncate(fd, 0), 0);
		lseek(fd, 0, SEEK_SET);
		dup2(fd, STDOUT_FILENO);
		log_batch(true);
		for (size_t k = 0; k < cases[i].n; k++)
			log_at(cases[i].levels[k], STR_NONE, "e", FN("k", k));
		n_early = lines_in(fd, &last, &is_ordered);
		log_batch(false);
		n_all = lines_in(fd, &last, &is_ordered);
		dup2(saved, STDOUT_FILENO);
		if (n_early != cases[i].n_seen || n_all != (int)cases[i].n ||
		    !is_ordered)
			fail_msg("%s: %d early, %d of %zu", cases[i].name,
				 n_early, n_all, cases[i].n);
	}
	close(saved);
	close(fd);
}

/* No write is longer than what a pipe takes whole. */
static void
test_a_batch_is_one_piece_of_a_pipe(void **state UNUSED)
{
	int fds[2], saved = dup(STDOUT_FILENO);
	size_t total = 0;
	ssize_t n;

	assert_int_equal(pipe2(fds, O_DIRECT | O_NONBLOCK), 0); // packets
	fflush(stdout);
	dup2(fds[1], STDOUT_FILENO);
	log_batch(true);
	for (int i = 0; i < 100; i++)
		log_info("filling", FC("text", "some words to fill a line"));
	log_batch(false);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	while ((n = read(fds[0], seen, sizeof(seen))) > 0) {
		assert_true(n <= PIPE_BUF);
		assert_int_equal(seen[n - 1], '\n');
		for (ssize_t i = 0; i < n; i++)
			total += seen[i] == '\n';
	}
	assert_int_equal(total, 100);
	close(fds[0]);
	close(fds[1]);
}

static void
test_a_broken_invariant_loses_no_line(void **state UNUSED)
{
	int fds[2], status;
	pid_t pid;
	ssize_t n;

	assert_int_equal(pipe(fds), 0);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		dup2(fds[1], STDERR_FILENO);
		log_batch(true);
		log_info("before.the.end");
		signal(SIGABRT, SIG_DFL);
		check(pid != 0);
	}
	close(fds[1]);
	n = read(fds[0], seen, sizeof(seen) - 1);
	assert_true(n > 0);
	seen[n] = '\0';
	expect("ev=before.the.end\n");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	close(fds[0]);
}

static void
test_a_wrong_format_is_refused(void **state UNUSED)
{
	assert_false(log_use_format("syslog", ""));
	assert_false(log_use_format("", ""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_that_pflogsumm_reads),
		cmocka_unit_test(test_foreign_bytes_stay_in_their_line),
		cmocka_unit_test(test_long_values_are_cut),
		cmocka_unit_test(test_a_batch_keeps_order_and_loses_nothing),
		cmocka_unit_test(test_a_batch_is_one_piece_of_a_pipe),
		cmocka_unit_test(test_a_broken_invariant_loses_no_line),
		cmocka_unit_test(test_a_wrong_format_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
