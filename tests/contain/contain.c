/* SPDX-License-Identifier: MIT
 * tests/contain/contain.c - what a broken-in role can do: next to nothing.
 *
 * For each kind of role a child gives up its rights by the functions that the
 * parent of a program calls, in the same order, and then tries one act. Each
 * forbidden act is also tried without confinement (as root), and must work
 * there: a test that cannot fail proves nothing. Files that must not be reached
 * are readable by everybody, so that it is not their mode that protects them.
 *
 * The filter is off in sanitizer builds: this is built with release flags. */
#include "tests/contain/contain.h"

#include "lib/base/check.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const kind_names[] = { "server", "client", "files",
					  "resolver" };

static char root[] = "/tmp/contain.XXXXXX";
char own[64], other[64];
char own_file[80], hashes[80], program[80];
int tcp_listener, udp_socket, file_fd, dead_socket, unix_pair[2], ep;
struct sockaddr_in tcp_at, udp_at;
pid_t victim;
char secret[16] = "victim's memory";

static int
new_listener(struct sockaddr_in *at_out)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t n = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 64), 0);
	getsockname(fd, (struct sockaddr *)&at, &n);
	if (at_out != NULL)
		*at_out = at;
	return fd;
}

static bool
is_root(void)
{
	return geteuid() == 0;
}

enum outcome { DONE, REFUSED, KILLED, BROKEN };

static enum outcome
outcome_of(int status)
{
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGSYS ? KILLED : BROKEN;
	switch (WEXITSTATUS(status)) {
	case 0:
		return DONE;
	case EACCES:
	case EPERM:
	case ENOSYS:
	case EXDEV: // Landlock, about links from one right to another
		return REFUSED;
	default:
		return BROKEN;
	}
}

static void
give_up_rights(enum confine_kind kind)
{
	const char *const writable[] = { own, NULL };
	const char *const system[] = { "/usr", NULL };
	const char *const resolver[] = { "/etc", "/usr", NULL };
	int null = open("/dev/null", O_WRONLY);

	dup2(null, STDOUT_FILENO); // the log of what is refused
	if (confine_user(ROLE_UID, ROLE_UID) != OK)
		_exit(EIO);
	if (kind == CONFINE_FILES && !confine_paths(writable, system))
		_exit(ENODEV);
	if (kind == CONFINE_RESOLVER && !confine_paths(NULL, resolver))
		_exit(ENODEV);
	if (confine_calls(kind) != OK)
		_exit(EIO);
}

static void
write_whole(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static int
run_in_child(int kind, int (*run)(void))
{
	int status;
	pid_t pid;

	dead_socket = new_listener(NULL);
	if (access(own_file, F_OK) != 0)
		write_whole(own_file, "220 hello", 0666);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		if (!forbidden_prepare(run))
			_exit(EIO);
		if (kind >= 0)
			give_up_rights((enum confine_kind)kind);
		else
			unshare(CLONE_NEWNS); // its mounts are its own
		_exit(run());
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(dead_socket);
	return status;
}

static const char *
outcome_name(enum outcome outcome)
{
	static const char *const names[] = { "was done", "was refused",
					     "was fatal", "failed otherwise" };

	return names[outcome];
}

static void
forbidden_acts(enum confine_kind kind)
{
	unsigned n_failed = 0, n = 0, n_killed = 0;

	for (size_t i = 0; i < n_forbidden; i++) {
		enum outcome outcome;
		int status;

		if (!(forbidden[i].whom & 1u << kind))
			continue;
		status = run_in_child((int)kind, forbidden[i].run);
		outcome = outcome_of(status);
		n++;
		n_killed += outcome == KILLED;
		if (outcome == KILLED || outcome == REFUSED)
			continue;
		print_error("%s: %s %s (status 0x%x)\n", kind_names[kind],
			    forbidden[i].name, outcome_name(outcome), status);
		n_failed++;
	}
	print_message("%s: %u acts tried, %u fatal, %u answered with no\n",
		      kind_names[kind], n, n_killed, n - n_killed - n_failed);
	assert_int_equal(n_failed, 0);
}

static void
needed_acts(enum confine_kind kind)
{
	unsigned n_failed = 0;

	for (size_t i = 0; i < n_needed; i++) {
		int status, client;

		if (!(needed[i].whom & 1u << kind))
			continue;
		client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(client, (struct sockaddr *)&tcp_at,
					 sizeof(tcp_at)),
				 0);
		status = run_in_child((int)kind, needed[i].run);
		close(client);
		if (status == 0)
			continue;
		print_error("%s: %s: status 0x%x\n", kind_names[kind],
			    needed[i].name, status);
		n_failed++;
	}
	assert_int_equal(n_failed, 0);
}

static void
server_may_do_nothing_else(void **state)
{
	(void)state;
	forbidden_acts(CONFINE_NETWORK_SERVER);
}

static void
client_may_do_nothing_else(void **state)
{
	(void)state;
	forbidden_acts(CONFINE_NETWORK_CLIENT);
}

static void
owner_of_files_may_do_nothing_else(void **state)
{
	(void)state;
	forbidden_acts(CONFINE_FILES);
}

