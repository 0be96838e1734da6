#include "snapshots.h"

#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>

#include "joblight/base/hash.h"

#include "joblight/base/clock.h"
#include "joblight/base/list.h"
#include "joblight/base/xalloc.h"

#define KEEP_MS 5000            /* a snapshot that was not used for this long is released */
#define TRIM_BYTES (256 * 1024) /* when this much was released, the heap is trimmed */
#define TRIM_PAUSE_MS 1000      /* and not again for this long */

/* The newest snapshot of a job. */
struct entry {
	char job_id[ID_MAX + 1];
	struct snapshot *snapshot; /* referenced by others; its unused() removes the entry */
	uint64_t last_used;        /* when it was last made or found */
	struct list kept; /* in snapshots.kept while the cache holds a reference; least recently
	                     used first */
	UT_hash_handle hh;
};

#define CACHED_COUNTS 4096 /* jobs whose task counts are cached */

/* The task counts of a job at one of its events. */
struct cached_counts {
	int64_t key; /* of the job, never reused; 0: the slot is empty */
	uint64_t seq;
	struct task_counts counts;
};

struct snapshots {
	struct snapshot_source source; /* first */
	pthread_mutex_t lock;
	struct entry *entries;
	struct list kept;
	uint64_t keep_bytes, kept_bytes; /* of the snapshots that the cache holds a reference to */
	uint64_t max_bytes, bytes;       /* of all */
	uint64_t released;               /* by the cache since the heap was trimmed */
	uint64_t trim_due;               /* not before */
	struct cached_counts
	    counts_cache[CACHED_COUNTS]; /* the slot is the key modulo CACHED_COUNTS */
};

static struct entry *find_entry(struct snapshots *s, const char *job_id)
{
	struct entry *e;

	HASH_FIND_STR(s->entries, job_id, e);
	return e;
}

static bool is_kept(const struct entry *e)
{
	return !list_empty(&e->kept);
}

static void drop_entry(struct snapshots *s, struct entry *e)
{
	if (is_kept(e))
		s->kept_bytes -= e->snapshot->text.len;
	list_remove(&e->kept);
	HASH_DEL(s->entries, e);
	free(e);
}

/*
 * Takes the least recently used snapshot out of the cache; the caller releases it after unlocking.
 * NULL when the cache holds at most `bytes` and none that was last used before `since`.
 */
static struct snapshot *take_oldest(struct snapshots *s, uint64_t bytes, uint64_t since)
{
	struct snapshot *oldest = NULL;

	pthread_mutex_lock(&s->lock);
	struct entry *e = list_empty(&s->kept) ? NULL
	                                       : container_of(s->kept.next, struct entry, kept);
	if (e && (s->kept_bytes > bytes || e->last_used < since)) {
		oldest = e->snapshot;
		s->kept_bytes -= oldest->text.len;
		s->released += oldest->text.len;
		list_remove(&e->kept);
	}
	pthread_mutex_unlock(&s->lock);
	return oldest;
}

static void shrink_to(struct snapshots *s, uint64_t bytes, uint64_t since)
{
	struct snapshot *oldest;

	while ((oldest = take_oldest(s, bytes, since)))
		snapshot_release(oldest);
}

/* The last reference was released.  Another snapshot may have taken over the entry. */
static void on_unused(struct snapshot *gone)
{
	struct snapshots *s = gone->cache;

	pthread_mutex_lock(&s->lock);
	struct entry *e = find_entry(s, gone->job_id);
	if (e && e->snapshot == gone)
		drop_entry(s, e);
	s->bytes -= gone->text.len;
	pthread_mutex_unlock(&s->lock);
	snapshot_free(gone);
}

static bool is_of(const struct snapshot *s, const struct job_row *job)
{
	return s->seq == job->seq && strcmp(s->epoch, job->epoch) == 0;
}

static struct snapshot *find(struct snapshot_source *source, const struct job_row *job)
{
	struct snapshots *s = (struct snapshots *)source;
	struct snapshot *found = NULL;

	pthread_mutex_lock(&s->lock);
	struct entry *e = find_entry(s, job->id);
	if (e && is_of(e->snapshot, job) && snapshot_hold(e->snapshot)) {
		found = e->snapshot;
		e->last_used = clock_monotonic_ms();
		if (is_kept(e))
			list_move(&s->kept, &e->kept);
	}
	pthread_mutex_unlock(&s->lock);
	return found;
}

