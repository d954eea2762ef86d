/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_main_cf.c - main.cf through the reader.
 *
 * Oracle: after settings_finish() every getter answers (a value of the wrong
 * kind would abort there), and each raw value stands in the input, byte by
 * byte, unless its line was continued. */
#include "lib/base/check.h"
#include "router/map/main_cf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = ARENA_INIT(64 << 20);
	struct str in = str_of(data, size);
	bool is_continued =
		str_find(in, S("\n ")) >= 0 || str_find(in, S("\n\t")) >= 0;
	struct settings s;
	struct diag d;

	for (size_t i = 0; i + 1 < in.n; i++)
		is_continued |= in.p[i] == '\n' &&
				(in.p[i + 1] == '\v' || in.p[i + 1] == '\f' ||
				 in.p[i + 1] == '\r' || in.p[i + 1] == '#' ||
				 in.p[i + 1] == '\n');
	diag_init(&d, 1 << 16);
	settings_init(&s, &arena);
	if (settings_read(&s, S("f"), in, &d) == OK) {
		for (struct setting *v = s.first; v != NULL && !is_continued;
		     v = v->next)
			check(str_find(in, v->raw) >= 0);
		if (settings_finish(&s, &d) == OK) {
			struct str list = settings_text(&s, "mydestination");
			struct str item;

			settings_time_s(&s, "queue_run_delay");
			settings_time_s(&s, "maximal_queue_lifetime");
			settings_time_s(&s, "delay_warning_time");
			settings_number(&s, "message_size_limit");
			settings_is_on(&s, "disable_vrfy_command");
			while (settings_item(&list, &item))
				;
		}
	}
	settings_release(&s);
	diag_release(&d);
	arena_release(&arena);
	return 0;
}