static void
resolver_may_do_nothing_else(void **state)
{
	(void)state;
	forbidden_acts(CONFINE_RESOLVER);
}

static void
each_role_can_do_its_work(void **state)
{
	(void)state;
	for (enum confine_kind k = 0; k < N_OF(kind_names); k++)
		needed_acts(k);
}

static void
acts_work_without_confinement(void **state)
{
	unsigned n_failed = 0;

	(void)state;
	if (!is_root())
		skip();
	for (size_t i = 0; i < n_forbidden; i++) {
		int status = run_in_child(-1, forbidden[i].run);

		if (status == 0)
			continue;
		if (outcome_of(status) == REFUSED) { // a container's root
			print_message("not possible here: %s\n",
				      forbidden[i].name);
			continue;
		}
		print_error("%s: status 0x%x\n", forbidden[i].name, status);
		n_failed++;
	}
	assert_int_equal(n_failed, 0);
}

static char
status_letter(const char *status, const char *key)
{
	const char *at = strstr(status, key);

	return at == NULL ? '?' : at[strlen(key)];
}

/* What the kernel says about a process that gave up its rights. */
static int
kernel_agrees(void)
{
	char status[4096], value[24];
	uint64_t capabilities = 1;
	ssize_t n = pread(file_fd, status, sizeof(status) - 1, 0);
	const char *at;

	if (n <= 0)
		return EIO;
	status[n] = '\0';
	at = strstr(status, "CapEff:\t");
	if (at != NULL) {
		snprintf(value, sizeof(value), "%.16s", at + 8);
		capabilities = strtoull(value, NULL, 16);
	}
	if (status_letter(status, "Seccomp:\t") != '2' ||
	    status_letter(status, "NoNewPrivs:\t") != '1' || capabilities != 0)
		return ERANGE;
	return 0;
}

static void
kernel_says_that_rights_are_gone(void **state)
{
	(void)state;
	for (enum confine_kind k = 0; k < N_OF(kind_names); k++) {
		int status, fd = file_fd;
		pid_t pid;

		fflush(NULL);
		pid = fork();
		if (pid == 0) {
			file_fd = open("/proc/self/status", O_RDONLY);
			give_up_rights(k);
			_exit(kernel_agrees());
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		file_fd = fd;
		assert_int_equal(status, 0);
	}
}

static int
set_up(void **state)
{
	static const char hash[] = "user1@example1.local|{SHA512-CRYPT}$6$x\n";
	char path[90];
	socklen_t n = sizeof(udp_at);

	(void)state;
	assert_non_null(mkdtemp(root));
	assert_int_equal(chmod(root, 0755), 0);
	snprintf(own, sizeof(own), "%s/own", root);
	snprintf(other, sizeof(other), "%s/other", root);
	snprintf(own_file, sizeof(own_file), "%s/file", own);
	snprintf(hashes, sizeof(hashes), "%s/hashes", other);
	snprintf(program, sizeof(program), "%s/program", own);
	assert_int_equal(mkdir(own, 0755), 0);
	assert_int_equal(mkdir(other, 0755), 0);
	assert_int_equal(chmod(other, 0777), 0);
	if (is_root())
		assert_int_equal(chown(own, ROLE_UID, ROLE_UID), 0);
	write_whole(hashes, hash, 0666);
	write_whole(program, "#!/bin/sh\nexit 0\n", 0755);
	write_whole(own_file, "220 hello", 0666);
	snprintf(path, sizeof(path), "%s/to-hashes", own);
	assert_int_equal(symlink(hashes, path), 0);
	file_fd = open(own_file, O_RDWR);
	assert_true(file_fd >= 0);

	tcp_listener = new_listener(&tcp_at);
	udp_socket = socket(AF_INET, SOCK_DGRAM, 0);
	udp_at.sin_family = AF_INET;
	udp_at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(
		bind(udp_socket, (struct sockaddr *)&udp_at, sizeof(udp_at)),
		0);
	getsockname(udp_socket, (struct sockaddr *)&udp_at, &n);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, unix_pair), 0);
	ep = epoll_create1(EPOLL_CLOEXEC);

	/* Of the same user: only the sandbox stands between. */
	signal(SIGURG, SIG_IGN);
	victim = fork();
	if (victim == 0) {
		if (is_root())
			check(setresuid(ROLE_UID, ROLE_UID, ROLE_UID) == 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_DUMPABLE, 1);
		for (;;)
			pause();
	}
	return victim > 0 ? 0 : -1;
}

static int
tear_down(void **state)
{
	char command[96];

	(void)state;
	kill(victim, SIGKILL);
	waitpid(victim, NULL, 0);
	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	return system(command);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(server_may_do_nothing_else),
		cmocka_unit_test(client_may_do_nothing_else),
		cmocka_unit_test(owner_of_files_may_do_nothing_else),
		cmocka_unit_test(resolver_may_do_nothing_else),
		cmocka_unit_test(each_role_can_do_its_work),
		cmocka_unit_test(kernel_says_that_rights_are_gone),
		cmocka_unit_test(acts_work_without_confinement),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
