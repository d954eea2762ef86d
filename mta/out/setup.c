/* SPDX-License-Identifier: MIT
 * mta/out/setup.c - see setup.h. */
#include "mta/out/setup.h"

#include "lib/base/check.h"

static struct {
	struct tls *system; // with the authorities of the system
	struct setup *current;
	uint64_t n;
} setups;

void
setup_init(void)
{
	check(tls_client_new(STR_NONE, &setups.system) == OK);
}

struct setup *
setup_hold(void)
{
	if (setups.current != NULL)
		setups.current->n_holds++;
	return setups.current;
}

void
setup_drop(struct setup **setup_ref)
{
	struct setup *s = *setup_ref;

	*setup_ref = NULL;
	if (s == NULL || --s->n_holds > 0)
		return;
	tls_drop(&s->tls);
	free(s->memory);
	free(s);
}

enum err
setup_take(struct str encoded)
{
	struct setup *s = must_alloc(sizeof(*s));
	enum err e;

	s->n_holds = 1;
	s->number = ++setups.n;
	s->memory = must_alloc(encoded.n + 1);
	if (encoded.n > 0)
		memcpy(s->memory, encoded.p, encoded.n);
	e = router_read_smtp(str_of(s->memory, encoded.n), &s->smtp);
	if (e == OK && s->smtp.authorities.n > 0)
		e = tls_client_new(s->smtp.authorities, &s->tls);
	else if (e == OK)
		s->tls = tls_hold(setups.system);
	if (e != OK) {
		setup_drop(&s);
		return e;
	}
	setup_drop(&setups.current);
	setups.current = s;
	return OK;
}
