/* SPDX-License-Identifier: MIT
 * mta/dns/hosts.h - the file of host names, hosts(5). Pure. */
#pragma once

#include "lib/base/str.h"
#include "lib/ipc/out.h"

/* Addresses of name in the file's order, at most max: the texts borrow file.
 * Letter case and a dot at the end of name do not matter. */
size_t hosts_find(struct str file, struct str name, struct str *addresses_out,
		  size_t max);

/* The words behind "nameserver" in a resolv.conf(5), at most max. */
size_t
resolv_conf_servers(struct str file, struct str *servers_out, size_t max);
