/* SPDX-License-Identifier: MIT
 * lib/base/radix.h - sorts numbers with what belongs to them, in linear time.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct radix_item {
	uint64_t key;
	size_t value;
};

/* By key, rising; stable, so that sorting by the least important key first and
 * by the most important last sorts by all of them. Octets in which no two keys
 * differ cost nothing. */
void radix_sort(struct radix_item *items, size_t n);

/* Keys for numbers with a sign: in the same order. */
uint64_t radix_key(int64_t number);
