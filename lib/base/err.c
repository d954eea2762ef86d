/* SPDX-License-Identifier: MIT
 * lib/base/err.c - names of the errors. */
#include "lib/base/err.h"

const char *
err_text(enum err e)
{
	switch (e) {
	case OK:
		return "ok";
	case ERR_IO:
		return "io";
	case ERR_EOF:
		return "closed";
	case ERR_TIMEOUT:
		return "timeout";
	case ERR_CANCELED:
		return "canceled";
	case ERR_LIMIT:
		return "limit";
	case ERR_FORMAT:
		return "format";
	case ERR_NOT_FOUND:
		return "not-found";
	case ERR_EXISTS:
		return "exists";
	case ERR_FULL:
		return "full";
	case ERR_UNAVAILABLE:
		return "unavailable";
	case ERR_REFUSED:
		return "refused";
	case ERR_TLS:
		return "tls";
	case ERR_MORE:
		return "more";
	}
	return "unknown";
}
