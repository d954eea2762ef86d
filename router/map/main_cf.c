/* SPDX-License-Identifier: MIT
 * router/map/main_cf.c - see main_cf.h.
 *
 * Process: router (and lint).
 * Owns: nothing but the map; strings are in the caller's arena or file bytes.
 * Invariants:
 *  (1) After settings_finish() every known name has a setting whose value
 *      passes the check of its kind: a value that does not is an error in the
 *      diagnostics and is replaced by the default.
 *  (2) Expansion is bounded in depth, steps and octets.
 */
#include "router/map/main_cf.h"

#include "lib/base/check.h"
#include "lib/mail/cflines.h"
#include "lib/rt/version.h"

#include <ini.h>

enum {
	NAME_MAX_OCTETS = 100,
	PIECE_OCTETS = 64, // inih cuts a line at 200 octets
	LINE_OCTETS = NAME_MAX_OCTETS + PIECE_OCTETS + 4,
	VALUE_MAX_OCTETS = 64 * 1024,
	EXPAND_DEPTH_MAX = 20,
	EXPAND_STEPS_MAX = 10000,
	N_RECENT = 256, // about as many as there are names
};

/* The kinds of value, and two that have none. TIME_x: unit when none given. */
enum kind {
	TEXT,
	LIST,
	TIME_S,
	TIME_H,
	TIME_D,
	NUMBER,
	BOOL,
	RAW, // as LIST, but $names stay: they are expanded in use
	IGNORED,
};

struct known {
	struct str name;
	enum kind kind;
	struct str preset;
};

#define ROW(name, kind, preset)                        \
	{                                              \
		STR_INIT(name), kind, STR_INIT(preset) \
	}

