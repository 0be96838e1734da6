/*
 * Heads of requests, as bytes of a connection.
 *
 * covers: src/net/request_head.c src/net/request_check.c
 *
 * Every prefix of a good head is incomplete, and of a refused one incomplete or refused; what is
 * accepted has one meaning for its body, and no raw control character reaches a handler.
 */
#include "fuzz.h"

#include "joblight/core/entity_tag.h"
#include "net/request_check.h"

static enum request_head_result parse(struct slice bytes, struct request_head *head)
{
	struct problem problem = { 0 };
	struct slice copy = fuzz_copy(bytes);
	enum request_head_result result = request_head_parse(copy, &limits_default, head, &problem);

	PROMISE((result == HEAD_REFUSED) == (problem.detail[0] != '\0'));
	problem_finish(&problem);
	fuzz_free(copy);
	return result;
}

static void check_prefixes(struct slice bytes, enum request_head_result whole, size_t len)
{
	struct request_head head;
	size_t end = whole == HEAD_GOOD ? len : bytes.len, step = end > 256 ? end / 64 : 1;

	for (size_t cut = 0; cut < end; cut += step) {
		enum request_head_result part = parse((struct slice){ bytes.ptr, cut }, &head);
		PROMISE(part == HEAD_INCOMPLETE || (part == HEAD_REFUSED && whole == HEAD_REFUSED));
	}
}

static void check_request(const struct request *r)
{
	struct slice value;

	PROMISE(r->path.len && r->path.ptr[0] == '/');
	PROMISE(!memchr(r->path.ptr, '\0', r->path.len));
	PROMISE(!(r->chunked && r->headers[HEADER_CONTENT_LENGTH].ptr));
	PROMISE(r->length <= limits_default.body_bytes);
	PROMISE(r->http_1_0 || r->headers[HEADER_HOST].len);
	PROMISE(r->method != METHOD_HEAD);
	for (size_t i = 0; i < r->arg_count; i++)
		PROMISE(!memchr(r->args[i].ptr, '\n', r->args[i].len));
	if (request_arg(r, "since", &value))
		PROMISE(value.len <= r->text.len);
	entity_tags_name(r->headers[HEADER_IF_NONE_MATCH], "\"tag\"", COMPARE_WEAK);
	entity_tags_name(r->headers[HEADER_IF_MATCH], "\"tag\"", COMPARE_STRONG);
}

void fuzz_one(struct slice input)
{
	struct slice bytes = fuzz_copy(input);
	struct problem problem = { 0 };
	struct request_head head;
	enum request_head_result result = request_head_parse(bytes, &limits_default, &head,
	                                                     &problem);

	check_prefixes(bytes, result, head.len);
	if (result == HEAD_GOOD) {
		struct request *r = request_check(
		    &head, &limits_default, (struct server_paths){ "", "/jobs/", "/api/imports" },
		    &problem);
		request_asks_upgrade(&head);
		PROMISE(outcome_is_error(problem.outcome) == (problem.detail[0] != '\0'));
		if (!outcome_is_error(problem.outcome))
			check_request(r);
		request_free(r);
	}
	problem_finish(&problem);
	fuzz_free(bytes);
}
