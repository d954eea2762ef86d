/* SPDX-License-Identifier: MIT
 * ctl/probe.h - asks each part of the running system whether it answers. */
#pragma once

#include "lib/base/buf.h"
#include "lib/rt/options.h"

enum { PROBES = 5, PROBE_TEXT_OCTETS = 256 };

struct probe {
	const char *name; // "queue"
	bool is_good;
	char problem[PROBE_TEXT_OCTETS]; // when it is not
	const char *fix;
	uint64_t n_queued; // of the queue
};

/* Asks all at once; returns after deadline_ms at the latest. */
void
probe_all(const struct options *o, int deadline_ms, struct probe out[PROBES]);
