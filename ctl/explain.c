/* SPDX-License-Identifier: MIT
 * ctl/explain.c - mailctl explain: what a reply means, or what became of a
 * message, and what to change. */
#include "ctl/args.h"
#include "ctl/ask.h"
#include "ctl/commands.h"
#include "ctl/enhanced.h"
#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum {
	TEXT_MAX_OCTETS = 4096,
	LINE_OCTETS = 32 << 10,
	TEXT_SHOWN = 1024,
	MAX_RCPTS = 50, // of a message, that are shown
};

static const char help[] =
	"usage: mailctl explain [--es|--en] [--json] CODE\n"
	"       mailctl explain [--es|--en] [--json] REPLY...\n"
	"       mailctl explain [--es|--en] [--json] ID\n"
	"\n"
	"Says what a code (5.7.1, 550) or a whole reply from a log, a client "
	"or a\n"
	"bounce means here, and what to change. ID is a message of the queue, "
	"or one\n"
	"that left it lately: for each recipient the last reply, and what it "
	"means.\n"
	"The language is that of LC_ALL, LC_MESSAGES or LANG, or the flag's.\n"
	"\n"
	"$ mailctl explain '554 5.7.1 <user3@example2.local>: Relay access "
	"denied'\n";

static const char *const labels[EXPLAIN_LANGUAGES][2] = {
	[EXPLAIN_ENGLISH] = { "what it means", "what to do" },
	[EXPLAIN_SPANISH] = { "qué significa", "qué hacer" },
};

/* The last that was heard about a recipient. */
struct last {
	enum queue_event_kind kind;
	uint16_t code;
	char *address, *host, *text;
};

struct explaining {
	enum explain_language language;
	bool is_json;
	const char *id;
	size_t n_events, n_more; // n_more: recipients that are not shown
	struct last rcpts[MAX_RCPTS];
	size_t n_rcpts;
};

/* POSIX: the first of these that is set and not empty. */
static enum explain_language
language_of_environment(void)
{
	static const char *const names[] = { "LC_ALL", "LC_MESSAGES", "LANG" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct str value = str_c(getenv(names[i]));

		if (value.n > 0)
			return str_starts(value, S("es")) ? EXPLAIN_SPANISH
							  : EXPLAIN_ENGLISH;
	}
	return EXPLAIN_ENGLISH;
}

static void
put_explanation(struct buf *out, const struct explaining *x, struct str code)
{
	const struct explanation *e = enhanced_explain(code);
	enum explain_language l = x->language;

	if (x->is_json) {
		json_put_member(out, "enhanced", code);
		json_put_member(out, "meaning", str_c(e->in[l].meaning));
		json_put_member(out, "remedy", str_c(e->in[l].remedy));
		return;
	}
	buf_putf(out, "%.*s\n  %s: %s\n  %s: %s\n", STR(code), labels[l][0],
		 e->in[l].meaning, labels[l][1], e->in[l].remedy);
}

/* The code in a reply, or what most often goes with its first three digits. */
static bool
find_code(struct str text, struct str *code_out)
{
	return enhanced_find(text, code_out) ||
	       enhanced_of_basic(str_first(text, 3), code_out);
}

/* ---- a message ---- */

static char *
copy(struct str s)
{
	struct buf b = BUF_INIT(LINE_OCTETS);
	char *c;

	buf_put_readable(&b, s, TEXT_SHOWN);
	c = must_alloc(b.n + 1);
	if (b.n > 0)
		memcpy(c, b.p, b.n);
	buf_release(&b);
	return c;
}

static struct last *
last_of(struct explaining *x, struct str address)
{
	for (size_t i = 0; i < x->n_rcpts; i++)
		if (str_eq(str_c(x->rcpts[i].address), address))
			return &x->rcpts[i];
	if (x->n_rcpts == MAX_RCPTS)
		return NULL;
	return &x->rcpts[x->n_rcpts++];
}

static void
take_event(void *arg, const struct queue_event *event)
{
	struct explaining *x = arg;
	struct last *last;
	char *address;

	x->n_events++;
	if (event->kind != EVENT_SENT && event->kind != EVENT_DEFERRED &&
	    event->kind != EVENT_FAILED)
		return;
	address = copy(event->address);
	last = last_of(x, str_c(address));
	if (last == NULL) {
		x->n_more++;
		free(address);
		return;
	}
	free(last->address);
	free(last->host);
	free(last->text);
	*last = (struct last) { event->kind, event->code, address,
				copy(event->other), copy(event->text) };
}

static enum err
ask(struct co *co, struct chan *chan, void *arg)
{
	struct explaining *x = arg;

	return ask_events(co, chan, x->id, take_event, x);
}

