/* SPDX-License-Identifier: MIT
 * lib/mail/bounce_template.h - the words of reports as an operator writes them:
 * a file of bounce(5).
 *
 *   failure_template = <<EOF
 *   Charset: us-ascii
 *   Subject: ...
 *
 *   Text, with $names that are not expanded here.
 *   EOF
 *
 * Pure, linear. What is wrong is told with file and line, and that template is
 * left out: a report in our words is better than none. */
#pragma once

#include "lib/base/diag.h"

enum bounce_template_kind {
	BOUNCE_FAILURE,
	BOUNCE_DELAY,
	BOUNCE_SUCCESS,
	BOUNCE_VERIFY, // read, for nothing: addresses are not verified here
	BOUNCE_TEMPLATES,
};

enum {
	BOUNCE_FILE_MAX_OCTETS = 64 * 1024,
	BOUNCE_FIELD_MAX_OCTETS = 900, // of a header of the report
};

/* Strings borrow the file; a header that is not given is empty. */
struct bounce_template {
	bool is_set;
	struct str charset, from, subject, copy_subject;
	struct str text; // lines as in the file
	uint32_t line;	 // where the text begins
};

void bounce_templates_parse(struct str file, struct str bytes,
			    struct bounce_template out[BOUNCE_TEMPLATES],
			    struct diag *d);
