/* SPDX-License-Identifier: MIT
 * tests/fuzz/growth.c - readers of hostile bytes take time that grows with the
 * size of what they read, and no faster.
 *
 * Each case is a text: a beginning, something over and over, an end. It is read
 * at one size and at 16 times that; the CPU time of the second must not be
 * over BAR times that of the first (linear is 16, a square is 256). "#" in
 * what is repeated is a number that rises. With arguments, a word of the cases'
 * names and the octets of the first size, the times at 1, 4 and 16 are told. */
#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/mail/accounts.h"
#include "lib/mail/acme.h"
#include "lib/mail/address.h"
#include "lib/mail/address_list.h"
#include "lib/mail/bounce_template.h"
#include "lib/mail/crlf.h"
#include "lib/mail/date.h"
#include "lib/mail/decode.h"
#include "lib/mail/header.h"
#include "lib/mail/imap_append.h"
#include "lib/mail/imap_body.h"
#include "lib/mail/imap_command.h"
#include "lib/mail/imap_envelope.h"
#include "lib/mail/imap_fetch.h"
#include "lib/mail/imap_list.h"
#include "lib/mail/imap_mailbox_name.h"
#include "lib/mail/imap_metadata.h"
#include "lib/mail/imap_notify.h"
#include "lib/mail/imap_select.h"
#include "lib/mail/imap_sort.h"
#include "lib/mail/imap_thread.h"
#include "lib/mail/imap_url.h"
#include "lib/mail/keywords.h"
#include "lib/mail/listfile.h"
#include "lib/mail/maildir_name.h"
#include "lib/mail/maildirsize.h"
#include "lib/mail/mime.h"
#include "lib/mail/mime_lines.h"
#include "lib/mail/preview.h"
#include "lib/mail/quotas.h"
#include "lib/mail/search_text.h"
#include "lib/mail/smtp_command.h"
#include "lib/mail/smtp_data.h"
#include "lib/mail/smtp_reply.h"
#include "lib/mail/subscriptions.h"
#include "lib/mail/uidlist.h"
#include "lib/mail/xtext.h"
#include "mda/store/words.h"
#include "router/map/main_cf.h"
#include "router/map/master_cf.h"
#include "router/map/posix_pattern.h"
#include "router/map/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	FIRST_OCTETS = 2048,
	TIMES = 16,
	BAR = 64,
	LEAST_US = 1000, // with ASan; below that the square is no harm
	TRIES = 3,
	OUT_OCTETS = 64 << 20,
	ARENA_OCTETS = 64 << 20,
};

static volatile size_t sink;
static struct buf out = BUF_INIT(OUT_OCTETS);
static struct arena arena = ARENA_INIT(ARENA_OCTETS);

static struct imap_reader
reader_of(struct str s)
{
	struct imap_reader r;

	imap_reader_init(&r, s, &arena);
	return r;
}

static const struct imap_search_scope scope = { .seq_max = 9,
						.uid_max = 99,
						.features = 127 };

static void
of_mime(struct str s)
{
	struct mime_part *root;

	check(mime_parse(&arena, s, &root) == OK);
	sink += root->n_children;
}

static void
of_body(struct str s)
{
	struct mime_part *root;

	check(mime_parse(&arena, s, &root) == OK);
	sink += imap_body_structure(&out, s, root);
}

static void
of_parts(struct str s)
{
	struct mime_part *root;

	check(mime_parse(&arena, s, &root) == OK);
	for (const struct mime_part *p = root; p != NULL; p = mime_next(p)) {
		buf_clear(&out);
		if (p->kind == MIME_LEAF)
			sink += decode_part(&out, s, p);
	}
}

static void
of_search(struct str s)
{
	struct mime_part *root;

	check(mime_parse(&arena, s, &root) == OK);
	sink += search_text_text(s, root, S("AAAAAAAAAAAAAAAAAAAAAAAAB"));
}

static void
of_gather(struct str s)
{
	struct buf body = BUF_INIT(OUT_OCTETS);
	struct mime_part *root;

	check(mime_parse(&arena, s, &root) == OK);
	sink += search_text_gather(&out, &body, s, root);
	buf_release(&body);
}

static void
of_preview(struct str s)
{
	struct mime_part *root;

	check(mime_parse(&arena, s, &root) == OK);
	preview_of_message(&out, s, root);
}

static void
of_html(struct str s)
{
	preview_of_text(&out, s, true);
}

static void
of_envelope(struct str s)
{
	sink += imap_envelope(&out, s);
}

static void
of_header(struct str s)
{
	struct header_iter it;
	struct header_field f;

	header_iter_init(&it, s);
	while (header_next(&it, &f)) {
		buf_clear(&out);
		sink += header_unfold(&out, f.value);
	}
}

