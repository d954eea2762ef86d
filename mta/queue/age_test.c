/* SPDX-License-Identifier: MIT
 * mta/queue/age_test.c - F11: jumps of the wall clock expire nothing. */
#include "mta/queue/age.c"

#include "tests/unit/unit.h"

enum { DAY_S = 86400 };

static const int64_t second = 1000000, start = 1795000000ll * 1000000;

/* Two messages, one from before the jump and one from after it, an hour after
 * the jump. */
static const struct {
	const char *name;
	int64_t jump_s, want_moved_s, want_before_s, want_after_s;
} cases[] = {
	{ "no jump", 0, 0, 3700, 1800 },
	{ "what NTP does", 2, 0, 3702, 1800 },
	{ "ten days ahead", 10 * DAY_S, 10 * DAY_S, 3700, 1800 },
	{ "years ahead", 3650ll * DAY_S, 3650ll * DAY_S, 3700, 1800 },
	{ "a day back", -DAY_S, -DAY_S, 0, 1800 },
};

static void
jumps_expire_nothing(void **state UNUSED)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int64_t mono = 5000 * second, wall = start, before, after;
		struct age a;

		age_init(&a, wall, mono);
		before = wall; // it comes
		wall += 100 * second;
		mono += 100 * second;
		assert_int_equal(age_look(&a, wall, mono), 0);
		wall += (cases[i].jump_s + 1) * second;
		mono += second;
		if (age_look(&a, wall, mono) / second != cases[i].want_moved_s)
			fail_msg("%s: not seen as it was", cases[i].name);
		wall += 1799 * second;
		mono += 1799 * second;
		after = wall;
		wall += 1800 * second;
		mono += 1800 * second;
		assert_int_equal(age_look(&a, wall, mono), 0);
		if (age_of(&a, wall, before) / second !=
			    cases[i].want_before_s ||
		    age_of(&a, wall, after) / second != cases[i].want_after_s)
			fail_msg("%s: before %lld, after %lld", cases[i].name,
				 (long long)(age_of(&a, wall, before) / second),
				 (long long)(age_of(&a, wall, after) / second));
	}
}

static void
a_jump_that_is_undone_counts_no_more(void **state UNUSED)
{
	struct age a;

	age_init(&a, start, 0);
	assert_int_equal(age_look(&a, start + 900 * second, 0), 900 * second);
	assert_int_equal(age_of(&a, start + 901 * second, start), second);
	assert_int_equal(age_look(&a, start, 0), -900 * second);
	assert_int_equal(age_of(&a, start + second, start), second);
}

static void
a_partial_way_back_moves_the_jump(void **state UNUSED)
{
	struct age a;
	int64_t wall = start + 10 * DAY_S * second;

	age_init(&a, start, 0);
	age_look(&a, wall, 0);
	wall -= 9 * DAY_S * second;
	age_look(&a, wall, 0);
	assert_int_equal(age_of(&a, wall, start) / second, 0);
	wall += 3600 * second; // one that came now has no part in it
	assert_int_equal(age_of(&a, wall + 60 * second, wall) / second, 60);
}

static void
many_nights_off_count_once_each(void **state UNUSED)
{
	int64_t wall = start, mono = 0, arrived, running;
	struct age a;

	age_init(&a, wall, mono);
	for (int i = 0; i < 300; i++) { // asleep for 8 hours of each day
		wall += 16 * 3600 * second;
		mono += 16 * 3600 * second;
		assert_int_equal(age_look(&a, wall, mono), 0);
		wall += 8 * 3600 * second;
		assert_true(age_look(&a, wall, mono) > 0);
	}
	arrived = wall - 5 * DAY_S * second + 60 * second; // five nights
	running = 5 * 16 * 3600;
	assert_in_range(age_of(&a, wall, arrived) / second, running - 70,
			running);
}

/* The process ends, and another begins after `off_s`, in which the wall clock
 * went on by jump_s more; on_s after that, how old is a message that was 100 s
 * old at the end? */
