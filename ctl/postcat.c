/* SPDX-License-Identifier: MIT
 * ctl/postcat.c - postcat: the envelope and the content of a message in the
 * queue. */
#include "ctl/postcat.h"

#include "ctl/commands.h"
#include "ctl/listing.h"
#include "lib/base/check.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum {
	ARENA_OCTETS = 16 << 20,
	ENVELOPE_OUT_OCTETS = 16 << 20,
	TEXT_OUT_OCTETS = 1 << 20,
};

/* ---- formats; pure ---- */

static const char *
postcat_queue_name(const struct queue_entry *entry)
{
	static const char *const names[QUEUE_STATES] = {
		[QUEUE_DEFERRED] = "deferred",
		[QUEUE_ACTIVE] = "active",
		[QUEUE_HOLD] = "hold",
		[QUEUE_CORRUPT] = "corrupt",
	};

	return names[entry->state];
}

/* A line; foreign octets that steer terminals are escaped. */
static enum err
add_field(struct buf *out, const char *name, struct str value)
{
	enum err e = buf_addf(out, "%s", name);
	struct buf clean = BUF_INIT(ENVELOPE_TEXT_MAX_OCTETS * 4 + 8);

	buf_put_readable(&clean, value, ENVELOPE_TEXT_MAX_OCTETS);
	if (e == OK)
		e = buf_add(out, buf_str(&clean));
	buf_release(&clean);
	return e == OK ? buf_addc(out, '\n') : e;
}

static enum err
add_attribute(struct buf *out, const char *name, struct str value)
{
	return value.n > 0 ? add_field(out, name, value) : OK;
}

static enum err
add_time(struct buf *out, const char *name, int64_t at_s)
{
	time_t at = (time_t)at_s;
	char text[64];
	struct tm tm;

	localtime_r(&at, &tm);
	strftime(text, sizeof(text), "%a %b %e %H:%M:%S %Y", &tm);
	return add_field(out, name, str_c(text));
}

static enum err
add_rcpt(struct buf *out, const struct recipient *r)
{
	enum err e = OK;

	if (r->orcpt.n > 0)
		e = add_attribute(out,
				  "named_attribute: dsn_orig_rcpt=", r->orcpt);
	if (e == OK && r->notify != 0)
		e = buf_addf(out, "named_attribute: notify_flags=%u\n",
			     r->notify);
	return e == OK ? add_field(out, "recipient: ", r->address) : e;
}

enum err
postcat_add_envelope(struct buf *out, const struct queue_entry *entry,
		     const struct envelope *envelope)
{
	enum err e = buf_addf(out, "*** ENVELOPE RECORDS %s/%.*s ***\n",
			      postcat_queue_name(entry), STR(entry->id));

	if (e == OK)
		e = buf_addf(out, "message_size: %15" PRIu64 " %15zu\n",
			     entry->size_octets, envelope->n_recipients);
	if (e == OK)
		e = add_time(out, "message_arrival_time: ", entry->arrived_s);
	if (e == OK)
		e = add_attribute(
			out, "named_attribute: envelope_id=", envelope->envid);
	if (e == OK)
		e = add_attribute(out, "named_attribute: sasl_username=",
				  envelope->login);
	if (e == OK)
		e = add_attribute(out, "named_attribute: client_address=",
				  envelope->client);
	if (e == OK)
		e = add_attribute(
			out, "named_attribute: helo_name=", envelope->helo);
	if (e == OK)
		e = add_field(out, "sender: ", envelope->sender);
	for (size_t i = 0; i < envelope->n_recipients && e == OK; i++)
		e = add_rcpt(out, &envelope->recipients[i]);
	return e;
}

static bool
is_wanted(const struct postcat_text *t)
{
	return t->parts & (t->is_in_body ? POSTCAT_BODY : POSTCAT_HEADER);
}

static void
end_line(struct postcat_text *t, struct buf *out)
{
	/* The empty line is the body's first, as Postfix prints it. */
	if (t->n_line == 0)
		t->is_in_body = true;
	if (is_wanted(t))
		buf_putc(out, '\n');
	t->n_line = 0;
	t->has_cr = false;
}

void
postcat_add_text(struct postcat_text *t, struct buf *out, struct str in)
{
	for (size_t i = 0; i < in.n; i++) {
		if (in.p[i] == '\n') {
			end_line(t, out);
			continue;
		}
		if (t->has_cr) { // a CR that ended nothing
			t->n_line = 1;
			if (is_wanted(t))
				buf_putc(out, '\r');
		}
		t->has_cr = in.p[i] == '\r';
		if (t->has_cr)
			continue;
		t->n_line = 1;
		if (is_wanted(t))
			buf_putc(out, in.p[i]);
	}
}

/* ---- the conversation ---- */

