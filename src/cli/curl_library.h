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
	X(easy_send)                                                                               \
	X(easy_recv)                                                                               \
	X(getdate)                                                                                 \
	X(multi_init)                                                                              \
	X(multi_cleanup)                                                                           \
	X(multi_add_handle)                                                                        \
	X(multi_remove_handle)                                                                     \
	X(multi_setopt)                                                                            \
	X(multi_socket_action)                                                                     \
	X(multi_info_read)                                                                         \
	X(slist_append)                                                                            \
	X(slist_free_all)

struct curl_library {
#define CURL_MEMBER(name) __typeof__(&curl_##name) name;
	CURL_FUNCTIONS(CURL_MEMBER)
#undef CURL_MEMBER
};

/*
 * NULL when it is not installed; then curl_library_error() says what to do.  It stays loaded.  The
 * first call must not be made by two threads.
 */
const struct curl_library *curl_library(void);
const char *curl_library_error(void);

#endif
