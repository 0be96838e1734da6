/*
 * The text formats of metrics.
 *
 *   https://prometheus.io/docs/instrumenting/exposition_formats/
 *   https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md
 *
 * They differ in the names of counters (the family of x_total is x in OpenMetrics), in the line of
 * the unit, and in the last line.  A count of a histogram is the sum of its buckets, so it is
 * consistent with them while other threads count.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "joblight/core/metric.h"

enum metric_kind { KIND_COUNTER, KIND_GAUGE, KIND_HIGHEST, KIND_HISTOGRAM };
enum metric_unit { UNIT_NO_UNIT, UNIT_BYTES, UNIT_SECONDS };

struct bounds {
	const char *const *texts;
	unsigned count;
};

struct labels {
	const char *name;
	const char *const *values;
	unsigned count;
};

struct metric {
	unsigned cell;
	enum metric_kind kind;
	const struct labels *labels;
	const char *name;
	const struct bounds *bounds; /* of a histogram */
	enum metric_unit unit;
	const char *help;
};

#define BOUND(value, text) text,
static const char *const time_texts[] = { METRIC_TIMES };
static const char *const size_texts[] = { METRIC_SIZES };
#undef BOUND

static const struct bounds bounds_TIMES = { time_texts, METRIC_TIMES_CELLS - 2 };
static const struct bounds bounds_SIZES = { size_texts, METRIC_SIZES_CELLS - 2 };

#define SET(set, name) static const char *const values_##set[] = {
#define VALUE(set, id, text) text,
#define END(set)                                                                                   \
	}                                                                                          \
	;
#include "joblight/core/metric_labels.def"
#undef SET
#undef VALUE
#undef END

#define SET(set, name)                                                                             \
	static const struct labels labels_##set = { name, values_##set, LABELS_##set };
#define VALUE(set, id, text)
#define END(set)
#include "joblight/core/metric_labels.def"
#undef SET
#undef VALUE
#undef END

static const struct metric metrics[] = {
#define ROW(id, kind, set, name, bounds, unit, help)                                               \
	{ METRIC_##id, KIND_##kind, &labels_##set, name, bounds, UNIT_##unit, help },
#define COUNTER(id, set, name, unit, help) ROW(id, COUNTER, set, name, NULL, unit, help)
#define GAUGE(id, set, name, unit, help) ROW(id, GAUGE, set, name, NULL, unit, help)
#define HIGHEST(id, set, name, unit, help) ROW(id, HIGHEST, set, name, NULL, unit, help)
#define HISTOGRAM(id, set, name, buckets, unit, help)                                              \
	ROW(id, HISTOGRAM, set, name, &bounds_##buckets, unit, help)
#include "joblight/core/metrics.def"
#undef ROW
#undef COUNTER
#undef GAUGE
#undef HIGHEST
#undef HISTOGRAM
};

struct exposition_writer {
	struct buf *out;
	enum exposition format;
	const struct metric *metric;
};

/* Values. */

static void add_value(struct buf *out, enum metric_unit unit, uint64_t value)
{
	if (unit == UNIT_SECONDS)
		buf_format(out, "%" PRIu64 ".%06" PRIu64, value / 1000000, value % 1000000);
	else
		buf_u64(out, value);
	buf_char(out, '\n');
}

static void add_lower(struct buf *out, const char *text)
{
	for (; *text; text++)
		buf_char(out, *text >= 'A' && *text <= 'Z' ? (char)(*text - 'A' + 'a') : *text);
}

/* {label="value",le="bound"}, as far as there are any. */
static void add_labels(struct buf *out, const struct labels *labels, unsigned value, const char *le)
{
	bool has_label = labels->name[0] != '\0';

	if (!has_label && !le)
		return;
	buf_char(out, '{');
	if (has_label) {
		buf_text(out, labels->name);
		buf_text(out, "=\"");
		add_lower(out, labels->values[value]);
		buf_text(out, le ? "\"," : "\"");
	}
	if (le) {
		buf_text(out, "le=\"");
		buf_text(out, le);
		buf_char(out, '"');
	}
	buf_char(out, '}');
}

static void add_sample(const struct exposition_writer *w, const char *suffix, unsigned label,
                       const char *le, enum metric_unit unit, uint64_t value)
{
	buf_text(w->out, w->metric->name);
	buf_text(w->out, suffix);
	add_labels(w->out, w->metric->labels, label, le);
	buf_char(w->out, ' ');
	add_value(w->out, unit, value);
}

static void add_histogram(const struct exposition_writer *w, unsigned label, const uint64_t *cells)
{
	const struct bounds *bounds = w->metric->bounds;
	uint64_t count = 0;

	for (unsigned i = 0; i <= bounds->count; i++) {
		count += cells[i];
		add_sample(w, "_bucket", label, i < bounds->count ? bounds->texts[i] : "+Inf",
		           UNIT_NO_UNIT, count);
	}
	add_sample(w, "_sum", label, NULL, w->metric->unit, cells[bounds->count + 1]);
	add_sample(w, "_count", label, NULL, UNIT_NO_UNIT, count);
}

/* Families. */

static void add_comment(const struct exposition_writer *w, const char *word, const char *text)
{
	const struct metric *m = w->metric;
	size_t len = strlen(m->name);

	if (m->kind == KIND_COUNTER && w->format == EXPOSITION_OPENMETRICS)
		len -= strlen("_total");
	buf_format(w->out, "# %s %.*s %s\n", word, (int)len, m->name, text);
}

static void add_comments(const struct exposition_writer *w)
{
	static const char *const kinds[] = { "counter", "gauge", "gauge", "histogram" };
	static const char *const units[] = { "", "bytes", "seconds" };

	add_comment(w, "HELP", w->metric->help);
	add_comment(w, "TYPE", kinds[w->metric->kind]);
	if (w->metric->unit && w->format == EXPOSITION_OPENMETRICS)
		add_comment(w, "UNIT", units[w->metric->unit]);
}

static void add_family(const struct exposition_writer *w, const struct metric_values *v)
{
	const struct metric *m = w->metric;
	unsigned step = m->bounds ? m->bounds->count + 2 : 1;

	add_comments(w);
	for (unsigned label = 0; label < m->labels->count; label++) {
		unsigned cell = m->cell + label * step;
		if (!m->labels->values[label])
			continue;
		if (m->kind == KIND_HISTOGRAM)
			add_histogram(w, label, &v->cells[cell]);
		else
			add_sample(w, "", label, NULL, m->unit,
			           m->kind == KIND_HIGHEST ? metrics_highest(cell)
			                                   : v->cells[cell]);
	}
}

void metrics_encode(struct buf *out, enum exposition format)
{
	struct exposition_writer w = { out, format, NULL };
	struct metric_values v;

	metrics_gather(&v);
	for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
		w.metric = &metrics[i];
		add_family(&w, &v);
	}
	if (format == EXPOSITION_OPENMETRICS)
		buf_text(out, "# EOF\n");
}
