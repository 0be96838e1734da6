#include "kit.h"

#include <pthread.h>
#include <sched.h>

#include "joblight/base/clock.h"
#include "joblight/base/mailbox.h"

#define LONG_MS 60000 /* practically forever; a test that waits this long has failed */

struct letter {
	struct mail mail; /* first */
	int from, number;
};

static int numbers(struct mail *m, int *out)
{
	int count = 0;

	for (; m; m = m->next)
		out[count++] = ((struct letter *)m)->number;
	return count;
}

static void letters_come_in_the_order_they_were_posted(void **state)
{
	struct letter letters[3] = { { .number = 1 }, { .number = 2 }, { .number = 3 } };
	struct mailbox m;
	int out[3];

	(void)state;
	mailbox_init(&m, 8, NULL, NULL);
	assert_null(mailbox_take(&m));
	for (int i = 0; i < 3; i++)
		assert_true(mailbox_post(&m, &letters[i].mail));
	assert_int_equal(numbers(mailbox_take(&m), out), 3);
	assert_int_equal(out[0], 1);
	assert_int_equal(out[1], 2);
	assert_int_equal(out[2], 3);
	assert_null(mailbox_take(&m));
	assert_true(mailbox_post(&m, &letters[1].mail));
	assert_int_equal(numbers(mailbox_take(&m), out), 1);
	mailbox_finish(&m);
}

static void a_full_box_refuses(void **state)
{
	struct letter letters[3];
	struct mailbox m;

	(void)state;
	mailbox_init(&m, 2, NULL, NULL);
	assert_true(mailbox_post(&m, &letters[0].mail));
	assert_true(mailbox_post(&m, &letters[1].mail));
	assert_false(mailbox_post(&m, &letters[2].mail));
	assert_non_null(mailbox_take(&m));
	assert_true(mailbox_post(&m, &letters[2].mail));
	mailbox_take(&m);
	mailbox_finish(&m);
}

static void a_closed_box_takes_nothing_and_gives_what_it_has(void **state)
{
	struct letter letters[2] = { { .number = 1 }, { .number = 2 } };
	struct mailbox m;
	int out[2];

	(void)state;
	mailbox_init(&m, 8, NULL, NULL);
	assert_true(mailbox_post(&m, &letters[0].mail));
	assert_false(mailbox_is_closed(&m));
	mailbox_close(&m);
	assert_true(mailbox_is_closed(&m));
	assert_false(mailbox_post(&m, &letters[1].mail));
	assert_false(mailbox_post_wait(&m, &letters[1].mail));
	assert_int_equal(numbers(mailbox_wait(&m, LONG_MS), out), 1);
	assert_null(mailbox_wait(&m, LONG_MS));
	mailbox_finish(&m);
}

static void waiting_ends_when_its_time_is_over(void **state)
{
	struct mailbox m;

	(void)state;
	mailbox_init(&m, 8, NULL, NULL);
	uint64_t before = clock_monotonic_ms();
	assert_null(mailbox_wait(&m, 20));
	assert_true(clock_monotonic_ms() - before >= 19);
	assert_null(mailbox_wait(&m, 0));
	mailbox_finish(&m);
}

static void count_wake(void *context)
{
	++*(int *)context;
}

static void only_the_first_letter_of_a_pile_wakes(void **state)
{
	struct letter letters[3];
	struct mailbox m;
	int wakes = 0;

	(void)state;
	mailbox_init(&m, 8, count_wake, &wakes);
	for (int i = 0; i < 3; i++)
		mailbox_post(&m, &letters[i].mail);
	assert_int_equal(wakes, 1);
	mailbox_take(&m);
	mailbox_post(&m, &letters[0].mail);
	assert_int_equal(wakes, 2);
	mailbox_close(&m);
	assert_int_equal(wakes, 3);
	mailbox_take(&m);
	mailbox_finish(&m);
}

/* Threads. */

static void *wait_long(void *box)
{
	return mailbox_wait(box, LONG_MS);
}

static void a_letter_wakes_the_one_who_waits(void **state)
{
	struct letter letter;
	struct mailbox m;
	pthread_t waiter;
	void *got;

	(void)state;
	mailbox_init(&m, 8, NULL, NULL);
	assert_int_equal(pthread_create(&waiter, NULL, wait_long, &m), 0);
	mailbox_post(&m, &letter.mail);
	pthread_join(waiter, &got);
	assert_ptr_equal(got, &letter.mail);
	mailbox_finish(&m);
}

static void closing_wakes_the_one_who_waits(void **state)
{
	struct mailbox m;
	pthread_t waiter;
	void *got;

	(void)state;
	mailbox_init(&m, 8, NULL, NULL);
	assert_int_equal(pthread_create(&waiter, NULL, wait_long, &m), 0);
	mailbox_close(&m);
	pthread_join(waiter, &got);
	assert_null(got);
	mailbox_finish(&m);
}

struct poster {
	struct mailbox *box;
	struct letter *letters;
	int count, refused;
};

static void *post_all_waiting(void *context)
{
	struct poster *p = context;

	for (int i = 0; i < p->count; i++)
		p->refused += !mailbox_post_wait(p->box, &p->letters[i].mail);
	return NULL;
}

