/* SPDX-License-Identifier: MIT
 * mta/out/resume_test.c - a bounded memory by exact keys. */
#include "mta/out/resume.c"

#include "tests/unit/unit.h"

static void
forget_all(void)
{
	for (size_t i = 0; i < RESUME_SESSIONS; i++) {
		SSL_SESSION_free(resume.list[i].session);
		free(resume.list[i].key);
	}
	map_release(&resume.by_key);
	memset(&resume, 0, sizeof(resume));
}

static bool
has(const char *key, const SSL_SESSION *want)
{
	SSL_SESSION *found = resume_find(str_c(key));

	SSL_SESSION_free(found);
	return want == NULL ? found != NULL : found == want;
}

static void
test_memory(void **state UNUSED)
{
	SSL_SESSION *first = SSL_SESSION_new(), *second = SSL_SESSION_new();
	char key[32];

	assert_null(resume_find(S("a")));
	resume_keep(S("a"), first);
	assert_true(has("a", first));
	assert_false(has("a ", NULL));
	resume_keep(S("a"), second); // in the place of the first
	assert_true(has("a", second));
	for (int i = 0; i < RESUME_SESSIONS; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		resume_keep(str_c(key), SSL_SESSION_new());
	}
	assert_false(has("a", NULL)); // the oldest
	assert_true(has("k0", NULL));
	assert_true(has(key, NULL));
	forget_all();
}

/* Two connect to one server at once; one is through before the other has come
 * to its handshake. The heap of the process broke by it. */
static void
who_found_one_has_it_when_another_took_its_place(void **state UNUSED)
{
	SSL_SESSION *found;

	resume_keep(S("a"), SSL_SESSION_new());
	found = resume_find(S("a"));
	resume_keep(S("a"), SSL_SESSION_new());
	forget_all();
	assert_int_equal(SSL_SESSION_up_ref(found), 1);
	SSL_SESSION_free(found);
	SSL_SESSION_free(found);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),
		cmocka_unit_test(
			who_found_one_has_it_when_another_took_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
