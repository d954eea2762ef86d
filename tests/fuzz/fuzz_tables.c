/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_tables.c - references of tables, and files of rules.
 *
 * Input: a reference, a key, then the bytes of every file, each ended by a 0xff
 * byte. The first octet may say that the file is what matters: r, p, c, a open
 * it as regexp, pcre, cidr, or aliases(5).
 * Oracle: opening and asking end, within bounds; an answer is whole (a value,
 * or a reason); the same question has the same answer; a table that is not
 * available never says "not found"; a remote table asks exactly one question,
 * and its request can be written; a reply is not both whole and unfinished. */
#include "lib/base/check.h"
#include "router/map/rules.h"
#include "router/map/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { KEY_MAX = 2000 };

static enum err
read_bytes(void *arg, struct str path, struct str *file_out,
	   struct str *bytes_out)
{
	*file_out = path;
	*bytes_out = *(const struct str *)arg;
	return OK;
}

static void
check_reply(const struct remote_place *place, struct str bytes,
	    struct arena *arena)
{
	struct str text;
	enum err e = remote_read_reply(place, bytes, arena, &text);

	for (size_t n = 0; n < bytes.n && n < 64; n++) {
		enum err part = remote_read_reply(place, str_first(bytes, n),
						  arena, &text);

		/* A whole reply has nothing behind it. */
		if (part == OK || part == ERR_NOT_FOUND ||
		    part == ERR_UNAVAILABLE)
			check(e == ERR_FORMAT);
	}
}

static void
check_answer(const struct table *t, struct str key, struct arena *arena)
{
	static struct remote remote;
	struct table_ask ask = { arena, &remote, NULL };
	struct table_answer a, b;
	struct buf request = BUF_INIT(64 * 1024);
	enum err e;

	remote_init(&remote, arena);
	e = table_find(t, key, &ask, &a);
	check(e == OK || e == ERR_NOT_FOUND || e == ERR_UNAVAILABLE ||
	      e == ERR_MORE);
	check(t->is_available || e == ERR_UNAVAILABLE);
	check(e != OK || a.value.n > 0);
	check(e != ERR_UNAVAILABLE || a.why.n > 0);
	check(table_find(t, key, &ask, &b) == e);
	if (e == OK)
		check(str_eq(a.value, b.value) && a.line == b.line);
	if (e == ERR_MORE) {
		struct remote_question *q = remote_next(&remote);

		check(q != NULL && remote.n == 1);
		check(remote_put_request(&q->place, q->key, &request) == OK ||
		      key.n > 1000);
		check_reply(&q->place, key, arena);
		remote_answer(&remote, q, OK, S("v"));
		check(table_find(t, key, &ask, &a) != ERR_MORE ||
		      remote_next(&remote) != NULL);
	}
	buf_release(&request);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct {
		char first;
		struct str reference;
	} files[] = {
		{ 'r', STR_INIT("regexp:/f") },
		{ 'p', STR_INIT("pcre:/f") },
		{ 'c', STR_INIT("cidr:/f") },
		{ 'a', STR_INIT("texthash:/f") },
	};
	struct str rest = str_of(data, size), reference = S(""), key = S("");
	struct table_options options = { 0 };
	struct arena arena = ARENA_INIT(64 << 20);
	struct table_source source = { .arena = &arena, .read = read_bytes };
	struct rule_view rule;
	struct table t;
	struct diag d;

	str_split(&rest, (char)0xff, &reference);
	str_split(&rest, (char)0xff, &key);
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		if (reference.n == 1 && reference.p[0] == files[i].first) {
			reference = files[i].reference;
			options.is_alias_file = files[i].first == 'a';
		}
	diag_init(&d, 1 << 16);
	source.d = &d;
	source.arg = &rest;
	if (table_open(&t, &source, reference, S("/main.cf"), 1, &options) ==
	    OK) {
		check(t.is_available || d.n_errors > 0);
		check_answer(&t, str_first(key, KEY_MAX), &arena);
		for (size_t at = 0; t.rules && rules_next(t.rules, &at, &rule);)
			check(rule.line > 0 && rule.pattern.n > 0);
	}
	table_release(&t);
	diag_release(&d);
	arena_release(&arena);
	return 0;
}
