/* SPDX-License-Identifier: MIT
 * mda/store/object_id_test.c - EMAILID of names, of G fields, of copies; and
 * what clients see of RFC 8474. */
#include "mda/store/object_id.h"
#include "tests/unit/store_frame.h"

/* The first half of SHA-256, by sha256sum(1). */
static void
test_ids(struct co *co UNUSED)
{
	char a[EMAIL_ID_SIZE], b[EMAIL_ID_SIZE];
	char *fields;

	object_email_id(S("abc"), NULL, a);
	assert_string_equal("Mba7816bf8f01cfea414140de5dae2223", a);
	object_email_id(S("x"), "W10 Gabc", b);
	assert_string_equal(a, b);
	object_email_id(S("x"), "W10 G", b);
	assert_string_not_equal(a, b);
	object_email_id(S("x"), "GMba7816bf8f01cfea414140de5dae2223", b);
	assert_string_equal(a, b);
	assert_null(object_fields_of_copy(S("abc"), "W10", S("abc")));
	fields = object_fields_of_copy(S("x"), "W10 Gabc", S("x"));
	object_email_id(S("other"), fields, b);
	assert_string_equal(a, b);
	free(fields);
	/* A base with a blank would be two fields. */
	object_email_id(S("a b"), NULL, a);
	fields = object_fields_of_copy(S("a b"), NULL, S("c"));
	object_email_id(S("c"), fields, b);
	assert_string_equal(a, b);
	free(fields);
}

/* "M..." of the message, which must have one. */
static void
email_id(struct co *co, struct client *c, int seq, char out[EMAIL_ID_SIZE])
{
	char what[40];
	const char *text;

	snprintf(what, sizeof(what), "%d (EMAILID THREADID)", seq);
	text = run_command(co, c, VERB_FETCH, false, what);
	assert_has(text, "THREADID NIL)\r\nOK");
	text = strstr(text, "EMAILID (");
	assert_non_null(text);
	snprintf(out, EMAIL_ID_SIZE, "%.33s", text + 9);
	assert_int_equal(33, strspn(out, "M0123456789abcdef"));
}

static void
test_email_ids(struct co *co)
{
	char a[EMAIL_ID_SIZE], b[EMAIL_ID_SIZE], got[EMAIL_ID_SIZE];
	char search[100];
	struct client c;

	assert_int_equal(250, deliver(co, "AAAAAAAAA1", "A: b\r\n\r\nx\r\n"));
	assert_int_equal(250, deliver(co, "AAAAAAAAA2", "A: b\r\n\r\nx\r\n"));
	log_in(co, &c);
	DO(CREATE, "Other");
	DO(SELECT, "INBOX");
	email_id(co, &c, 1, a);
	email_id(co, &c, 2, b);
	assert_string_not_equal(a, b); // not by content
	assert_has(DO(COPY, "1 Other"), "OK");
	assert_has(DO(COPY, "1 INBOX"), "OK"); // a new base
	assert_has(DO(COPY, "3 Other"), "OK");
	email_id(co, &c, 3, got);
	assert_string_equal(a, got);
	snprintf(search, sizeof(search), "EMAILID %s", a);
	assert_has(DO(SEARCH, search), "* SEARCH 1 3\r\n");
	snprintf(search, sizeof(search), "NOT EMAILID %s TEXT x", a);
	assert_has(DO(SEARCH, search), "* SEARCH 2\r\n");
	assert_has(DO(SEARCH, "THREADID T1"), "* SEARCH\r\n");
	assert_has(DO(MOVE, "3 Other"), "OK");
	assert_has(DO(MOVE, "2 Other"), "OK");
	log_out(&c);
	restart(co); // it is in the uidlist
	log_in(co, &c);
	assert_has(DO(SELECT, "Other"), "* 4 EXISTS");
	for (int i = 1; i <= 4; i++) {
		email_id(co, &c, i, got);
		assert_string_equal(i == 4 ? b : a, got);
	}
	log_out(&c);
}

/* "MAILBOXID (...)" of the text. */
static void
mailbox_id(const char *text, char out[64])
{
	const char *at = strstr(text, "MAILBOXID (");

	assert_non_null(at);
	snprintf(out, 64, "%.*s", (int)strcspn(at + 11, ")"), at + 11);
	assert_true(out[0] != '\0');
}

static void
test_mailbox_ids(struct co *co)
{
	char made[64], got[64], other[64];
	struct client c;

	log_in(co, &c);
	mailbox_id(DO(CREATE, "One"), made);
	mailbox_id(DO(CREATE, "Two"), other);
	assert_string_not_equal(made, other);
	mailbox_id(DO(SELECT, "One"), got);
	assert_string_equal(made, got);
	mailbox_id(DO(STATUS, "One (MESSAGES MAILBOXID)"), got);
	assert_string_equal(made, got);
	DO(UNSELECT, "");
	assert_has(DO(RENAME, "One Three"), "OK"); // RFC 8474 4
	mailbox_id(DO(LIST, "\"\" Three RETURN (STATUS (MAILBOXID))"), got);
	assert_string_equal(made, got);
	log_out(&c);
	restart(co);
	log_in(co, &c);
	mailbox_id(DO(EXAMINE, "Three"), got);
	assert_string_equal(made, got);
	DO(UNSELECT, "");
	assert_has(DO(DELETE, "Three"), "OK");
	mailbox_id(DO(CREATE, "Three"), got);
	assert_string_not_equal(made, got);
	log_out(&c);
}

/* A uidlist that another program began without a GUID. */
static void
test_no_guid(struct co *co)
{
	char path[512], made[64], got[64];
	struct client c;
	int fd;

	log_in(co, &c);
	DO(STATUS, "INBOX (MESSAGES)");
	log_out(&c);
	stop(co);
	snprintf(path, sizeof(path), "%s/example1.local/user1/dovecot-uidlist",
		 t.root);
	fd = open(path, O_WRONLY | O_TRUNC);
	assert_int_equal(OK, fs_write_all(fd, S("3 V1700000000 N5\n")));
	close(fd);
	start();
	log_in(co, &c);
	mailbox_id(DO(SELECT, "INBOX"), made);
	assert_has(c.text.p, "UIDVALIDITY 1700000000");
	log_out(&c);
	restart(co);
	log_in(co, &c);
	mailbox_id(DO(SELECT, "INBOX"), got);
	assert_string_equal(made, got);
	log_out(&c);
}

SCENARIO(ids)
SCENARIO(email_ids)
SCENARIO(mailbox_ids)
SCENARIO(no_guid)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run_ids),
		cmocka_unit_test(run_email_ids),
		cmocka_unit_test(run_mailbox_ids),
		cmocka_unit_test(run_no_guid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
