/* SPDX-License-Identifier: MIT
 * lib/ipc/router.c - messages of the router. */
#include "lib/ipc/router.h"

#include "lib/ipc/wire.h"

void
router_put_ask(struct buf *out, const struct router_ask *ask)
{
	wire_put_str(out, ask->sender);
	wire_put_str(out, ask->rcpt);
	wire_put_bool(out, ask->may_relay);
	wire_put_bool(out, ask->takes_unknown);
	wire_put_bool(out, ask->is_unmapped);
}

enum err
router_read_ask(struct str body, struct router_ask *out)
{
	struct wire w = wire_of(body);

	out->sender = wire_str_max(&w, ROUTER_ADDRESS_MAX_OCTETS);
	out->rcpt = wire_str_max(&w, ROUTER_ADDRESS_MAX_OCTETS);
	out->may_relay = wire_bool(&w);
	out->takes_unknown = wire_bool(&w);
	out->is_unmapped = wire_bool(&w);
	return wire_end(&w);
}

void
router_put_verdict(struct buf *out, const struct router_verdict *v)
{
	wire_put_u16(out, v->code);
	wire_put_str(out, v->enhanced);
	wire_put_str(out, v->text);
	wire_put_bool(out, v->is_local);
	wire_put_str(out, v->mailbox);
	wire_put_str(out, v->bcc);
	wire_put_u64(out, v->lasts_in);
}

enum err
router_read_verdict(struct str body, struct router_verdict *out)
{
	struct wire w = wire_of(body);

	out->code = wire_u16(&w);
	out->enhanced = wire_str_max(&w, 16);
	out->text = wire_str_max(&w, ROUTER_TEXT_MAX_OCTETS);
	out->is_local = wire_bool(&w);
	out->mailbox = wire_str_max(&w, ROUTER_ADDRESS_MAX_OCTETS);
	out->bcc = wire_str_max(&w, ROUTER_ADDRESS_MAX_OCTETS);
	out->lasts_in = wire_u64(&w);
	return wire_end(&w);
}

void
router_put_route(struct buf *out, const struct router_route *r)
{
	wire_put_u8(out, (uint8_t)r->class);
	wire_put_str(out, r->address);
	wire_put_str(out, r->mailbox);
	wire_put_str(out, r->transport);
	wire_put_str(out, r->next_hop);
	wire_put_str(out, r->enhanced);
	wire_put_str(out, r->text);
	wire_put_str(out, r->sasl_user);
	wire_put_str(out, r->sasl_password);
	wire_put_str(out, r->tls_policy);
	wire_put_u64(out, r->lasts_in);
}

enum err
router_read_route(struct str body, struct router_route *out)
{
	struct wire w = wire_of(body);

	out->class = wire_below(&w, ROUTE_CLASSES);
	out->address = wire_str_max(&w, ROUTER_ADDRESS_MAX_OCTETS);
	out->mailbox = wire_str_max(&w, ROUTER_ADDRESS_MAX_OCTETS);
	out->transport = wire_str_max(&w, ROUTER_TEXT_MAX_OCTETS);
	out->next_hop = wire_str_max(&w, ROUTER_TEXT_MAX_OCTETS);
	out->enhanced = wire_str_max(&w, 16);
	out->text = wire_str_max(&w, ROUTER_TEXT_MAX_OCTETS);
	out->sasl_user = wire_str_max(&w, ROUTER_TEXT_MAX_OCTETS);
	out->sasl_password = wire_str_max(&w, ROUTER_TEXT_MAX_OCTETS);
	out->tls_policy = wire_str_max(&w, ROUTER_TEXT_MAX_OCTETS);
	out->lasts_in = wire_u64(&w);
	return wire_end(&w);
}

void
router_put_quota(struct buf *out, const struct router_quota *q)
{
	wire_put_bool(out, q->exists);
	wire_put_u64(out, q->storage_octets);
	wire_put_u64(out, q->messages);
	wire_put_u64(out, q->grace_octets);
	wire_put_bool(out, q->is_spanish);
	wire_put_u8(out, (uint8_t)q->n_folders);
	for (size_t i = 0; i < q->n_folders; i++) {
		const struct router_quota_folder *f = &q->folders[i];

		wire_put_str(out, str_c(f->mask));
		wire_put_u64(out, f->storage_octets);
		wire_put_u64(out, f->messages);
		wire_put_bool(out, f->is_ignored);
	}
}

