/* `joblight login-link`: a link that logs in a browser, once. */
#include <cjson/cJSON.h>
#include <getopt.h>
#include <stdio.h>

#include "remote.h"
#include "verbs.h"

#define DEFAULT_URL "http://127.0.0.1:3001"

static int usage(FILE *out, int status)
{
	fputs(
	    "usage: joblight login-link [--url URL]\n\n"
	    "  URL   the server, as a browser reaches it (JOBLIGHT_URL, or " DEFAULT_URL ")\n\n"
	    "Prints a link that logs in the browser that opens it, with the key in JOBLIGHT_KEY.\n"
	    "It works once, within ten minutes.\n",
	    out);
	return status;
}

static bool print_link(const struct remote *r, const struct buf *answer)
{
	cJSON *root = cJSON_ParseWithLength(answer->ptr, answer->len);
	const char *code = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "code"));

	if (code)
		printf("%s/login#code=%s\n", r->url, code);
	else
		fprintf(stderr, "joblight: %s is not a joblight server\n", r->url);
	bool ok = code && fflush(stdout) == 0;
	if (code && !ok)
		perror("joblight: standard output");
	cJSON_Delete(root);
	return ok;
}

static int make_link(const char *url)
{
	struct remote remote;
	struct buf answer = { 0 };

	if (!remote_open(&remote, url))
		return 1;
	bool ok = remote_send(&remote, "POST", "/api/login-codes", NULL, &answer) &&
	          print_link(&remote, &answer);
	buf_finish(&answer);
	remote_close(&remote);
	return ok ? 0 : 1;
}

int verb_login_link(int argc, char **argv)
{
	static const struct option options[] = { { "url", required_argument, NULL, 'u' },
		                                 { "help", no_argument, NULL, 'h' },
		                                 { 0 } };
	const char *flag = NULL;
	int chosen;

	while ((chosen = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (chosen == 'h')
			return usage(stdout, 0);
		if (chosen == '?')
			return usage(stderr, 2);
		flag = optarg;
	}
	if (optind < argc)
		return usage(stderr, 2);
	const char *url = remote_url(flag);
	return make_link(url ? url : DEFAULT_URL);
}
