/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_imap_mailbox_name.c - an accepted name goes to the wire and
 * to the disk and comes back the same, and is safe as a directory's name. */
#include "lib/base/check.h"
#include "lib/base/utf8.h"
#include "lib/mail/imap_mailbox_name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_dir(struct str dir)
{
	check(dir.n <= IMAP_NAME_DIR_MAX);
	check(dir.n == 0 || (dir.p[0] == '.' && dir.n >= 2));
	check(str_find(dir, S("..")) < 0 && str_chr(dir, '/') < 0);
	for (size_t i = 0; i < dir.n; i++)
		check(ascii_is_print(dir.p[i]));
}

static void
check_name(struct str name)
{
	struct buf out = BUF_INIT(IMAP_NAME_OCTETS_MAX * 4);
	struct buf again = BUF_INIT(IMAP_NAME_OCTETS_MAX * 4);

	check(imap_name_check(name) == IMAP_NAME_FINE);
	check(utf8_is_valid(name));
	for (int is_utf8 = 0; is_utf8 < 2; is_utf8++) {
		buf_clear(&out);
		check(imap_name_to_wire(name, is_utf8, &out) == OK);
		check(imap_name_from_wire(buf_str(&out), is_utf8, &again) ==
		      IMAP_NAME_FINE);
		check(str_eq(buf_str(&again), name));
	}
	buf_clear(&out);
	check(imap_name_to_dir(name, &out) == OK);
	check_dir(buf_str(&out));
	check(imap_name_from_dir(buf_str(&out), &again) == IMAP_NAME_FINE);
	check(str_eq(buf_str(&again), name));
	buf_release(&out);
	buf_release(&again);
}

/* What decodes is the one encoding of its text. */
static void
check_utf7(struct str in)
{
	struct buf text = BUF_INIT(1 << 20), again = BUF_INIT(1 << 20);

	if (imap_utf7_decode(in, &text) == OK) {
		check(utf8_is_valid(buf_str(&text)));
		check(imap_utf7_encode(buf_str(&text), &again) == OK);
		check(str_eq(buf_str(&again), in));
	}
	buf_clear(&text);
	buf_clear(&again);
	if (utf8_is_valid(in)) {
		check(imap_utf7_encode(in, &text) == OK);
		check(imap_utf7_decode(buf_str(&text), &again) == OK);
		check(str_eq(buf_str(&again), in));
	}
	buf_release(&text);
	buf_release(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_of(data, size);
	struct buf name = BUF_INIT(IMAP_NAME_OCTETS_MAX);
	struct buf dir = BUF_INIT(IMAP_NAME_OCTETS_MAX);

	check_utf7(in);
	for (int is_utf8 = 0; is_utf8 < 2; is_utf8++)
		if (imap_name_from_wire(in, is_utf8, &name) == IMAP_NAME_FINE)
			check_name(buf_str(&name));
	if (imap_name_from_dir(in, &name) == IMAP_NAME_FINE) {
		check_name(buf_str(&name));
		check(imap_name_to_dir(buf_str(&name), &dir) == OK);
		/* One way alone to write it: folder_dir() counts on that. */
		check(str_chr(buf_str(&dir), '&') >= 0 ||
		      str_eq(buf_str(&dir), in));
	}
	buf_release(&name);
	buf_release(&dir);
	return 0;
}
