/* A file that must stay at its path while it is open, although others may rename or remove it. */
#ifndef JOBLIGHT_STORE_FILE_PLACE_H
#define JOBLIGHT_STORE_FILE_PLACE_H

#include <stdbool.h>
#include <sys/types.h>

struct file_place {
	char *path; /* owned; NULL: no file is recorded */
	dev_t device;
	ino_t inode;
};

/*
 * Records which file `path` leads to, and takes ownership of the path.  False with errno when there
 * is none. The inode cannot be reused as long as this process has the file open.
 */
bool file_place_note(struct file_place *place, char *path);
/* Whether the path still leads to that file; true when no file is recorded.  Any thread. */
bool file_place_holds(const struct file_place *place);
void file_place_forget(struct file_place *place);

char *path_with_suffix(const char *path,
                       const char *suffix); /* the two joined; the caller owns the result */

#endif