/* Releases what only the cache holds, if that makes room. */
static bool has_room(struct snapshot_source *source)
{
	struct snapshots *s = (struct snapshots *)source;

	if (!s->max_bytes || snapshots_bytes(s) < s->max_bytes)
		return true;
	shrink_to(s, 0, 0);
	return snapshots_bytes(s) < s->max_bytes;
}

/*
 * Makes the job's entry point to this snapshot.  The reference that the cache had to the previous
 * one now belongs to the caller.
 */
static struct snapshot *enter(struct snapshots *s, struct snapshot *made)
{
	struct entry *e = find_entry(s, made->job_id);
	struct snapshot *before = e && is_kept(e) ? e->snapshot : NULL;

	if (e)
		drop_entry(s, e);
	e = xcalloc(1, sizeof(*e));
	memcpy(e->job_id, made->job_id, sizeof(e->job_id));
	e->snapshot = made;
	e->last_used = clock_monotonic_ms();
	list_init(&e->kept);
	HASH_ADD_STR(s->entries, job_id, e);
	if (made->text.len <= s->keep_bytes && snapshot_hold(made)) {
		list_append(&s->kept, &e->kept);
		s->kept_bytes += made->text.len;
	}
	return before;
}

static void add(struct snapshot_source *source, struct snapshot *made)
{
	struct snapshots *s = (struct snapshots *)source;

	made->unused = on_unused;
	made->cache = s;
	pthread_mutex_lock(&s->lock);
	s->bytes += made->text.len;
	struct snapshot *before = enter(s, made);
	pthread_mutex_unlock(&s->lock);
	snapshot_release(before);
	shrink_to(s, s->keep_bytes, 0);
}

static struct cached_counts *cached_counts_of(struct snapshots *s, const struct job_row *job)
{
	return &s->counts_cache[(uint64_t)job->key % CACHED_COUNTS];
}

static bool find_counts(struct snapshot_source *source, const struct job_row *job,
                        struct task_counts *counts)
{
	struct snapshots *s = (struct snapshots *)source;

	pthread_mutex_lock(&s->lock);
	const struct cached_counts *c = cached_counts_of(s, job);
	bool found = c->key == job->key && c->seq == job->seq;
	if (found)
		*counts = c->counts;
	pthread_mutex_unlock(&s->lock);
	return found;
}

static void add_counts(struct snapshot_source *source, const struct job_row *job,
                       const struct task_counts *counts)
{
	struct snapshots *s = (struct snapshots *)source;

	pthread_mutex_lock(&s->lock);
	*cached_counts_of(s, job) = (struct cached_counts){ job->key, job->seq, *counts };
	pthread_mutex_unlock(&s->lock);
}

/* True: the caller trims the heap, after unlocking. */
static bool begin_trim(struct snapshots *s, uint64_t now_ms)
{
	if (s->released < TRIM_BYTES || now_ms < s->trim_due)
		return false;
	s->released = 0;
	s->trim_due = now_ms + TRIM_PAUSE_MS;
	return true;
}

static uint64_t next_tick(const struct snapshots *s)
{
	uint64_t due = s->released < TRIM_BYTES ? UINT64_MAX : s->trim_due;

	if (list_empty(&s->kept))
		return due;
	uint64_t old = container_of(s->kept.next, struct entry, kept)->last_used + KEEP_MS + 1;
	return old < due ? old : due;
}

uint64_t snapshots_tick(struct snapshots *s, uint64_t now_ms)
{
	shrink_to(s, UINT64_MAX, now_ms > KEEP_MS ? now_ms - KEEP_MS : 0);
	pthread_mutex_lock(&s->lock);
	bool trim = begin_trim(s, now_ms);
	uint64_t due = next_tick(s);
	pthread_mutex_unlock(&s->lock);
	if (trim)
		malloc_trim(0);
	return due;
}

uint64_t snapshots_bytes(struct snapshots *s)
{
	pthread_mutex_lock(&s->lock);
	uint64_t bytes = s->bytes;
	pthread_mutex_unlock(&s->lock);
	return bytes;
}

struct snapshots *snapshots_create(uint64_t keep_bytes, uint64_t max_bytes)
{
	struct snapshots *s = xcalloc(1, sizeof(*s));

	s->source = (struct snapshot_source){ find, has_room, add, find_counts, add_counts };
	s->keep_bytes = keep_bytes;
	s->max_bytes = max_bytes;
	list_init(&s->kept);
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

struct snapshot_source *snapshots_source(struct snapshots *s)
{
	return &s->source;
}

void snapshots_free(struct snapshots *s)
{
	if (!s)
		return;
	shrink_to(s, 0, UINT64_MAX);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
