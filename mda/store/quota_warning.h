/* SPDX-License-Identifier: MIT
 * mda/store/quota_warning.h - the letters that tell users how full they are. */
#pragma once

#include "mda/store/tree.h"

/* A tell_quota_fn: the letter is written by a coroutine of its own. */
void quota_warning_send(struct user *u, unsigned percent);
