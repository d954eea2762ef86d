/* SPDX-License-Identifier: MIT
 * lib/rt/parent.c - the parent: binds, forks, brings together, restarts.
 *
 * Process: the parent of each program.
 * Owns: listening sockets, one control socket per child.
 * Invariants:
 *  (1) No byte from the network or from mail is read here; a child's message is
 *      three octets, and one that the table does not allow ends that child.
 *  (2) No library with state of its own (libuv, TLS sessions) runs before fork,
 *      so that a child restarted after months starts as clean as the first.
 */
#include "lib/base/check.h"
#include "lib/base/map.h"
#include "lib/rt/counters.h"
#include "lib/rt/dirs.h"
#include "lib/rt/handed_files.h"
#include "lib/rt/log.h"
#include "lib/rt/net.h"
#include "lib/rt/role_private.h"
#include "lib/rt/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <openssl/rand.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	MAX_CHILDREN = 64,
	TICK_MS = 500, // how often watched files are looked at
	BACKOFF_FIRST_MS = 20,
	BACKOFF_MAX_MS = 10000,
	BACKOFF_FORGET_S = 60, // of quiet life
	STOP_WAIT_S = 10,
};

struct child {
	const struct role_spec *spec;
	unsigned copy;
	pid_t pid; // 0: not running
	int control_fd;
	bool is_ready;
	int64_t started_us, restart_at_us, backoff_ms;
};

static struct {
	struct program *program;
	struct options options;
	struct child children[MAX_CHILDREN];
	size_t n_children;
	struct role sockets[PROGRAM_MAX_ROLES]; // by role: what was bound
	int signal_fd;
	bool is_stopping;
	int64_t kill_at_us;
} parent;

ssize_t
control_receive(int control_fd, char *packet, int *fd_out)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { packet, CONTROL_MAX_OCTETS };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t n = recvmsg(control_fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;

	*fd_out = -1;
	if (c != NULL && c->cmsg_level == SOL_SOCKET &&
	    c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(fd_out, CMSG_DATA(c), sizeof(int));
	return n;
}

static bool
tell(struct child *child, enum control_type type, uint8_t what, uint8_t copy,
     int fd)
{
	struct control message = { type, what, copy };
	struct buf b = BUF_INIT(CONTROL_MAX_OCTETS);
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	control_put(&b, &message);
	iov = (struct iovec) { b.p, b.n };
	if (fd >= 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(int));
	}
	n = sendmsg(child->control_fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	buf_release(&b);
	return n > 0;
}

/* ---- files that roles may not open themselves: handed_files.h ---- */

static void
hand_file(struct child *child, enum control_file kind)
{
	int fd;

	if (child->pid == 0 || !(child->spec->files & 1u << kind))
		return;
	fd = handed_file_open(&parent.options, kind);
	if (fd < 0)
		return;
	if (!tell(child, CONTROL_FILE, (uint8_t)kind, 0, fd))
		log_error("control.full",
			  FC("role", service_name(child->spec->service)));
	close(fd);
}

static void
find_files(void)
{
	handed_files_find(&parent.options,
			  str_eq(str_c(parent.program->name), S("mta")));
}

static void
look_at_files(void)
{
	find_files(); // the other name may have appeared
	for (enum control_file kind = 0; kind < FILE_KINDS; kind++) {
		if (!handed_file_has_changed(kind))
			continue;
		for (size_t i = 0; i < parent.n_children; i++)
			hand_file(&parent.children[i], kind);
	}
}

/* ---- children ---- */

static void
user_of(const struct role_spec *spec, uid_t *uid_out, gid_t *gid_out)
{
	struct passwd *pw = getpwnam(spec->user);

	*uid_out = pw ? pw->pw_uid : spec->fallback_uid;
	*gid_out = pw ? pw->pw_gid : spec->fallback_uid;
	if (!spec->owns_mail_tree)
		return;
	if (parent.options.vmail_uid != 0)
		*uid_out = parent.options.vmail_uid;
	if (parent.options.vmail_gid != 0)
		*gid_out = parent.options.vmail_gid;
}

NORETURN static void
be_child(struct child *child, int control_fd)
{
	const struct role_spec *spec = child->spec;
	static struct role role;
	sigset_t none;
	char who[64];
	uint8_t secret[16];
	uid_t uid;
	gid_t gid;

	user_of(spec, &uid, &gid);
	role = parent.sockets[spec - parent.program->roles];
	role.spec = spec;
	role.copy = child->copy;
	role.options = &parent.options;
	for (size_t i = 0; i < parent.n_children; i++)
		if (parent.children[i].pid != 0)
			close(parent.children[i].control_fd);
	for (size_t r = 0; r < parent.program->n_roles; r++) {
		struct role *other = &parent.sockets[r];

		if (&parent.program->roles[r] == spec)
			continue;
		for (size_t i = 0; i < other->n_sockets; i++)
			close(other->sockets[i].fd);
		if (other->unix_fd >= 0)
			close(other->unix_fd);
		if (other->second_fd >= 0)
			close(other->second_fd);
	}
	close(parent.signal_fd);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGHUP, SIG_IGN); // the parent tells
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN); // may go to the whole group
	signal(SIGPIPE, SIG_IGN);
	snprintf(who, sizeof(who), "%s/%s", parent.program->name,
		 service_name(spec->service));
	prctl(PR_SET_NAME, who);
	log_open(who, log_level_named(str_c(parent.options.log_level)));
	check(RAND_bytes(secret, sizeof(secret)) == 1);
	hash_seed(secret);
	counters_open(parent.options.run_dir, service_name(spec->service),
		      child->copy);
	if (confine_user(uid, gid) != OK)
		_exit(1);
	loop_init();
	role_open(&role, control_fd);
	spec->start(&role);
	if (spec->confine == CONFINE_FILES || spec->confine == CONFINE_RESOLVER)
		offload_start();
	if (confine_calls(spec->confine) != OK)
		_exit(1);
	role_say_ready();
	loop_run();
	offload_end();
	exit(0);
}

