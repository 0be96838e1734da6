/*
 * A command whose output is read.  It writes into pipes, or, where its output goes to a terminal,
 * into a terminal of its own (a pty), so that it keeps its colours and bars.  Standard output and
 * standard error are separate, unless both go to the same place: then they share one, which keeps
 * their order.  Standard input is that of the caller.
 *
 * With a controlling terminal the command is in the process group of the caller, so that Ctrl-C,
 * Ctrl-Z and reading from the terminal work as without it.  Otherwise it leads a group of its own.
 */
#ifndef JOBLIGHT_CLI_CAPTURE_H
#define JOBLIGHT_CLI_CAPTURE_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "drain.h"

struct capture {
	/* 0: standard output, and what shares it; 1: standard error, unless it shares. */
	struct course courses[COURSES_MAX];
	bool errors_apart; /* course 1 is there */
	bool terminal[COURSES_MAX];
	pid_t pid;
	bool own_group;
};

/* Starts the command.  `mask` is the signal mask that it gets.  -1: errno says why. */
int capture_start(struct capture *c, char **command, const sigset_t *mask);

/* Passes a signal to the command: to its group, if it has its own. */
void capture_signal(const struct capture *c, int number);
/*
 * The terminals of the command get the size of those that its output goes to, and then it is told
 * so (again, when it has had the signal of the terminal already).
 */
void capture_resize(const struct capture *c);

#endif
