/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_history.c - the queue's trace as it may be found on the disk.
 *
 * Input: where one octet is damaged (two octets, low first) and how (one; 0:
 * not at all), then records: a length (two) and a body each. Oracle: what was
 * put before the damage is read, the same and in order; nothing behind it is.
 * The input is also read as a file, and each body as an event. */
#include "mta/queue/history.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_RECORDS = 200 };

static void
read_event(struct str body)
{
	struct queue_event event;

	if (queue_read_event(body, &event) == OK)
		is_about(&event, S("user@example.org"));
}

static void
read_damaged(struct str in, size_t at, uint8_t how)
{
	struct buf file = BUF_INIT(2 * in.n + MAX_RECORDS * RECORD_HEAD);
	size_t ends[MAX_RECORDS + 1] = { 0 }, n = 0, i = 0;
	struct str bodies[MAX_RECORDS], rest, body;

	while (in.n > 2 && n < MAX_RECORDS) {
		size_t size = (uint8_t)in.p[0] | (size_t)in.p[1] << 8;

		bodies[n] = str_sub(in, 2, size % EVENT_OCTETS);
		in = str_from(in, 2 + bodies[n].n);
		if (bodies[n].n == 0)
			continue;
		put_record(&file, bodies[n]);
		ends[++n] = file.n;
	}
	if (how != 0 && at < file.n)
		file.p[at] ^= (char)how;
	else
		at = file.n;
	rest = buf_str(&file);
	while (next_record(&rest, &body)) {
		check(i < n && str_eq(body, bodies[i]));
		check(ends[i + 1] <= at);
		read_event(body);
		i++;
	}
	check(i == n || ends[i + 1] > at);
	buf_release(&file);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = str_of(data, size), body;

	while (next_record(&rest, &body))
		read_event(body);
	if (size > 3)
		read_damaged(str_of(data + 3, size - 3),
			     data[0] | (size_t)data[1] << 8, data[2]);
	read_event(str_of(data, size));
	return 0;
}
