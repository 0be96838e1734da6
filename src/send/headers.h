/*
 * The file with the header lines of every request, which may have secrets: `Name: value` on each
 * line, with # before a comment.  It is read for each request, so a new key needs no restart.
 */
#ifndef JOBLIGHT_SEND_HEADERS_H
#define JOBLIGHT_SEND_HEADERS_H

#include <stdbool.h>
#include <stddef.h>

#include <curl/curl.h>

#define HEADERS_FILE_MAX (16 * 1024)

/*
 * Appends the lines of the file to the list, which the caller frees.  False: `error` says why,
 * without a value.  `path` NULL: there is no file.
 */
bool headers_read(const char *path, struct curl_slist **list, char *error, size_t error_len);
/* Overwrites the lines before it frees them. */
void headers_free(struct curl_slist *list);

#endif
