/* Measures how long the disk takes: https://sqlite.org/vfs.html */
#ifndef JOBLIGHT_STORE_TIMED_VFS_H
#define JOBLIGHT_STORE_TIMED_VFS_H

/*
 * Makes a default of SQLite that does what the default did before, and counts the time of each sync
 * of a file.  Once, before the first database is opened.
 */
void timed_vfs_install(void);

#endif
