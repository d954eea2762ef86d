/* SPDX-License-Identifier: MIT
 * lib/mail/imap_command.c - splits a stream into IMAP commands.
 *
 * A line that ends with "{n}" or "{n+}" goes on after n bytes, whatever stands
 * before the brace: an unquoted "{" has no other meaning, and a quoted string
 * would end with its quote. Deciding by the end of the line alone keeps front
 * and client in step even where the rest of the line is wrong, so that bytes
 * of a literal are never run as commands. */
#include "lib/mail/imap_command.h"

#include "lib/mail/imap_reader.h"

enum { NUMBER_MAX_OCTETS = 20 }; // of a message; longer ones are none

void
imap_command_init(struct imap_command *c,
		  const struct imap_command_limits *limits)
{
	*c = (struct imap_command) { .limits = *limits };
}

static enum imap_command_status
answer(struct imap_command *c, enum imap_command_status status,
       const char *text)
{
	c->text = text;
	c->n = c->at;
	return status;
}

static struct str
take_word(struct str line, size_t *at, bool (*is_in)(char))
{
	size_t start = *at;

	while (*at < line.n && is_in(line.p[*at]))
		(*at)++;
	return str_sub(line, start, *at - start);
}

static bool
is_tag_char(char c)
{
	return imap_is_astring_char(c) && c != '+';
}

static bool
is_after_space(struct str line, size_t *at)
{
	if (*at >= line.n || line.p[*at] != ' ')
		return false;
	(*at)++;
	return true;
}

/* Tag and verb, from the first line without its end. False: malformed. */
static bool
read_head(struct imap_command *c, struct str line)
{
	size_t at = 0;
	struct str tag = take_word(line, &at, is_tag_char), verb;

	if (tag.n == 0 || tag.n > IMAP_TAG_MAX || !is_after_space(line, &at))
		return false;
	c->tag_n = tag.n;
	c->verb_at = at;
	verb = take_word(line, &at, imap_is_atom_char);
	if (str_ieq(verb, S("UID")) && is_after_space(line, &at)) {
		c->is_uid = true;
		c->verb_at = at;
		verb = take_word(line, &at, imap_is_atom_char);
	}
	c->verb_n = verb.n;
	if (verb.n == 0 || (at < line.n && !is_after_space(line, &at)))
		return false;
	c->args_at = c->part_at = at;
	c->is_head_read = true;
	return true;
}

static void
point_into(struct imap_command *c, struct str in, size_t args_end)
{
	c->tag = str_first(in, c->tag_n);
	c->verb = str_sub(in, c->verb_at, c->verb_n);
	c->args = str_sub(in, c->args_at, args_end - c->args_at);
	c->part = str_sub(in, c->part_at, args_end - c->part_at);
}

enum tail { TAIL_NONE, TAIL_LITERAL, TAIL_OVERFLOW };

/* Looks for a literal at the end of a line; *n_out is then the octets of its
 * announcement. */
static enum tail
find_literal(struct imap_command *c, struct str line, size_t *n_out)
{
	size_t end = line.n, at;
	struct str digits;

	if (end < 3 || line.p[end - 1] != '}')
		return TAIL_NONE;
	end--;
	c->is_sync = line.p[end - 1] != '+';
	if (!c->is_sync)
		end--;
	for (at = end; at > 0 && ascii_is_digit(line.p[at - 1]);)
		at--;
	if (at == 0 || at == end || line.p[at - 1] != '{')
		return TAIL_NONE;
	digits = str_sub(line, at, end - at);
	at--;
	c->is_binary = at > 0 && line.p[at - 1] == '~';
	*n_out = line.n - at + c->is_binary;
	c->literal_octets = 0;
	return str_to_u64(digits, INT64_MAX, &c->literal_octets)
		       ? TAIL_LITERAL
		       : TAIL_OVERFLOW;
}

/* The first literal is the mailbox when nothing stands before it, but for
 * REPLACE's number of a message. */
static bool
is_message(const struct imap_command *c)
{
	/* A number is short; all of args would be looked at for each literal.
	 */
	struct str number = str_first(c->args, NUMBER_MAX_OCTETS + 1);
	ptrdiff_t blank;

	if (!c->limits.has_message)
		return false;
	if (str_ieq(c->verb, S("REPLACE"))) {
		blank = str_chr(number, ' ');
		return blank >= 0 && (size_t)blank + 1 < c->args.n;
	}
	return !c->is_uid && str_ieq(c->verb, S("APPEND")) && c->args.n > 0;
}

