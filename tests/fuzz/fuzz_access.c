/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_access.c - restriction lists and access values made of bytes.
 *
 * Input: a list, the value of an access table, HELO, sender, recipient, the
 * answer to every fact that is asked for; each ended by a 0xff byte.
 * Oracle: a decision ends within its bounds; a refusal has a code of 4yz or
 * 5yz, a status of the same class and a text of one line; a fact is asked for
 * once; the recipient of a stranger passes only if it is ours or a list
 * decided about relaying. */
#include "lib/base/check.h"
#include "router/route/access.h"
#include "router/route/resolve.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_FACTS = 128, MAX_LIST_OCTETS = 2048 };

static struct access_fact facts[MAX_FACTS];

static void
check_reply(const struct access_reply *r)
{
	check(r->code >= 400 && r->code <= 599);
	check(r->dsn.n >= 5 && r->dsn.p[0] - '0' == (char)(r->code / 100));
}

/* One fact after the other, as mta/in does. */
static void
decide(const struct config *c, struct access_facts *f, struct str answer)
{
	struct arena keys = ARENA_INIT(4 << 20);
	struct access_result r;
	bool is_ours;

	f->n_known = 0;
	for (;;) {
		struct arena arena = ARENA_INIT(8 << 20);
		enum err e = access_check(c, f, &arena, NULL, &r);

		if (e != OK) {
			check(e == ERR_LIMIT);
			arena_release(&arena);
			break;
		}
		if (r.outcome == ACCESS_REFUSE)
			check_reply(&r.reply);
		if (r.outcome == ACCESS_PASS && f->stage == ACCESS_AT_RCPT &&
		    !r.is_relay_decided)
			check(route_is_destination(c, f->rcpt, NULL,
						   &is_ours) == OK &&
			      is_ours);
		for (size_t i = 0; r.outcome == ACCESS_NEED && i < f->n_known;
		     i++)
			check(facts[i].kind != r.need_kind ||
			      !str_eq(facts[i].key, r.need_key));
		if (r.outcome != ACCESS_NEED || f->n_known == MAX_FACTS) {
			arena_release(&arena);
			break;
		}
		facts[f->n_known].kind = r.need_kind;
		facts[f->n_known].status = answer.n % 3 == 0   ? FACT_FOUND
					   : answer.n % 3 == 1 ? FACT_NONE
							       : FACT_TEMPORARY;
		facts[f->n_known].value = answer;
		e = arena_str(&keys, r.need_key, &facts[f->n_known].key);
		arena_release(&arena);
		if (e != OK)
			break;
		f->n_known++;
	}
	arena_release(&keys);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_of(data, size), parts[6] = { S("") };
	struct buf main_cf = BUF_INIT(8192), table = BUF_INIT(8192);
	struct table_variable files[] = { { S("main.cf"), S("") },
					  { S("t"), S("") } };
	struct config_input input = {
		.dir = S("/d"),
		.hostname = S("mta1.example1.local"),
		.accounts = CONFIG_ACCOUNTS_GIVEN,
		.account_names = (const struct str[]) { STR_INIT("u@us.test") },
		.n_account_names = 1,
		.files = files,
		.n_files = 2,
	};
	struct config *c = NULL;
	struct diag d;

	for (size_t i = 0; i < 6; i++)
		if (!str_split(&in, '\xff', &parts[i]))
			parts[i] = S("");
	buf_putf(&main_cf,
		 "smtpd_restriction_classes = one\n"
		 "one = check_sender_access texthash:t\n"
		 "smtpd_recipient_restrictions = one, %.*s\n"
		 " reject_unauth_destination\n",
		 STR(str_first(parts[0], MAX_LIST_OCTETS)));
	buf_putf(&table, "a@b.test %.*s\n",
		 STR(str_first(parts[1], MAX_LIST_OCTETS)));
	files[0].value = buf_str(&main_cf);
	files[1].value = buf_str(&table);
	diag_init(&d, 1 << 20);
	if (config_load(&input, &d, &c) == OK) {
		struct access_facts f = {
			.client = S("192.0.2.1"),
			.helo = parts[2],
			.has_sender = true,
			.sender = parts[3].n > 0 ? parts[3] : S("a@b.test"),
			.has_rcpt = true,
			.rcpt = parts[4].n > 0 ? parts[4] : S("u@us.test"),
			.known = facts,
		};

		for (f.stage = 0; f.stage < ACCESS_STAGES; f.stage++)
			decide(c, &f, parts[5]);
	}
	config_free(&c);
	diag_release(&d);
	buf_release(&main_cf);
	buf_release(&table);
	return 0;
}
