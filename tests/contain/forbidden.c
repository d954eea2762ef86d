/* SPDX-License-Identifier: MIT
 * tests/contain/forbidden.c - what no broken-in role may do. */
#include "tests/contain/contain.h"

#include <errno.h>
#include <grp.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static int
read_passwd(void)
{
	return try_open("/etc/passwd", O_RDONLY);
}

static int
write_passwd(void)
{
	return try_open("/etc/passwd", O_WRONLY);
}

static int
read_hashes(void)
{
	return try_open(hashes, O_RDONLY);
}

static int
read_by_openat2(void)
{
	struct {
		uint64_t flags, mode, resolve;
	} how = { O_RDONLY, 0, 0 };

	return result(syscall(437, AT_FDCWD, hashes, &how, sizeof(how)));
}

static int
list_other_dir(void)
{
	return try_open(other, O_RDONLY | O_DIRECTORY);
}

static int
write_in_other_dir(void)
{
	char path[90];

	snprintf(path, sizeof(path), "%s/new", other);
	return try_open(path, O_WRONLY | O_CREAT);
}

static int
link_hashes_here(void)
{
	char path[90];
	int e;

	snprintf(path, sizeof(path), "%s/link", own);
	e = result(linkat(AT_FDCWD, hashes, AT_FDCWD, path, 0));
	unlinkat(AT_FDCWD, path, 0);
	return e;
}

static int
climb_out(void)
{
	char path[90];

	snprintf(path, sizeof(path), "%s/../other/hashes", own);
	return try_open(path, O_RDONLY);
}

static int
follow_link_out(void)
{
	char path[90];

	snprintf(path, sizeof(path), "%s/to-hashes", own);
	return try_open(path, O_RDONLY);
}

static int
see_memory_of_victim(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)victim);
	return try_open(path, O_RDONLY);
}

static int
create_file(void)
{
	char path[90];

	snprintf(path, sizeof(path), "%s/created.%d", own, (int)getpid());
	return try_open(path, O_WRONLY | O_CREAT | O_TRUNC);
}

static int
remove_file(void)
{
	return result(unlinkat(AT_FDCWD, own_file, 0));
}

static int
rename_file(void)
{
	char to[90];

	snprintf(to, sizeof(to), "%s/renamed", own);
	return result(renameat(AT_FDCWD, own_file, AT_FDCWD, to));
}

static int
make_symlink(void)
{
	char path[90];

	snprintf(path, sizeof(path), "%s/symlink", own);
	return result(symlinkat("/etc/passwd", AT_FDCWD, path));
}

static int
make_device(void)
{
	char path[90];

	snprintf(path, sizeof(path), "%s/pipe", own);
	return result(mknodat(AT_FDCWD, path, S_IFIFO | 0600, 0));
}

static int
change_owner(void)
{
	return result(fchown(file_fd, ROLE_UID, ROLE_UID));
}

static int
execute(void)
{
	char *const argv[] = { program, NULL }, *const env[] = { NULL };

	execve(program, argv, env);
	return errno;
}

static int
execute_descriptor(void)
{
	char *const argv[] = { program, NULL }, *const env[] = { NULL };
	int fd = (int)syscall(SYS_memfd_create, "x", 0);

	if (fd < 0)
		return errno;
	syscall(SYS_execveat, fd, "", argv, env, AT_EMPTY_PATH);
	return errno == ENOEXEC || errno == EACCES ? 0 : errno;
}

static int
begin_process(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return result(pid);
}

static int
begin_process_by_clone3(void)
{
	uint64_t args[8] = { 0 };
	long pid;

	args[4] = SIGCHLD;
	pid = syscall(SYS_clone3, args, sizeof(args));
	if (pid == 0)
		_exit(0);
	if (pid > 0)
		waitpid((pid_t)pid, NULL, 0);
	return result(pid);
}

