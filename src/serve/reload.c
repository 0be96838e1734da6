#include "reload.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "issuer_file.h"
#include "joblight/base/audit.h"
#include "joblight/base/log.h"
#include "joblight/core/metric.h"
#include "joblight/net/certificates.h"
#include "joblight/net/loop.h"
#include "joblight/work/writer.h"

#define LOOPS_WAIT_MS 1000

/* What is to be in force. */
struct prepared {
	struct config read;   /* the configuration as it was read */
	struct config config; /* the running one, with what can be changed */
	struct issuer *issuer;
	struct file_stamp issuer_stamp;
	struct certificates *certificates;
	struct tls_files tls_files; /* for its stamps */
};

static void refuse(struct buf *answer, const char *message, const char *cause)
{
	log_error(message, "cause", cause);
	buf_format(answer, "%s\n", cause);
}

static void count(enum label_FILE file, bool ok)
{
	metric_count(METRIC_RELOADS + file);
	if (!ok)
		metric_count(METRIC_RELOAD_FAILURES + file);
	metric_set(METRIC_RELOAD_FAILING + file, !ok);
}

/* ---- reading ---- */

static bool read_config(struct server *s, struct prepared *p, struct buf *answer)
{
	static const char prefix[] = "joblight: ";
	char *message = NULL;
	size_t len;
	FILE *errors = open_memstream(&message, &len);

	if (!errors)
		return false;
	bool ok = config_read_again(&p->read, &s->config, errors);
	fclose(errors);
	count(LABEL_FILE_CONFIG, ok);
	if (!ok) {
		size_t skip = strncmp(message, prefix, sizeof(prefix) - 1) ? 0 : sizeof(prefix) - 1;
		message[skip + strcspn(message + skip, "\n")] = '\0';
		refuse(answer, "the configuration has a mistake; nothing was changed",
		       message + skip);
	}
	free(message);
	p->config = s->config;
	if (ok)
		config_take_live(&p->config, &p->read);
	config_own_texts(&p->config);
	return ok;
}

static bool read_issuer(struct prepared *p, struct buf *answer)
{
	char error[512];

	/* before it is read: what changes afterwards is another version */
	if (p->config.jwt_keys)
		file_stamp_changed(&p->issuer_stamp, p->config.jwt_keys);
	bool ok = issuer_file_read(&p->config, &p->issuer, error, sizeof(error));

	if (p->config.jwt_keys)
		count(LABEL_FILE_JWT_KEYS, ok);
	if (!ok)
		refuse(answer, "the keys of tokens were not changed", error);
	return ok;
}

static bool read_certificates(const struct server *s, struct prepared *p, struct buf *answer)
{
	char error[512];

	if (!s->tls_files.first)
		return true;
	p->tls_files = (struct tls_files){ .certificates = &p->config.tls_certificates,
		                           .keys = &p->config.tls_keys };
	tls_files_changed(&p->tls_files);
	p->certificates = tls_files_load(&p->config.tls_certificates, &p->config.tls_keys, error,
	                                 sizeof(error));
	count(LABEL_FILE_CERTIFICATES, p->certificates != NULL);
	if (!p->certificates)
		refuse(answer, "the certificates have a mistake; the old ones stay", error);
	return p->certificates != NULL;
}

/* ---- changing ---- */

static void take_issuer(struct server *s, struct issuer *next)
{
	if (!next)
		return;
	loops_set_issuer(s->loops, next);
	issuer_release(s->issuer);
	s->issuer = issuer_hold(next);
	log_info("the keys of tokens were read again", "file", s->config.jwt_keys);
}

static void take_certificates(struct server *s, struct certificates *next)
{
	if (!next)
		return;
	loops_set_certificates(s->loops, next);
	log_info("the certificates were read again");
}

static void describe(struct buf *changed, struct buf *waiting, struct buf *answer)
{
	if (!changed->len)
		buf_text(changed, "nothing");
	log_info("the configuration was read again", "changed", buf_string(changed));
	buf_format(answer, "changed: %s\n", buf_string(changed));
	if (!waiting->len)
		return;
	log_warn("these settings take effect when the server is started again", "settings",
	         buf_string(waiting));
	buf_format(answer, "needs a restart: %s\n", buf_string(waiting));
}

/*
 * The mail of a loop is in order, so a loop that has these settings has the limits, too.  A loop
 * that is at work for longer takes them later.
 */
static void wait_for_loops(const struct loop_settings *before)
{
	const struct timespec pause = { .tv_nsec = 1000 * 1000 };

	for (int i = 0; i < LOOPS_WAIT_MS && !loop_settings_are_unused(before); i++)
		nanosleep(&pause, NULL);
}

static void take_config(struct server *s, struct prepared *p)
{
	struct loop_settings *before = s->settings;

	s->settings = server_loop_settings(s, &p->config);
	limits_take_live(&s->limits, &p->config.limits);
	loops_set_limits(s->loops, &s->limits);
	writer_set_limits(atomic_load(&s->writer), &s->limits);
	loops_set_settings(s->loops, s->settings);
	wait_for_loops(before);
	loop_settings_release(before);
	log_set_level(p->config.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	log_debug("lines of level debug are logged"); /* only when they are */
	config_finish(&s->config);
	s->config = p->config;
	p->config.texts = NULL;
}

static void take_all(struct server *s, struct prepared *p, struct buf *answer)
{
	struct buf changed = { 0 }, waiting = { 0 };

	config_list_changes(&s->config, &p->read, true, &changed);
	config_list_changes(&s->config, &p->read, false, &waiting);
	take_config(s, p);
	describe(&changed, &waiting, answer);
	buf_finish(&changed);
	buf_finish(&waiting);
	take_issuer(s, p->issuer);
	take_certificates(s, p->certificates);
	memcpy(s->tls_files.stamps, p->tls_files.stamps, sizeof(s->tls_files.stamps));
	s->issuer_stamp = p->issuer_stamp;
}

static void finish(struct prepared *p)
{
	config_finish(&p->read);
	config_finish(&p->config); /* unless it was taken */
	issuer_release(p->issuer);
	certificates_release(p->certificates);
}

/* Logs that were moved are opened again in any case. */
bool reload_all(struct server *s, struct buf *answer)
{
	struct prepared p = { 0 };

	audit_reopen();
	bool ok = read_config(s, &p, answer) && read_issuer(&p, answer) &&
	          read_certificates(s, &p, answer);
	if (ok)
		take_all(s, &p, answer);
	finish(&p);
	return ok;
}

void reload_changed_files(struct server *s)
{
	struct prepared p = { .config = s->config };
	struct buf answer = { 0 };

	p.config.texts = NULL; /* they stay those of the server */

	if (tls_files_changed(&s->tls_files) && read_certificates(s, &p, &answer))
		take_certificates(s, p.certificates);
	if (s->config.jwt_keys && file_stamp_changed(&s->issuer_stamp, s->config.jwt_keys) &&
	    read_issuer(&p, &answer))
		take_issuer(s, p.issuer);
	finish(&p);
	buf_finish(&answer);
}
