/* SPDX-License-Identifier: MIT
 * router/map/main_cf_known.c - see main_cf_known.h.
 *
 * Process: router (and lint).  Standards: none; names and defaults are those of
 * postconf(5) where it has them.
 * Invariant: a name is in the table once, and has an effect (if only as $name),
 * or is KIND_IGNORED and told, or stands in not_here[].
 */
#include "router/map/main_cf_known.h"

#include "lib/rt/version.h"

#define ROW(name, kind, preset)                               \
	{                                                     \
		STR_INIT(name), KIND_##kind, STR_INIT(preset) \
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
	ROW("smtpd_reject_footer", RAW, ""),
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

const struct known *
known_find(struct str name)
{
	for (size_t i = 0; i < N_KNOWN; i++)
		if (str_eq(known[i].name, name))
			return &known[i];
	return NULL;
}

const struct known *
known_at(size_t i)
{
	return i < N_KNOWN ? &known[i] : NULL;
}

/* ---- names that are not known ---- */

/* Families of names without effect here, by their ends. */
static const struct str ignored_ends[] = {
	STR_INIT("_process_limit"),
	STR_INIT("_destination_concurrency_limit"),
	STR_INIT("_destination_recipient_limit"),
	STR_INIT("_destination_rate_delay"),
};

bool
known_is_of_no_effect(struct str name)
{
	for (size_t i = 0; i < sizeof(ignored_ends) / sizeof(*ignored_ends);
	     i++)
		if (str_ends(name, ignored_ends[i]))
			return true;
	return false;
}

static size_t
min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

/* Levenshtein's, over names of at most KNOWN_NAME_MAX_OCTETS. */
static size_t
distance(struct str a, struct str b)
{
	size_t row[KNOWN_NAME_MAX_OCTETS + 1];

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

struct str
known_nearest(struct str name)
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

/* ---- names without effect ---- */

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

const char *
known_why_not(struct str name, struct str value)
{
	const struct known *k = known_find(name);

	for (size_t i = 0; i < sizeof(not_here) / sizeof(*not_here); i++)
		if (str_eq(name, str_c(not_here[i].name)) &&
		    !str_eq(value, k->preset))
			return not_here[i].instead;
	return NULL;
}
