/* `joblight version` */
#include <string.h>

#include "output.h"
#include "verbs.h"

int verb_version(const struct arguments *a)
{
	(void)a;
	output_line(SLICE("joblight " JOBLIGHT_VERSION));
	return EXIT_OK;
}
