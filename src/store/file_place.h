/* A file that has to stay where it is while it is open, although anybody may rename or remove it.
 */
#ifndef JOBLIGHT_STORE_FILE_PLACE_H
#define JOBLIGHT_STORE_FILE_PLACE_H

#include <stdbool.h>
#include <sys/types.h>

struct file_place {
	char *path; /* owned; NULL: nothing is noted */
	dev_t device;
	ino_t inode;
};

/*
 * Notes which file `path` leads to; the path becomes the place's own.  False with errno when there
 * is none. The inode cannot become another file's as long as somebody here has the file open.
 */
bool file_place_note(struct file_place *place, char *path);
/* Whether the path still leads to that file.  A place with nothing noted holds.  Any thread. */
bool file_place_holds(const struct file_place *place);
void file_place_forget(struct file_place *place);

char *path_with_suffix(const char *path,
                       const char *suffix); /* one after the other; the caller's own */

#endif
