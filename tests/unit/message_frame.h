/* SPDX-License-Identifier: MIT
 * tests/unit/message_frame.h - each message of a pair of roles: what was put is
 * read, and nothing else is. A file has a table of them, and MESSAGE_TESTS. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/arena.h"
#include "tests/unit/unit.h"

enum { ARENA_OCTETS = 1 << 20, MUTATIONS = 20000 };

/* put() writes a message with every field set to its own value; check() reads
 * it and looks; read() reads anything and must survive. */
struct message {
	const char *name;
	void (*put)(struct buf *out);
	enum err (*read)(struct str body, struct arena *arena);
	void (*check)(struct str body, struct arena *arena);
};

struct messages {
	const struct message *list;
	size_t n;
};

#define MESSAGE(name)                                        \
	{                                                    \
#name, put_##name, read_##name, check_##name \
	}
#define MESSAGE_TESTS(all)                                              \
	cmocka_unit_test_prestate(what_is_put_is_read, &(all)),         \
		cmocka_unit_test_prestate(no_prefix_and_no_tail_passes, \
					  &(all)),                      \
		cmocka_unit_test_prestate(mutations_never_crash, &(all))

static inline void
what_is_put_is_read(void **state)
{
	const struct messages *all = *state;

	for (size_t i = 0; i < all->n; i++) {
		struct buf b = BUF_INIT(10000);
		struct arena arena = ARENA_INIT(ARENA_OCTETS);

		all->list[i].put(&b);
		assert_true(b.n <= b.max);
		all->list[i].check(buf_str(&b), &arena);
		arena_release(&arena);
		buf_release(&b);
	}
}

/* From exact memory, so that a read beyond the end is found. */
static inline enum err
read_exact(const struct message *m, struct str bytes)
{
	struct arena arena = ARENA_INIT(ARENA_OCTETS);
	char *copy = malloc(bytes.n ? bytes.n : 1);
	enum err e;

	assert_non_null(copy);
	if (bytes.n > 0)
		memcpy(copy, bytes.p, bytes.n);
	e = m->read(str_of(copy, bytes.n), &arena);
	free(copy);
	arena_release(&arena);
	return e;
}

static inline void
no_prefix_and_no_tail_passes(void **state)
{
	const struct messages *all = *state;

	for (size_t i = 0; i < all->n; i++) {
		struct buf b = BUF_INIT(10000);

		all->list[i].put(&b);
		for (size_t n = 0; n < b.n; n++) {
			enum err e = read_exact(&all->list[i],
						str_first(buf_str(&b), n));

			if (e != ERR_FORMAT)
				print_error("%s cut at %zu\n",
					    all->list[i].name, n);
			assert_int_equal(e, ERR_FORMAT);
		}
		buf_putc(&b, '\0');
		assert_int_equal(read_exact(&all->list[i], buf_str(&b)),
				 ERR_FORMAT);
		buf_release(&b);
	}
}

static inline void
mutations_never_crash(void **state)
{
	const struct messages *all = *state;
	unsigned seed = 20260131;

	for (size_t i = 0; i < all->n; i++) {
		struct buf b = BUF_INIT(10000);
		size_t n_kinds[ERR_MORE + 1] = { 0 };

		all->list[i].put(&b);
		for (int turn = 0; turn < MUTATIONS; turn++) {
			char keep[4];
			size_t at[4];

			for (int k = 0; k < 4; k++) {
				at[k] = (size_t)rand_r(&seed) % b.n;
				keep[k] = b.p[at[k]];
				b.p[at[k]] = (char)rand_r(&seed);
				if (k == rand_r(&seed) % 4)
					b.p[at[k]] = '\xff';
			}
			n_kinds[read_exact(&all->list[i], buf_str(&b))]++;
			for (int k = 3; k >= 0; k--)
				b.p[at[k]] = keep[k];
		}
		assert_true(n_kinds[ERR_FORMAT] + n_kinds[OK] +
				    n_kinds[ERR_LIMIT] ==
			    MUTATIONS);
		buf_release(&b);
	}
}
