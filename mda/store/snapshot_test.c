/* SPDX-License-Identifier: MIT
 * mda/store/snapshot_test.c - what a client sees after a restart is the same
 * with a snapshot, without, and with a damaged one; and the directories are
 * read only when something changed there. */
#include "tests/unit/store_frame.h"

enum { N = 600, FEW_MS = 30 };

static char *
path_of(const char *name, char out[512])
{
	snprintf(out, 512, "%s/example1.local/user1/%s", t.root, name);
	return out;
}

static void
make_letter(const char *dir, int number, const char *info)
{
	char name[300], path[512];
	FILE *file;

	snprintf(name, sizeof(name), "%s/%d.M%dP1.host,S=10,W=10%s", dir,
		 1700000000 + number, number, info);
	file = fopen(path_of(name, path), "w");
	assert_non_null(file);
	assert_true(fputs("A: b\r\n\r\nx\r", file) >= 0);
	fclose(file);
}

static void
fill(struct co *co)
{
	struct client c;

	log_in(co, &c);
	DO(SELECT, "INBOX");
	log_out(&c);
	for (int i = 0; i < N; i++)
		make_letter("cur", i, i % 3 ? ":2,S" : ":2,");
}

/* All that clients see of the mailbox. */
static char *
see(struct co *co)
{
	struct buf all = BUF_INIT(OUT_MAX_OCTETS);
	struct client c;

	log_in(co, &c);
	buf_put(&all, str_c(DO(SELECT, "INBOX")));
	buf_put(&all, str_c(DO(FETCH, "1:* (UID FLAGS MODSEQ RFC822.SIZE "
				      "INTERNALDATE SAVEDATE)")));
	buf_put(&all, str_c(DO(STATUS, "INBOX (MESSAGES UIDNEXT UIDVALIDITY "
				       "UNSEEN SIZE HIGHESTMODSEQ)")));
	log_out(&c);
	buf_putc(&all, '\0');
	return all.p;
}

static void
assert_same(char *got, const char *want, const char *why)
{
	if (strcmp(got, want) != 0)
		fail_msg("%s: got\n%.1000s\nwant\n%.1000s", why, got, want);
	free(got);
}

/* Leaves only when nothing is about to be written. */
static void
settle(struct co *co)
{
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(OK, co_sleep_until(co, in_ms(2)));
		if (tree.n_snapshots_due == 0)
			return;
	}
	fail();
}

static void
hurry(void)
{
	tree.snapshot_soon_ms = FEW_MS;
	tree.snapshot_pause_ms = 0;
}

static void
again(struct co *co)
{
	settle(co);
	restart(co);
	hurry();
}

static struct mailbox *
inbox_of(struct co *co, struct client *c)
{
	struct user *u = map_get(&tree.users, str_c(user1));

	log_in(co, c);
	run_command(co, c, VERB_SELECT, false, "INBOX");
	if (u == NULL)
		u = map_get(&tree.users, str_c(user1));
	return map_get(&u->mailboxes, S(""));
}

/* How often the directories were read for the messages. */
static uint64_t
scans(struct co *co)
{
	struct client c;
	struct mailbox *m = inbox_of(co, &c);
	uint64_t n;

	DO(FETCH, "1 UID");
	n = m->n_scans;
	log_out(&c);
	return n;
}

static void
test_same(struct co *co)
{
	struct client c;
	char path[512], *seen;

	hurry();
	fill(co);
	free(see(co));
	settle(co);
	log_in(co, &c);
	DO(SELECT, "INBOX");
	assert_has(DO(STORE, "5:7 +FLAGS (\\Flagged word)"), "OK");
	assert_has(DO(STORE, "300,400 +FLAGS.SILENT (\\Deleted)"), "OK");
	DO(EXPUNGE, "");
	log_out(&c);
	settle(co);
	seen = see(co);
	again(co);
	assert_int_equal(0, scans(co));
	assert_same(see(co), seen, "with it");
	again(co);
	assert_int_equal(0, unlink(path_of("estafeta-snapshot", path)));
	assert_int_equal(1, scans(co));
	assert_same(see(co), seen, "without");
	settle(co);
	free(seen);
}