enum err
router_read_quota(struct str body, struct router_quota *out)
{
	struct wire w = wire_of(body);

	out->exists = wire_bool(&w);
	out->storage_octets = wire_u64(&w);
	out->messages = wire_u64(&w);
	out->grace_octets = wire_u64(&w);
	out->is_spanish = wire_bool(&w);
	out->n_folders = wire_below(&w, ROUTER_QUOTA_FOLDERS + 1);
	for (size_t i = 0; i < out->n_folders; i++) {
		struct router_quota_folder *f = &out->folders[i];
		struct str mask = wire_str_max(&w, ROUTER_MASK_SIZE - 1);

		if (str_to_c(mask, f->mask, sizeof(f->mask)) != OK)
			return ERR_FORMAT; // it holds a NUL
		f->storage_octets = wire_u64(&w);
		f->messages = wire_u64(&w);
		f->is_ignored = wire_bool(&w);
	}
	return wire_end(&w);
}

#define FIELD(setting, kind, field)                          \
	{                                                    \
		setting, ROUTER_FIELD_##kind,                \
			offsetof(struct router_smtpd, field) \
	}

const struct router_field router_smtpd_fields[] = {
	FIELD("smtpd_banner", TEXT, banner),
	FIELD("myorigin", TEXT, origin),
	FIELD("smtpd_discard_ehlo_keywords", TEXT, discard_ehlo_keywords),
	FIELD("smtpd_forbid_bare_newline", TEXT, forbid_bare_newline),
	FIELD("postscreen_greet_action", TEXT, greet_action),
	FIELD("postscreen_greet_wait", TIME, greet_wait_s),
	FIELD("postscreen_greet_ttl", TIME, greet_ttl_s),
	FIELD("postscreen_dnsbl_sites", TEXT, dnsbl_sites),
	FIELD("postscreen_dnsbl_action", TEXT, dnsbl_action),
	FIELD("postscreen_access_list", TEXT, access_list),
	FIELD("postscreen_denylist_action", TEXT, denylist_action),
	FIELD("postscreen_dnsbl_threshold", NUMBER, dnsbl_threshold),
	FIELD("postscreen_dnsbl_max_ttl", TIME, dnsbl_ttl_s),
	FIELD("smtpd_discard_ehlo_keyword_address_maps", TEXT,
	      discard_ehlo_maps),
	FIELD("smtpd_authorized_xclient_hosts", TEXT, xclient_hosts),
	FIELD("smtpd_upstream_proxy_protocol", TEXT, proxy_protocol),
	FIELD("smtpd_upstream_proxy_networks", TEXT, proxy_networks),
	FIELD("smtpd_client_event_limit_exceptions", TEXT, limit_exceptions),
	FIELD("smtpd_tls_security_level", TEXT, tls_level),
	FIELD("smtpd_tls_protocols", TEXT, tls_protocols),
	FIELD("smtpd_tls_mandatory_protocols", TEXT, tls_mandatory_protocols),
	FIELD("smtpd_tls_exclude_ciphers", TEXT, tls_exclude),
	FIELD("smtpd_tls_mandatory_exclude_ciphers", TEXT,
	      tls_mandatory_exclude),
	FIELD("smtpd_client_connection_count_limit", NUMBER, connection_count),
	FIELD("smtpd_client_connection_rate_limit", NUMBER, connection_rate),
	FIELD("smtpd_client_message_rate_limit", NUMBER, message_rate),
	FIELD("smtpd_client_recipient_rate_limit", NUMBER, recipient_rate),
	FIELD("smtpd_client_auth_rate_limit", NUMBER, auth_rate),
	FIELD("smtpd_user_message_rate_limit", NUMBER, user_message_rate),
	FIELD("smtpd_user_recipient_rate_limit", NUMBER, user_recipient_rate),
	FIELD("smtpd_soft_error_limit", NUMBER, soft_errors),
	FIELD("smtpd_hard_error_limit", NUMBER, hard_errors),
	FIELD("smtpd_junk_command_limit", NUMBER, junk_commands),
	FIELD("smtpd_recipient_overshoot_limit", NUMBER, overshoot),
	FIELD("smtpd_recipient_limit", NUMBER, recipient_limit),
	FIELD("smtpd_min_data_rate", NUMBER, min_data_rate),
	FIELD("hopcount_limit", NUMBER, hop_count),
	FIELD("smtpd_timeout", TIME, timeout_s),
	FIELD("smtpd_error_sleep_time", TIME, error_sleep_s),
	FIELD("smtpd_upstream_proxy_timeout", TIME, proxy_timeout_s),
	FIELD("anvil_rate_time_unit", TIME, rate_unit_s),
	FIELD("disable_vrfy_command", BOOL, is_vrfy_disabled),
	FIELD("smtpd_helo_required", BOOL, is_helo_required),
	FIELD("smtputf8_enable", BOOL, is_smtputf8),
	FIELD("smtpd_per_request_deadline", BOOL, is_deadline),
	FIELD("smtpd_tls_auth_only", BOOL, is_tls_auth_only),
	FIELD("smtpd_reject_unlisted_recipient", BOOL, is_unlisted_refused),
	FIELD("receive_override_options", TEXT, overrides),
	FIELD("smtpd_reject_footer", TEXT, reject_footer),
	{ 0 },
};

