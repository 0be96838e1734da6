#include "joblight/work/reader.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "joblight/base/hash.h"

#include "joblight/base/clock.h"
#include "joblight/base/list.h"
#include "joblight/base/log.h"
#include "joblight/base/thread.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/metric.h"
#include "snapshots.h"

/* Reads of one job before other jobs get their turn; these share their results. */
#define TURN_READS 64

/* The waiting reads of one job.  Reads of no job share one queue. */
struct job_queue {
	char job_id[ID_MAX + 1];
	struct mail *head, **tail;
	bool busy;         /* a thread works on it */
	struct list ready; /* in reader.ready while it has reads and no thread works on it */
	UT_hash_handle hh;
};

struct worker {
	struct reader *reader;
	struct store *session;
	pthread_t thread;
};

struct reader {
	pthread_mutex_t lock; /* protects all fields up to `closed` */
	pthread_cond_t filled;
	struct job_queue *queues;
	struct list ready;
	size_t waiting; /* reads */
	atomic_bool closed;

	size_t max_waiting;
	reader_deliver *deliver;
	struct snapshots *snapshots;
	struct worker *workers;
	unsigned count;
};

/* A query that was run in this turn. */
struct turn_answer {
	uint64_t hash;
	struct read_query query;
	struct read_result *result;
	UT_hash_handle hh;
};

static struct read_result *find_answer(struct turn_answer *answers, uint64_t hash,
                                       const struct read_query *q)
{
	struct turn_answer *a;

	HASH_FIND(hh, answers, &hash, sizeof(hash), a);
	return a && read_query_equal(&a->query, q) ? a->result : NULL;
}

static struct read_result *make_answer(struct worker *w, struct turn_answer **answers,
                                       uint64_t hash, const struct read_query *q)
{
	struct turn_answer *a = xcalloc(1, sizeof(*a)), *old;

	a->hash = hash;
	a->query = *q;
	a->result = read_result_create();
	read_run(w->session, snapshots_source(w->reader->snapshots), q, a->result);
	HASH_REPLACE(hh, *answers, hash, sizeof(hash), a, old);
	if (old) { /* another query with the same hash */
		read_result_release(old->result);
		free(old);
	}
	return a->result;
}

static void forget(struct turn_answer **answers)
{
	struct turn_answer *a, *next;

	HASH_ITER(hh, *answers, a, next) {
		HASH_DEL(*answers, a);
		read_result_release(a->result);
		free(a);
	}
}

static struct read_result *refusal(const char *why)
{
	struct read_result *result = read_result_create();

	problem_set(&result->problem, OUTCOME_STOPPING, "%s", why);
	return result;
}

static struct read_result *answer_one(struct worker *w, struct turn_answer **answers,
                                      const struct read_request *request)
{
	uint64_t hash = read_query_hash(&request->query);

	if (atomic_load(&request->gone))
		return refusal("nobody waits for this");
	if (atomic_load(&w->reader->closed))
		return refusal("the server is stopping; try again in a moment");
	struct read_result *result = find_answer(*answers, hash, &request->query);
	if (!result)
		result = make_answer(w, answers, hash, &request->query);
	read_result_hold(result);
	return result;
}

static void answer_all(struct worker *w, struct mail *mail)
{
	struct turn_answer *answers = NULL;
	uint64_t now = clock_monotonic_us();

	while (mail) {
		struct read_request *request = container_of(mail, struct read_request, mail);
		mail = mail->next;
		metric_observe_since(METRIC_MAILBOX_WAIT + LABEL_WAIT_READS * METRIC_TIMES_CELLS,
		                     request->submitted_us, now);
		request->result = answer_one(w, &answers, request);
		w->reader->deliver(request);
	}
	forget(&answers);
}

/* The caller holds the lock. */

static struct job_queue *queue_of(struct reader *r, const char *job_id)
{
	struct job_queue *p;

	HASH_FIND_STR(r->queues, job_id, p);
	if (p)
		return p;
	p = xcalloc(1, sizeof(*p));
	memcpy(p->job_id, job_id, strlen(job_id) + 1);
	p->tail = &p->head;
	list_init(&p->ready);
	HASH_ADD_STR(r->queues, job_id, p);
	return p;
}

/* Takes the reads of one turn off the queue; they are a list of their own. */
static struct mail *take_turn(struct reader *r, struct job_queue *p)
{
	struct mail *first = p->head, *last = first;

	for (size_t n = 1; n < TURN_READS && last->next; n++, r->waiting--)
		last = last->next;
	r->waiting--;
	p->head = last->next;
	last->next = NULL;
	if (!p->head)
		p->tail = &p->head;
	return first;
}

