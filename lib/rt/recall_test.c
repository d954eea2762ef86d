/* SPDX-License-Identifier: MIT
 * lib/rt/recall_test.c - an answer lasts as long as its snapshot. */
#include "lib/rt/recall.c"

#include "tests/unit/unit.h"

enum { ASK = 1, OTHER_ASK = 3, ANSWER = 2, SNAPSHOT = 7 };

static void
keep(uint16_t type, const char *question, const char *answer, uint64_t lasts_in)
{
	struct frame f = { .type = ANSWER, .body = str_c(answer), .fd = -1 };

	recall_keep(type, str_c(question), &f, lasts_in);
}

/* "" when it is to be asked. */
static void
assert_recalled(uint16_t type, const char *question, const char *want)
{
	struct frame f;
	bool is_known = recall(type, str_c(question), &f);

	assert_int_equal(is_known, *want != '\0');
	assert_int_equal(f.fd, -1);
	if (is_known) {
		assert_true(str_eq(f.body, str_c(want)));
		assert_int_equal(f.type, ANSWER);
		assert_true(f.is_end);
	}
	frame_release(&f);
}

static void
an_answer_is_given_again(void **state UNUSED)
{
	recall_begin(SNAPSHOT);
	assert_recalled(ASK, "who", "");
	keep(ASK, "who", "he", SNAPSHOT);
	assert_recalled(ASK, "who", "he");
	assert_recalled(ASK, "who", "he");
	assert_recalled(ASK, "wh", "");
	assert_recalled(ASK, "whoh", "");
	assert_recalled(OTHER_ASK, "who", "");
	recall_begin(0);
}

static void
what_does_not_last_is_asked_again(void **state UNUSED)
{
	recall_begin(SNAPSHOT);
	keep(ASK, "who", "he", 0);
	keep(ASK, "who", "he", SNAPSHOT - 1); // it was on its way
	keep(ASK, "who", "he", SNAPSHOT + 1); // its snapshot is on its way
	assert_recalled(ASK, "who", "");
	recall_begin(0);
	keep(ASK, "who", "he", 0);
	keep(ASK, "who", "he", SNAPSHOT);
	assert_recalled(ASK, "who", "");
}

static void
a_new_snapshot_forgets_all(void **state UNUSED)
{
	recall_begin(SNAPSHOT);
	keep(ASK, "who", "he", SNAPSHOT);
	keep(ASK, "where", "here", SNAPSHOT);
	recall_begin(SNAPSHOT); // of a router that began again
	assert_recalled(ASK, "who", "");
	assert_recalled(ASK, "where", "");
	assert_int_equal(memories.n, 0);
	recall_begin(0);
}

static void
memory_is_bounded(void **state UNUSED)
{
	char question[32], answer[32], large[RECALL_MAX_OCTETS + 1] = { 0 };
	size_t n_known = 0;

	recall_begin(SNAPSHOT);
	memset(large, 'x', RECALL_MAX_OCTETS - 3);
	keep(ASK, large, "four", SNAPSHOT);
	assert_recalled(ASK, large, "");
	keep(ASK, large, "two", SNAPSHOT);
	assert_recalled(ASK, large, "two");
	for (int i = 0; i < 4 * RECALL_SLOTS; i++) {
		snprintf(question, sizeof(question), "question %d", i);
		snprintf(answer, sizeof(answer), "answer %d", i);
		keep(ASK, question, answer, SNAPSHOT);
		assert_recalled(ASK, question, answer); // the newest is there
	}
	for (size_t i = 0; i < RECALL_SLOTS; i++)
		n_known += memories.slots[i] != NULL;
	assert_int_equal(n_known, memories.n);
	recall_begin(0);
	assert_int_equal(memories.n, 0);
	free(memories.slots);
	memories.slots = NULL;
}

/* Two that share their places are known both; the third takes the older's. */
static void
two_share_their_places(void **state UNUSED)
{
	char question[32], second[32] = "";
	const char *first = "first";
	struct memory **place;
	int n_met = 0;

	recall_begin(SNAPSHOT);
	keep(ASK, first, "1", SNAPSHOT);
	place = slots_of(str_c(first));
	for (int i = 0; n_met < 2; i++) {
		snprintf(question, sizeof(question), "q%d", i);
		if (slots_of(str_c(question)) != place)
			continue;
		keep(ASK, question, "2", SNAPSHOT);
		assert_recalled(ASK, question, "2");
		assert_recalled(ASK, first, n_met == 0 ? "1" : "");
		if (n_met++ == 0)
			snprintf(second, sizeof(second), "%s", question);
	}
	assert_recalled(ASK, second, "2");
	recall_begin(0);
	free(memories.slots);
	memories.slots = NULL;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_is_given_again),
		cmocka_unit_test(what_does_not_last_is_asked_again),
		cmocka_unit_test(a_new_snapshot_forgets_all),
		cmocka_unit_test(memory_is_bounded),
		cmocka_unit_test(two_share_their_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
