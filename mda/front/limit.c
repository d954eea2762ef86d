/* SPDX-License-Identifier: MIT
 * mda/front/limit.c - counting connections. */
#include "mda/front/limit.h"

#include "lib/base/check.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum { PREFIX_OCTETS = LIMIT_KEY_OCTETS - 1 };

void
limits_init(struct limits *l, unsigned max, unsigned strangers_max)
{
	*l = (struct limits) {
		.max = max,
		.place_max = max / 2,
		.strangers_max = strangers_max,
	};
}

static void
key_of(const struct sockaddr *from, char key[static LIMIT_KEY_OCTETS])
{
	memset(key, 0, LIMIT_KEY_OCTETS);
	key[0] = '4';
	if (from->sa_family == AF_INET) {
		struct sockaddr_in v4;

		memcpy(&v4, from, sizeof(v4));
		memcpy(key + 1, &v4.sin_addr, sizeof(v4.sin_addr));
	}
	if (from->sa_family == AF_INET6) {
		struct sockaddr_in6 v6;

		memcpy(&v6, from, sizeof(v6));
		if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
			memcpy(key + 1, &v6.sin6_addr.s6_addr[12], 4);
			return;
		}
		key[0] = '6';
		memcpy(key + 1, &v6.sin6_addr, PREFIX_OCTETS);
	}
}

struct limit_place *
limits_enter(struct limits *l, const struct sockaddr *from)
{
	char key[LIMIT_KEY_OCTETS];
	struct limit_place *place;

	if (l->n >= l->max)
		return NULL;
	key_of(from, key);
	place = map_get(&l->places, str_of(key, sizeof(key)));
	if (place == NULL) {
		place = must_alloc(sizeof(*place));
		memcpy(place->key, key, sizeof(key));
		map_set(&l->places, str_of(place->key, sizeof(place->key)),
			place);
	}
	if (place->n >= l->place_max || place->n_strangers >= l->strangers_max)
		return NULL;
	l->n++;
	place->n++;
	place->n_strangers++;
	return place;
}

void
limits_log_in(struct limit_place *place)
{
	check(place->n_strangers > 0);
	place->n_strangers--;
}

void
limits_leave(struct limits *l, struct limit_place **place_ref, bool is_stranger)
{
	struct limit_place *place = *place_ref;

	*place_ref = NULL;
	if (place == NULL)
		return;
	check(l->n > 0 && place->n > 0);
	l->n--;
	place->n--;
	if (is_stranger)
		limits_log_in(place);
	if (place->n > 0)
		return;
	map_remove(&l->places, str_of(place->key, sizeof(place->key)));
	free(place);
}
