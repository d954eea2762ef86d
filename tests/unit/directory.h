/* SPDX-License-Identifier: MIT
 * tests/unit/directory.h - a directory for the files of one test: make_dir and
 * remove_dir stand before and behind it. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/unit.h"

static char dir[64];

static int
make_dir(void **state UNUSED)
{
	snprintf(dir, sizeof(dir), "/tmp/estafeta-test-XXXXXX");
	return mkdtemp(dir) == NULL;
}

static int
remove_dir(void **state UNUSED)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -r '%s'", dir);
	return system(command);
}
