/* SPDX-License-Identifier: MIT
 * ctl/sendmail.c - sendmail(1): a message from a program of this machine, by
 * SMTP over submit.sock, where the kernel says who sends.
 *
 * Success means that the queue has it on disk. Without a running system, or
 * when that cannot take it now, the exit status is EX_TEMPFAIL and nothing was
 * taken: there is no directory in which mail would wait unseen. */
#include "ctl/args.h"
#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/outgoing.h"
#include "lib/base/check.h"
#include "lib/mail/smtp_data.h"
#include "lib/mail/smtp_reply.h"
#include "lib/mail/xtext.h"
#include "lib/rt/fs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sysexits.h>
#include <unistd.h>

#define CONTENT_MAX_OCTETS ((size_t)1 << 30)

enum {
	ARENA_OCTETS = 64 << 20,
	COMMAND_OCTETS = 4096,
	LOGIN_OCTETS = 512,
	READ_OCTETS = 64 * 1024,
	TIMEOUT_S = 600,
};

static const char help[] =
	"usage: sendmail [-t] [-i] [-f SENDER] [-F NAME] [-N NOTIFY] [-R RET] "
	"[-V ENVID]\n"
	"                [RECIPIENT...]\n"
	"       sendmail -bp | -bs | -bi | -q\n"
	"\n"
	"Reads a message from standard input and gives it to the running "
	"system.\n"
	"-t: to those in To, Cc and Bcc as well; -i: a line with a dot does "
	"not end it.\n"
	"-bp is mailq, -q postqueue -f, -bs speaks SMTP, -bi (newaliases) has "
	"nothing to do.\n"
	"Exit status 75: it was not taken, try again.\n"
	"\n"
	"$ printf 'Subject: test\\n\\nhello\\n' | sendmail "
	"user1@example1.local\n";

struct sending {
	const char *sender; // NULL: whoever the server says we are
	const char *full_name, *notify, *ret, *envid;
	bool wants_recipients, ignores_dots;
	char **words; // recipients of the command line
	int fd;
	struct smtp_reply reply;
	struct buf in;
	char login[LOGIN_OCTETS];
	bool has_dsn, has_utf8;
};

static int
complain(int status, const char *what, struct str text)
{
	fprintf(stderr, "sendmail: %s%s%.*s\n", what, text.n ? ": " : "",
		STR(text));
	return status;
}

/* ---- the conversation ---- */

static bool
send_all(struct sending *s, struct str bytes)
{
	return fs_write_all(s->fd, bytes) == OK;
}

/* The code of the next reply, or 0 when there is none to trust. */
static int
read_reply(struct sending *s)
{
	smtp_reply_clear(&s->reply);
	for (;;) {
		size_t n;
		enum smtp_reply_result result =
			smtp_reply_feed(&s->reply, buf_str(&s->in), &n);
		ssize_t got;

		buf_shift(&s->in, n);
		if (result == SMTP_REPLY_DONE)
			return s->reply.code;
		if (result == SMTP_REPLY_BAD ||
		    buf_reserve(&s->in, READ_OCTETS) != OK)
			return 0;
		got = read(s->fd, s->in.p + s->in.n, READ_OCTETS);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return 0;
		s->in.n += (size_t)got;
	}
}

/* What the command line holds is no way to say other commands. */
static bool
is_one_line(struct str line)
{
	return line.n > 0 && str_chr(line, '\r') < 0 &&
	       str_chr(line, '\n') < 0 && str_chr(line, '\0') < 0;
}

static int say(struct sending *s, const char *format, ...) PRINTF(2, 3);

static int
say(struct sending *s, const char *format, ...)
{
	struct buf line = BUF_INIT(COMMAND_OCTETS);
	va_list ap;
	int code = 0;

	va_start(ap, format);
	if (buf_vaddf(&line, format, ap) == OK && is_one_line(buf_str(&line)) &&
	    buf_add(&line, S("\r\n")) == OK && send_all(s, buf_str(&line)))
		code = read_reply(s);
	va_end(ap);
	buf_release(&line);
	return code;
}

/* What sysexits.h has for a refusal. */
static int
status_of(int code, int permanent)
{
	return code >= 500 ? permanent : EX_TEMPFAIL;
}

static int
refused(struct sending *s, int code, const char *what, int permanent)
{
	struct str text = code != 0 ? smtp_reply_text(&s->reply)
				    : S("it could not be said, or the "
					"connection was lost");

	return complain(status_of(code, permanent), what, text);
}

static int
greet(struct sending *s)
{
	struct str args;
	int code = read_reply(s);

	if (code == 220)
		code = say(s, "EHLO localhost");
	if (code != 250)
		return refused(s, code, "the server", EX_UNAVAILABLE);
	if (smtp_reply_keyword(&s->reply, S("XLOGIN"), &args) &&
	    str_to_c(args, s->login, sizeof(s->login)) != OK)
		s->login[0] = '\0';
	s->has_dsn = smtp_reply_keyword(&s->reply, S("DSN"), &args);
	s->has_utf8 = smtp_reply_keyword(&s->reply, S("SMTPUTF8"), &args);
	return 0;
}

