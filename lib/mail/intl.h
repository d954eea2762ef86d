/* SPDX-License-Identifier: MIT
 * lib/mail/intl.h - the one form in which internationalised addresses are
 * compared, routed and stored: the local part in NFC (RFC 6532 3.1), the
 * domain as A-labels (RFC 5890 2.3.2.1). ASCII is returned as it is.
 *
 * Pure; input over 1 KiB is ERR_LIMIT. */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/buf.h"

/* address is local@domain, or local alone; the last '@' divides. *out borrows
 * from address or lies in the arena. ERR_FORMAT: not UTF-8, or the domain is
 * none by IDNA2008 (with the mappings of UTS 46), or no host name; ERR_LIMIT:
 * too long, or the arena is full. */
enum err
intl_address(struct str address, struct arena *arena, struct str *out) MUST_USE;

/* Appends a password as RFC 8265 4.2 (OpaqueString) would have it compared: in
 * NFC, with U+0020 for every other space. ASCII is as it was. ERR_FORMAT: not
 * UTF-8, or with control characters; ERR_LIMIT: over 1 KiB, or out is full.
 * On error what out got is to be wiped as well. */
enum err intl_password(struct buf *out, struct str password) MUST_USE;
