/* The verbs, one file each. */
#ifndef JOBLIGHT_CLI_VERBS_H
#define JOBLIGHT_CLI_VERBS_H

#include "arguments.h"

extern const struct verb verbs[]; /* the table of all of them; ends with {0} */

/* They return the exit status. */
int verb_bench(const struct arguments *a);
int verb_command(const struct arguments *a);
int verb_completion(const struct arguments *a);
int verb_doctor(const struct arguments *a);
int verb_job_create(const struct arguments *a);
int verb_job_export(const struct arguments *a);
int verb_job_import(const struct arguments *a);
int verb_job_end(const struct arguments *a);
int verb_job_list(const struct arguments *a);
int verb_job_show(const struct arguments *a);
int verb_key_create(const struct arguments *a);
int verb_key_generate(const struct arguments *a);
int verb_key_list(const struct arguments *a);
int verb_key_revoke(const struct arguments *a);
int verb_login_link(const struct arguments *a);
int verb_report(const struct arguments *a);
int verb_run(const struct arguments *a);
int verb_token_check(const struct arguments *a);
int verb_token_create(const struct arguments *a);
int verb_token_revoke(const struct arguments *a);
int verb_version(const struct arguments *a);
int verb_watch(const struct arguments *a);

/* These read their own arguments, the settings of the server.  argv[0] is the verb. */
int verb_config(int argc, char **argv);
int verb_db(int argc, char **argv);
int verb_job(int argc, char **argv);
int verb_db(int argc, char **argv); /* argv[0] is the part */
int verb_demo(int argc, char **argv);
int verb_reload(int argc, char **argv);
int verb_serve(int argc, char **argv);

#endif
