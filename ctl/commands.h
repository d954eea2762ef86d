/* SPDX-License-Identifier: MIT
 * ctl/commands.h - the commands of mailctl; each is a main() of its own, with
 * its own name in argv[0], and returns a code of <sysexits.h> or 1. */
#pragma once

typedef int command_fn(int argc, char **argv);

command_fn run_main, cert_main;
