/* SPDX-License-Identifier: MIT
 * router/route/access_service.c - policy services: the request, and the answer.
 */
#include "router/route/access_private.h"

#include "lib/mail/cflines.h"

/* Foreign text must not begin a line of the request. */
static struct str
one_line(struct eval *e, struct str text)
{
	char *p = arena_alloc(e->arena, text.n + 1);
	size_t n = 0;

	if (p == NULL) {
		e->is_full = true;
		return S("");
	}
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] >= 0x20 && text.p[i] != 0x7f)
			p[n++] = text.p[i];
	return str_of(p, n);
}

static struct str
service_request(struct eval *e, struct str context, struct str name,
		struct str reverse)
{
	static const char *const states[ACCESS_STAGES] = {
		[ACCESS_AT_CONNECT] = "CONNECT",
		[ACCESS_AT_HELO] = "EHLO",
		[ACCESS_AT_MAIL] = "MAIL",
		[ACCESS_AT_RCPT] = "RCPT",
		[ACCESS_AT_DATA] = "DATA",
		[ACCESS_AT_END_OF_DATA] = "END-OF-MESSAGE",
	};
	const struct access_facts *f = e->f;

	return access_text(
		e,
		"%.*s\nrequest=smtpd_access_policy\nprotocol_state=%s\n"
		"protocol_name=%s\nclient_address=%.*s\nclient_name=%.*s\n"
		"reverse_client_name=%.*s\nhelo_name=%.*s\nsender=%.*s\n"
		"recipient=%.*s\nrecipient_count=%u\nqueue_id=\n"
		"instance=%.*s\nsize=%llu\netrn_domain=\nstress=\n"
		"sasl_method=%s\nsasl_username=%.*s\nsasl_sender=\n"
		"ccert_subject=\nccert_issuer=\nccert_fingerprint=\n"
		"encryption_protocol=%s\npolicy_context=%.*s\n\n",
		STR(e->rule->argument), states[f->stage],
		f->is_extended ? "ESMTP" : "SMTP", STR(f->client), STR(name),
		STR(reverse), STR(one_line(e, f->helo)),
		STR(one_line(e, f->sender)), STR(one_line(e, f->rcpt)),
		f->stage >= ACCESS_AT_DATA ? f->n_rcpts : 0, STR(f->instance),
		(unsigned long long)f->size_octets,
		f->login.n > 0 ? "plain" : "", STR(one_line(e, f->login)),
		f->is_tls ? "TLS" : "", STR(one_line(e, context)));
}

/* A "name=value" or "{ name = value }" behind the address of a service. */
static struct str
service_option(struct str options, const char *name, struct str otherwise)
{
	struct str item, key;

	while (settings_item(&options, &item)) {
		if (!str_split(&item, '=', &key) || item.p == NULL)
			continue;
		if (str_eq(cflines_trim(key), str_c(name)))
			return cflines_trim(item);
	}
	return otherwise;
}

enum status
access_check_service(struct eval *e, const struct scope *s)
{
	const struct settings *settings = &e->c->settings;
	struct str options = e->rule->options, name, reverse, request;
	const struct access_fact *f;
	bool is_sure;

	if (!access_reverse_name(e, &reverse, &is_sure) ||
	    !access_client_name(e, &name, &is_sure))
		return STOPPED;
	request = service_request(
		e,
		service_option(
			options, "policy_context",
			settings_text(settings,
				      "smtpd_policy_service_policy_context")),
		name, reverse);
	f = access_need(e, FACT_SERVICE, request);
	if (f == NULL)
		return STOPPED;
	if (f->status == FACT_FOUND)
		return access_act(e, s, cflines_trim(f->value));
	access_order(e, EFFECT_NOTE, S("the policy service does not answer"));
	return access_act(
		e, s,
		service_option(options, "default_action",
			       settings_text(settings,
					     "smtpd_policy_service_default_"
					     "action")));
}
