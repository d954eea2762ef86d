/* SPDX-License-Identifier: MIT
 * mta/dns/dns.h - the process that turns names into addresses and exchanges.
 *
 * It answers DNS_ADDRESSES and DNS_EXCHANGES of lib/ipc/out.h. /etc/hosts goes
 * first. The servers are those of /etc/resolv.conf, which is read again when it
 * changes; the variable ESTAFETA_DNS_SERVERS ("127.0.0.1@5353 ...", for tests)
 * takes its place.
 *
 * DNS_ADDRESSES gives IPv6 after IPv4 addresses. DNS_EXCHANGES gives names
 * without addresses, the most preferred first, equal ones in random order
 * (RFC 5321 5.1); a single "." is DNS_NULL_MX (RFC 7505). */
#pragma once

#include "lib/rt/role.h"

void dns_start(struct role *role);
