/* SPDX-License-Identifier: MIT
 * tests/contain/needed.c - what a role must be able to do still. */
#include "tests/contain/contain.h"

#include <errno.h>
#include <fcntl.h>
#include <iconv.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

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

const struct act needed[] = {
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

const size_t n_needed = sizeof(needed) / sizeof(*needed);