static const struct {
	const char *name;
	bool is_same_boot, is_whole;
	int64_t off_s, jump_s, want_moved_s, want_s;
} restarts[] = {
	{ "at once", true, true, 2, 0, 0, 132 },
	{ "stopped for a day", true, true, DAY_S, 0, 0, DAY_S + 130 },
	{ "ten years ahead", true, true, 5, 3650ll * DAY_S, 3650ll * DAY_S,
	  135 },
	{ "a day back", true, true, 5, -DAY_S, -DAY_S, 0 },
	{ "a quick new start of the host", false, true, 60, 0, 0, 190 },
	{ "the host was off for a week", false, true, 7 * DAY_S, 0, 7 * DAY_S,
	  130 },
	{ "a wrong clock at the start of the host", false, true, 60,
	  3650ll * DAY_S, 3650ll * DAY_S + 60, 130 },
	{ "a torn note", true, false, DAY_S, 0, 0, DAY_S + 130 },
};

static void
restarts_expire_nothing(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(restarts); i++) {
		int64_t wall = start, mono = 5000 * second, arrived, moved, got;
		struct buf note = BUF_INIT(AGE_NOTE_MAX_OCTETS);
		struct str boot = S("0d0f3e3e-9d2f-4d9c-8e4c-c1b2f0a4ab10");
		struct age a, b;
		enum err e;

		age_init(&a, wall, mono);
		arrived = wall;
		wall += 100 * second;
		mono += 100 * second;
		age_put_note(&a, boot, wall, &note);
		assert_int_equal(note.n, AGE_NOTE_MAX_OCTETS);
		if (!restarts[i].is_whole)
			note.p[30] ^= 1;
		wall += (restarts[i].off_s + restarts[i].jump_s) * second;
		mono += restarts[i].off_s * second;
		if (!restarts[i].is_same_boot) {
			boot = S("another");
			mono = 20 * second;
		}
		e = age_resume(&b, buf_str(&note), boot, wall, mono, &moved);
		assert_int_equal(e, restarts[i].is_whole ? OK : ERR_FORMAT);
		wall += 30 * second;
		mono += 30 * second;
		assert_int_equal(age_look(&b, wall, mono), 0);
		got = age_of(&b, wall, arrived) / second;
		if (moved / second != restarts[i].want_moved_s ||
		    got != restarts[i].want_s)
			fail_msg("%s: moved %lld, age %lld", restarts[i].name,
				 (long long)(moved / second), (long long)got);
		buf_release(&note);
	}
}

static void
a_note_is_taken_whole_or_not_at_all(void **state UNUSED)
{
	struct buf note = BUF_INIT(AGE_NOTE_MAX_OCTETS);
	struct age a, b;
	int64_t moved;

	age_init(&a, start, 0);
	age_look(&a, start + 900 * second, 0);
	age_put_note(&a, S("boot"), start, &note);
	for (size_t n = 0; n < note.n; n++) {
		enum err e = age_resume(&b, str_of(note.p, n), S("boot"), start,
					0, &moved);

		if (e == OK) // less the zeros behind it
			assert_true(b.n_gaps <= 1 && n > 300);
		else
			assert_int_equal(b.n_gaps, 0);
	}
	for (size_t i = 0; i < 300; i++) {
		note.p[i] ^= 0x40;
		assert_int_equal(age_resume(&b, buf_str(&note), S("boot"),
					    start, 0, &moved),
				 ERR_FORMAT);
		note.p[i] ^= 0x40;
	}
	buf_release(&note);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jumps_expire_nothing),
		cmocka_unit_test(a_jump_that_is_undone_counts_no_more),
		cmocka_unit_test(a_partial_way_back_moves_the_jump),
		cmocka_unit_test(many_nights_off_count_once_each),
		cmocka_unit_test(restarts_expire_nothing),
		cmocka_unit_test(a_note_is_taken_whole_or_not_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
