/* What --db says where the database is. */
#ifndef JOBLIGHT_STORE_LOCATION_H
#define JOBLIGHT_STORE_LOCATION_H

/* The module (joblight/base/module.h) that has the backend for it; NULL: it is built in. */
const char *location_module(const char *location);

#endif
