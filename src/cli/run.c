/*
 * `joblight run`: a command as a task of a job.
 *
 *   command ──> pipe or pty ──> pump (a thread) ──> the output of joblight
 *                   │                 └── progress, the last lines ──> reporter (a thread) ──>
 * server └── drain (a process), which takes over when joblight dies
 *
 * The main thread takes signals, and waits for the end of each of them.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture.h"
#include "joblight/base/clock.h"
#include "joblight/base/random.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/json.h"
#include "joblight/core/model.h"
#include "output.h"
#include "progress.h"
#include "pump.h"
#include "reporter.h"
#include "tail.h"
#include "text_check.h"
#include "verbs.h"

#define TITLE_MAX 200   /* bytes; a server's limit is 512 */
#define NOTE_LINES 20   /* of the end of a command that failed */
#define NOTE_BYTES 4000 /* a server's limit is 16 KiB */
#define NAME_MAX_BYTES 40
#define GRACE_MS 200 /* for the reporter to say that there is no time left */

struct running {
	struct remote remote;
	char *job, *task, *title;
	struct capture capture;
	struct drain drain;
	struct pump *pump;
	struct reporter *reporter;
	int signals;    /* of signalfd(2) */
	int stopped_by; /* the last signal that came to end the command; 0: none */
	bool impatient; /* a signal came after the command had ended */
	/* Of the pump's thread, and of the main thread after its end. */
	struct progress progress[COURSES_MAX];
	struct tail tail;
	double reported;
};

/* ---- names ---- */

/* The name of the command as an id: the part after the last slash, without other characters. */
static char *name_of(const char *command)
{
	const char *slash = strrchr(command, '/');
	const char *at = slash ? slash + 1 : command;
	struct buf name = { 0 };

	for (; *at && name.len < NAME_MAX_BYTES; at++)
		if (isalnum((unsigned char)*at) || (name.len && strchr("._~-", *at)))
			buf_char(&name, *at);
	if (!name.len)
		buf_text(&name, "command");
	char *text = xstrdup(buf_string(&name));
	buf_finish(&name);
	return text;
}

static char *new_job(const char *name)
{
	struct buf id = { 0 };

	buf_format(&id, "%s-%010llx", name, (unsigned long long)(random_u64() & 0xffffffffffULL));
	char *text = xstrdup(buf_string(&id));
	buf_finish(&id);
	return text;
}

static char *command_line(char **command)
{
	struct buf line = { 0 };

	for (; *command && line.len <= TITLE_MAX; command++)
		buf_format(&line, "%s%s", line.len ? " " : "", *command);
	if (line.len > TITLE_MAX)
		line.len = TITLE_MAX;
	for (size_t i = 0; i < line.len; i++)
		if ((unsigned char)line.ptr[i] < 0x20 || line.ptr[i] == 0x7f)
			line.ptr[i] = ' ';
	utf8_mend(line.ptr, line.len);
	if (utf8_blank(buf_as_slice(&line)))
		buf_text(&line, "command");
	char *text = xstrdup(buf_string(&line));
	buf_finish(&line);
	return text;
}

static int take_id(char **id, const struct arguments *a, const char *flag)
{
	const char *value = arguments_value(a, flag);
	char name[16];

	if (!value)
		return EXIT_OK;
	snprintf(name, sizeof(name), "--%s", flag);
	if (!id_valid(slice_of(value)))
		return arguments_fault(name, value,
		                       "an id has 1 to 128 of A-Z a-z 0-9 . _ ~ -, and begins with "
		                       "a letter or a digit");
	*id = xstrdup(value);
	return EXIT_OK;
}

static int take_names(struct running *r, const struct arguments *a)
{
	const char *title = arguments_value(a, "title");
	char *name = name_of(a->operands[0]);
	int status = take_id(&r->job, a, "job");

	if (status == EXIT_OK)
		status = take_id(&r->task, a, "task");
	if (status == EXIT_OK && title)
		status = text_check("--title", slice_of(title));
	if (!r->job)
		r->job = new_job(name);
	if (!r->task)
		r->task = xstrdup(name);
	r->title = title ? xstrdup(title) : command_line(a->operands);
	free(name);
	return status;
}

/* ---- what the pump sees ---- */

