/* SPDX-License-Identifier: MIT
 * lib/base/ban.h - functions that nobody here calls; using one is an error.
 *
 * The headers that declare them are included first, so that only our own
 * uses are met. Each has a bounded, re-entrant or length-first replacement. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#undef strcpy
#undef strcat
#undef sprintf
#undef vsprintf
#undef strtok
#undef strncpy
#undef strncat
#undef atoi
#undef alloca
#undef localtime
#undef gmtime
#define BANNED(f) banned_use_##f##_is_an_error
#define strcpy(d, s) BANNED(strcpy) // str and buf know their length
#define strcat(d, s) BANNED(strcat)
#define sprintf(...) BANNED(sprintf) // buf_addf, snprintf
#define vsprintf(...) BANNED(vsprintf)
#define strtok(s, d) BANNED(strtok)	 // str_split
#define strncpy(d, s, n) BANNED(strncpy) // memcpy after a check
#define strncat(d, s, n) BANNED(strncat)
#define atoi(s) BANNED(atoi)	       // str_to_u64 reports overflow
#define alloca(n) BANNED(alloca)       // coroutine stacks are small
#define localtime(t) BANNED(localtime) // localtime_r
#define gmtime(t) BANNED(gmtime)       // gmtime_r
