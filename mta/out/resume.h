/* SPDX-License-Identifier: MIT
 * mta/out/resume.h - TLS sessions that may be resumed (RFC 8446 2.2): a
 * handshake without certificates. A key says with whom and under which
 * demands: what was verified for one policy is not for another. */
#pragma once

#include "lib/base/str.h"

enum { RESUME_SESSIONS = 256 }; // the oldest is forgotten

struct ssl_session_st;

/* The caller's, for SSL_SESSION_free(): while it connects, another may keep a
 * newer one under that key. Or NULL. */
struct ssl_session_st *resume_find(struct str key);
/* Takes over the session. */
void resume_keep(struct str key, struct ssl_session_st *session);
