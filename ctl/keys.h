/* SPDX-License-Identifier: MIT
 * ctl/keys.h - private keys that others have: for lint.
 *
 * Looks at the files of a directory and of those below it (three levels, 500
 * files, 256 KiB each): WireGuard's PrivateKey and PresharedKey lines, and
 * private keys in PEM. Told are keys that stand in WireGuard's own
 * documentation, keys that other users of the machine may read, keys that git
 * has in its index, and keys and password hashes that were seen before in
 * another file: a key or a salt that two hosts share was copied from somewhere.
 * A key itself is never shown. */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/diag.h"
#include "lib/base/map.h"

/* What was seen in all directories so far. */
struct keys {
	struct arena arena;
	struct map seen;  // key or hash -> struct str, its file
	unsigned n_files; // of the directory at hand
};

void keys_init(struct keys *k);
void keys_release(struct keys *k);
void keys_check(struct keys *k, const char *dir, struct diag *d);
