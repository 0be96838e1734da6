/* The lines of the log: their two formats, how often one cause is told, and who waits for standard
 * error. */
#include "kit.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"

#include "joblight/base/log.h"
#include "joblight/base/log_causes.h"
#include "joblight/base/log_line.h"
#include "joblight/base/log_output.h"

/* One line with a value, without its end; the caller frees it. */
static char *line_of(enum log_format format, enum log_place place, struct slice value)
{
	struct log_line line;

	log_line_set_format(format);
	log_line_begin(&line, place, LOG_LEVEL_WARN, "a message");
	log_line_slice(&line, "k", value);
	log_line_text(&line, "none", NULL);
	log_line_text(&line, "failures", "7");
	log_line_text(&line, "suppressed", "many");
	log_line_number(&line, "n", 42);
	log_line_true(&line, "on");
	log_line_end(&line);
	log_line_set_format(LOG_FORMAT_LOGFMT);
	char *text = strdup(buf_string(&line.text));
	buf_finish(&line.text);
	return text;
}

static void has_value(struct slice value, const char *logfmt, const char *json)
{
	char wanted[512];
	char *text = line_of(LOG_FORMAT_LOGFMT, LOG_TO_STDERR, value);

	snprintf(wanted, sizeof(wanted),
	         " level=warn msg=\"a message\" k=%s failures=7 suppressed=many n=42 on=true\n",
	         logfmt);
	assert_string_equal(strchr(text, ' '), wanted);
	free(text);
	text = line_of(LOG_FORMAT_JSON, LOG_TO_STDERR, value);
	snprintf(
	    wanted, sizeof(wanted),
	    ",\"level\":\"warn\",\"msg\":\"a "
	    "message\",\"k\":\"%s\",\"failures\":7,\"suppressed\":\"many\",\"n\":42,\"on\":true}\n",
	    json);
	assert_string_equal(strchr(text, ','), wanted);
	free(text);
}

static void a_value_is_quoted_where_it_must_be(void **state)
{
	(void)state;
	has_value(SLICE("plain"), "plain", "plain");
	has_value(SLICE("/api/jobs/:job"), "/api/jobs/:job", "/api/jobs/:job");
	has_value(SLICE("two words"), "\"two words\"", "two words");
	has_value(SLICE("a=b"), "\"a=b\"", "a=b");
	has_value(SLICE(""), "\"\"", "");
	has_value(SLICE("ends>"), "ends>", "ends>");
	has_value(SLICE("ends{"), "ends{", "ends{");
}

static void a_value_is_escaped(void **state)
{
	(void)state;
	has_value(SLICE("a\nb"), "\"a\\nb\"", "a\\nb");
	has_value(SLICE("\r\t\"\\"), "\"\\r\\t\\\"\\\\\"", "\\r\\t\\\"\\\\");
	has_value(SLICE("n"), "n", "n");
	has_value(SLICE("a\0b\x1b\x7f"), "\"a\\u0000b\\u001b\\u007f\"", "a\\u0000b\\u001b\\u007f");
	has_value(SLICE("\xc3\xa9"), "\"\\u00e9\"", "\\u00e9");
	has_value(SLICE("\xe2\x80\xa8"), "\"\\u2028\"", "\\u2028");
	has_value(SLICE("\xf0\x9f\x98\x80"), "\"\\ud83d\\ude00\"", "\\ud83d\\ude00");
	has_value(SLICE("\xf4\x8f\xbf\xbf"), "\"\\udbff\\udfff\"", "\\udbff\\udfff");
}

static void what_is_not_utf8_is_replaced(void **state)
{
	static const struct {
		struct slice bytes;
		unsigned replaced;
	} rows[] = {
		{ { "\x80", 1 }, 1 },                 /* a continuation alone */
		{ { "\xc3", 1 }, 1 },                 /* cut off */
		{ { "\xc3(", 2 }, 1 },                /* not continued */
		{ { "\xc0\xaf", 2 }, 2 },             /* overlong */
		{ { "\xe0\x80\xaf", 3 }, 3 },         /* overlong */
		{ { "\xed\xa0\x80", 3 }, 3 },         /* a surrogate */
		{ { "\xf4\x90\x80\x80", 4 }, 4 },     /* above U+10FFFF */
		{ { "\xf0\x82\x82\xac", 4 }, 4 },     /* overlong */
		{ { "\xff\xfe", 2 }, 2 },             /* no lead */
		{ { "\xf8\x88\x80\x80\x80", 5 }, 5 }, /* five bytes */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *text = line_of(LOG_FORMAT_JSON, LOG_TO_STDERR, rows[i].bytes);
		unsigned found = 0;
		for (const char *at = text; (at = strstr(at, "\\ufffd")) != NULL; at++)
			found++;
		assert_int_equal(found, rows[i].replaced);
		free(text);
	}
}

