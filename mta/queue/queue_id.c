/* SPDX-License-Identifier: MIT
 * mta/queue/queue_id.c - names of messages in the queue. */
#include "mta/queue/queue_id.h"

#include "lib/rt/clock.h"

#include <string.h>

enum {
	DIGITS = QUEUE_ID_OCTETS,
	DIGIT_BITS = 5,
	DIGIT_MASK = (1 << DIGIT_BITS) - 1,
};

/* No vowels but Y, so no words. */
static const char id_digits[] = "0123456789Bbcdfghjklmnpqrstvwxyz";

void
queue_id_put(int64_t at_us, char id[QUEUE_ID_OCTETS + 1])
{
	for (int i = DIGITS - 1; i >= 0; i--) {
		id[i] = id_digits[at_us & DIGIT_MASK];
		at_us >>= DIGIT_BITS;
	}
	id[DIGITS] = '\0';
}

int64_t
queue_id_time(struct str id)
{
	int64_t at_us = 0;

	for (size_t i = 0; i < id.n; i++) {
		const char *digit = strchr(id_digits, id.p[i]);

		if (digit == NULL || id.p[i] == '\0')
			return 0;
		at_us = at_us << DIGIT_BITS | (digit - id_digits);
	}
	return at_us;
}

void
queue_id_next(int64_t *last_us, char id[QUEUE_ID_OCTETS + 1])
{
	int64_t at_us = wall_us();

	if (at_us <= *last_us)
		at_us = *last_us + 1;
	*last_us = at_us;
	queue_id_put(at_us, id);
}
