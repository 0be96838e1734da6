#include "lists.h"

#include "joblight/core/json.h"

bool list_next(const char **at, struct slice *part)
{
	*at += strspn(*at, ", ");
	*part = (struct slice){ *at, strcspn(*at, ", ") };
	*at += part->len;
	return part->len > 0;
}

void list_encode(struct buf *json, const char *list)
{
	struct slice part;
	const char *comma = "";

	buf_char(json, '[');
	for (; list_next(&list, &part); comma = ",") {
		buf_text(json, comma);
		json_string(json, part);
	}
	buf_char(json, ']');
}