static void
of_pick(struct str s)
{
	struct imap_reader r = reader_of(
		S("BODY[HEADER.FIELDS (a b c d e f g h i j k l m n o p)]"));
	struct imap_fetch f;

	check(imap_fetch_read(&r, 127, &f));
	sink += imap_section_pick(&out, &f.items[0].section, s);
}

static void
of_words(struct str s)
{
	sink += decode_words(&out, s);
}

static void
decode_octets(struct str s, enum mime_encoding encoding, struct str charset)
{
	struct decode d;

	decode_init(&d, encoding, true, charset);
	for (; s.n > 0; s = str_from(s, 1))
		sink += decode_feed(&d, &out, str_first(s, 1));
	sink += decode_finish(&d, &out);
	decode_release(&d);
}

static void
of_qp(struct str s)
{
	decode_octets(s, MIME_QUOTED_PRINTABLE, S("iso-2022-jp"));
}

static void
of_base64(struct str s)
{
	decode_octets(s, MIME_BASE64, S("utf-16"));
}

static void
of_charset(struct str s)
{
	static const struct str names[] = { STR_INIT("iso-2022-kr"),
					    STR_INIT("gb18030"),
					    STR_INIT("hz-gb-2312"),
					    STR_INIT("utf-16") };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct charset c;
		size_t n;

		charset_init(&c, names[i]);
		sink += charset_convert(&c, &out, s, true, &n);
		charset_release(&c);
	}
}

static void
of_params(struct str s)
{
	struct mime_value v;

	mime_value_parse(&arena, s, &v);
	sink += mime_param_get(v.params, S("filename")).n;
}

static void
of_addresses(struct str s)
{
	struct address_list list;

	sink += address_list_parse(&arena, s, &list);
	sink += search_text_mailbox(&out, &arena, s);
	sink += search_text_display(&out, &arena, s);
}

static void
of_date(struct str s)
{
	struct date d;

	sink += date_parse(s, &d);
}

static void
of_subject(struct str s)
{
	bool is_reply;

	sink += search_text_base_subject(&out, s, &is_reply);
}

static void
of_fold(struct str s)
{
	sink += search_text_fold(&out, s);
	sink += search_text_contains(s, S("AAAAAAAAAAAAAAAAAAAAAAAAAAAAB"));
}

static void
of_long_needle(struct str s)
{
	struct search_text t;

	check(search_text_fold(&out, str_first(s, s.n / 2)) == OK);
	buf_putc(&out, '!');
	search_text_init(&t, buf_str(&out));
	for (; s.n > 0; s = str_from(s, 100))
		sink += search_text_feed(&t, str_first(s, 100));
	search_text_release(&t);
}

static void
of_ids(struct str s)
{
	uint64_t ids[IMAP_THREAD_REFERENCES_MAX];

	sink += imap_thread_ids(s, ids, IMAP_THREAD_REFERENCES_MAX);
}

