/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_offers.c - what a server's reply to EHLO offers.
 *
 * Oracle: limits that are told are not 0; a reply of one line offers nothing;
 * the same reply read octet by octet offers the same. */
#include "lib/base/check.h"
#include "mta/out/commands.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
read_reply(struct str in, size_t step, struct offers *out)
{
	enum smtp_reply_result result = SMTP_REPLY_MORE;
	struct smtp_reply reply;
	struct buf seen = BUF_INIT(in.n + 1);

	memset(out, 0, sizeof(*out)); // for memcmp()
	smtp_reply_init(&reply);
	while (result == SMTP_REPLY_MORE && in.n > 0) {
		size_t n;

		check(buf_add(&seen, str_first(in, step)) == OK);
		in = str_from(in, step);
		result = smtp_reply_feed(&reply, buf_str(&seen), &n);
		buf_shift(&seen, n);
	}
	if (result == SMTP_REPLY_DONE) {
		offers_read(&reply, out);
		if (reply.n_lines == 1)
			check(!out->has_size && !out->has_pipelining &&
			      !out->has_chunking && out->logins == 0);
	}
	smtp_reply_release(&reply);
	buf_release(&seen);
	return result == SMTP_REPLY_DONE;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_of(data, size);
	struct offers whole, slow;

	if (!read_reply(in, size + 1, &whole))
		return 0;
	check(read_reply(in, 1, &slow));
	check(whole.has_size == slow.has_size &&
	      whole.size_max_octets == slow.size_max_octets &&
	      whole.logins == slow.logins && whole.has_own == slow.has_own &&
	      whole.rcpt_max == slow.rcpt_max &&
	      whole.mail_max == slow.mail_max &&
	      whole.has_starttls == slow.has_starttls);
	check(whole.has_size || whole.size_max_octets == 0);
	return 0;
}
