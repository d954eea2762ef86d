/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_bounce_template.c - texts and headers are parts of the file
 * that can stand in a report; what was left out was told. */
#include "lib/base/check.h"
#include "lib/mail/bounce_template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_within(struct str part, struct str all)
{
	check(part.n == 0 ||
	      (part.p >= all.p && part.p + part.n <= all.p + all.n));
}

static void
check_header(struct str value, struct str all)
{
	check_within(value, all);
	check(value.n <= BOUNCE_FIELD_MAX_OCTETS);
	for (size_t i = 0; i < value.n; i++)
		check(ascii_is_print(value.p[i]) || value.p[i] == '\t');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str bytes = str_of(data, size);
	struct bounce_template t[BOUNCE_TEMPLATES];
	struct diag d;
	size_t n_set = 0;

	if (size > BOUNCE_FILE_MAX_OCTETS)
		return 0;
	diag_init(&d, 1 << 20);
	bounce_templates_parse(S("f"), bytes, t, &d);
	for (size_t i = 0; i < BOUNCE_TEMPLATES; i++) {
		if (!t[i].is_set)
			continue;
		n_set++;
		check(t[i].text.n > 0 && t[i].line > 1);
		check_within(t[i].text, bytes);
		check_header(t[i].charset, bytes);
		check_header(t[i].from, bytes);
		check_header(t[i].subject, bytes);
		check_header(t[i].copy_subject, bytes);
	}
	if (str_find(bytes, S("template = <<")) >= 0)
		check(n_set + d.n_warnings > 0 || str_chr(bytes, '#') >= 0);
	diag_release(&d);
	return 0;
}
