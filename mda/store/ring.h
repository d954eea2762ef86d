/* SPDX-License-Identifier: MIT
 * mda/store/ring.h - which queued messages were delivered here lately, so that
 * a repeat is known after its user moved or deleted the first copy.
 *
 * Two text files in the root, .estafeta.delivered.<copy> and the same with
 * ".old", of at most 64 MiB each:
 *
 *   <crc32c, 8 digits> TAB <seconds> TAB <user> TAB <unique part>
 *
 * A record is appended once the mail is durable, and not flushed; whoever takes
 * messages out of a user's folders flushes first. */
#pragma once

#include "mda/store/tree.h"

/* Opens the ring in the root; NULL when that cannot be done (logged): repeats
 * are then looked for in the folders alone. */
struct ring *ring_open(int root_fd, unsigned copy);
/* NULL is fine. */
void ring_close(struct ring **ring);

/* The record waits in memory for ring_write(), ring_flush() or many others. A
 * process that dies before has its mail in the user's folders, where a repeat
 * is looked for first. */
void ring_add(struct ring *ring, struct str user, struct str unique);
/* What finds no room waits for the next time, 64 KiB of it. */
void ring_write(struct ring *ring);
/* The same for a file that is about to go, when a delivery made it: a process
 * that died between the rename and its record left none, and a power cut takes
 * records that were not flushed. */
void ring_add_file(struct ring *ring, struct str user, struct str base);
/* Makes all records so far durable; at once when they are. */
enum err ring_flush(struct co *co, struct ring *ring) MUST_USE;
/* Was it delivered? The first look reads the files and makes an index of them
 * (ring_index.h); later ones read what came since, and what may have it. */
bool
ring_has(struct co *co, struct ring *ring, struct str user, struct str unique);
