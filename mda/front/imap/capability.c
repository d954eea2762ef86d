/* SPDX-License-Identifier: MIT
 * mda/front/imap/capability.c - the table of capabilities. */
#include "mda/front/imap/capability.h"

enum { BEFORE = 1, AFTER = 2, STARTTLS = 4, NO_LOGIN = 8 };

static const struct {
	struct str name;
	unsigned when;
} capabilities[] = {
	{ STR_INIT("IMAP4rev1"), BEFORE | AFTER }, // 3501
	{ STR_INIT("IMAP4rev2"), BEFORE | AFTER }, // 9051
	{ STR_INIT("LITERAL+"), BEFORE | AFTER },  // 7888
	{ STR_INIT("SASL-IR"), BEFORE | AFTER },   // 4959
	{ STR_INIT("ID"), BEFORE | AFTER },	   // 2971
	{ STR_INIT("IDLE"), BEFORE | AFTER },	   // 2177
	{ STR_INIT("STARTTLS"), STARTTLS },	   // 3501 6.2.1
	{ STR_INIT("LOGINDISABLED"), NO_LOGIN },   // 3501 6.2.3
	{ STR_INIT("ENABLE"), AFTER },		   // 5161
	{ STR_INIT("NAMESPACE"), AFTER },	   // 2342
	{ STR_INIT("UIDPLUS"), AFTER },		   // 4315
	{ STR_INIT("MOVE"), AFTER },		   // 6851
	{ STR_INIT("UNSELECT"), AFTER },	   // 3691
	{ STR_INIT("CHILDREN"), AFTER },	   // 3348
	{ STR_INIT("LIST-EXTENDED"), AFTER },	   // 5258
	{ STR_INIT("LIST-STATUS"), AFTER },	   // 5819
	{ STR_INIT("SPECIAL-USE"), AFTER },	   // 6154
	{ STR_INIT("CREATE-SPECIAL-USE"), AFTER }, // 6154
	{ STR_INIT("QUOTA"), AFTER },		   // 9208
	{ STR_INIT("STATUS=SIZE"), AFTER },	   // 8438
	{ STR_INIT("STATUS=DELETED"), AFTER },	   // 9208
	{ STR_INIT("SORT"), AFTER },		   // 5256
	{ STR_INIT("SORT=DISPLAY"), AFTER },	   // 5957
	/* 5256 */
	{ STR_INIT("THREAD=ORDEREDSUBJECT"), AFTER },
	{ STR_INIT("THREAD=REFERENCES"), AFTER }, // 5256
	{ STR_INIT("THREAD=REFS"), AFTER },
	{ STR_INIT("ESEARCH"), AFTER },		  // 4731
	{ STR_INIT("ESORT"), AFTER },		  // 5267
	{ STR_INIT("SEARCHRES"), AFTER },	  // 5182
	{ STR_INIT("PARTIAL"), AFTER },		  // 9394
	{ STR_INIT("I18NLEVEL=1"), AFTER },	  // 5255
	{ STR_INIT("WITHIN"), AFTER },		  // 5032
	{ STR_INIT("CONDSTORE"), AFTER },	  // 7162
	{ STR_INIT("SAVEDATE"), AFTER },	  // 8514
	{ STR_INIT("OBJECTID"), AFTER },	  // 8474
	{ STR_INIT("QRESYNC"), AFTER },		  // 7162
	{ STR_INIT("COMPRESS=DEFLATE"), AFTER },  // 4978
	{ STR_INIT("MULTIAPPEND"), AFTER },	  // 3502
	{ STR_INIT("CATENATE"), AFTER },	  // 4469
	{ STR_INIT("REPLACE"), AFTER },		  // 8508
	{ STR_INIT("BINARY"), AFTER },		  // 3516
	{ STR_INIT("QUOTA=RES-STORAGE"), AFTER }, // 9208
	{ STR_INIT("QUOTA=RES-MESSAGE"), AFTER }, // 9208
	{ STR_INIT("UTF8=ACCEPT"), AFTER },	  // 6855
	{ STR_INIT("NOTIFY"), AFTER },		  // 5465
	{ STR_INIT("PREVIEW"), AFTER },		  // 8970
	{ STR_INIT("INPROGRESS"), AFTER },	  // 9585
	{ STR_INIT("METADATA"), AFTER },	  // 5464
	{ STR_INIT("LIST-METADATA"), AFTER },	  // 9590
};

static unsigned
moment_of(const struct capability_view *view)
{
	if (view->is_logged_in)
		return AFTER;
	return BEFORE | (view->may_starttls ? STARTTLS : 0u) |
	       (view->may_login ? 0u : NO_LOGIN);
}

void
capability_put(struct buf *out, const struct capability_view *view)
{
	unsigned moment = moment_of(view);

	for (size_t i = 0; i < sizeof(capabilities) / sizeof(*capabilities);
	     i++) {
		if (!(capabilities[i].when & moment))
			continue;
		if (i > 0)
			buf_putc(out, ' ');
		buf_put(out, capabilities[i].name);
	}
	if (!view->is_logged_in && view->may_login)
		buf_put(out, view->mechanisms);
	if (view->append_limit_octets > 0) // 7889
		buf_putf(out, " APPENDLIMIT=%llu",
			 (unsigned long long)view->append_limit_octets);
}
