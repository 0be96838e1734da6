#include "request_id.h"

#include "joblight/base/random.h"
#include "request.h"

static bool is_good(struct slice id)
{
	static const char more[] = "._~:/+=@-";

	for (size_t i = 0; i < id.len; i++) {
		char c = id.ptr[i];
		bool ok = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
		          (c >= 'a' && c <= 'z') || (c && strchr(more, c));
		if (!ok)
			return false;
	}
	return id.len >= 1 && id.len <= REQUEST_ID_MAX;
}

/* Appends the digits of a number to the text that ends at `at`; at least `min` of them. */
static char *add_hex(char *at, uint64_t number, int min)
{
	int digits = min;

	while (digits < 16 && number >> (4 * digits))
		digits++;
	for (int i = digits; i--;)
		*at++ = "0123456789abcdef"[number >> (4 * i) & 15];
	return at;
}

uint64_t request_ids_prefix(struct request_ids *ids)
{
	while (!ids->prefix)
		ids->prefix = random_u64();
	return ids->prefix;
}

/* For each request, so without printf(). */
static void make(struct request *r, struct request_ids *ids)
{
	char *at = r->id;

	at = add_hex(at, request_ids_prefix(ids), 16);
	*at++ = '-';
	at = add_hex(at, ++ids->count, 1);
	*at = '\0';
}

void request_id_set(struct request *r, struct request_ids *ids)
{
	static const enum header headers[] = { HEADER_X_REQUEST_ID, HEADER_REQUEST_ID };

	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		struct slice given = r->headers[headers[i]];
		if (!is_good(given))
			continue;
		memcpy(r->id, given.ptr, given.len);
		r->id[given.len] = '\0';
		return;
	}
	make(r, ids);
}