static const struct known known[] = {
	/* Who we are. */
	ROW("myhostname", TEXT, "localhost.localdomain"),
	ROW("mydomain", TEXT, ""),
	ROW("myorigin", TEXT, "$myhostname"),
	ROW("mydestination", LIST,
	    "$myhostname, localhost.$mydomain, localhost"),
	ROW("mynetworks", LIST, "127.0.0.0/8 [::1]/128"),
	ROW("inet_interfaces", LIST, "all"),
	ROW("inet_protocols", LIST, "all"),
	ROW("mail_name", TEXT, "Estafeta"),
	ROW("mail_version", TEXT, ESTAFETA_VERSION),
	ROW("config_directory", TEXT, "/tmp/docker-mailserver"),
	ROW("smtputf8_enable", BOOL, "yes"),
	/* Where mail goes. */
	ROW("recipient_delimiter", TEXT, "+"),
	ROW("login_by_alias", BOOL, "no"),
	ROW("lmtp_save_to_detail_mailbox", BOOL, "no"),
	ROW("duplicate_suppression_time", TIME_S, "0s"),
	ROW("relayhost", LIST, ""),
	ROW("relay_domains", LIST, ""),
	ROW("relay_recipient_maps", LIST, ""),
	ROW("relay_transport", TEXT, "relay"),
	ROW("default_transport", TEXT, "smtp"),
	ROW("local_transport", TEXT, "local:$myhostname"),
	ROW("virtual_transport", TEXT, "virtual"),
	ROW("transport_maps", LIST, ""),
	ROW("sender_dependent_relayhost_maps", LIST, ""),
	ROW("sender_dependent_default_transport_maps", LIST, ""),
	ROW("virtual_alias_maps", LIST, ""),
	ROW("virtual_alias_domains", LIST, ""),
	ROW("virtual_mailbox_domains", LIST, ""),
	ROW("virtual_mailbox_maps", LIST, ""),
	ROW("local_recipient_maps", LIST, ""),
	ROW("masquerade_domains", LIST, ""),
	ROW("masquerade_classes", LIST,
	    "envelope_sender, header_sender, header_recipient"),
	ROW("masquerade_exceptions", LIST, ""),
	ROW("alias_maps", LIST, ""),
	ROW("relocated_maps", LIST, ""),
	ROW("canonical_maps", LIST, ""),
	ROW("canonical_classes", LIST,
	    "envelope_sender, envelope_recipient, header_sender, "
	    "header_recipient"),
	ROW("recipient_canonical_classes", LIST,
	    "envelope_recipient, header_recipient"),
	ROW("sender_canonical_classes", LIST, "envelope_sender, header_sender"),
	ROW("local_header_rewrite_clients", LIST, "permit_inet_interfaces"),
	ROW("remote_header_rewrite_domain", TEXT, ""),
	ROW("sender_canonical_maps", LIST, ""),
	ROW("recipient_canonical_maps", LIST, ""),
	ROW("parent_domain_matches_subdomains", LIST,
	    "debug_peer_list, fast_flush_domains, mynetworks, "
	    "permit_mx_backup_networks, qmqpd_authorized_clients, "
	    "relay_domains, smtpd_access_maps"),
	ROW("propagate_unmatched_extensions", LIST, "canonical, virtual"),
	ROW("always_bcc", TEXT, ""),
	ROW("sender_bcc_maps", LIST, ""),
	ROW("recipient_bcc_maps", LIST, ""),
	ROW("postmaster_address", TEXT, ""),
	ROW("catchall_after_accounts", BOOL, "no"),
	ROW("strict_tables", BOOL, "no"),
	/* Sending. */
	ROW("smtp_sasl_auth_enable", BOOL, "no"),
	ROW("smtp_sasl_password_maps", LIST, ""),
	ROW("smtp_sender_dependent_authentication", BOOL, "no"),
	ROW("smtp_sasl_security_options", LIST, "noplaintext, noanonymous"),
	ROW("smtp_sasl_mechanism_filter", LIST, ""),
	ROW("smtp_tls_security_level", TEXT, ""),
	ROW("smtp_tls_policy_maps", LIST, ""),
	ROW("smtp_tls_CAfile", TEXT, ""),
	ROW("smtp_tls_CApath", TEXT, ""),
	ROW("smtp_tls_protocols", LIST, ">=TLSv1.2"),
	ROW("smtp_tls_mandatory_protocols", LIST, ">=TLSv1.2"),
	ROW("smtp_tls_exclude_ciphers", LIST, ""),
	ROW("smtp_tls_verify_cert_match", LIST, "hostname"),
	ROW("smtp_tls_secure_cert_match", LIST, "nexthop, dot-nexthop"),
	ROW("smtp_tls_fingerprint_cert_match", LIST, ""),
	ROW("smtp_tls_wrappermode", BOOL, "no"),
	ROW("smtp_helo_name", TEXT, "$myhostname"),
	ROW("smtp_bind_address", TEXT, ""),
	ROW("smtp_bind_address6", TEXT, ""),
	ROW("smtp_bind_address_enforce", BOOL, "no"),
	ROW("smtp_address_preference", TEXT, "any"),
	ROW("proxy_interfaces", LIST, ""),
	ROW("smtp_mx_address_limit", NUMBER, "5"),
	ROW("smtp_mx_session_limit", NUMBER, "2"),
	ROW("smtp_skip_5xx_greeting", BOOL, "yes"),
	ROW("smtp_connect_timeout", TIME_S, "30s"),
	ROW("smtp_helo_timeout", TIME_S, "300s"),
	ROW("smtp_starttls_timeout", TIME_S, "300s"),
	ROW("smtp_mail_timeout", TIME_S, "300s"),
	ROW("smtp_rcpt_timeout", TIME_S, "300s"),
	ROW("smtp_rset_timeout", TIME_S, "20s"),
	ROW("smtp_data_init_timeout", TIME_S, "120s"),
	ROW("smtp_data_xfer_timeout", TIME_S, "180s"),
	ROW("smtp_data_done_timeout", TIME_S, "600s"),
	ROW("smtp_connection_cache_on_demand", BOOL, "yes"),
	ROW("smtp_connection_cache_time_limit", TIME_S, "2s"),
	ROW("smtp_connection_reuse_time_limit", TIME_S, "300s"),
	ROW("smtp_connection_reuse_count_limit", NUMBER, "0"),
	ROW("smtp_fallback_relay", LIST, ""),
	ROW("smtp_header_checks", LIST, ""),
	ROW("header_checks", LIST, ""),
	ROW("smtp_mime_header_checks", LIST, ""),
	ROW("smtp_nested_header_checks", LIST, ""),
	ROW("smtp_body_checks", LIST, ""),
	ROW("mime_header_checks", LIST, "$header_checks"),
	ROW("nested_header_checks", LIST, "$header_checks"),
	ROW("body_checks", LIST, ""),
	ROW("body_checks_size_limit", NUMBER, "51200"),
	ROW("default_destination_concurrency_limit", NUMBER, "20"),
	/* Sizes and clocks. */
	ROW("message_size_limit", NUMBER, "10240000"),
	ROW("mailbox_size_limit", NUMBER, "0"),
	ROW("virtual_mailbox_limit", NUMBER, "0"),
	ROW("default_destination_recipient_limit", NUMBER, "50"),
	ROW("default_destination_rate_delay", TIME_S, "0s"),
	ROW("initial_destination_concurrency", NUMBER, "5"),
	ROW("default_destination_concurrency_failed_cohort_limit", NUMBER, "1"),
	ROW("default_destination_concurrency_positive_feedback", TEXT, "1"),
	ROW("default_destination_concurrency_negative_feedback", TEXT, "1"),
	ROW("smtp_destination_concurrency_limit", NUMBER,
	    "$default_destination_concurrency_limit"),
	ROW("smtp_destination_recipient_limit", NUMBER,
	    "$default_destination_recipient_limit"),
	ROW("smtp_destination_rate_delay", TIME_S,
	    "$default_destination_rate_delay"),
	ROW("relay_destination_concurrency_limit", NUMBER,
	    "$default_destination_concurrency_limit"),
	ROW("relay_destination_recipient_limit", NUMBER,
	    "$default_destination_recipient_limit"),
	ROW("relay_destination_rate_delay", TIME_S,
	    "$default_destination_rate_delay"),
	ROW("lmtp_destination_concurrency_limit", NUMBER,
	    "$default_destination_concurrency_limit"),
	ROW("lmtp_destination_recipient_limit", NUMBER,
	    "$default_destination_recipient_limit"),
	ROW("lmtp_destination_rate_delay", TIME_S,
	    "$default_destination_rate_delay"),
	ROW("defer_transports", LIST, ""),
	ROW("soft_bounce", BOOL, "no"),
	ROW("bounce_size_limit", NUMBER, "50000"),
	ROW("transport_retry_time", TIME_S, "60s"),
	ROW("double_bounce_sender", TEXT, "double-bounce"),
	ROW("2bounce_notice_recipient", TEXT, "postmaster"),
	ROW("bounce_notice_recipient", TEXT, "postmaster"),
	ROW("delay_notice_recipient", TEXT, "postmaster"),
	ROW("bounce_language", TEXT, "en"),
	ROW("bounce_template_file", TEXT, ""),
	ROW("queue_run_delay", TIME_S, "300s"),
	ROW("minimal_backoff_time", TIME_S, "300s"),
	ROW("maximal_backoff_time", TIME_S, "4000s"),
	ROW("maximal_queue_lifetime", TIME_D, "5d"),
	ROW("bounce_queue_lifetime", TIME_D, "5d"),
	ROW("delay_warning_time", TIME_H, "0h"),
	ROW("notify_classes", LIST, "resource, software"),
	/* Receiving. */
	ROW("smtpd_banner", TEXT, "$myhostname ESMTP $mail_name"),
	ROW("smtpd_helo_required", BOOL, "no"),
	ROW("smtpd_client_restrictions", LIST, ""),
	ROW("smtpd_helo_restrictions", LIST, ""),
	ROW("smtpd_sender_restrictions", LIST, ""),
	ROW("smtpd_relay_restrictions", LIST, ""),
	ROW("smtpd_recipient_restrictions", LIST, ""),
	ROW("smtpd_data_restrictions", LIST, ""),
	ROW("smtpd_end_of_data_restrictions", LIST, ""),
	ROW("smtpd_restriction_classes", LIST, ""),
	ROW("smtpd_delay_reject", BOOL, "yes"),
	ROW("smtpd_reject_unlisted_recipient", BOOL, "yes"),
	ROW("receive_override_options", LIST, ""),
	ROW("smtpd_reject_unlisted_sender", BOOL, "no"),
	ROW("smtpd_null_access_lookup_key", TEXT, "<>"),
	ROW("smtpd_policy_service_default_action", TEXT,
	    "451 4.3.5 Server configuration problem"),
	ROW("smtpd_policy_service_timeout", TIME_S, "100s"),
	ROW("smtpd_policy_service_policy_context", TEXT, ""),
	ROW("default_rbl_reply", RAW,
	    "$rbl_code Service unavailable; $rbl_class [$rbl_what] blocked "
	    "using $rbl_domain${rbl_reason?; $rbl_reason}"),
	ROW("rbl_reply_maps", LIST, ""),
	ROW("access_map_reject_code", NUMBER, "554"),
	ROW("access_map_defer_code", NUMBER, "450"),
	ROW("maps_rbl_reject_code", NUMBER, "554"),
	ROW("reject_code", NUMBER, "554"),
	ROW("defer_code", NUMBER, "450"),
	ROW("invalid_hostname_reject_code", NUMBER, "501"),
	ROW("non_fqdn_reject_code", NUMBER, "504"),
	ROW("plaintext_reject_code", NUMBER, "450"),
	ROW("relay_domains_reject_code", NUMBER, "554"),
	ROW("multi_recipient_bounce_reject_code", NUMBER, "550"),
	ROW("unknown_address_reject_code", NUMBER, "450"),
	ROW("unknown_client_reject_code", NUMBER, "450"),
	ROW("unknown_hostname_reject_code", NUMBER, "450"),
	ROW("smtpd_sender_login_maps", LIST, ""),
	ROW("smtpd_discard_ehlo_keywords", LIST, ""),
	ROW("stress", TEXT, ""),
	ROW("smtpd_authorized_xclient_hosts", LIST, ""),
	ROW("smtpd_upstream_proxy_protocol", TEXT, ""),
	ROW("smtpd_upstream_proxy_networks", LIST, ""),
	ROW("smtpd_upstream_proxy_timeout", TIME_S, "5s"),
	ROW("smtpd_client_event_limit_exceptions", LIST, "$mynetworks"),
	ROW("smtpd_client_connection_count_limit", NUMBER, "50"),
	ROW("smtpd_client_connection_rate_limit", NUMBER, "0"),
	ROW("smtpd_client_message_rate_limit", NUMBER, "0"),
	ROW("smtpd_client_recipient_rate_limit", NUMBER, "0"),
	ROW("smtpd_client_auth_rate_limit", NUMBER, "0"),
	ROW("smtpd_user_message_rate_limit", NUMBER, "0"),
	ROW("smtpd_user_recipient_rate_limit", NUMBER, "0"),
	ROW("anvil_rate_time_unit", TIME_S, "60s"),
	ROW("smtpd_soft_error_limit", NUMBER, "10"),
	ROW("smtpd_hard_error_limit", NUMBER, "${stress?{1}:{20}}"),
	ROW("smtpd_junk_command_limit", NUMBER, "${stress?{1}:{100}}"),
	ROW("smtpd_recipient_overshoot_limit", NUMBER, "1000"),
	ROW("smtpd_error_sleep_time", TIME_S, "1s"),
	ROW("smtpd_timeout", TIME_S, "${stress?{10}:{300}}s"),
	ROW("smtpd_min_data_rate", NUMBER, "500"),
	ROW("smtpd_per_request_deadline", BOOL, "${stress?{yes}:{no}}"),
	ROW("smtpd_recipient_limit", NUMBER, "1000"),
	ROW("smtpd_tls_chain_files", LIST, ""),
	ROW("smtpd_tls_cert_file", TEXT, ""),
	ROW("smtpd_tls_key_file", TEXT, "$smtpd_tls_cert_file"),
	ROW("smtpd_tls_eccert_file", TEXT, ""),
	ROW("smtpd_tls_eckey_file", TEXT, "$smtpd_tls_eccert_file"),
	ROW("tls_server_sni_maps", LIST, ""),
	ROW("smtpd_tls_exclude_ciphers", LIST, ""),
	ROW("smtpd_tls_mandatory_exclude_ciphers", LIST, ""),
	ROW("smtpd_tls_security_level", TEXT, ""),
	ROW("smtpd_tls_protocols", LIST, ">=TLSv1.2"),
	ROW("smtpd_tls_mandatory_protocols", LIST, ">=TLSv1.2"),
	ROW("smtpd_tls_ciphers", TEXT, "medium"),
	ROW("smtpd_tls_mandatory_ciphers", TEXT, "medium"),
	ROW("smtpd_tls_auth_only", BOOL, "no"),
	ROW("smtpd_forbid_bare_newline", TEXT, "yes"),
	ROW("smtpd_milters", LIST, ""),
	ROW("non_smtpd_milters", LIST, ""),
	ROW("milter_default_action", TEXT, "tempfail"),
	ROW("postscreen_access_list", LIST, "permit_mynetworks"),
	ROW("postscreen_denylist_action", TEXT, "$postscreen_blacklist_action"),
	ROW("postscreen_blacklist_action", TEXT, "ignore"),
	ROW("postscreen_dnsbl_sites", LIST, ""),
	ROW("postscreen_dnsbl_threshold", NUMBER, "1"),
	ROW("postscreen_greet_action", TEXT, "enforce"),
	ROW("postscreen_greet_wait", TIME_S, "0s"),
	ROW("postscreen_greet_ttl", TIME_D, "1d"),
	ROW("postscreen_dnsbl_action", TEXT, "ignore"),
	ROW("postscreen_dnsbl_max_ttl", TIME_H, "1h"),
	ROW("smtpd_discard_ehlo_keyword_address_maps", LIST, ""),
	ROW("disable_vrfy_command", BOOL, "no"),
	ROW("hopcount_limit", NUMBER, "50"),
	/* Known to Postfix, without effect here. */
	ROW("compatibility_level", IGNORED, ""),
	ROW("readme_directory", IGNORED, ""),
	ROW("html_directory", IGNORED, ""),
	ROW("manpage_directory", IGNORED, ""),
	ROW("sample_directory", IGNORED, ""),
	ROW("biff", IGNORED, ""),
	ROW("append_dot_mydomain", IGNORED, ""),
	ROW("append_at_myorigin", IGNORED, ""),
	ROW("max_idle", IGNORED, ""),
	ROW("max_use", IGNORED, ""),
	ROW("daemon_directory", IGNORED, ""),
	ROW("command_directory", IGNORED, ""),
	ROW("data_directory", IGNORED, ""),
	ROW("queue_directory", IGNORED, ""),
	ROW("shlib_directory", IGNORED, ""),
	ROW("meta_directory", IGNORED, ""),
	ROW("mail_owner", IGNORED, ""),
	ROW("setgid_group", IGNORED, ""),
	ROW("sendmail_path", IGNORED, ""),
	ROW("newaliases_path", IGNORED, ""),
	ROW("mailq_path", IGNORED, ""),
	ROW("mailbox_command", IGNORED, ""),
	ROW("home_mailbox", IGNORED, ""),
	ROW("alias_database", IGNORED, ""),
	ROW("debug_peer_level", IGNORED, ""),
	ROW("debug_peer_list", IGNORED, ""),
	ROW("debugger_command", IGNORED, ""),
	ROW("smtpd_tls_loglevel", IGNORED, ""),
	ROW("smtp_tls_loglevel", IGNORED, ""),
	ROW("smtpd_tls_received_header", IGNORED, ""),
	ROW("smtpd_tls_session_cache_database", IGNORED, ""),
	ROW("smtp_tls_session_cache_database", IGNORED, ""),
	ROW("smtpd_use_tls", IGNORED, ""),
	ROW("smtp_use_tls", IGNORED, ""),
	ROW("smtp_quit_timeout", IGNORED, ""),
	ROW("smtp_tls_ciphers", IGNORED, ""),
	ROW("smtp_tls_mandatory_ciphers", IGNORED, ""),
	ROW("smtp_tls_fingerprint_digest", IGNORED, ""),
	ROW("smtp_tls_note_starttls_offer", IGNORED, ""),
	ROW("smtp_sasl_type", IGNORED, ""),
	ROW("smtp_sasl_tls_security_options", IGNORED, ""),
	ROW("smtpd_sasl_auth_enable", IGNORED, ""),
	ROW("smtpd_sasl_type", IGNORED, ""),
	ROW("smtpd_sasl_path", IGNORED, ""),
	ROW("smtpd_sasl_security_options", IGNORED, ""),
	ROW("smtpd_sasl_local_domain", IGNORED, ""),
	ROW("virtual_uid_maps", IGNORED, ""),
	ROW("virtual_gid_maps", IGNORED, ""),
	ROW("virtual_minimum_uid", IGNORED, ""),
	ROW("virtual_mailbox_base", IGNORED, ""),
	ROW("unknown_local_recipient_reject_code", IGNORED, ""),
	ROW("maillog_file", IGNORED, ""),
	ROW("syslog_facility", IGNORED, ""),
	ROW("syslog_name", IGNORED, ""),
	ROW("default_process_limit", IGNORED, ""),
	ROW("milter_protocol", IGNORED, ""),
	ROW("tls_preempt_cipherlist", IGNORED, ""),
	ROW("tls_high_cipherlist", IGNORED, ""),
	ROW("tls_medium_cipherlist", IGNORED, ""),
	ROW("tls_eecdh_auto_curves", IGNORED, ""),
	ROW("tls_ffdhe_auto_groups", IGNORED, ""),
	ROW("smtpd_tls_eecdh_grade", IGNORED, ""),
	ROW("postscreen_bare_newline_action", IGNORED, ""),
	ROW("postscreen_bare_newline_enable", IGNORED, ""),
	ROW("postscreen_bare_newline_ttl", IGNORED, ""),
	ROW("postscreen_pipelining_action", IGNORED, ""),
	ROW("postscreen_pipelining_enable", IGNORED, ""),
	ROW("postscreen_pipelining_ttl", IGNORED, ""),
	ROW("postscreen_non_smtp_command_action", IGNORED, ""),
	ROW("postscreen_non_smtp_command_enable", IGNORED, ""),
	ROW("postscreen_non_smtp_command_ttl", IGNORED, ""),
	ROW("postscreen_cache_map", IGNORED, ""),
	ROW("postscreen_cache_cleanup_interval", IGNORED, ""),
	ROW("postscreen_cache_retention_time", IGNORED, ""),
	ROW("postscreen_disable_vrfy_command", IGNORED, ""),
	ROW("postscreen_greet_banner", IGNORED, ""),
	ROW("postscreen_upstream_proxy_timeout", IGNORED, ""),
	ROW("broken_sasl_auth_clients", IGNORED, ""),
	ROW("enable_long_queue_ids", IGNORED, ""),
	ROW("tls_ssl_options", IGNORED, ""),
	ROW("smtpd_tls_CAfile", IGNORED, ""),
	ROW("smtpd_tls_CApath", IGNORED, ""),
	ROW("smtpd_tls_dh1024_param_file", IGNORED, ""),
	ROW("smtpd_tls_dh512_param_file", IGNORED, ""),
	ROW("tls_random_source", IGNORED, ""),
	ROW("smtpd_tls_ask_ccert", IGNORED, ""),
	ROW("smtpd_starttls_timeout", IGNORED, ""),
	ROW("smtpd_forbid_unauth_pipelining", IGNORED, ""),
	ROW("smtpd_forbid_bare_newline_reject_code", IGNORED, ""),
	ROW("swap_bangpath", IGNORED, ""),
	ROW("allow_percent_hack", IGNORED, ""),
	ROW("strict_rfc821_envelopes", IGNORED, ""),
	ROW("show_user_unknown_table_name", IGNORED, ""),
	ROW("milter_macro_daemon_name", IGNORED, ""),
	ROW("milter_mail_macros", IGNORED, ""),
	ROW("milter_connect_macros", IGNORED, ""),
	ROW("milter_rcpt_macros", IGNORED, ""),
	ROW("milter_end_of_data_macros", IGNORED, ""),
	ROW("milter_connect_timeout", IGNORED, ""),
	ROW("milter_command_timeout", IGNORED, ""),
	ROW("milter_content_timeout", IGNORED, ""),
	ROW("cleanup_service_name", IGNORED, ""),
	ROW("default_database_type", IGNORED, ""),
	ROW("default_privs", IGNORED, ""),
	ROW("mail_spool_directory", IGNORED, ""),
	ROW("mynetworks_style", IGNORED, ""),
	ROW("unverified_recipient_reject_reason", IGNORED, ""),
	ROW("unverified_sender_reject_reason", IGNORED, ""),
	ROW("unknown_virtual_mailbox_reject_code", IGNORED, ""),
	ROW("unknown_virtual_alias_reject_code", IGNORED, ""),
	ROW("unknown_relay_recipient_reject_code", IGNORED, ""),
	ROW("lmtp_host_lookup", IGNORED, ""),
	ROW("smtp_host_lookup", IGNORED, ""),
	ROW("smtp_randomize_addresses", IGNORED, ""),
	ROW("delay_logging_resolution_limit", IGNORED, ""),
	ROW("in_flow_delay", IGNORED, ""),
	ROW("fast_flush_domains", IGNORED, ""),
	ROW("qmgr_message_active_limit", IGNORED, ""),
	ROW("qmgr_message_recipient_limit", IGNORED, ""),
	ROW("virtual_alias_recursion_limit", IGNORED, ""),
	ROW("virtual_alias_expansion_limit", IGNORED, ""),
	ROW("virtual_alias_address_length_limit", IGNORED, ""),
	ROW("header_address_token_limit", IGNORED, ""),
	ROW("line_length_limit", IGNORED, ""),
	ROW("mime_nesting_limit", IGNORED, ""),
	ROW("multi_instance_directories", IGNORED, ""),
	ROW("multi_instance_enable", IGNORED, ""),
	ROW("multi_instance_wrapper", IGNORED, ""),
	ROW("multi_instance_name", IGNORED, ""),
	ROW("multi_instance_group", IGNORED, ""),
	ROW("authorized_submit_users", IGNORED, ""),
	ROW("authorized_flush_users", IGNORED, ""),
	ROW("authorized_mailq_users", IGNORED, ""),
	ROW("smtpd_log_access_permit_actions", IGNORED, ""),
	ROW("smtpd_client_port_logging", IGNORED, ""),
	ROW("import_environment", IGNORED, ""),
	ROW("export_environment", IGNORED, ""),
	ROW("trigger_timeout", IGNORED, ""),
	ROW("ipc_timeout", IGNORED, ""),
	ROW("service_throttle_time", IGNORED, ""),
	ROW("process_id_directory", IGNORED, ""),
	/* Of consequence, and told with what to do instead: not_here[]. */
	ROW("content_filter", TEXT, ""),
	ROW("smtpd_proxy_filter", TEXT, ""),
	ROW("smtpd_command_filter", LIST, ""),
	ROW("smtp_reply_filter", LIST, ""),
	ROW("smtp_delivery_status_filter", LIST, ""),
	ROW("default_delivery_status_filter", LIST, ""),
	ROW("smtp_dns_reply_filter", LIST, ""),
	ROW("smtpd_reject_footer", RAW, ""),
	ROW("smtp_generic_maps", LIST, ""),
	ROW("fallback_transport", TEXT, ""),
	ROW("mailbox_transport", TEXT, ""),
	ROW("luser_relay", TEXT, ""),
	ROW("smtp_dns_support_level", TEXT, ""),
	ROW("smtp_tls_chain_files", LIST, ""),
	ROW("smtp_tls_cert_file", TEXT, ""),
	ROW("smtpd_forbid_bare_newline_exclusions", LIST, ""),
	ROW("smtpd_sasl_authenticated_header", BOOL, "no"),
	ROW("postscreen_dnsbl_allowlist_threshold", TEXT, ""),
	ROW("postscreen_dnsbl_whitelist_threshold", TEXT, ""),
	ROW("postscreen_dnsbl_reply_map", LIST, ""),
};

