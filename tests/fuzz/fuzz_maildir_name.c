/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_maildir_name.c - a name is changed and read back; a base is
 * made of foreign parts.
 *
 * Oracle: the new name parses, has the same base and extra and exactly the
 * flags that were asked for; to ask again changes nothing. */
#include "lib/base/check.h"
#include "lib/mail/maildir_name.h"

enum {
	ALL_FLAGS = IMAP_FLAG_ANSWERED | IMAP_FLAG_FLAGGED | IMAP_FLAG_DELETED |
		    IMAP_FLAG_SEEN | IMAP_FLAG_DRAFT
};
#define ALL_KEYWORDS ((UINT32_C(1) << MAILDIR_KEYWORDS_MAX) - 1)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
change_and_read(const struct maildir_name *name, unsigned flags,
		uint32_t keywords)
{
	struct buf once = BUF_INIT(1000), twice = BUF_INIT(1000);
	struct maildir_name again;

	if (maildir_name_change(name, flags, keywords, &once) == OK) {
		check(maildir_name_parse(buf_str(&once), &again) == OK);
		check(str_eq(again.base, name->base));
		check(str_eq(again.extra, name->extra));
		check(again.flags == flags && again.keywords == keywords);
		check(again.size_octets == name->size_octets);
		check(maildir_name_change(&again, flags, keywords, &twice) ==
		      OK);
		check(str_eq(buf_str(&once), buf_str(&twice)));
	}
	buf_release(&once);
	buf_release(&twice);
}

static void
build_base(struct str unique, struct str host)
{
	struct maildir_base base = { 1, unique, host, UINT64_MAX, 2 };
	struct buf built = BUF_INIT(1000);
	struct maildir_name name;

	if (maildir_base_build(&base, &built) == OK) {
		check(maildir_name_parse(buf_str(&built), &name) == OK);
		check(str_eq(name.base, buf_str(&built)));
		check(str_eq(maildir_base_unique(name.base), unique));
		check(name.has_wire_size && name.wire_size_octets == 2);
	}
	buf_release(&built);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_of(data, size);
	struct maildir_name name;

	if (maildir_name_parse(in, &name) == OK) {
		change_and_read(&name, name.flags, name.keywords);
		change_and_read(&name, 0, 0);
		change_and_read(&name, ALL_FLAGS, ALL_KEYWORDS);
	}
	build_base(str_first(in, size / 2), str_from(in, size / 2));
	return 0;
}