#undef FIELD
#define FIELD(setting, kind, field)                         \
	{                                                   \
		setting, ROUTER_FIELD_##kind,               \
			offsetof(struct router_smtp, field) \
	}

const struct router_field router_smtp_fields[] = {
	FIELD("smtp_helo_name", TEXT, helo_name),
	FIELD("smtp_tls_security_level", TEXT, tls_level),
	FIELD("smtp_tls_protocols", TEXT, tls_protocols),
	FIELD("smtp_tls_mandatory_protocols", TEXT, tls_mandatory_protocols),
	FIELD("smtp_tls_exclude_ciphers", TEXT, tls_exclude),
	FIELD("smtp_tls_verify_cert_match", TEXT, tls_verify_match),
	FIELD("smtp_tls_secure_cert_match", TEXT, tls_secure_match),
	FIELD("smtp_tls_fingerprint_cert_match", TEXT, tls_fingerprint_match),
	FIELD("smtp_sasl_security_options", TEXT, sasl_options),
	FIELD("smtp_sasl_mechanism_filter", TEXT, sasl_mechanisms),
	FIELD("smtp_bind_address", TEXT, bind_address),
	FIELD("smtp_bind_address6", TEXT, bind_address6),
	FIELD("smtp_address_preference", TEXT, address_preference),
	FIELD("inet_protocols", TEXT, inet_protocols),
	FIELD("proxy_interfaces", TEXT, proxy_interfaces),
	FIELD("smtp_fallback_relay", TEXT, fallback_relay),
	FIELD("smtp_mx_address_limit", NUMBER, mx_address_limit),
	FIELD("smtp_mx_session_limit", NUMBER, mx_session_limit),
	FIELD("smtp_connect_timeout", TIME, connect_s),
	FIELD("smtp_helo_timeout", TIME, helo_s),
	FIELD("smtp_starttls_timeout", TIME, starttls_s),
	FIELD("smtp_mail_timeout", TIME, mail_s),
	FIELD("smtp_rcpt_timeout", TIME, rcpt_s),
	FIELD("smtp_rset_timeout", TIME, rset_s),
	FIELD("smtp_data_init_timeout", TIME, data_init_s),
	FIELD("smtp_data_xfer_timeout", TIME, data_xfer_s),
	FIELD("smtp_data_done_timeout", TIME, data_done_s),
	FIELD("smtp_connection_cache_time_limit", TIME, cache_s),
	FIELD("smtp_connection_reuse_time_limit", TIME, reuse_s),
	FIELD("smtp_connection_reuse_count_limit", NUMBER, reuse_count),
	FIELD("smtp_tls_wrappermode", BOOL, has_wrapper),
	FIELD("smtp_bind_address_enforce", BOOL, is_bind_enforced),
	FIELD("smtp_skip_5xx_greeting", BOOL, skips_5xx_greeting),
	FIELD("smtp_connection_cache_on_demand", BOOL, is_cache_on),
	{ 0 },
};