/* As the hashes of ids are: nobody can choose where they meet. */
static uint64_t
hash_of(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

/* Message i names those that the text's octets choose. */
static void
thread(struct str s, enum imap_thread_algorithm algorithm)
{
	size_t n = s.n / 8;
	struct imap_thread_message *m = arena_array(&arena, n, sizeof(*m));
	uint64_t *refs = arena_array(&arena, s.n, sizeof(*refs));
	size_t n_refs = 0;

	check(m != NULL && refs != NULL);
	for (size_t i = 0; i < n; i++) {
		m[i].number = (uint32_t)i + 1;
		m[i].id = hash_of(i);
		m[i].subject =
			(unsigned char)s.p[8 * i] == 's' ? 7 : hash_of(~i);
		m[i].is_reply = s.p[8 * i + 1] == 'r';
		m[i].date_s = s.p[8 * i + 2] == '-' ? (int64_t)(n - i) : 5;
		m[i].first_reference = n_refs;
		for (size_t k = 3; k < 8; k++)
			switch (s.p[8 * i + k]) {
			case '<': // the one before
				refs[n_refs++] = hash_of(i - 1);
				break;
			case '>': // the next: the other way round
				refs[n_refs++] = hash_of(i + 1);
				break;
			case '1': // all the first
				refs[n_refs++] = hash_of(0);
				break;
			case 'x': // one that is not there
				refs[n_refs++] = hash_of((1ull << 40) + i);
				break;
			default:
				break;
			}
		m[i].n_references = n_refs - m[i].first_reference;
	}
	sink += imap_thread_write(&out, algorithm, m, n, refs);
}

static void
of_references(struct str s)
{
	thread(s, IMAP_THREAD_REFERENCES);
}

static void
of_refs(struct str s)
{
	thread(s, IMAP_THREAD_REFS);
}

static void
of_ordered(struct str s)
{
	thread(s, IMAP_THREAD_ORDEREDSUBJECT);
}

static void
of_command(struct str s)
{
	struct imap_command_limits limits = {
		.octets_max = SIZE_MAX / 2,
		.literal_max = 1 << 20,
		.nonsync_max = 1 << 20,
		.has_message = true,
	};
	struct imap_command c;

	imap_command_init(&c, &limits);
	for (size_t n = 1; n <= s.n; n++)
		if (imap_command_scan(&c, str_first(s, n)) != IMAP_COMMAND_MORE)
			return;
}

static void
of_imap_search(struct str s)
{
	struct imap_reader r = reader_of(s);
	struct imap_search search;

	sink += imap_search_read(&r, &scope, &search);
}

static void
of_imap_sort(struct str s)
{
	struct imap_reader r = reader_of(s);
	struct imap_sort sort;

	sink += imap_sort_read(&r, &scope, &sort);
}

static void
of_imap_fetch(struct str s)
{
	struct imap_reader r = reader_of(s);
	struct imap_fetch f;

	if (imap_fetch_read(&r, 127, &f))
		for (size_t i = 0; i < f.n; i++)
			sink += imap_fetch_write_label(&out, &f.items[i]);
}

static void
of_imap_set(struct str s)
{
	struct imap_reader r = reader_of(s);
	struct imap_seqset set;

	if (imap_seqset_read(&r, 1000000, &set))
		sink += imap_seqset_write(&out, &set);
}

static void
of_imap_list(struct str s)
{
	struct imap_reader r = reader_of(s);
	struct imap_list list;

	sink += imap_list_read(&r, IMAP_STATUS_ALL, &list);
}

/* A pattern of the longest, and names as long as the text. */
static void
of_imap_match(struct str s)
{
	const struct imap_list_pattern *p;
	size_t n = IMAP_LIST_PATTERN_OCTETS_MAX;

	p = imap_list_pattern_new(STR_NONE, str_first(s, n), '/', &arena);
	check(p != NULL);
	sink += imap_list_matches(p, s);
}

static void
of_imap_arguments(struct str s)
{
	struct imap_reader r = reader_of(s);
	struct imap_append a;
	struct imap_select select;
	struct imap_store store;
	struct imap_getmetadata get;
	struct imap_setmetadata set;
	struct imap_notify notify;
	struct imap_url url;
	enum imap_append_step step;
	unsigned items;

	imap_append_init(&a);
	do
		step = imap_append_next(&a, &r, true);
	while (step <= IMAP_APPEND_FINISH);
	r = reader_of(s);
	sink += imap_select_read(&r, &select);
	r = reader_of(s);
	sink += imap_store_read(&r, true, &store);
	r = reader_of(s);
	sink += imap_getmetadata_read(&r, &get);
	r = reader_of(s);
	sink += imap_setmetadata_read(&r, &set);
	r = reader_of(s);
	sink += imap_notify_read(&r, 127, &notify);
	r = reader_of(s);
	sink += imap_status_read_items(&r, IMAP_STATUS_ALL, &items);
	sink += imap_url_parse(s, &arena, &url);
}

static void
of_imap_name(struct str s)
{
	sink += imap_utf7_decode(s, &out);
	buf_clear(&out);
	sink += imap_utf7_encode(s, &out);
	buf_clear(&out);
	sink += imap_name_from_wire(s, false, &out);
	buf_clear(&out);
	sink += imap_name_from_dir(s, &out);
}

static void
of_crlf(struct str s)
{
	sink += crlf_size(s);
	sink += crlf_add(&out, s);
}

static void
of_lines(struct str s)
{
	struct mime_lines m;
	struct mime_line line;
	size_t have = 0, at = 0;

	mime_lines_init(&m);
	while (at < s.n) {
		struct str in = str_sub(s, at, have - at);

		if (mime_lines_next(&m, in, have == s.n, &line))
			at += line.octets.n;
		else
			have += s.n - have < 16 ? s.n - have : 16;
	}
	mime_lines_release(&m);
}

static void
of_smtp_command(struct str s)
{
	struct smtp_command c;
	struct smtp_mail_args mail;
	struct smtp_rcpt_args rcpt;
	struct address a;

	sink += smtp_command_parse(s, &c);
	sink += smtp_mail_parse(s, ~0u, &arena, &mail);
	sink += smtp_rcpt_parse(s, ~0u, &arena, &rcpt);
	sink += address_parse(s, ~0u, &a, &arena);
}

static void
of_smtp_reply(struct str s)
{
	struct smtp_reply r;
	size_t n;

	smtp_reply_init(&r);
	for (; s.n > 0; s = str_from(s, 1))
		sink += smtp_reply_feed(&r, str_first(s, 1), &n);
	for (int i = 0; i < 10; i++) {
		struct str rest;

		sink += smtp_reply_keyword(&r, S("STARTTLS"), &rest);
	}
	smtp_reply_release(&r);
}

static void
of_uidlist(struct str s)
{
	struct uidlist_reader r;
	struct uidlist_header h;
	struct uidlist_record record;
	struct str value;

	if (uidlist_begin(&r, s, &h) != OK)
		return;
	while (uidlist_next(&r, &record) == UIDLIST_RECORD)
		sink += uidlist_field(record.fields, 'G', &value);
}

static void
of_list_files(struct str s)
{
	struct keywords k;
	struct maildirsize m;
	struct maildir_name name;
	bool is_changed;

	sink += keywords_parse(s, &k);
	sink += maildirsize_parse(s, &m);
	sink += maildir_name_parse(s, &name);
	sink += subscriptions_change(s, S("A.B"), true, &out, &is_changed);
	buf_clear(&out);
	for (enum listfile_kind kind = LISTFILE_PIPE; kind <= LISTFILE_EQUALS;
	     kind++) {
		sink += listfile_set(s, kind, S("a"), S("a|b"), &out);
		buf_clear(&out);
	}
}

static void
of_config(struct str s)
{
	struct diag d;
	struct accounts accounts;
	struct quotas quotas;
	struct master master;
	struct table table;
	struct table_options options = { 0 };
	struct settings settings;

	diag_init(&d, 1 << 16);
	sink += accounts_parse(&arena, S("f"), s, &d, &accounts);
	sink += masters_parse(&arena, S("f"), s, &d, &accounts);
	sink += quotas_parse(&arena, S("f"), s, &d, &quotas);
	sink += master_parse(&arena, S("f"), s, &d, &master);
	sink += table_load(&table, &arena, S("texthash:f"), S("f"), s, &options,
			   &d);
	table_release(&table);
	settings_init(&settings, &arena);
	sink += settings_read(&settings, S("f"), s, &d);
	sink += settings_finish(&settings, &d);
	settings_release(&settings);
	diag_release(&d);
}

static void
of_pattern(struct str s)
{
	const char *why;

	sink += posix_translate(s, true, &out, &why);
	buf_clear(&out);
	sink += posix_translate(s, false, &out, &why);
}

static void
of_acme(struct str s)
{
	const struct str names[] = { STR_INIT("a.example") };
	struct acme_found found;

	memset(&found, 0, sizeof(found));
	sink += acme_find(s, names, 1, &found);
}

static void
of_index_words(struct str s)
{
	struct words w;
	struct str word;
	struct pieces p;

	words_init(&w, s);
	while (words_next(&w, &word))
		sink += word.n;
	pieces_of(s, &p);
	sink += p.n;
}

static const struct growth {
	const char *name;
	void (*read)(struct str s);
	const char *begin, *again, *end;
} cases[] = {
	{ "mime: multipart in multipart", of_mime, "",
	  "Content-Type: multipart/mixed; boundary=b#\n\n--b#\n", "" },
	{ "mime: one boundary is the beginning of the next", of_mime, "",
	  "Content-Type: multipart/mixed; boundary=b\n\n--b\n", "" },
	{ "mime: parts side by side", of_parts,
	  "Content-Type: multipart/mixed; boundary=b\n\n", "--b\n\nx\n", "" },
	{ "mime: parts of one octet", of_body,
	  "Content-Type: multipart/mixed; boundary=b\n\n", "--b\n", "" },
	{ "mime: lines that are almost a boundary", of_mime,
	  "Content-Type: multipart/mixed; boundary=bbbbbbbbbbbbbbbbb\n\n",
	  "--bbbbbbbbbbbbbbbb\n", "" },
	{ "mime: a boundary and blanks", of_mime,
	  "Content-Type: multipart/mixed; boundary=b\n\n",
	  "--b                                         .\n", "" },
	{ "mime: one line of dashes", of_mime,
	  "Content-Type: multipart/mixed; boundary=b\n\n", "-", "" },
	{ "mime: messages in messages", of_body, "",
	  "Content-Type: message/rfc822\n\n", "Subject: x\n\n" },
	{ "mime: messages with envelopes in messages", of_body, "",
	  "From: a@b\nContent-Type: message/rfc822\n\n", "" },
	{ "mime: a deep part with much text", of_parts,
	  "Content-Type: multipart/mixed; boundary=a\n\n--a\n"
	  "Content-Type: message/rfc822\n\n"
	  "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n",
	  "text\n", "" },
	{ "mime: many Content-Type", of_body, "",
	  "Content-Type: text/plain; charset=x\n", "" },
	{ "mime: parameters", of_body, "Content-Type: text/plain", "; a#=b#",
	  "\n\n" },
	{ "mime: the same parameter", of_body, "Content-Type: text/plain",
	  "; name=b#", "\n\n" },
	{ "mime: sections of a parameter", of_body, "Content-Type: text/plain",
	  "; name*#*=b#", "\n\n" },
	{ "mime: parameters in each part", of_body,
	  "Content-Type: multipart/mixed; boundary=b\n\n",
	  "--b\nContent-Type: text/plain; a=b; c=d; e=f\n\n", "" },
	{ "mime: languages", of_body, "Content-Language: a", ", a#", "\n\n" },
	{ "mime: comments in a type", of_mime, "Content-Type: text/", "(", "" },
	{ "mime: header without an end", of_body, "", "a:b\n", "" },
	{ "mime: quoted-printable", of_parts,
	  "Content-Transfer-Encoding: quoted-printable\n\n", "=", "" },
	{ "mime: blanks that may end a line", of_qp, "", " ", "x" },
	{ "mime: soft line ends", of_qp, "", "=\n", "x" },
	{ "mime: base64 of one octet a line", of_base64, "", "Q\n", "" },
	{ "mime: padding", of_base64, "", "=", "" },
	{ "mime: stars of filename", of_params, "attachment",
	  "; filename*#=\"x\\\"y\"", "" },
	{ "mime: extended parameter", of_params,
	  "attachment; filename*=utf-8''", "%41", "" },
	{ "mime: encoded words in a name", of_params, "attachment; filename=\"",
	  "=?utf-8?q?a?=", "\"" },
	{ "mime: open quotes", of_params, "x/y", "; a=\"", "" },
	{ "mime: open comments", of_params, "x/y; a=b", "(;", "" },
	{ "mime: backslashes", of_params, "x/y; a=\"", "\\", "" },
	{ "lines: multipart in multipart", of_lines, "",
	  "Content-Type: multipart/mixed; boundary=b#\r\n\r\n--b#\r\n", "" },
	{ "lines: dashes", of_lines,
	  "Content-Type: multipart/mixed; boundary=b\r\n\r\n", "--\r\n", "" },
	{ "lines: one without end", of_lines, "", "x", "" },
	{ "lines: a field without end", of_lines, "a:", "\r\n x", "" },
	{ "lines: many boundaries of one field", of_lines,
	  "Content-Type: multipart/mixed", "; boundary=b#", "\r\n\r\n--x" },
	{ "header: folds", of_header, "a:", "\n b", "" },
	{ "header: fields", of_header, "", "a: b\n", "" },
	{ "header: CR", of_header, "a:", "\r", "" },
	{ "header: no field", of_header, "", "x", "" },
	{ "header: blanks before a colon", of_header, "a", " ", ":b\n" },
	{ "header: picked fields", of_pick, "", "a: b\n", "\n" },
	{ "header: CR before LF", of_crlf, "", "\r\n\n", "" },
	{ "envelope: From", of_envelope, "", "From: a@b\n", "" },
	{ "envelope: addresses", of_envelope, "From: ", "a@b,", "\n" },
	{ "envelope: subject", of_envelope,
	  "Subject: ", "\n =?utf-8?q?a?=", "\n" },
	{ "words: one after the other", of_words, "", "=?utf-8?q?a?= ", "" },
	{ "words: without blanks", of_words, "", "=?utf-8?b?YQ==?=", "" },
	{ "words: charsets in turn", of_words, "",
	  "=?utf-8?q?a?= =?iso-8859-1?q?b?= ", "" },
	{ "words: no end", of_words, "", "=?utf-8?q?", "" },
	{ "words: no encoding", of_words, "", "=?a", "" },
	{ "words: only marks", of_words, "", "=?", "" },
	{ "words: ends", of_words, "", "?=", "" },
	{ "words: question marks", of_words, "=?utf-8?q?", "?", "" },
	{ "words: blanks", of_words, "=?utf-8?q?a?=", " ", "=?utf-8?q?a?=" },
	{ "words: languages", of_words, "", "=?utf-8*de?q?a?= ", "" },
	{ "charset: escapes", of_charset, "\033$)C", "\016", "" },
	{ "charset: escapes back", of_charset, "", "\033$)C\016\017", "" },
	{ "charset: what none has", of_charset, "", "\377", "" },
	{ "charset: begun characters", of_charset, "", "\201", "" },
	{ "charset: tildes", of_charset, "", "~{", "" },
	{ "addresses: comments in comments", of_addresses, "", "(", "" },
	{ "addresses: comments", of_addresses, "", "()", "a@b" },
	{ "addresses: brackets", of_addresses, "", "<", "" },
	{ "addresses: angles", of_addresses, "", "<a@b>", "" },
	{ "addresses: quotes", of_addresses, "", "\"", "" },
	{ "addresses: backslashes", of_addresses, "\"", "\\", "" },
	{ "addresses: groups", of_addresses, "", "a:", "" },
	{ "addresses: empty groups", of_addresses, "", "a:;", "" },
	{ "addresses: commas", of_addresses, "", ",", "" },
	{ "addresses: routes", of_addresses, "<", "@a,", ":b@c>" },
	{ "addresses: dots", of_addresses, "", "a.", "b@c" },
	{ "addresses: words", of_addresses, "", "a ", "<b@c>" },
	{ "addresses: at", of_addresses, "", "@", "" },
	{ "addresses: literals", of_addresses, "a@", "[", "" },
	{ "addresses: encoded words", of_addresses, "",
	  "=?utf-8?q?a?= ", "<a@b>" },
	{ "date: comments", of_date, "1 Jan 2026 00:00:00 +0000 ", "(", "" },
	{ "date: blanks", of_date, "", " ", "1 Jan 2026 00:00:00 +0000" },
	{ "date: digits", of_date, "", "1", "" },
	{ "date: words", of_date, "", "x ", "" },
	{ "subject: Re:", of_subject, "", "Re:", "x" },
	{ "subject: marks in brackets", of_subject, "", "[a]", "x" },
	{ "subject: Re with marks", of_subject, "", "Re[a]:", "x" },
	{ "subject: fwd behind", of_subject, "x", "(fwd)", "" },
	{ "subject: fwd in brackets", of_subject, "", "[fwd:", "" },
	{ "subject: open brackets", of_subject, "Re", "[", ":" },
	{ "subject: blanks", of_subject, "x", " ", "(fwd)" },
	{ "subject: encoded words", of_subject, "", "=?utf-8?q?Re:?= ", "" },
	{ "fold: letters", of_fold, "", "a", "" },
	{ "fold: marks", of_fold, "a", "\xcc\x81\xcc\xa7", "" },
	{ "fold: what is none", of_fold, "", "\377", "" },
	{ "fold: grows", of_fold, "", "\xef\xb7\xba", "" },
	{ "fold: a needle half as long", of_long_needle, "", "a", "" },
	{ "fold: a needle that begins often", of_long_needle, "", "aab", "" },
	{ "text: of a message", of_search, "\n", "a", "" },
	{ "text: in parts", of_search,
	  "Content-Type: multipart/mixed; boundary=b\n\n",
	  "--b\n\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", "" },
	{ "text: messages in messages", of_search, "",
	  "Subject: a\nContent-Type: message/rfc822\n\n", "" },
	{ "text: fields", of_search, "", "a:", "\n" },
	{ "text: gathered", of_gather,
	  "Content-Type: multipart/mixed; boundary=b\n\n",
	  "--b\nContent-Type: message/rfc822\n\nSubject: b\n\n", "" },
	{ "preview: parts without text", of_preview,
	  "Content-Type: multipart/mixed; boundary=b\n\n",
	  "--b\nContent-Type: image/png\n\n", "" },
	{ "preview: blanks", of_preview, "\n", " ", "" },
	{ "preview: tags", of_html, "", "<a>", "" },
	{ "preview: open tags", of_html, "", "<", "" },
	{ "preview: entities", of_html, "", "&", "" },
	{ "preview: long entities", of_html, "", "&aaaaaaaaaaaa", "" },
	{ "preview: comments", of_html, "", "<!--", "" },
	{ "preview: scripts", of_html, "", "<script>", "" },
	{ "preview: quotes in tags", of_html, "<a b=", "\"'", "" },
	{ "ids: one after the other", of_ids, "", "<a#@b>", "" },
	{ "ids: open", of_ids, "", "<a", "" },
	{ "ids: quotes", of_ids, "", "<\"", "" },
	{ "ids: comments", of_ids, "", "(", "" },
	{ "ids: at", of_ids, "<", "a@", ">" },
	{ "thread: a chain", of_references, "", "s-.<....", "" },
	{ "thread: a chain from behind", of_references, "", "..->....", "" },
	{ "thread: circles", of_references, "", "...<>...", "" },
	{ "thread: all of one", of_references, "", "...1....", "" },
	{ "thread: chains of the unknown", of_references, "", "sr.xx<..", "" },
	{ "thread: one subject", of_references, "", "s.......", "" },
	{ "thread: replies of one subject", of_references, "", "sr-.....", "" },
	{ "thread: subjects of phantoms", of_references, "", "sr.x....", "" },
	{ "thread: refs, a chain", of_refs, "", "..-<....", "" },
	{ "thread: refs, all of one", of_refs, "", "...1x...", "" },
	{ "thread: ordered", of_ordered, "", "s-......", "" },
	{ "imap: one long word", of_command, "a ", "x", "\r\n" },
	{ "imap: braces", of_command, "a b ", "{", "\r\n" },
	{ "imap: quotes", of_command, "a b ", "\"", "\r\n" },
	{ "imap: literals", of_command, "a b ", "{1+}\r\nx ", "\r\n" },
	{ "imap: empty literals", of_command, "a b ", "{0+}\r\n", "\r\n" },
	{ "imap: lone CR", of_command, "a b ", "\r", "\r\n" },
	{ "search: NOT", of_imap_search, "", "NOT ", "ALL" },
	{ "search: lists", of_imap_search, "", "(", "" },
	{ "search: many keys", of_imap_search, "ALL", " ALL", "" },
	{ "search: texts", of_imap_search, "ALL", " BODY {1+}\r\nx", "" },
	{ "search: OR", of_imap_search, "", "OR ALL ", "ALL" },
	{ "search: sets", of_imap_search, "ALL", " 1:#", "" },
	{ "search: a text", of_imap_search, "BODY \"", "\\\"", "\"" },
	{ "sort: keys", of_imap_sort, "(DATE", " DATE", ") UTF-8 ALL" },
	{ "fetch: items", of_imap_fetch, "(UID", " UID", ")" },
	{ "fetch: sections", of_imap_fetch, "(UID", " BODY[#]", ")" },
	{ "fetch: fields", of_imap_fetch, "BODY[HEADER.FIELDS (a", " a#",
	  ")]" },
	{ "fetch: part numbers", of_imap_fetch, "BODY[1", ".1", "]" },
	{ "set: rising", of_imap_set, "1", ",#", "" },
	{ "set: falling", of_imap_set, "1", ",9#:1", "" },
	{ "set: all", of_imap_set, "1:*", ",1:*", "" },
	{ "set: digits", of_imap_set, "", "0", "" },
	{ "list: patterns", of_imap_list, "\"\" (a", " a#*", ")" },
	{ "list: one pattern", of_imap_list, "\"\" ", "*%", "" },
	{ "list: options", of_imap_list, "(SUBSCRIBED", " SUBSCRIBED",
	  ") \"\" *" },
	{ "list: status", of_imap_list, "\"\" * RETURN (STATUS (MESSAGES",
	  " MESSAGES", "))" },
	{ "match: stars", of_imap_match, "", "*a", "" },
	{ "match: stars alone", of_imap_match, "", "*", "" },
	{ "match: percents", of_imap_match, "", "%a", "" },
	{ "append: flags", of_imap_arguments, "x (\\Seen", " a#", ") {1}" },
	{ "append: catenate", of_imap_arguments, "x CATENATE (URL \"/a\"",
	  " URL \"/a\"", ")" },
	{ "append: url", of_imap_arguments, "/", "%41", ";UID=1" },
	{ "append: url parts", of_imap_arguments, "/", "/;UID=1", "" },
	{ "select: qresync", of_imap_arguments, "x (QRESYNC (1 2 1:9 (1", ",#",
	  ")))" },
	{ "store: flags", of_imap_arguments, "FLAGS (\\Seen", " \\Seen", ")" },
	{ "store: keywords", of_imap_arguments, "FLAGS (a", " b#", ")" },
	{ "metadata: entries", of_imap_arguments, "x (/private/a",
	  " /private/a#", ")" },
	{ "metadata: slashes", of_imap_arguments, "x (/private", "/a",
	  " NIL)" },
	{ "notify: groups", of_imap_arguments, "SET (INBOXES NONE)",
	  " (INBOXES NONE)", "" },
	{ "notify: mailboxes", of_imap_arguments, "SET (MAILBOXES (a", " a#",
	  ") NONE)" },
	{ "name: utf-7", of_imap_name, "", "&AOk-", "" },
	{ "name: utf-7 that does not end", of_imap_name, "&", "AOkA", "" },
	{ "name: ampersands", of_imap_name, "", "&", "" },
	{ "name: components", of_imap_name, "a", "/a", "" },
	{ "smtp: parameters", of_smtp_command, "FROM:<a@b>", " a#=b", "" },
	{ "smtp: routes", of_smtp_command, "FROM:<@a", ",@a", ":a@b>" },
	{ "smtp: quoted", of_smtp_command, "TO:<\"", "\\a", "\"@b>" },
	{ "smtp: labels", of_smtp_command, "TO:<a@b", ".b", ">" },
	{ "reply: lines", of_smtp_reply, "", "250-a\r\n", "250 b\r\n" },
	{ "reply: one line", of_smtp_reply, "250-", "x", "\r\n" },
	{ "uidlist: records", of_uidlist, "3 V1 N999999\n", "1# :a#\n", "" },
	{ "uidlist: fields", of_uidlist, "3 V1 N9\n1", " Wx", " :a\n" },
	{ "uidlist: head", of_uidlist, "3 V1 N9", " Gx", "\n1 :a\n" },
	{ "files: lines", of_list_files, "", "# a#\n", "" },
	{ "files: subscriptions", of_list_files, "V\t2\n\n", "A\tB\n", "" },
	{ "files: one line", of_list_files, "", "a ", "" },
	{ "files: continued", of_list_files, "a = b", "\n c", "\n" },
	{ "files: keys", of_list_files, "", "a|b\n", "" },
	{ "files: flags", of_list_files, "a:2,", "S", "" },
	{ "config: accounts", of_config, "", "a#@b.example|{PLAIN}x\n", "" },
	{ "config: one account often", of_config, "", "a@b.example|{PLAIN}x\n",
	  "" },
	{ "config: apps", of_config, "a@b.example|{PLAIN}x|",
	  "app_a#=imap:{PLAIN}x ", "\n" },
	{ "config: quotas of one", of_config, "",
	  "a@b.example:userdb_quota_rule#=T#:storage=1\n", "" },
	{ "config: quotas", of_config, "", "a#@b.example:5G\n", "" },
	{ "config: setting of settings", of_config, "a=", "$myhostname", "\n" },
	{ "config: nested settings", of_config, "a=", "${a?{", "\n" },
	{ "config: settings by settings", of_config, "",
	  "b# = $b#0 $b#1 $b#2\n", "" },
	{ "config: master", of_config, "", "submission/inet/a#=b\n", "" },
	{ "config: continued", of_config, "a=", "\n b", "\n" },
	{ "config: comments", of_config, "", "#\n", "" },
	{ "pattern: groups", of_pattern, "", "(", "" },
	{ "pattern: brackets", of_pattern, "", "[", "" },
	{ "pattern: classes", of_pattern, "[", "[:alpha:]", "]" },
	{ "pattern: bounds", of_pattern, "a", "{1}", "" },
	{ "pattern: or", of_pattern, "a", "|a", "" },
	{ "acme: lists", of_acme, "{\"a\":", "[", "" },
	{ "acme: objects", of_acme, "", "{\"a\":", "" },
	{ "acme: certificates", of_acme, "{\"a\":{\"Certificates\":[",
	  "{\"domain\":{\"main\":\"b\"}},", "]}}" },
	{ "acme: escapes", of_acme, "{\"", "\\u0041", "\":1}" },
	{ "index: words", of_index_words, "", "a ", "" },
	{ "index: one word", of_index_words, "", "a", "" },
	{ "index: han", of_index_words, "", "\xe4\xb8\x80", "" },
};

static void
make(struct buf *text, const struct growth *g, size_t n_octets)
{
	buf_clear(text);
	buf_put(text, str_c(g->begin));
	for (unsigned i = 1; text->n < n_octets; i++)
		for (const char *c = g->again; *c != '\0'; c++)
			if (*c == '#')
				buf_putf(text, "%u", i);
			else
				buf_putc(text, *c);
	buf_put(text, str_c(g->end));
}

static double
cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* The least of several. */
static double
measure(const struct growth *g, size_t n_octets, int tries)
{
	struct buf text = BUF_INIT(OUT_OCTETS);
	double least = 0;

	make(&text, g, n_octets);
	for (int i = 0; i < tries; i++) {
		double before = cpu_us(), us;

		g->read(buf_str(&text));
		us = cpu_us() - before;
		buf_clear(&out);
		arena_release(&arena);
		if (i == 0 || us < least)
			least = us;
	}
	buf_release(&text);
	return least;
}

static void
tell(const struct growth *g, size_t n_octets)
{
	double first = measure(g, n_octets, TRIES);
	double second = measure(g, 4 * n_octets, TRIES);
	double last = measure(g, TIMES * n_octets, 1);

	printf("%8.0f %8.0f %8.0f us  x%5.1f x%5.1f  %s\n", first, second, last,
	       second / first, last / first, g->name);
}

/* A clock that other programs disturb never makes it faster. */
static bool
is_fine(const struct growth *g)
{
	double first, last;

	for (int i = 0; i < TRIES; i++) {
		last = measure(g, TIMES * FIRST_OCTETS, 1);
		if (last < LEAST_US)
			return true;
		first = measure(g, FIRST_OCTETS, TRIES);
		if (last < BAR * first)
			return true;
	}
	printf("not ok - %s: %.0f us, and %.0f for %d times as much\n", g->name,
	       first, last, TIMES);
	return false;
}

int
main(int argc, char **argv)
{
	size_t n_octets = FIRST_OCTETS, n = 0, n_bad = 0;

	if (argc > 2)
		n_octets = (size_t)strtoul(argv[2], NULL, 10);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct growth *g = &cases[i];

		if (argc > 1 && strstr(g->name, argv[1]) == NULL)
			continue;
		n++;
		if (argc > 1)
			tell(g, n_octets);
		else
			n_bad += !is_fine(g);
	}
	buf_release(&out);
	printf("%zu texts, %zu grow too fast\n", n, n_bad);
	return n == 0 || n_bad > 0;
}
