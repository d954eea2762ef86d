/* SPDX-License-Identifier: MIT
 * ctl/run.c - mailctl run: the first process of a container, or of a terminal.
 *
 * Owns: the three programs, and as process 1 whatever orphans come its way.
 * Invariants:
 *  (1) It parses nothing: what reads files or makes keys is a child of its own,
 *      so that no bad file can take the system down.
 *  (2) A program whose supervisor dies is told to stop by the kernel.
 *  (3) mta stops first: while it ends what it has begun, the others serve it.
 */
#include "ctl/acme.h"
#include "ctl/certs.h"
#include "ctl/commands.h"
#include "ctl/facts.h"
#include "ctl/interfaces.h"
#include "ctl/tls_files.h"
#include "lib/base/check.h"
#include "lib/rt/certificate.h"
#include "lib/rt/clock.h"
#include "lib/rt/fs.h"
#include "lib/rt/log.h"
#include "lib/rt/options.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

enum {
	BACKOFF_FIRST_MS = 50,
	BACKOFF_MAX_MS = 10000,
	BACKOFF_FORGET_S = 60, // of quiet life
	STOP_WAIT_S = 15,
	OTHERS_STOP_S = 6, // mta/out waits 5 s for a server
	CERTIFICATE_CHECK_S = 86400,
	ACME_CHECK_S = 1,
	MAIN_CHECK_S = 1,
	EXEC_FAILED = 127,
	ADDED_FLAGS = 8,
	DIAG_OCTETS = 64 * 1024,
};

static const char usage[] =
	"usage: mailctl run [flags]\n"
	"\n"
	"Starts router, mda and mta, and starts again what ends. SIGHUP: read\n"
	"files again. SIGTERM, SIGINT: finish and stop.";

struct program_run {
	const char *name;
	char path[PATH_MAX];
	pid_t pid; // 0: not running
	int64_t started_us, restart_at_us, backoff_ms;
};

static struct {
	struct program_run programs[3];
	struct options options;
	char **argv; // for the programs, too
	int argc;
	sigset_t signals, before;
	bool is_stopping, are_others_told;
	int64_t others_at_us; // the programs that mta needs are told to stop
	int64_t kill_at_us, next_certificate_us;
	int64_t next_acme_us; // with SSL_TYPE=letsencrypt alone
	int64_t next_main_us; // main.cf is looked at: certificates
	pid_t tls_files;      // who looks after those; 0: nobody
} run = {
	.programs = { { .name = "router" },
		      { .name = "mda" },
		      { .name = "mta" } },
};

enum { N_PROGRAMS = sizeof(run.programs) / sizeof(*run.programs) };
static struct program_run *const mta = &run.programs[N_PROGRAMS - 1];

/* ---- helpers that end soon ---- */

/* Rights of a fresh process: signals as they were before. */
static pid_t
fork_child(void)
{
	pid_t me = getpid(), pid = fork();

	if (pid != 0)
		return pid;
	sigprocmask(SIG_SETMASK, &run.before, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != me)
		_exit(1); // it died before the kernel was told
	return 0;
}

