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
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static enum err
refused(const char *step)
{
	log_error("confine.failed", FC("step", step), FERRNO(errno));
	return ERR_IO;
}

enum err
confine_user(uid_t uid, gid_t gid)
{
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
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return refused("no-new-privileges");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return refused("dumpable");
	/* After the change of user, which resets it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
		return refused("parent-death signal");
	return OK;
}

bool
confine_paths(const char *const *directories)
{
	/* REFER is the right to rename from one directory to another, which a
	 * mail tree lives by; before ABI 2 Landlock took it from everybody. */
	struct landlock_ruleset_attr rights = {
		.handled_access_fs = (LANDLOCK_ACCESS_FS_REFER << 1) - 1,
	};
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
			   LANDLOCK_CREATE_RULESET_VERSION);
	long set = abi < 2 ? -1 :
			     syscall(SYS_landlock_create_ruleset, &rights,
				     sizeof(rights), 0);
	bool ok = set >= 0;

	for (; ok && *directories != NULL; directories++) {
		struct landlock_path_beneath_attr rule = {
			.allowed_access = rights.handled_access_fs &
					  ~(uint64_t)LANDLOCK_ACCESS_FS_EXECUTE,
			.parent_fd = open(*directories,
					  O_PATH | O_CLOEXEC | O_DIRECTORY),
		};

		ok = rule.parent_fd >= 0 &&
		     syscall(SYS_landlock_add_rule, set,
			     LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
		if (rule.parent_fd >= 0)
			close(rule.parent_fd);
	}
	ok = ok && syscall(SYS_landlock_restrict_self, set, 0) == 0;
	if (set >= 0)
		close((int)set);
	if (!ok)
		log_warn("confine.no-landlock", FERRNO(errno));
	return ok;
}

#ifndef ESTAFETA_SANITIZED
/* Memory, time, waiting, and the descriptors that are open. */
static const int calls_all[] = {
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev),
	SCMP_SYS(pread64), SCMP_SYS(close), SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg), SCMP_SYS(sendto), SCMP_SYS(sendmsg),
	SCMP_SYS(shutdown), SCMP_SYS(sendfile), SCMP_SYS(fcntl),
	SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(lseek),
	SCMP_SYS(getpeername), SCMP_SYS(getsockname), SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(poll),
	SCMP_SYS(ppoll), SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mremap),
	SCMP_SYS(mprotect), SCMP_SYS(madvise), SCMP_SYS(brk), SCMP_SYS(futex),
	SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(time),
	SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(getrandom),
	SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(tgkill),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack), SCMP_SYS(exit),
	SCMP_SYS(exit_group), SCMP_SYS(sched_yield), SCMP_SYS(rseq),
	SCMP_SYS(restart_syscall), SCMP_SYS(accept4), SCMP_SYS(dup),
};
static const int calls_client[] = {
	SCMP_SYS(socket), SCMP_SYS(connect), SCMP_SYS(bind),
};
static const int calls_files[] = {
	SCMP_SYS(openat), SCMP_SYS(unlinkat), SCMP_SYS(mkdirat),
	SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(linkat),
	SCMP_SYS(pwrite64), SCMP_SYS(pwritev), SCMP_SYS(preadv),
	SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(ftruncate),
	SCMP_SYS(fallocate), SCMP_SYS(getdents64), SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2), SCMP_SYS(fchmod), SCMP_SYS(fchmodat),
	SCMP_SYS(flock), SCMP_SYS(fstatfs), SCMP_SYS(statfs), SCMP_SYS(statx),
	SCMP_SYS(utimensat), SCMP_SYS(inotify_init1),
	SCMP_SYS(inotify_add_watch), SCMP_SYS(inotify_rm_watch),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(readlinkat),
	SCMP_SYS(copy_file_range), SCMP_SYS(fadvise64), SCMP_SYS(unlink),
	SCMP_SYS(prctl), SCMP_SYS(sched_getaffinity), SCMP_SYS(open),
	SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(access), SCMP_SYS(rmdir),
	SCMP_SYS(fchdir),
};

static bool
allow(scmp_filter_ctx filter, const int *calls, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0) != 0)
			return false;
	return true;
}

/* Threads for offload(), but no processes. The filter cannot look into clone3()'s
 * arguments; glibc falls back to clone(). libuv asks for the limit of stacks. */
static bool
allow_threads(scmp_filter_ctx filter)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD,
					CLONE_THREAD)) == 0 &&
	       seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS),
				SCMP_SYS(clone3), 0) == 0 &&
	       seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2,
				SCMP_A0(SCMP_CMP_EQ, 0),
				SCMP_A2(SCMP_CMP_EQ, 0)) == 0;
}

#define ALLOW(filter, list) \
	allow((filter), (list), sizeof(list) / sizeof(*(list)))

enum err
confine_calls(enum confine_kind kind)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	bool is_client = kind == CONFINE_NETWORK_CLIENT ||
			 kind == CONFINE_RESOLVER;
	bool has_files = kind == CONFINE_FILES || kind == CONFINE_RESOLVER;
	bool ok = filter != NULL && ALLOW(filter, calls_all);

	/* Threads that run already obey it, too. */
	ok = ok && seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) == 0;
	/* libuv makes descriptors non-blocking by FIONBIO. */
	ok = ok && seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				    SCMP_A1(SCMP_CMP_EQ, 0x5421)) == 0;
	/* glibc and OpenSSL ask about files and take no for an answer. */
	if (!has_files) {
		ok = ok && seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES),
					    SCMP_SYS(openat), 0) == 0;
		ok = ok && seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES),
					    SCMP_SYS(open), 0) == 0;
	}
	if (is_client)
		ok = ok && ALLOW(filter, calls_client);
	if (has_files)
		ok = ok && ALLOW(filter, calls_files) && allow_threads(filter);
	ok = ok && seccomp_load(filter) == 0;
	seccomp_release(filter);
	return ok ? OK : refused("seccomp");
}
#else
enum err
confine_calls(enum confine_kind kind UNUSED)
{
	return OK;
}
#endif
