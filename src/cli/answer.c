#include "answer.h"

#define COUNT_MAX 9007199254740992.0 /* 2^53 */

cJSON *answer_parse(struct slice answer)
{
	cJSON *root = answer.len ? cJSON_ParseWithLength(answer.ptr, answer.len) : NULL;

	if (cJSON_IsObject(root))
		return root;
	cJSON_Delete(root);
	return NULL;
}

const char *answer_text(const cJSON *object, const char *name)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

double answer_number(const cJSON *object, const char *name, double otherwise)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);

	return cJSON_IsNumber(value) ? value->valuedouble : otherwise;
}

uint64_t answer_count(const cJSON *object, const char *name, uint64_t otherwise)
{
	double value = answer_number(object, name, -1);

	return value >= 0 && value <= COUNT_MAX ? (uint64_t)value : otherwise;
}

bool answer_true(const cJSON *object, const char *name)
{
	return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, name));
}

enum right answer_rights(const cJSON *session)
{
	const cJSON *name, *scope = cJSON_GetObjectItemCaseSensitive(session, "scope");
	enum right right, rights = RIGHT_NONE;

	cJSON_ArrayForEach(name, scope)
	{
		if (cJSON_IsString(name) && right_parse(slice_of(name->valuestring), &right))
			rights |= right;
	}
	return rights;
}

struct slice answer_line(const struct buf *answer)
{
	struct slice line = buf_as_slice(answer);

	while (line.len && line.ptr[line.len - 1] == '\n')
		line.len--;
	return line;
}
