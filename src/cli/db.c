/* `joblight db`: the upkeep of a database file. */
#include "serve/db.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "interrupt.h"
#include "joblight/core/model.h"
#include "remote.h"
#include "verbs.h"

#define OPERANDS_MAX 2

static int run_backup(const struct config *c, const char *const *operands)
{
	return db_backup(c, operands[0]);
}

static int run_check(const struct config *c, const char *const *operands)
{
	(void)operands;
	return db_check(c);
}

static atomic_bool interrupted;

static void on_interrupt(int number)
{
	(void)number;
	atomic_store(&interrupted, true);
}

/* Ctrl-C ends it between two transactions. */
static int run_copy(const struct config *c, const char *const *operands)
{
	bool both = operands[1];

	interrupt_call(on_interrupt);
	int status = db_copy(c, both ? operands[0] : NULL, operands[both], &interrupted);
	return status && atomic_load(&interrupted) ? EXIT_INTERRUPTED : status;
}

static int run_statistics(const struct config *c, const char *const *operands)
{
	(void)operands;
	return db_statistics(c);
}

static int run_migrate(const struct config *c, const char *const *operands)
{
	(void)operands;
	return db_migrate(c);
}

static int run_new_epoch(const struct config *c, const char *const *operands)
{
	const char *job = operands[0];

	if (!job || id_valid(slice_of(job)))
		return db_new_epoch(c, job);
	fprintf(stderr, "joblight: \"%s\" is not the id of a job\n", job);
	return EXIT_USAGE;
}

static int run_prune(const struct config *c, const char *const *operands)
{
	(void)operands;
	return db_prune(c);
}

static int run_vacuum(const struct config *c, const char *const *operands)
{
	(void)operands;
	return db_vacuum(c);
}

/* ---- a running server ---- */

static const struct verb remote_vacuum = { .name = "vacuum", .operands = "", .timeout = "1h" };

/* It is not repeated: it may take as long as the time is. */
static int rewrite(struct remote *r)
{
	struct call call = { "POST", "/api/database/rewrite", NULL, NULL, r->timeout_ms };
	struct call_answer answer = { 0 };

	client_call(r->client, &call, &answer);
	int status = remote_status(&answer);
	if (status == EXIT_OK)
		status = remote_print_answer(r, &answer.body);
	else
		remote_print_problem(r, &answer);
	buf_finish(&answer.body);
	return status;
}

static int vacuum_remotely(int argc, char **argv)
{
	struct arguments a;
	struct remote r;

	if (!arguments_read(&a, &remote_vacuum, "db vacuum", argc, argv))
		return EXIT_USAGE;
	int status = remote_open(&r, &a);
	if (status != EXIT_OK)
		return status;
	status = rewrite(&r);
	remote_close(&r);
	return status;
}

static bool names_server(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--url") == 0 || strncmp(argv[i], "--url=", 6) == 0)
			return true;
	return false;
}

/* ---- a database ---- */

static const struct part {
	const char *name;
	int (*run)(const struct config *c, const char *const *operands);
	int min, max;     /* operands */
	const char *need; /* if there are too few */
} parts[] = {
	{ "backup", run_backup, 1, 1, "FILE" }, { "copy", run_copy, 1, 2, "[FROM] TO" },
	{ "check", run_check, 0, 0, NULL },     { "statistics", run_statistics, 0, 0, NULL },
	{ "migrate", run_migrate, 0, 0, NULL }, { "new-epoch", run_new_epoch, 0, 1, NULL },
	{ "prune", run_prune, 0, 0, NULL },     { "vacuum", run_vacuum, 0, 0, NULL },
};

#define PART_COUNT (sizeof(parts) / sizeof(parts[0]))

/* argv[0] is the last of them. */
static int on_database(const struct part *part, int argc, char **argv, const char *const *operands)
{
	struct config config;
	int status = config_parse(&config, argc, argv, stderr) ? part->run(&config, operands)
	                                                       : EXIT_USAGE;
	config_finish(&config);
	return status;
}

/* Operands come before the flags. */
static int run(const struct part *part, int argc, char **argv)
{
	const char *operands[OPERANDS_MAX + 1] = { NULL };
	int count = 0;

	while (count + 1 < argc && argv[count + 1][0] != '-' && count < part->max) {
		operands[count] = argv[count + 1];
		count++;
	}
	if (count + 1 < argc && argv[count + 1][0] != '-') {
		fprintf(stderr, "joblight: db %s: \"%s\" is not expected\n", part->name,
		        argv[count + 1]);
		return EXIT_USAGE;
	}
	if (count < part->min) {
		fprintf(stderr, "joblight: db %s needs %s, before its flags\n", part->name,
		        part->need);
		return EXIT_USAGE;
	}
	return on_database(part, argc - count, argv + count, operands);
}

int verb_db(int argc, char **argv)
{
	const struct part *part = parts;

	if (strcmp(argv[0], "vacuum") == 0 && names_server(argc, argv))
		return vacuum_remotely(argc, argv);
	while (part + 1 < parts + PART_COUNT && strcmp(part->name, argv[0]) != 0)
		part++;
	return run(part, argc, argv);
}