static int
say_mail(struct sending *s, const struct outgoing *message)
{
	struct buf line = BUF_INIT(COMMAND_OCTETS);
	const char *sender = s->sender ? s->sender : s->login;
	int code;

	buf_putf(&line, "MAIL FROM:<%s> SIZE=%zu BODY=%s", sender,
		 message->content.n, message->is_8bit ? "8BITMIME" : "7BIT");
	if (message->is_utf8 && s->has_utf8)
		buf_put(&line, S(" SMTPUTF8"));
	if (s->ret != NULL && s->has_dsn)
		buf_putf(&line, " RET=%s", s->ret);
	if (s->envid != NULL && s->has_dsn) {
		buf_put(&line, S(" ENVID="));
		if (xtext_encode(&line, str_c(s->envid)) != OK)
			buf_truncate(&line, 0); // then say() sends nothing
	}
	code = say(s, "%.*s", STR(buf_str(&line)));
	buf_release(&line);
	return code == 250 ? 0 : refused(s, code, sender, EX_NOUSER);
}

/* 0, or the status of a refusal. */
static int
say_rcpt(struct sending *s, const char *recipient)
{
	const char *at = strrchr(recipient, '@');
	const char *host = strrchr(s->login, '@');
	const char *notify = s->has_dsn ? s->notify : NULL;
	int code;

	/* A name alone is one of this machine. */
	code = say(s, "RCPT TO:<%s%s>%s%s", recipient,
		   at || host == NULL ? "" : host, notify ? " NOTIFY=" : "",
		   notify ? notify : "");
	return code == 250 || code == 251
		       ? 0
		       : refused(s, code, recipient, EX_NOUSER);
}

static int
say_content(struct sending *s, const struct outgoing *message)
{
	struct str rest = buf_str(&message->content);
	struct smtp_stuff stuff = SMTP_STUFF_INIT;
	struct buf piece = BUF_INIT(2 * READ_OCTETS + 16);
	int code = say(s, "DATA");
	bool ok = code == 354;

	while (ok && rest.n > 0) {
		struct str part = str_first(rest, READ_OCTETS);

		rest = str_from(rest, part.n);
		buf_clear(&piece);
		ok = smtp_data_stuff(&piece, part, &stuff) == OK &&
		     send_all(s, buf_str(&piece));
	}
	buf_clear(&piece);
	ok = ok && smtp_data_stuff_end(&piece, &stuff) == OK &&
	     send_all(s, buf_str(&piece));
	if (ok)
		code = read_reply(s);
	buf_release(&piece);
	if (ok && code == 250)
		return 0;
	return refused(s, ok || code != 354 ? code : 0, "the message",
		       EX_DATAERR);
}

static int
transact(struct sending *s, const struct outgoing *message)
{
	size_t n_accepted = 0;
	int status = say_mail(s, message), worst = 0;

	if (status != 0)
		return status;
	for (char **word = s->words; *word != NULL; word++) {
		status = say_rcpt(s, *word);
		n_accepted += status == 0;
		worst = status ? status : worst;
	}
	for (size_t i = 0; i < message->n_recipients; i++) {
		status = say_rcpt(s, message->recipients[i]);
		n_accepted += status == 0;
		worst = status ? status : worst;
	}
	/* To be tried again as a whole: nobody gets it twice. */
	if (n_accepted == 0 || worst == EX_TEMPFAIL)
		return worst ? worst : EX_USAGE;
	status = say_content(s, message);
	say(s, "QUIT");
	return status ? status : worst;
}

/* ---- the message ---- */

static bool
read_input(struct buf *out)
{
	for (;;) {
		ssize_t n;

		if (buf_reserve(out, READ_OCTETS) != OK)
			return false;
		n = read(STDIN_FILENO, out->p + out->n, READ_OCTETS);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0;
		out->n += (size_t)n;
	}
}

/* RFC 5322 3.6: a message has a From field. */
static enum err
add_from(const struct sending *s, struct outgoing *message)
{
	struct buf whole = BUF_INIT(message->content.max);
	const char *sender = s->sender && s->sender[0] ? s->sender : s->login;
	enum err e;

	if (s->full_name != NULL && strpbrk(s->full_name, "\"\\\r\n") == NULL)
		e = buf_addf(&whole, "From: \"%s\" <%s>\r\n", s->full_name,
			     sender);
	else
		e = buf_addf(&whole, "From: %s\r\n", sender);
	if (e == OK)
		e = buf_add(&whole, buf_str(&message->content));
	buf_release(&message->content);
	message->content = whole;
	return e;
}

static int
converse(struct sending *s, struct outgoing *message)
{
	int status = greet(s);

	if (status != 0)
		return status;
	if (!message->has_from && add_from(s, message) != OK)
		return complain(EX_DATAERR, "the message is too large", S(""));
	return transact(s, message);
}

