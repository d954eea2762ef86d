/* SPDX-License-Identifier: MIT
 * tests/unit/route_frame.h - a configuration given as texts of files, and what
 * the router makes of a recipient by it. */
#pragma once

#include "router/route/resolve.h"
#include "tests/unit/unit.h"

#define F(name, text)                          \
	{                                      \
		STR_INIT(name), STR_INIT(text) \
	}

static const struct str names[] = {
	STR_INIT("user1@example1.local"),
	STR_INIT("user2@example1.local"),
	STR_INIT("real+plus@example1.local"),
};

static struct diag diag;
static struct config *config;
static struct arena arena;
static struct route_result result;
static struct table_variable variables[4];
static size_t n_variables;
static size_t n_names = N_OF(names);

static inline void
load(const struct table_variable *files, size_t n_files)
{
	struct config_input in = { .dir = S("/etc/estafeta"),
				   .hostname = S("mta1.example1.local"),
				   .variables = variables,
				   .n_variables = n_variables,
				   .accounts = CONFIG_ACCOUNTS_GIVEN,
				   .account_names = names,
				   .n_account_names = n_names,
				   .files = files,
				   .n_files = n_files };

	config_free(&config);
	diag_release(&diag);
	diag_init(&diag, 1 << 20);
	if (config_load(&in, &diag, &config) != OK)
		for (const struct diag_entry *d = diag.first; d; d = d->next)
			print_error("%.*s:%u: %.*s\n", STR(d->file), d->line,
				    STR(d->text));
	assert_non_null(config);
}

#define LOAD(...)                                                \
	load((struct table_variable[]) { __VA_ARGS__ },          \
	     sizeof((struct table_variable[]) { __VA_ARGS__ }) / \
		     sizeof(struct table_variable))

static inline int
release(void **state UNUSED)
{
	config_free(&config);
	diag_release(&diag);
	arena_release(&arena);
	return 0;
}

static inline void
resolve_from(struct str sender, struct str rcpt)
{
	arena_release(&arena);
	arena_init(&arena, 64 << 20);
	assert_int_equal(
		route_resolve(config, sender, rcpt, &arena, NULL, &result), OK);
	assert_true(result.n > 0);
}

static inline void
expect(struct str rcpt, const char *transport, const char *nexthop)
{
	resolve_from(S("a@sender.test"), rcpt);
	assert_int_equal(result.n, 1);
	assert_str_eq(result.list[0].transport, str_c(transport));
	assert_str_eq(result.list[0].nexthop, str_c(nexthop));
}

static inline void
expect_address(struct str rcpt, const char *address)
{
	resolve_from(S("a@sender.test"), rcpt);
	assert_int_equal(result.n, 1);
	assert_str_eq(result.list[0].address, str_c(address));
	assert_str_eq(result.list[0].original, rcpt);
}

static inline void
expect_text(struct str rcpt, enum route_class class, const char *code,
	    const char *text)
{
	resolve_from(S("a@sender.test"), rcpt);
	assert_int_equal(result.n, 1);
	assert_int_equal(result.list[0].class, class);
	assert_str_eq(result.list[0].code, str_c(code));
	assert_str_eq(result.list[0].text, str_c(text));
}

static inline struct route_verdict
verdict(struct str rcpt, bool is_relay_allowed)
{
	struct route_verdict v;

	assert_int_equal(route_check_rcpt(config, S("a@sender.test"), rcpt,
					  is_relay_allowed, NULL, &v),
			 OK);
	return v;
}

static inline void
expect_reply(struct str rcpt, bool is_relay_allowed, unsigned reply,
	     const char *code)
{
	struct route_verdict v = verdict(rcpt, is_relay_allowed);

	if (v.reply != reply)
		fail_msg("%.*s: %u %.*s %.*s", STR(rcpt), v.reply, STR(v.code),
			 STR(v.text));
	assert_str_eq(v.code, str_c(code));
}