#define N_KNOWN (sizeof(known) / sizeof(*known))

/* Families of names without effect here, by their ends. */
static const struct str ignored_ends[] = {
	STR_INIT("_process_limit"),
	STR_INIT("_destination_concurrency_limit"),
	STR_INIT("_destination_recipient_limit"),
	STR_INIT("_destination_rate_delay"),
};

static const struct known *
known_find(struct str name)
{
	for (size_t i = 0; i < N_KNOWN; i++)
		if (str_eq(known[i].name, name))
			return &known[i];
	return NULL;
}

void
settings_init(struct settings *s, struct arena *arena)
{
	*s = (struct settings) { .arena = arena, .by_name = MAP_INIT };
}

void
settings_release(struct settings *s)
{
	map_release(&s->by_name);
}

static enum err
assign(struct settings *s, const struct setting *v)
{
	struct setting *kept = arena_alloc(s->arena, sizeof(*kept));

	if (kept == NULL)
		return ERR_LIMIT;
	*kept = *v;
	kept->next = NULL;
	if (s->last == NULL)
		s->first = kept;
	else
		s->last->next = kept;
	s->last = kept;
	map_set(&s->by_name, kept->name, kept);
	return OK;
}

enum err
settings_derive(struct settings *s, const struct settings *from)
{
	enum err e = OK;

	for (const struct setting *v = from->first; e == OK && v != NULL;
	     v = v->next)
		if (v->line > 0 || v->origin.n > 0)
			e = assign(s, v);
	return e;
}

