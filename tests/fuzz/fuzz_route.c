/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_route.c - resolution over a configuration made of bytes.
 *
 * Input: sender, recipient, then main.cf, virtual.cf, transport.cf,
 * relaymap.cf, sasl-password.cf, quotas.cf, each ended by a 0xff byte.
 * Oracle: answers are whole; nothing is relayed without permission but to
 * local and relay domains; explain agrees with resolve about the number of
 * targets; a remote target's next hops can be parsed. */
#include "lib/base/check.h"
#include "lib/mail/nexthop.h"
#include "router/route/lint.h"
#include "router/route/resolve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct str names[] = { STR_INIT("user1@example1.local"),
				    STR_INIT("user2@example1.local") };

static void
check_target(const struct route_target *t)
{
	struct str list = t->nexthop, element;
	struct nexthop hop;
	const char *why;

	check(t->transport.n > 0);
	check(str_chr(t->address, '@') >= 0);
	if (t->class == ROUTE_LOCAL)
		check(t->mailbox.n > 0);
	if (t->class == ROUTE_ERROR)
		check(t->code.n >= 5 && t->code.p[0] == '5');
	if (t->class == ROUTE_RETRY)
		check(t->code.n >= 5 && t->code.p[0] == '4');
	while (t->class == ROUTE_REMOTE && nexthop_next(&list, &element))
		check(nexthop_parse(element, &hop, &why));
}

static void
check_verdict(const struct config *c, struct str sender, struct str rcpt)
{
	struct route_verdict v;
	struct str domain = str_from(rcpt, (size_t)(str_rchr(rcpt, '@') + 1));
	const struct config_domain *d = config_domain(c, domain);
	bool is_ours, has_tables = false;

	for (size_t i = 0; i < DOMAIN_LISTS; i++)
		has_tables |= c->domain_tables[i].n > 0;
	check(route_check_rcpt(c, sender, rcpt, false, NULL, &v) == OK);
	check(v.reply == 250 || v.reply == 450 || v.reply == 451 ||
	      v.reply == 550 || v.reply == 554);
	check(v.code.n >= 5 && v.code.p[0] - '0' == (char)(v.reply / 100));
	if (v.reply == 250 && str_chr(rcpt, '@') >= 0 && domain.n > 0 &&
	    !str_ends(domain, S(".")))
		check(route_is_destination(c, rcpt, NULL, &is_ours) == OK &&
		      is_ours &&
		      (has_tables ||
		       (d != NULL && (d->flags & DOMAIN_LOCAL) != 0) ||
		       config_is_relay_domain(c, domain)));
}

static size_t
count_targets(struct str text)
{
	struct str line;
	size_t n = 0;

	while (str_line(&text, &line))
		n += str_starts(line, S("=> "));
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct table_variable files[] = {
		{ S("main.cf"), S("") },	  { S("virtual.cf"), S("") },
		{ S("transport.cf"), S("") },	  { S("relaymap.cf"), S("") },
		{ S("sasl-password.cf"), S("") }, { S("quotas.cf"), S("") },
	};
	size_t n_files = sizeof(files) / sizeof(*files);
	struct config_input in = { .dir = S("/d"),
				   .hostname = S("mta1.example1.local"),
				   .accounts = CONFIG_ACCOUNTS_GIVEN,
				   .account_names = names,
				   .n_account_names = 2,
				   .files = files,
				   .n_files = n_files };
	struct str rest = str_of(data, size), sender = S(""), rcpt = S("");
	struct arena arena = ARENA_INIT(64 << 20);
	struct buf text = BUF_INIT(64 << 20);
	struct route_result result;
	struct config *c = NULL;
	struct diag d;

	str_split(&rest, (char)0xff, &sender);
	str_split(&rest, (char)0xff, &rcpt);
	for (size_t i = 0; i < n_files; i++)
		str_split(&rest, (char)0xff, &files[i].value);
	diag_init(&d, 1 << 16);
	if (config_load(&in, &d, &c) == OK) {
		route_lint(c, &d);
		check_verdict(c, sender, rcpt);
		if (route_resolve(c, sender, rcpt, &arena, NULL, &result) ==
		    OK) {
			check(result.n > 0);
			for (size_t i = 0; i < result.n; i++)
				check_target(&result.list[i]);
			if (route_explain(c, sender, rcpt, NULL, &text) == OK)
				check(count_targets(buf_str(&text)) ==
				      result.n);
		}
	}
	config_free(&c);
	diag_release(&d);
	buf_release(&text);
	arena_release(&arena);
	return 0;
}
