/* SPDX-License-Identifier: MIT
 * mda/store/delivery.h - deliveries by LMTP: STORE_ROOM and STORE_DELIVER of
 * lib/ipc/store.h. owner of the channel is the struct tree. */
#pragma once

#include "lib/rt/chan.h"

struct user;

chan_serve_fn serve_room, serve_delivery;

/* Puts a whole message (CRLF) of our own into INBOX, with or without room. */
enum err
deliver_letter(struct co *co, struct user *u, struct str text) MUST_USE;
