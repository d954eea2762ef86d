/* SPDX-License-Identifier: MIT
 * tests/unit/in_process.h - a process that starts: in a child, so that locks
 * and the loop are new. */
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include "lib/rt/co.h"
#include "tests/unit/unit.h"

static inline void
in_process(co_fn *fn)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		loop_init();
		co_spawn(fn, NULL, "test");
		loop_run();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}
