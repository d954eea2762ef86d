/* SPDX-License-Identifier: MIT
 * mta/out/connect_map.c - see connect_map.h. */
#include "mta/out/connect_map.h"

struct str
connect_map_find(struct str map, struct str next_hop)
{
	struct str element, from;

	while (str_split(&map, ',', &element)) {
		if (!str_split(&element, '=', &from) || element.p == NULL)
			continue;
		if (str_ieq(str_trim(from), next_hop))
			return str_trim(element);
	}
	return next_hop;
}