enum err
settings_set(struct settings *s, struct str file, uint32_t line,
	     struct str name, struct str value)
{
	struct setting v = {
		.name = name, .raw = value, .file = file, .line = line
	};

	return assign(s, &v);
}

/* ---- one assignment through inih, which is why it goes in short pieces ----
 */

/* inih would take these for a comment, a separator or blanks to strip. They
 * travel as control bytes, which no line may contain. */
static const struct {
	char plain, masked;
} masks[] = {
	{ ';', 1 },
	{ ' ', 2 },
	{ '\t', 3 },
};

struct feed {
	struct str name, rest;
	bool is_begun;
	struct buf *out;
};

static char
swap_masked(char c, bool is_to_mask)
{
	for (size_t i = 0; i < sizeof(masks) / sizeof(*masks); i++)
		if (c == (is_to_mask ? masks[i].plain : masks[i].masked))
			return is_to_mask ? masks[i].masked : masks[i].plain;
	return c;
}

/* In the manner of fgets(): the next "name=piece". */
static char *
feed_line(char *line, int size, void *stream)
{
	struct feed *f = stream;
	struct str piece = str_first(f->rest, PIECE_OCTETS);
	size_t n = 0;

	if (f->is_begun && f->rest.n == 0)
		return NULL;
	check(size >= LINE_OCTETS);
	f->is_begun = true;
	f->rest = str_from(f->rest, piece.n);
	memcpy(line, f->name.p, f->name.n);
	n += f->name.n;
	line[n++] = '=';
	for (size_t i = 0; i < piece.n; i++)
		line[n++] = swap_masked(piece.p[i], true);
	line[n++] = '\n';
	line[n] = '\0';
	return line;
}

