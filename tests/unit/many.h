/* Thousands of names of every length, for tables that must find each of them. */
#ifndef JOBLIGHT_TESTS_MANY_H
#define JOBLIGHT_TESTS_MANY_H

#include <stdio.h>
#include <string.h>

#include "joblight/core/model.h"

#define NAMES 4000

/* The id with this number: 1 to 46 characters.  Valid until the next call. */
static inline const char *many_id(unsigned number)
{
	static char id[ID_MAX + 1];
	int padding = (int)(number % 43);

	snprintf(id, sizeof(id), "%u%.*s", number, padding,
	         "-abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ");
	return id;
}

#endif
