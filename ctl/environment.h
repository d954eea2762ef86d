/* SPDX-License-Identifier: MIT
 * ctl/environment.h - what docker-mailserver's variables of the environment do
 * here: those that have no effect are told, each by its name. */
#pragma once

#include "lib/base/diag.h"

/* One entry "NAME=value" of an environment. Adds at most one line: a variable
 * without effect, a value that is not known, a name that looks like one of
 * ours or docker-mailserver's and is none. Values of unknown ones may be
 * secrets and are never shown. */
void environment_check_one(const char *entry, struct diag *d);
/* All of this process. */
void environment_check(struct diag *d);
