/*
 * Modules: parts of the program that need a library which most servers do not use.  Each is a
 * shared object that is loaded when the configuration asks for it, so that a server with a SQLite
 * file loads neither libpq nor hiredis.  It uses functions of the program that loads it, and
 * belongs to one build of it: a module of another build is refused.
 *
 * modules.def lists them, and joblight_module() of cmake/module.cmake builds one.
 */
#ifndef JOBLIGHT_BASE_MODULE_H
#define JOBLIGHT_BASE_MODULE_H

#include <stddef.h>

/*
 * What a module defines with MODULE(), once for each part of it: a store is a struct backend, a
 * carrier a struct carrier_ops.  The build defines MODULE_STAMP (cmake/module.cmake).
 */
struct module {
	const char *stamp; /* of the build that it belongs to */
	const void *table; /* what module_open() returns */
};

#define MODULE(part, functions)                                                                    \
	__attribute__((visibility("default"))) const struct module joblight_##part = {             \
		.stamp = MODULE_STAMP,                                                             \
		.table = (functions),                                                              \
	};                                                                                         \
	_Static_assert(1, "")

/*
 * The table of a part of the module with this name in modules.def, which stays loaded.  It is
 * looked for beside the program, and where `cmake --install` puts it.  NULL with a message that
 * says what to do: it was not built, it is not installed, or it is of another build.
 */
const void *module_open(const char *name, const char *part, char *error, size_t error_len);

/* The same for the file at this path. */
const void *module_open_file(const char *path, const char *part, char *error, size_t error_len);

#endif
