/* SPDX-License-Identifier: MIT
 * ctl/acme.h - takes the host's certificate out of Traefik's acme.json. */
#pragma once

#include "lib/rt/options.h"

/* Writes STATE/tls/acme.pem (chain and key, mode 0600) from acme.json in the
 * options' directory, when it has one for this host. What goes wrong is
 * logged. Blocks; parses: for a process of its own. */
enum err acme_extract(const struct options *o) MUST_USE;
/* Has acme.json another state than at the call before? False without one. */
bool acme_has_changed(const struct options *o);
