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
#include "lib/base/check.h"
#include "lib/rt/confine.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <iconv.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROLE_UID = 5001, OTHER_UID = 5002 };

enum { // whom an act is forbidden to, or allowed
	SERVER = 1 << CONFINE_NETWORK_SERVER,
	CLIENT = 1 << CONFINE_NETWORK_CLIENT,
	FILES = 1 << CONFINE_FILES,
	RESOLVER = 1 << CONFINE_RESOLVER,
	NETWORK = SERVER | CLIENT,
	ANYBODY = SERVER | CLIENT | FILES | RESOLVER,
};

static const char *const kind_names[] = { "server", "client", "files",
					  "resolver" };

static char root[] = "/tmp/contain.XXXXXX";
static char own[64], other[64];
static char own_file[80], hashes[80], program[80];
static int tcp_listener, udp_socket, file_fd, dead_socket, unix_pair[2], ep;
static struct sockaddr_in tcp_at, udp_at;
static pid_t victim;
static char secret[16] = "victim's memory";

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

/* An act returns 0, or errno. */
static int
result(long r)
{
	return r >= 0 ? 0 : errno;
}

/* ---- what is forbidden ---- */

static int
try_open(const char *path, int flags)
{
	return result(open(path, flags | O_CLOEXEC, 0600));
}

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

#define ACT(f) #f, f

static const struct {
	const char *name;
	int (*run)(void);
	unsigned whom;
} forbidden[] = {
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

/* ---- what a role needs ---- */

static int
serve_connection(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	int one = 1, fd;
	char got[4];

	if (epoll_ctl(ep, EPOLL_CTL_ADD, tcp_listener, &event) != 0 ||
	    epoll_wait(ep, &event, 1, 2000) != 1)
		return EIO;
	fd = accept4(tcp_listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0 ||
	    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0 ||
	    ioctl(fd, FIONBIO, &one) != 0 || send(fd, "220", 3, 0) != 3 ||
	    sendfile(fd, file_fd, &(off_t) { 0 }, 4) != 4 ||
	    (recv(fd, got, sizeof(got), 0) < 0 && errno != EAGAIN))
		return EIO;
	shutdown(fd, SHUT_WR);
	close(fd);
	return 0;
}

static int
pass_descriptor(void)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { "x", 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	char got;

	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.head), &file_fd, sizeof(int));
	if (sendmsg(unix_pair[0], &msg, MSG_NOSIGNAL) != 1)
		return errno;
	iov.iov_base = &got;
	msg.msg_controllen = sizeof(control.bytes);
	return result(recvmsg(unix_pair[1], &msg, MSG_CMSG_CLOEXEC));
}

static int
use_memory_and_clock(void)
{
	struct timespec at;
	char random[8];
	void *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct stat st;

	if (p == MAP_FAILED || mprotect(p, 4096, PROT_NONE) != 0 ||
	    madvise(p, 8192, MADV_DONTNEED) != 0 || munmap(p, 1 << 20) != 0 ||
	    fstat(file_fd, &st) != 0 ||
	    syscall(SYS_getrandom, random, sizeof(random), 0) != 8)
		return EIO;
	free(malloc(3 << 20));
	return result(clock_gettime(CLOCK_MONOTONIC, &at));
}

static int
hear_no_when_opening(void)
{
	return open("/etc/ssl/openssl.cnf", O_RDONLY) < 0 ? 0 : EIO;
}

static int
connect_outside(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int e = fd < 0 ? errno
		       : result(connect(fd, (struct sockaddr *)&tcp_at,
					sizeof(tcp_at)));

	return e == EINPROGRESS ? 0 : e;
}

static int
ask_name_server(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0)
		return errno ? errno : EIO;
	return result(sendto(fd, "?", 1, 0, (struct sockaddr *)&udp_at,
			     sizeof(udp_at)));
}

static int
read_resolver_configuration(void)
{
	int e = try_open("/etc/hosts", O_RDONLY);

	return e == ENOENT ? try_open("/etc/resolv.conf", O_RDONLY) : e;
}

static int
commit_file(void)
{
	int dir = open(own, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd =
		openat(dir, "a", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int e = 0;

	if (dir < 0 || fd < 0)
		return errno;
	if (write(fd, "mail", 4) != 4 || pwrite(fd, "M", 1, 0) != 1 ||
	    fsync(fd) != 0 || fdatasync(fd) != 0 ||
	    renameat2(dir, "a", dir, "b", RENAME_NOREPLACE) != 0 ||
	    fsync(dir) != 0 || mkdirat(dir, "folder", 0700) != 0 ||
	    renameat(dir, "b", dir, "folder/b") != 0 ||
	    linkat(dir, "folder/b", dir, "c", 0) != 0 ||
	    flock(fd, LOCK_EX | LOCK_NB) != 0 || ftruncate(fd, 2) != 0 ||
	    unlinkat(dir, "c", 0) != 0 || unlinkat(dir, "folder/b", 0) != 0 ||
	    unlinkat(dir, "folder", AT_REMOVEDIR) != 0)
		e = errno;
	close(fd);
	close(dir);
	return e;
}

static int
watch_directory(void)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	return fd < 0 ? errno : result(inotify_add_watch(fd, own, IN_CREATE));
}

static int
decode_charset(void)
{
	return iconv_open("UTF-8", "KOI8-R") == (iconv_t)-1 ? errno : 0;
}

static void *
nothing(void *arg)
{
	prctl(PR_SET_NAME, "pool");
	return arg;
}

static int
begin_thread(void)
{
	pthread_t thread;
	int e = pthread_create(&thread, NULL, nothing, NULL);

	return e ? e : pthread_join(thread, NULL);
}

static const struct {
	const char *name;
	int (*run)(void);
	unsigned whom;
} needed[] = {
	{ ACT(serve_connection), SERVER },
	{ ACT(pass_descriptor), ANYBODY },
	{ ACT(use_memory_and_clock), ANYBODY },
	{ ACT(hear_no_when_opening), NETWORK },
	{ ACT(connect_outside), CLIENT | RESOLVER },
	{ ACT(ask_name_server), RESOLVER },
	{ ACT(read_resolver_configuration), RESOLVER },
	{ ACT(commit_file), FILES },
	{ ACT(watch_directory), FILES },
	{ ACT(decode_charset), FILES },
	{ ACT(begin_thread), FILES | RESOLVER },
};

/* ---- one child, one act ---- */

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
		sem_init(&filter_is_closed, 0, 0);
		if (run == act_in_early_thread &&
		    pthread_create(&early_thread, NULL, open_in_thread, NULL) !=
			    0)
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

	for (size_t i = 0; i < N_OF(forbidden); i++) {
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

	for (size_t i = 0; i < N_OF(needed); i++) {
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
	for (size_t i = 0; i < N_OF(forbidden); i++) {
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
