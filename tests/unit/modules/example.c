/* A module that uses a function of the program: what tests/unit/test_module.c loads. */
#include "joblight/base/module.h"
#include "joblight/core/cursor.h"

struct example {
	uint64_t (*digits)(uint64_t seq);
};

static uint64_t digits(uint64_t seq)
{
	struct buf text = { 0 };

	cursor_add(&text, "e", seq);
	uint64_t len = text.len - 2;
	buf_finish(&text);
	return len;
}

static const struct example example = { digits };

MODULE(example, &example);
