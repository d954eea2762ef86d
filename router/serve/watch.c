/* SPDX-License-Identifier: MIT
 * router/serve/watch.c - keeps the configuration in force equal to the files.
 *
 * The directory is looked at every LOOK_MS: names, sizes, times and inodes of
 * what lies in it, and of each file elsewhere that was read, or that was
 * missing (":include:", tables below and outside of it). That works on every
 * mount, also where no inotify event comes through, and is far below the two
 * seconds that an operator may wait. A set with errors is reported and the old
 * one stays. */
#include "lib/base/check.h"
#include "lib/base/crc32c.h"
#include "lib/rt/log.h"
#include "router/route/lint.h"
#include "router/serve/serve_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

enum {
	LOOK_MS = 400,
	FIRST_NAMES_S = 3,
	DIAG_MAX_OCTETS = 1 << 20,
	MAX_VARIABLES = 4096,
	/* Above that a look at each entry takes seconds, at each change. */
	LINT_ENTRIES_MAX = 200000,
	ELSEWHERE_MAX_OCTETS = 64 * 1024,
	REPORT_MAX = 100, // warnings and notes, at each loading
};

/* The files elsewhere that the last loading wanted. */
static struct config_watch elsewhere;

static uint64_t
elsewhere_state(void)
{
	struct str rest = buf_str(&elsewhere.paths), path;
	uint64_t sum = 0;

	while (str_split(&rest, '\0', &path))
		if (path.n > 0)
			sum += config_file_state(path.p);
	return sum;
}

/* Sum, not sequence: readdir has no order. Unreadable: 0. */
static uint64_t
directory_state(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	uint64_t sum = 1;

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	while ((entry = readdir(dir)) != NULL) {
		struct stat st;
		uint64_t facts[5];

		if (entry->d_name[0] == '.' ||
		    fstatat(fd, entry->d_name, &st, 0) != 0)
			continue;
		facts[0] = crc32c(0, str_c(entry->d_name));
		facts[1] = (uint64_t)st.st_size;
		facts[2] = (uint64_t)st.st_mtim.tv_sec;
		facts[3] = (uint64_t)st.st_mtim.tv_nsec;
		facts[4] = st.st_ino;
		sum += hash_bytes(str_of(facts, sizeof(facts)));
	}
	closedir(dir);
	return sum;
}

struct loading {
	struct config_input input;
	struct diag diag;
	struct config *config;
	struct config_watch watch;
	enum err result;
};

/* What works, but not as it looks: the log tells it as mailctl lint does. */
static void
lint(struct loading *l)
{
	const struct config *c = l->config;
	size_t n = c->n_accounts;

	for (size_t i = 0; i < c->virtual_alias.n; i++)
		n += c->virtual_alias.list[i].entries.n;
	for (size_t i = 0; i < c->transport.n; i++)
		n += c->transport.list[i].entries.n;
	if (n <= LINT_ENTRIES_MAX)
		route_lint(c, &l->diag);
	else
		diag_note(&l->diag, c->dir, 0,
			  "more than %d entries: mailctl lint looks at each "
			  "of them",
			  LINT_ENTRIES_MAX);
}

/* In a thread: a million entries take a second. */
static void
load(void *arg)
{
	struct loading *l = arg;

	l->result = config_load(&l->input, &l->diag, &l->config);
	if (l->result == OK)
		lint(l);
}

static struct table_variable *
variables(size_t *n_out)
{
	struct table_variable *list;
	size_t n = 0;

	while (environ[n] != NULL && n < MAX_VARIABLES)
		n++;
	list = must_alloc(n * sizeof(*list));
	*n_out = n;
	for (size_t i = 0; i < n; i++) {
		struct str value = str_c(environ[i]), name = STR_NONE;

		str_split(&value, '=', &name);
		list[i] = (struct table_variable) { name, value };
	}
	return list;
}

/* Errors all; of the rest the first ones: a set of thousands of domains may
 * have a note for each, at each change. */
