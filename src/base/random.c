#include "joblight/base/random.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "joblight/base/log.h"
#include "joblight/base/log_output.h"

void random_bytes(void *out, size_t len)
{
	char *at = out;

	while (len) {
		ssize_t n = getrandom(at, len, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) { /* without it, ids and epochs could be guessed */
			log_error("the system provides no random numbers", "getrandom",
			          n ? strerror(errno) : "nothing");
			log_output_flush(200);
			_exit(1);
		}
		at += n;
		len -= (size_t)n;
	}
}

bool random_check(void)
{
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		log_error("the system provides no random numbers", "file", "/dev/urandom", "cause",
		          strerror(errno));
		return false;
	}
	close(fd);
	return true;
}

uint64_t random_u64(void)
{
	uint64_t value;

	random_bytes(&value, sizeof(value));
	return value;
}

void uuid7_format(int64_t wall_ms, const uint8_t entropy[10], char *out)
{
	static const char hex[] = "0123456789abcdef";
	uint8_t id[16];
	uint64_t time = (uint64_t)wall_ms;

	for (int i = 0; i < 6; i++)
		id[i] = (uint8_t)(time >> (40 - 8 * i));
	for (int i = 0; i < 10; i++)
		id[6 + i] = entropy[i];
	id[6] = (uint8_t)(0x70 | (id[6] & 0x0f)); /* version 7 */
	id[8] = (uint8_t)(0x80 | (id[8] & 0x3f)); /* variant 10 */
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*out++ = '-';
		*out++ = hex[id[i] >> 4];
		*out++ = hex[id[i] & 15];
	}
	*out = '\0';
}