static int
feed_value(void *user, const char *section UNUSED, const char *name,
	   const char *value)
{
	struct feed *f = user;

	if (!str_eq(str_c(name), f->name))
		return 0;
	for (; *value != '\0'; value++)
		if (buf_addc(f->out, swap_masked(*value, false)) != OK)
			return 0;
	return 1;
}

static const char *
why_no_name(struct str name)
{
	if (name.n == 0)
		return "no name before the '='; write name = value";
	if (name.n > NAME_MAX_OCTETS)
		return "the name is longer than 100 bytes";
	for (size_t i = 0; i < name.n; i++)
		if (!ascii_is_alpha(name.p[i]) && !ascii_is_digit(name.p[i]) &&
		    name.p[i] != '_' && name.p[i] != '-')
			return "the name holds other bytes than letters, "
			       "digits and '_'; write name = value";
	return NULL;
}

static const char *
why_no_value(struct str value)
{
	if (value.n > VALUE_MAX_OCTETS)
		return "the value is longer than 64 KiB";
	for (size_t i = 0; i < value.n; i++)
		if ((unsigned char)value.p[i] < 0x20 && value.p[i] != '\t')
			return "the value holds a control byte; remove it";
	return NULL;
}

static const char *
why_no_assignment(const struct cfline *line)
{
	if (line->is_orphan)
		return "the line begins with a blank but continues nothing; "
		       "remove the blank";
	if (line->text.p[0] == '[')
		return "this file has no [sections]; remove the line";
	if (line->text.p[0] == ';')
		return "';' begins no comment here; write '#'";
	if (str_chr(line->text, '=') < 0)
		return "no '=' in the line; write name = value";
	return NULL;
}

static enum err
take_line(struct settings *s, struct str file, const struct cfline *line,
	  struct buf *out, struct diag *d)
{
	struct str value = line->text, name;
	struct setting v = { .file = file, .line = line->line };
	struct feed feed;
	const char *why = why_no_assignment(line);
	enum err e;

	str_split(&value, '=', &name);
	name = cflines_trim(name);
	value = cflines_trim(value);
	if (why == NULL)
		why = why_no_name(name);
	if (why == NULL)
		why = why_no_value(value);
	if (why != NULL) {
		diag_error(d, file, line->line, "%s", why);
		return OK;
	}
	buf_clear(out);
	feed = (struct feed) { .name = name, .rest = value, .out = out };
	if (ini_parse_stream(feed_line, &feed, feed_value, &feed) != 0 ||
	    !str_eq(buf_str(out), value)) {
		diag_error(d, file, line->line,
			   "the value of %.*s cannot be read; write it without "
			   "control bytes",
			   STR(name));
		return OK;
	}
	e = arena_str(s->arena, buf_str(out), &v.raw);
	if (e != OK)
		return e;
	v.name = name;
	return assign(s, &v);
}

