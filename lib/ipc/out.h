/* SPDX-License-Identifier: MIT
 * lib/ipc/out.h - deliveries that mta/queue orders from mta/out, and names that
 * out asks mta/dns.
 *
 * One call per delivery (one message, one next hop, one or more recipients):
 *   OUT_DELIVER   job                  opens, with small content inside
 *   OUT_WANT      (from out)           asks for content that was not inside
 *   OUT_CHUNK     content ..., the last one ends the queue's side
 *   OUT_RESULT    (from out) one for each recipient, then out ends the call
 * A call that breaks leaves the recipients without OUT_RESULT undecided: they
 * are tried again, with XTRY.
 * Before the first job, and when they have changed:
 *   OUT_SETTINGS  router_put_smtp()    no answer
 *
 * By mta/in: what a policy service says (check_policy_service):
 *   OUT_ASK_SERVICE  address, LF, request -> OUT_SERVICE_ANSWER action; the
 *                    call ends without one when the service does not answer
 *
 * By router, through run/out.sock: what a table of another host answers:
 *   OUT_ASK_TABLE  "tcp:inet:host:port", "socketmap:inet:host:port" or
 *                  "socketmap:unix:/path", LF, request
 *                  -> OUT_TABLE_ANSWER reply as it came; the call ends without
 *                  one when the host does not answer
 *
 *   DNS_ADDRESSES name                 -> DNS_ANSWER
 *   DNS_EXCHANGES name (MX)            -> DNS_ANSWER
 *   DNS_RECORDS   kind, name           -> DNS_ANSWER (also asked by mta/in) */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/buf.h"

enum out_type {
	OUT_DELIVER = 1,
	OUT_WANT,
	OUT_CHUNK,
	OUT_RESULT,
	DNS_ADDRESSES,
	DNS_EXCHANGES,
	DNS_ANSWER,
	OUT_SETTINGS,
	DNS_RECORDS,
	OUT_ASK_SERVICE,
	OUT_SERVICE_ANSWER,
	OUT_ASK_TABLE,
	OUT_TABLE_ANSWER,
};

enum {
	OUT_INLINE_MAX_OCTETS = 256 * 1024,
	OUT_CHUNK_MAX_OCTETS = 128 * 1024,
	OUT_JOB_MAX_OCTETS = 768 * 1024,
	OUT_MAX_RECIPIENTS = 100,
	DNS_MAX_ADDRESSES = 32,
	OUT_TABLE_MAX_OCTETS = 100 * 1024, // of a request and of a reply
	OUT_TABLE_TIMEOUT_S = 10,	   // for name, connection and reply
};

enum out_protocol { OUT_SMTP, OUT_LMTP, OUT_LOCAL, OUT_PROTOCOLS };

struct out_rcpt {
	struct str address; // RCPT TO; local: with extension
	struct str mailbox; // local: account that owns the mailbox
	struct str orcpt;
	struct str original; // local: who was written to, if somebody else
	uint8_t notify;
	uint32_t index; // in the message; XID is "<id>.<index>"
};

struct out_job {
	struct str id; // queue id
	enum out_protocol protocol;
	struct str next_hop; // "[host]:port", "host", "unix:path"; local: empty
	struct str hostname; // for EHLO
	struct str sender;
	struct str envid;
	uint8_t ret;
	bool is_8bit, is_smtputf8;
	bool is_binary;	 // goes by BDAT with BODY=BINARYMIME, or not at all
	bool is_repeat;	 // an attempt that may be one: XTRY=1
	uint64_t secret; // part of the XID over SMTP
	/* Of smtp_tls_policy_maps: a line for each element of next_hop, or
	 * nothing. */
	struct str tls_policy;
	struct str sasl_user, sasl_password;
	int64_t arrived_us;
	uint64_t size_octets;
	bool has_content; // content below is the whole message
	struct str content;
	const struct out_rcpt *rcpts;
	size_t n_rcpts;
};

struct out_result {
	uint32_t index;	     // as in out_rcpt
	uint16_t code;	     // 2yz delivered, 5yz failed, 4yz or 0 try again
	struct str enhanced; // "2.0.0"; may be empty
	struct str text;     // of the reply, or what went wrong here
	struct str remote;   // host that said so, or empty
	bool is_destination_dead; // no connection: others need not try now
	bool is_reported;  // the host that took it sends reports (RFC 3461)
	bool is_not_tried; // out stops, and has not begun: that was no try
};

enum dns_kind { // of DNS_RECORDS
	DNS_KIND_A,
	DNS_KIND_PTR, // the name is a numeric address
	DNS_KIND_NS,
	DNS_KIND_TXT,
	DNS_KINDS,
};

enum dns_result { DNS_OK, DNS_NONE, DNS_NULL_MX, DNS_TEMPORARY, DNS_RESULTS };

struct dns_host {
	struct str name, address; // address: numeric
	uint16_t preference;
};

struct dns_answer {
	enum dns_result result;
	const struct dns_host *hosts; // in the order to try
	size_t n_hosts;
};

void out_put_job(struct buf *out, const struct out_job *job);
/* Strings borrow body; rcpts is in the arena. */
enum err out_read_job(struct str body, struct arena *arena,
		      struct out_job *job_out) MUST_USE;
void out_put_result(struct buf *out, const struct out_result *result);
enum err out_read_result(struct str body, struct out_result *out) MUST_USE;
/* DNS_ADDRESSES and DNS_EXCHANGES carry the bare name. DNS_RECORDS: the answers
 * are in the hosts' names, addresses of A too; of a text the printable ASCII.
 */
void dns_put_records(struct buf *out, enum dns_kind kind, struct str name);
enum err dns_read_records(struct str body, enum dns_kind *kind_out,
			  struct str *name_out) MUST_USE;
void dns_put_answer(struct buf *out, const struct dns_answer *answer);
enum err dns_read_answer(struct str body, struct arena *arena,
			 struct dns_answer *out) MUST_USE;
