/* SPDX-License-Identifier: MIT
 * lib/rt/role_private.h - what role.c and parent.c share. */
#pragma once

#include "lib/rt/role.h"

/* One packet of at most CONTROL_MAX_OCTETS and its descriptor (or -1), without
 * waiting. As recv(2). */
ssize_t control_receive(int control_fd, char *packet, int *fd_out);
/* Begins to listen to the parent. */
void role_open(struct role *role, int control_fd);
void role_say_ready(void);