/* SELECT, STATUS and what needs no message are answered from the head. */
static void
test_outline(struct co *co)
{
	struct client c, other;
	struct mailbox *m;
	char args[100];
	uint64_t highest;

	hurry();
	fill(co);
	free(see(co));
	again(co);
	m = inbox_of(co, &c);
	DO(UNSELECT, "");
	assert_has(DO(EXAMINE, "INBOX"), "* 600 EXISTS\r\n* 0 RECENT\r\n"
					 "* OK [UNSEEN 1] ");
	assert_has(DO(STATUS, "INBOX (MESSAGES UNSEEN DELETED UIDNEXT)"),
		   "(MESSAGES 600 UIDNEXT 601 UNSEEN 200 DELETED 0)\r\n");
	WANT(DO(NOOP, ""), "OK done");
	DO(CLOSE, "");
	highest = strtoull(strstr(DO(SELECT, "INBOX"), "HIGHESTMODSEQ ") + 14,
			   NULL, 10);
	WANT(DO(CLOSE, ""), "OK closed");
	DO(ENABLE, "QRESYNC");
	snprintf(args, sizeof(args), "INBOX (QRESYNC (%u %llu))",
		 number_after(DO(SELECT, "INBOX"), "UIDVALIDITY "),
		 (unsigned long long)highest);
	DO(SELECT, args);
	assert_false(m->is_loaded);
	assert_int_equal(1, m->n_outlined);
	/* Numbers mean what was told, whatever others did meanwhile. */
	log_in(co, &other);
	run_command(co, &other, VERB_SELECT, false, "INBOX");
	assert_int_equal(2, m->n_outlined);
	run_command(co, &other, VERB_STORE, false,
		    "2,600 +FLAGS.SILENT (\\Deleted)");
	run_command(co, &other, VERB_EXPUNGE, false, "");
	assert_true(m->is_loaded);
	assert_has(DO(FETCH, "3 UID"), "* 3 FETCH (UID 3)\r\n");
	assert_has(DO(NOOP, ""), "* VANISHED 2,600\r\n");
	assert_has(DO(FETCH, "2 UID"), "* 2 FETCH (UID 3)\r\n");
	assert_int_equal(0, m->n_outlined);
	assert_null(m->first_uids);
	log_out(&c);
	log_out(&other);
	/* Foreign changes are met, by NOOP as well. */
	again(co);
	m = inbox_of(co, &c);
	make_letter("cur", N + 5, ":2,R");
	assert_has(DO(NOOP, ""), "* 599 EXISTS\r\n");
	assert_has(DO(FETCH, "599 FLAGS"), "(\\Answered)");
	log_out(&c);
	settle(co);
}

static void
damage_end(void)
{
	struct buf file = BUF_INIT(1 << 20);
	char path[512];
	int fd;

	read_file("estafeta-snapshot", &file);
	file.p[file.n - 9] ^= 0x41;
	fd = open(path_of("estafeta-snapshot", path), O_WRONLY | O_TRUNC);
	assert_int_equal(OK, fs_write_all(fd, buf_str(&file)));
	close(fd);
	buf_release(&file);
}

/* RFC 8508 3: the number is that of a message that was told of. */
static void
test_outline_then_replace(struct co *co)
{
	struct client c;

	hurry();
	fill(co);
	free(see(co));
	again(co);
	assert_false(inbox_of(co, &c)->is_loaded);
	assert_has(replace(co, &c, "2 INBOX ", "A: b\r\n\r\nnew\r\n"),
		   "* 2 EXPUNGE\r\n");
	log_out(&c);
	settle(co);
}

/* The head was told of, and then the body is found damaged. */
static void
test_outline_without_body(struct co *co)
{
	char path[512], *seen;
	struct client c;

	hurry();
	fill(co);
	seen = see(co);
	settle(co);
	stop(co);
	damage_end();
	start();
	hurry();
	assert_same(see(co), seen, "damage behind the head");
	settle(co);
	stop(co);
	damage_end();
	start();
	hurry();
	log_in(co, &c);
	assert_has(DO(SELECT, "INBOX"), "* 600 EXISTS\r\n");
	path_of("cur/1700000002.M2P1.host,S=10,W=10:2,S", path);
	assert_int_equal(0, unlink(path));
	/* Which number was it? Nobody knows. */
	assert_has(DO(FETCH, "1:* UID"), "BYE ");
	log_out(&c);
	log_in(co, &c);
	assert_has(DO(SELECT, "INBOX"), "* 599 EXISTS\r\n");
	log_out(&c);
	settle(co);
	free(seen);
}

/* RFC 7162: what vanished is told over a restart, too. */
static void
test_vanished(struct co *co)
{
	struct client c;
	char args[100];
	uint32_t validity;

	hurry();
	fill(co);
	log_in(co, &c);
	DO(ENABLE, "QRESYNC");
	validity = number_after(DO(SELECT, "INBOX"), "UIDVALIDITY ");
	DO(STORE, "10:12,600 +FLAGS.SILENT (\\Deleted)");
	DO(EXPUNGE, "");
	log_out(&c);
	again(co);
	assert_int_equal(0, scans(co));
	log_in(co, &c);
	DO(ENABLE, "QRESYNC");
	snprintf(args, sizeof(args), "INBOX (QRESYNC (%u 1))", validity);
	assert_has(DO(SELECT, args), "* VANISHED (EARLIER) 10:12,600\r\n");
	log_out(&c);
	settle(co);
}

