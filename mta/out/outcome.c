/* SPDX-License-Identifier: MIT
 * mta/out/outcome.c - see outcome.h. */
#include "mta/out/outcome.h"

#include <stdarg.h>

static void
set_text(struct outcome *out, struct str text)
{
	size_t n =
		text.n < OUTCOME_TEXT_MAX - 1 ? text.n : OUTCOME_TEXT_MAX - 1;

	for (size_t i = 0; i < n; i++) {
		char c = text.p[i];

		out->text[i] = c == '\n' ? ' ' : ascii_is_print(c) ? c : '?';
	}
	out->text[n] = '\0';
}

void
outcome_of_reply(struct outcome *out, const struct smtp_reply *reply,
		 const char *remote)
{
	struct str enhanced = smtp_reply_enhanced(reply);
	int class = reply->code / 100;

	*out = (struct outcome) { .is_set = true };
	set_text(out, smtp_reply_text(reply));
	snprintf(out->remote, sizeof(out->remote), "%s", remote);
	if (class == 3) { // asks for more where nothing follows
		snprintf(out->enhanced, sizeof(out->enhanced), "4.5.0");
		return;
	}
	out->code = (uint16_t)reply->code;
	if (enhanced.n > 0)
		snprintf(out->enhanced, sizeof(out->enhanced), "%.*s",
			 STR(enhanced));
	else
		snprintf(out->enhanced, sizeof(out->enhanced), "%c.0.0",
			 (char)('0' + class));
}

void
outcome_of_us(struct outcome *out, uint16_t code, const char *enhanced,
	      const char *host, const char *format, ...)
{
	char text[OUTCOME_TEXT_MAX];
	size_t n = 0;
	va_list ap;

	*out = (struct outcome) { .is_set = true, .code = code };
	snprintf(out->enhanced, sizeof(out->enhanced), "%s", enhanced);
	if (host[0] != '\0')
		n = (size_t)snprintf(text, sizeof(text), "%.300s: ", host);
	va_start(ap, format);
	vsnprintf(text + n, sizeof(text) - n, format, ap);
	va_end(ap);
	set_text(out, str_c(text));
}
