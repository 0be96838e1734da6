#include "timed_vfs.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stddef.h>

#include "joblight/base/clock.h"
#include "joblight/core/metric.h"

/*
 * A file of the original VFS, whose table of functions is replaced by a copy with another xSync.
 * There are as many copies as the original has tables, which is two: with locks and without.
 */
#define TABLES_MAX 8

struct table {
	sqlite3_io_methods own; /* first: pMethods of the files points to it */
	const sqlite3_io_methods *original;
};

static sqlite3_vfs timed;
static const sqlite3_vfs *original;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* for the tables until they are made */
static struct table tables[TABLES_MAX];
static int table_count;

static int timed_sync(sqlite3_file *file, int flags)
{
	const struct table *t = (const struct table *)(const void *)file->pMethods;
	uint64_t began = clock_monotonic_us();
	int code = t->original->xSync(file, flags);

	metric_observe_since(METRIC_FSYNC, began, clock_monotonic_us());
	return code;
}

/* NULL: there are too many. */
static const sqlite3_io_methods *table_of(const sqlite3_io_methods *methods)
{
	int i = 0;

	pthread_mutex_lock(&lock);
	while (i < table_count && tables[i].original != methods)
		i++;
	if (i == table_count && i < TABLES_MAX) {
		tables[i] = (struct table){ *methods, methods };
		tables[i].own.xSync = timed_sync;
		table_count++;
	}
	pthread_mutex_unlock(&lock);
	return i < TABLES_MAX ? &tables[i].own : NULL;
}

static int timed_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                      int *out_flags)
{
	int code = original->xOpen(vfs, name, file, flags, out_flags);
	const sqlite3_io_methods *own = file->pMethods ? table_of(file->pMethods) : NULL;

	if (own)
		file->pMethods = own;
	return code;
}

void timed_vfs_install(void)
{
	original = sqlite3_vfs_find(NULL);
	if (!original)
		return;
	timed = *original;
	timed.zName = "timed";
	timed.pNext = NULL;
	timed.xOpen = timed_open;
	sqlite3_vfs_register(&timed, 1);
}