/* Changes of other programs while no process of ours ran. */
static void
test_changed_meanwhile(struct co *co)
{
	char from[512], to[512], *seen;
	struct client c;

	hurry();
	fill(co);
	free(see(co));
	again(co);
	/* A delivery alone: cur/ is not read for it. */
	make_letter("new", N, "");
	seen = see(co);
	assert_has(seen, "* 601 EXISTS\r\n* 1 RECENT\r\n");
	assert_has(seen, "UIDNEXT 602]");
	free(seen);
	again(co);
	/* Flags, a removal, an arrival in cur/. */
	path_of("cur/1700000001.M1P1.host,S=10,W=10:2,S", from);
	path_of("cur/1700000001.M1P1.host,S=10,W=10:2,FS", to);
	assert_int_equal(0, rename(from, to));
	path_of("cur/1700000002.M2P1.host,S=10,W=10:2,S", from);
	assert_int_equal(0, unlink(from));
	make_letter("cur", N + 1, ":2,R");
	log_in(co, &c);
	assert_has(DO(SELECT, "INBOX"), "* 601 EXISTS\r\n");
	WANT(DO(FETCH, "1:3,601 (UID FLAGS)"),
	     "* 1 FETCH (UID 1 FLAGS ())\r\n"
	     "* 2 FETCH (UID 2 FLAGS (\\Flagged \\Seen))\r\n"
	     "* 3 FETCH (UID 4 FLAGS ())\r\n"
	     "* 601 FETCH (UID 602 FLAGS (\\Answered))\r\nOK fetched");
	log_out(&c);
	again(co);
	assert_int_equal(0, scans(co));
	settle(co);
}

/* The uidlist or the log is not the one it was written with. */
static void
test_other_files(struct co *co)
{
	static const char *const names[] = { "dovecot-uidlist",
					     "estafeta-log" };
	char path[512], *seen;

	hurry();
	fill(co);
	seen = see(co);
	for (int i = 0; i < 2; i++) {
		struct buf file = BUF_INIT(1 << 20);
		int fd;

		again(co);
		assert_int_equal(0, scans(co));
		settle(co);
		stop(co);
		read_file(names[i], &file);
		assert_int_equal(0, unlink(path_of(names[i], path)));
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
		assert_int_equal(OK, fs_write_all(fd, buf_str(&file)));
		close(fd);
		buf_release(&file);
		start();
		hurry();
		assert_int_equal(1, scans(co));
		assert_same(see(co), seen, names[i]);
	}
	settle(co);
	free(seen);
}

/* F06: damaged, cut, of another version: told as if there were none. */
static void
test_damage(struct co *co)
{
	struct buf file = BUF_INIT(1 << 20);
	char path[512], *seen;
	size_t at = 0;

	hurry();
	fill(co);
	seen = see(co);
	for (int i = 0; i < 8; i++) {
		bool is_cut = i % 4 == 3;
		int fd;

		settle(co);
		stop(co);
		read_file("estafeta-snapshot", &file);
		/* Each field of the head, then here and there. */
		at = i < 4 ? (size_t)i * 61 : file.n - 1 - (i - 4) * 9001u;
		file.p[at] ^= 0x41;
		fd = open(path_of("estafeta-snapshot", path),
			  O_WRONLY | O_TRUNC);
		assert_int_equal(
			OK,
			fs_write_all(fd, is_cut ? str_first(buf_str(&file), at)
						: buf_str(&file)));
		close(fd);
		start();
		hurry();
		if (scans(co) != 1)
			fail_msg("taken with damage at %zu", at);
		assert_same(see(co), seen, "damage");
	}
	settle(co);
	free(seen);
	buf_release(&file);
}

SCENARIO(same)
SCENARIO(outline)
SCENARIO(outline_then_replace)
SCENARIO(outline_without_body)
SCENARIO(vanished)
SCENARIO(changed_meanwhile)
SCENARIO(other_files)
SCENARIO(damage)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run_same),
		cmocka_unit_test(run_outline),
		cmocka_unit_test(run_outline_then_replace),
		cmocka_unit_test(run_outline_without_body),
		cmocka_unit_test(run_vanished),
		cmocka_unit_test(run_changed_meanwhile),
		cmocka_unit_test(run_other_files),
		cmocka_unit_test(run_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
