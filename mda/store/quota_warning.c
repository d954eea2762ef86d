/* SPDX-License-Identifier: MIT
 * mda/store/quota_warning.c - the letters that tell users how full they are.
 *
 * As docker-mailserver's: from the postmaster of the user's domain, with the
 * subject "quota warning", and in spite of the quota. One that cannot be
 * written is told in the log, and not tried again. */
#include "mda/store/quota_warning.h"

#include "lib/base/check.h"
#include "lib/mail/trace.h"
#include "lib/rt/clock.h"
#include "lib/rt/log.h"
#include "mda/store/delivery.h"

#include <stdlib.h>

enum {
	LETTER_MAX_OCTETS = 4096,
	KIB = 1024,
	MIB = KIB * KIB,
	LARGE_MIB = 10,
};

struct warning {
	struct user *u;
	unsigned percent; // 0: there is room again
	uint64_t used_octets, limit_octets;
	bool is_spanish;
};

/* "41 of 50 KiB"; from some size on in MiB. */
static void
put_sizes(struct buf *b, const struct warning *w)
{
	bool is_large = w->limit_octets >= LARGE_MIB * MIB;
	unsigned unit = is_large ? MIB : KIB;

	buf_putf(b, "%llu %s %llu %s.\r\n",
		 (unsigned long long)(w->used_octets / unit),
		 w->is_spanish ? "de" : "of",
		 (unsigned long long)(w->limit_octets / unit),
		 is_large ? "MiB" : "KiB");
}

static void
put_text(struct buf *b, const struct warning *w)
{
	bool is_spanish = w->is_spanish;

	if (w->percent == 0)
		buf_put(b, is_spanish ? S("Su buz\303\263n vuelve a tener "
					  "sitio y recibe correo: ")
				      : S("Your mailbox has room again and "
					  "receives mail: "));
	else
		buf_putf(b,
			 is_spanish ? "Su buz\303\263n est\303\241 al %u %%: "
				    : "Your mailbox is %u %% full: ",
			 w->percent);
	put_sizes(b, w);
	if (w->percent == 0)
		return;
	buf_put(b, is_spanish ? S("Cuando est\303\251 lleno no entrar\303\241 "
				  "m\303\241s correo: borre lo que no "
				  "necesite y vac\303\255e la papelera.\r\n")
			      : S("When it is full no more mail can come in: "
				  "delete what you do not need, and empty the "
				  "trash.\r\n"));
}

static void
put_letter(struct buf *b, const struct warning *w)
{
	struct str address = str_c(w->u->address), domain = address, local;
	struct buf unique = BUF_INIT(TREE_NAME_SIZE);

	str_split(&domain, '@', &local);
	tree_unique(w->u->tree, &unique);
	buf_putf(b,
		 "Return-Path: <>\r\nDelivered-To: %.*s\r\n"
		 "From: postmaster@%.*s\r\nTo: %.*s\r\n"
		 "Subject: quota warning\r\nDate: ",
		 STR(address), STR(domain), STR(address));
	check(date_format_rfc5322(b, wall_s(), 0) == OK);
	buf_putf(b,
		 "\r\nMessage-ID: <%.*s.%lld@%s>\r\n"
		 "Auto-Submitted: auto-generated\r\n"
		 "MIME-Version: 1.0\r\n"
		 "Content-Type: text/plain; charset=utf-8\r\n"
		 "Content-Transfer-Encoding: 8bit\r\n\r\n",
		 STR(buf_str(&unique)), (long long)wall_s(), w->u->tree->host);
	put_text(b, w);
	buf_release(&unique);
}

static void
send_warning(struct co *co, void *arg)
{
	struct warning *w = arg;
	struct buf letter = BUF_INIT(LETTER_MAX_OCTETS);
	enum err e;

	put_letter(&letter, w);
	e = deliver_letter(co, w->u, buf_str(&letter));
	log_info("quota.warning", FC("user", w->u->address),
		 FN("percent", w->percent), FN("used", w->used_octets),
		 FN("limit", w->limit_octets), FERR(e));
	buf_release(&letter);
	user_drop(&w->u);
	free(w);
}

void
quota_warning_send(struct user *u, unsigned percent)
{
	const struct quota_state *q = &u->quota;
	struct warning *w = must_alloc(sizeof(*w));

	*w = (struct warning) {
		.u = user_hold(u),
		.percent = percent,
		.used_octets = q->octets > 0 ? (uint64_t)q->octets : 0,
		.limit_octets = q->limits.octets,
		.is_spanish = q->limits.is_spanish,
	};
	if (co_spawn(send_warning, w, "warning") != NULL)
		return;
	log_warn("quota.unwarned", FC("user", u->address));
	user_drop(&w->u);
	free(w);
}
