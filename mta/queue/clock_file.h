/* SPDX-License-Identifier: MIT
 * mta/queue/clock_file.h - what is known of the wall clock outlives the
 * process.
 *
 * spool/clock, of AGE_NOTE_MAX_OCTETS, is written over each minute and never
 * synced: without it, or when it is torn, ages are by the wall clock alone
 * until the next jump. */
#pragma once

#include "mta/queue/age.h"

struct clock_file;

/* Before rights are given up. Sets the age from the file, as it was left by the
 * process before; without one, anew. NULL: it cannot be opened (told). */
struct clock_file *clock_file_open(const char *dir, struct age *age);
/* Begins to write. `age` stays; NULL is fine. */
void clock_file_start(struct clock_file *file);
/* Logs a jump; nothing for 0. */
void clock_file_tell(int64_t moved_us);
