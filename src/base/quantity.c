#include "joblight/base/quantity.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "joblight/base/slice.h"

#define KI UINT64_C(1024)
#define K UINT64_C(1000)
#define HOUR_MS (60 * 60 * K)

struct unit {
	const char *name;
	uint64_t factor;
	enum quantity kind;
	bool shown; /* quantity_format() uses it */
};

/* The largest ones first. */
static const struct unit units[] = {
	{ "TiB", KI *KI *KI *KI, QUANTITY_BYTES, true },
	{ "TB", K *K *K *K, QUANTITY_BYTES, false },
	{ "GiB", KI *KI *KI, QUANTITY_BYTES, true },
	{ "GB", K *K *K, QUANTITY_BYTES, false },
	{ "MiB", KI *KI, QUANTITY_BYTES, true },
	{ "MB", K *K, QUANTITY_BYTES, false },
	{ "KiB", KI, QUANTITY_BYTES, true },
	{ "kB", K, QUANTITY_BYTES, false },
	{ "B", 1, QUANTITY_BYTES, true },
	{ "d", 24 * HOUR_MS, QUANTITY_MS, true },
	{ "h", HOUR_MS, QUANTITY_MS, true },
	{ "min", 60 * K, QUANTITY_MS, true },
	{ "s", K, QUANTITY_MS, true },
	{ "ms", 1, QUANTITY_MS, true },
	{ "/s", 1, QUANTITY_PER_SECOND, true },
	{ "/min", 1, QUANTITY_PER_MINUTE, true },
};

#define UNIT_COUNT (sizeof(units) / sizeof(units[0]))

static const struct unit *find(enum quantity kind, const char *name)
{
	for (size_t i = 0; i < UNIT_COUNT; i++)
		if (units[i].kind == kind && strcmp(units[i].name, name) == 0)
			return &units[i];
	return NULL;
}

bool quantity_parse(const char *text, enum quantity kind, bool plain, uint64_t *value)
{
	size_t digits = strspn(text, "0123456789");
	const char *name = text + digits + strspn(text + digits, " ");
	const struct unit *unit = find(kind, name);
	uint64_t number, product;

	if (!slice_number((struct slice){ text, digits }, SLICE_DIGITS_MAX, &number))
		return false;
	if (!unit && (text[digits] || (number && kind == QUANTITY_MS && !plain)))
		return false;
	if (__builtin_mul_overflow(number, unit ? unit->factor : 1, &product))
		return false;
	*value = product;
	return true;
}

void quantity_format(uint64_t value, enum quantity kind, char out[QUANTITY_TEXT])
{
	const struct unit *unit = NULL;

	for (size_t i = 0; value && !unit && i < UNIT_COUNT; i++)
		if (units[i].kind == kind && units[i].shown && value % units[i].factor == 0)
			unit = &units[i];
	snprintf(out, QUANTITY_TEXT, "%" PRIu64 "%s", unit ? value / unit->factor : value,
	         unit ? unit->name : "");
}

static const struct {
	const char *name, *forms;
} kinds[] = {
	[QUANTITY_COUNT] = { "a whole number", "" },
	[QUANTITY_BYTES] = { "a size", "bytes, or with KiB, MiB, GiB, TiB, kB, MB, GB or TB" },
	[QUANTITY_MS] = { "a time", "milliseconds, or with ms, s, min, h or d" },
	[QUANTITY_PER_SECOND] = { "a rate", "" },
	[QUANTITY_PER_MINUTE] = { "a rate", "" },
};

const char *quantity_name(enum quantity kind)
{
	return kinds[kind].name;
}

const char *quantity_forms(enum quantity kind, bool plain)
{
	if (kind == QUANTITY_MS && !plain)
		return "with ms, s, min, h or d";
	return kinds[kind].forms;
}
