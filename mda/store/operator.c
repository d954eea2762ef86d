/* SPDX-License-Identifier: MIT
 * mda/store/operator.c - see operator.h. */
#include "mda/store/operator.h"

#include "lib/base/check.h"
#include "lib/ipc/store.h"
#include "lib/rt/log.h"
#include "mda/store/session.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <unistd.h>

enum { KEY_BYTES = STORE_OPERATOR_KEY_OCTETS / 2 };

static char key[STORE_OPERATOR_KEY_OCTETS];
static bool has_key;

static bool
read_key(int root_fd)
{
	struct buf file = BUF_INIT(STORE_OPERATOR_KEY_OCTETS + 1);
	bool is_good =
		fs_read_file(root_fd, STORE_OPERATOR_FILE, &file) == OK &&
		file.n == STORE_OPERATOR_KEY_OCTETS;

	if (is_good)
		memcpy(key, file.p, sizeof(key));
	buf_wipe(&file);
	return is_good;
}

static void
make_key(int root_fd)
{
	char text[STORE_OPERATOR_KEY_OCTETS + 1];
	uint8_t random[KEY_BYTES];

	check(RAND_bytes(random, sizeof(random)) == 1);
	for (size_t i = 0; i < KEY_BYTES; i++)
		snprintf(text + 2 * i, 3, "%02x", random[i]);
	if (fs_replace(root_fd, STORE_OPERATOR_FILE,
		       str_of(text, STORE_OPERATOR_KEY_OCTETS),
		       TREE_MODE_FILE) != OK)
		log_warn("store.operator", FERRNO(errno));
	explicit_bzero(text, sizeof(text));
}

/* Of several copies that make one at once the last counts for all: each reads
 * what is there. */
void
operator_prepare(struct tree *t)
{
	has_key = t->root_fd >= 0 && read_key(t->root_fd);
	if (has_key || t->root_fd < 0)
		return;
	make_key(t->root_fd);
	has_key = read_key(t->root_fd);
}

static void
refuse(struct co *co, struct call *call, struct str text)
{
	const struct store_done done = { .status = STORE_NO, .text = text };
	struct buf b = BUF_INIT(STORE_COMMAND_MAX_OCTETS);

	store_put_done(&b, &done);
	if (call_send(co, call, STORE_DONE, buf_str(&b), -1, true,
		      in_s(LOCK_TIMEOUT_S)) != OK)
		log_debug("operator.unheard");
	buf_release(&b);
}

void
serve_operator(struct co *co, struct call *call, struct frame *first,
	       void *owner)
{
	struct tree *t = owner;
	struct str given = str_first(first->body, STORE_OPERATOR_KEY_OCTETS);

	/* Another copy may have made the key since. */
	if (!has_key || !str_eq_secret(given, str_of(key, sizeof(key))))
		operator_prepare(t);
	if (!has_key || !str_eq_secret(given, str_of(key, sizeof(key)))) {
		log_warn("operator.refused");
		refuse(co, call, S("not allowed"));
		return;
	}
	first->body = str_from(first->body, STORE_OPERATOR_KEY_OCTETS);
	if (t->n_copies > 1 &&
	    store_of_user(first->body, t->n_copies) != t->copy) {
		refuse(co, call, S(STORE_OPERATOR_ELSEWHERE));
		return;
	}
	log_info("operator.session", FA("user", first->body));
	serve_session(co, call, first, owner);
}
