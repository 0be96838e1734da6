/*
 * What a person sees who watches a job: a line for each event, and below them, on a terminal that
 * can do it, a line with the progress of the whole job.
 */
#ifndef JOBLIGHT_CLI_VIEW_H
#define JOBLIGHT_CLI_VIEW_H

#include <cjson/cJSON.h>

#include "output.h"

struct view;

/* The output must live on. */
struct view *view_create(const struct output *o);
void view_free(struct view *v);

/* The job as it is: replaces what was known, and prints it. */
void view_reset(struct view *v, const cJSON *job);
void view_event(struct view *v, const cJSON *event);
/* How the connection is: on the last line; NULL: it is fine. */
void view_state(struct view *v, const char *state);
/* Draws the last line anew, if it is time to. */
void view_refresh(struct view *v);
/* Removes the last line, so that something else can be printed. */
void view_clear(struct view *v);

#endif
