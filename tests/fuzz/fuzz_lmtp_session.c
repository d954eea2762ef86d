/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_lmtp_session.c - whole LMTP sessions of mda/front, over the
 * stubs of front_stub.h. The first octet chooses how the input is cut.
 *
 * What must hold, whatever comes in (RFC 2033 4, 3030 2):
 *  (1) each command has one reply, but for the end of a content, which has one
 *      for each recipient that got 250;
 *  (2) the store gets a content for each end of one, and no other; its octets
 *      are those that were sent;
 *  (3) a recipient gets 250 for a content exactly when the store said so. */
#include "tests/fuzz/front_stub.h"

#include "mda/front/front_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIZE_DIGITS_MAX = 12 };

static struct {
	int code; // of the last reply
	size_t n_rcpts, n_seen;
	bool is_binary;
	bool is_lost; // the walk is
	struct buf chunks;
} seen;

/* The code of the next reply; 0: there is none. */
static int
next_reply(void)
{
	struct str line;

	while (next_output(&line)) {
		uint64_t code;

		check(line.n >= 4 &&
		      str_to_u64(str_first(line, 3), 599, &code));
		check(code >= 200);
		if (line.p[3] == '-')
			continue;
		check(line.p[3] == ' ');
		seen.code = (int)code;
		return seen.code;
	}
	return 0;
}

static bool
has_bare_ends(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		bool is_pair =
			s.p[i] == '\r' && i + 1 < s.n && s.p[i + 1] == '\n';

		if ((s.p[i] == '\r' && !is_pair) || s.p[i] == '\n')
			return true;
		i += is_pair;
	}
	return false;
}

/* The replies behind a content; false: no more can be said. */
static bool
walk_verdicts(struct str sent)
{
	const struct stub_message *m = &t.messages[seen.n_seen];
	bool is_refused = !seen.is_binary && has_bare_ends(sent);
	size_t n_good = 0;

	for (size_t i = 0; i < seen.n_rcpts; i++) {
		int code = next_reply();

		check(code == 250 || (code >= 400 && code < 600));
		check(!is_refused || code == 550);
		n_good += code == 250;
	}
	if (is_refused) {
		check(next_reply() == 0);
		return false;
	}
	check(seen.n_seen < t.n_messages);
	check(str_eq(buf_str(&m->content), sent));		  // (2)
	check(m->n_rcpts == seen.n_rcpts && m->n_good == n_good); // (3)
	seen.n_seen++;
	seen.n_rcpts = 0;
	seen.is_binary = false;
	return true;
}

/* Over the content and its final dot; false: it has no end. */
static bool
take_content(struct buf *out)
{
	const char *p = client.input;
	bool is_start = true;

	for (size_t from = o.at; o.at < client.n_input; o.at++) {
		struct str rest = str_of(p + o.at, client.n_input - o.at);

		if (is_start && str_starts(rest, S(".\r\n"))) {
			o.at += 3;
			return true;
		}
		if (!(is_start && p[o.at] == '.'))
			check(buf_addc(out, p[o.at]) == OK);
		is_start =
			o.at > from && p[o.at] == '\n' && p[o.at - 1] == '\r';
	}
	return false;
}

static bool
walk_data(void)
{
	struct buf content = BUF_INIT(INPUT_MAX);
	bool goes_on = take_content(&content);

	if (goes_on)
		goes_on = walk_verdicts(buf_str(&content));
	buf_release(&content);
	return goes_on;
}

/* "BDAT n" or "BDAT n LAST", and the octets. False: no more can be said. */
static bool
walk_chunk(struct str line)
{
	struct str word, rest = str_from(line, 5), octets;
	uint64_t size = 0;
	bool is_last;

	str_split(&rest, ' ', &word);
	is_last = rest.p != NULL;
	/* Else only the server knows what it made of it. */
	seen.is_lost = !str_istarts(line, S("BDAT ")) ||
		       word.n > SIZE_DIGITS_MAX ||
		       !str_to_u64(word, UINT64_MAX, &size) ||
		       (is_last && !str_ieq(rest, S("LAST")));
	if (seen.is_lost)
		return false;
	if (size > client.n_input - o.at)
		return false; // it never came
	octets = str_of(client.input + o.at, (size_t)size);
	if (seen.n_rcpts == 0) {
		if (next_reply() == 503)
			o.at += (size_t)size;
		return seen.code == 503;
	}
	check(buf_add(&seen.chunks, octets) == OK);
	o.at += (size_t)size;
	if (!is_last)
		return next_reply() == 250;
	if (!walk_verdicts(buf_str(&seen.chunks)))
		return false;
	buf_clear(&seen.chunks);
	return true;
}

static void
forget(void)
{
	seen.n_rcpts = 0;
	seen.is_binary = false;
	buf_clear(&seen.chunks);
}

static bool
has_controls(struct str line)
{
	for (size_t i = 0; i < line.n; i++)
		if (((unsigned char)line.p[i] < ' ' && line.p[i] != '\t') ||
		    line.p[i] == 0x7f)
			return true;
	return false;
}

/* One command and its replies; false: no more can be said. */
static bool
walk_command(void)
{
	struct str line, word, rest;
	int last = seen.code;

	if (!next_input(&line))
		return false;
	line = str_first(line, line.n - (str_ends(line, S("\r\n")) ? 2 : 1));
	rest = line;
	if (!str_word(&rest, &word))
		word = S("");
	if (has_controls(line))
		word = S(""); // that is no command
	if (str_ieq(word, S("BDAT")))
		return walk_chunk(line);
	if (next_reply() == 0) {
		check(last == 221 || last >= 400); // it hung up
		return false;
	}
	check(!has_controls(line) || seen.code >= 500);
	if (seen.code == 354)
		return walk_data();
	if (seen.code == 221)
		return false;
	if (seen.code != 250)
		return true;
	if (str_ieq(word, S("RCPT")))
		seen.n_rcpts++;
	if (str_ieq(word, S("RSET")) || str_ieq(word, S("LHLO")) ||
	    str_ieq(word, S("MAIL")))
		forget();
	if (str_ieq(word, S("MAIL")))
		seen.is_binary = str_ifind(rest, S(" BODY=BINARYMIME")) >= 0;
	return true;
}

static void
look(void)
{
	bool goes_on = true;

	memset(&o, 0, sizeof(o));
	memset(&seen, 0, sizeof(seen));
	buf_init(&seen.chunks, INPUT_MAX);
	check(next_reply() == 220);
	while (goes_on)
		goes_on = walk_command();
	if (o.at == client.n_input && !seen.is_lost)
		check(seen.n_seen == t.n_messages);
	buf_release(&seen.chunks);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > INPUT_MAX)
		return 0;
	run_front(data, size, STUB_LMTP);
	look();
	for (size_t i = 0; i < t.n_messages; i++)
		buf_release(&t.messages[i].content);
	t.n_messages = 0;
	buf_release(&client.output);
	return 0;
}
