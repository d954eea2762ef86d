/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_pop3_session.c - whole POP3 sessions of mda/front, over the
 * stubs of front_stub.h. The first octet chooses how the input is cut.
 *
 * What must hold, whatever comes in (RFC 1939 3, 2449 3, 5034 4; I15):
 *  (1) each line has one reply, in their order; a reply of several lines ends
 *      with a dot, and has one where the command asks for it;
 *  (2) a message comes as it lies in store, with dots added;
 *  (3) nobody is logged in without the right name and password. */
#include "tests/fuzz/front_stub.h"

#include "mda/front/front_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum reply { NONE, PLUS, GOOD, ERROR };

static struct {
	struct str line; // of the last reply
	unsigned n_logged_in;
} seen;

static enum reply
next_reply(void)
{
	if (!next_output(&seen.line))
		return NONE;
	if (str_starts(seen.line, S("+ ")))
		return PLUS;
	seen.n_logged_in += str_starts(seen.line, S("+OK Logged in"));
	if (str_starts(seen.line, S("+OK")))
		return GOOD;
	check(str_starts(seen.line, S("-ERR ")));
	return ERROR;
}

/* To the dot; false: the connection ended before it. */
static bool
walk_lines(struct buf *out)
{
	struct str line;

	while (next_output(&line)) {
		if (str_eq(line, S(".")))
			return true;
		if (str_starts(line, S(".")))
			line = str_from(line, 1);
		check(buf_addf(out, "%.*s\r\n", STR(line)) == OK);
	}
	return false;
}

static bool
is_alone(struct str line, const char *verb)
{
	return str_ieq(line, str_c(verb));
}

static bool
begins(struct str line, const char *verb)
{
	struct str word;

	str_split(&line, ' ', &word);
	return str_ieq(word, str_c(verb));
}

/* What follows a +OK; false: nothing comes any more. */
static bool
walk_content(struct str line)
{
	struct buf lines = BUF_INIT(OUTPUT_MAX);
	bool is_whole = true;

	if (begins(line, "RETR") || begins(line, "TOP") ||
	    begins(line, "CAPA") || is_alone(line, "LIST") ||
	    is_alone(line, "UIDL") || is_alone(line, "AUTH"))
		is_whole = walk_lines(&lines);
	if (is_whole && begins(line, "RETR"))
		check(str_eq(buf_str(&lines), stub_body)); // (2)
	if (is_whole && begins(line, "TOP"))
		check(str_starts(stub_body, buf_str(&lines)));
	buf_release(&lines);
	return is_whole;
}

/* Said before the connection ends. */
static bool
is_last_word(struct str line)
{
	return str_eq(line, S("-ERR Too many errors")) ||
	       str_eq(line, S("-ERR Line is too long")) ||
	       str_starts(line, S("-ERR [SYS/TEMP] The mail store"));
}

/* One line and its reply; false: no more can be said. */
static bool
walk_command(void)
{
	struct str line, answer_line;
	enum reply reply;

	if (!next_input(&line))
		return false;
	reply = next_reply();
	while (reply == PLUS) {
		check(begins(str_first(line, line.n - 2), "AUTH"));
		if (!next_input(&answer_line))
			return false;
		reply = next_reply();
	}
	if (reply == NONE) {
		/* Only behind the last word, which is an error, or QUIT's. */
		check(is_last_word(seen.line));
		return false;
	}
	if (!str_ends(line, S("\r\n"))) {
		check(reply == ERROR);
		return true;
	}
	line = str_first(line, line.n - 2);
	if (begins(line, "QUIT") && !(reply == ERROR && line.n > 4))
		return false;
	return reply == ERROR || walk_content(line);
}

static void
look(void)
{
	bool is_whole = true;

	memset(&o, 0, sizeof(o));
	memset(&seen, 0, sizeof(seen));
	check(next_reply() == GOOD);
	while (o.at < client.n_input && is_whole)
		is_whole = walk_command();
	if (is_whole && next_reply() != NONE) {
		check(is_last_word(seen.line));
		check(next_reply() == NONE);
	}
	check(seen.n_logged_in <= 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > INPUT_MAX)
		return 0;
	run_front(data, size, STUB_POP3);
	look();
	buf_release(&client.output);
	return 0;
}
