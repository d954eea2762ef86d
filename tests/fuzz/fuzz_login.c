/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_login.c - challenges of a server that we log in at.
 *
 * Input: the mechanism (one octet), then challenges, each ended by 0xff.
 * Oracle: no answer is longer than LOGIN_MAX_OCTETS times two; the password is
 * told by PLAIN and LOGIN alone, as it is; a server that does not know it never
 * proves that it does; the same challenges have the same answers. */
#include "lib/base/check.h"
#include "mta/out/login.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_STEPS = 5, MAX_ANSWER = 2 * LOGIN_MAX_OCTETS };

static const struct str user = STR_INIT("me"), password = STR_INIT("s3cr3t-x");
static const char nonce[] = "abcdefghijklmnopqrstuvwx";

static enum err
talk(enum login_mechanism m, struct str in, struct buf *all)
{
	bool is_known = str_find(in, password) >= 0; // and echoed
	struct login l;
	enum err e = OK;

	login_init(&l, m, user, password, nonce);
	for (int i = 0; i < MAX_STEPS && e == OK && (i == 0 || in.n > 0); i++) {
		struct buf answer = BUF_INIT(MAX_ANSWER);
		struct str challenge = S("");

		if (i > 0 || !login_begins(&l))
			str_split(&in, (char)0xff, &challenge);
		e = login_answer(&l, challenge, &answer);
		check(m != LOGIN_SCRAM || !l.is_server_proved);
		if ((m == LOGIN_SCRAM || m == LOGIN_CRAM) && !is_known)
			check(str_find(buf_str(&answer), password) < 0);
		buf_put(all, buf_str(&answer));
		buf_release(&answer);
	}
	login_release(&l);
	return e;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf one = BUF_INIT(MAX_STEPS * MAX_ANSWER);
	struct buf two = BUF_INIT(MAX_STEPS * MAX_ANSWER);
	enum login_mechanism m;
	struct str in;

	if (size < 1)
		return 0;
	in = str_of(data + 1, size - 1);
	m = (enum login_mechanism)(data[0] % LOGIN_MECHANISMS);
	login_offers(in);
	check(talk(m, in, &one) == talk(m, in, &two));
	check(str_eq(buf_str(&one), buf_str(&two)));
	if (m == LOGIN_PLAIN)
		check(str_eq(buf_str(&one), S("\0me\0s3cr3t-x")));
	buf_release(&one);
	buf_release(&two);
	return 0;
}
