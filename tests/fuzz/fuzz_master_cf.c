/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_master_cf.c - settings of single listeners.
 *
 * Oracle: every line that was taken names a service and lies in the file, in
 * its order; what was not taken was told; making the settings ends. */
#include "lib/base/check.h"
#include "router/map/master_cf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_lines(const struct master *m, struct str bytes)
{
	uint32_t last = 0;

	for (size_t i = 0; i < m->n; i++) {
		const struct master_line *l = &m->lines[i];

		check(l->service < MASTER_SERVICES && l->name.n > 0);
		check(l->line > last);
		check(l->name.p >= bytes.p &&
		      l->name.p + l->name.n <= bytes.p + bytes.n);
		last = l->line;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str bytes = str_of(data, size);
	struct settings main_cf, out;
	struct arena arena;
	struct master m;
	struct diag d;

	if (size > 64 * 1024)
		return 0;
	arena_init(&arena, 64 << 20);
	diag_init(&d, 1 << 20);
	settings_init(&main_cf, &arena);
	check(settings_finish(&main_cf, NULL) == OK);
	if (master_parse(&arena, S("master.cf"), bytes, &d, &m) == OK) {
		check_lines(&m, bytes);
		settings_init(&out, &arena);
		if (master_settings(&m, S("master.cf"), MASTER_SUBMISSION,
				    size % 2 == 0, &main_cf, &d, &out) == OK)
			(void)settings_number(&out, "smtpd_recipient_limit");
		settings_release(&out);
	}
	settings_release(&main_cf);
	diag_release(&d);
	arena_release(&arena);
	return 0;
}
