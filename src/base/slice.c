#include "joblight/base/slice.h"

bool slice_number(struct slice s, size_t max_digits, uint64_t *value)
{
	uint64_t number = 0;

	if (!s.len || s.len > max_digits)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return false;
		number = number * 10 + (uint64_t)(s.ptr[i] - '0');
	}
	*value = number;
	return true;
}