enum err
settings_read(struct settings *s, struct str file, struct str bytes,
	      struct diag *d)
{
	struct buf out = BUF_INIT(VALUE_MAX_OCTETS);
	struct cflines lines;
	struct cfline line;
	enum err e = OK;

	cflines_init(&lines, bytes, s->arena);
	while (e == OK) {
		e = cflines_next(&lines, &line);
		if (e == OK)
			e = take_line(s, file, &line, &out, d);
	}
	buf_release(&out);
	return e == ERR_EOF ? OK : e;
}

enum err
settings_preset(struct settings *s, struct str name, struct str value,
		struct str origin, struct diag *d)
{
	const struct setting *there = map_get(&s->by_name, name);
	struct setting v = { .name = name, .raw = value, .origin = origin };

	if (there == NULL)
		return assign(s, &v);
	if (!str_eq(there->raw, value))
		diag_warn(
			d, there->file, there->line,
			"%.*s is set here, so the variable %.*s has no effect; "
			"remove one of the two",
			STR(name), STR(origin));
	return OK;
}

/* ---- expansion ---- */

struct expansion {
	const struct settings *s;
	const struct setting *whose; // for messages
	struct diag *d;
	struct map *used; // names met as $name
	struct buf *out;
	unsigned n_steps;
	bool has_failed;
	settings_also *also; // names beside the settings; NULL: none
	const void *also_arg;
};

static void expand(struct expansion *x, struct str text, unsigned depth);

static void
fail(struct expansion *x, const char *why)
{
	if (!x->has_failed)
		diag_error(x->d, x->whose->file, x->whose->line, "%.*s: %s",
			   STR(x->whose->name), why);
	x->has_failed = true;
}

static void
add(struct expansion *x, struct str s)
{
	if (buf_add(x->out, s) != OK)
		fail(x, "the value expands to more than 64 KiB");
}

/* What $name stands for, not yet expanded; false when nothing sets it. */
static bool
value_of(const struct settings *s, struct str name, struct str *out)
{
	const struct setting *v = map_get(&s->by_name, name);
	const struct known *k = known_find(name);

	if (v == NULL && k == NULL)
		return false;
	*out = v != NULL ? v->raw : k->preset;
	return true;
}

static void
expand_name(struct expansion *x, struct str name, unsigned depth)
{
	struct str value;

	if (x->also != NULL && x->also(x->also_arg, name, x->out))
		return;

	map_set(x->used, name, x);
	if (value_of(x->s, name, &value)) {
		expand(x, value, depth + 1);
		return;
	}
	diag_warn(x->d, x->whose->file, x->whose->line,
		  "%.*s: nothing sets $%.*s, which stands for nothing then",
		  STR(x->whose->name), STR(str_first(name, 100)));
}

/* The index behind the bracket that closes the one at s[0]; 0 if none does. */
static size_t
balanced(struct str s, char open, char close)
{
	size_t level = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == open)
			level++;
		else if (s.p[i] == close && --level == 0)
			return i + 1;
	}
	return 0;
}

/* Text behind '?' or ':': {text}, or all of it. */
static struct str
branch(struct str *rest)
{
	struct str trimmed = cflines_trim(*rest), text = *rest;
	size_t n =
		str_starts(trimmed, S("{")) ? balanced(trimmed, '{', '}') : 0;

	*rest = S("");
	if (n == 0)
		return text;
	*rest = cflines_trim(str_from(trimmed, n));
	return cflines_trim(str_sub(trimmed, 1, n - 2));
}

/* ${name}, ${name?text}, ${name:text}, ${name?{text}:{text}}: what stands
 * between the braces. */
static void
expand_body(struct expansion *x, struct str body, unsigned depth)
{
	size_t n = 0;
	struct str name, rest, first, second = S(""), value = S("");
	bool is_set, is_if_set;

	while (n < body.n && body.p[n] != '?' && body.p[n] != ':')
		n++;
	name = str_first(body, n);
	if (why_no_name(name) != NULL) {
		fail(x, "what stands in ${} is not a name; write ${name}, "
			"${name?text} or ${name:text}");
		return;
	}
	if (n == body.n) {
		expand_name(x, name, depth);
		return;
	}
	is_if_set = body.p[n] == '?';
	rest = str_from(body, n + 1);
	first = branch(&rest);
	if (str_starts(rest, S(":"))) {
		rest = str_from(rest, 1);
		second = branch(&rest);
	}
	map_set(x->used, name, x);
	is_set = value_of(x->s, name, &value) && value.n > 0;
	expand(x, is_set == is_if_set ? first : second, depth + 1);
}

/* text begins behind a '$'; returns how many octets of it belong to it. */
static size_t
expand_dollar(struct expansion *x, struct str text, unsigned depth)
{
	char first = text.n > 0 ? text.p[0] : '\0';
	size_t n = 0;

	if (first == '$') {
		add(x, S("$"));
		return 1;
	}
	if (first == '{' || first == '(') {
		n = balanced(text, first, first == '{' ? '}' : ')');
		if (n == 0)
			fail(x, "the bracket behind '$' is not closed");
		else
			expand_body(x, str_sub(text, 1, n - 2), depth);
		return n;
	}
	while (n < text.n && (ascii_is_alpha(text.p[n]) ||
			      ascii_is_digit(text.p[n]) || text.p[n] == '_'))
		n++;
	if (n == 0)
		fail(x, "no name behind '$'; write $$ for the sign itself");
	else
		expand_name(x, str_first(text, n), depth);
	return n;
}

static void
expand(struct expansion *x, struct str text, unsigned depth)
{
	if (depth > EXPAND_DEPTH_MAX)
		fail(x, "$names lead back to themselves, or too deep");
	while (text.n > 0 && !x->has_failed) {
		ptrdiff_t dollar = str_chr(text, '$');

		if (dollar < 0) {
			add(x, text);
			return;
		}
		if (++x->n_steps > EXPAND_STEPS_MAX) {
			fail(x, "too many $names");
			return;
		}
		add(x, str_first(text, (size_t)dollar));
		text = str_from(text, (size_t)dollar + 1);
		text = str_from(text, expand_dollar(x, text, depth));
	}
}

/* ---- kinds ---- */

bool
settings_parse_time(struct str text, char default_unit, uint64_t *s_out)
{
	static const struct {
		char unit;
		uint64_t s;
	} units[] = {
		{ 's', 1 },	{ 'm', 60 },	 { 'h', 3600 },
		{ 'd', 86400 }, { 'w', 604800 },
	};
	char unit = default_unit;
	uint64_t n;

	if (text.n > 0 && ascii_is_alpha(text.p[text.n - 1])) {
		unit = ascii_lower(text.p[text.n - 1]);
		text.n--;
	}
	if (!str_to_u64(text, UINT32_MAX, &n))
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (units[i].unit == unit) {
			*s_out = n * units[i].s;
			return true;
		}
	return false;
}

static char
unit_of(enum kind kind)
{
	return kind == TIME_D ? 'd' : kind == TIME_H ? 'h' : 's';
}

