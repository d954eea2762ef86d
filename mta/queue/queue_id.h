/* SPDX-License-Identifier: MIT
 * mta/queue/queue_id.h - names of messages in the queue: microseconds since
 * 1970 in base 32, most significant digit first. Sorted as bytes they are in
 * the order of arrival. */
#pragma once

#include "lib/base/str.h"
#include "lib/ipc/queue.h"

#include <stdint.h>

/* The time now, or later than *last_us, which rises: so it is unique. */
void queue_id_next(int64_t *last_us, char id[QUEUE_ID_OCTETS + 1]);
void queue_id_put(int64_t at_us, char id[QUEUE_ID_OCTETS + 1]);
/* 0: it is no id. */
int64_t queue_id_time(struct str id);
