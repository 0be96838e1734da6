/* Entity tags in If-Match and If-None-Match: RFC 9110 sections 8.8.3 and 13.1. */
#ifndef JOBLIGHT_CORE_ENTITY_TAG_H
#define JOBLIGHT_CORE_ENTITY_TAG_H

#include <stdbool.h>

#include "joblight/base/slice.h"

/* How two tags are compared: a weak one (W/"…") is equal to no other in the strong comparison. */
enum tag_comparison { COMPARE_WEAK, COMPARE_STRONG };

/*
 * Whether the list, or "*", names the current representation.  `etag` is its strong tag with the
 * quotes; "": it has none, and only "*" names it.
 */
bool entity_tags_name(struct slice list, const char *etag, enum tag_comparison comparison);

#endif
