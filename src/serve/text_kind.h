/* What the text of a setting may be: one kind for each row of text_kind.c that config.def names. */
#ifndef JOBLIGHT_SERVE_TEXT_KIND_H
#define JOBLIGHT_SERVE_TEXT_KIND_H

#include <stdbool.h>

#include "joblight/base/slice.h"

struct text_kind {
	bool (*is_valid)(struct slice value);
	const char *(*fault)(struct slice value); /* what is wrong with one that is not valid */
	bool is_secret_file; /* it may be a credential of systemd: credential_file.h */
};

extern const struct text_kind any_text; /* checked where it is used */
extern const struct text_kind durability;
extern const struct text_kind json_pointer;
extern const struct text_kind secret_file;
extern const struct text_kind log_format;
extern const struct text_kind host_name;
extern const struct text_kind page_origin;
extern const struct text_kind proxy_address;
extern const struct text_kind base_path;
extern const struct text_kind network_address;
extern const struct text_kind bus_url;
extern const struct text_kind bus_prefix;

#endif
