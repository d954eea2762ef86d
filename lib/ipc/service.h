/* SPDX-License-Identifier: MIT
 * lib/ipc/service.h - who can be connected to, and what the parent and its
 * roles say to each other.
 *
 * The parent's control socket is a SOCK_SEQPACKET pair: one message per packet,
 * at most one descriptor with it.
 *
 *   role -> parent  CONNECT service, copy    "give me a channel to that role"
 *   parent -> role  CONNECTED service, copy  with the socket, or without:
 * failed parent -> role  INCOMING service         with the socket: `service`
 * (the role that asked) is on its far end parent -> role  FILE kind with a
 * descriptor to read: a file that the role may not open itself, now and after
 * each change parent -> role  STOP                     finish and exit role ->
 * parent  READY                    it serves (once) */
#pragma once

#include "lib/base/buf.h"

enum service {
	SERVICE_NONE,
	SERVICE_IN,
	SERVICE_QUEUE,
	SERVICE_OUT,
	SERVICE_DNS,
	SERVICE_ROUTER,
	SERVICE_FRONT,
	SERVICE_STORE,
	SERVICE_AUTH,
	SERVICE_SUBMIT,	    // a plain byte stream that mta/in speaks SMTP on
	SERVICE_LMTP,	    // a plain byte stream that mda/front speaks LMTP on
	SERVICE_ROUTER_OUT, // the router, for what mta/out may ask of it
	SERVICES,
};

enum control_type {
	CONTROL_CONNECT,
	CONTROL_CONNECTED,
	CONTROL_INCOMING,
	CONTROL_FILE,
	CONTROL_STOP,
	CONTROL_READY,
	CONTROL_TYPES,
};

enum control_file {
	FILE_CERTIFICATE, // chain and key, PEM, one after the other
	FILE_ACCOUNTS,
	FILE_SASL,    // passwords of relay hosts
	FILE_MASTERS, // empty when there is none
	FILE_KINDS,
};

enum { CONTROL_MAX_OCTETS = 16 };

struct control {
	enum control_type type;
	uint8_t what; // a service, or a control_file
	uint8_t copy;
};

void control_put(struct buf *out, const struct control *message);
enum err control_read(struct str packet, struct control *out) MUST_USE;

/* "queue", "router"; the unix socket of a service that lives in another program
 * is this plus ".sock" in the run directory. */
const char *service_name(enum service service);