static void
start_child(struct child *child)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
		log_error("fork.failed", FERRNO(errno));
		child->restart_at_us = in_ms(BACKOFF_MAX_MS);
		return;
	}
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		be_child(child, pair[1]);
	}
	close(pair[1]);
	if (pid < 0) {
		log_error("fork.failed", FERRNO(errno));
		close(pair[0]);
		child->restart_at_us = in_ms(BACKOFF_MAX_MS);
		return;
	}
	fcntl(pair[0], F_SETFL, fcntl(pair[0], F_GETFL) | O_NONBLOCK);
	child->pid = pid;
	child->control_fd = pair[0];
	child->is_ready = false;
	child->started_us = now_us();
	for (enum control_file kind = 0; kind < FILE_KINDS; kind++)
		hand_file(child, kind);
}

static void
child_ended(struct child *child, int status)
{
	log_at(parent.is_stopping ? LOG_INFO : LOG_ERROR, STR_NONE,
	       "role.ended", FC("role", service_name(child->spec->service)),
	       FN("pid", child->pid),
	       FN("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0),
	       FN("exit", WIFEXITED(status) ? WEXITSTATUS(status) : -1));
	close(child->control_fd);
	child->pid = 0;
	if (now_us() - child->started_us > BACKOFF_FORGET_S * US_PER_S)
		child->backoff_ms = 0;
	child->restart_at_us = in_ms(child->backoff_ms);
	child->backoff_ms =
		child->backoff_ms ? child->backoff_ms * 2 : BACKOFF_FIRST_MS;
	if (child->backoff_ms > BACKOFF_MAX_MS)
		child->backoff_ms = BACKOFF_MAX_MS;
}

static void
reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < parent.n_children; i++)
			if (parent.children[i].pid == pid)
				child_ended(&parent.children[i], status);
}

static struct child *
find_child(enum service service, unsigned copy)
{
	for (size_t i = 0; i < parent.n_children; i++) {
		struct child *c = &parent.children[i];

		if (c->spec->service == service && c->copy == copy)
			return c;
	}
	return NULL;
}

/* Into another program: its role listens in the run directory. -1 when not. */
static int
connect_outside(enum service service)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	snprintf(at.sun_path, sizeof(at.sun_path), "%.90s/%s.sock",
		 parent.options.run_dir, service_name(service));
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
		return fd;
	close(fd);
	return -1;
}