#define WORDS_20 "abcdefghijABCDEFGHIJ"

static void a_credential_is_cut_out(void **state)
{
	(void)state;
	has_value(SLICE("jl_4nQ0vB8sKx2M_0123456789012345678901234567890123456789012"),
	          "jl_4nQ0vB8sKx2M_[redacted]", "jl_4nQ0vB8sKx2M_[redacted]");
	has_value(SLICE("a eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln, b"), "\"a eyJ[redacted], b\"",
	          "a eyJ[redacted], b");
	has_value(SLICE("jl_" WORDS_20 "a"), "jl_[redacted]", "jl_[redacted]");
	has_value(SLICE("jl_" WORDS_20 "a x_y"), "\"jl_[redacted] x_y\"", "jl_[redacted] x_y");
	has_value(SLICE("eyJ" WORDS_20 "a.b.c"), "eyJ[redacted]", "eyJ[redacted]");
	has_value(SLICE("eyJ" WORDS_20), "eyJ" WORDS_20, "eyJ" WORDS_20); /* too short for one */
	has_value(SLICE("jl_0123456789AB_" WORDS_20 " eyJ" WORDS_20 "a"),
	          "\"jl_0123456789AB_[redacted] eyJ[redacted]\"",
	          "jl_0123456789AB_[redacted] eyJ[redacted]");
	has_value(SLICE("xeyJ" WORDS_20 "a"), "xeyJ[redacted]", "xeyJ[redacted]");
	has_value(SLICE("jl_0123456789AB_"), "jl_0123456789AB_", "jl_0123456789AB_");
	has_value(SLICE("jl_short"), "jl_short", "jl_short");
	has_value(SLICE("jl_"), "jl_", "jl_");
	/* the bytes after the slice are not looked at */
	has_value((struct slice){ "eyJ01234567890123456789abcdef", 23 }, "eyJ01234567890123456789",
	          "eyJ01234567890123456789");
}

static void a_long_value_is_cut_off(void **state)
{
	char bytes[LOG_VALUE_MAX + 7];

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	char *whole = line_of(LOG_FORMAT_LOGFMT, LOG_TO_STDERR,
	                      (struct slice){ bytes, LOG_VALUE_MAX });
	char *cut = line_of(LOG_FORMAT_LOGFMT, LOG_TO_STDERR,
	                    (struct slice){ bytes, LOG_VALUE_MAX + 7 });

	assert_null(strstr(whole, "more bytes"));
	assert_non_null(strstr(cut, "x[7 more bytes]\" failures=7"));
	assert_int_equal(strlen(cut), strlen(whole) + strlen("\"[7 more bytes]\""));
	free(whole);
	free(cut);
}

static void the_journal_gets_a_priority_and_no_time(void **state)
{
	(void)state;
	log_line_set_journal(true);
	char *logfmt = line_of(LOG_FORMAT_LOGFMT, LOG_TO_STDERR, SLICE("v")),
	     *json = line_of(LOG_FORMAT_JSON, LOG_TO_STDERR, SLICE("v")),
	     *file = line_of(LOG_FORMAT_LOGFMT, LOG_TO_FILE, SLICE("v"));
	log_line_set_journal(false);

	assert_string_equal(
	    logfmt,
	    "<4>level=warn msg=\"a message\" k=v failures=7 suppressed=many n=42 on=true\n");
	assert_string_equal(
	    json,
	    "<4>{\"level\":\"warn\",\"msg\":\"a "
	    "message\",\"k\":\"v\",\"failures\":7,\"suppressed\":\"many\",\"n\":42,\"on\":true}\n");
	assert_int_equal(strncmp(file, "time=2", 6), 0);
	free(logfmt);
	free(json);
	free(file);
}

/* How often a cause is told. */