static int
new_user_namespace(void)
{
	return result(unshare(CLONE_NEWUSER));
}

static int
new_user_namespace_by_clone(void)
{
	long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	if (pid > 0)
		waitpid((pid_t)pid, NULL, 0);
	return result(pid);
}

static int
enter_namespace(void)
{
	return result(setns(file_fd, 0)) == EINVAL ? 0 : errno;
}

static int
open_tcp(void)
{
	return result(socket(AF_INET, SOCK_STREAM, 0));
}

static int
open_udp(void)
{
	return result(socket(AF_INET6, SOCK_DGRAM, 0));
}

static int
open_unix(void)
{
	return result(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int
open_netlink(void)
{
	return result(socket(AF_NETLINK, SOCK_RAW, 0));
}

static int
open_raw(void)
{
	return result(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
}

static int
open_packet(void)
{
	return result(socket(AF_PACKET, SOCK_RAW, 0));
}

static int
open_vsock(void)
{
	return result(socket(AF_ALG, SOCK_SEQPACKET, 0)) == EAFNOSUPPORT
		       ? 0
		       : errno;
}

static int
make_pair(void)
{
	int pair[2];

	return result(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
}

/* A listening socket that is shut down is as good as a new one. */
static int
connect_used_socket(void)
{
	shutdown(dead_socket, SHUT_RD);
	return result(connect(dead_socket, (struct sockaddr *)&tcp_at,
			      sizeof(tcp_at)));
}

static int
connect_by_sending(void)
{
	shutdown(dead_socket, SHUT_RD);
	return result(sendto(dead_socket, "x", 1, MSG_FASTOPEN,
			     (struct sockaddr *)&tcp_at, sizeof(tcp_at)));
}

static int
connect_by_sendmsg(void)
{
	struct iovec iov = { "x", 1 };
	struct msghdr msg = { .msg_name = &tcp_at,
			      .msg_namelen = sizeof(tcp_at),
			      .msg_iov = &iov,
			      .msg_iovlen = 1 };

	shutdown(dead_socket, SHUT_RD);
	return result(sendmsg(dead_socket, &msg, MSG_FASTOPEN));
}

static int
bind_port(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	int e = result(bind(dead_socket, (struct sockaddr *)&at, sizeof(at)));

	return e == EINVAL ? 0 : e; // the kernel looked at it
}

static int
listen_anew(void)
{
	return result(listen(tcp_listener, 1));
}

static int
attach_filter(void)
{
	struct {
		unsigned short n;
		void *p;
	} filter = { 0, NULL };
	int e = result(setsockopt(dead_socket, SOL_SOCKET, SO_ATTACH_FILTER,
				  &filter, sizeof(filter)));

	return e == EINVAL || e == EFAULT ? 0 : e;
}

static int
set_protocol(void)
{
	int e = result(
		setsockopt(dead_socket, IPPROTO_TCP, TCP_ULP, "none", 4));

	return e == ENOENT || e == ENOTCONN ? 0 : e;
}

static int
trace_victim(void)
{
	return result(ptrace(PTRACE_SEIZE, victim, NULL, NULL));
}

static int
trace_parent(void)
{
	return result(ptrace(PTRACE_SEIZE, getppid(), NULL, NULL));
}

static int
let_parent_trace(void)
{
	int e = result(prctl(PR_SET_PTRACER, getppid(), 0, 0, 0));

	return e == EINVAL ? 0 : e; // a kernel without Yama
}

static int
become_dumpable(void)
{
	return result(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

static int
read_victim(void)
{
	char got[sizeof(secret)];
	struct iovec here = { got, sizeof(got) };
	struct iovec there = { secret, sizeof(secret) };

	return result(process_vm_readv(victim, &here, 1, &there, 1, 0));
}

static int
write_victim(void)
{
	struct iovec here = { secret, sizeof(secret) };
	struct iovec there = { secret, sizeof(secret) };

	return result(process_vm_writev(victim, &here, 1, &there, 1, 0));
}

static int
signal_victim(void)
{
	return result(kill(victim, SIGURG));
}

static int
signal_parent(void)
{
	return result(kill(getppid(), SIGURG));
}

static int
signal_victims_thread(void)
{
	return result(syscall(SYS_tgkill, victim, victim, SIGURG));
}

/* By the socket's owner, whom the kernel signals. */
static int
signal_by_fcntl(void)
{
	return result(fcntl(unix_pair[0], F_SETOWN, victim));
}

static int
take_victims_descriptor(void)
{
	int pidfd = (int)syscall(SYS_pidfd_open, victim, 0);

	return pidfd < 0 ? errno
			 : result(syscall(SYS_pidfd_getfd, pidfd, 1, 0));
}

static int
limit_victim(void)
{
	struct rlimit limit;

	return result(prlimit(victim, RLIMIT_NOFILE, NULL, &limit));
}

static int
raise_limit(void)
{
	struct rlimit limit = { 64, 64 };

	return result(setrlimit(RLIMIT_NOFILE, &limit));
}

static int
mount_something(void)
{
	return result(mount("none", own, "tmpfs", 0, NULL));
}

static int
change_root(void)
{
	return result(chroot(own));
}

static int
become_root(void)
{
	return result(setresuid(0, 0, 0));
}

static int
become_other(void)
{
	return result(setuid(OTHER_UID));
}

static int
join_group(void)
{
	gid_t groups[1] = { 0 };

	return result(setgroups(1, groups));
}

static int
load_program(void)
{
	char attributes[128] = { 0 };
	int e = result(syscall(SYS_bpf, 5, attributes, sizeof(attributes)));

	return e == EINVAL || e == EFAULT || e == E2BIG ? 0 : e;
}

static int
open_ring(void)
{
	char parameters[120] = { 0 };

	return result(syscall(SYS_io_uring_setup, 4, parameters));
}

static int
count_events(void)
{
	char attributes[128] = { 0 };
	int e = result(syscall(SYS_perf_event_open, attributes, 0, -1, -1, 0));

	return e == EINVAL || e == ENOENT || e == E2BIG || e == EOPNOTSUPP ? 0
									   : e;
}

static int
add_key(void)
{
	return result(syscall(SYS_add_key, "user", "x", "y", 1, -2));
}

static int
set_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return result(clock_settime(CLOCK_REALTIME, &now));
}

static int
catch_page_faults(void)
{
	return result(syscall(SYS_userfaultfd, 0));
}

static int
type_into_terminal(void)
{
	int e = result(ioctl(file_fd, TIOCSTI, "x"));

	return e == ENOTTY ? 0 : e;
}

static int
map_writable_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
		       ? errno
		       : 0;
}

static int
make_memory_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return EIO;
	return result(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}

static int
map_file_as_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, file_fd,
		    0) == MAP_FAILED
		       ? errno
		       : 0;
}

/* A thread that ran before the filter closed. */
static sem_t filter_is_closed;
static int result_in_thread;

static void *
open_in_thread(void *arg)
{
	(void)arg;
	sem_wait(&filter_is_closed);
	result_in_thread = result(syscall(SYS_pidfd_open, victim, 0));
	return NULL;
}

static pthread_t early_thread;

static int
act_in_early_thread(void)
{
	sem_post(&filter_is_closed);
	pthread_join(early_thread, NULL);
	return result_in_thread;
}

bool
forbidden_prepare(int (*run)(void))
{
	sem_init(&filter_is_closed, 0, 0);
	return run != act_in_early_thread ||
	       pthread_create(&early_thread, NULL, open_in_thread, NULL) == 0;
}

const struct act forbidden[] = {
	{ ACT(read_passwd), SERVER | CLIENT | FILES },
	{ ACT(write_passwd), ANYBODY },
	{ ACT(read_hashes), ANYBODY },
	{ ACT(read_by_openat2), ANYBODY },
	{ ACT(list_other_dir), ANYBODY },
	{ ACT(write_in_other_dir), ANYBODY },
	{ ACT(link_hashes_here), ANYBODY },
	{ ACT(climb_out), ANYBODY },
	{ ACT(follow_link_out), ANYBODY },
	{ ACT(see_memory_of_victim), ANYBODY },
	{ ACT(create_file), SERVER | CLIENT | RESOLVER },
	{ ACT(remove_file), SERVER | CLIENT | RESOLVER },
	{ ACT(rename_file), SERVER | CLIENT | RESOLVER },
	{ ACT(make_symlink), ANYBODY },
	{ ACT(make_device), ANYBODY },
	{ ACT(change_owner), ANYBODY },
	{ ACT(execute), ANYBODY },
	{ ACT(execute_descriptor), ANYBODY },
	{ ACT(begin_process), ANYBODY },
	{ ACT(begin_process_by_clone3), ANYBODY },
	{ ACT(new_user_namespace), ANYBODY },
	{ ACT(new_user_namespace_by_clone), ANYBODY },
	{ ACT(enter_namespace), ANYBODY },
	{ ACT(open_tcp), SERVER | FILES },
	{ ACT(open_udp), SERVER | FILES | CLIENT },
	{ ACT(open_unix), SERVER | FILES | RESOLVER }, // lmtp:unix:
	{ ACT(open_netlink), ANYBODY },
	{ ACT(open_raw), SERVER | FILES | CLIENT },
	{ ACT(open_packet), ANYBODY },
	{ ACT(open_vsock), ANYBODY },
	{ ACT(make_pair), ANYBODY },
	{ ACT(connect_used_socket), SERVER | FILES },
	{ ACT(connect_by_sending), SERVER | FILES },
	{ ACT(connect_by_sendmsg), SERVER | FILES },
	{ ACT(bind_port), SERVER | FILES }, // smtp_bind_address
	{ ACT(listen_anew), ANYBODY },
	{ ACT(attach_filter), SERVER | CLIENT | FILES },
	{ ACT(set_protocol), SERVER | CLIENT | FILES },
	{ ACT(trace_victim), ANYBODY },
	{ ACT(trace_parent), ANYBODY },
	{ ACT(let_parent_trace), ANYBODY },
	{ ACT(become_dumpable), ANYBODY },
	{ ACT(read_victim), ANYBODY },
	{ ACT(write_victim), ANYBODY },
	{ ACT(signal_victim), ANYBODY },
	{ ACT(signal_parent), ANYBODY },
	{ ACT(signal_victims_thread), ANYBODY },
	{ ACT(signal_by_fcntl), ANYBODY },
	{ ACT(take_victims_descriptor), ANYBODY },
	{ ACT(limit_victim), ANYBODY },
	{ ACT(raise_limit), ANYBODY },
	{ ACT(mount_something), ANYBODY },
	{ ACT(change_root), ANYBODY },
	{ ACT(become_root), ANYBODY },
	{ ACT(become_other), ANYBODY },
	{ ACT(join_group), ANYBODY },
	{ ACT(load_program), ANYBODY },
	{ ACT(open_ring), ANYBODY },
	{ ACT(count_events), ANYBODY },
	{ ACT(add_key), ANYBODY },
	{ ACT(set_clock), ANYBODY },
	{ ACT(catch_page_faults), ANYBODY },
	{ ACT(type_into_terminal), ANYBODY },
	{ ACT(map_writable_code), ANYBODY },
	{ ACT(make_memory_code), ANYBODY },
	{ ACT(map_file_as_code), SERVER | CLIENT | RESOLVER },
	{ ACT(act_in_early_thread), ANYBODY },
};

const size_t n_forbidden = sizeof(forbidden) / sizeof(*forbidden);
