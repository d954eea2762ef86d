/* SPDX-License-Identifier: MIT
 * mda/store/annotation_test.c - files of annotations, whole, cut, damaged. */
#include "mda/store/annotation.c"

#include "tests/unit/unit.h"

#include <stdlib.h>

static void
put(struct annotations *a, const char *name, const char *value)
{
	assert_int_equal(annotations_set(a, str_c(name), str_c(value)), OK);
}

static void
some(struct annotations *a)
{
	a->n = 0;
	put(a, "/shared/comment", "two\r\nlines");
	put(a, "/private/comment", "");
	put(a, "/private/vendor/x", "third");
}

static void
there_and_back(void **state UNUSED)
{
	struct annotations *a = calloc(1, sizeof(*a)), *b;
	struct buf file = BUF_INIT(ANNOTATIONS_FILE_MAX);

	b = calloc(1, sizeof(*b));
	some(a);
	assert_int_equal(annotations_write(a, &file), OK);
	assert_int_equal(annotations_read(buf_str(&file), b), OK);
	assert_int_equal(b->n, 3);
	assert_true(str_eq(b->list[0].name, S("/private/comment")));
	assert_int_equal(b->list[0].value.n, 0);
	assert_true(str_eq(annotations_find(b, S("/shared/comment"))->value,
			   S("two\r\nlines")));
	assert_null(annotations_find(b, S("/shared")));
	assert_int_equal(annotations_read(S(""), b), OK);
	assert_int_equal(b->n, 0);
	buf_release(&file);
	free(a);
	free(b);
}

static void
set_and_remove(void **state UNUSED)
{
	struct annotations *a = calloc(1, sizeof(*a));
	char names[ANNOTATIONS_MAX + 1][32];

	some(a);
	put(a, "/private/comment", "other");
	assert_int_equal(a->n, 3);
	assert_int_equal(annotations_set(a, S("/private/comment"), STR_NONE),
			 OK);
	assert_int_equal(annotations_set(a, S("/private/none"), STR_NONE), OK);
	assert_int_equal(a->n, 2);
	assert_null(annotations_find(a, S("/private/comment")));
	a->n = 0;
	for (int i = 0; i <= ANNOTATIONS_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "/private/%d", i);
		assert_int_equal(annotations_set(a, str_c(names[i]), S("x")),
				 i < ANNOTATIONS_MAX ? OK : ERR_LIMIT);
	}
	free(a);
}

/* Whatever is cut or flipped: what is left is what was written, from the
 * beginning, and the reader says so. */
static void
damaged(void **state UNUSED)
{
	struct annotations *a = calloc(1, sizeof(*a));
	struct annotations *b = calloc(1, sizeof(*b));
	struct buf file = BUF_INIT(ANNOTATIONS_FILE_MAX);

	some(a);
	assert_int_equal(annotations_write(a, &file), OK);
	for (size_t n = 1; n < file.n; n++) {
		enum err e = annotations_read(str_first(buf_str(&file), n), b);

		assert_true(b->n < a->n);
		assert_true(e == ERR_FORMAT || n == magic.n || b->n > 0);
	}
	for (size_t i = 0; i < file.n * 8; i++) {
		file.p[i / 8] ^= (char)(1 << i % 8);
		assert_int_equal(annotations_read(buf_str(&file), b),
				 ERR_FORMAT);
		for (size_t j = 0; j < b->n; j++)
			assert_true(str_eq(a->list[j].name, b->list[j].name) &&
				    str_eq(a->list[j].value, b->list[j].value));
		file.p[i / 8] ^= (char)(1 << i % 8);
	}
	buf_release(&file);
	free(a);
	free(b);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(set_and_remove),
		cmocka_unit_test(damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
