/* `joblight serve` */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "serve/config.h"
#include "serve/server.h"
#include "verbs.h"

static bool asks_for(const char *flag, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], flag) == 0)
			return true;
	return false;
}

int verb_serve(int argc, char **argv)
{
	struct config config;

	if (asks_for("--help", argc, argv)) {
		puts("usage: joblight serve [--SETTING VALUE ...]\n");
		config_help(stdout);
		return 0;
	}
	if (asks_for("--help-all", argc, argv)) {
		config_help_all(stdout);
		return 0;
	}
	int status = config_parse(&config, argc, argv, stderr) ? server_run(&config) : 2;
	config_finish(&config);
	return status;
}
