#include "joblight/core/right.h"

#include <fnmatch.h>

#include "joblight/core/json.h"
#include "joblight/core/model.h"

static const struct {
	enum right right;
	const char *name;
} names[] = {
	{ RIGHT_WATCH, "watch" },     { RIGHT_REPORT, "report" }, { RIGHT_CREATE, "create" },
	{ RIGHT_CONTROL, "control" }, { RIGHT_ADMIN, "admin" },
};

#define RIGHT_COUNT (sizeof(names) / sizeof(names[0]))

bool right_parse(struct slice name, enum right *right)
{
	for (size_t i = 0; i < RIGHT_COUNT; i++)
		if (name.len == strlen(names[i].name) &&
		    memcmp(name.ptr, names[i].name, name.len) == 0) {
			*right = names[i].right;
			return true;
		}
	return false;
}

const char *right_names(void)
{
	return "watch, report, create, control, admin";
}

static void add_names(struct buf *out, enum right rights, const char *quote, const char *between)
{
	const char *separator = "";

	for (size_t i = 0; i < RIGHT_COUNT; i++) {
		if (!(names[i].right & rights))
			continue;
		buf_format(out, "%s%s%s%s", separator, quote, names[i].name, quote);
		separator = between;
	}
}

void right_encode(struct buf *out, enum right rights)
{
	add_names(out, rights, "\"", ",");
}

void right_describe(struct buf *out, enum right rights)
{
	add_names(out, rights, "", " or ");
}

static void add_time(struct buf *out, const char *name, int64_t time)
{
	if (!time)
		return;
	json_name(out, name);
	json_time(out, time);
}

void access_key_encode(struct buf *out, const struct access_key_row *row)
{
	buf_format(out, "\"id\":\"%s\",\"name\":", row->id);
	json_string(out, slice_of(row->name));
	buf_text(out, ",\"scope\":[");
	right_encode(out, (enum right)row->rights);
	buf_text(out, "],\"jobs\":");
	json_words(out, row->jobs);
	add_time(out, "createdAt", row->created);
	add_time(out, "expiresAt", row->expires);
	add_time(out, "revokedAt", row->revoked);
}

bool job_pattern_valid(struct slice pattern)
{
	char text[ID_MAX + 1];

	if (!pattern.len || pattern.len > ID_MAX)
		return false;
	for (size_t i = 0; i < pattern.len; i++)
		text[i] = pattern.ptr[i] == '*' ? 'x' : pattern.ptr[i];
	return id_valid((struct slice){ text, pattern.len });
}

bool access_key_covers(const struct access_key_row *row, const char *job_id)
{
	char pattern[ID_MAX + 1];

	for (const char *at = row->jobs; *at;) {
		size_t len = strcspn(at, " ");
		if (len == 1 && *at == '*')
			return true;
		memcpy(pattern, at, len < ID_MAX ? len : ID_MAX);
		pattern[len < ID_MAX ? len : ID_MAX] = '\0';
		if (fnmatch(pattern, job_id, FNM_NOESCAPE) == 0)
			return true;
		at += len;
		at += *at == ' ';
	}
	return false;
}
