/* SPDX-License-Identifier: MIT
 * ctl/services.h - the listeners of the SMTP server and what master.cf sets for
 * each, in the words of Postfix's postconf -M and -P. */
#pragma once

#include "router/map/config.h"

enum services_form {
	SERVICES_TABLE,	     // -M: master.cf's columns, and "-o name=value"
	SERVICES_PARAMETERS, // -P: service/type/name = value
	SERVICES_JSON,	     // {"submission/inet": {"name": "value"}}
};

/* Prints what fits one of the patterns: service[/type[/name]], where '*' is
 * anything; all when there are none. False: a pattern fits nothing; told. */
bool
services_show(const struct config *c, enum services_form form, char **patterns);