/* Another thread may now work on it. */
static void put_back(struct reader *r, struct job_queue *p)
{
	p->busy = false;
	if (p->head) {
		list_append(&r->ready, &p->ready);
		pthread_cond_signal(&r->filled);
		return;
	}
	HASH_DEL(r->queues, p);
	free(p);
}

static void wait_until(struct reader *r, uint64_t due_ms)
{
	struct timespec until = { (time_t)(due_ms / 1000), (long)(due_ms % 1000) * 1000000 };

	if (due_ms == UINT64_MAX)
		pthread_cond_wait(&r->filled, &r->lock);
	else
		pthread_cond_timedwait(&r->filled, &r->lock, &until);
}

/* Waits for a queue to work on; NULL: the reader is closed, and nothing is left. */
static struct job_queue *take_queue(struct reader *r)
{
	struct job_queue *p = NULL;

	while (list_empty(&r->ready) && !atomic_load(&r->closed)) {
		pthread_mutex_unlock(&r->lock);
		uint64_t due = snapshots_tick(r->snapshots, clock_monotonic_ms());
		pthread_mutex_lock(&r->lock);
		if (list_empty(&r->ready) && !atomic_load(&r->closed))
			wait_until(r, due);
	}
	if (!list_empty(&r->ready)) {
		p = container_of(r->ready.next, struct job_queue, ready);
		list_remove(&p->ready);
		p->busy = true;
	}
	return p;
}

static void *run(void *context)
{
	struct worker *w = context;
	struct reader *r = w->reader;
	struct job_queue *p;

	pthread_mutex_lock(&r->lock);
	while ((p = take_queue(r))) {
		struct mail *reads = take_turn(r, p);
		pthread_mutex_unlock(&r->lock);
		answer_all(w, reads);
		pthread_mutex_lock(&r->lock);
		put_back(r, p);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* Start and stop. */

static void start_worker(struct worker *w, struct reader *r, struct store *session)
{
	w->reader = r;
	w->session = session;
	thread_start(&w->thread, "reader", run, w);
}

static void init_locks(struct reader *r)
{
	pthread_condattr_t monotonic;

	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&r->filled, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

struct reader *reader_start(struct store *const *sessions, unsigned count,
                            const struct limits *limits, reader_deliver *deliver)
{
	struct reader *r = xcalloc(1, sizeof(*r));

	init_locks(r);
	list_init(&r->ready);
	atomic_init(&r->closed, false);
	r->max_waiting = limits->queued_reads;
	r->deliver = deliver;
	r->snapshots = snapshots_create(limits->snapshot_cache_bytes, limits->snapshot_bytes);
	r->workers = xcalloc(count, sizeof(*r->workers));
	r->count = count;
	for (unsigned i = 0; i < count; i++)
		start_worker(&r->workers[i], r, sessions[i]);
	return r;
}

bool reader_submit(struct reader *r, struct read_request *request)
{
	request->submitted_us = clock_monotonic_us();
	pthread_mutex_lock(&r->lock);
	bool taken = !atomic_load(&r->closed) && r->waiting < r->max_waiting;
	if (taken) {
		struct job_queue *p = queue_of(r, request->query.job_id);
		request->mail.next = NULL;
		*p->tail = &request->mail;
		p->tail = &request->mail.next;
		r->waiting++;
		if (!p->busy && list_empty(&p->ready)) {
			list_append(&r->ready, &p->ready);
			pthread_cond_signal(&r->filled);
		}
	}
	pthread_mutex_unlock(&r->lock);
	return taken;
}

void reader_measure(void *reader, struct metric_values *v)
{
	struct reader *r = reader;

	pthread_mutex_lock(&r->lock);
	v->cells[METRIC_MAILBOX_DEPTH + LABEL_MAILBOX_READS] += r->waiting;
	pthread_mutex_unlock(&r->lock);
	v->cells[METRIC_MAX_READS] += r->max_waiting;
}

void reader_stop(struct reader *r)
{
	pthread_mutex_lock(&r->lock);
	atomic_store(&r->closed, true);
	pthread_cond_broadcast(&r->filled);
	pthread_mutex_unlock(&r->lock);
	for (unsigned i = 0; i < r->count; i++)
		pthread_join(r->workers[i].thread, NULL);
}

void reader_free(struct reader *r)
{
	if (!r)
		return;
	for (unsigned i = 0; i < r->count; i++)
		r->workers[i].session->ops->close(r->workers[i].session);
	snapshots_free(r->snapshots);
	pthread_cond_destroy(&r->filled);
	pthread_mutex_destroy(&r->lock);
	free(r->workers);
	free(r);
}
