/* SPDX-License-Identifier: MIT
 * lib/rt/log.c - formatting and writing of log lines. */
#include "lib/rt/log.h"

#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/json.h"
#include "lib/rt/clock.h"
#include "lib/rt/log_postfix.h"

#include <limits.h>
#include <stdarg.h>
#include <unistd.h>

enum {
	LINE_MAX_OCTETS = 16384,
	VALUE_MAX_OCTETS = 512, // of the unescaped value
	FIELD_ROOM_OCTETS = VALUE_MAX_OCTETS * 4 + 64,
	USUAL_OCTETS = 512,
};

static char program_role[32] = "estafeta";
static char who_text[64]; // " role[pid] ", once the log is open
static int process;
static enum log_level verbosity = LOG_INFO;
static enum { FORMAT_TEXT, FORMAT_JSON, FORMAT_POSTFIX, FORMATS } format;
static char host[256];

void
log_open(const char *who, enum log_level most_verbose)
{
	snprintf(program_role, sizeof(program_role), "%s", who);
	process = (int)getpid();
	snprintf(who_text, sizeof(who_text), " %s[%d] ", program_role, process);
	verbosity = most_verbose;
}

bool
log_use_format(const char *name, const char *hostname)
{
	static const char *const names[FORMATS] = { "text", "json", "postfix" };

	snprintf(host, sizeof(host), "%s", hostname);
	for (int i = 0; i < FORMATS; i++)
		if (strcmp(names[i], name) == 0) {
			format = i;
			return true;
		}
	return false;
}

enum log_level
log_level_named(struct str name)
{
	static const struct {
		struct str name;
		enum log_level level;
	} levels[] = {
		{ STR_INIT("error"), LOG_ERROR },
		{ STR_INIT("warn"), LOG_WARN },
		{ STR_INIT("info"), LOG_INFO },
		{ STR_INIT("debug"), LOG_DEBUG },
		{ STR_INIT("trace"), LOG_DEBUG },
	};

	for (size_t i = 0; i < sizeof(levels) / sizeof(*levels); i++)
		if (str_ieq(levels[i].name, name))
			return levels[i].level;
	return LOG_INFO;
}

/* Threads of the pool write lines, too. */
static _Thread_local struct {
	time_t at_s;
	char date[32], zone[8], syslog[32];
} second;

static void
put_micros(struct buf *line, unsigned us)
{
	char digits[] = ".000000";

	for (size_t i = sizeof(digits) - 2; us > 0; i--, us /= 10)
		digits[i] = (char)('0' + us % 10);
	buf_put(line, str_of(digits, sizeof(digits) - 1));
}

static void
put_time(struct buf *line)
{
	int64_t at_us = wall_us();
	time_t at_s = at_us / US_PER_S;
	char zone[8];
	struct tm tm;

	if (at_s != second.at_s) { // the calendar costs more than the line
		localtime_r(&at_s, &tm);
		strftime(second.date, sizeof(second.date), "%Y-%m-%dT%H:%M:%S",
			 &tm);
		strftime(zone, sizeof(zone), "%z", &tm);
		snprintf(second.zone, sizeof(second.zone), "%.3s:%.2s", zone,
			 zone + 3);
		strftime(second.syslog, sizeof(second.syslog), "%b %e %H:%M:%S",
			 &tm);
		second.at_s = at_s;
	}
	check(buf_reserve(line, USUAL_OCTETS) == OK);
	if (format == FORMAT_POSTFIX) {
		buf_putf(line, "%s %s ", second.syslog, host);
	} else {
		buf_put(line, str_c(second.date));
		put_micros(line, (unsigned)(at_us % US_PER_S));
		buf_put(line, str_c(second.zone));
	}
}

static int
own_pid(void)
{
	return process ? process : (int)getpid();
}

static void
put_head(struct buf *line)
{
	put_time(line);
	if (process != 0)
		buf_put(line, str_c(who_text));
	else
		buf_putf(line, " %s[%d] ", program_role, own_pid());
}

/* Text of several words stays readable: "said: \x22no\x22". */
static void
put_quoted(struct buf *line, struct str text)
{
	size_t n = text.n < VALUE_MAX_OCTETS ? text.n : VALUE_MAX_OCTETS;

	buf_putc(line, '"');
	for (size_t i = 0; i < n; i++) {
		char c = text.p[i];

		if (ascii_is_print(c) && c != '"' && c != '\\')
			buf_putc(line, c);
		else
			buf_putf(line, "\\x%02x", (unsigned char)c);
	}
	buf_put(line, n < text.n ? S("...\"") : S("\""));
}

static uint64_t
magnitude(int64_t n)
{
	return n < 0 ? -(uint64_t)n : (uint64_t)n;
}

static void
put_field(struct buf *line, const struct log_field *field)
{
	if (line->max - line->n < FIELD_ROOM_OCTETS)
		return; // a line of this length tells enough
	buf_putc(line, ' ');
	buf_put(line, str_c(field->key));
	buf_putc(line, '=');
	if (field->kind == LOG_NUMBER) {
		if (field->number < 0)
			buf_putc(line, '-');
		check(buf_add_number(line, magnitude(field->number)) == OK);
		return;
	}
	if (field->kind == LOG_STR && str_chr(field->text, ' ') >= 0) {
		put_quoted(line, field->text);
		return;
	}
	if (field->kind == LOG_ADDRESS)
		buf_putc(line, '<');
	buf_put_escaped(line, field->text, VALUE_MAX_OCTETS);
	if (field->kind == LOG_ADDRESS)
		buf_putc(line, '>');
}

