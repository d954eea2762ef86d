/* SPDX-License-Identifier: MIT
 * mda/front/imap/command.c - the table of commands, and the short ones. */
#include "mda/front/imap/session.h"

#include "lib/base/check.h"
#include "lib/mail/imap_reader.h"

enum {
	NEW = IMAP_NOT_AUTHENTICATED,
	USER = IMAP_AUTHENTICATED | IMAP_SELECTED,
	BOX = IMAP_SELECTED,
	ANY = NEW | USER,
};
/* Of the arguments. UID: "UID x" exists; UID_ARGS: and only it takes any. */
enum { ARGS = 1, UID = 2, UID_ARGS = 4 };
enum { ID_MAX_STRINGS = 60 }; // RFC 2971 3.3: at most 30 pairs

typedef enum err run_fn(struct co *co, struct imap_session *s);

struct verb {
	struct str name;
	run_fn *run; // NULL: store does it
	enum store_verb in_store;
	unsigned states, flags;
};

static run_fn do_capability, do_noop, do_logout, do_id, do_starttls,
	do_namespace, do_compress;

static const struct verb verbs[] = {
	{ STR_INIT("CAPABILITY"), do_capability, VERBS, ANY, 0 },
	{ STR_INIT("NOOP"), do_noop, VERBS, ANY, 0 },
	{ STR_INIT("LOGOUT"), do_logout, VERBS, ANY, 0 },
	{ STR_INIT("ID"), do_id, VERBS, ANY, ARGS }, // 2971
	{ STR_INIT("STARTTLS"), do_starttls, VERBS, NEW, 0 },
	{ STR_INIT("LOGIN"), imap_login, VERBS, NEW, ARGS },
	{ STR_INIT("AUTHENTICATE"), imap_authenticate, VERBS, NEW, ARGS },
	{ STR_INIT("NAMESPACE"), do_namespace, VERBS, USER, 0 },  // 2342
	{ STR_INIT("COMPRESS"), do_compress, VERBS, USER, ARGS }, // 4978
	{ STR_INIT("IDLE"), imap_idle, VERBS, USER, 0 },	  // 2177
	{ STR_INIT("APPEND"), imap_append_text, VERBS, USER, ARGS },
	{ STR_INIT("REPLACE"), imap_append_text, VERBS, BOX, ARGS | UID },
	{ STR_INIT("CHECK"), NULL, VERB_NOOP, BOX, 0 },
	{ STR_INIT("SELECT"), NULL, VERB_SELECT, USER, ARGS },
	{ STR_INIT("EXAMINE"), NULL, VERB_EXAMINE, USER, ARGS },
	{ STR_INIT("CLOSE"), NULL, VERB_CLOSE, BOX, 0 },
	{ STR_INIT("UNSELECT"), NULL, VERB_UNSELECT, BOX, 0 }, // 3691
	{ STR_INIT("FETCH"), NULL, VERB_FETCH, BOX, ARGS | UID },
	{ STR_INIT("STORE"), NULL, VERB_STORE, BOX, ARGS | UID },
	{ STR_INIT("SEARCH"), NULL, VERB_SEARCH, BOX, ARGS | UID },
	{ STR_INIT("SORT"), NULL, VERB_SORT, BOX, ARGS | UID },	    // 5256
	{ STR_INIT("THREAD"), NULL, VERB_THREAD, BOX, ARGS | UID }, // 5256
	{ STR_INIT("COPY"), NULL, VERB_COPY, BOX, ARGS | UID },
	{ STR_INIT("MOVE"), NULL, VERB_MOVE, BOX, ARGS | UID }, // 6851
	{ STR_INIT("EXPUNGE"), NULL, VERB_EXPUNGE, BOX, UID | UID_ARGS },
	{ STR_INIT("LIST"), NULL, VERB_LIST, USER, ARGS },
	{ STR_INIT("LSUB"), NULL, VERB_LSUB, USER, ARGS },
	{ STR_INIT("STATUS"), NULL, VERB_STATUS, USER, ARGS },
	{ STR_INIT("CREATE"), NULL, VERB_CREATE, USER, ARGS },
	{ STR_INIT("DELETE"), NULL, VERB_DELETE, USER, ARGS },
	{ STR_INIT("RENAME"), NULL, VERB_RENAME, USER, ARGS },
	{ STR_INIT("SUBSCRIBE"), NULL, VERB_SUBSCRIBE, USER, ARGS },
	{ STR_INIT("UNSUBSCRIBE"), NULL, VERB_UNSUBSCRIBE, USER, ARGS },
	{ STR_INIT("GETQUOTA"), NULL, VERB_GETQUOTA, USER, ARGS }, // 9208
	{ STR_INIT("GETQUOTAROOT"), NULL, VERB_GETQUOTAROOT, USER, ARGS },
	{ STR_INIT("ENABLE"), NULL, VERB_ENABLE, USER, ARGS },		 // 5161
	{ STR_INIT("GETMETADATA"), NULL, VERB_GETMETADATA, USER, ARGS }, // 5464
	{ STR_INIT("NOTIFY"), NULL, VERB_NOTIFY, USER, ARGS },		 // 5465
	{ STR_INIT("SETMETADATA"), NULL, VERB_SETMETADATA, USER, ARGS },
};

