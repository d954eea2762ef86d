/* SPDX-License-Identifier: MIT
 * ctl/files.h - the configuration as its files say, whoever runs or not. */
#pragma once

#include "router/map/config.h"

/* Loads dir with the variables of this process's environment and the file of
 * accounts. As config_load(). */
enum err files_load(const char *dir, const char *hostname, struct diag *d,
		    struct config **out) MUST_USE;
