/* What every request of this program has, over the easy and the multi interface of libcurl. */
#ifndef JOBLIGHT_CLI_CURL_REQUEST_H
#define JOBLIGHT_CLI_CURL_REQUEST_H

#include "client.h"
#include "curl_library.h"

/* The file of certificates to trust: the one given, otherwise that of the environment, which
 * curl(1) reads and libcurl does not; NULL: those of the system. */
const char *curl_request_ca_file(const char *given);

/* The address, its protocols, the certificates, the time to connect.  All texts are copied. */
void curl_request_set(const struct curl_library *library, CURL *curl, const char *url,
                      const char *ca_file);

/* Appends the header that has the key; NULL: no key.  Returns the list. */
struct curl_slist *curl_request_add_key(const struct curl_library *library,
                                        struct curl_slist *headers, const char *key);

enum call_end curl_request_end(CURLcode result);

#endif
