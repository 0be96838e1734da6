#include "decode_tree.h"

#include <stdlib.h>

#include "joblight/base/xalloc.h"
#include "joblight/core/json.h"

/* Finds names that occur twice in an object, at any depth. */

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char *duplicate_among(const cJSON *object)
{
	size_t count = (size_t)cJSON_GetArraySize(object), i = 0;
	const char **names = xmalloc(count * sizeof(*names)), *found = NULL;

	for (const cJSON *member = object->child; member; member = member->next)
		names[i++] = member->string;
	qsort(names, count, sizeof(*names), compare_names);
	for (i = 1; i < count && !found; i++)
		if (strcmp(names[i - 1], names[i]) == 0)
			found = names[i];
	free(names);
	return found;
}

/* json_check() has limited the depth. */
static const char *find_duplicate(const cJSON *value)
{
	const char *found = NULL;

	if (cJSON_IsObject(value) && value->child && value->child->next)
		found = duplicate_among(value);
	for (const cJSON *child = value->child; child && !found; child = child->next)
		if (child->child)
			found = find_duplicate(child);
	return found;
}

/* Parsing. */

/* Runs before main(), because all threads share cJSON's allocator. */
__attribute__((constructor)) static void give_cjson_memory(void)
{
	cJSON_Hooks hooks = { may_malloc, free };

	cJSON_InitHooks(&hooks);
}

bool decode_refuse_memory(struct problem *problem)
{
	return problem_set(problem, OUTCOME_OUT_OF_MEMORY,
	                   "the server is out of memory; try again in a moment");
}

cJSON *decode_parse(unsigned depth, struct slice text, struct problem *problem)
{
	size_t at;
	const char *fault = json_check(text, depth, &at);

	may_malloc_has_failed();
	cJSON *root = fault ? NULL : cJSON_ParseWithLength(text.ptr, text.len);
	if (!root && may_malloc_has_failed()) {
		decode_refuse_memory(problem);
		return NULL;
	}
	if (!root) {
		problem_set(problem, OUTCOME_INVALID_JSON, "not valid JSON: %s (at byte %zu)",
		            fault ? fault : "too large", fault ? at : text.len);
		return NULL;
	}
	const char *twice = find_duplicate(root);
	if (!twice)
		return root;
	problem_set(problem, OUTCOME_DUPLICATE_KEY, "the name \"%.64s\" is given twice", twice);
	cJSON_Delete(root);
	return NULL;
}
