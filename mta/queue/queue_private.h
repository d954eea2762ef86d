/* SPDX-License-Identifier: MIT
 * mta/queue/queue_private.h - what the files of the queue share. */
#pragma once

#include "lib/base/map.h"
#include "lib/ipc/out.h"
#include "lib/mail/dsn.h"
#include "lib/rt/role.h"
#include "lib/rt/settings.h"
#include "mta/queue/clock_file.h"
#include "mta/queue/history.h"
#include "mta/queue/message.h"

struct destination;

struct queue {
	struct role *role;
	struct message_table table;
	struct history *history;
	struct peer *router;
	struct peer **outs;
	unsigned n_outs, next_out;
	uint64_t *told;	      // each out: hash of the settings it has
	struct heap schedule; // deferred messages, by monotonic time
	struct co *clock;     // wakes for the schedule
	struct age age;
	struct clock_file *clock_file;
	size_t n_active;
	size_t n_backlog;	 // messages that sleep before a destination
	size_t n_accepts;	 // messages that wait for the flush
	size_t n_ins;		 // channels of mta/in
	int64_t rush_until_us;	 // accepting goes before delivering
	struct map destinations; // by key
	size_t n_delivering;	 // deliveries that out works at
	bool is_started;	 // the spool takes messages
	bool is_stopping;	 // nothing more is tried
	struct gate started;
};

extern struct queue queue;

/* ---- schedule.c: when a message is tried ---- */

void schedule_start(void);
/* Many clients wait for the flush: accepting goes before local delivery. */
bool schedule_is_rush(void);
/* Tries the message as soon as there is room among the active ones. */
void schedule_now(struct queued *q);
/* Tries it at that wall-clock time. */
void schedule_at(struct queued *q, int64_t wall_at_us);
/* How long it is here; what jumps of the wall clock added does not count. */
int64_t schedule_age_s(int64_t arrived_us);
/* Takes it out of the schedule, and of what waits for a destination. */
void schedule_remove(struct queued *q);

/* ---- attempt.c: one try of one message ---- */

/* Resolves, delivers, bounces, and schedules or removes the message. Runs in
 * its own coroutine. */
void attempt_run(struct co *co, void *queued);

/* ---- destination.c: deliveries to one next hop ---- */

struct delivery {
	TAILQ_ENTRY(delivery) link;
	struct message *message;
	enum out_protocol protocol;
	enum router_transport transport;	       // whose limits it has
	struct str next_hop, sasl_user, sasl_password; // of the first route
	struct str tls_policy;
	uint32_t *indexes;     // recipients
	struct str *mailboxes; // local: accounts, parallel to indexes
	size_t n, max_rcpts;
	struct attempt *attempt;
};

/* What became of one recipient. code as in out_result. */
void attempt_result(struct attempt *attempt, uint32_t index,
		    const struct out_result *result);
/* A stop came between, of us or of who should deliver: what is left is tried
 * at once after the start. */
void attempt_cut(struct attempt *a);
/* All recipients of the delivery have results. */
void attempt_delivery_over(struct attempt *attempt);

/* Queues it for its next hop; owned by the attempt. */
void destination_add(struct delivery *d);
/* Has it as much for its next hop, or from its sender, as need be in memory? */
bool destination_is_full(const struct delivery *d);
/* Then the message sleeps until there is room: schedule_now() is called. */
void destination_put_off(const struct delivery *d, struct queued *q);
/* Takes it out of such a backlog; no effect when it is in none. */
void destination_leave(struct queued *q);
/* Call now and then: wakes those whose turn nobody else would notice. */
void destination_resume(void);
/* Forget which next hops are dead. */
void destination_revive_all(void);
/* Gives back what was not used for long. Cheap to call often. */
void destination_sweep(void);

/* ---- bounce.c ---- */

/* What became of a recipient, for a report. */
struct failure {
	uint32_t index;
	enum dsn_action action;
	uint16_t code;
	char *enhanced, *text, *remote;
};

enum report { REPORT_FAILURE, REPORT_DELAY, REPORT_SUCCESS };

/* Sends the sender a DSN about these recipients (RFC 3464), as far as NOTIFY
 * asks for it; durable when OK. For the null sender nothing is sent, but the
 * postmaster is told of a failure when notify_classes has 2bounce. */
enum err bounce_send(struct co *co, const struct message *m, enum report report,
		     const struct failure *list, size_t n) MUST_USE;
/* Would a report of that kind about this recipient be sent? */
bool
bounce_is_wanted(const struct message *m, enum report report, uint32_t index);
/* Is it one of several that an alias made, so that the sender is told of the
 * list alone (RFC 3461 5.2.7.3)? */
bool bounce_is_of_list(const struct message *m, uint32_t index);
bool bounce_lists_word(struct str list, struct str word);

/* ---- accept.c, command.c: what others ask ---- */

void accept_serve(struct co *co, struct call *call, struct frame *first,
		  void *owner);
void command_list(struct co *co, struct call *call, struct frame *first,
		  void *owner);
void command_flush(struct co *co, struct call *call, struct frame *first,
		   void *owner);
void command_change(struct co *co, struct call *call, struct frame *first,
		    void *owner);
void command_show(struct co *co, struct call *call, struct frame *first,
		  void *owner);
void command_trace(struct co *co, struct call *call, struct frame *first,
		   void *owner);
void command_status(struct co *co, struct call *call, struct frame *first,
		    void *owner);
