/* SPDX-License-Identifier: MIT
 * mda/store/delivery.h - deliveries by LMTP: STORE_ROOM and STORE_DELIVER of
 * lib/ipc/store.h. owner of the channel is the struct tree. */
#pragma once

#include "lib/rt/chan.h"

chan_serve_fn serve_room, serve_delivery;