static int
connect_sibling(struct child *from, struct child *to)
{
	int pair[2];

	if (to->pid == 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return -1;
	if (!tell(to, CONTROL_INCOMING, (uint8_t)from->spec->service, 0,
		  pair[1])) {
		close(pair[0]);
		pair[0] = -1;
	}
	close(pair[1]);
	return pair[0];
}

static void
bring_together(struct child *from, const struct control *message)
{
	struct child *to = find_child(message->what, message->copy);
	int fd =
		to ? connect_sibling(from, to) : connect_outside(message->what);

	tell(from, CONTROL_CONNECTED, message->what, message->copy, fd);
	if (fd >= 0)
		close(fd);
}

static bool
is_allowed(struct child *child, const struct control *message)
{
	if (message->type == CONTROL_CONNECT)
		return (child->spec->may_connect & 1u << message->what) != 0;
	return message->type == CONTROL_READY && !child->is_ready;
}

static void
hear(struct child *child)
{
	char packet[CONTROL_MAX_OCTETS];
	struct control message;
	int fd = -1;
	ssize_t n = control_receive(child->control_fd, packet, &fd);

	if (n <= 0)
		return; // SIGCHLD tells the rest
	if (fd >= 0 ||
	    control_read(str_of(packet, (size_t)n), &message) != OK ||
	    !is_allowed(child, &message)) {
		log_error("role.refused",
			  FC("role", service_name(child->spec->service)));
		if (fd >= 0)
			close(fd);
		kill(child->pid, SIGKILL);
		return;
	}
	if (message.type == CONTROL_READY)
		child->is_ready = true;
	else
		bring_together(child, &message);
}

/* ---- start ---- */

/* For "*" where the system has no IPv6. */
static bool
set_ipv4_any(union address_any *at, socklen_t *n)
{
	uint16_t port = ntohs(((struct sockaddr_in6 *)at)->sin6_port);

	return address_from_host(S("0.0.0.0"), port, at, n) == OK;
}

static const char *
port_advice(int no)
{
	if (no == EACCES)
		return "; start as root, or let ESTAFETA_LISTEN_* name ports "
		       "from 1024 on";
	if (no == EADDRINUSE)
		return "; another program has that port: ss -ltnp";
	return "";
}

static void
bind_listeners(const struct role_spec *spec, struct role *sockets,
	       enum listen_kind kind)
{
	struct str list = str_c(parent.options.listen[kind]), text;
	const char *protocols = kind <= LISTEN_SUBMISSIONS
					? parent.options.smtp_protocols
					: parent.options.reading_protocols;

	while (str_split(&list, ',', &text)) {
		bool is_any, is_v6_only;
		union address_any at;
		socklen_t n;
		int fd;

		text = str_trim(text);
		if (text.n == 0)
			continue;
		if (address_from_text(text, &at, &n) != OK) {
			fprintf(stderr,
				"'%.*s' is no address: write "
				"127.0.0.1:25 or [::1]:25 or *:25\n",
				STR(text));
			exit(2);
		}
		is_any = str_starts(text, S("*"));
		if (is_any && str_ieq(str_c(protocols), S("ipv4")))
			set_ipv4_any(&at, &n);
		is_v6_only = is_any && str_ieq(str_c(protocols), S("ipv6"));
		fd = listen_at(&at, n, is_v6_only);
		if (fd < 0 && errno == EAFNOSUPPORT && is_any && !is_v6_only &&
		    set_ipv4_any(&at, &n))
			fd = listen_at(&at, n, false);
		if (fd < 0) {
			fprintf(stderr, "%s cannot listen at %.*s: %s%s\n",
				service_name(spec->service), STR(text),
				strerror(errno), port_advice(errno));
			exit(1);
		}
		if (sockets->n_sockets == ROLE_MAX_SOCKETS) {
			fprintf(stderr, "%s: more than %d addresses\n",
				service_name(spec->service), ROLE_MAX_SOCKETS);
			exit(2);
		}
		sockets->sockets[sockets->n_sockets].kind = kind;
		sockets->sockets[sockets->n_sockets++].fd = fd;
	}
}

/* Says why, by errno, and the line that mends it; dir shall be ours. */
NORETURN static void
refuse(const char *what, const char *path, const char *dir)
{
	int no = errno;
	bool is_there = access(dir, F_OK) == 0;

	fprintf(stderr, "cannot %s %s: %s", what, path, strerror(no));
	if (no == EACCES || no == EPERM)
		fprintf(stderr,
			"; run this once, as root: %s%s%schown -R %u:%u %s",
			is_there ? "" : "mkdir -p ", is_there ? "" : dir,
			is_there ? "" : " && ", (unsigned)geteuid(),
			(unsigned)getegid(), dir);
	fputs("\n", stderr);
	exit(1);
}

/* Anybody may knock: who accepts looks at the peer's user. In a container
 * without capabilities root is a stranger to our files, and a mode of 0600
 * would keep its commands out. */
static int
bind_unix(enum service service)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	mode_t mask;
	bool ok;
	int fd;

	if (service == SERVICE_NONE)
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mask = umask(0111); // 0666
	snprintf(at.sun_path, sizeof(at.sun_path), "%.90s/%s.sock",
		 parent.options.run_dir, service_name(service));
	unlink(at.sun_path);
	ok = fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 &&
	     listen(fd, 128) == 0;
	umask(mask);
	if (ok)
		return fd;
	refuse("listen at", at.sun_path, parent.options.run_dir);
}

