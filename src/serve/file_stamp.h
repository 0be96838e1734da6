/* Notices that a file has changed, by what stat(2) says: another file, size or time. */
#ifndef JOBLIGHT_SERVE_FILE_STAMP_H
#define JOBLIGHT_SERVE_FILE_STAMP_H

#include <stdbool.h>
#include <sys/stat.h>

/* `{0}` is the stamp of a file that does not exist. */
struct file_stamp {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified, changed;
};

/*
 * Whether the file differs from the stamp, which is updated.  A file that appears or disappears
 * counts as a change.  Call it before reading the file, so that no change after that is missed.
 */
bool file_stamp_changed(struct file_stamp *stamp, const char *path);

#endif
