/*
 * The configuration file.
 *
 * covers: src/serve/config.c src/serve/config_file.c src/serve/name_distance.c
 * src/serve/setting.c src/serve/text_kind.c src/serve/config_set.c
 *
 * A file that is refused is refused with one line that names it; one that is accepted gives values
 * within their limits, and the same values when it is read again.
 */
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include "serve/config.h"

static bool is_within(uint64_t value, uint64_t min, uint64_t max)
{
	return value >= min && value <= max;
}

static void check_limits(const struct limits *l)
{
#define LIMIT(field, flag, default_value, min, max, unit, when, why)                               \
	PROMISE(is_within(l->field, min, max));
#include "joblight/core/limits.def"
#undef LIMIT
}

static void check_good(const struct config *c)
{
	struct config again;
	struct buf changes = { 0 };

	check_limits(&c->limits);
	PROMISE(config_read_again(&again, c, stderr));
	config_list_changes(c, &again, true, &changes);
	config_list_changes(c, &again, false, &changes);
	PROMISE(!changes.len);
	buf_finish(&changes);
	config_finish(&again);
}

static void check_message(const char *message, size_t len)
{
	PROMISE(strncmp(message, "joblight: ", 10) == 0);
	PROMISE(strlen(message) == len && message[len - 1] == '\n');
}

static void read_config(char *path)
{
	char verb[] = "serve", flag[] = "--config";
	char *argv[] = { verb, flag, path, NULL };
	char *message = NULL;
	size_t len = 0;
	FILE *errors = open_memstream(&message, &len);
	struct config config;

	bool ok = config_parse(&config, 3, argv, errors);
	fclose(errors);
	if (ok)
		check_good(&config);
	else
		check_message(message, len);
	config_finish(&config);
	free(message);
}

void fuzz_one(struct slice input)
{
	static FILE *nowhere;
	char path[64];
	int fd = memfd_create("config", MFD_CLOEXEC);

	if (!nowhere) { /* what --help prints belongs to the files too */
		nowhere = fopen("/dev/null", "w");
		config_help(nowhere);
	}
	PROMISE(fd >= 0 && write(fd, input.ptr, input.len) == (ssize_t)input.len);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	read_config(path);
	close(fd);
}