/* New directories on the way are open to all roles, whatever the umask is. */
static void
make_dirs(const char *path, mode_t mode)
{
	if (dirs_make(path, mode) == OK)
		return;
	refuse("create", path, path);
}

static struct {
	uid_t uid;
	gid_t gid;
} new_owner; // nftw() passes nothing along

static int
give_one(const char *path, const struct stat *st UNUSED, int what UNUSED,
	 struct FTW *ftw UNUSED)
{
	return lchown(path, new_owner.uid, new_owner.gid);
}

/* Once, when the directory comes from another user's time. Links are not
 * followed; the directory itself comes last, so that a cut is gone over again.
 */
static void
give_tree(const char *path, uid_t uid, gid_t gid)
{
	enum { MAX_OPEN = 16 };

	new_owner.uid = uid;
	new_owner.gid = gid;
	log_info("parent.chown", FC("path", path), FN("uid", uid));
	if (nftw(path, give_one, MAX_OPEN, FTW_PHYS | FTW_DEPTH) != 0)
		fprintf(stderr, "run this once: chown -R %u:%u %s\n",
			(unsigned)uid, (unsigned)gid, path);
}

/* The directory a role writes in exists and is its own. */
static void
own_dir(const struct role_spec *spec)
{
	char path[1024];
	struct stat st;
	uid_t uid;
	gid_t gid;

	if (spec->owns_mail_tree)
		snprintf(path, sizeof(path), "%s", parent.options.mail_dir);
	else if (spec->state_dir != NULL)
		snprintf(path, sizeof(path), "%s/%s", parent.options.state_dir,
			 spec->state_dir);
	else
		return;
	make_dirs(path, 0700);
	user_of(spec, &uid, &gid);
	if (geteuid() == 0 && stat(path, &st) == 0 && st.st_uid != uid)
		give_tree(path, uid, gid);
	if (geteuid() != 0 && access(path, R_OK | W_OK | X_OK) != 0)
		refuse("write in", path, path);
}

static void
prepare_roles(void)
{
	struct program *p = parent.program;

	for (size_t r = 0; r < p->n_roles; r++) {
		const struct role_spec *spec = &p->roles[r];
		struct role *sockets = &parent.sockets[r];

		own_dir(spec);
		sockets->unix_fd = bind_unix(spec->unix_service);
		sockets->second_fd = bind_unix(spec->second_service);
		for (enum listen_kind k = 0; k < LISTEN_KINDS; k++)
			if (spec->listens & 1u << k)
				bind_listeners(spec, sockets, k);
		for (unsigned copy = 0; copy < spec->copies; copy++) {
			check(parent.n_children < MAX_CHILDREN);
			parent.children[parent.n_children++] =
				(struct child) { .spec = spec, .copy = copy };
		}
	}
}

