#include "decode_fields.h"

#include <stdio.h>

#include "joblight/base/xalloc.h"
#include "joblight/core/right.h"

#define EXPIRES_MIN_S 60
#define EXPIRES_MAX_S (10.0 * 366 * 86400)

static bool take_name(struct decoder *d, const cJSON *value, void *target)
{
	struct slice name;

	if (!decode_text(d, value, ACCESS_KEY_NAME_MAX, &name))
		return false;
	((struct access_key_row *)target)->name = xmemdup(name.ptr, name.len);
	return true;
}

static bool take_scope(struct decoder *d, const cJSON *value, void *target)
{
	enum right rights;

	if (!decode_rights(d, value, &rights))
		return false;
	((struct access_key_row *)target)->rights = rights;
	return true;
}

static bool take_jobs(struct decoder *d, const cJSON *value, void *target)
{
	const char *name = value->string;
	struct buf jobs = { 0 };
	const cJSON *item;
	bool ok = cJSON_IsArray(value) && value->child;

	cJSON_ArrayForEach(item, value)
	{
		struct slice pattern = slice_of(cJSON_GetStringValue(item));
		ok = ok && job_pattern_valid(pattern) &&
		     jobs.len + pattern.len < ACCESS_KEY_PATTERNS_MAX;
		if (ok)
			buf_format(&jobs, "%s%s", jobs.len ? " " : "", pattern.ptr);
	}
	if (ok)
		((struct access_key_row *)target)->jobs = xstrdup(buf_string(&jobs));
	buf_finish(&jobs);
	return ok || decode_refuse_value(d, name,
	                                 "must be an array of job ids, in which * stands for any "
	                                 "characters; 2048 bytes at most");
}

static bool take_expires(struct decoder *d, const cJSON *value, void *target)
{
	if (!decode_is_whole(value, EXPIRES_MAX_S) || value->valuedouble < EXPIRES_MIN_S)
		return decode_refuse_value(
		    d, value->string, "must be a whole number of seconds from 60 to 316224000");
	((struct access_key_row *)target)->expires = (int64_t)value->valuedouble * 1000;
	return true;
}

bool decode_new_key(struct decoder *d, const cJSON *root)
{
	static const struct field fields[] = {
		{ "name", take_name },
		{ "scope", take_scope },
		{ "jobs", take_jobs },
		{ "expiresIn", take_expires },
		{ 0 },
	};
	struct access_key_row *row = &d->op->access_key;

	if (!decode_object(d, root, fields, row))
		return false;
	if (!row->rights)
		return decode_refuse_value(d, "scope", "is missing");
	if (!row->name)
		row->name = xstrdup("");
	if (!row->jobs)
		row->jobs = xstrdup("*");
	return true;
}
