#include "key_print.h"

#include <stdio.h>

#include "verb.h"

int key_print(const char *key, const char *id)
{
	puts(key);
	if (fflush(stdout) == 0)
		return EXIT_OK;
	fprintf(stderr, "joblight: the key cannot be printed; revoke it: joblight key revoke %s\n",
	        id);
	return EXIT_FAILED;
}
