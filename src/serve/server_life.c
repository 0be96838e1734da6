#include "server_state.h"

#include "joblight/base/clock.h"

#define STILL_MS 5000 /* a thread that has not turned for so long shows no life */

/* Whether every loop and the store thread have turned lately. */
static bool is_alive(const struct server *s, uint64_t now)
{
	uint64_t loops = loops_turned_ms(s->loops),
	         writer = writer_turned_ms(atomic_load(&s->writer));

	return now < (loops < writer ? loops : writer) + STILL_MS;
}

void server_show_life(struct server *s)
{
	uint64_t now = clock_monotonic_ms();

	notify_watchdog(&s->notify, now, is_alive(s, now));
}