static void a_second_has_ten_lines(void **state)
{
	struct log_limit l = { 0 };
	uint64_t now = 5000;

	(void)state;
	for (unsigned i = 0; i < LOG_LIMIT_LINES; i++)
		assert_true(log_limit_takes(&l, now));
	for (unsigned i = 0; i < 7; i++)
		assert_false(log_limit_takes(&l, now + LOG_LIMIT_MS - 1));
	assert_int_equal(log_limit_left_out(&l, now + LOG_LIMIT_MS - 1), 0);
	assert_false(log_limit_is_idle(&l, now + LOG_LIMIT_MS));
	assert_int_equal(log_limit_left_out(&l, now + LOG_LIMIT_MS), 7);
	assert_int_equal(log_limit_left_out(&l, now + LOG_LIMIT_MS), 0);
	assert_true(log_limit_is_idle(&l, now + LOG_LIMIT_MS));
	assert_true(log_limit_takes(&l, now + LOG_LIMIT_MS));
	assert_false(log_limit_is_idle(&l, now + LOG_LIMIT_MS));
}

static void a_flood_hides_no_other_cause(void **state)
{
	static struct log_causes causes;

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		log_limit_takes(&log_causes_find(&causes, LOG_LEVEL_WARN, "flood", 7000)->limit,
		                7000);
	assert_true(
	    log_limit_takes(&log_causes_find(&causes, LOG_LEVEL_WARN, "other", 7000)->limit, 7000));
	assert_true(log_limit_takes(
	    &log_causes_find(&causes, LOG_LEVEL_ERROR, "flood", 7000)->limit, 7000));
	assert_int_equal(causes.count, 3);
	assert_int_equal(log_causes_find(&causes, LOG_LEVEL_WARN, "flood", 7000)->limit.suppressed,
	                 990);
}

static void a_full_table_limits_no_new_cause(void **state)
{
	static struct log_causes causes;
	static char names[LOG_CAUSES_MAX + 1][8];

	(void)state;
	for (unsigned i = 0; i <= LOG_CAUSES_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "m%u", i);
		struct log_cause *c = log_causes_find(&causes, LOG_LEVEL_INFO, names[i], 9000);
		assert_int_equal(c != NULL, i < LOG_CAUSES_MAX);
		if (c)
			log_limit_takes(&c->limit, 9000);
	}
	/* a second later the place of one that is over is taken */
	struct log_cause *c = log_causes_find(&causes, LOG_LEVEL_INFO, names[LOG_CAUSES_MAX],
	                                      10000);
	assert_non_null(c);
	assert_string_equal(c->message, names[LOG_CAUSES_MAX]);
}

/* Who waits. */

static int real_stderr, reading;

static void stderr_is_a_pipe(void)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	fcntl(ends[1], F_SETPIPE_SZ, 4096);
	reading = ends[0];
	real_stderr = dup(STDERR_FILENO);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
}

static void stderr_is_real(void)
{
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
}

/* All that the pipe has, until its writers are gone. */
static char *read_rest(void)
{
	struct buf text = { 0 };
	char bytes[4096];
	ssize_t n;

	while ((n = read(reading, bytes, sizeof(bytes))) > 0)
		buf_add(&text, bytes, (size_t)n);
	close(reading);
	char *copy = strdup(buf_string(&text));
	buf_finish(&text);
	return copy;
}

/* The sum of the numbers that follow this text. */
static unsigned long sum(const char *text, const char *what)
{
	unsigned long total = 0;

	while ((text = strstr(text, what)) != NULL) {
		text += strlen(what);
		total += strtoul(text, NULL, 10);
	}
	return total;
}

#define LINE "0123456789012345678901234567890123456789012345678901234567890123456789\n"

static void write_many(unsigned lines, enum log_weight weight)
{
	for (unsigned i = 0; i < lines; i++)
		log_output_write(SLICE(LINE), weight);
}

static void *stop_soon(void *unused)
{
	log_stop(60000);  /* a slow machine has to read it all */
	stderr_is_real(); /* closes the pipe */
	return unused;
}

static void nobody_waits_for_a_reader_that_does_not_read(void **state)
{
	unsigned lines = LOG_QUEUE_BYTES / (sizeof(LINE) - 1), bulk = lines / 4 * 3;
	pthread_t stopper;

	(void)state;
	stderr_is_a_pipe();
	log_start();
	write_many(lines * 2, LOG_WEIGHT_BULK); /* returns: the pipe has room for 57 of them */
	log_warn("important");                  /* has the room that is kept for it */
	pthread_create(&stopper, NULL, stop_soon, NULL);
	char *text = read_rest();
	pthread_join(stopper, NULL);
	assert_int_equal(text_count(text, "msg=important"), 1);
	assert_in_range(text_count(text, LINE), bulk - 100, lines);
	/* the thread may have told of some before it was held up */
	assert_int_equal(sum(text, " lost=") + text_count(text, LINE), lines * 2);
	free(text);
}

