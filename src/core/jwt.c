#include "jwt.h"

#include "joblight/base/base64url.h"
#include "joblight/base/jws.h"
#include "joblight/base/xalloc.h"

#define DEPTH_MAX 16
#define TIME_MAX 253402300799.0 /* the end of the year 9999, in seconds */

/* ---- the compact form ---- */

/* Moves *token to after the next dot.  False: there is none. */
static bool next_part(struct slice *token, struct slice *part)
{
	const char *dot = memchr(token->ptr, '.', token->len);

	if (!dot)
		return false;
	*part = (struct slice){ token->ptr, (size_t)(dot - token->ptr) };
	*token = (struct slice){ dot + 1, token->len - part->len - 1 };
	return true;
}

static cJSON *parse_object(struct slice part)
{
	struct buf json = { 0 };
	struct problem problem = { 0 };
	cJSON *object = NULL;

	if (base64url_decode(&json, part))
		object = decode_parse(DEPTH_MAX, buf_as_slice(&json), &problem);
	if (object && !cJSON_IsObject(object)) {
		cJSON_Delete(object);
		object = NULL;
	}
	problem_finish(&problem);
	buf_finish(&json);
	return object;
}

static bool check_header(const cJSON *header, const char **fault)
{
	if (!jwt_string(header, "alg"))
		*fault = "its header has no alg";
	else if (cJSON_GetObjectItemCaseSensitive(header, "crit"))
		*fault = "its header has critical parameters that are not supported";
	else
		return true;
	return false;
}

bool jwt_parse(struct slice token, struct jwt *t, const char **fault)
{
	struct slice header, claims, rest = token;

	*t = (struct jwt){ 0 };
	*fault = "it is not a JSON Web Token";
	if (token.len > JWT_MAX || !next_part(&rest, &header) || !next_part(&rest, &claims) ||
	    !rest.len || !base64url_decode(&t->signature, rest))
		return false;
	t->text = (struct slice){ token.ptr, header.len + 1 + claims.len };
	t->header = parse_object(header);
	t->claims = t->header ? parse_object(claims) : NULL;
	return t->claims && check_header(t->header, fault);
}

void jwt_finish(struct jwt *t)
{
	cJSON_Delete(t->header);
	cJSON_Delete(t->claims);
	buf_finish(&t->signature);
}

void jwt_encode(struct buf *out, struct slice header, struct slice claims, struct slice secret)
{
	size_t at = out->len;
	uint8_t signature[JWS_HS256_LEN];

	base64url_encode(out, header);
	buf_char(out, '.');
	base64url_encode(out, claims);
	jws_sign_hs256(secret, (struct slice){ out->ptr + at, out->len - at }, signature);
	buf_char(out, '.');
	base64url_encode(out, (struct slice){ (const char *)signature, sizeof(signature) });
}

/* ---- claims ---- */

const char *jwt_string(const cJSON *object, const char *name)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

bool jwt_time(const cJSON *claims, const char *name, int64_t *ms)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(claims, name);

	*ms = 0;
	if (!value)
		return true;
	if (!cJSON_IsNumber(value) || !(value->valuedouble > 0 && value->valuedouble <= TIME_MAX))
		return false;
	*ms = (int64_t)(value->valuedouble * 1000);
	return true;
}

static enum right rights_of_words(const char *text)
{
	enum right all = RIGHT_NONE, right;

	for (const char *at = text; at && *at; at += *at == ' ') {
		size_t len = strcspn(at, " ");
		if (right_parse((struct slice){ at, len }, &right))
			all |= right;
		at += len;
	}
	return all;
}

enum right jwt_rights(const cJSON *scope)
{
	enum right all = RIGHT_NONE, right;
	const cJSON *item;

	if (cJSON_IsString(scope))
		return rights_of_words(scope->valuestring);
	if (!cJSON_IsArray(scope))
		return RIGHT_NONE;
	cJSON_ArrayForEach(item, scope)
	{
		if (cJSON_IsString(item) && right_parse(slice_of(item->valuestring), &right))
			all |= right;
	}
	return all;
}

/* Joins the strings of an array, or takes the one that stands alone. */
static char *join(const cJSON *value, size_t max, bool (*check)(struct slice word))
{
	struct buf words = { 0 };
	bool ok = cJSON_IsString(value) || (cJSON_IsArray(value) && value->child);

	for (const cJSON *item = cJSON_IsArray(value) ? value->child : value; ok && item;
	     item = cJSON_IsArray(value) ? item->next : NULL) {
		struct slice word = slice_of(cJSON_GetStringValue(item));
		ok = check(word) && words.len + word.len < max;
		if (ok)
			buf_format(&words, "%s%s", words.len ? " " : "", word.ptr);
	}
	char *joined = ok ? xstrdup(buf_string(&words)) : NULL;
	buf_finish(&words);
	return joined;
}

char *jwt_jobs(const cJSON *jobs)
{
	return join(jobs, ACCESS_KEY_PATTERNS_MAX, job_pattern_valid);
}

char *jwt_commands(const cJSON *commands)
{
	return join(commands, COMMANDS_MAX, command_name_valid);
}
