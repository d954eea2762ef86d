/* SPDX-License-Identifier: MIT
 * mta/out/resume_test.c - a bounded memory by exact keys. */
#include "mta/out/resume.c"

#include "tests/unit/unit.h"

static void
test_memory(void **state UNUSED)
{
	SSL_SESSION *first = SSL_SESSION_new(), *second = SSL_SESSION_new();
	char key[32];

	assert_null(resume_find(S("a")));
	resume_keep(S("a"), first);
	assert_ptr_equal(resume_find(S("a")), first);
	assert_null(resume_find(S("a ")));
	resume_keep(S("a"), second); // in the place of the first
	assert_ptr_equal(resume_find(S("a")), second);
	for (int i = 0; i < RESUME_SESSIONS; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		resume_keep(str_c(key), SSL_SESSION_new());
	}
	assert_null(resume_find(S("a"))); // the oldest
	assert_non_null(resume_find(S("k0")));
	assert_non_null(resume_find(str_c(key)));
	for (size_t i = 0; i < RESUME_SESSIONS; i++) {
		SSL_SESSION_free(resume.list[i].session);
		free(resume.list[i].key);
	}
	map_release(&resume.by_key);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
