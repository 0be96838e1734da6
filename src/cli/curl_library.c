#include "curl_library.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define FILE_NAME "libcurl.so.4"

static char error[512];

static bool find(void *handle, const char *name, void *function)
{
	void *found = dlsym(handle, name);

	memcpy(function, &found, sizeof(found)); /* ISO C has no cast from one to the other */
	return found != NULL;
}

static bool load(struct curl_library *library)
{
	void *handle = dlopen(FILE_NAME, RTLD_NOW | RTLD_LOCAL);
	bool ok = handle != NULL;

#define CURL_FIND(name) ok = ok && find(handle, "curl_" #name, &library->name);
	CURL_FUNCTIONS(CURL_FIND)
#undef CURL_FIND
	if (!ok)
		snprintf(error, sizeof(error),
		         "%s cannot be loaded (%s); install Debian's package libcurl4", FILE_NAME,
		         handle ? "a function is missing" : dlerror());
	return ok;
}

const struct curl_library *curl_library(void)
{
	static struct curl_library library;
	static bool loaded;

	loaded = loaded || load(&library);
	return loaded ? &library : NULL;
}

const char *curl_library_error(void)
{
	return error;
}