static int
connect_and_send(struct sending *s, const struct options *o,
		 struct outgoing *message)
{
	struct timeval timeout = { .tv_sec = TIMEOUT_S };
	int status;

	s->fd = client_dial(o, SERVICE_SUBMIT);
	if (s->fd < 0)
		return complain(EX_TEMPFAIL, "nothing answers at submit.sock",
				str_c(strerror(errno)));
	setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(s->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	smtp_reply_init(&s->reply);
	buf_init(&s->in, 4 * READ_OCTETS);
	status = converse(s, message);
	smtp_reply_release(&s->reply);
	buf_release(&s->in);
	close(s->fd);
	return status;
}

static int
deliver(struct sending *s, const struct options *o)
{
	struct outgoing message = { .content = BUF_INIT(CONTENT_MAX_OCTETS) };
	struct buf input = BUF_INIT(CONTENT_MAX_OCTETS);
	struct arena arena;
	int status;

	arena_init(&arena, ARENA_OCTETS);
	if (!read_input(&input) ||
	    outgoing_read(buf_str(&input), !s->ignores_dots,
			  s->wants_recipients, &arena, &message) != OK)
		status =
			complain(EX_DATAERR, "the message is too large", S(""));
	else if (s->words[0] == NULL && message.n_recipients == 0)
		status = complain(EX_USAGE, "no recipients", S(""));
	else
		status = connect_and_send(s, o, &message);
	buf_release(&input);
	buf_release(&message.content);
	arena_release(&arena);
	return status;
}

/* -bs: SMTP between standard input and output and the server. */
static int
relay_smtp(const struct options *o)
{
	int fd = client_dial(o, SERVICE_SUBMIT);
	pid_t pid;
	static char bytes[4096];
	ssize_t n;

	if (fd < 0)
		return complain(EX_TEMPFAIL, "nothing answers at submit.sock",
				str_c(strerror(errno)));
	pid = fork();
	if (pid < 0)
		return complain(EX_OSERR, "fork", str_c(strerror(errno)));
	if (pid == 0) {
		while ((n = read(STDIN_FILENO, bytes, sizeof(bytes))) > 0)
			if (fs_write_all(fd, str_of(bytes, (size_t)n)) != OK)
				break;
		shutdown(fd, SHUT_WR);
		_exit(0);
	}
	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		if (fs_write_all(STDOUT_FILENO, str_of(bytes, (size_t)n)) != OK)
			break;
	close(fd);
	return 0;
}

/* Other things that the name stands for; -1: a message. */
static int
other_mode(const char *mode, bool is_flush, const struct options *o)
{
	static char *flush[] = { "postqueue", "-f", NULL };
	static char *list[] = { "mailq", NULL };

	optind = 1;
	if (is_flush)
		return postqueue_main(2, flush);
	switch (mode[0]) {
	case 'm':
		return -1;
	case 'p':
		return mailq_main(1, list);
	case 's':
		return relay_smtp(o);
	case 'i':
		return 0; // tables are read as text
	}
	return complain(EX_USAGE, "unknown mode", str_c(mode));
}

int
sendmail_main(int argc, char **argv)
{
	static char *nothing[] = { "sendmail", NULL };
	static struct sending s;
	static struct args args;
	const char *mode = "m";
	bool is_flush = false;
	int letter, status;

	if (argc > 1 && strcmp(argv[1], "--help") == 0) {
		fputs(help, stdout);
		return 0;
	}
	args_read(&args, 1, nothing, NULL, ""); // variables alone
	while ((letter = getopt(
			argc, argv,
			"A:B:C:F:GIL:N:O:R:UV:X:b:f:h:imno:p:q::r:tvx")) !=
	       -1) {
		switch (letter) {
		case 'b':
			mode = optarg;
			break;
		case 'f':
		case 'r':
			s.sender = strcmp(optarg, "<>") == 0 ? "" : optarg;
			break;
		case 'F':
			s.full_name = optarg;
			break;
		case 'N':
			s.notify = optarg;
			break;
		case 'R':
			s.ret = optarg;
			break;
		case 'V':
			s.envid = optarg;
			break;
		case 'I':
			mode = "i";
			break;
		case 'i':
			s.ignores_dots = true;
			break;
		case 'o': // -oi; the others are of another sendmail's inside
			s.ignores_dots |= strcmp(optarg, "i") == 0;
			break;
		case 'q':
			is_flush = true;
			break;
		case 't':
			s.wants_recipients = true;
			break;
		case '?':
			fputs(help, stderr);
			return EX_USAGE;
		}
	}
	s.words = argv + optind;
	status = other_mode(mode, is_flush, &args.options);
	return status >= 0 ? status : deliver(&s, &args.options);
}

int
newaliases_main(int argc UNUSED, char **argv UNUSED)
{
	return 0; // tables are read as text
}
