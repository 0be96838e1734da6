/* Another process takes the place of this one: see handover.h. */
#include "server_state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "joblight/base/clock.h"
#include "joblight/base/log.h"
#include "reload_answer.h"

#define STEP_MS 2        /* how often it is looked whether something has happened */
#define PREPARE_MS 10000 /* time for the new process until it needs the database */
#define SERVE_MS 5000    /* and from then until it serves; requests wait meanwhile */
#define RETIRE_MS 500    /* in which busy clients with TLS connect again */
#define QUIET_MS 500     /* in which requests that have begun are answered */

struct upgrade {
	struct server *server;
	const sigset_t *signals;
	siginfo_t end, hang_up; /* the signals that end it, and that wait for its end, or 0 */
	uint64_t paused_ms;     /* when clients began to wait */
	struct handover_packet packet;
};

/* ---- waiting ---- */

static void take_signal(struct upgrade *u, const siginfo_t *signal)
{
	if (signal->si_signo == SIGUSR2)
		log_warn("an upgrade is under way already");
	else if (signal->si_signo == SIGHUP)
		u->hang_up = *signal;
	else
		u->end = *signal;
}

/* One step of waiting.  False: a signal ends it. */
static bool step(struct upgrade *u, uint64_t wait_ms)
{
	const struct timespec wait = { .tv_nsec = (long)wait_ms * 1000000 };
	siginfo_t signal;

	if (sigtimedwait(u->signals, &signal, &wait) > 0)
		take_signal(u, &signal);
	server_show_life(u->server);
	return !u->end.si_signo;
}

static bool hear(struct upgrade *u, enum handover kind, uint64_t within_ms)
{
	uint64_t until = clock_monotonic_ms() + within_ms;

	while (clock_monotonic_ms() < until) {
		enum handover said = handover_take(u->server->successor.control, STEP_MS,
		                                   &u->packet);
		if (said != HANDOVER_NOTHING)
			return said == kind;
		if (!step(u, 0))
			return false;
	}
	return false;
}

static bool pause_for(struct upgrade *u, uint64_t ms)
{
	uint64_t until = clock_monotonic_ms() + ms;

	while (clock_monotonic_ms() < until)
		if (!step(u, STEP_MS))
			return false;
	return true;
}

static bool wait_until_quiet(struct upgrade *u)
{
	uint64_t until = clock_monotonic_ms() + QUIET_MS;

	while (!loops_are_quiet(u->server->loops) && clock_monotonic_ms() < until)
		if (!step(u, STEP_MS))
			return false;
	return true;
}

/* ---- the steps ---- */

static bool start(struct server *s)
{
	char error[256] = "";

	if (s->config.demo_run)
		snprintf(error, sizeof(error), "this is a demonstration");
	else if (getpid() == 1)
		snprintf(error, sizeof(error),
		         "this is the first process of a container, and the new one would end with "
		         "it: start another container instead");
	else if (!database_can_be_lent(s->database))
		snprintf(error, sizeof(error), "the database is in the memory of this process");
	else if (predecessor_goes(&s->predecessor))
		snprintf(error, sizeof(error), "the process before this one has not ended yet");
	else if (successor_start(&s->successor, &s->config, &s->listens, &s->passed, s->loops,
	                         error, sizeof(error)))
		return true;
	log_error("no upgrade is possible", "cause", error);
	return false;
}

static bool has_tls(const struct server *s)
{
	for (unsigned i = 0; i < s->listens.count; i++)
		if (s->listens.items[i].tls)
			return true;
	return false;
}

/* Until here nothing has changed for clients.  From the pause on they wait. */
static bool release(struct upgrade *u)
{
	struct server *s = u->server;

	if (!hear(u, HANDOVER_PREPARED, PREPARE_MS))
		return false;
	if (has_tls(s)) {
		loops_retire(s->loops);
		if (!pause_for(u, RETIRE_MS))
			return false;
	}
	u->paused_ms = clock_monotonic_ms();
	loops_pause(s->loops);
	return wait_until_quiet(u);
}

static bool lend(struct upgrade *u)
{
	struct server *s = u->server;

	server_lend_store(s);
	return handover_send(s->successor.control, HANDOVER_RELEASED, NULL, 0, -1) &&
	       hear(u, HANDOVER_SERVING, SERVE_MS);
}

/* The order counts: systemd believes the new process only when it is the main one. */
static void leave(const struct upgrade *u)
{
	struct server *s = u->server;
	char waited[24];

	snprintf(waited, sizeof(waited), "%" PRIu64, clock_monotonic_ms() - u->paused_ms);
	log_info("upgraded: another process serves now", "pid", s->successor_pid, "waited_ms",
	         waited);
	notify_send(&s->notify, "MAINPID=%d", (int)s->successor.pid);
	handover_send(s->successor.control, HANDOVER_MAIN, NULL, 0, -1);
	if (u->hang_up.si_signo)
		reload_pass_on(&u->hang_up, s->successor.pid);
	server_refuse_parked(s);
}

static bool run(struct upgrade *u)
{
	struct server *s = u->server;

	if (release(u)) {
		if (lend(u)) {
			leave(u);
			return true;
		}
		successor_end(&s->successor);
		if (!server_take_back_store(s))
			u->end.si_signo = SIGABRT;
	} else {
		successor_end(&s->successor);
	}
	loops_resume(s->loops);
	return false;
}

bool server_upgrade(struct server *s, const sigset_t *signals, siginfo_t *next)
{
	struct upgrade u = { .server = s, .signals = signals };

	next->si_signo = 0;
	if (!start(s))
		return false;
	snprintf(s->successor_pid, sizeof(s->successor_pid), "%d", (int)s->successor.pid);
	log_info("upgrading", "pid", s->successor_pid);
	bool done = run(&u);
	*next = u.end.si_signo ? u.end : u.hang_up;
	return done;
}
