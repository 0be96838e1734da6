#include "file_place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "joblight/base/xalloc.h"

bool file_place_note(struct file_place *place, char *path)
{
	struct stat file;

	*place = (struct file_place){ .path = path };
	if (!path || stat(path, &file) < 0)
		return false;
	place->device = file.st_dev;
	place->inode = file.st_ino;
	return true;
}

bool file_place_holds(const struct file_place *place)
{
	struct stat file;

	if (!place->path)
		return true;
	if (stat(place->path, &file) < 0)
		return errno != ENOENT && errno != ENOTDIR;
	return file.st_dev == place->device && file.st_ino == place->inode;
}

void file_place_forget(struct file_place *place)
{
	free(place->path);
	*place = (struct file_place){ 0 };
}

char *path_with_suffix(const char *path, const char *suffix)
{
	size_t size = strlen(path) + strlen(suffix) + 1;
	char *name = xmalloc(size);

	snprintf(name, size, "%s%s", path, suffix);
	return name;
}
