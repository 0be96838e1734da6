#include "file_stamp.h"

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same(const struct file_stamp *a, const struct file_stamp *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       same_time(&a->modified, &b->modified) && same_time(&a->changed, &b->changed);
}

bool file_stamp_changed(struct file_stamp *stamp, const char *path)
{
	struct stat status;
	struct file_stamp now = { 0 };

	if (stat(path, &status) == 0)
		now = (struct file_stamp){ status.st_dev, status.st_ino, status.st_size,
			                   status.st_mtim, status.st_ctim };
	bool changed = !same(stamp, &now);
	*stamp = now;
	return changed;
}