static void report_growth(struct running *r, bool grown, int course)
{
	double percent = r->progress[course].percent;

	if (!grown || percent <= r->reported || !r->reporter)
		return;
	r->reported = percent;
	reporter_progress(r->reporter, percent);
}

static void on_output(void *context, int course, struct slice bytes)
{
	struct running *r = context;

	report_growth(r, progress_take(&r->progress[course], bytes), course);
	if (course == 1 || !r->capture.errors_apart)
		tail_add(&r->tail, bytes);
}

static void on_pause(void *context)
{
	struct running *r = context;

	for (int i = 0; i < COURSES_MAX; i++)
		report_growth(r, progress_pause(&r->progress[i]), i);
}

static void on_broken(void *context, int course)
{
	struct running *r = context;

	drain_close(&r->drain, course);
}

/* ---- the start ---- */

static const int passed_signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 };

#define PASSED_COUNT (sizeof(passed_signals) / sizeof(passed_signals[0]))

static bool take_signals(struct running *r, sigset_t *before)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGWINCH);
	for (size_t i = 0; i < PASSED_COUNT; i++)
		sigaddset(&set, passed_signals[i]);
	sigprocmask(SIG_BLOCK, &set, before);
	r->signals = signalfd(-1, &set, SFD_CLOEXEC);
	return r->signals >= 0;
}

static void announce(const struct running *r)
{
	if (strncmp(r->remote.url, "unix:", 5) == 0)
		fprintf(stderr, "joblight: job %s\n", r->job);
	else
		fprintf(stderr, "joblight: %s/jobs/%s\n", r->remote.url, r->job);
}

static int fail(const char *what)
{
	fprintf(stderr, "joblight: %s: %s\n", what, strerror(errno));
	return EXIT_FAILED;
}

/* Ends the process while the reporter is in a request. */
static _Noreturn void abandon_reporter(struct running *r, int status)
{
	if (r->reporter)
		reporter_abandon(r->reporter);
	_exit(status);
}

static int start(struct running *r, const struct arguments *a)
{
	struct pump_visitor visitor = { on_output, on_pause, on_broken, r };
	sigset_t mask;

	for (int i = 0; i < COURSES_MAX; i++)
		progress_init(&r->progress[i]);
	r->reported = -1;
	announce(r);
	if (!take_signals(r, &mask))
		return fail("signals");
	if (capture_start(&r->capture, a->operands, &mask) != 0)
		return fail(a->operands[0]);
	if (drain_start(&r->drain, r->capture.courses) != 0)
		fail("the output would be lost if joblight was killed"); /* it goes on */
	struct reporter_task task = { r->job, r->task, r->title, arguments_has(a, "job") };
	r->reporter = reporter_start(&r->remote, &task);
	r->pump = pump_start(r->capture.courses, &visitor);
	if (r->pump)
		return EXIT_OK;
	fail("a thread"); /* the drain serves the command */
	abandon_reporter(r, EXIT_FAILED);
}

/* ---- the end ---- */

static bool ends_commands(int number)
{
	return number == SIGINT || number == SIGTERM || number == SIGHUP || number == SIGQUIT;
}

static bool read_signal(const struct running *r, struct signalfd_siginfo *info)
{
	return read(r->signals, info, sizeof(*info)) == sizeof(*info);
}

/* A signal of the terminal has reached the command already when it is in the same group. */
static void pass_signal(struct running *r)
{
	struct signalfd_siginfo info;

	if (!read_signal(r, &info) || info.ssi_signo == SIGCHLD)
		return;
	int number = (int)info.ssi_signo;
	if (number == SIGWINCH) {
		if (info.ssi_code == SI_KERNEL)
			capture_resize(&r->capture);
		return;
	}
	if (ends_commands(number))
		r->stopped_by = number;
	if (r->capture.own_group || info.ssi_code != SI_KERNEL)
		capture_signal(&r->capture, number);
}

/* After the command has ended. */
static void take_signal(struct running *r)
{
	struct signalfd_siginfo info;

	if (read_signal(r, &info) && ends_commands((int)info.ssi_signo))
		r->impatient = true;
}

