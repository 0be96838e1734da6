/* What limits the server itself: descriptors, its database, its disk. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"
#include "joblight/base/clock.h"
#include "serve/database_check.h"

#define CONNECTIONS 1000 /* fewer are a warning */
#define SYNCS 5
#define SLOW_SYNC_MS 20 /* a commit of SQLite waits for one sync */
#define BLOCK 4096
#define CHECK_MS 10000
#define SLOW_ANSWER_MS 5
#define NOT_TESTED "not tested: give --db, on the machine of the server if it is a file"

void doctor_check_descriptors(struct doctor *d)
{
	unsigned max = d->arrival.max_connections;

	if (max < CONNECTIONS)
		doctor_report(
		    d, VERDICT_WARN,
		    "LimitNOFILE=65536 in its unit, or ulimit -n 65536 before it; or raise "
		    "--max-connections",
		    ADVICE_NONE, "the server takes %u connections", max);
	else
		doctor_ok(d, "the server takes %u connections", max);
}

/* A database on a server: its answer is waited for by every commit. */
static void check_engine(struct doctor *d, const char *shown)
{
	char words[512] = "";
	double ms = database_answer_ms(d->db, words, sizeof(words));

	if (ms < 0)
		doctor_report(d, VERDICT_FAIL,
		              "see \"What users see when something fails\" in docs/scaling.md",
		              ADVICE_NONE, "%s", words);
	else if (ms > SLOW_ANSWER_MS)
		doctor_report(d, VERDICT_WARN, "put the nodes next to it", ADVICE_NONE,
		              "%s answers in %.1f ms, and a commit waits for two answers", shown,
		              ms);
	else
		doctor_ok(d, "%s answers in %.1f ms", shown, ms);
}

void doctor_check_database(struct doctor *d)
{
	char words[256], shown[DATABASE_SHOWN_MAX];

	if (!d->db) {
		doctor_skip(d, NOT_TESTED);
		return;
	}
	if (database_is_on_server(d->db, shown)) {
		check_engine(d, shown);
		return;
	}
	switch (database_quick_check(d->db, CHECK_MS, words, sizeof(words))) {
	case DATABASE_SOUND:
		doctor_ok(d, "%s passes the quick check of SQLite", d->db);
		break;
	case DATABASE_UNKNOWN:
		doctor_report(d, VERDICT_WARN, NULL, ADVICE_NONE, "%s: %s", d->db, words);
		break;
	default:
		doctor_report(d, VERDICT_FAIL, "restore a backup, see docs/operating.md",
		              ADVICE_NONE, "%s: %s", d->db, words);
	}
}

/* A file beside the database; -1: it cannot be made. */
static int open_beside(const char *db)
{
	struct buf path = { 0 };

	buf_format(&path, "%s-doctor-XXXXXX", db);
	buf_string(&path);
	int fd = mkostemp(path.ptr, O_CLOEXEC);
	if (fd >= 0)
		unlink(path.ptr);
	buf_finish(&path);
	return fd;
}

/* The median of some syncs; negative: one failed. */
static double sync_ms(int fd)
{
	static const char block[BLOCK];
	uint64_t took_us[SYNCS];

	for (int i = 0; i < SYNCS; i++) {
		uint64_t began = clock_monotonic_us();
		if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block) || fsync(fd))
			return -1;
		took_us[i] = clock_monotonic_us() - began;
		for (int k = i; k > 0 && took_us[k] < took_us[k - 1]; k--) {
			uint64_t other = took_us[k];
			took_us[k] = took_us[k - 1];
			took_us[k - 1] = other;
		}
	}
	uint64_t median_us = took_us[SYNCS / 2];
	return (double)median_us / 1000;
}

void doctor_check_disk(struct doctor *d)
{
	char shown[DATABASE_SHOWN_MAX];

	if (!d->db) {
		doctor_skip(d, NOT_TESTED);
		return;
	}
	if (database_is_on_server(d->db, shown)) {
		doctor_skip(d, "not tested: the database is on a server");
		return;
	}
	int fd = open_beside(d->db);
	double ms = fd < 0 ? -1 : sync_ms(fd);
	int error = errno;
	if (fd >= 0)
		close(fd);
	if (ms < 0)
		doctor_report(d, VERDICT_WARN, NULL, ADVICE_NONE, "a file beside %s: %s", d->db,
		              strerror(error));
	else if (ms > SLOW_SYNC_MS)
		doctor_report(d, VERDICT_WARN, "use a faster disk, or --durability process",
		              ADVICE_NONE, "a sync takes %.1f ms, and every commit waits for one",
		              ms);
	else
		doctor_ok(d, "a sync takes %.1f ms", ms);
}
