/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_hosts.c - hosts(5) and resolv.conf(5). The input up to its
 * first line end is the name that is asked for.
 *
 * Oracle: what is found lies in the file, is one word, and is found as well
 * when the file comes twice. */
#include "lib/base/check.h"
#include "lib/base/buf.h"
#include "mta/dns/hosts.h"

enum { MAX_FOUND = 8, MAX_OCTETS = 1 << 14 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_words(struct str file, const struct str *words, size_t n)
{
	check(n <= MAX_FOUND);
	for (size_t i = 0; i < n; i++) {
		check(words[i].n > 0 && words[i].p >= file.p &&
		      words[i].p + words[i].n <= file.p + file.n);
		check(str_chr(words[i], '\n') < 0 &&
		      str_chr(words[i], ' ') < 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_of(data, size), name, file, found[MAX_FOUND];
	struct buf twice = BUF_INIT(3 * MAX_OCTETS);
	ssize_t end = str_chr(in, '\n');
	size_t n;

	if (size > MAX_OCTETS || end < 0)
		return 0;
	name = str_first(in, (size_t)end);
	file = str_from(in, (size_t)end + 1);
	check_words(file, found, resolv_conf_servers(file, found, MAX_FOUND));
	n = hosts_find(file, name, found, MAX_FOUND);
	check_words(file, found, n);
	check(buf_add(&twice, file) == OK && buf_addc(&twice, '\n') == OK &&
	      buf_add(&twice, file) == OK);
	check(hosts_find(buf_str(&twice), name, found, MAX_FOUND) >= n);
	buf_release(&twice);
	return 0;
}
