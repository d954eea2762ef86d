/* SPDX-License-Identifier: MIT
 * lib/rt/version.h - what --version says. */
#pragma once

#define ESTAFETA_VERSION "0.1.0"