/* Ctrl-C ends the command and comes here, too: it is not meant for what follows. */
static void take_signals_before_end(struct running *r)
{
	struct pollfd fd = { .fd = r->signals, .events = POLLIN };
	struct signalfd_siginfo info;

	while (poll(&fd, 1, 0) == 1 && read_signal(r, &info))
		if (ends_commands((int)info.ssi_signo))
			r->stopped_by = (int)info.ssi_signo;
}

static int wait_for_command(struct running *r)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(r->capture.pid, &status, WNOHANG)) == 0)
		pass_signal(r);
	take_signals_before_end(r);
	return pid < 0 ? 0 : status;
}

/* False: a signal came first, or the time is over (-1: there is no limit). */
static bool wait_for(struct running *r, int done_fd, int64_t timeout_ms)
{
	struct pollfd fds[] = { { .fd = r->signals, .events = POLLIN },
		                { .fd = done_fd, .events = POLLIN } };
	uint64_t end = clock_monotonic_ms() + (uint64_t)timeout_ms;

	while (!r->impatient) {
		int64_t left = timeout_ms < 0 ? -1 : (int64_t)(end - clock_monotonic_ms());
		if (timeout_ms >= 0 && left <= 0)
			return false;
		if (poll(fds, 2, left > INT_MAX ? INT_MAX : (int)left) < 0)
			continue;
		if (fds[1].revents)
			return true;
		if (fds[0].revents)
			take_signal(r);
	}
	return false;
}

static int exit_status_of(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static const char *task_status_of(const struct running *r, int status)
{
	if (status == 0)
		return "completed";
	return r->stopped_by ? "cancelled" : "failed";
}

/* How it ended, and the last lines of its errors. */
static void make_note(const struct running *r, int status, struct buf *note)
{
	if (WIFSIGNALED(status))
		buf_format(note, "ended by signal %d (%s)", WTERMSIG(status),
		           strsignal(WTERMSIG(status)));
	else
		buf_format(note, "exit status %d", WEXITSTATUS(status));
	buf_char(note, '\n');
	size_t start = note->len;
	tail_text(&r->tail, note, NOTE_LINES, NOTE_BYTES);
	if (note->len == start)
		note->len--;
}

static void say_trouble(const struct running *r, const char *trouble)
{
	struct buf message = { 0 };

	buf_format(&message, "the end of job %s could not be reported to %s: %s", r->job,
	           r->remote.url, trouble);
	output_message(buf_string(&message));
	buf_finish(&message);
}

/* The last report is waited for; a signal ends that. */
static void report_end(struct running *r, int status)
{
	struct buf note = { 0 };

	if (!r->reporter) {
		fputs("joblight: nothing was reported: there can be no thread\n", stderr);
		return;
	}
	if (status != 0 && !r->impatient)
		make_note(r, status, &note);
	reporter_end(r->reporter, task_status_of(r, status), note.len ? buf_string(&note) : NULL,
	             r->remote.timeout_ms);
	bool done = wait_for(r, reporter_done_fd(r->reporter), r->remote.timeout_ms + GRACE_MS);
	const char *trouble = reporter_trouble(r->reporter);
	if (trouble)
		say_trouble(r, trouble[0] ? trouble : "there was no time");
	buf_finish(&note);
	if (done)
		reporter_free(r->reporter);
	else
		abandon_reporter(r, exit_status_of(status));
}

/* What daemons of the command still write is carried by the drain. */
static void end_output(struct running *r)
{
	pump_command_ended(r->pump);
	if (!wait_for(r, pump_done_fd(r->pump), -1)) {
		pump_abandon(r->pump); /* nobody takes the output, and its thread waits for that */
		return;
	}
	bool all = pump_free(r->pump);
	if (r->drain.pid <= 0)
		return;
	if (all)
		drain_end(&r->drain);
	else
		close(r->drain.control);
}

int verb_run(const struct arguments *a)
{
	struct running *r = xcalloc(1, sizeof(*r));
	int status = remote_read_settings(&r->remote, a);

	if (status == EXIT_OK && (status = take_names(r, a)) == EXIT_OK &&
	    (status = start(r, a)) == EXIT_OK) {
		int ended = wait_for_command(r);
		end_output(r);
		report_end(r, ended);
		status = exit_status_of(ended);
	}
	if (r->remote.url)
		remote_close(&r->remote);
	free(r->job);
	free(r->task);
	free(r->title);
	free(r);
	return status;
}
