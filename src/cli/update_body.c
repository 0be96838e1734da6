#include "update_body.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "joblight/core/json.h"
#include "text_check.h"

static int add_text(struct buf *json, const struct arguments *a, const char *flag)
{
	char name[40];
	const char *text = arguments_value(a, flag);

	if (!text)
		return EXIT_OK;
	snprintf(name, sizeof(name), "--%s", flag);
	int status = text_check(name, slice_of(text));
	if (status == EXIT_OK)
		json_text(json, flag, text);
	return status;
}

/* An empty value clears it, as null does. */
static int add_number(struct buf *json, const char *name, const char *flag, const char *text,
                      double max)
{
	char *end;
	double value = text ? strtod(text, &end) : 0;

	if (!text)
		return EXIT_OK;
	json_name(json, name);
	if (!text[0])
		buf_text(json, "null");
	else if (*end || !(value >= 0 && value <= max) ||
	         strspn(text, "0123456789.") != strlen(text))
		return arguments_fault(flag, text,
		                       max == 100 ? "it takes a number from 0 to 100"
		                                  : "it takes a whole number");
	else
		json_number(json, value);
	return EXIT_OK;
}

static int read_input(struct buf *note)
{
	ssize_t n;

	do {
		buf_reserve(note, 65536);
		n = read(STDIN_FILENO, note->ptr + note->len, 65536);
		if (n > 0)
			note->len += (size_t)n;
	} while ((n > 0 || (n < 0 && errno == EINTR)) && note->len <= NOTE_INPUT_MAX);
	if (n == 0 && note->len && note->ptr[note->len - 1] == '\n')
		note->len--;
	if (n == 0)
		return text_check("standard input", buf_as_slice(note));
	fprintf(stderr, "joblight: --note -: %s\n",
	        n < 0 ? strerror(errno) : "standard input has more than 16 MiB");
	return EXIT_FAILED;
}

/* `--note -` is standard input; an empty note clears it, as null does. */
static int add_note(struct buf *json, const struct arguments *a)
{
	const char *text = arguments_value(a, "note");
	struct buf input = { 0 };
	int status = EXIT_OK;

	if (!text)
		return EXIT_OK;
	if (strcmp(text, "-") == 0)
		status = read_input(&input);
	else
		buf_text(&input, text);
	if (status == EXIT_OK)
		status = text_check("--note", buf_as_slice(&input));
	json_name(json, "note");
	if (status == EXIT_OK && input.len)
		json_string(json, buf_as_slice(&input));
	else
		buf_text(json, "null");
	buf_finish(&input);
	return status;
}

static int add_silence(struct buf *json, const struct arguments *a)
{
	const char *text = arguments_value(a, "silence");
	int64_t ms;

	if (!text)
		return EXIT_OK;
	if (!arguments_time(text, &ms))
		return arguments_fault("--silence", text, "it takes a time such as 30s");
	json_name(json, "heartbeatTimeoutMs");
	buf_format(json, "%lld", (long long)ms);
	return EXIT_OK;
}

int update_body_make(struct buf *json, const struct arguments *a)
{
	int status = text_check("the task", slice_of(a->operands[1]));

	buf_text(json, "{\"taskId\":");
	if (status == EXIT_OK)
		json_string(json, slice_of(a->operands[1]));
	if (status == EXIT_OK)
		status = add_text(json, a, "status");
	if (status == EXIT_OK)
		status = add_text(json, a, "title");
	if (status == EXIT_OK)
		status = add_number(json, "progress", "--progress", arguments_value(a, "progress"),
		                    100);
	if (status == EXIT_OK)
		status = add_number(json, "attempt", "--attempt", arguments_value(a, "attempt"),
		                    9007199254740991.0);
	if (status == EXIT_OK)
		status = add_note(json, a);
	if (status == EXIT_OK)
		status = add_silence(json, a);
	buf_char(json, '}');
	return status;
}
