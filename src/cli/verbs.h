/* The verbs that talk to a server, one file each.  argv[0] is the verb; returns the exit status. */
#ifndef JOBLIGHT_CLI_VERBS_H
#define JOBLIGHT_CLI_VERBS_H

int verb_demo(int argc, char **argv);
int verb_key(int argc, char **argv);
int verb_login_link(int argc, char **argv);

#endif