/* Lines that wait for the end of the loop's turn. No more than a pipe takes in
 * one piece: other roles write to the same one. */
static struct {
	size_t n;
	char bytes[PIPE_BUF];
} batch;

static _Thread_local bool is_batching; // threads of the pool never are

/* A log that cannot be written must not stop the mail. */
static void
write_out(struct str bytes)
{
	ssize_t n = write(STDOUT_FILENO, bytes.p, bytes.n);

	(void)n;
}

void
log_flush(void)
{
	if (is_batching && batch.n > 0) {
		write_out(str_of(batch.bytes, batch.n));
		batch.n = 0;
	}
}

/* Of whatever thread. */
static void
flush_before_abort(void)
{
	write_out(str_of(batch.bytes, batch.n));
}

void
log_batch(bool is_on)
{
	log_flush();
	is_batching = is_on;
	check_before_abort = flush_before_abort;
}

static void
emit(struct buf *line, enum log_level level)
{
	if (line->n > 0 && line->p[line->n - 1] != '\n')
		buf_putc(line, '\n');
	if (line->n > sizeof(batch.bytes) - batch.n)
		log_flush();
	if (!is_batching || line->n > sizeof(batch.bytes)) {
		write_out(buf_str(line));
	} else {
		memcpy(batch.bytes + batch.n, line->p, line->n);
		batch.n += line->n;
		if (level <= LOG_WARN)
			log_flush();
	}
	buf_release(line);
}

static const char *const level_names[] = { "error", "warn", "info", "debug" };

static void
write_text(struct buf *line, enum log_level level, struct str session,
	   const char *event, const struct log_field *fields)
{
	put_head(line);
	buf_put(line, S("level="));
	buf_put(line, str_c(level_names[level]));
	if (session.n > 0) {
		buf_put(line, S(" s="));
		buf_put(line, str_first(session, 32));
	}
	buf_put(line, S(" ev="));
	buf_put(line, str_c(event));
	for (; fields->kind != LOG_END; fields++)
		put_field(line, fields);
}

static void
put_json(struct buf *line, const char *key, struct str value)
{
	if (line->max - line->n < 2 * FIELD_ROOM_OCTETS)
		return;
	buf_putf(line, ",\"%s\":", key);
	check(json_add_string(line, str_first(value, VALUE_MAX_OCTETS)) == OK);
}

static void
write_json(struct buf *line, enum log_level level, struct str session,
	   const char *event, const struct log_field *fields)
{
	buf_put(line, S("{\"time\":\""));
	put_time(line);
	buf_putf(line, "\",\"who\":\"%s\",\"pid\":%d", program_role, own_pid());
	put_json(line, "level", str_c(level_names[level]));
	if (session.n > 0)
		put_json(line, "s", session);
	put_json(line, "ev", str_c(event));
	for (; fields->kind != LOG_END; fields++) {
		if (fields->kind == LOG_NUMBER)
			buf_putf(line, ",\"%s\":%lld", fields->key,
				 (long long)fields->number);
		else
			put_json(line, fields->key, fields->text);
	}
	buf_putc(line, '}');
}

void
log_write(enum log_level level, struct str session, const char *event,
	  const struct log_field *fields)
{
	struct buf line = BUF_INIT(LINE_MAX_OCTETS);
	struct buf head = BUF_INIT(LINE_MAX_OCTETS);

	if (level > verbosity)
		return;
	switch (format) {
	case FORMAT_TEXT:
	case FORMATS:
		write_text(&line, level, session, event, fields);
		break;
	case FORMAT_JSON:
		write_json(&line, level, session, event, fields);
		break;
	case FORMAT_POSTFIX:
		put_time(&head);
		log_put_postfix(&line, buf_str(&head), program_role, own_pid(),
				level, event, fields);
		buf_release(&head);
		break;
	}
	emit(&line, level);
}

void
log_fact(const char *words, ...)
{
	struct buf line = BUF_INIT(LINE_MAX_OCTETS);
	struct buf text = BUF_INIT(LINE_MAX_OCTETS / 2);
	va_list ap;

	va_start(ap, words);
	if (buf_vaddf(&text, words, ap) != OK)
		buf_clear(&text);
	va_end(ap);
	if (format != FORMAT_TEXT) {
		log_write(LOG_INFO, STR_NONE, "fact",
			  (const struct log_field[]) {
				  F("text", buf_str(&text)),
				  { LOG_END, NULL, { NULL, 0 }, 0 } });
		buf_release(&text);
		return;
	}
	put_head(&line);
	for (size_t i = 0; i < text.n && line.n + 8 < line.max; i++) {
		if (ascii_is_print(text.p[i]))
			buf_putc(&line, text.p[i]);
		else
			buf_putf(&line, "\\x%02x", (unsigned char)text.p[i]);
	}
	buf_release(&text);
	emit(&line, LOG_INFO);
}