/* NULL: the value is of its kind. */
static const char *
why_not_kind(enum kind kind, struct str value)
{
	uint64_t n;

	switch (kind) {
	case TIME_S:
	case TIME_H:
	case TIME_D:
		if (!settings_parse_time(value, unit_of(kind), &n))
			return "is not a time; write a number and one of "
			       "s m h d w, as in 300s";
		return NULL;
	case NUMBER:
		if (!str_to_u64(value, INT64_MAX, &n))
			return "is not a number; write digits alone";
		return NULL;
	case BOOL:
		if (!str_ieq(value, S("yes")) && !str_ieq(value, S("no")))
			return "is neither yes nor no";
		return NULL;
	case TEXT:
	case LIST:
	case RAW:
	case IGNORED:
		return NULL;
	}
	return NULL;
}

/* ---- finishing ---- */

static size_t
min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

/* Levenshtein's, over names of at most NAME_MAX_OCTETS. */
static size_t
distance(struct str a, struct str b)
{
	size_t row[NAME_MAX_OCTETS + 1];

	for (size_t j = 0; j <= b.n; j++)
		row[j] = j;
	for (size_t i = 0; i < a.n; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < b.n; j++) {
			size_t above = row[j + 1];

			row[j + 1] = min3(diagonal + (a.p[i] != b.p[j]),
					  above + 1, row[j] + 1);
			diagonal = above;
		}
	}
	return row[b.n];
}

static struct str
nearest(struct str name)
{
	size_t best = name.n / 3 + 1;
	struct str found = S("");

	for (size_t i = 0; i < N_KNOWN; i++) {
		size_t n = distance(name, known[i].name);

		if (n < best) {
			best = n;
			found = known[i].name;
		}
	}
	return found;
}

/* Of Postfix, and not of this: the operator must know, and what to do
 * instead. */
static const struct {
	const char *name, *instead;
} not_here[] = {
	{ "content_filter",
	  "no other program is asked, and mail is delivered without: write "
	  "check_policy_service, header_checks or body_checks" },
	{ "smtpd_proxy_filter",
	  "no other program is asked, and mail is delivered without: write "
	  "check_policy_service, header_checks or body_checks" },
	{ "smtpd_command_filter", "commands are taken as they come" },
	{ "smtp_reply_filter", "replies are taken as they come" },
	{ "smtp_delivery_status_filter", "replies are taken as they come" },
	{ "default_delivery_status_filter", "replies are taken as they come" },
	{ "smtp_dns_reply_filter", "answers of DNS are taken as they come" },
	{ "smtpd_reject_footer",
	  "refusals are said in our words; write texts of one's own behind "
	  "REJECT in tables" },
	{ "smtp_generic_maps",
	  "addresses leave as they are: write canonical_maps" },
	{ "fallback_transport",
	  "unknown users are refused: write a catch-all in virtual.cf" },
	{ "mailbox_transport",
	  "mail for this host's users goes to its mailboxes: write an entry in "
	  "transport.cf" },
	{ "luser_relay",
	  "unknown users are refused: write a catch-all in virtual.cf" },
	{ "smtp_dns_support_level", "answers of DNS are not validated yet" },
	{ "smtp_tls_chain_files", "no certificate is shown to servers" },
	{ "smtp_tls_cert_file", "no certificate is shown to servers" },
	{ "smtpd_forbid_bare_newline_exclusions",
	  "nobody is exempt: a message with bare CR or LF is refused" },
	{ "smtpd_sasl_authenticated_header",
	  "Received does not tell who logged in; the log does" },
	{ "postscreen_dnsbl_allowlist_threshold",
	  "who is welcome to a list waits for the greeting as others do: name "
	  "him in postscreen_access_list" },
	{ "postscreen_dnsbl_whitelist_threshold",
	  "who is welcome to a list waits for the greeting as others do: name "
	  "him in postscreen_access_list" },
	{ "postscreen_dnsbl_reply_map",
	  "the reply names the list that was asked; a list with a secret in "
	  "its name is told to clients" },
	{ "milter_default_action", "milters are not asked" },
	{ "non_smtpd_milters",
	  "milters are not asked: mail of this machine goes through "
	  "header_checks and body_checks" },
	{ "smtpd_milters",
	  "milters are not asked, so what they refuse is accepted: write "
	  "check_policy_service, header_checks or body_checks" },
};

/* NULL: it has an effect, or what it says happens anyway. */
static const char *
why_not_here(const struct setting *v)
{
	const struct known *k = known_find(v->name);

	for (size_t i = 0; i < sizeof(not_here) / sizeof(*not_here); i++)
		if (str_eq(v->name, str_c(not_here[i].name)) &&
		    !str_eq(v->value, k->preset))
			return not_here[i].instead;
	return NULL;
}

/* Is "$name", "${name" or "$(name" in the text? */
static bool
is_named(struct str text, struct str name)
{
	ptrdiff_t at;

	while ((at = str_chr(text, '$')) >= 0) {
		text = str_from(text, (size_t)at + 1);
		if (str_starts(text, S("{")) || str_starts(text, S("(")))
			text = str_from(text, 1);
		if (str_starts(text, name) &&
		    (text.n == name.n || (!ascii_is_alpha(text.p[name.n]) &&
					  !ascii_is_digit(text.p[name.n]) &&
					  text.p[name.n] != '_')))
			return true;
	}
	return false;
}

static void
tell_unknown(const struct setting *v, struct diag *d)
{
	struct str guess = nearest(v->name);

	for (size_t i = 0; i < sizeof(ignored_ends) / sizeof(*ignored_ends);
	     i++)
		if (str_ends(v->name, ignored_ends[i])) {
			diag_note(d, v->file, v->line,
				  "%.*s has no effect here", STR(v->name));
			return;
		}
	if (guess.n > 0)
		diag_warn(d, v->file, v->line,
			  "%.*s is not known and has no effect; did you mean "
			  "%.*s?",
			  STR(v->name), STR(guess));
	else
		diag_warn(d, v->file, v->line,
			  "%.*s is not known and has no effect; remove it",
			  STR(v->name));
}

/* A host name of more than two labels: the domain is all but the first. */
static struct str
domain_of(struct str host)
{
	ptrdiff_t first = str_chr(host, '.'), last = str_rchr(host, '.');

	return first == last ? host : str_from(host, (size_t)first + 1);
}

static enum err
add_defaults(struct settings *s)
{
	struct str host = S("");
	enum err e = OK;

	for (size_t i = 0; e == OK && i < N_KNOWN; i++) {
		struct setting v = { .name = known[i].name,
				     .raw = known[i].preset };

		if (known[i].kind == IGNORED ||
		    map_get(&s->by_name, v.name) != NULL)
			continue;
		if (value_of(s, S("myhostname"), &host) &&
		    str_eq(v.name, S("mydomain")))
			v.raw = domain_of(host);
		e = assign(s, &v);
	}
	return e;
}

