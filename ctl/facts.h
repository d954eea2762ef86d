/* SPDX-License-Identifier: MIT
 * ctl/facts.h - what mailctl run tells at start, one line per fact. */
#pragma once

#include "lib/rt/options.h"

/* Where files are, domains and accounts, what is listened at, the certificate,
 * what is off. Reads the configuration: seconds for a very large one. */
void facts_print(const struct options *o);
