/*
 * libcurl, loaded when it is first needed: the server never uses it, and it would bring some thirty
 * other libraries into its process.
 */
#ifndef JOBLIGHT_CLI_CURL_LIBRARY_H
#define JOBLIGHT_CLI_CURL_LIBRARY_H

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

#define CURL_FUNCTIONS(X)                                                                          \
	X(easy_init)                                                                               \
	X(easy_cleanup)                                                                            \
	X(easy_reset)                                                                              \
	X(easy_setopt)                                                                             \
	X(easy_perform)                                                                            \
	X(easy_getinfo)                                                                            \
	X(easy_strerror)                                                                           \
	X(slist_append)                                                                            \
	X(slist_free_all)

struct curl_library {
#define CURL_MEMBER(name) __typeof__(&curl_##name) name;
	CURL_FUNCTIONS(CURL_MEMBER)
#undef CURL_MEMBER
};

/* NULL, after a message, when it is not installed.  It stays loaded. */
const struct curl_library *curl_library(void);

#endif
