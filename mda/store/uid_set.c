/* SPDX-License-Identifier: MIT
 * mda/store/uid_set.c - a set of UIDs as an array. */
#include "mda/store/uid_set.h"

#include <stdlib.h>

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

size_t
uid_set_make(uint32_t *uids, size_t n)
{
	size_t n_once = 0;

	if (n == 0)
		return 0;
	qsort(uids, n, sizeof(*uids), compare);
	for (size_t i = 0; i < n; i++)
		if (n_once == 0 || uids[n_once - 1] != uids[i])
			uids[n_once++] = uids[i];
	return n_once;
}

bool
uid_set_has(const uint32_t *uids, size_t n, uint32_t uid)
{
	return n > 0 && bsearch(&uid, uids, n, sizeof(uid), compare) != NULL;
}
