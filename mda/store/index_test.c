/* SPDX-License-Identifier: MIT
 * mda/store/index_test.c - what is told is the same with the index, without
 * it, and with a damaged one; and the file goes only when it must. */
#include "tests/unit/store_frame.h"

static const char *const letters[] = {
	"Date: Mon, 7 Feb 1994 21:52:25 -0800 (PST)\r\n"
	"From: Fred Foobar <foobar@Blurdybloop.example>\r\n"
	"Subject: Re: afternoon meeting\r\n"
	"To: mooch@owatagu.example\r\n\r\nHello Joe\r\n",
	"Subject: bare lines\n\none\ntwo\n",
	"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n"
	"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nx\r\n"
	"--b--\r\n",
	"\r\n",
};
static const char items[] =
	"1:* (UID ENVELOPE BODY BODYSTRUCTURE INTERNALDATE RFC822.SIZE)";

static char *
index_path(char out[256])
{
	snprintf(out, 256, "%s/example1.local/user1/estafeta-index", t.root);
	return out;
}

static char *
fetch_new(struct co *co, const char *what)
{
	struct client c;
	char *text;

	log_in(co, &c);
	DO(SELECT, "INBOX");
	text = str_dup_c(str_c(DO(FETCH, what)));
	assert_has(text, "OK fetched");
	log_out(&c);
	return text;
}

static void
fill(struct co *co)
{
	char id[16];

	for (size_t i = 0; i < N_OF(letters); i++) {
		snprintf(id, sizeof(id), "AAAAAAAAAA%zu", i);
		assert_int_equal(250, deliver(co, id, letters[i]));
	}
}

static void
assert_same(const char *want, char *got, const char *why, size_t at)
{
	if (strcmp(want, got) != 0)
		fail_msg("%s %zu: got\n%s\nwant\n%s", why, at, got, want);
	free(got);
}

static void
test_same(struct co *co)
{
	struct buf before = BUF_INIT(1 << 20), after = BUF_INIT(1 << 20);
	char path[256], *made, *part;

	fill(co);
	part = fetch_new(co, "1:* (ENVELOPE)"); // first without structure
	made = fetch_new(co, items);
	assert_has(made, "\"Re: afternoon meeting\"");
	assert_has(made, "\"mixed\"");
	assert_int_equal(OK, fs_read_file(AT_FDCWD, index_path(path), &before));
	assert_same(made, fetch_new(co, items), "again", 0);
	restart(co);
	assert_same(made, fetch_new(co, items), "restart", 0);
	assert_same(part, fetch_new(co, "1:* (ENVELOPE)"), "envelope", 0);
	/* Read, not made anew. */
	assert_int_equal(OK, fs_read_file(AT_FDCWD, path, &after));
	assert_str_eq(buf_str(&after), buf_str(&before));
	assert_int_equal(0, unlink(path));
	restart(co);
	assert_same(made, fetch_new(co, items), "removal", 0);
	free(made);
	free(part);
	buf_release(&before);
	buf_release(&after);
}

/* Read from the index alone: a message has no content. */
static void
test_needs_no_message(struct co *co)
{
	char path[512], name[256], *made;

	fill(co);
	made = fetch_new(co, items);
	restart(co);
	assert_int_equal(N_OF(letters), count_files("cur", name));
	snprintf(path, sizeof(path), "%s/example1.local/user1/cur/%s", t.root,
		 name);
	assert_int_equal(0, truncate(path, 0));
	assert_same(made, fetch_new(co, items), "index alone", 0);
	free(made);
}

/* F06, Must hold: each part of the file damaged, or cut. */
static void
test_damage(struct co *co)
{
	struct buf file = BUF_INIT(1 << 20);
	char path[256], *made;

	fill(co);
	made = fetch_new(co, items);
	assert_int_equal(OK, fs_read_file(AT_FDCWD, index_path(path), &file));
	for (size_t at = 0; at < file.n; at += 131) {
		for (int kind = 0; kind < 2; kind++) {
			int fd;

			stop(co);
			fd = open(path, O_WRONLY | O_TRUNC);
			file.p[at] ^= kind == 0 ? 0x20 : 0;
			assert_int_equal(
				OK,
				fs_write_all(fd,
					     kind == 0
						     ? buf_str(&file)
						     : str_first(buf_str(&file),
								 at)));
			file.p[at] ^= kind == 0 ? 0x20 : 0;
			close(fd);
			start();
			assert_same(made, fetch_new(co, items),
				    kind == 0 ? "flip" : "cut", at);
			assert_same(made, fetch_new(co, items), "after", at);
		}
	}
	free(made);
	buf_release(&file);
}

/* SORT by what the index keeps, by what it lacks, and by both. */
static void
test_sort(struct co *co)
{
	static const char want[] = "* SORT 2 4 3 1 5\r\nOK sorted";
	static const char *const subjects[] = { "Subject: Re: d\r\n\r\n",
						"Subject:\r\n a\r\n\r\n",
						"Subject: c\r\n\r\n",
						"Subject: Fwd: B\r\n\r\n",
						"Subject: e\r\n\r\n" };
	struct client c;
	char id[16];

	for (size_t i = 0; i < N_OF(subjects); i++) {
		snprintf(id, sizeof(id), "AAAAAAAAAB%zu", i);
		assert_int_equal(250, deliver(co, id, subjects[i]));
	}
	free(fetch_new(co, "2:3 (ENVELOPE)"));
	for (int i = 0; i < 3; i++) {
		log_in(co, &c);
		DO(SELECT, "INBOX");
		WANT(DO(SORT, "(SUBJECT) UTF-8 ALL"), want);
		log_out(&c);
		if (i == 1)
			restart(co);
	}
}

SCENARIO(sort)
SCENARIO(same)
SCENARIO(needs_no_message)
SCENARIO(damage)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run_sort),
		cmocka_unit_test(run_same),
		cmocka_unit_test(run_needs_no_message),
		cmocka_unit_test(run_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
