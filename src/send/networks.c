#include "networks.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of the registries of special addresses of IANA: everything that is not reachable globally. */
static const char *const special[] = {
	"0.0.0.0/8",       /* this host */
	"10.0.0.0/8",      /* private, RFC 1918 */
	"100.64.0.0/10",   /* shared by a carrier, RFC 6598 */
	"127.0.0.0/8",     /* loopback */
	"169.254.0.0/16",  /* link-local, and the metadata of clouds */
	"172.16.0.0/12",   /* private */
	"192.0.0.0/24",    /* protocols */
	"192.0.2.0/24",    /* documentation */
	"192.88.99.0/24",  /* relays of 6to4 */
	"192.168.0.0/16",  /* private */
	"198.18.0.0/15",   /* benchmarks */
	"198.51.100.0/24", /* documentation */
	"203.0.113.0/24",  /* documentation */
	"224.0.0.0/3",     /* multicast, reserved, broadcast */
	"2001::/23",       /* protocols, Teredo */
	"2001:db8::/32",   /* documentation */
	"3fff::/20",       /* documentation */
};

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

static bool is_v4(const uint8_t bytes[16])
{
	return memcmp(bytes, mapped, sizeof(mapped)) == 0;
}

static bool parse_bits(const char *text, unsigned max, unsigned *bits)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	*bits = (unsigned)value;
	return *text >= '0' && *text <= '9' && !*end && value <= max;
}

static bool parse(const char *text, struct network *n)
{
	char address[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);

	if (len >= sizeof(address))
		return false;
	memcpy(address, text, len);
	address[len] = '\0';
	bool v4 = inet_pton(AF_INET, address, n->bytes + sizeof(mapped)) == 1;
	if (v4)
		memcpy(n->bytes, mapped, sizeof(mapped));
	else if (inet_pton(AF_INET6, address, n->bytes) != 1)
		return false;
	n->bits = v4 ? 32 : 128;
	if (slash && !parse_bits(slash + 1, n->bits, &n->bits))
		return false;
	n->bits += v4 ? 96 : 0;
	return true;
}

bool networks_add(struct networks *n, const char *text)
{
	if (n->count == NETWORKS_MAX || !parse(text, &n->items[n->count]))
		return false;
	n->count++;
	return true;
}

static bool has(const struct network *n, const uint8_t bytes[16])
{
	unsigned whole = n->bits / 8, rest = n->bits % 8;

	return memcmp(n->bytes, bytes, whole) == 0 &&
	       (!rest || (n->bytes[whole] ^ bytes[whole]) >> (8 - rest) == 0);
}

static bool is_special(const uint8_t bytes[16])
{
	struct network n;

	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++)
		if (parse(special[i], &n) && has(&n, bytes))
			return true;
	return false;
}

/* Replaces an address of 6to4 (RFC 3056) by the one that it stands for. */
static void unwrap(uint8_t bytes[16])
{
	uint8_t inner[4];

	if (bytes[0] != 0x20 || bytes[1] != 0x02)
		return;
	memcpy(inner, bytes + 2, sizeof(inner));
	memcpy(bytes, mapped, sizeof(mapped));
	memcpy(bytes + sizeof(mapped), inner, sizeof(inner));
}

/* Only 2000::/3 is given to hosts of the internet; the rest is local, or has an IPv4 address in it.
 */
static bool is_of_internet(uint8_t bytes[16])
{
	if (!is_v4(bytes) && bytes[0] >> 5 != 1)
		return false;
	unwrap(bytes);
	return !is_special(bytes);
}

static bool bytes_of(const struct sockaddr *address, uint8_t bytes[16])
{
	if (address->sa_family == AF_INET) {
		struct sockaddr_in v4;
		memcpy(&v4, address, sizeof(v4));
		memcpy(bytes, mapped, sizeof(mapped));
		memcpy(bytes + sizeof(mapped), &v4.sin_addr, 4);
	} else if (address->sa_family == AF_INET6) {
		struct sockaddr_in6 v6;
		memcpy(&v6, address, sizeof(v6));
		memcpy(bytes, &v6.sin6_addr, 16);
	}
	return address->sa_family == AF_INET || address->sa_family == AF_INET6;
}

bool networks_may_connect(const struct networks *allowed, const struct sockaddr *address)
{
	uint8_t bytes[16];

	if (!bytes_of(address, bytes))
		return false;
	for (unsigned i = 0; i < allowed->count; i++)
		if (has(&allowed->items[i], bytes))
			return true;
	return is_of_internet(bytes);
}

void networks_format(const struct sockaddr *address, char out[ADDRESS_TEXT_MAX])
{
	uint8_t bytes[16];

	out[0] = '\0';
	if (!bytes_of(address, bytes))
		return;
	if (is_v4(bytes))
		inet_ntop(AF_INET, bytes + sizeof(mapped), out, ADDRESS_TEXT_MAX);
	else
		inet_ntop(AF_INET6, bytes, out, ADDRESS_TEXT_MAX);
}
