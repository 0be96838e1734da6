/*
 * The import of a job from its export (job_export.h), as bytes that come in pieces of any size.
 *
 * The events are written to the store under the key of a job that nobody sees yet, and folded.  The
 * rows of the export must be what the fold makes of the events, the last line must have the SHA-256
 * of all lines before it, and nothing may follow it.  The log of a job that was pruned cannot be
 * folded from its beginning; then its rows are taken as they are, and only compared with what its
 * events say.
 *
 * Everything is called within a write transaction of the store; one import may take many.  When one
 * of them is rolled back, the import goes on as it was before if it was saved then.  One thread.
 */
#ifndef JOBLIGHT_CORE_JOB_IMPORT_H
#define JOBLIGHT_CORE_JOB_IMPORT_H

#include "joblight/core/outcome.h"
#include "joblight/core/store.h"

#define IMPORT_LINE_MAX (32 << 20) /* bytes of a line */

struct job_import;

/*
 * `as`: the id that the job gets, or "" for its own; NULL: it is only checked and cannot be
 * adopted, and its events are not written.  The result is NULL when the store failed.
 */
struct job_import *job_import_begin(struct store *s, const char *as, enum store_result *r);
/* Forgets the import; what it has written stays until job_import_drop() or the next start. */
void job_import_free(struct job_import *i);

/*
 * Takes the next bytes.  When there is a mistake in them, *problem is set with the number of its
 * line, and the import cannot go on.  `steady` is when silent tasks begin to be waited for.
 */
enum store_result job_import_take(struct job_import *i, struct slice bytes, int64_t steady,
                                  struct problem *problem);
/* What follows is undone by job_import_restore(), as the store undoes it by a rollback. */
void job_import_save(struct job_import *i);
void job_import_restore(struct job_import *i);
/* No more bytes come.  False: the export is not complete, and *problem is set. */
bool job_import_is_complete(const struct job_import *i, struct problem *problem);

/* The job of a complete import; borrowed. */
const struct job_row *job_import_row(const struct job_import *i);
int64_t job_import_key(const struct job_import *i);

/* Makes it a job with this epoch, which nobody has, and sets row->key.  There is no job with its
 * id. */
enum store_result job_import_adopt(struct job_import *i, const char *epoch, int64_t now,
                                   struct job_row *row);
/* Removes what it has written. */
enum store_result job_import_drop(struct job_import *i);

#endif
