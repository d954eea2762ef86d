/* SPDX-License-Identifier: MIT
 * router/serve/serve_private.h - what watch.c, names.c and answer.c share. */
#pragma once

#include "lib/rt/chan.h"
#include "lib/rt/role.h"
#include "router/map/config.h"

/* Patterns that take their time, in threads; the pool has others. */
enum { PATTERNS_AT_ONCE = 2 };

/* The set in force; NULL until there was a good one. A coroutine that waits
 * must not keep it: it may be replaced meanwhile. */
struct serving {
	struct role *role;
	struct config *config;
	uint64_t number; // of the snapshot
	struct gate changed;
	/* Headers and questions whose patterns run, in threads. */
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

/* asking.c: one thing that is decided, with all that this may need:
 * tables of other hosts are asked, and patterns that take long run in a thread.
 *
 *   asking_init(&a);
 *   e = asking_decide(co, &a, fn, &arg);
 *   ...                         use what was decided
 *   asking_release(&a);
 */
struct asking {
	struct arena arena; // of remote alone
	struct remote remote;
	int64_t deadline_us; // of other hosts
	struct config *held; // what a thread decided by; or NULL
	uint64_t number;     // of the snapshot in which it began
};

/* Decides by c alone: pure. Runs again from the start when an answer was
 * missing (ERR_MORE), and in a thread when its patterns took too long. */
typedef enum err
decide_fn(const struct config *c, struct remote *remote, void *arg);

void remote_start(void);
void asking_init(struct asking *a);
/* What fn gives in the end. Strings of the configuration that it left in arg
 * live until the next call of this, the next wait, or asking_release(): whoever
 * goes on copies them. ERR_UNAVAILABLE: there is no configuration, or no turn
 * for a thread within a minute. */
enum err
asking_decide(struct co *co, struct asking *a, decide_fn *fn, void *arg);
/* Answers what was missing; false: nothing was. Takes 20 s at most for one
 * struct asking; what has no answer then is "later". For who runs threads
 * itself. */
bool asking_again(struct co *co, struct asking *a, enum err e);
void asking_release(struct asking *a);
/* The snapshot in which all that was decided stays so: lasts_in of
 * lib/ipc/router.h. 0: other hosts were asked, or the set was replaced. */
uint64_t asking_lasts_in(const struct asking *a);
/* One of few threads at once; ERR_UNAVAILABLE: no turn came. */
enum err asking_take_turn(struct co *co) MUST_USE;
void asking_end_turn(void);

/* policy.c */
void policy_serve(struct co *co, struct call *call, struct frame *first,
		  void *owner);
void policy_serve_header(struct co *co, struct call *call, struct frame *first,
			 void *owner);
void policy_serve_content(struct co *co, struct call *call, struct frame *first,
			  void *owner);
/* POLICY_CONTENT_SENT alone; who asks more is cut off. */
void policy_serve_sent(struct co *co, struct call *call, struct frame *first,
		       void *owner);
/* 1 << enum policy_content_way: there are such rules. */
uint8_t policy_content_bits(const struct config *c);
/* What the snapshot says of a service: which stages have lists. */
uint8_t policy_bits(const struct config *c, enum policy_service service);

/* answer.c: what everybody may ask who may connect, and what mta/out may. */
extern const struct chan_rule answer_rules[];
extern const struct chan_rule answer_out_rules[];