/* Did it end well? */
static bool
await(pid_t child)
{
	int status = -1;

	if (child > 0)
		while (waitpid(child, &status, 0) < 0 && errno == EINTR)
			;
	return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static pid_t
start_certificate(void)
{
	enum certs_done done;
	pid_t pid;

	run.next_certificate_us = in_s(CERTIFICATE_CHECK_S);
	if (!certificate_is_ours(&run.options))
		return -1;
	pid = fork_child();
	if (pid != 0)
		return pid;
	if (certs_make(run.options.state_dir, run.options.hostname,
		       CERTS_IF_NEEDED, &done) != OK)
		_exit(1);
	if (done == CERTS_MADE)
		log_fact("certificate: a new one was made; mailctl cert ca "
			 "prints the authority that clients should trust");
	_exit(0);
}

static bool
is_certificate_in_acme(void)
{
	return str_ieq(str_c(run.options.ssl_type), S("letsencrypt"));
}

/* Looks at acme.json, and takes out what changed. */
static pid_t
start_acme(void)
{
	pid_t pid;

	run.next_acme_us = in_s(ACME_CHECK_S);
	if (!acme_has_changed(&run.options))
		return -1;
	pid = fork_child();
	if (pid != 0)
		return pid;
	_exit(acme_extract(&run.options) == OK ? 0 : 1);
}

/* Once, before the programs look for certificates. */
static pid_t
start_tls_files(void)
{
	pid_t pid = fork_child();

	if (pid != 0)
		return pid;
	tls_files_take(&run.options);
	_exit(0);
}

/* Another main.cf: somebody else looks after the files that it names. */
static void
follow_tls_files(void)
{
	run.next_main_us = in_s(MAIN_CHECK_S);
	if (!tls_files_have_changed(&run.options))
		return;
	if (run.tls_files > 0)
		kill(run.tls_files, SIGTERM);
	run.tls_files = fork_child();
	if (run.tls_files == 0) {
		tls_files_follow(&run.options);
		_exit(0);
	}
}

static void
log_diag(const struct diag *d)
{
	for (const struct diag_entry *e = d->first; e != NULL; e = e->next) {
		struct buf line = BUF_INIT(4096);

		if (diag_format(e, &line) == OK)
			log_warn("listen.interfaces",
				 F("text", str_rtrim(buf_str(&line))));
		buf_release(&line);
	}
}

/* Into the pipe: flags that inet_interfaces of main.cf asks for. */
static pid_t
start_interfaces(int to)
{
	struct buf flags = BUF_INIT(INTERFACES_OCTETS);
	pid_t pid = fork_child();
	struct diag d;

	if (pid != 0)
		return pid;
	diag_init(&d, DIAG_OCTETS);
	interfaces_flags(&run.options, &d, &flags);
	log_diag(&d);
	_exit(fs_write_all(to, buf_str(&flags)) == OK ? 0 : 1);
}

/* Adds them behind those that we were given, for the programs: the last one of
 * a kind counts. False: it is not known, and all addresses are no guess. */
static bool
take_interfaces(int argc, char **given)
{
	static char *with[ADDED_FLAGS];
	static char text[INTERFACES_OCTETS];
	char **argv = calloc((size_t)argc + ADDED_FLAGS + 1, sizeof(*argv));
	struct str rest, flag;
	size_t n = 0, n_with = 0;
	int pipe_fds[2];
	ssize_t got;
	pid_t pid;

	check(argv != NULL && pipe2(pipe_fds, O_CLOEXEC) == 0);
	pid = start_interfaces(pipe_fds[1]);
	close(pipe_fds[1]);
	while (n < sizeof(text) &&
	       (got = read(pipe_fds[0], text + n, sizeof(text) - n)) > 0)
		n += (size_t)got;
	close(pipe_fds[0]);
	if (!await(pid))
		return false;
	rest = str_of(text, n);
	while (n_with < ADDED_FLAGS && str_split(&rest, '\n', &flag))
		if (flag.n > 0 &&
		    asprintf(&with[n_with], "--%.*s", STR(flag)) > 0)
			n_with++;
	memcpy(argv, given, (size_t)argc * sizeof(*argv));
	memcpy(argv + argc, with, n_with * sizeof(*argv));
	run.argv = argv;
	run.argc = argc + (int)n_with;
	return true;
}

/* With the addresses that the programs are told. */
static void
start_facts(void)
{
	pid_t pid = fork_child();

	if (pid != 0)
		return; // told or not, mail goes on
	optind = 0;
	options_read(&run.options, run.argc, run.argv, usage);
	facts_print(&run.options);
	_exit(0);
}

/* ---- the programs ---- */

static void
start(struct program_run *p)
{
	pid_t pid = fork_child();

	if (pid == 0) {
		run.argv[0] = p->path;
		execv(p->path, run.argv);
		log_error("program.failed", FC("program", p->name),
			  FC("path", p->path), FERRNO(errno));
		_exit(EXEC_FAILED);
	}
	if (pid < 0) {
		log_error("fork.failed", FERRNO(errno));
		p->restart_at_us = in_ms(BACKOFF_MAX_MS);
		return;
	}
	p->pid = pid;
	p->started_us = now_us();
}

static void
ended(struct program_run *p, int status)
{
	int signal_no = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

	log_at(run.is_stopping ? LOG_INFO : LOG_ERROR, STR_NONE,
	       "program.ended", FC("program", p->name), FN("pid", p->pid),
	       FN("signal", signal_no),
	       FN("exit", WIFEXITED(status) ? WEXITSTATUS(status) : -1));
	p->pid = 0;
	if (now_us() - p->started_us > BACKOFF_FORGET_S * US_PER_S)
		p->backoff_ms = 0;
	p->backoff_ms = p->backoff_ms ? p->backoff_ms * 2 : BACKOFF_FIRST_MS;
	if (p->backoff_ms > BACKOFF_MAX_MS)
		p->backoff_ms = BACKOFF_MAX_MS;
	p->restart_at_us = in_ms(p->backoff_ms);
}

/* All children that ended: programs, helpers, and as process 1 orphans. */
static void
reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == run.tls_files)
			run.tls_files = 0;
		for (size_t i = 0; i < N_PROGRAMS; i++)
			if (run.programs[i].pid == pid)
				ended(&run.programs[i], status);
	}
}

static void
send_all(int signal_no)
{
	for (size_t i = 0; i < N_PROGRAMS; i++)
		if (run.programs[i].pid != 0)
			kill(run.programs[i].pid, signal_no);
}

static void
on_signal(int signal_no)
{
	if (signal_no == SIGCHLD) {
		reap();
		return;
	}
	if (signal_no == SIGHUP) {
		send_all(SIGHUP);
		return;
	}
	if (run.is_stopping)
		return;
	log_info("run.stop", FN("signal", signal_no));
	run.is_stopping = true;
	run.kill_at_us = in_s(STOP_WAIT_S);
	run.others_at_us = in_s(OTHERS_STOP_S);
	if (mta->pid != 0)
		kill(mta->pid, SIGTERM);
}

