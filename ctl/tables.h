/* SPDX-License-Identifier: MIT
 * ctl/tables.h - asks tables of other hosts directly, for commands that work
 * without the running router. Blocks. */
#pragma once

#include "router/map/remote.h"

/* Asks what is noted in r and not yet answered, 10 s at most for each; false:
 * there was nothing. What was asked is then to be looked up once more. */
bool tables_answer(struct remote *r);
