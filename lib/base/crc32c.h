/* SPDX-License-Identifier: MIT
 * lib/base/crc32c.h - the checksum of our records (Castagnoli, as in RFC 3720
 * B.4). */
#pragma once

#include "lib/base/str.h"

/* Continues from crc (0 to begin), so that pieces give the same as the whole.
 */
uint32_t crc32c(uint32_t crc, struct str s);