static void
on_signal(void)
{
	struct signalfd_siginfo info;

	if (read(parent.signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGCHLD) {
		reap();
		return;
	}
	if (info.ssi_signo == SIGHUP) {
		handed_files_forget();
		look_at_files();
		return;
	}
	if (parent.is_stopping)
		return;
	parent.is_stopping = true;
	parent.kill_at_us = in_s(STOP_WAIT_S);
	for (size_t i = 0; i < parent.n_children; i++)
		if (parent.children[i].pid != 0)
			tell(&parent.children[i], CONTROL_STOP, 0, 0, -1);
}

static bool
is_over(void)
{
	bool any = false;

	for (size_t i = 0; i < parent.n_children; i++)
		any |= parent.children[i].pid != 0;
	if (any && now_us() > parent.kill_at_us)
		for (size_t i = 0; i < parent.n_children; i++)
			if (parent.children[i].pid != 0)
				kill(parent.children[i].pid, SIGKILL);
	return !any;
}

static int
ms_until_restart(void)
{
	int64_t soonest_ms = TICK_MS;

	if (parent.is_stopping)
		return TICK_MS;
	for (size_t i = 0; i < parent.n_children; i++) {
		struct child *c = &parent.children[i];
		int64_t left_ms = (c->restart_at_us - now_us()) / US_PER_MS + 1;

		if (c->pid == 0 && left_ms < soonest_ms)
			soonest_ms = left_ms < 0 ? 0 : left_ms;
	}
	return (int)soonest_ms;
}

static void
restart_due(void)
{
	for (size_t i = 0; i < parent.n_children; i++) {
		struct child *c = &parent.children[i];

		if (c->pid == 0 && now_us() >= c->restart_at_us)
			start_child(c);
	}
}

static void
serve_children(void)
{
	int64_t next_look_us = now_us();

	for (;;) {
		struct pollfd polls[MAX_CHILDREN + 1];
		nfds_t n = 1;

		if (!parent.is_stopping)
			restart_due();
		else if (is_over())
			return;
		if (now_us() >= next_look_us) {
			look_at_files();
			next_look_us = in_ms(parent.options.poll_ms
						     ? parent.options.poll_ms
						     : TICK_MS);
		}
		polls[0] = (struct pollfd) { parent.signal_fd, POLLIN, 0 };
		for (size_t i = 0; i < parent.n_children; i++) {
			struct child *c = &parent.children[i];

			polls[n++] =
				(struct pollfd) { c->pid ? c->control_fd : -1,
						  POLLIN, 0 };
		}
		if (poll(polls, n, ms_until_restart()) <= 0)
			continue;
		for (nfds_t i = 1; i < n; i++)
			if (polls[i].revents & POLLIN &&
			    parent.children[i - 1].pid != 0)
				hear(&parent.children[i - 1]);
		if (polls[0].revents & POLLIN)
			on_signal();
	}
}

static void
raise_limits(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

int
program_main(struct program *program, int argc, char **argv)
{
	sigset_t signals;

	setvbuf(stderr, NULL, _IOLBF, 0);
	parent.program = program;
	options_read(&parent.options, argc, argv, program->usage);
	log_open(program->name,
		 log_level_named(str_c(parent.options.log_level)));
	if (!log_use_format(parent.options.log_format,
			    parent.options.hostname)) {
		fprintf(stderr, "LOG_FORMAT=%s: write text, json or postfix\n",
			parent.options.log_format);
		return 1;
	}
	program->describe(&parent.options, program);
	raise_limits();
	umask(0077);
	/* A file capability takes it away, and with it what tells a parent from
	 * a role: unix_peer_is_trusted(). */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	make_dirs(parent.options.run_dir, 0755);
	tzset();
	tls_init();
	tls_use_level(parent.options.tls_level);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	parent.signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	check(parent.signal_fd >= 0);
	find_files();
	for (enum control_file kind = 0; kind < FILE_KINDS; kind++)
		(void)handed_file_has_changed(kind); // from here on
	prepare_roles();
	serve_children();
	return 0;
}
