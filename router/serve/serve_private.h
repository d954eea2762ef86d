/* SPDX-License-Identifier: MIT
 * router/serve/serve_private.h - what watch.c, names.c and answer.c share. */
#pragma once

#include "lib/rt/chan.h"
#include "lib/rt/role.h"
#include "router/map/config.h"

/* Patterns of header_checks take their time, but not each other's. */
enum { HEADER_CHECKS_AT_ONCE = 2 };

/* The set in force; NULL until there was a good one. A coroutine that waits
 * must not keep it: it may be replaced meanwhile. */
struct serving {
	struct role *role;
	struct config *config;
	uint64_t number; // of the snapshot
	struct gate changed;
	/* Headers whose patterns run, in threads. */
	unsigned n_checks;
	struct gate may_check;
	/* Account names, as mda/auth told them last. */
	struct buf names_memory;
	struct str *names;
	size_t n_names;
	bool has_names;
	int sasl_fd;   // from the parent, or -1
	bool is_stale; // something changed: load again
	struct co *watcher;
};

extern struct serving serving;

/* watch.c: loads at start, and whenever a file or the names change. */
void watch_start(void);
/* Load again soon. */
void watch_kick(void);

/* names.c */
void names_start(void);

/* remote.c: tables of other hosts, while one thing is decided:
 *
 *   asking_init(&a);
 *   do
 *           e = route_resolve(serving.config, ..., a.remote, ...);
 *   while (asking_again(co, &a, e));
 *
 * remote stays NULL, and nothing is waited for, when the set in force has no
 * such table. serving.config may be another one after asking_again(). */
struct asking {
	struct arena arena;
	struct remote *remote;
	int64_t deadline_us;
};

void remote_start(void);
void asking_init(struct asking *a);
/* Answers what was missing; false: nothing was. Takes 20 s at most for one
 * struct asking; what has no answer then is "later". */
bool asking_again(struct co *co, struct asking *a, enum err e);
void asking_release(struct asking *a);

/* policy.c */
void policy_serve(struct co *co, struct call *call, struct frame *first,
		  void *owner);
void policy_serve_header(struct co *co, struct call *call, struct frame *first,
			 void *owner);
void policy_serve_content(struct co *co, struct call *call,
			  struct frame *first, void *owner);
/* 1 << enum policy_content_way: there are such rules. */
uint8_t policy_content_bits(const struct config *c);
/* What the snapshot says of a service: which stages have lists. */
uint8_t policy_bits(const struct config *c, enum policy_service service);

/* answer.c */
extern const struct chan_rule answer_rules[];
