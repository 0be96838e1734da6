/* For the verbs: see joblight/store/check.h. */
#ifndef JOBLIGHT_SERVE_DATABASE_CHECK_H
#define JOBLIGHT_SERVE_DATABASE_CHECK_H

#include "joblight/store/backend.h"
#include "joblight/store/check.h"

enum database_state database_quick_check(const char *path, unsigned ms, char *words, size_t size);

/* Whether it is on a server; `shown`: its address without user and password. */
bool database_is_on_server(const char *location, char shown[DATABASE_SHOWN_MAX]);
bool database_shows_password(const char *location);
/* Connects, reads, and leaves: how many milliseconds the read took; negative: `words` say why not.
 */
double database_answer_ms(const char *location, char *words, size_t size);

#endif