static const struct verb *
find_verb(struct str name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		if (str_ieq(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

/* NULL, or the text of the BAD that this command gets. */
static const char *
refuse_verb(const struct verb *verb, enum imap_state state, bool is_uid,
	    bool has_args)
{
	bool takes_args;

	if (verb == NULL || (is_uid && !(verb->flags & UID)))
		return "Unknown command";
	if (!(verb->states & state))
		return state == IMAP_NOT_AUTHENTICATED ? "Log in first"
		       : verb->states == NEW	       ? "Already logged in"
					     : "No mailbox is selected";
	takes_args = verb->flags & UID_ARGS ? is_uid : verb->flags & ARGS;
	if (has_args && !takes_args)
		return "This command takes no arguments";
	if (!has_args && takes_args)
		return "Arguments are missing";
	return NULL;
}

enum err
imap_run(struct co *co, struct imap_session *s)
{
	const struct imap_command *c = &s->command;
	const struct verb *verb = find_verb(c->verb);
	const char *bad = refuse_verb(verb, s->state, c->is_uid, c->args.n > 0);

	if (bad != NULL) {
		imap_answer(s, "BAD", bad);
		s->conn.n_bad++;
		return OK;
	}
	if (verb->run != NULL)
		return verb->run(co, s);
	return imap_run_in_store(co, s, verb->in_store);
}

/* ---- commands without store ---- */

static enum err
do_capability(struct co *co UNUSED, struct imap_session *s)
{
	stream_put(s->conn.stream, S("* "));
	imap_put_capability(s);
	stream_put(s->conn.stream, S("\r\n"));
	imap_answer(s, "OK", "Done");
	return OK;
}

static enum err
do_noop(struct co *co, struct imap_session *s)
{
	if (s->state != IMAP_NOT_AUTHENTICATED)
		return imap_run_in_store(co, s, VERB_NOOP);
	imap_answer(s, "OK", "Done");
	return OK;
}

static enum err
do_logout(struct co *co UNUSED, struct imap_session *s)
{
	stream_put(s->conn.stream, S("* BYE Logging out\r\n"));
	imap_answer(s, "OK", "Done");
	s->conn.is_quit = true;
	return OK;
}

/* What the client says of itself is checked and forgotten, but for whom a
 * webmail speaks, as Dovecot's clients say it. */
static bool
read_id(struct imap_reader *r, struct str *origin_out)
{
	struct str word, name = STR_NONE;
	size_t n = 0;

	if (imap_reader_try_word(r, S("NIL")))
		return imap_reader_end(r);
	imap_reader_open(r);
	for (; imap_reader_next(r, n) && n <= ID_MAX_STRINGS; n++)
		if (n % 2 == 0)
			imap_reader_string(r, &name);
		else if (imap_reader_nstring(r, &word) &&
			 str_ieq(name, S("x-originating-ip")))
			*origin_out = word;
	return n <= ID_MAX_STRINGS && n % 2 == 0 && imap_reader_end(r);
}

static enum err
do_id(struct co *co UNUSED, struct imap_session *s)
{
	struct str origin = STR_NONE;
	struct imap_reader r;

	imap_reader_init(&r, s->command.args, &s->arena);
	if (!read_id(&r, &origin)) {
		imap_answer(s, "BAD", "Expected NIL or a list of pairs");
		s->conn.n_bad++;
		return OK;
	}
	if (origin.n > 0)
		conn_speaks_for(&s->conn, origin);
	stream_put(s->conn.stream, S("* ID (\"name\" \"Estafeta\")\r\n"));
	imap_answer(s, "OK", "Done");
	return OK;
}

/* What came behind the command in plain text is dropped with the buffer: it
 * could be anybody's (CVE-2011-0411). */
static enum err
do_starttls(struct co *co, struct imap_session *s)
{
	enum err e;

	if (stream_is_tls(s->conn.stream) || front.tls == NULL) {
		imap_answer(s, "BAD", "STARTTLS is not offered");
		s->conn.n_bad++;
		return OK;
	}
	imap_answer(s, "OK", "Begin TLS now");
	e = conn_flush(co, &s->conn);
	if (e != OK)
		return e;
	conn_take_command(&s->conn);
	s->conn.n_bad = 0;
	return conn_start_tls(co, &s->conn);
}

static enum err
do_namespace(struct co *co UNUSED, struct imap_session *s)
{
	stream_put(s->conn.stream, S("* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n"));
	imap_answer(s, "OK", "Done");
	return OK;
}

/* RFC 4978 3: what the client sends behind this command is compressed. */
static enum err
do_compress(struct co *co, struct imap_session *s)
{
	enum err e;

	if (!str_ieq(s->command.args, S("DEFLATE"))) {
		imap_answer(s, "BAD", "The mechanism is DEFLATE");
		return OK;
	}
	if (stream_is_compressed(s->conn.stream)) {
		imap_answer(s, "NO", "[COMPRESSIONACTIVE] It is compressed");
		return OK;
	}
	imap_answer(s, "OK", "Compressed from here on");
	e = conn_flush(co, &s->conn);
	if (e != OK)
		return e;
	conn_take_command(&s->conn);
	stream_compress(s->conn.stream);
	return OK;
}
