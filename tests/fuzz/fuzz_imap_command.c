/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_imap_command.c - a command is split the same way in whatever
 * pieces it arrives, and a complete one never reaches past its bytes. */
#include "lib/base/check.h"
#include "lib/mail/imap_command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ANSWERS_MAX = 64 };

struct answer {
	enum imap_command_status status;
	size_t n;
	uint64_t literal_octets;
	struct str tag, verb, args, part;
};

/* All answers up to the first that ends the command. The content of a message
 * is taken as if it had been moved away: the bytes behind follow at once. */
static size_t
run(const struct imap_command_limits *limits, struct str in, size_t step,
    struct answer *answers)
{
	struct imap_command c;
	size_t n_answers = 0, fed = 0;

	imap_command_init(&c, limits);
	while (n_answers < ANSWERS_MAX) {
		enum imap_command_status s =
			imap_command_scan(&c, str_first(in, fed));

		check(c.n <= fed);
		if (s == IMAP_COMMAND_MORE) {
			if (fed == in.n)
				break;
			fed = in.n - fed < step ? in.n : fed + step;
			continue;
		}
		answers[n_answers++] = (struct answer) {
			s, c.n, c.literal_octets, c.tag, c.verb, c.args, c.part,
		};
		if (s != IMAP_COMMAND_LITERAL && s != IMAP_COMMAND_MESSAGE)
			break;
	}
	return n_answers;
}

static void
compare(const struct answer *a, const struct answer *b)
{
	check(a->status == b->status);
	check(a->tag.n <= IMAP_TAG_MAX);
	/* Where a line is too long is told earlier when it comes in pieces. */
	if (a->status == IMAP_COMMAND_FATAL)
		return;
	check(a->n == b->n);
	check(a->literal_octets == b->literal_octets);
	check(str_eq(a->tag, b->tag));
	if (a->status == IMAP_COMMAND_BAD)
		return;
	check(str_eq(a->verb, b->verb) && a->verb.n > 0);
	check(str_eq(a->args, b->args));
	check(str_ends(a->args, a->part));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t nonsync[] = { 0, 16, IMAP_LITERAL_MINUS_MAX,
					    UINT64_MAX };
	struct answer whole[ANSWERS_MAX], pieces[ANSWERS_MAX];

	if (size < 2)
		return 0;
	struct imap_command_limits limits = {
		.octets_max = 16 + data[0] * 4U,
		.literal_max = 200,
		.nonsync_max = nonsync[data[1] & 3],
		.has_message = data[1] & 4,
	};
	struct str in = str_of(data + 2, size - 2);
	size_t n = run(&limits, in, in.n + 1, whole);

	for (size_t step = 1; step < 8; step += 3) {
		check(run(&limits, in, step, pieces) == n);
		for (size_t i = 0; i < n; i++)
			compare(&whole[i], &pieces[i]);
	}
	if (n > 0 && whole[n - 1].status == IMAP_COMMAND_DONE)
		check(whole[n - 1].n <= limits.octets_max &&
		      in.p[whole[n - 1].n - 1] == '\n');
	return 0;
}
