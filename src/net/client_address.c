#include "joblight/net/client_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static bool is_v4(const struct client_address *a)
{
	return a->family == ADDRESS_IP && memcmp(a->bytes, mapped, sizeof(mapped)) == 0;
}

/* Making. */

struct client_address client_address_v4(const uint8_t bytes[4])
{
	struct client_address a = { .family = ADDRESS_IP };

	memcpy(a.bytes, mapped, sizeof(mapped));
	memcpy(a.bytes + sizeof(mapped), bytes, 4);
	return a;
}

struct client_address client_address_v6(const uint8_t bytes[16])
{
	struct client_address a = { .family = ADDRESS_IP };

	memcpy(a.bytes, bytes, sizeof(a.bytes));
	return a;
}

bool client_address_parse(struct slice text, struct client_address *a)
{
	char copy[INET6_ADDRSTRLEN];
	uint8_t bytes[16];

	if (!text.len || text.len >= sizeof(copy) || memchr(text.ptr, '\0', text.len))
		return false;
	memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\0';
	if (inet_pton(AF_INET, copy, bytes) == 1)
		*a = client_address_v4(bytes);
	else if (inet_pton(AF_INET6, copy, bytes) == 1)
		*a = client_address_v6(bytes);
	else
		return false;
	return true;
}

struct client_address client_address_of_socket(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_storage storage;
	} peer = { .storage = { 0 } };
	socklen_t len = sizeof(peer);

	if (getpeername(fd, &peer.any, &len))
		return (struct client_address){ .family = ADDRESS_UNKNOWN };
	switch (peer.any.sa_family) {
	case AF_INET:
		return client_address_v4((const uint8_t *)&peer.v4.sin_addr);
	case AF_INET6:
		return client_address_v6((const uint8_t *)&peer.v6.sin6_addr);
	case AF_UNIX:
		return (struct client_address){ .family = ADDRESS_UNIX };
	default:
		return (struct client_address){ .family = ADDRESS_UNKNOWN };
	}
}

/* Reading. */

void client_address_format(const struct client_address *a, char out[CLIENT_ADDRESS_TEXT])
{
	if (is_v4(a))
		inet_ntop(AF_INET, a->bytes + sizeof(mapped), out, CLIENT_ADDRESS_TEXT);
	else if (a->family == ADDRESS_IP)
		inet_ntop(AF_INET6, a->bytes, out, CLIENT_ADDRESS_TEXT);
	else
		snprintf(out, CLIENT_ADDRESS_TEXT, "%s",
		         a->family == ADDRESS_UNIX ? "unix" : "unknown");
}

bool client_address_is_loopback(const struct client_address *a)
{
	static const uint8_t one[16] = { [15] = 1 };

	if (is_v4(a))
		return a->bytes[sizeof(mapped)] == 127;
	return a->family == ADDRESS_IP && memcmp(a->bytes, one, sizeof(one)) == 0;
}

bool client_address_equal(const struct client_address *a, const struct client_address *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

struct client_address client_address_network(const struct client_address *a)
{
	struct client_address network = *a;

	if (a->family == ADDRESS_IP && !is_v4(a))
		memset(network.bytes + 8, 0, 8);
	return network;
}

/* Trusted proxies. */

/* Reads "ADDRESS" or "ADDRESS/BITS". */
static bool parse_prefix(struct slice text, struct client_address *a, unsigned *bits)
{
	const char *slash = memchr(text.ptr, '/', text.len);
	struct slice address = { text.ptr, slash ? (size_t)(slash - text.ptr) : text.len };
	uint64_t given = 128;

	if (!client_address_parse(address, a))
		return false;
	uint64_t max = is_v4(a) && !memchr(address.ptr, ':', address.len) ? 32 : 128;
	if (slash) {
		struct slice digits = { slash + 1, text.len - address.len - 1 };
		if (!slice_number(digits, 3, &given) || given > max)
			return false;
	} else {
		given = max;
	}
	*bits = (unsigned)(128 - max + given);
	return true;
}

bool client_network_valid(struct slice text)
{
	struct client_address a;
	unsigned bits;

	return parse_prefix(text, &a, &bits);
}

bool trusted_proxy_valid(struct slice text)
{
	return slice_is(text, "unix") || client_network_valid(text);
}

void trusted_proxies_parse(const struct slices *texts, struct trusted_proxies *out)
{
	*out = (struct trusted_proxies){ 0 };
	for (size_t i = 0; i < texts->count; i++) {
		if (slice_is(texts->items[i], "unix"))
			out->unix_peers = true;
		else if (parse_prefix(texts->items[i], &out->items[out->count].address,
		                      &out->items[out->count].bits))
			out->count++;
	}
}

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	return memcmp(a, b, whole) == 0 && (!rest || (a[whole] ^ b[whole]) >> (8 - rest) == 0);
}

bool trusted_proxies_have(const struct trusted_proxies *t, const struct client_address *a)
{
	if (a->family != ADDRESS_IP)
		return a->family == ADDRESS_UNIX && t->unix_peers;
	for (size_t i = 0; i < t->count; i++)
		if (same_bits(t->items[i].address.bytes, a->bytes, t->items[i].bits))
			return true;
	return false;
}

/* X-Forwarded-For. */

/* Takes the last member off a list that is separated by commas. */
static struct slice take_last(struct slice *list)
{
	size_t at = list->len;

	while (at && list->ptr[at - 1] != ',')
		at--;
	struct slice last = { list->ptr + at, list->len - at };
	list->len = at ? at - 1 : 0;
	return slice_trimmed(last);
}

/* Some proxies add a port: "192.0.2.1:80", "[2001:db8::1]:80". */
static bool parse_entry(struct slice text, struct client_address *a)
{
	const char *colon = text.len ? memchr(text.ptr, ':', text.len) : NULL;
	const char *end = text.len && text.ptr[0] == '[' ? memchr(text.ptr, ']', text.len) : NULL;

	if (end)
		return client_address_parse(
		    (struct slice){ text.ptr + 1, (size_t)(end - text.ptr) - 1 }, a);
	if (client_address_parse(text, a))
		return true;
	return colon &&
	       client_address_parse((struct slice){ text.ptr, (size_t)(colon - text.ptr) }, a);
}

struct client_address client_address_forwarded(const struct trusted_proxies *t,
                                               const struct client_address *peer,
                                               struct slice forwarded)
{
	struct client_address client = *peer, before;

	while (forwarded.len && trusted_proxies_have(t, &client)) {
		if (!parse_entry(take_last(&forwarded), &before))
			break;
		client = before;
	}
	return client;
}
