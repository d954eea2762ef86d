/* SPDX-License-Identifier: MIT
 * mta/queue/age.c - two clocks compared. */
#include "mta/queue/age.h"

#include "lib/base/crc32c.h"
#include "lib/ipc/wire.h"

enum {
	SLACK_US = 3 * AGE_LOOK_US, // between a jump and the look that sees it
	NOTE_VERSION = 1,
};

static const struct str magic = STR_INIT("EstClock");

void
age_init(struct age *a, int64_t wall_us, int64_t monotonic_us)
{
	*a = (struct age) { .base_us = wall_us - monotonic_us };
}

static void
went_ahead(struct age *a, int64_t wall_us, int64_t us)
{
	struct age_gap *gaps = a->gaps;

	if (a->n_gaps == AGE_MAX_GAPS) { // who came between gets more time
		gaps[1].us += gaps[0].us;
		for (size_t i = 1; i < a->n_gaps; i++)
			gaps[i - 1] = gaps[i];
		a->n_gaps--;
	}
	gaps[a->n_gaps++] = (struct age_gap) { wall_us - SLACK_US, us };
}

/* The newest jumps ahead are undone by it. Further back: messages get more
 * time, which does no harm. */
static void
went_back(struct age *a, int64_t us)
{
	while (us > 0 && a->n_gaps > 0) {
		struct age_gap *last = &a->gaps[a->n_gaps - 1];
		int64_t undone = last->us < us ? last->us : us;

		us -= undone;
		last->us -= undone;
		last->at_us -= undone;
		if (last->us == 0)
			a->n_gaps--;
	}
}

int64_t
age_look(struct age *a, int64_t wall_us, int64_t monotonic_us)
{
	int64_t moved_us = wall_us - monotonic_us - a->base_us;

	if (moved_us < AGE_JUMP_US && moved_us > -AGE_JUMP_US)
		return 0;
	a->base_us += moved_us;
	if (moved_us > 0)
		went_ahead(a, wall_us, moved_us);
	else
		went_back(a, -moved_us);
	return moved_us;
}

int64_t
age_of(const struct age *a, int64_t wall_us, int64_t arrived_us)
{
	int64_t age_us = wall_us - arrived_us;

	for (size_t i = 0; i < a->n_gaps; i++)
		if (arrived_us < a->gaps[i].at_us)
			age_us -= a->gaps[i].us;
	return age_us > 0 ? age_us : 0;
}

/* ---- the note ---- */

/* magic, version, checksum of the rest, the rest. */
void
age_put_note(const struct age *a, struct str boot, int64_t wall_us,
	     struct buf *out)
{
	static const char zeros[AGE_NOTE_MAX_OCTETS];
	struct buf b = BUF_INIT(AGE_NOTE_MAX_OCTETS);

	wire_put_str(&b, str_first(boot, AGE_BOOT_MAX_OCTETS));
	wire_put_i64(&b, wall_us);
	wire_put_i64(&b, a->base_us);
	wire_put_u32(&b, (uint32_t)a->n_gaps);
	for (size_t i = 0; i < AGE_MAX_GAPS; i++) {
		wire_put_i64(&b, a->gaps[i].at_us);
		wire_put_i64(&b, a->gaps[i].us);
	}
	buf_put(out, magic);
	wire_put_u32(out, NOTE_VERSION);
	wire_put_u32(out, crc32c(NOTE_VERSION, buf_str(&b)));
	wire_put_str(out, buf_str(&b));
	buf_put(out, str_of(zeros, AGE_NOTE_MAX_OCTETS - out->n));
	buf_release(&b);
}

/* Sums of all of it do not overflow. */
static bool
is_sane(const struct age *a, int64_t seen_us)
{
	const int64_t most = INT64_MAX / 64;

	for (size_t i = 0; i < a->n_gaps; i++)
		if (a->gaps[i].us <= 0 || a->gaps[i].us > most ||
		    a->gaps[i].at_us > most || a->gaps[i].at_us < -most)
			return false;
	return a->base_us < most && a->base_us > -most && seen_us < most &&
	       seen_us > -most;
}

static enum err
read_note(struct str bytes, struct age *out, struct str *boot_out,
	  int64_t *wall_us_out)
{
	struct wire w = wire_of(bytes);
	struct str rest;
	uint32_t version, crc;

	*out = (struct age) { 0 };
	if (!str_starts(bytes, magic))
		return ERR_FORMAT;
	w.rest = str_from(w.rest, magic.n);
	version = wire_u32(&w);
	crc = wire_u32(&w);
	rest = wire_str_max(&w, AGE_NOTE_MAX_OCTETS);
	if (w.is_bad || version != NOTE_VERSION ||
	    crc != crc32c(NOTE_VERSION, rest))
		return ERR_FORMAT;
	w = wire_of(rest);
	*boot_out = wire_str_max(&w, AGE_BOOT_MAX_OCTETS);
	*wall_us_out = wire_i64(&w);
	out->base_us = wire_i64(&w);
	out->n_gaps = wire_u32(&w);
	for (size_t i = 0; i < AGE_MAX_GAPS; i++) {
		out->gaps[i].at_us = wire_i64(&w);
		out->gaps[i].us = wire_i64(&w);
	}
	if (wire_end(&w) != OK || out->n_gaps > AGE_MAX_GAPS ||
	    !is_sane(out, *wall_us_out))
		return ERR_FORMAT;
	return OK;
}

enum err
age_resume(struct age *a, struct str note, struct str boot, int64_t wall_us,
	   int64_t monotonic_us, int64_t *moved_us_out)
{
	struct str old_boot;
	struct age old;
	int64_t seen_us;
	enum err e = read_note(note, &old, &old_boot, &seen_us);

	age_init(a, wall_us, monotonic_us);
	*moved_us_out = 0;
	if (e != OK)
		return e;
	if (boot.n == 0 || !str_eq(boot, old_boot))
		/* The monotonic clock has begun anew: it seems to have stood
		 * still since it was seen last. */
		old.base_us = seen_us - monotonic_us;
	*a = old;
	*moved_us_out = age_look(a, wall_us, monotonic_us);
	return OK;
}
