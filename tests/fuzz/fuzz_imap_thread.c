/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_imap_thread.c - each message is told once, in parentheses
 * that fit, whatever the references are. Ids are found alike in the whole value
 * and in its last part. */
#include "lib/base/check.h"
#include "lib/mail/imap_thread.h"

enum { MESSAGES_MAX = 200, OCTETS_EACH = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_threads(const struct buf *out, size_t n)
{
	uint8_t times[MESSAGES_MAX + 1] = { 0 };
	size_t depth = 0, number = 0;

	for (size_t i = 0; i < out->n; i++) {
		char c = out->p[i];

		if (ascii_is_digit(c)) {
			number = 10 * number + (size_t)(c - '0');
			continue;
		}
		if (number > 0) {
			check(number <= n && depth > 0);
			times[number]++;
		}
		number = 0;
		check(c == '(' || c == ')' || c == ' ');
		check(c != ')' || depth > 0);
		check(c != ')' || out->p[i - 1] != '(');
		depth += c == '(';
		depth -= c == ')';
	}
	check(depth == 0);
	for (size_t i = 1; i <= n; i++)
		check(times[i] == 1);
}

/* Four octets a message: id, date, subject, and how many of the octets that
 * follow in the input are its references. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum imap_thread_algorithm kinds[] = {
		IMAP_THREAD_ORDEREDSUBJECT, IMAP_THREAD_REFERENCES,
		IMAP_THREAD_REFS
	};
	struct imap_thread_message m[MESSAGES_MAX];
	uint64_t all[16], few[4], *references;
	size_t n = 0, n_all, n_few;

	n_all = imap_thread_ids(str_of(data, size), all, 16);
	n_few = imap_thread_ids(str_of(data, size), few, 4);
	check(n_few == (n_all < 4 ? n_all : 4));
	for (size_t i = 0; i < n_few; i++)
		check(few[i] == all[n_all - n_few + i]);
	references = malloc((size + 1) * sizeof(*references));
	check(references != NULL);
	for (size_t i = 0; i < size; i++)
		references[i] = data[i] % 64 + 1u;
	for (size_t at = 0; at + OCTETS_EACH <= size && n < MESSAGES_MAX;
	     at += OCTETS_EACH, n++) {
		size_t left = size - at, wanted = data[at + 3] % 8;

		m[n] = (struct imap_thread_message) {
			.number = (uint32_t)n + 1,
			.id = data[at] % 64,
			.date_s = data[at + 1] % 16,
			.subject = data[at + 2] % 8,
			.is_reply = data[at + 2] & 128,
			.first_reference = at,
			.n_references = wanted < left ? wanted : left,
		};
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		struct buf out = BUF_INIT(1 << 20);

		check(imap_thread_write(&out, kinds[i], m, n, references) ==
		      OK);
		check_threads(&out, n);
		buf_release(&out);
	}
	free(references);
	return 0;
}