#undef FIELD
#define FIELD(setting, kind, field)                          \
	{                                                    \
		setting, ROUTER_FIELD_##kind,                \
			offsetof(struct router_queue, field) \
	}
#define TRANSPORT(name, id)                                                    \
	FIELD(name "_destination_concurrency_limit", NUMBER, concurrency[id]), \
		FIELD(name "_destination_recipient_limit", NUMBER, rcpts[id]), \
		FIELD(name "_destination_rate_delay", TIME, rate_delay_s[id])

const struct router_field router_queue_fields[] = {
	FIELD("initial_destination_concurrency", NUMBER, initial_concurrency),
	FIELD("default_destination_concurrency_failed_cohort_limit", NUMBER,
	      failed_cohorts),
	FIELD("default_destination_concurrency_positive_feedback", TEXT,
	      positive_feedback),
	FIELD("default_destination_concurrency_negative_feedback", TEXT,
	      negative_feedback),
	TRANSPORT("smtp", ROUTER_TRANSPORT_SMTP),
	TRANSPORT("relay", ROUTER_TRANSPORT_RELAY),
	TRANSPORT("lmtp", ROUTER_TRANSPORT_LMTP),
	FIELD("bounce_size_limit", NUMBER, bounce_size_limit),
	FIELD("transport_retry_time", TIME, transport_retry_s),
	FIELD("defer_transports", TEXT, defer_transports),
	FIELD("notify_classes", TEXT, notify_classes),
	FIELD("double_bounce_sender", TEXT, double_bounce_sender),
	FIELD("2bounce_notice_recipient", TEXT, double_bounce_recipient),
	FIELD("bounce_notice_recipient", TEXT, bounce_recipient),
	FIELD("delay_notice_recipient", TEXT, delay_recipient),
	FIELD("bounce_language", TEXT, bounce_language),
	FIELD("soft_bounce", BOOL, is_soft_bounce),
	{ 0 },
};

enum router_transport
router_transport_of(struct str name)
{
	if (str_eq(name, S("relay")))
		return ROUTER_TRANSPORT_RELAY;
	if (str_eq(name, S("lmtp")))
		return ROUTER_TRANSPORT_LMTP;
	return ROUTER_TRANSPORT_SMTP;
}

static void
put_fields(struct buf *out, const void *base, const struct router_field *f)
{
	for (; f->setting != NULL; f++) {
		const char *at = (const char *)base + f->at;

		if (f->kind == ROUTER_FIELD_TEXT)
			wire_put_str(out,
				     *(const struct str *)(const void *)at);
		else if (f->kind == ROUTER_FIELD_BOOL)
			wire_put_bool(out, *(const bool *)at);
		else
			wire_put_u64(out, *(const uint64_t *)(const void *)at);
	}
}

static void
read_fields(struct wire *w, void *base, const struct router_field *f)
{
	for (; f->setting != NULL; f++) {
		char *at = (char *)base + f->at;

		if (f->kind == ROUTER_FIELD_TEXT)
			*(struct str *)(void *)at = wire_str(w);
		else if (f->kind == ROUTER_FIELD_BOOL)
			*(bool *)at = wire_bool(w);
		else
			*(uint64_t *)(void *)at = wire_u64(w);
	}
}

void
router_put_smtp(struct buf *out, const struct router_smtp *s)
{
	put_fields(out, s, router_smtp_fields);
	wire_put_bool(out, s->has_checks);
	wire_put_str(out, s->authorities);
}

enum err
router_read_smtp(struct str body, struct router_smtp *out)
{
	struct wire w = wire_of(body);

	read_fields(&w, out, router_smtp_fields);
	out->has_checks = wire_bool(&w);
	out->authorities = wire_str(&w);
	return wire_end(&w);
}

