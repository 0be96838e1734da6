/*
 * How much memory the process has, and may have.  A gauge is asked often and looks seldom; any
 * thread may ask it.
 */
#ifndef JOBLIGHT_BASE_MEMORY_H
#define JOBLIGHT_BASE_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct memory_gauge {
	uint64_t max_bytes; /* resident memory; 0: no limit */
	_Atomic uint64_t look_due;
	atomic_bool is_short;
};

/* Bytes: what is resident (proc(5), statm), and what the machine or this control group may use at
 * all. */
uint64_t memory_resident(void);
uint64_t memory_of_machine(void);

/* Whether more than `max_bytes` is resident.  It looks again every 100 ms at most, and logs when
 * that changes. */
bool memory_is_short(struct memory_gauge *g, uint64_t now_ms);

#endif
