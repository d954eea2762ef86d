/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_pop3.c - a line of POP3; TOP and RETR of a message in two
 * ways of cutting it. */
#include "lib/base/check.h"
#include "lib/mail/crlf.h"
#include "lib/mail/pop3.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
top_octets(struct str content, uint64_t lines, size_t step)
{
	struct pop3_top t;
	size_t n = 0;

	pop3_top_init(&t, lines);
	while (content.n > 0) {
		struct str piece = str_first(content, step);
		size_t taken = pop3_top_feed(&t, piece);

		check(taken == piece.n || (taken < piece.n && t.is_full));
		n += taken;
		content = str_from(content, piece.n);
	}
	return n;
}

/* As a client takes it off the wire: lines that end with CRLF, up to ".". */
static size_t
client_octets(struct str wire)
{
	struct str line;
	size_t n = 0;

	for (;;) {
		ptrdiff_t end = str_find(wire, S("\r\n"));

		check(end >= 0);
		line = str_first(wire, (size_t)end);
		check(str_chr(line, '\n') < 0);
		wire = str_from(wire, line.n + 2);
		if (str_eq(line, S("."))) {
			check(wire.n == 0);
			return n;
		}
		n += line.n + 2 - str_starts(line, S("."));
	}
}

/* RETR gives the octets that LIST tells; one line end more where the last has
 * none. */
static void
check_lines(struct str content, size_t step)
{
	struct pop3_stuff s = POP3_STUFF_INIT;
	struct buf b = BUF_INIT(2 * content.n + 8);
	size_t want = crlf_size(content), got;

	while (content.n > 0) {
		struct str piece = str_first(content, step);

		check(pop3_stuff(&b, piece, &s) == OK);
		content = str_from(content, piece.n);
	}
	check(pop3_stuff_end(&b, &s) == OK);
	got = client_octets(buf_str(&b));
	check(got == want || got == want + 2);
	buf_release(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str input = str_of(data, size), line;
	struct pop3_command c;
	uint32_t number;
	size_t whole;

	if (!str_line(&input, &line))
		return 0;
	if (pop3_command_parse(line, &c))
		check(c.verb != POP3_UNKNOWN && c.n_args <= POP3_ARGS_MAX);
	for (size_t i = 0; i < c.n_args; i++)
		check(c.args[i].p >= line.p &&
		      c.args[i].p + c.args[i].n <= line.p + line.n);
	if (pop3_number(line, &number))
		check(line.n > 0);
	if (pop3_is_uidl(line))
		check(line.n <= POP3_UIDL_MAX);
	whole = top_octets(input, size % 7, input.n + 1);
	check(whole <= input.n);
	check(top_octets(input, size % 7, 1) == whole);
	check(top_octets(input, size % 7, 3) == whole);
	check(top_octets(input, UINT64_MAX, 5) == input.n);
	check_lines(input, 1);
	check_lines(input, 7);
	return 0;
}
