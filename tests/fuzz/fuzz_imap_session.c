/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_imap_session.c - whole IMAP sessions of mda/front, over the
 * stubs of front_stub.h. The first octet chooses how the input is cut.
 *
 * What must hold, whatever comes in (RFC 9051 2.2, 4.3, 7; I01, I02, I03):
 *  (1) each command has one tagged reply, in their order; octets of a literal
 *      that was accepted are no commands, those of one that was refused are;
 *  (2) between them are untagged responses and continuations alone, each a line
 *      or more with its literals;
 *  (3) nobody is logged in without the right name and password, and nothing
 *      after a BYE but what LOGOUT has. */
#include "tests/fuzz/front_stub.h"

#include "mda/front/front_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum reply { NONE, PLUS, TAGGED, BYE };

static struct {
	struct str line; // of the last reply
	unsigned n_logged_in;
} seen;

/* "{5}" or "{5+}" at the end of a line that has no CRLF. */
static bool
has_literal(struct str line, uint64_t *n_out, bool *is_sync_out)
{
	ptrdiff_t brace = str_rchr(line, '{');
	struct str digits;

	if (brace < 0 || !str_ends(line, S("}")))
		return false;
	digits = str_sub(line, (size_t)brace + 1, line.n - (size_t)brace - 2);
	*is_sync_out = !str_ends(digits, S("+"));
	if (!*is_sync_out)
		digits.n--;
	if (digits.n == 0)
		return false;
	for (size_t i = 0; i < digits.n; i++)
		if (!ascii_is_digit(digits.p[i]))
			return false;
	if (!str_to_u64(digits, INT64_MAX, n_out))
		*n_out = UINT64_MAX;
	return true;
}

/* A response of the server with its literals. */
static bool
next_response(struct str *first_out)
{
	struct str line;
	uint64_t n;
	bool is_sync;

	if (!next_output(&line))
		return false;
	*first_out = line;
	while (str_starts(*first_out, S("* ")) &&
	       has_literal(line, &n, &is_sync)) {
		check(is_sync && n <= client.output.n - o.at_output);
		o.at_output += (size_t)n;
		check(next_output(&line));
	}
	return true;
}

/* What comes next but untagged responses; "* BAD" has no tag to give. */
static enum reply
next_reply(void)
{
	while (next_response(&seen.line)) {
		if (str_starts(seen.line, S("+ ")))
			return PLUS;
		if (str_starts(seen.line, S("* BYE")))
			return BYE;
		if (!str_starts(seen.line, S("* ")) ||
		    str_starts(seen.line, S("* BAD ")))
			return TAGGED;
	}
	return NONE;
}

static struct str
tag_of(struct str line)
{
	struct str tag;

	str_split(&line, ' ', &tag);
	return tag;
}

/* The reply that ends the command; false: the connection is over, too. */
static bool
end_command(enum reply reply, struct str tag)
{
	struct str rest = seen.line, got;

	if (reply == BYE) // instead of a reply: store has gone, or it took long
		return false;
	check(reply == TAGGED); // (1)
	str_split(&rest, ' ', &got);
	check(str_eq(got, tag) || str_eq(got, S("*")));
	check(str_starts(rest, S("OK")) || str_starts(rest, S("NO")) ||
	      str_starts(rest, S("BAD")));
	seen.n_logged_in += str_ends(rest, S("] Logged in"));
	return true;
}

static bool
is_verb(struct str line, const char *verb)
{
	struct str word;

	str_split(&line, ' ', &word);
	str_split(&line, ' ', &word);
	return str_ieq(word, str_c(verb));
}

/* Over a line and its literals. *reply_out: what came instead of a "+".
 * False: the input ends within. */
static bool
walk_literals(struct str *line, enum reply *reply_out, bool *is_over_out)
{
	struct str text = str_first(*line, line->n - 2);
	uint64_t n;
	bool is_sync;

	while (has_literal(text, &n, &is_sync)) {
		if (is_sync) {
			enum reply reply = next_reply();

			if (reply != PLUS) {
				*reply_out = reply;
				*is_over_out = true;
				return true;
			}
		}
		if (n > client.n_input - o.at)
			return false;
		o.at += (size_t)n;
		if (!next_input(line) || !str_ends(*line, S("\r\n")))
			return false;
		text = str_first(*line, line->n - 2);
	}
	return true;
}

/* After the line of a command that has a dialogue. */
static bool
walk_dialogue(struct str first, enum reply *reply_out)
{
	struct str line;

	*reply_out = next_reply();
	if (is_verb(first, "IDLE") && *reply_out == PLUS) {
		if (!next_input(&line))
			return false;
		*reply_out = next_reply();
		return line.n <= 32 || *reply_out != TAGGED;
	}
	while (is_verb(first, "AUTHENTICATE") && *reply_out == PLUS) {
		if (!next_input(&line))
			return false;
		*reply_out = next_reply();
	}
	return true;
}

/* One command and its reply; false: no more can be said. */
static bool
walk_command(void)
{
	enum reply reply = NONE;
	bool is_over = false;
	struct str first, line;

	if (!next_input(&first))
		return false;
	if (!str_ends(first, S("\r\n"))) {
		reply = next_reply();
		check(reply == TAGGED || reply == BYE || reply == NONE);
		return false;
	}
	line = first;
	first = str_first(first, first.n - 2);
	if (!walk_literals(&line, &reply, &is_over))
		return false;
	if (!is_over && !walk_dialogue(first, &reply))
		return false;
	if (is_verb(first, "LOGOUT") && reply == BYE) {
		/* The reply, unless the connection ended for another reason. */
		reply = next_reply();
		check(reply == TAGGED || reply == NONE);
		return false;
	}
	if (!end_command(reply, tag_of(first)))
		return false;
	/* Octets are compressed from here on. */
	return !(is_verb(first, "COMPRESS") &&
		 str_find(seen.line, S("OK Compressed")) >= 0);
}

static void
look(void)
{
	bool is_whole = true;
	enum reply last;

	memset(&o, 0, sizeof(o));
	memset(&seen, 0, sizeof(seen));
	check(str_starts(buf_str(&client.output), S("* OK [CAPABILITY ")));
	while (o.at < client.n_input && is_whole)
		is_whole = walk_command();
	if (is_whole) {
		last = next_reply();
		check(last == NONE || last == BYE);
	}
	check(seen.n_logged_in <= 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > INPUT_MAX)
		return 0;
	run_front(data, size, STUB_IMAP);
	look();
	buf_release(&client.output);
	return 0;
}
