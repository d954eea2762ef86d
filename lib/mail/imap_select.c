/* SPDX-License-Identifier: MIT
 * lib/mail/imap_select.c - arguments of SELECT and EXAMINE. */
#include "lib/mail/imap_select.h"

/* Numbers that the client knows, so there is nothing to be looked up. */
static bool
read_known(struct imap_reader *r, struct imap_seqset *out)
{
	size_t from = r->at;

	if (!imap_seqset_read(r, UINT32_MAX, out))
		return false;
	if (!out->is_saved &&
	    str_chr(str_sub(r->in, from, r->at - from), '*') < 0)
		return true;
	return imap_reader_fail(r, IMAP_FAULT_SYNTAX,
				"Expected a set of known numbers");
}

static bool
read_pairs(struct imap_reader *r, struct imap_select *out)
{
	imap_reader_byte(r, '(');
	read_known(r, &out->match_seqs);
	imap_reader_space(r);
	read_known(r, &out->match_uids);
	imap_reader_byte(r, ')');
	if (r->fault == IMAP_FINE &&
	    imap_seqset_count(&out->match_seqs) !=
		    imap_seqset_count(&out->match_uids))
		imap_reader_fail(r, IMAP_FAULT_SYNTAX,
				 "The sets have not the same size");
	return r->fault == IMAP_FINE;
}

/* RFC 7162 7: "(" uidvalidity SP modseq [SP known-uids] [SP pairs] ")" */
static bool
read_qresync(struct imap_reader *r, struct imap_select *out)
{
	out->has_qresync = true;
	imap_reader_space(r);
	imap_reader_byte(r, '(');
	imap_reader_nz_number(r, &out->uidvalidity);
	imap_reader_space(r);
	imap_reader_number64(r, &out->modseq);
	if (r->fault == IMAP_FINE && out->modseq == 0)
		imap_reader_fail(r, IMAP_FAULT_SYNTAX, "MODSEQ 0 is none");
	while (r->fault == IMAP_FINE && imap_reader_try(r, ' ')) {
		if (imap_reader_peek(r) == '(') {
			read_pairs(r, out);
			break;
		}
		if (out->has_known_uids)
			return imap_reader_fail(r, IMAP_FAULT_SYNTAX,
						"Two sets of UIDs");
		out->has_known_uids = true;
		read_known(r, &out->known_uids);
	}
	return imap_reader_byte(r, ')');
}

bool
imap_select_read(struct imap_reader *r, struct imap_select *out)
{
	*out = (struct imap_select) { .has_condstore = false };
	imap_reader_astring(r, &out->mailbox);
	if (r->fault != IMAP_FINE || imap_reader_is_done(r))
		return imap_reader_end(r);
	imap_reader_space(r);
	imap_reader_open(r);
	for (size_t n = 0; imap_reader_next(r, n); n++) {
		if (!out->has_condstore &&
		    imap_reader_try_word(r, S("CONDSTORE")))
			out->has_condstore = true;
		else if (!out->has_qresync &&
			 imap_reader_try_word(r, S("QRESYNC")))
			read_qresync(r, out);
		else
			imap_reader_fail(r, IMAP_FAULT_SYNTAX,
					 "Unknown parameter");
	}
	if (!out->has_condstore && !out->has_qresync)
		imap_reader_fail(r, IMAP_FAULT_SYNTAX, "Expected a parameter");
	return imap_reader_end(r);
}
