/* Paths that mean something before a request has a handler. */
#ifndef JOBLIGHT_NET_SERVER_PATHS_H
#define JOBLIGHT_NET_SERVER_PATHS_H

struct server_paths {
	const char *base;   /* see struct loops_config */
	const char *free;   /* see struct dispatch */
	const char *stream; /* likewise */
};

struct loop;
struct server_paths dispatch_paths(const struct loop *l);

#endif
