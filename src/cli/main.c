#include <stdio.h>
#include <string.h>

#include "verbs.h"
#include "serve/config.h"
#include "serve/process.h"
#include "serve/server.h"

static int verb_serve(int argc, char **argv)
{
	struct config config;

	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0) {
			puts("joblight serve: the server that workers report to and people "
			     "watch.\n");
			config_help(stdout);
			return 0;
		}
	int status = config_parse(&config, argc, argv, stderr) ? server_run(&config) : 2;
	config_finish(&config);
	return status;
}

static int verb_version(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	puts("joblight " JOBLIGHT_VERSION);
	return 0;
}

static const struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} verbs[] = {
	{ "serve", verb_serve, "run the server" },
	{ "demo", verb_demo,
	  "run a server and a worker with a job, and print the address to open" },
	{ "key", verb_key, "make, list and revoke access keys" },
	{ "login-link", verb_login_link, "print a link that logs in a browser" },
	{ "version", verb_version, "print the version" },
};

#define VERB_COUNT (sizeof(verbs) / sizeof(verbs[0]))

static int help(FILE *out, int status)
{
	fputs("joblight: workers report their tasks over HTTP, and everybody sees them live.\n\n"
	      "usage: joblight VERB [--help] [OPTION …]\n\n",
	      out);
	for (size_t i = 0; i < VERB_COUNT; i++)
		fprintf(out, "  %-10s %s\n", verbs[i].name, verbs[i].help);
	return status;
}

int main(int argc, char **argv)
{
	if (!process_open_standard_descriptors()) {
		fputs("joblight: standard input, output or error is closed and /dev/null cannot be "
		      "opened\n",
		      stderr);
		return 2;
	}
	process_ignore_signals();
	if (argc < 2)
		return help(stderr, 2);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0)
		return help(stdout, 0);
	if (strcmp(argv[1], "--version") == 0)
		return verb_version(0, NULL);
	for (size_t i = 0; i < VERB_COUNT; i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			return verbs[i].run(argc - 1, argv + 1);
	fprintf(stderr, "joblight: there is no verb \"%s\"\n\n", argv[1]);
	return help(stderr, 2);
}
