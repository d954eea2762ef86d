/* SPDX-License-Identifier: MIT
 * ctl/commands.h - the commands of mailctl; each is a main() of its own, with
 * its own name in argv[0], and returns a code of <sysexits.h> or 1. */
#pragma once

typedef int command_fn(int argc, char **argv);

command_fn run_main, healthcheck_main, doctor_main, explain_main, top_main;
command_fn lint_main, route_main, config_main, map_main;
command_fn cert_main;
command_fn queue_main, trace_main, pw_main;
/* account, alias, quota, relay and master: argv[0] ends with which. */
command_fn account_main;
/* Under the names that other systems gave them. */
command_fn postqueue_main, mailq_main, postsuper_main, postcat_main;
command_fn doveadm_main, setup_main, postconf_main, postmap_main;
command_fn sendmail_main, newaliases_main;
