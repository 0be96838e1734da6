/* `joblight config`: what the settings are, whether they can be used, and their documents. */
#include "serve/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "serve/config_check.h"
#include "serve/config_document.h"
#include "serve/config_print.h"
#include "verbs.h"

static int usage(FILE *out, int status)
{
	fputs("usage: joblight config print [flags of joblight serve]\n"
	      "       joblight config check [flags of joblight serve]\n"
	      "       joblight config docs [man]\n\n"
	      "print  shows each value and where it came from, as a configuration file.\n"
	      "check  says what `joblight serve` with these flags would not accept, without\n"
	      "       starting it; the status is 0 if there is nothing, otherwise 2.\n"
	      "docs   writes docs/settings.md, or the settings of the manual page.\n",
	      out);
	return status;
}

static int finish_output(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	if (errno != EPIPE) /* whoever reads it has seen enough */
		perror("joblight: standard output");
	return 1;
}

static int print(const struct config *c)
{
	config_print(c, stdout);
	return finish_output();
}

static int check(const struct config *c)
{
	if (!config_check(c))
		return 2;
	puts("joblight: the configuration can be used");
	return finish_output();
}

static int run_on_config(int (*run)(const struct config *), int argc, char **argv)
{
	struct config config;
	int status = config_parse(&config, argc, argv, stderr) ? run(&config) : 2;

	config_finish(&config);
	return status;
}

static int write_documents(int argc, char **argv)
{
	if (argc == 1)
		config_document_markdown(stdout);
	else if (argc == 2 && strcmp(argv[1], "man") == 0)
		config_document_manual(stdout);
	else
		return usage(stderr, 2);
	return finish_output();
}

int verb_config(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0)
			return usage(stdout, 0);
	if (strcmp(what, "print") == 0)
		return run_on_config(print, argc - 1, argv + 1);
	if (strcmp(what, "check") == 0)
		return run_on_config(check, argc - 1, argv + 1);
	if (strcmp(what, "docs") == 0)
		return write_documents(argc - 1, argv + 1);
	return usage(stderr, 2);
}