/* When mta is gone, or takes its time. */
static void
stop_others(void)
{
	if (run.are_others_told ||
	    (mta->pid != 0 && now_us() < run.others_at_us))
		return;
	run.are_others_told = true;
	for (size_t i = 0; i < N_PROGRAMS; i++)
		if (run.programs[i].pid != 0 && &run.programs[i] != mta)
			kill(run.programs[i].pid, SIGTERM);
}

/* When something is to do although no signal comes. */
static int64_t
next_event_us(void)
{
	int64_t next_us = run.next_certificate_us;

	if (run.is_stopping)
		return run.are_others_told ? run.kill_at_us : run.others_at_us;
	if (is_certificate_in_acme() && run.next_acme_us < next_us)
		next_us = run.next_acme_us;
	if (run.next_main_us < next_us)
		next_us = run.next_main_us;
	for (size_t i = 0; i < N_PROGRAMS; i++)
		if (run.programs[i].pid == 0 &&
		    run.programs[i].restart_at_us < next_us)
			next_us = run.programs[i].restart_at_us;
	return next_us;
}

static void
wait_for_signal(void)
{
	int64_t left_us = next_event_us() - now_us();
	struct timespec left;
	int signal_no;

	if (left_us < 0)
		left_us = 0;
	left.tv_sec = left_us / US_PER_S;
	left.tv_nsec = left_us % US_PER_S * 1000;
	signal_no = sigtimedwait(&run.signals, NULL, &left);
	if (signal_no > 0)
		on_signal(signal_no);
}

static bool
is_any_alive(void)
{
	for (size_t i = 0; i < N_PROGRAMS; i++)
		if (run.programs[i].pid != 0)
			return true;
	return false;
}

static void
supervise(void)
{
	while (!run.is_stopping) {
		for (size_t i = 0; i < N_PROGRAMS; i++) {
			struct program_run *p = &run.programs[i];

			if (p->pid == 0 && now_us() >= p->restart_at_us)
				start(p);
		}
		if (now_us() >= run.next_certificate_us)
			start_certificate();
		if (is_certificate_in_acme() && now_us() >= run.next_acme_us)
			start_acme();
		if (now_us() >= run.next_main_us)
			follow_tls_files();
		wait_for_signal();
	}
	while (is_any_alive()) {
		stop_others();
		if (now_us() >= run.kill_at_us) {
			log_error("run.kill",
				  FC("why", "they did not stop in time"));
			send_all(SIGKILL);
			run.kill_at_us = in_s(STOP_WAIT_S);
		}
		wait_for_signal();
	}
}

/* ---- start ---- */

/* Beside this executable, or in the PATH. */
static bool
find_program(struct program_run *p, const char *own_dir)
{
	struct str path = str_c(getenv("PATH")), dir;

	snprintf(p->path, sizeof(p->path), "%.3000s/%s", own_dir, p->name);
	if (access(p->path, X_OK) == 0)
		return true;
	while (str_split(&path, ':', &dir)) {
		snprintf(p->path, sizeof(p->path), "%.*s/%s",
			 STR(str_first(dir, 3000)), p->name);
		if (dir.n > 0 && access(p->path, X_OK) == 0)
			return true;
	}
	fprintf(stderr, "mailctl run: there is no program '%s' in %s or PATH\n",
		p->name, own_dir);
	return false;
}

static bool
find_programs(void)
{
	static char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	self[n < 0 ? 0 : n] = '\0';
	slash = strrchr(self, '/');
	if (slash != NULL)
		*slash = '\0';
	for (size_t i = 0; i < N_PROGRAMS; i++)
		if (!find_program(&run.programs[i], self))
			return false;
	return true;
}

static void
take_signals(void)
{
	sigemptyset(&run.signals);
	sigaddset(&run.signals, SIGCHLD);
	sigaddset(&run.signals, SIGTERM);
	sigaddset(&run.signals, SIGINT);
	sigaddset(&run.signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &run.signals, &run.before);
	/* Who started us may have blocked or ignored what our children need. */
	sigemptyset(&run.before);
	signal(SIGCHLD, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
}

int
run_main(int argc, char **argv)
{
	options_read(&run.options, argc, argv, usage);
	log_open("run", log_level_named(str_c(run.options.log_level)));
	if (!log_use_format(run.options.log_format, run.options.hostname)) {
		fprintf(stderr, "LOG_FORMAT=%s: write text, json or postfix\n",
			run.options.log_format);
		return EX_USAGE;
	}
	if (!find_programs())
		return EX_UNAVAILABLE;
	take_signals();
	/* The programs look for the certificate when they start. */
	await(is_certificate_in_acme() ? start_acme() : start_certificate());
	await(start_tls_files());
	if (!take_interfaces(argc, argv)) {
		fprintf(stderr, "mailctl run: inet_interfaces of main.cf "
				"cannot be read\n");
		return EX_CONFIG;
	}
	start_facts();
	supervise();
	log_info("run.stopped");
	return 0;
}
