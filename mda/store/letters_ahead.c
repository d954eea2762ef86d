/* SPDX-License-Identifier: MIT
 * mda/store/letters_ahead.c - messages that are read before they are asked for.
 *
 * Process: store, mostly in threads.
 * Invariants:
 *  (1) No group is cleared, and nothing of it taken, while a thread reads it.
 *  (2) octets is the sum over the groups that were begun and not cleared.
 */
#include "mda/store/letters_ahead.h"

#include "lib/base/check.h"
#include "mda/store/letter_private.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	AHEAD_MAX_OCTETS = 1024 * 1024, // in memory, but for one message
	GROUP_MAX_OCTETS = AHEAD_MAX_OCTETS / 2,
	GROUPS = 3, // one is being taken while two threads read
};

struct entry {
	uint32_t uid; // 0: taken
	struct letter_job job;
};

/* What one thread reads. */
struct group {
	struct letters_ahead *owner;
	bool is_running;
	size_t end; // whoever is at this place has no more use for it
	uint64_t octets;
	size_t n;
	struct entry entries[LETTERS_AHEAD];
};

struct letters_ahead {
	struct mailbox *mailbox;
	struct group groups[GROUPS];
	uint64_t octets; // in groups that run, or wait to be taken
	unsigned n_running;
	struct co *waiter; // for a group to end
};

struct letters_ahead *
letters_ahead_new(struct mailbox *m)
{
	struct letters_ahead *a = must_alloc(sizeof(*a));

	a->mailbox = mailbox_hold(m);
	for (int i = 0; i < GROUPS; i++)
		a->groups[i].owner = a;
	return a;
}

static void
wait_for_a_group(struct co *co, struct letters_ahead *a)
{
	a->waiter = co;
	co_park(co);
	a->waiter = NULL;
}

static void
clear_group(struct group *group)
{
	for (size_t i = 0; i < group->n; i++)
		if (group->entries[i].uid != 0)
			letter_release(&group->entries[i].job.letter);
	group->owner->octets -= group->octets;
	group->octets = group->n = 0;
}

void
letters_ahead_free(struct co *co, struct letters_ahead **ahead)
{
	struct letters_ahead *a = *ahead;

	*ahead = NULL;
	if (a == NULL)
		return;
	while (a->n_running > 0)
		wait_for_a_group(co, a);
	for (int i = 0; i < GROUPS; i++)
		clear_group(&a->groups[i]);
	mailbox_drop(&a->mailbox);
	free(a);
}

/* The disk is asked for all of them before the first is waited for. */
static void
group_in_thread(void *arg)
{
	struct group *group = arg;

	for (size_t i = 0; i < group->n; i++) {
		struct letter_job *job = &group->entries[i].job;
		int fd;

		if (letter_job_run_now(job))
			continue;
		job->e = ERR_MORE;
		fd = fs_open_regular(job->dir_fd, job->name);
		if (fd < 0)
			continue;
		posix_fadvise(fd, 0,
			      job->depth == LETTER_HEAD
				      ? LETTER_HEAD_STEP_OCTETS
				      : AHEAD_MAX_OCTETS,
			      POSIX_FADV_WILLNEED);
		close(fd);
	}
	for (size_t i = 0; i < group->n; i++) {
		struct letter_job *job = &group->entries[i].job;
		struct letter *l = &job->letter;

		if (job->e != OK)
			letter_job_run(job);
		if (job->e != OK || !job->makes_blob)
			continue;
		l->entry.uid = group->entries[i].uid;
		buf_init(&l->blob, INDEX_BLOBS_MAX_OCTETS);
		index_make(l, &l->entry, &l->blob);
		l->has_blob = true;
	}
}

static void
run_group(struct co *co, void *arg)
{
	struct group *group = arg;
	struct letters_ahead *a = group->owner;

	offload(co, group_in_thread, group);
	group->is_running = false;
	a->n_running--;
	if (a->waiter != NULL)
		co_wake(a->waiter);
}

/* One that is not in use any more. */
static size_t
free_group(const struct letters_ahead *a, size_t place)
{
	size_t i = 0;

	while (i < GROUPS &&
	       (a->groups[i].is_running || a->groups[i].end > place))
		i++;
	return i;
}

bool
letters_ahead_has_room(const struct letters_ahead *a, size_t place)
{
	size_t i = free_group(a, place);

	return i < GROUPS && a->octets - a->groups[i].octets < AHEAD_MAX_OCTETS;
}

size_t
letters_ahead_begin(struct letters_ahead *a, size_t place,
		    const struct letter_wish *wishes, size_t n)
{
	struct group *group = &a->groups[free_group(a, place)];
	size_t taken = 0;

	clear_group(group);
	for (; taken < n && group->n < LETTERS_AHEAD; taken++) {
		const struct letter_wish *wish = &wishes[taken];
		const struct message *msg = mailbox_find(a->mailbox, wish->uid);
		uint64_t octets = msg != NULL && msg->has_size
					  ? msg->size_octets
					  : LETTER_SMALL_OCTETS;

		if (group->n > 0 && group->octets + octets > GROUP_MAX_OCTETS)
			break;
		group->end = wish->place + 1;
		if (msg == NULL ||
		    !letter_job_init(&group->entries[group->n].job, a->mailbox,
				     msg, wish->depth))
			continue;
		group->entries[group->n].job.makes_blob = wish->makes_blob;
		group->entries[group->n++].uid = wish->uid;
		group->octets += octets;
	}
	a->octets += group->octets;
	if (group->n == 0)
		return taken;
	group->is_running = true;
	a->n_running++;
	if (co_spawn(run_group, group, "letters") != NULL)
		return taken;
	group->is_running = false;
	a->n_running--;
	a->octets -= group->octets;
	group->octets = group->n = 0;
	return taken;
}

static struct entry *
find_entry(struct letters_ahead *a, uint32_t uid, struct group **group_out)
{
	for (size_t i = 0; i < GROUPS; i++) {
		struct group *group = &a->groups[i];

		*group_out = group;
		for (size_t k = 0; k < group->n; k++)
			if (group->entries[k].uid == uid)
				return &group->entries[k];
	}
	return NULL;
}

bool
letters_ahead_take(struct co *co, struct letters_ahead *a,
		   const struct letter_wish *wish, struct letter *out)
{
	struct group *group;
	struct entry *entry = find_entry(a, wish->uid, &group);
	struct letter_job *job;
	struct message *msg;

	if (entry == NULL)
		return false;
	while (group->is_running)
		wait_for_a_group(co, a);
	entry->uid = 0;
	job = &entry->job;
	msg = mailbox_find(a->mailbox, wish->uid);
	if (msg == NULL || job->e != OK ||
	    letter_depth_of_both(job->depth, wish->depth) != job->depth) {
		letter_release(&job->letter);
		return false;
	}
	letter_learn(msg, &job->letter);
	*out = job->letter;
	return true;
}
