/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_header.c - fields lie one behind the other inside the header,
 * unfolded values have no line end, the first of a name is found by it, and a
 * CRLF form is the same however it is cut. */
#include "lib/base/check.h"
#include "lib/mail/crlf.h"
#include "lib/mail/header.h"

#include <string.h>

enum { CHECKED_FIELDS = 10 }; // each is looked for from the start

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_value(struct str in, const struct header_field *f)
{
	struct buf value = BUF_INIT(f->value.n + 1);
	struct header_field first;

	check(header_unfold(&value, f->value) == OK);
	for (size_t i = 0; i < value.n; i++)
		check(strchr("\r\n", value.p[i]) == NULL);
	check(header_find(in, f->name, &first));
	check(first.at <= f->at && str_ieq(first.name, f->name));
	buf_release(&value);
}

static void
check_fields(struct str in)
{
	struct header_iter it;
	struct header_field f;
	unsigned n = 0;
	size_t at = 0, end = header_length(in);

	check(end <= in.n);
	header_iter_init(&it, in);
	while (header_next(&it, &f)) {
		check(f.at >= at && f.n > 0 && f.n <= end - f.at);
		check(f.name.n > 0 && f.name.p == in.p + f.at);
		check(f.value.p >= f.name.p + f.name.n);
		check(f.value.p + f.value.n <= in.p + f.at + f.n);
		check(f.at == 0 || in.p[f.at - 1] == '\n');
		at = f.at + f.n;
		if (n++ < CHECKED_FIELDS)
			check_value(in, &f);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_of(data, size);
	struct buf whole = BUF_INIT(2 * size + 1), cut = BUF_INIT(2 * size + 1);
	size_t step = size > 0 ? data[0] % 7 + 1 : 1;

	check_fields(in);
	check(crlf_add(&whole, in) == OK);
	check(whole.n == crlf_size(in) &&
	      crlf_size(buf_str(&whole)) == whole.n);
	for (size_t at = 0; at < whole.n && size < 500; at += step)
		check(crlf_add_slice(&cut, in, at, step) == OK);
	check(size >= 500 || str_eq(buf_str(&whole), buf_str(&cut)));
	buf_release(&whole);
	buf_release(&cut);
	return 0;
}
