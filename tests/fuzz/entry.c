/* The entry of libFuzzer. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct slice input = fuzz_copy((struct slice){ (const char *)bytes, len });

	fuzz_one(input);
	fuzz_free(input);
	return 0;
}