static void lines_keep_their_order_and_are_whole(void **state)
{
	pthread_t stopper;
	char message[32];
	unsigned i = 0;

	(void)state;
	stderr_is_a_pipe();
	log_start();
	for (i = 0; i < 2000; i++) {
		snprintf(message, sizeof(message), "line %u\n", i);
		log_output_write(slice_of(message), LOG_WEIGHT_NORMAL);
	}
	pthread_create(&stopper, NULL, stop_soon, NULL);
	char *text = read_rest(), *at = text;
	pthread_join(stopper, NULL);
	for (i = 0; i < 2000; i++) {
		unsigned number = 0;
		int len = 0;
		assert_int_equal(sscanf(at, "line %u\n%n", &number, &len), 1);
		assert_int_equal(number, i);
		at += len;
	}
	assert_string_equal(at, "");
	free(text);
}

/* Another process may have made the pipe so. */
static void a_pipe_that_does_not_block_gets_every_line(void **state)
{
	pthread_t stopper;

	(void)state;
	stderr_is_a_pipe();
	fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK);
	log_start();
	write_many(1000, LOG_WEIGHT_NORMAL);
	pthread_create(&stopper, NULL, stop_soon, NULL);
	char *text = read_rest();
	pthread_join(stopper, NULL);
	assert_int_equal(text_count(text, LINE), 1000);
	free(text);
}

static void what_nobody_could_read_is_told_to_the_next_reader(void **state)
{
	pthread_t stopper;
	int ends[2];

	(void)state;
	stderr_is_a_pipe();
	close(reading);
	log_start();
	write_many(3, LOG_WEIGHT_NORMAL);
	log_output_flush(60000);
	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	reading = ends[0];
	write_many(1, LOG_WEIGHT_NORMAL);
	pthread_create(&stopper, NULL, stop_soon, NULL);
	char *text = read_rest();
	pthread_join(stopper, NULL);
	assert_int_equal(text_count(text, LINE), 1);
	assert_int_equal(sum(text, "msg=\"lines of the log are lost\" lost="), 3);
	free(text);
}

static void what_is_left_out_is_told_at_the_stop(void **state)
{
	pthread_t stopper;

	(void)state;
	stderr_is_a_pipe();
	log_set_format(LOG_FORMAT_JSON);
	log_start();
	for (unsigned i = 0; i < 25; i++)
		log_warn("told often");
	pthread_create(&stopper, NULL, stop_soon, NULL);
	char *text = read_rest();
	pthread_join(stopper, NULL);
	log_line_set_format(LOG_FORMAT_LOGFMT);
	unsigned long left_out = sum(text, "suppressed\":");
	assert_in_range(left_out, 1, 15);
	assert_int_equal(text_count(text, "\"msg\":\"told often\"}") + left_out, 25);
	free(text);
}

/* In a child, because the thread is left behind. */
static void a_stop_does_not_wait_for_a_reader_that_does_not_read(void **state)
{
	int status = -1;
	pid_t child;

	(void)state;
	stderr_is_a_pipe();
	child = fork();
	if (child == 0) {
		log_start();
		write_many(1000, LOG_WEIGHT_NORMAL);
		log_output_flush(10);
		log_stop(10);
		log_warn("after it"); /* returns, too */
		end_child(7);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	stderr_is_real();
	close(reading);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_value_is_quoted_where_it_must_be),
		TEST(a_value_is_escaped),
		TEST(what_is_not_utf8_is_replaced),
		TEST(a_credential_is_cut_out),
		TEST(a_long_value_is_cut_off),
		TEST(the_journal_gets_a_priority_and_no_time),
		TEST(a_second_has_ten_lines),
		TEST(a_flood_hides_no_other_cause),
		TEST(a_full_table_limits_no_new_cause),
		TEST(nobody_waits_for_a_reader_that_does_not_read),
		TEST(lines_keep_their_order_and_are_whole),
		TEST(a_pipe_that_does_not_block_gets_every_line),
		TEST(what_nobody_could_read_is_told_to_the_next_reader),
		TEST(what_is_left_out_is_told_at_the_stop),
		TEST(a_stop_does_not_wait_for_a_reader_that_does_not_read), /* the last: it gives up
		                                                             */
	};

	signal(SIGPIPE, SIG_IGN);
	return RUN("log", tests);
}