static void
put_reports(struct buf *out, const struct router_report *list)
{
	for (size_t i = 0; i < ROUTER_REPORTS; i++) {
		wire_put_str(out, list[i].charset);
		wire_put_str(out, list[i].from);
		wire_put_str(out, list[i].subject);
		wire_put_str(out, list[i].copy_subject);
		wire_put_str(out, list[i].text);
	}
}

static void
read_reports(struct wire *w, struct router_report *list)
{
	for (size_t i = 0; i < ROUTER_REPORTS; i++) {
		list[i].charset = wire_str_max(w, 64);
		list[i].from = wire_str_max(w, ROUTER_TEXT_MAX_OCTETS);
		list[i].subject = wire_str_max(w, ROUTER_TEXT_MAX_OCTETS);
		list[i].copy_subject = wire_str_max(w, ROUTER_TEXT_MAX_OCTETS);
		list[i].text = wire_str(w);
	}
}

void
router_put_snapshot(struct buf *out, const struct router_snapshot *s)
{
	wire_put_u64(out, s->number);
	wire_put_str(out, s->hostname);
	wire_put_str(out, s->mynetworks);
	wire_put_u64(out, s->message_size_limit);
	wire_put_u32(out, s->recipient_limit);
	wire_put_u32(out, s->queue_run_delay_s);
	wire_put_u32(out, s->minimal_backoff_s);
	wire_put_u32(out, s->maximal_backoff_s);
	wire_put_u32(out, s->maximal_lifetime_s);
	wire_put_u32(out, s->bounce_lifetime_s);
	wire_put_u32(out, s->delay_warning_s);
	wire_put_u32(out, s->destination_concurrency);
	wire_put_str(out, s->recipient_delimiter);
	wire_put_bool(out, s->login_by_alias);
	wire_put_bool(out, s->saves_to_detail);
	wire_put_u32(out, s->duplicate_s);
	put_fields(out, &s->queue, router_queue_fields);
	put_reports(out, s->reports);
	wire_put_str(out, s->smtp);
	for (size_t i = 0; i < ROUTER_SMTPD_SERVICES; i++) {
		put_fields(out, &s->smtpd[i][0], router_smtpd_fields);
		put_fields(out, &s->smtpd[i][1], router_smtpd_fields);
	}
	for (size_t i = 0; i < ROUTER_SMTPD_SERVICES; i++)
		wire_put_u8(out, s->policy[i]);
	wire_put_u8(out, s->content_checks);
	wire_put_str(out, s->policy_services);
	wire_put_u32(out, s->policy_timeout_s);
	wire_put_str(out, s->table_hosts);
}

enum err
router_read_snapshot(struct str body, struct router_snapshot *out)
{
	struct wire w = wire_of(body);

	out->number = wire_u64(&w);
	out->hostname = wire_str_max(&w, 256);
	out->mynetworks = wire_str(&w);
	out->message_size_limit = wire_u64(&w);
	out->recipient_limit = wire_u32(&w);
	out->queue_run_delay_s = wire_u32(&w);
	out->minimal_backoff_s = wire_u32(&w);
	out->maximal_backoff_s = wire_u32(&w);
	out->maximal_lifetime_s = wire_u32(&w);
	out->bounce_lifetime_s = wire_u32(&w);
	out->delay_warning_s = wire_u32(&w);
	out->destination_concurrency = wire_u32(&w);
	out->recipient_delimiter = wire_str_max(&w, 16);
	out->login_by_alias = wire_bool(&w);
	out->saves_to_detail = wire_bool(&w);
	out->duplicate_s = wire_u32(&w);
	read_fields(&w, &out->queue, router_queue_fields);
	read_reports(&w, out->reports);
	out->smtp = wire_str(&w);
	for (size_t i = 0; i < ROUTER_SMTPD_SERVICES; i++) {
		read_fields(&w, &out->smtpd[i][0], router_smtpd_fields);
		read_fields(&w, &out->smtpd[i][1], router_smtpd_fields);
	}
	for (size_t i = 0; i < ROUTER_SMTPD_SERVICES; i++)
		out->policy[i] = wire_u8(&w);
	out->content_checks = wire_u8(&w);
	out->policy_services = wire_str(&w);
	out->policy_timeout_s = wire_u32(&w);
	out->table_hosts = wire_str(&w);
	return wire_end(&w);
}
