/* SPDX-License-Identifier: MIT
 * tests/bench/spoolfill.c - writes a spool full of deferred messages, by the
 * queue's own encoding, in less time than it takes to refuse them.
 *
 *	spoolfill DIRECTORY MESSAGES DESTINATIONS SECONDS-UNTIL-NEXT-TRY
 *
 * Each message has a sender, a recipient and a reason of its own. */
#include "lib/base/check.h"
#include "lib/rt/clock.h"
#include "mta/queue/record.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	SEGMENT_OCTETS = 32 << 20, // as in mta/queue/spool.c
	CONTENT_OCTETS = 2000,
	TEXT_OCTETS = 200,
};

struct filler {
	const char *dir;
	uint64_t segment, previous_end;
	struct buf bytes;
};

static void
begin(struct filler *f)
{
	struct segment_head head = { f->segment + 1, f->segment,
				     f->previous_end };

	f->segment++;
	buf_clear(&f->bytes);
	segment_put_head(&f->bytes, &head);
}

static void
finish(struct filler *f)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%010llu.seg", f->dir,
		 (unsigned long long)f->segment);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	check(fd >= 0);
	check(write(fd, f->bytes.p, f->bytes.n) == (ssize_t)f->bytes.n);
	close(fd);
	f->previous_end = f->bytes.n;
}

static void
put(struct filler *f, enum record_type type, struct str body)
{
	if (f->bytes.n + record_size(body.n) > SEGMENT_OCTETS) {
		finish(f);
		begin(f);
	}
	record_put(&f->bytes, f->segment, f->bytes.n, type, body);
}

static void
put_message(struct filler *f, unsigned i, unsigned n_destinations,
	    int64_t next_try_us)
{
	static char content[CONTENT_OCTETS];
	char id[16], sender[TEXT_OCTETS], address[TEXT_OCTETS],
		reason[TEXT_OCTETS];
	struct buf envelope_bytes = BUF_INIT(65536), body = BUF_INIT(65536);
	unsigned to = i % n_destinations;
	struct recipient rcpt = { .address = STR_NONE };
	struct envelope envelope = { .client = S("192.0.2.7"),
				     .helo = S("client.example"),
				     .arrived_us = wall_us() - i,
				     .recipients = &rcpt,
				     .n_recipients = 1 };
	struct status_rcpt status = { .bits = 0 };
	struct record_message m = { .size_octets = CONTENT_OCTETS };
	struct record_status s = { .n_attempts = 1, .n_rcpts = 1 };

	snprintf(id, sizeof(id), "1Bcd%07u", i);
	snprintf(sender, sizeof(sender), "sender%u@example1.local", i);
	snprintf(address, sizeof(address), "person%u@away%u.example", i, to);
	snprintf(reason, sizeof(reason),
		 "host mx.away%u.example[192.0.2.%u] said: 450 4.2.0 "
		 "<person%u@away%u.example>: greylisted, try again later",
		 to, to % 250, i, to);
	memset(content, 'x', sizeof(content));
	memcpy(content, "Subject: x\r\n\r\n", 14);
	envelope.sender = str_c(sender);
	rcpt.address = str_c(address);
	status.reason = str_c(reason);
	envelope_put(&envelope_bytes, &envelope);
	m.id = s.id = str_c(id);
	m.envelope = s.envelope = buf_str(&envelope_bytes);
	m.content = str_of(content, sizeof(content));
	s.size_octets = m.size_octets;
	s.next_try_us = next_try_us;
	s.rcpts = &status;
	record_message_put(&body, &m);
	put(f, RECORD_MESSAGE, buf_str(&body));
	buf_clear(&body);
	record_status_put(&body, &s);
	put(f, RECORD_STATUS, buf_str(&body));
	buf_release(&body);
	buf_release(&envelope_bytes);
}

int
main(int argc, char **argv)
{
	struct filler f = { .bytes = BUF_INIT(SEGMENT_OCTETS) };
	unsigned n, n_destinations;
	int64_t next_try_us;

	if (argc != 5) {
		fprintf(stderr, "usage: spoolfill DIRECTORY MESSAGES "
				"DESTINATIONS SECONDS-UNTIL-NEXT-TRY\n");
		return 2;
	}
	f.dir = argv[1];
	n = (unsigned)strtoul(argv[2], NULL, 10);
	n_destinations = (unsigned)strtoul(argv[3], NULL, 10);
	next_try_us = wall_us() + strtoll(argv[4], NULL, 10) * US_PER_S;
	check(n_destinations > 0);
	begin(&f);
	for (unsigned i = 0; i < n; i++)
		put_message(&f, i, n_destinations, next_try_us);
	finish(&f);
	return 0;
}
