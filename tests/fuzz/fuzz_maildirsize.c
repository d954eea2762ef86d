/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_maildirsize.c - a quota file is summed and written anew.
 *
 * Oracle: no negative usage; the sum as one line gives the same usage. */
#include "lib/base/check.h"
#include "lib/mail/maildirsize.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf written = BUF_INIT(4096);
	struct maildirsize m, again;

	if (maildirsize_parse(str_of(data, size), &m) != OK)
		return 0;
	check(m.octets >= 0 && m.messages >= 0);
	check(maildirsize_put_limits(&written, &m.limits) == OK);
	check(maildirsize_put_delta(&written, m.octets, m.messages) == OK);
	check(maildirsize_parse(buf_str(&written), &again) == OK);
	check(again.octets == m.octets && again.messages == m.messages);
	check(again.limits.octets == m.limits.octets);
	check(again.limits.messages == m.limits.messages);
	check(quota_fits(&m.limits, &m, 1, 0) ==
	      quota_fits(&m.limits, &again, 1, 0));
	buf_release(&written);
	return 0;
}
