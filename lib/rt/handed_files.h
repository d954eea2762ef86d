/* SPDX-License-Identifier: MIT
 * lib/rt/handed_files.h - files that the parent opens for its roles, which may
 * not: the certificate and its key, accounts, masters, passwords at relays.
 *
 * For the parent, but handed_file_find(), which only asks for names. Nothing
 * here is parsed. */
#pragma once

#include "lib/ipc/service.h"
#include "lib/rt/options.h"

/* Where a file of the configuration is: path becomes that of the first of its
 * names that exists, or else of the last; then false. Not for the certificate.
 */
bool handed_file_find(const char *config_dir, enum control_file kind,
		      char *path, size_t size);

/* Where all of them are now; is_smtp: as certificate_find(). */
void handed_files_find(const struct options *o, bool is_smtp);
/* Is the file another one than when this was asked last? True the first time.
 */
bool handed_file_has_changed(enum control_file kind);
/* Each counts as changed. */
void handed_files_forget(void);
/* A descriptor to read the file from, the caller's: itself, or the certificate
 * and its key joined in memory, or an empty file for masters that are gone. -1,
 * with the reason logged where that is one. */
int handed_file_open(const struct options *o, enum control_file kind);
