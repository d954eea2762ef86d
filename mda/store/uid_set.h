/* SPDX-License-Identifier: MIT
 * mda/store/uid_set.h - a set of UIDs as an array: rising, each once. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Makes the array a set; returns how many are left. */
size_t uid_set_make(uint32_t *uids, size_t n);
bool uid_set_has(const uint32_t *uids, size_t n, uint32_t uid);
