/* SPDX-License-Identifier: MIT
 * lib/ipc/service_test.c - messages about parent and roles. */
#include "lib/ipc/service.c"

#include "tests/unit/message_frame.h"

static void
put_control(struct buf *out)
{
	control_put(out,
		    &(struct control) { CONTROL_CONNECTED, SERVICE_LMTP, 3 });
}

static enum err
read_control(struct str body, struct arena *arena UNUSED)
{
	return control_read(body, &(struct control) { 0 });
}

static void
check_control(struct str body, struct arena *arena UNUSED)
{
	struct control m;

	assert_int_equal(control_read(body, &m), OK);
	assert_int_equal(m.type, CONTROL_CONNECTED);
	assert_int_equal(m.what, SERVICE_LMTP);
	assert_int_equal(m.copy, 3);
}

static const struct message messages[] = {
	MESSAGE(control),
};

static struct messages all = { messages, N_OF(messages) };

static const struct {
	const char *name;
	struct control in;
	enum err want;
} controls[] = {
	{ "a file", { CONTROL_FILE, FILE_ACCOUNTS, 0 }, OK },
	{ "no such file", { CONTROL_FILE, FILE_KINDS, 0 }, ERR_FORMAT },
	{ "last service", { CONTROL_CONNECT, SERVICES - 1, 9 }, OK },
	{ "no such service", { CONTROL_CONNECT, SERVICES, 0 }, ERR_FORMAT },
	{ "no such type", { CONTROL_TYPES, 0, 0 }, ERR_FORMAT },
};

static void
control_values_are_bounded(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(controls); i++) {
		struct buf b = BUF_INIT(CONTROL_MAX_OCTETS);
		struct control m;

		control_put(&b, &controls[i].in);
		assert_int_equal(control_read(buf_str(&b), &m),
				 controls[i].want);
		buf_release(&b);
	}
	for (enum service s = 0; s < SERVICES; s++)
		assert_true(service_name(s)[0] != '\0');
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		MESSAGE_TESTS(all),
		cmocka_unit_test(control_values_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
