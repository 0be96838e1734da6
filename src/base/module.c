#include "joblight/base/module.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct row {
	const char *name;
	bool built;
	const char *title, *package;
};

static const struct row rows[] = {
#define MODULE_ROW(name, built, title, package) { name, built, title, package },
#include "joblight/base/modules.def"
#undef MODULE_ROW
};

static const struct row *find_row(const char *name)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	return NULL;
}

/* The folder of the program, without the last slash. */
static bool program_folder(char folder[PATH_MAX])
{
	ssize_t len = readlink("/proc/self/exe", folder, PATH_MAX - 1);
	char *slash;

	if (len <= 0)
		return false;
	folder[len] = '\0';
	slash = strrchr(folder, '/');
	if (slash)
		*slash = '\0';
	return slash != NULL;
}

static bool find_file(const char *name, char path[PATH_MAX])
{
	char folder[PATH_MAX];
	const char *const folders[] = { program_folder(folder) ? folder : NULL,
		                        JOBLIGHT_MODULE_DIR };

	for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
		int len = folders[i]
		              ? snprintf(path, PATH_MAX, "%s/joblight-%s.so", folders[i], name)
		              : PATH_MAX;
		if (len < PATH_MAX && access(path, R_OK) == 0)
			return true;
	}
	return false;
}

static const char *compare(const struct module *module)
{
	if (!module)
		return "it is not a module of joblight, or of another build";
	return strcmp(module->stamp, MODULE_STAMP) == 0 ? NULL : "it belongs to another build";
}

/* A module of another build may also need a function that this program does not have. */
const void *module_open_file(const char *path, const char *part, char *error, size_t error_len)
{
	char symbol[64];
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	snprintf(symbol, sizeof symbol, "joblight_%s", part);
	const struct module *module = handle ? dlsym(handle, symbol) : NULL;
	const char *cause = handle ? compare(module) : dlerror();

	if (module && !cause)
		return module->table;
	snprintf(
	    error, error_len,
	    "the module %s cannot be loaded (%s); install it from the same build as the program",
	    path, cause);
	if (handle)
		dlclose(handle);
	return NULL;
}

const void *module_open(const char *name, const char *part, char *error, size_t error_len)
{
	const struct row *row = find_row(name);
	char path[PATH_MAX];

	if (!row || !row->built)
		snprintf(error, error_len,
		         "this joblight was built without %s; build it where %s is installed, or "
		         "install a package that has it",
		         row ? row->title : name, row ? row->package : "its library");
	else if (!find_file(name, path))
		snprintf(error, error_len,
		         "joblight-%s.so is neither beside the program nor in %s; install it there",
		         name, JOBLIGHT_MODULE_DIR);
	else
		return module_open_file(path, part, error, error_len);
	return NULL;
}
