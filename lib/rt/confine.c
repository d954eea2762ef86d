/* SPDX-License-Identifier: MIT
 * lib/rt/confine.c - user, Landlock, seccomp.
 *
 * Invariants:
 *  (1) Rights only go down; each step is checked, a failed one ends the role.
 *  (2) The filter is an allow-list: a call that is not named kills the process
 *      (it would be an attack or a bug, and both must be seen).
 */
#include "lib/rt/confine.h"

#include "lib/rt/log.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SOCK_TYPES = 0xf }; // the others are flags

static enum err
refused(const char *step)
{
	log_error("confine.failed", FC("step", step), FERRNO(errno));
	return ERR_IO;
}

enum err
confine_user(uid_t uid, gid_t gid)
{
	struct __user_cap_header_struct version = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	static const struct __user_cap_data_struct no_capabilities[2];
	static const struct rlimit no_core;

	if (geteuid() == 0 && uid != 0) {
		if (setgroups(0, NULL) != 0)
			return refused("setgroups");
		if (setresgid(gid, gid, gid) != 0)
			return refused("setresgid");
		if (setresuid(uid, uid, uid) != 0)
			return refused("setresuid");
		if (setuid(0) == 0)
			return refused("root came back");
	}
	/* Started by another user than root, but with capabilities: theirs is
	 * the parent's use. */
	if ((uid != 0 || geteuid() != 0) &&
	    syscall(SYS_capset, &version, no_capabilities) != 0)
		return refused("capabilities");
	if (setrlimit(RLIMIT_CORE, &no_core) != 0)
		return refused("core limit");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return refused("no-new-privileges");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return refused("dumpable");
	/* After the change of user, which resets it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
		return refused("parent-death signal");
	return OK;
}

#ifndef ESTAFETA_SANITIZED
static bool
allow_below(int set, const char *const *directories, uint64_t rights)
{
	for (; directories != NULL && *directories != NULL; directories++) {
		struct landlock_path_beneath_attr rule = {
			.allowed_access = rights,
			.parent_fd = open(*directories,
					  O_PATH | O_CLOEXEC | O_DIRECTORY),
		};
		bool ok;

		if (rule.parent_fd < 0 && errno == ENOENT)
			continue; // nothing to allow
		ok = rule.parent_fd >= 0 &&
		     syscall(SYS_landlock_add_rule, set,
			     LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
		if (rule.parent_fd >= 0)
			close(rule.parent_fd);
		if (!ok)
			return false;
	}
	return true;
}

bool
confine_paths(const char *const *writable, const char *const *readable)
{
	/* REFER is the right to rename from one directory to another, which a
	 * mail tree lives by; before ABI 2 Landlock took it from everybody. */
	struct landlock_ruleset_attr all = {
		.handled_access_fs = (LANDLOCK_ACCESS_FS_REFER << 1) - 1,
	};
	uint64_t reading =
		LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
	uint64_t writing =
		reading | LANDLOCK_ACCESS_FS_WRITE_FILE |
		LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
		LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
		LANDLOCK_ACCESS_FS_REFER;
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
			   LANDLOCK_CREATE_RULESET_VERSION);
	long set = abi < 2 ? -1
			   : syscall(SYS_landlock_create_ruleset, &all,
				     sizeof(all), 0);
	bool ok = set >= 0 && allow_below((int)set, writable, writing) &&
		  allow_below((int)set, readable, reading) &&
		  syscall(SYS_landlock_restrict_self, set, 0) == 0;

	if (!ok)
		log_warn("confine.no-landlock", FERRNO(errno));
	if (set >= 0)
		close((int)set);
	return ok;
}

/* Memory, time, waiting, and the descriptors that are open. */
static const int calls_all[] = {
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(readv),
	SCMP_SYS(writev),
	SCMP_SYS(pread64),
	SCMP_SYS(close),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(shutdown),
	SCMP_SYS(sendfile),
	SCMP_SYS(splice),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(lseek),
	SCMP_SYS(getpeername),
	SCMP_SYS(getsockname),
	SCMP_SYS(getsockopt),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_pwait2),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(brk),
	SCMP_SYS(futex),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep),
	SCMP_SYS(getrandom),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(sched_yield),
	SCMP_SYS(rseq),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(accept4),
	SCMP_SYS(dup),
};
/* Looking, by a thread of the pool or not. */
static const int calls_readers[] = {
	SCMP_SYS(preadv),	   SCMP_SYS(preadv2),
	SCMP_SYS(getdents64),	   SCMP_SYS(access),
	SCMP_SYS(faccessat),	   SCMP_SYS(faccessat2),
	SCMP_SYS(statx),	   SCMP_SYS(fstatfs),
	SCMP_SYS(statfs),	   SCMP_SYS(readlinkat),
	SCMP_SYS(getuid),	   SCMP_SYS(geteuid),
	SCMP_SYS(set_robust_list), SCMP_SYS(sched_getaffinity),
	SCMP_SYS(fadvise64),
};
static const int calls_files[] = {
	SCMP_SYS(openat),
	SCMP_SYS(openat2),
	SCMP_SYS(preadv2),
	SCMP_SYS(unlinkat),
	SCMP_SYS(mkdirat),
	SCMP_SYS(renameat),
	SCMP_SYS(renameat2),
	SCMP_SYS(linkat),
	SCMP_SYS(pwrite64),
	SCMP_SYS(pwritev),
	SCMP_SYS(fsync),
	SCMP_SYS(fdatasync),
	SCMP_SYS(syncfs),
	SCMP_SYS(ftruncate),
	SCMP_SYS(fallocate),
	SCMP_SYS(fchmod),
	SCMP_SYS(flock),
	SCMP_SYS(utimensat),
	SCMP_SYS(inotify_init1),
	SCMP_SYS(inotify_add_watch),
	SCMP_SYS(inotify_rm_watch),
	SCMP_SYS(copy_file_range),
	SCMP_SYS(fchdir),
	SCMP_SYS(pipe2),
};

