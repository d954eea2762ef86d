/* SPDX-License-Identifier: MIT
 * mta/out/connect_map.h - "connect there instead", for labs and tests.
 *
 * "[mta2]:25=[127.0.0.1]:3525, [mta1]:25=[127.0.0.1]:2525" */
#pragma once

#include "lib/base/str.h"

/* What next_hop is replaced by, or next_hop itself. The text left of '=' must
 * be the same, letter case aside. */
struct str connect_map_find(struct str map, struct str next_hop);
