/* A job and its tasks as lines for people. */
#ifndef JOBLIGHT_CLI_JOB_LINES_H
#define JOBLIGHT_CLI_JOB_LINES_H

#include <cjson/cJSON.h>

#include "output.h"

/* The members of a job or a task: mark, name, bar, percent, note. */
void job_line_print(const struct output *o, const char *name, const cJSON *item);

#endif
