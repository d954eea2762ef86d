/* SPDX-License-Identifier: MIT
 * lib/rt/log_postfix.h - our events as the lines that Postfix's logs have, for
 * pflogsumm, fail2ban and eyes that know them. */
#pragma once

#include "lib/base/buf.h"
#include "lib/rt/log.h"

/* "Jan 31 09:08:07 host ", what all lines begin with, is in head. Appends one
 * line or several, each with its end. An event without a counterpart becomes
 * "postfix/estafeta-ROLE[pid]: event key=value ...". */
void log_put_postfix(struct buf *out, struct str head, const char *who, int pid,
		     enum log_level level, const char *event,
		     const struct log_field *fields);