static enum err
expand_one(struct settings *s, struct setting *v, struct map *used,
	   struct buf *out, struct diag *d)
{
	struct expansion x = {
		.s = s, .whose = v, .d = d, .used = used, .out = out
	};
	const struct known *k = known_find(v->name);
	const char *why;

	v->value = v->raw;
	if (k != NULL && k->kind == RAW)
		return OK;
	buf_clear(out);
	expand(&x, v->raw, 0);
	v->value = cflines_trim(buf_str(out));
	if (k == NULL || k->kind == IGNORED)
		return arena_str(s->arena, v->value, &v->value);
	why = why_not_kind(k->kind, v->value);
	if (why != NULL && !x.has_failed)
		diag_error(d, v->file, v->line, "%.*s = %.*s %s", STR(v->name),
			   STR(str_first(v->value, 100)), why);
	if (why != NULL || x.has_failed)
		v->value = why_not_kind(k->kind, k->preset) ? S("") : k->preset;
	return arena_str(s->arena, v->value, &v->value);
}

/* Is it the last assignment to its name? */
static bool
counts(const struct settings *s, const struct setting *v)
{
	return map_get(&s->by_name, v->name) == v;
}

static enum err
split_words(struct settings *s, struct setting *v)
{
	struct str rest = v->value, word;

	v->n_words = 0;
	while (settings_item(&rest, &word))
		v->n_words++;
	v->words = arena_alloc(s->arena, v->n_words * sizeof(*v->words));
	if (v->words == NULL)
		return ERR_LIMIT;
	rest = v->value;
	for (size_t i = 0; settings_item(&rest, &word); i++)
		v->words[i] = word;
	return OK;
}

/* So that a question finds it at once. */
static enum err
prepare_getters(struct settings *s)
{
	struct str name;
	void *v;
	enum err e = OK;

	for (size_t at = 0; e == OK && map_next(&s->by_name, &at, &name, &v);)
		e = split_words(s, v);
	s->recent = arena_alloc(s->arena, N_RECENT * sizeof(*s->recent));
	return e == OK && s->recent == NULL ? ERR_LIMIT : e;
}

enum err
settings_finish(struct settings *s, struct diag *d)
{
	struct buf out = BUF_INIT(VALUE_MAX_OCTETS);
	struct map used = MAP_INIT;
	struct str classes, name;
	enum err e = add_defaults(s);

	for (struct setting *v = s->first; e == OK && v != NULL; v = v->next)
		if (counts(s, v))
			e = expand_one(s, v, &used, &out, d);
	classes = settings_text(s, "smtpd_restriction_classes");
	while (settings_item(&classes, &name))
		map_set(&used, name, s);
	for (struct setting *v = s->first; e == OK && v != NULL; v = v->next) {
		const struct known *k = known_find(v->name);

		if (!counts(s, v))
			continue;
		if (k != NULL && k->kind == IGNORED)
			diag_note(d, v->file, v->line,
				  "%.*s has no effect here", STR(v->name));
		else if (v->file.n > 0 && why_not_here(v) != NULL)
			diag_warn(d, v->file, v->line, "%.*s has no effect: %s",
				  STR(v->name), why_not_here(v));
		else if (k == NULL && map_get(&used, v->name) == NULL &&
			 !is_named(s->elsewhere, v->name))
			tell_unknown(v, d);
	}
	if (e == OK)
		e = prepare_getters(s);
	map_release(&used);
	buf_release(&out);
	return e;
}

enum err
settings_expand(const struct settings *s, const struct setting *where,
		settings_also *also, const void *also_arg, struct buf *out,
		struct diag *d)
{
	struct map used = MAP_INIT;
	struct expansion x = {
		.s = s,
		.whose = where,
		.d = d,
		.used = &used,
		.out = out,
		.also = also,
		.also_arg = also_arg,
	};

	expand(&x, where->raw, 0);
	map_release(&used);
	return x.has_failed ? ERR_FORMAT : OK;
}

/* ---- getters ---- */

static const struct setting *
look_up(const struct settings *s, struct str name)
{
	const struct setting *v = map_get(&s->by_name, name);

	check(v != NULL);
	return v;
}

/* Threads ask too (patterns, header_checks): a place is read once and written
 * once, whole, so that at worst two look up the same. */
static const struct setting *
must_find(const struct settings *s, const char *name)
{
	struct str key = str_c(name);
	const struct setting *v, **at;

	if (s->recent == NULL)
		return look_up(s, key);
	at = &s->recent[(uintptr_t)name / 8 % N_RECENT];
	v = __atomic_load_n(at, __ATOMIC_RELAXED);
	if (v == NULL || !str_eq(v->name, key)) {
		v = look_up(s, key);
		__atomic_store_n(at, v, __ATOMIC_RELAXED);
	}
	return v;
}

struct str
settings_text(const struct settings *s, const char *name)
{
	return must_find(s, name)->value;
}

uint64_t
settings_time_s(const struct settings *s, const char *name)
{
	const struct known *k = known_find(str_c(name));
	uint64_t time_s;

	check(k != NULL &&
	      (k->kind == TIME_S || k->kind == TIME_H || k->kind == TIME_D));
	check(settings_parse_time(settings_text(s, name), unit_of(k->kind),
				  &time_s));
	return time_s;
}

uint64_t
settings_number(const struct settings *s, const char *name)
{
	uint64_t n;

	check(str_to_u64(settings_text(s, name), INT64_MAX, &n));
	return n;
}

bool
settings_is_on(const struct settings *s, const char *name)
{
	return str_ieq(settings_text(s, name), S("yes"));
}

bool
settings_lists(const struct settings *s, const char *name, struct str word)
{
	const struct setting *v = must_find(s, name);

	for (size_t i = 0; i < v->n_words; i++)
		if (str_eq(v->words[i], word))
			return true;
	return false;
}

const struct setting *
settings_find(const struct settings *s, const char *name)
{
	const struct setting *v = must_find(s, name);

	return v->line > 0 || v->origin.n > 0 ? v : NULL;
}

bool
settings_item(struct str *list, struct str *item_out)
{
	size_t n = 0;
	bool is_open = false; // a brace that nothing closes

	while (list->n > 0 &&
	       (list->p[0] == ',' || cflines_is_space(list->p[0])))
		*list = str_from(*list, 1);
	if (list->n == 0)
		return false;
	if (list->p[0] == '{')
		n = balanced(*list, '{', '}');
	if (n > 0) {
		*item_out = cflines_trim(str_sub(*list, 1, n - 2));
		*list = str_from(*list, n);
		return true;
	}
	while (n < list->n && list->p[n] != ',' &&
	       !cflines_is_space(list->p[n])) {
		size_t group = 0;

		if (list->p[n] == '{' && !is_open) {
			group = balanced(str_from(*list, n), '{', '}');
			is_open = group == 0;
		}
		n += group > 0 ? group : 1;
	}
	*item_out = str_first(*list, n);
	*list = str_from(*list, n);
	return true;
}