/* A call with conditions on its arguments (all must hold). The kernel looks at
 * 32 bits of most of them and the filter at 64: that can only refuse more. */
struct rule {
	uint32_t action;
	int call;
	unsigned n;
	struct scmp_arg_cmp when[3];
};

#define BITS_OFF(arg, bits)                          \
	{                                            \
		(arg), SCMP_CMP_MASKED_EQ, (bits), 0 \
	}
#define BITS_ON(arg, bits)                                \
	{                                                 \
		(arg), SCMP_CMP_MASKED_EQ, (bits), (bits) \
	}
#define IS(arg, value)                         \
	{                                      \
		(arg), SCMP_CMP_EQ, (value), 0 \
	}
#define ALLOWED SCMP_ACT_ALLOW
#define REFUSED SCMP_ACT_ERRNO(EACCES)

static const struct rule rules_all[] = {
	/* libuv makes descriptors non-blocking by FIONBIO. */
	{ ALLOWED, SCMP_SYS(ioctl), 1, { IS(1, FIONBIO) } },
	{ ALLOWED, SCMP_SYS(fcntl), 1, { IS(1, F_GETFD) } },
	{ ALLOWED, SCMP_SYS(fcntl), 1, { IS(1, F_SETFD) } },
	{ ALLOWED, SCMP_SYS(fcntl), 1, { IS(1, F_GETFL) } },
	{ ALLOWED, SCMP_SYS(fcntl), 1, { IS(1, F_SETFL) } },
	{ ALLOWED, SCMP_SYS(fcntl), 1, { IS(1, F_DUPFD_CLOEXEC) } },
	/* With an address and MSG_FASTOPEN, sending connects: also a socket
	 * that was accepted and has ended. */
	{ ALLOWED, SCMP_SYS(sendto), 1, { IS(4, 0) } },
	{ ALLOWED, SCMP_SYS(sendmsg), 1, { BITS_OFF(2, MSG_FASTOPEN) } },
	/* Not the filters and protocols that a socket can be given. */
	{ ALLOWED,
	  SCMP_SYS(setsockopt),
	  2,
	  { IS(1, IPPROTO_TCP), IS(2, TCP_NODELAY) } },
	{ ALLOWED,
	  SCMP_SYS(setsockopt),
	  2,
	  { IS(1, IPPROTO_TCP), IS(2, TCP_CORK) } },
	{ ALLOWED,
	  SCMP_SYS(setsockopt),
	  2,
	  { IS(1, SOL_SOCKET), IS(2, SO_KEEPALIVE) } },
	{ ALLOWED,
	  SCMP_SYS(setsockopt),
	  2,
	  { IS(1, SOL_SOCKET), IS(2, SO_SNDBUF) } },
	{ ALLOWED,
	  SCMP_SYS(setsockopt),
	  2,
	  { IS(1, SOL_SOCKET), IS(2, SO_RCVBUF) } },
	{ ALLOWED, SCMP_SYS(mmap), 1, { BITS_OFF(2, PROT_EXEC) } },
	{ ALLOWED, SCMP_SYS(mprotect), 1, { BITS_OFF(2, PROT_EXEC) } },
};
/* glibc and OpenSSL ask about files and take no for an answer. */
static const struct rule rules_without_files[] = {
	{ REFUSED, SCMP_SYS(openat), 0, { { 0 } } },
	{ REFUSED, SCMP_SYS(open), 0, { { 0 } } },
	{ REFUSED, SCMP_SYS(mmap), 1, { BITS_ON(2, PROT_EXEC) } },
};
static const struct rule rules_files[] = {
	/* iconv loads its tables as libraries. */
	{ ALLOWED,
	  SCMP_SYS(mmap),
	  2,
	  { BITS_OFF(2, PROT_WRITE), BITS_OFF(3, MAP_ANONYMOUS) } },
	{ ALLOWED, SCMP_SYS(fcntl), 1, { IS(1, F_SETPIPE_SZ) } },
};
static const struct rule rules_threads[] = {
	/* Threads for offload(), but no processes. The filter cannot look into
	 * clone3()'s arguments; glibc falls back to clone(). The limit
	 * of stacks may be asked for. */
	{ ALLOWED, SCMP_SYS(clone), 1, { BITS_ON(0, CLONE_THREAD) } },
	{ SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0, { { 0 } } },
	{ ALLOWED, SCMP_SYS(prlimit64), 2, { IS(0, 0), IS(2, 0) } },
	{ ALLOWED, SCMP_SYS(prctl), 1, { IS(0, PR_SET_NAME) } },
};
static const struct rule rules_client[] = {
	{ ALLOWED, SCMP_SYS(connect), 0, { { 0 } } },
	/* lmtp:unix:/path in the maps; the file's mode says who may. */
	{ ALLOWED,
	  SCMP_SYS(socket),
	  3,
	  { IS(0, AF_UNIX),
	    { 1, SCMP_CMP_MASKED_EQ, SOCK_TYPES, SOCK_STREAM },
	    IS(2, 0) } },
	{ ALLOWED,
	  SCMP_SYS(socket),
	  3,
	  { IS(0, AF_INET),
	    { 1, SCMP_CMP_MASKED_EQ, SOCK_TYPES, SOCK_STREAM },
	    IS(2, 0) } },
	{ ALLOWED,
	  SCMP_SYS(socket),
	  3,
	  { IS(0, AF_INET6),
	    { 1, SCMP_CMP_MASKED_EQ, SOCK_TYPES, SOCK_STREAM },
	    IS(2, 0) } },
	/* smtp_bind_address: of IPv4 and IPv6, by the lengths of their
	 * addresses. Nothing can listen. */
	{ ALLOWED, SCMP_SYS(bind), 1, { IS(2, sizeof(struct sockaddr_in)) } },
	{ ALLOWED, SCMP_SYS(bind), 1, { IS(2, sizeof(struct sockaddr_in6)) } },
};
static const struct rule rules_resolver[] = {
	{ ALLOWED, SCMP_SYS(sendto), 0, { { 0 } } },
	/* libunbound begins TCP with MSG_FASTOPEN and an address. */
	{ ALLOWED, SCMP_SYS(sendmsg), 0, { { 0 } } },
	{ ALLOWED, SCMP_SYS(connect), 0, { { 0 } } },
	{ ALLOWED, SCMP_SYS(bind), 0, { { 0 } } },
	{ ALLOWED, SCMP_SYS(setsockopt), 0, { { 0 } } },
	{ ALLOWED, SCMP_SYS(socket), 1, { IS(0, AF_INET) } },
	{ ALLOWED, SCMP_SYS(socket), 1, { IS(0, AF_INET6) } },
	{ ALLOWED,
	  SCMP_SYS(openat),
	  1,
	  { BITS_OFF(2, O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND) } },
	{ REFUSED, SCMP_SYS(mmap), 1, { BITS_ON(2, PROT_EXEC) } },
};

