#include "joblight/base/memory.h"

#include <stdio.h>
#include <unistd.h>

#include "joblight/base/log.h"

#define LOOK_MS 100

static bool read_number(const char *path, const char *format, uint64_t *number)
{
	FILE *f = fopen(path, "re");

	if (!f)
		return false;
	bool found = fscanf(f, format, number) == 1;
	fclose(f);
	return found;
}

uint64_t memory_resident(void)
{
	uint64_t pages = 0;

	read_number("/proc/self/statm", "%*u %lu", &pages);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t memory_of_machine(void)
{
	uint64_t all = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE), group;

	/* The limit of a container, as seen from inside: cgroups(7), versions 2 and 1. */
	if (read_number("/sys/fs/cgroup/memory.max", "%lu", &group) && group < all)
		all = group;
	if (read_number("/sys/fs/cgroup/memory/memory.limit_in_bytes", "%lu", &group) &&
	    group < all)
		all = group;
	return all;
}

bool memory_is_short(struct memory_gauge *g, uint64_t now_ms)
{
	if (!g->max_bytes)
		return false;
	if (now_ms < atomic_load(&g->look_due))
		return atomic_load(&g->is_short);
	atomic_store(&g->look_due, now_ms + LOOK_MS);
	bool is_short = memory_resident() > g->max_bytes;
	if (atomic_exchange(&g->is_short, is_short) != is_short) {
		if (is_short)
			log_warn(
			    "memory is short: new streams are refused until more is available; "
			    "see --max-memory");
		else
			log_info("memory is available again: new streams are accepted");
	}
	return is_short;
}
