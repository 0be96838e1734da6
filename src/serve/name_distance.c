#include "name_distance.h"

#include <string.h>

static size_t min_of(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

size_t name_distance(const char *a, const char *b)
{
	size_t width = strlen(b), row[NAME_MAX_LEN + 1];

	if (width > NAME_MAX_LEN)
		return strlen(a) + width;
	for (size_t j = 0; j <= width; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t before = row[0];
		row[0] = i;
		for (size_t j = 1; j <= width; j++) {
			size_t above = row[j];
			row[j] = min_of(above + 1, row[j - 1] + 1, before + (a[i - 1] != b[j - 1]));
			before = above;
		}
	}
	return row[width];
}