static void
print_last(const struct explaining *x, const struct last *last)
{
	static const char *const kinds[EVENT_KINDS] = {
		[EVENT_SENT] = "sent",
		[EVENT_DEFERRED] = "deferred",
		[EVENT_FAILED] = "failed",
	};
	struct buf out = BUF_INIT(LINE_OCTETS), reply = BUF_INIT(LINE_OCTETS);
	struct str code;

	if (last->code != 0)
		buf_putf(&reply, "%u ", last->code);
	buf_putf(&reply, "%s", last->text);
	if (x->is_json) {
		buf_putc(&out, '{');
		json_put_member(&out, "queue_id", str_c(x->id));
		json_put_member(&out, "address", str_c(last->address));
		json_put_member(&out, "status", str_c(kinds[last->kind]));
		json_put_member(&out, "host", str_c(last->host));
		json_put_member(&out, "reply", buf_str(&reply));
	} else {
		buf_putf(&out, "<%s> %s", last->address, kinds[last->kind]);
		if (last->host[0] != '\0')
			buf_putf(&out, " by %s", last->host);
		buf_putf(&out, ": %.*s\n", STR(buf_str(&reply)));
	}
	if (last->kind != EVENT_SENT && find_code(buf_str(&reply), &code))
		put_explanation(&out, x, code);
	if (x->is_json)
		buf_put(&out, S("}\n"));
	fwrite(out.p, 1, out.n, stdout);
	buf_release(&out);
	buf_release(&reply);
}

/* Letters and digits, some of each. */
static bool
is_id(const char *word)
{
	size_t n = strlen(word), n_digits = strspn(word, "0123456789");

	for (size_t i = 0; i < n; i++) {
		if (!ascii_is_alpha(word[i]) && !ascii_is_digit(word[i]))
			return false;
		n_digits += ascii_is_digit(word[i]);
	}
	return n <= QUEUE_ID_OCTETS && n_digits > 0;
}

static int
explain_message(struct explaining *x, const struct options *o, const char *id)
{
	enum err e;

	x->id = id;
	e = client_ask(o, SERVICE_QUEUE, ask, x);
	if (e != OK)
		return ask_failed(o, "mailctl explain", e, errno);
	if (x->n_rcpts == 0) {
		fprintf(stderr, "mailctl explain: %s: %s\n", id,
			x->n_events ? "it was not tried yet"
				    : "nothing is known about it");
		return 1;
	}
	for (size_t i = 0; i < x->n_rcpts; i++)
		print_last(x, &x->rcpts[i]);
	if (x->n_more > 0)
		fprintf(stderr, "and %zu more: mailctl trace %s\n", x->n_more,
			id);
	return 0;
}

/* False: there is no code in it. */
static bool
explain_reply(const struct explaining *x, struct str text)
{
	struct buf out = BUF_INIT(LINE_OCTETS);
	struct str code;
	bool is_known = find_code(text, &code);

	if (x->is_json)
		buf_putc(&out, '{');
	if (is_known)
		put_explanation(&out, x, code);
	if (x->is_json)
		buf_put(&out, S("}\n"));
	if (is_known)
		fwrite(out.p, 1, out.n, stdout);
	buf_release(&out);
	return is_known;
}

static int
explain(struct explaining *x, const struct args *args, struct str text)
{
	struct str code;

	if (!enhanced_find(text, &code) && args->n_words == 1 && text.n > 3 &&
	    is_id(args->words[0]))
		return explain_message(x, &args->options, args->words[0]);
	if (explain_reply(x, text))
		return 0;
	return args_usage("mailctl explain",
			  "no code such as 5.7.1 or 550 in it");
}

int
explain_main(int argc, char **argv)
{
	static const char *const own[] = { "--es", "--en", "--json", NULL };
	static struct explaining x;
	struct buf text = BUF_INIT(TEXT_MAX_OCTETS);
	static struct args args;
	enum err e = OK;
	int result;

	x.language = language_of_environment();
	args_read(&args, argc, argv, own, help);
	if (args_take(&args, "--es"))
		x.language = EXPLAIN_SPANISH;
	if (args_take(&args, "--en"))
		x.language = EXPLAIN_ENGLISH;
	x.is_json = args_take(&args, "--json");
	if (args.n_words == 0)
		return args_usage(argv[0], "and which code?");
	for (int i = 0; i < args.n_words && e == OK; i++)
		e = buf_addf(&text, "%s%s", i ? " " : "", args.words[i]);
	result = e == OK ? explain(&x, &args, buf_str(&text))
			 : args_usage(argv[0], "that is too long");
	buf_release(&text);
	return result;
}
