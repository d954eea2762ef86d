/* SPDX-License-Identifier: MIT
 * lib/mail/imap_thread_test.c - RFC 5256 3, row by row; rows I03, I04. */
#include "lib/mail/imap_thread.c"

#include "tests/unit/unit.h"

struct letter {
	const char *id, *references, *subject; // subject: "Re: " is a reply
	int date;
};

enum { LETTERS_MAX = 8 };

static uint64_t
hash_or_none(struct str s)
{
	return s.n == 0 ? 0 : hash_bytes(s) | 1;
}

static void
assert_threads(enum imap_thread_algorithm algorithm,
	       const struct letter *letters, size_t n, const char *want)
{
	struct imap_thread_message messages[LETTERS_MAX];
	uint64_t references[LETTERS_MAX * 8];
	struct buf out = BUF_INIT(10000);
	size_t n_references = 0;

	for (size_t i = 0; i < n; i++) {
		struct str subject = str_c(letters[i].subject);
		bool is_reply = str_starts(subject, S("Re: "));
		uint64_t id = 0;

		imap_thread_ids(str_c(letters[i].id), &id, 1);
		messages[i] = (struct imap_thread_message) {
			.number = (uint32_t)i + 1,
			.date_s = letters[i].date,
			.id = id,
			.subject = hash_or_none(
				str_from(subject, is_reply ? 4 : 0)),
			.is_reply = is_reply,
			.first_reference = n_references,
		};
		messages[i].n_references =
			imap_thread_ids(str_c(letters[i].references),
					references + n_references, 8);
		n_references += messages[i].n_references;
	}
	assert_int_equal(
		imap_thread_write(&out, algorithm, messages, n, references),
		OK);
	assert_str_eq(buf_str(&out), str_c(want));
	buf_release(&out);
}

static void
references_make_trees(void **state UNUSED)
{
	static const struct {
		const char *want;
		struct letter letters[LETTERS_MAX];
	} cases[] = {
		{ " (1)(2)",
		  { { "<a@x>", "", "s", 1 }, { "<b@x>", "", "t", 2 } } },
		/* A chain, however its messages come. */
		{ " (3 2 1)",
		  { { "<c@x>", "<a@x> <b@x>", "", 3 },
		    { "<b@x>", "<a@x>", "", 2 },
		    { "<a@x>", "", "", 1 } } },
		/* Siblings by the date they were sent; RFC 5256 4's form. */
		{ " (1 (3)(2))",
		  { { "<a@x>", "", "", 1 },
		    { "<b@x>", "<a@x>", "", 9 },
		    { "<c@x>", "<a@x>", "", 3 } } },
		{ " (1 2 (3)(4 5))",
		  { { "<a@x>", "", "", 1 },
		    { "<b@x>", "<a@x>", "", 2 },
		    { "<c@x>", "<a@x> <b@x>", "", 3 },
		    { "<d@x>", "<a@x> <b@x>", "", 4 },
		    { "<e@x>", "<d@x>", "", 5 } } },
		/* A message that is absent: a dummy over two, none over one. */
		{ " ((1)(2))",
		  { { "<b@x>", "<a@x>", "", 1 },
		    { "<c@x>", "<a@x>", "", 2 } } },
		{ " (1 2)",
		  { { "<b@x>", "<a@x>", "", 1 },
		    { "<c@x>", "<a@x> <b@x>", "", 2 } } },
		/* An absent one in the middle is passed over. */
		{ " (1 (2)(3))",
		  { { "<a@x>", "", "", 1 },
		    { "<c@x>", "<a@x> <b@x>", "", 2 },
		    { "<d@x>", "<a@x> <b@x>", "", 3 } } },
		/* Circles: what would close one is left out. */
		{ " (2 1)",
		  { { "<a@x>", "<b@x>", "", 1 },
		    { "<b@x>", "<a@x>", "", 2 } } },
		{ " (1)", { { "<a@x>", "<a@x>", "", 1 } } },
		/* (1)(B): its own last reference beats what others guessed. */
		{ " (2 1)(3)",
		  { { "<c@x>", "<b@x> <a@x>", "", 1 },
		    { "<a@x>", "", "", 0 },
		    { "<b@x>", "", "", 3 } } },
		{ " (1 3 2)",
		  { { "<a@x>", "", "", 1 },
		    { "<c@x>", "<q@x> <b@x>", "", 3 },
		    { "<b@x>", "<a@x>", "", 2 } } },
		/* The same id twice: the first one has it. */
		{ " (1 3)(2)",
		  { { "<a@x>", "", "", 1 },
		    { "<a@x>", "", "", 2 },
		    { "<b@x>", "<a@x>", "", 3 } } },
		/* Quotes do not matter; nor what is no Message-ID. */
		{ " (1 2)",
		  { { "<\"01KF8JCEOCBS0045PS\"@xxx.yyy.com>", "", "", 1 },
		    { "<b@x>",
		      "Your <mail> <01KF8JCEOCBS0045PS@"
		      "xxx.yyy.com>",
		      "", 2 } } },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		size_t n = 0;

		while (n < LETTERS_MAX && cases[i].letters[n].id != NULL)
			n++;
		assert_threads(IMAP_THREAD_REFERENCES, cases[i].letters, n,
			       cases[i].want);
	}
}

