#include "text_kind.h"

#include <stdlib.h>

#include "credential_file.h"
#include "joblight/api/base_path.h"
#include "joblight/api/origin.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/issuer.h"
#include "joblight/core/model.h"
#include "joblight/net/client_address.h"

static bool is_given(struct slice value)
{
	return value.len > 0;
}

static const char *is_empty(struct slice value)
{
	(void)value;
	return "it is empty";
}

static bool durability_valid(struct slice value)
{
	return slice_is(value, "full") || slice_is(value, "process");
}

static const char *durability_fault(struct slice value)
{
	(void)value;
	return "it must be full or process";
}

static bool pointer_valid(struct slice value)
{
	char *text = xmemdup(value.ptr, value.len);
	bool ok = json_pointer_valid(text);

	free(text);
	return ok;
}

static const char *pointer_fault(struct slice value)
{
	(void)value;
	return "it must be a JSON pointer, such as /joblight/jobs";
}

static bool secret_file_valid(struct slice value)
{
	return is_given(value) && credential_file_valid(value);
}

static const char *secret_file_fault(struct slice value)
{
	return value.len ? "it must be a file, or credential:NAME for a credential of systemd"
	                 : is_empty(value);
}

static bool log_format_valid(struct slice value)
{
	return slice_is(value, "logfmt") || slice_is(value, "json");
}

static const char *log_format_fault(struct slice value)
{
	(void)value;
	return "it must be logfmt or json";
}

static const char *host_fault(struct slice value)
{
	(void)value;
	return "it must be a name such as jobs.example, without scheme, port and path";
}

static const char *proxy_fault(struct slice value)
{
	(void)value;
	return "it must be an address such as 192.0.2.1, a network such as 192.0.2.0/24, or unix";
}

static const char *base_path_fault(struct slice value)
{
	char path[BASE_PATH_MAX + 1];

	return base_path_read(value, path);
}

static bool base_path_valid(struct slice value)
{
	return !base_path_fault(value);
}

static const char *network_fault(struct slice value)
{
	(void)value;
	return "it must be an address such as 192.0.2.1, or a network such as 192.0.2.0/24";
}

/* Only a name or a scheme: what the rest may be is known to the bus. */
static bool bus_url_valid(struct slice value)
{
	const char *end = memmem(value.ptr, value.len, "://", 3);

	return slice_is(value, "postgres") || (end && end > value.ptr);
}

static const char *bus_url_fault(struct slice value)
{
	(void)value;
	return "it must be a URL, such as redis://127.0.0.1:6379, or postgres";
}

#define PREFIX_MAX 64

static bool bus_prefix_valid(struct slice value)
{
	return value.len <= PREFIX_MAX && id_valid(value);
}

static const char *bus_prefix_fault(struct slice value)
{
	(void)value;
	return "it must be 1 to 64 letters, digits, and the characters . _ ~ -";
}

const struct text_kind any_text = { is_given, is_empty, false };
const struct text_kind durability = { durability_valid, durability_fault, false };
const struct text_kind json_pointer = { pointer_valid, pointer_fault, false };
const struct text_kind secret_file = { secret_file_valid, secret_file_fault, true };
const struct text_kind host_name = { origin_host_valid, host_fault, false };
const struct text_kind page_origin = { origin_valid, origin_fault, false };
const struct text_kind proxy_address = { trusted_proxy_valid, proxy_fault, false };
const struct text_kind base_path = { base_path_valid, base_path_fault, false };
const struct text_kind log_format = { log_format_valid, log_format_fault, false };
const struct text_kind network_address = { client_network_valid, network_fault, false };
const struct text_kind bus_url = { bus_url_valid, bus_url_fault, false };
const struct text_kind bus_prefix = { bus_prefix_valid, bus_prefix_fault, false };
