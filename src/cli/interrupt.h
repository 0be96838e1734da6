/* Ctrl-C: the process ends at once with EXIT_INTERRUPTED, and leaves the terminal as it was. */
#ifndef JOBLIGHT_CLI_INTERRUPT_H
#define JOBLIGHT_CLI_INTERRUPT_H

/* For SIGINT, unless it is ignored.  Also ignores SIGPIPE, see output.h. */
void interrupt_catch(void);
/* The same signal, unless it is ignored, for a verb that has something to put in order first. */
void interrupt_call(void (*handler)(int number));
/* In a child, before it becomes another program: SIGPIPE is as it was before interrupt_catch(). */
void interrupt_restore(void);
/* What is written to standard output before the end; NULL: nothing.  It must live on. */
void interrupt_write(const char *text);

#endif