static void a_poster_waits_for_room(void **state)
{
	struct letter letters[3] = { { .number = 1 }, { .number = 2 }, { .number = 3 } };
	struct mailbox m;
	struct poster p = { &m, letters, 3, 0 };
	pthread_t poster;
	int got = 0, out[3];

	(void)state;
	mailbox_init(&m, 1, NULL, NULL);
	assert_int_equal(pthread_create(&poster, NULL, post_all_waiting, &p), 0);
	while (got < 3) {
		int count = numbers(mailbox_wait(&m, LONG_MS), out);
		assert_int_equal(count, 1);
		assert_int_equal(out[0], ++got);
	}
	pthread_join(poster, NULL);
	assert_int_equal(p.refused, 0);
	mailbox_finish(&m);
}

static void wait_until_full(struct mailbox *m)
{
	size_t count = 0;

	while (count < m->capacity) {
		pthread_mutex_lock(&m->lock);
		count = m->count;
		pthread_mutex_unlock(&m->lock);
		sched_yield();
	}
}

/*
 * Whether the third message is already waiting when the mailbox is closed depends on the scheduler;
 * so it is tried many times.
 */
static void closing_wakes_the_poster_who_waits(void **state)
{
	(void)state;
	for (int i = 0; i < 200; i++) {
		struct letter letters[3];
		struct mailbox m;
		struct poster p = { &m, letters, 3, 0 };
		pthread_t poster;

		mailbox_init(&m, 1, NULL, NULL);
		assert_int_equal(pthread_create(&poster, NULL, post_all_waiting, &p), 0);
		assert_non_null(mailbox_wait(&m, LONG_MS));
		wait_until_full(&m);
		mailbox_close(&m);
		pthread_join(poster, NULL);
		assert_int_equal(p.refused, 1);
		mailbox_finish(&m);
	}
}

#define POSTERS 4
#define EACH 20000

static void many_posters_and_one_taker_lose_nothing(void **state)
{
	static struct letter letters[POSTERS][EACH];
	struct poster posters[POSTERS];
	pthread_t threads[POSTERS];
	int next[POSTERS] = { 0 }, taken = 0;
	struct mailbox m;

	(void)state;
	mailbox_init(&m, 16, NULL, NULL);
	for (int p = 0; p < POSTERS; p++) {
		for (int i = 0; i < EACH; i++)
			letters[p][i] = (struct letter){ .from = p, .number = i };
		posters[p] = (struct poster){ &m, letters[p], EACH, 0 };
		assert_int_equal(pthread_create(&threads[p], NULL, post_all_waiting, &posters[p]),
		                 0);
	}
	while (taken < POSTERS * EACH) {
		struct mail *pile = mailbox_wait(&m, LONG_MS);
		assert_non_null(pile);
		for (int height = 1; pile; pile = pile->next, height++, taken++) {
			struct letter *l = (struct letter *)pile;
			assert_in_range(height, 1, 16);
			assert_int_equal(l->number, next[l->from]++);
		}
	}
	for (int p = 0; p < POSTERS; p++) {
		pthread_join(threads[p], NULL);
		assert_int_equal(posters[p].refused, 0);
	}
	mailbox_finish(&m);
}

static void *post_all_or_count(void *context)
{
	struct poster *p = context;

	for (int i = 0; i < p->count; i++)
		p->refused += !mailbox_post(p->box, &p->letters[i].mail);
	return NULL;
}

static void what_was_not_refused_arrives(void **state)
{
	static struct letter letters[POSTERS][EACH];
	struct poster posters[POSTERS];
	pthread_t threads[POSTERS];
	int refused = 0, taken = 0;
	struct mailbox m;

	(void)state;
	mailbox_init(&m, 64, NULL, NULL);
	for (int p = 0; p < POSTERS; p++) {
		posters[p] = (struct poster){ &m, letters[p], EACH, 0 };
		assert_int_equal(pthread_create(&threads[p], NULL, post_all_or_count, &posters[p]),
		                 0);
	}
	for (int i = 0; i < 1000; i++)
		for (struct mail *pile = mailbox_take(&m); pile; pile = pile->next)
			taken++;
	for (int p = 0; p < POSTERS; p++) {
		pthread_join(threads[p], NULL);
		refused += posters[p].refused;
	}
	for (struct mail *pile = mailbox_take(&m); pile; pile = pile->next)
		taken++;
	assert_int_equal(taken + refused, POSTERS * EACH);
	mailbox_finish(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(letters_come_in_the_order_they_were_posted),
		TEST(a_full_box_refuses),
		TEST(a_closed_box_takes_nothing_and_gives_what_it_has),
		TEST(waiting_ends_when_its_time_is_over),
		TEST(only_the_first_letter_of_a_pile_wakes),
		TEST(a_letter_wakes_the_one_who_waits),
		TEST(closing_wakes_the_one_who_waits),
		TEST(a_poster_waits_for_room),
		TEST(closing_wakes_the_poster_who_waits),
		TEST(many_posters_and_one_taker_lose_nothing),
		TEST(what_was_not_refused_arrives),
	};

	return RUN("mailbox", tests);
}
