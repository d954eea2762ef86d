/* SPDX-License-Identifier: MIT
 * mta/out/resume.c - see resume.h. */
#include "mta/out/resume.h"

#include "lib/base/check.h"
#include "lib/base/map.h"

#include <openssl/ssl.h>

struct kept {
	char *key;
	SSL_SESSION *session;
};

static struct {
	struct kept list[RESUME_SESSIONS];
	size_t next;
	struct map by_key;
} resume;

SSL_SESSION *
resume_find(struct str key)
{
	struct kept *k = map_get(&resume.by_key, key);

	if (k == NULL || SSL_SESSION_up_ref(k->session) != 1)
		return NULL;
	return k->session;
}

void
resume_keep(struct str key, SSL_SESSION *session)
{
	struct kept *k = map_get(&resume.by_key, key);

	if (k != NULL) {
		SSL_SESSION_free(k->session);
		k->session = session;
		return;
	}
	k = &resume.list[resume.next];
	resume.next = (resume.next + 1) % RESUME_SESSIONS;
	if (k->key != NULL)
		map_remove(&resume.by_key, str_c(k->key));
	SSL_SESSION_free(k->session);
	free(k->key);
	k->key = str_dup_c(key);
	k->session = session;
	map_set(&resume.by_key, str_c(k->key), k);
}
