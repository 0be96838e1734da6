#include "text_check.h"

#include <ctype.h>
#include <stdio.h>

#include "joblight/core/json.h"
#include "verb.h"

int text_check(const char *what, struct slice text)
{
	if (utf8_valid(text) && !(text.len && memchr(text.ptr, '\0', text.len)))
		return EXIT_OK;
	fprintf(stderr, "joblight: %s is not UTF-8 text\n", what);
	return EXIT_USAGE;
}

bool text_visible(const char *text)
{
	for (; *text; text++)
		if (!isgraph((unsigned char)*text))
			return false;
	return true;
}