struct show {
	const char *id;
	int parts;
	struct arena arena;
	char *memory; // of the entry's frame
	struct queue_entry entry;
	bool has_entry, has_content;
	struct postcat_text text;
};

static void
print(const struct buf *out)
{
	if (out->n > 0)
		fwrite(out->p, 1, out->n, stdout);
}

static void
print_line(const struct show *s, const char *what)
{
	if (s->parts & POSTCAT_ENVELOPE)
		printf("*** %s %s/%.*s ***\n", what,
		       postcat_queue_name(&s->entry), STR(s->entry.id));
}

static enum err
take_entry(struct show *s, const struct frame *f)
{
	struct str row = f->body;
	struct buf out = BUF_INIT(ENVELOPE_OUT_OCTETS);
	enum err e;

	if (s->has_entry)
		return ERR_FORMAT;
	e = arena_str(&s->arena, f->body, &row);
	if (e == OK)
		e = queue_read_entry(&row, &s->arena, &s->entry);
	s->has_entry = e == OK;
	if (e == OK && s->parts == POSTCAT_JSON)
		e = listing_add_json(&out, &s->entry);
	if (e == OK)
		print(&out);
	buf_release(&out);
	return e;
}

static enum err
take_envelope(struct show *s, const struct frame *f)
{
	struct arena arena = ARENA_INIT(ARENA_OCTETS);
	struct buf out = BUF_INIT(ENVELOPE_OUT_OCTETS);
	struct envelope envelope;
	enum err e = envelope_read(f->body, &arena, &envelope);

	if (e == OK && (s->parts & POSTCAT_ENVELOPE))
		e = postcat_add_envelope(&out, &s->entry, &envelope);
	if (e == OK)
		print(&out);
	if (e == OK)
		print_line(s, "MESSAGE CONTENTS");
	s->has_content = true;
	buf_release(&out);
	arena_release(&arena);
	return e;
}

static enum err
take_frame(void *arg, const struct frame *f)
{
	struct show *s = arg;
	struct buf out = BUF_INIT(TEXT_OUT_OCTETS);

	if (f->type == QUEUE_ENTRIES)
		return take_entry(s, f);
	if (f->type == QUEUE_ENVELOPE && s->has_entry)
		return take_envelope(s, f);
	if (f->type != QUEUE_CHUNK || !s->has_content)
		return ERR_FORMAT;
	postcat_add_text(&s->text, &out, f->body);
	print(&out);
	buf_release(&out);
	return OK;
}

static enum err
ask(struct co *co, struct chan *chan, void *arg)
{
	const struct show *s = arg;

	return ask_frames(co, chan, QUEUE_SHOW, str_c(s->id), take_frame, arg);
}

enum err
postcat_print(const struct options *o, const char *id, int parts)
{
	struct show s = { .id = id,
			  .parts = parts,
			  .text = { .parts = parts } };
	enum err e = ERR_NOT_FOUND;

	arena_init(&s.arena, ARENA_OCTETS);
	if (id[0] != '\0' && str_c(id).n <= QUEUE_ID_OCTETS)
		e = client_ask(o, SERVICE_QUEUE, ask, &s);
	if (e == OK && !s.has_entry)
		e = ERR_NOT_FOUND;
	if (e == OK && s.has_content) {
		print_line(&s, "HEADER EXTRACTED");
		print_line(&s, "MESSAGE FILE END");
	}
	arena_release(&s.arena);
	return e;
}

static const char usage[] =
	"usage: postcat [-b (body text)] [-e (envelope records)] "
	"[-h (header text)] [-q (access queue)] [-v] queue_id...\n";

int
postcat_main(int argc, char **argv)
{
	static struct options o;
	int letter, parts = 0;

	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		fputs(usage, stdout);
		return 0;
	}
	ask_environment(&o, argv);
	while ((letter = getopt(argc, argv, "behqv")) != -1) {
		if (letter == '?') {
			fprintf(stderr, "postcat: fatal: %s", usage);
			return 1;
		}
		parts |= letter == 'b'	 ? POSTCAT_BODY
			 : letter == 'e' ? POSTCAT_ENVELOPE
			 : letter == 'h' ? POSTCAT_HEADER
					 : 0;
	}
	if (optind == argc) {
		fprintf(stderr, "postcat: fatal: %s", usage);
		return 1;
	}
	for (int i = optind; i < argc; i++) {
		enum err e =
			postcat_print(&o, argv[i], parts ? parts : POSTCAT_ALL);

		if (e == ERR_NOT_FOUND) {
			fprintf(stderr,
				"postcat: fatal: open queue file %s: No such "
				"file or directory\n",
				argv[i]);
			return 1;
		}
		if (e != OK)
			return ask_failed(&o, "postcat", e, errno);
	}
	return 0;
}