/* Step 5. */
static void
subjects_join_threads(void **state UNUSED)
{
	static const struct {
		const char *references, *refs;
		struct letter letters[LETTERS_MAX];
	} cases[] = {
		/* A reply goes below, wherever it stands. */
		{ " (1 2)",
		  " (1)(2)",
		  { { "<a@x>", "", "s", 1 }, { "<b@x>", "", "Re: s", 2 } } },
		{ " (2 1)",
		  " (1)(2)",
		  { { "<a@x>", "", "Re: s", 1 }, { "<b@x>", "", "s", 2 } } },
		/* Equals get a dummy. */
		{ " ((1)(2))",
		  " (1)(2)",
		  { { "<a@x>", "", "s", 1 }, { "<b@x>", "", "s", 2 } } },
		{ " ((1)(2)(3))",
		  " (1)(2)(3)",
		  { { "<a@x>", "", "s", 1 },
		    { "<b@x>", "", "s", 2 },
		    { "<c@x>", "", "Re: s", 3 } } },
		/* Two dummies become one. */
		{ " ((1)(2)(3)(4))",
		  " ((1)(2))((3)(4))",
		  { { "<a@x>", "<m@x>", "s", 1 },
		    { "<b@x>", "<m@x>", "t", 2 },
		    { "<c@x>", "<n@x>", "s", 3 },
		    { "<d@x>", "<n@x>", "u", 4 } } },
		/* A dummy takes the others in. */
		{ " ((1)(2)(3))",
		  " (1)((2)(3))",
		  { { "<a@x>", "", "s", 1 },
		    { "<b@x>", "<m@x>", "Re: s", 2 },
		    { "<c@x>", "<m@x>", "t", 3 } } },
		/* The empty subject joins nothing. */
		{ " (1)(2)",
		  " (1)(2)",
		  { { "<a@x>", "", "", 1 }, { "<b@x>", "", "", 2 } } },
		/* REFS: the thread with the newest message is the last. */
		{ " (1 3)(2)",
		  " (2)(1 3)",
		  { { "<a@x>", "", "s", 1 },
		    { "<b@x>", "", "t", 2 },
		    { "<c@x>", "<a@x>", "Re: s", 3 } } },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		size_t n = 0;

		while (n < LETTERS_MAX && cases[i].letters[n].id != NULL)
			n++;
		assert_threads(IMAP_THREAD_REFERENCES, cases[i].letters, n,
			       cases[i].references);
		assert_threads(IMAP_THREAD_REFS, cases[i].letters, n,
			       cases[i].refs);
	}
}

static void
ordered_subjects(void **state UNUSED)
{
	static const struct letter letters[] = {
		{ "", "", "b", 1 },	{ "", "", "a", 2 },
		{ "", "", "Re: a", 4 }, { "", "", "a", 3 },
		{ "", "", "Re: b", 9 }, { "", "", "c", 0 },
	};

	assert_threads(IMAP_THREAD_ORDEREDSUBJECT, letters, N_OF(letters),
		       " (6)(1 5)(2 (4)(3))");
	assert_threads(IMAP_THREAD_ORDEREDSUBJECT, letters, 0, "");
	assert_threads(IMAP_THREAD_ORDEREDSUBJECT, letters, 1, " (1)");
}

static void
only_the_last_references_count(void **state UNUSED)
{
	uint64_t all[5], few[3];

	assert_int_equal(
		imap_thread_ids(S("<a@x><b@x><c@x><d@x><e@x>"), all, 5), 5);
	assert_int_equal(
		imap_thread_ids(S("<a@x><b@x><c@x><d@x><e@x>"), few, 3), 3);
	assert_memory_equal(few, all + 2, sizeof(few));
	assert_int_equal(
		imap_thread_ids(S("<a> <@x> <a@> < a@x> <<b@x>> c@x"), few, 3),
		1);
	assert_int_equal(few[0], all[1]);
}

/* I03, I04: a chain, a circle, a comb whose output is as deep as it is long,
 * and one absent parent of all. */
static void
a_hundred_thousand(void **state UNUSED)
{
	enum { N = 100000 };
	struct imap_thread_message *m = must_alloc(N * sizeof(*m));
	uint64_t *references = must_alloc(N * sizeof(*references));

	for (int shape = 0; shape < 4; shape++) {
		struct buf out = BUF_INIT(16 << 20);
		size_t n_numbers = 0, depth = 0;

		for (size_t i = 0; i < N; i++) {
			references[i] = shape == 0   ? i
					: shape == 1 ? (i + N - 1) % N + 1
					: shape == 2 ? (i % 2 ? i : i - 1)
						     : N + 5;
			m[i] = (struct imap_thread_message) {
				.number = (uint32_t)i + 1,
				.id = i + 1,
				.date_s = -(int64_t)i,
				.first_reference = i,
				.n_references = i > 0 || shape == 1,
			};
		}
		assert_int_equal(imap_thread_write(&out, IMAP_THREAD_REFERENCES,
						   m, N, references),
				 OK);
		for (size_t i = 0; i < out.n; i++) {
			n_numbers += ascii_is_digit(out.p[i]) &&
				     !ascii_is_digit(out.p[i - 1]);
			depth += out.p[i] == '(';
			assert_true(out.p[i] != ')' || depth-- > 0);
		}
		assert_int_equal(n_numbers, N);
		assert_int_equal(depth, 0);
		buf_release(&out);
	}
	free(m);
	free(references);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(references_make_trees),
		cmocka_unit_test(subjects_join_threads),
		cmocka_unit_test(ordered_subjects),
		cmocka_unit_test(only_the_last_references_count),
		cmocka_unit_test(a_hundred_thousand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
