/* Runs a fuzz target over the files of directories, and prints how many there were. */
#include "fuzz.h"

#include <dirent.h>
#include <sys/stat.h>

static unsigned files;

static void run_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	struct buf bytes = { 0 };
	char part[4096];
	size_t len;

	if (!file) {
		perror(path);
		exit(1);
	}
	while ((len = fread(part, 1, sizeof(part), file)) > 0)
		buf_add(&bytes, part, len);
	fclose(file);
	if (getenv("JOBLIGHT_FUZZ_VERBOSE"))
		fprintf(stderr, "%s\n", path);
	struct slice input = fuzz_copy(buf_as_slice(&bytes));
	fuzz_one(input);
	fuzz_free(input);
	buf_finish(&bytes);
	files++;
}

static void run_directory(const char *path)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	char name[4096];

	if (!directory) {
		perror(path);
		exit(1);
	}
	while ((entry = readdir(directory))) {
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		if (entry->d_name[0] != '.')
			run_file(name);
	}
	closedir(directory);
}

int main(int argc, char **argv)
{
	struct stat status;

	for (int i = 1; i < argc; i++)
		if (stat(argv[i], &status) == 0 && S_ISDIR(status.st_mode))
			run_directory(argv[i]);
		else
			run_file(argv[i]);
	printf("%u inputs\n", files);
	return files ? 0 : 1; /* an empty corpus would prove nothing */
}
