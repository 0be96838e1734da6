#include "joblight/core/token_request.h"

#include <stdio.h>
#include <stdlib.h>

#include "decode_fields.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/json.h"
#include "jwt.h"

static bool take_scope(struct decoder *d, const cJSON *value, void *target)
{
	return decode_rights(d, value, &((struct token_request *)target)->rights);
}

static bool take_expires(struct decoder *d, const cJSON *value, void *target)
{
	if (!decode_is_whole(value, TOKEN_SECONDS_MAX) || value->valuedouble < TOKEN_SECONDS_MIN)
		return decode_refuse_value(d, value->string,
		                           "must be a whole number of seconds from 60 to 86400");
	((struct token_request *)target)->seconds = (int64_t)value->valuedouble;
	return true;
}

static bool take_commands(struct decoder *d, const cJSON *value, void *target)
{
	char *commands = cJSON_IsArray(value) ? jwt_commands(value) : NULL;

	((struct token_request *)target)->commands = commands;
	return commands || decode_refuse_value(d, value->string,
	                                       "must be an array of names of commands, 1024 bytes "
	                                       "at most");
}

static bool take_subject(struct decoder *d, const cJSON *value, void *target)
{
	struct slice subject;

	if (!decode_text(d, value, SUBJECT_MAX, &subject))
		return false;
	if (utf8_blank(subject))
		return decode_refuse_value(d, value->string, "must not be empty or blank");
	((struct token_request *)target)->subject = xmemdup(subject.ptr, subject.len);
	return true;
}

static bool decode(const struct limits *limits, struct slice body, const struct field *fields,
                   void *target, struct problem *problem)
{
	cJSON *root = decode_parse((unsigned)limits->json_depth, body, problem);
	struct decoder d = { .limits = limits, .problem = problem, .text = body };
	bool ok = root && decode_object(&d, root, fields, target);

	cJSON_Delete(root);
	return ok;
}

bool token_request_decode(const struct limits *limits, struct slice body, struct token_request *t,
                          struct problem *problem)
{
	static const struct field fields[] = {
		{ "scope", take_scope },
		{ "expiresIn", take_expires },
		{ "commands", take_commands },
		{ "subject", take_subject },
		{ 0 },
	};

	*t = (struct token_request){ .rights = RIGHT_WATCH, .seconds = TOKEN_SECONDS_DEFAULT };
	if (!decode(limits, body, fields, t, problem))
		return false;
	return !t->commands || (t->rights & RIGHT_CONTROL) ||
	       problem_field(problem, OUTCOME_INVALID_FIELD, "commands",
	                     "are only for a scope with control");
}

void token_request_finish(struct token_request *t)
{
	free(t->commands);
	free(t->subject);
	*t = (struct token_request){ 0 };
}

static bool take_text(struct decoder *d, const cJSON *value, char **text)
{
	struct slice given;

	if (!decode_text(d, value, JWT_MAX, &given))
		return false;
	*text = xmemdup(given.ptr, given.len);
	return true;
}

static bool take_key(struct decoder *d, const cJSON *value, void *target)
{
	return take_text(d, value, &((struct login_request *)target)->key);
}

static bool take_code(struct decoder *d, const cJSON *value, void *target)
{
	return take_text(d, value, &((struct login_request *)target)->code);
}

bool login_request_decode(const struct limits *limits, struct slice body, struct login_request *l,
                          struct problem *problem)
{
	static const struct field fields[] = { { "key", take_key }, { "code", take_code }, { 0 } };

	*l = (struct login_request){ 0 };
	if (!decode(limits, body, fields, l, problem))
		return false;
	return !l->key != !l->code || problem_field(problem, OUTCOME_INVALID_FIELD, "key",
	                                            "is missing; send either a key or a code");
}

void login_request_finish(struct login_request *l)
{
	if (l->key)
		explicit_bzero(l->key, strlen(l->key));
	free(l->key);
	free(l->code);
	*l = (struct login_request){ 0 };
}
