/* SPDX-License-Identifier: MIT
 * lib/ipc/service.c - names of services, messages of the parent. */
#include "lib/ipc/service.h"

#include "lib/ipc/wire.h"

void
control_put(struct buf *out, const struct control *message)
{
	wire_put_u8(out, (uint8_t)message->type);
	wire_put_u8(out, message->what);
	wire_put_u8(out, message->copy);
}

enum err
control_read(struct str packet, struct control *out)
{
	struct wire w = wire_of(packet);

	out->type = wire_below(&w, CONTROL_TYPES);
	out->what = wire_u8(&w);
	out->copy = wire_u8(&w);
	if (wire_end(&w) != OK)
		return ERR_FORMAT;
	if (out->type == CONTROL_FILE && out->what >= FILE_KINDS)
		return ERR_FORMAT;
	return out->what < SERVICES ? OK : ERR_FORMAT;
}

const char *
service_name(enum service service)
{
	static const char *const names[SERVICES] = {
		"none",	 "in",	  "queue", "out",    "dns",  "router",
		"front", "store", "auth",  "submit", "lmtp", "router-out",
	};

	return names[service];
}