static void
report(const struct diag *d)
{
	size_t n_left = 0, n_told = 0;

	for (const struct diag_entry *entry = d->first; entry != NULL;
	     entry = entry->next) {
		enum log_level level = entry->severity == DIAG_ERROR ? LOG_ERROR
				       : entry->severity == DIAG_WARNING
					       ? LOG_WARN
					       : LOG_INFO;
		struct buf line = BUF_INIT(16384);

		if (level != LOG_ERROR && ++n_told > REPORT_MAX) {
			n_left++;
			continue;
		}
		if (diag_format(entry, &line) == OK)
			log_at(level, STR_NONE, "config",
			       F("at", str_rtrim(buf_str(&line))));
		buf_release(&line);
	}
	if (n_left > 0)
		log_info("config.more", FN("findings", n_left),
			 FC("see", "mailctl lint"));
}

static void
put_in_force(struct config **config)
{
	config_drop(&serving.config);
	serving.config = *config;
	*config = NULL;
	serving.number++;
	gate_wake_all(&serving.changed);
	log_info("config.loaded", FN("snapshot", serving.number),
		 FN("accounts", serving.config->n_accounts));
}

static void
load_now(struct co *co)
{
	struct loading
		l = { .input = {
			      .dir = str_c(serving.role->options->config_dir),
			      .hostname =
				      str_c(serving.role->options->hostname),
			      .accounts = serving.has_names
						  ? CONFIG_ACCOUNTS_GIVEN
						  : CONFIG_ACCOUNTS_UNKNOWN,
			      .n_account_names = serving.n_names,
			      /* Ours while the thread reads: a newer one may
				 come. */
			      .sasl_fd = serving.sasl_fd < 0
						 ? -1
						 : fcntl(serving.sasl_fd,
							 F_DUPFD_CLOEXEC, 0),
		      } };
	struct str *names = must_alloc(serving.n_names * sizeof(*names));
	struct buf memory = serving.names_memory;
	struct table_variable *list = variables(&l.input.n_variables);

	/* The names must not change under the thread. */
	if (serving.n_names > 0)
		memcpy(names, serving.names, serving.n_names * sizeof(*names));
	serving.names_memory = (struct buf)BUF_INIT(0);
	buf_init(&l.watch.paths, ELSEWHERE_MAX_OCTETS);
	l.input.watch = &l.watch;
	l.input.account_names = names;
	l.input.variables = list;
	diag_init(&l.diag, DIAG_MAX_OCTETS);
	offload(co, load, &l);
	if (l.input.sasl_fd >= 0)
		close(l.input.sasl_fd);
	buf_release(&elsewhere.paths);
	elsewhere = l.watch;
	report(&l.diag);
	if (l.result == OK)
		put_in_force(&l.config);
	else
		log_error("config.kept",
			  FC("why", serving.config
					    ? "the old set stays in force"
					    : "there is no good set yet: mail "
					      "is answered with 451"));
	diag_release(&l.diag);
	free(names);
	free(list);
	if (serving.names_memory.p == NULL)
		serving.names_memory = memory;
	else
		buf_release(&memory); // newer names came meanwhile
}

static void
run(struct co *co, void *arg UNUSED)
{
	unsigned poll_ms = serving.role->options->poll_ms;
	int64_t names_by_us = in_s(FIRST_NAMES_S);
	uint64_t before = 0;

	/* Nobody is told of a set that would only put mail off: the names of
	 * the accounts come within milliseconds, unless mda/auth is down. */
	while (!serving.has_names && co_wait(co, names_by_us) == OK)
		;
	serving.is_stale = true;
	for (;;) {
		uint64_t now =
			directory_state(serving.role->options->config_dir);

		if (now == 0 && before != 0)
			log_error("config.unreadable",
				  FC("dir", serving.role->options->config_dir),
				  FERRNO(errno));
		if (serving.is_stale || now != before ||
		    elsewhere_state() != elsewhere.state) {
			before = now;
			serving.is_stale = false;
			load_now(co);
			continue; // what changed meanwhile is seen at once
		}
		if (co_wait(co, in_ms(poll_ms ? poll_ms : LOOK_MS)) ==
		    ERR_CANCELED)
			return;
	}
}

void
watch_kick(void)
{
	serving.is_stale = true;
	co_wake(serving.watcher);
}

void
watch_start(void)
{
	serving.watcher = co_spawn(run, NULL, "router.watch");
	check(serving.watcher != NULL);
}