static enum imap_command_status
meet_literal(struct imap_command *c, struct str in, enum tail tail,
	     size_t n_tail)
{
	size_t line_end = c->at - 2;
	uint64_t n = c->literal_octets;

	point_into(c, in, line_end - n_tail);
	if (!c->is_sync && (tail == TAIL_OVERFLOW || n > c->limits.nonsync_max))
		return answer(c, IMAP_COMMAND_FATAL,
			      "Non-synchronizing literal is too large");
	if (tail == TAIL_OVERFLOW)
		return answer(c, IMAP_COMMAND_TOO_BIG, "Literal is too large");
	if (is_message(c)) {
		c->line_at = c->part_at = c->at;
		return answer(c, IMAP_COMMAND_MESSAGE, NULL);
	}
	/* Behind the literal comes at least CRLF. */
	if (n > c->limits.literal_max || c->at + 2 > c->limits.octets_max ||
	    n > c->limits.octets_max - c->at - 2)
		return answer(c,
			      c->is_sync ? IMAP_COMMAND_TOO_BIG
					 : IMAP_COMMAND_FATAL,
			      "Literal is too large");
	c->skip = (size_t)n;
	c->line_at = c->at + c->skip;
	if (c->is_sync)
		return answer(c, IMAP_COMMAND_LITERAL, NULL);
	return IMAP_COMMAND_MORE;
}

/* c->at is behind a CRLF. MORE: the command goes on. */
static enum imap_command_status
meet_line(struct imap_command *c, struct str in)
{
	struct str line = str_sub(in, c->line_at, c->at - 2 - c->line_at);
	const char *bad = NULL;
	size_t n_tail = 0;
	enum tail tail = find_literal(c, line, &n_tail);

	if (!c->is_head_read && !read_head(c, line))
		bad = "Malformed tag or command";
	if (memchr(line.p, '\0', line.n) || memchr(line.p, '\r', line.n))
		bad = "NUL or bare CR in command";
	c->tag = str_first(in, c->tag_n);
	if (bad == NULL && tail != TAIL_NONE)
		return meet_literal(c, in, tail, n_tail);
	if (bad == NULL) {
		point_into(c, in, c->at - 2);
		return answer(c, IMAP_COMMAND_DONE, NULL);
	}
	if (tail != TAIL_NONE && !c->is_sync)
		return answer(c, IMAP_COMMAND_FATAL, bad);
	return answer(c, IMAP_COMMAND_BAD, bad);
}

/* Goes on over the bytes of a literal; false when they end early. */
static bool
skip_literal(struct imap_command *c, struct str in)
{
	size_t n = in.n - c->at < c->skip ? in.n - c->at : c->skip;

	c->at += n;
	c->skip -= n;
	return c->skip == 0;
}

/* Goes behind the next LF, or to the end and gives false. */
static bool
find_line_end(struct imap_command *c, struct str in)
{
	struct str rest = str_from(in, c->at);
	ptrdiff_t lf = str_chr(rest, '\n');

	c->at = lf < 0 ? in.n : c->at + (size_t)lf + 1;
	return lf >= 0;
}

enum imap_command_status
imap_command_scan(struct imap_command *c, struct str in)
{
	enum imap_command_status status = IMAP_COMMAND_MORE;

	/* The bytes may lie elsewhere by now; the rest is pointed at when the
	 * command or a part of it is whole. */
	c->tag = str_first(in, c->tag_n);
	c->verb = c->args = c->part = STR_NONE;
	while (status == IMAP_COMMAND_MORE) {
		if (!skip_literal(c, in))
			break;
		bool is_line = find_line_end(c, in);

		if (c->at > c->limits.octets_max ||
		    (!is_line && c->at == c->limits.octets_max))
			return answer(c, IMAP_COMMAND_FATAL,
				      "Command is too large");
		if (!is_line)
			break;
		if (c->at - c->line_at < 2 || in.p[c->at - 2] != '\r')
			return answer(c, IMAP_COMMAND_FATAL,
				      "Line ends without CR");
		status = meet_line(c, in);
	}
	c->n = c->at;
	return status;
}
