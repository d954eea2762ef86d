/* SPDX-License-Identifier: MIT
 * mta/out/outcome.h - what became of one recipient. */
#pragma once

#include "lib/ipc/out.h"
#include "lib/mail/smtp_reply.h"

enum {
	OUTCOME_TEXT_MAX = 500,
	OUTCOME_REMOTE_MAX = 300,
};

struct outcome {
	bool is_set;
	bool is_dead;	   // no session with the destination
	bool is_final;	   // no other server need be asked
	bool is_reported;  // delivered to a host that sends reports
	bool is_not_tried; // we stop
	uint16_t code;
	char enhanced[SMTP_ENHANCED_MAX];
	char text[OUTCOME_TEXT_MAX];
	char remote[OUTCOME_REMOTE_MAX]; // who said so, or empty
};

/* As the server said. Line ends, controls and 8-bit of its text become blanks
 * and '?'. A code that is neither 2yz, 4yz nor 5yz here means: try again. */
void outcome_of_reply(struct outcome *out, const struct smtp_reply *reply,
		      const char *remote);
/* As we found, about that host (may be ""). code 0: try again. */
void outcome_of_us(struct outcome *out, uint16_t code, const char *enhanced,
		   const char *remote, const char *format, ...) PRINTF(5, 6);