static bool
allow(scmp_filter_ctx filter, const int *calls, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0) != 0)
			return false;
	return true;
}

static bool
add(scmp_filter_ctx filter, const struct rule *rules, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (seccomp_rule_add_array(filter, rules[i].action,
					   rules[i].call, rules[i].n,
					   rules[i].when) != 0)
			return false;
	return true;
}

#define N_OF(list) (sizeof(list) / sizeof(*(list)))
#define ALLOW(filter, list) allow((filter), (list), N_OF(list))
#define ADD(filter, list) add((filter), (list), N_OF(list))

enum err
confine_calls(enum confine_kind kind)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	struct rule abort_rule = {
		ALLOWED, SCMP_SYS(tgkill), 1, { IS(0, (scmp_datum_t)getpid()) }
	};
	/* Threads that run already obey it, too. */
	bool ok = filter != NULL &&
		  seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) == 0 &&
		  ALLOW(filter, calls_all) && ADD(filter, rules_all) &&
		  add(filter, &abort_rule, 1);

	switch (kind) {
	case CONFINE_NETWORK_SERVER:
		ok = ok && ADD(filter, rules_without_files);
		break;
	case CONFINE_NETWORK_CLIENT:
		ok = ok && ADD(filter, rules_without_files) &&
		     ADD(filter, rules_client);
		break;
	case CONFINE_FILES:
		ok = ok && ALLOW(filter, calls_readers) &&
		     ALLOW(filter, calls_files) && ADD(filter, rules_files) &&
		     ADD(filter, rules_threads);
		break;
	case CONFINE_RESOLVER:
		ok = ok && ALLOW(filter, calls_readers) &&
		     ADD(filter, rules_resolver) && ADD(filter, rules_threads);
		break;
	}
	ok = ok && seccomp_load(filter) == 0;
	seccomp_release(filter);
	return ok ? OK : refused("seccomp");
}
#else
/* The run-time of sanitizers opens files and more, at any time. */
bool
confine_paths(const char *const *writable UNUSED,
	      const char *const *readable UNUSED)
{
	return true;
}

enum err
confine_calls(enum confine_kind kind UNUSED)
{
	return OK;
}
#endif
