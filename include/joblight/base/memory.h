/*
 * How much memory the process has, and may have.  A gauge may be read often, because it asks the
 * system only rarely.  Any thread may read it.
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

/*
 * Bytes: the resident memory (proc(5), statm), and what the machine or this control group may use
 * in all.
 */
uint64_t memory_resident(void);
uint64_t memory_of_machine(void);

/*
 * Whether more than `max_bytes` is resident.  Asks the system every 100 ms at most, and logs each
 * change.
 */
bool memory_is_short(struct memory_gauge *g, uint64_t now_ms);

#endif
