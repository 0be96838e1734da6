#include "report.h"

#include <stdio.h>

#include "check.h"
#include "peer.h"
#include "storm.h"
#include "trouble.h"

static double per(double amount, double unit)
{
	return unit > 0 ? amount / unit : 0;
}

/* All figures of a run fit a double exactly. */
static void put(const char *name, double value, int decimals)
{
	printf(",\"%s\":%.*f", name, decimals, value);
}

static void put_load(const struct options *o)
{
	printf("{\"peer\":\"%s\",\"transport\":\"%s\",\"publish_over\":\"%s\"", o->peer->name,
	       o->websocket ? "ws" : "sse", o->publish_ws ? "ws" : "http");
	put("subscribers", (double)o->subscribers, 0);
	put("publishers", (double)o->publishers, 0);
	put("idle", (double)o->idle, 0);
	put("stalled", (double)o->stalled, 0);
	put("jobs", (double)o->jobs, 0);
	put("batch", (double)o->batch, 0);
	put("depth", (double)o->depth, 0);
	put("rate", (double)o->rate, 0);
}

static void put_rates(const struct load *load)
{
	double cpu = load->end.cpu_s - load->start.cpu_s, seconds = load->measured_s;
	double answers = (double)load->measured.answers, updates = (double)load->measured.updates;
	double deliveries = (double)load->measured.deliveries;
	put("seconds", seconds, 3);
	put("answers", answers, 0);
	put("updates", updates, 0);
	put("deliveries", deliveries, 0);
	put("answers_per_s", per(answers, seconds), 1);
	put("updates_per_s", per(updates, seconds), 1);
	put("deliveries_per_s", per(deliveries, seconds), 1);
	put("cpu_s", cpu, 4);
	put("cpu_percent", 100 * per(cpu, seconds), 2);
	put("answers_per_cpu_s", per(answers, cpu), 1);
	put("deliveries_per_cpu_s", per(deliveries, cpu), 1);
	put("generator_cpu_s", load->own_cpu_s, 2);
}

static void put_engines(const struct load *load)
{
	printf(",\"engines_cpu_s\":[");
	for (size_t i = 0; i < load->options.engines.count; i++)
		printf("%s%.4f", i ? "," : "",
		       load->end.engine_cpu_s[i] - load->start.engine_cpu_s[i]);
	printf("]");
}

static void put_latency(const char *name, const struct histogram *h)
{
	static const struct {
		const char *name;
		double quantile;
	} marks[] = { { "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 }, { "p999", 0.999 } };
	printf(",\"%s\":{\"count\":%.0f", name, (double)h->count);
	for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++)
		put(marks[i].name, (double)histogram_quantile(h, marks[i].quantile) / 1e3, 1);
	put("max", (double)h->max / 1e3, 1);
	printf("}");
}

static void put_connections(const struct load *load)
{
	double count = (double)load->subscriber_count;
	double grown = (double)load->connected.rss_kib - (double)load->fresh.rss_kib;
	put("setup_s", load->setup_s, 3);
	put("setup_cpu_us_each", 1e6 * per(load->setup_cpu_s, count), 2);
	put("rss_fresh_kib", (double)load->fresh.rss_kib, 0);
	put("rss_connected_kib", (double)load->connected.rss_kib, 0);
	put("rss_end_kib", (double)load->end.rss_kib, 0);
	put("rss_growth", per((double)load->end.rss_kib, (double)load->fresh.rss_kib), 3);
	put("rss_bytes_each", 1024 * per(grown, count), 0);
	put("rest_s", load->rest_s, 3);
	put("rest_cpu_percent", 100 * per(load->rest_cpu_s, load->rest_s), 3);
	put("heartbeats", (double)load->heartbeats, 0);
}

/* Prints null for `never`, which must not look like a small number. */
static void put_gone(const struct trouble *t, const char *name, enum manner manner)
{
	double seconds = trouble_gone_s(t, manner);
	if (seconds < 0)
		printf(",\"%s_gone_s\":null", name);
	else
		printf(",\"%s_gone_s\":%.2f", name, seconds);
}

static void put_trouble(const struct load *load)
{
	const struct trouble *t = load->trouble;
	put("after_s", load->after_s, 3);
	put("after_cpu_percent", 100 * per(load->after_cpu_s, load->after_s), 3);
	printf(",\"trouble\":{\"quits\":%.0f", (double)t->quits);
	put_gone(t, "stalled", MANNER_STALLED);
	put_gone(t, "slow", MANNER_SLOW);
	put_gone(t, "half", MANNER_HALF);
	put_gone(t, "vanished", MANNER_VANISHED);
	printf("}");
}

static void put_storm(const struct load *load)
{
	const struct storm *s = load->storm;
	double each = 1e6 * per(1, (double)s->back);
	printf(",\"storm\":{\"back\":%.0f", (double)s->back);
	put("seconds", s->seconds, 3);
	put("cpu_s", s->cpu_s, 4);
	put("calm_cpu_s", s->calm_cpu_s, 4);
	put("cut_cpu_us_each", s->cut_cpu_s * each, 2);
	put("cpu_us_each", (s->cpu_s - s->calm_cpu_s) * each, 2);
	put("deliveries", (double)s->deliveries, 0);
	put("silence_ms", (double)load->silence_ns / 1e6, 1);
	put_latency("resume_us", &s->resume);
	put_latency("answer_us", &s->answer);
	put_latency("calm_answer_us", &s->calm);
	printf("}");
}

static void add(struct verdict *all, struct verdict more)
{
	all->lost += more.lost;
	all->twice += more.twice;
	all->out_of_order += more.out_of_order;
	all->misrouted += more.misrouted;
}

bool report_print(const struct load *load)
{
	struct verdict verdict = check_verdict(load->check);
	uint64_t errors = load->errors;
	put_load(&load->options);
	put_rates(load);
	put_engines(load);
	put_latency("answer_us", &load->answer);
	put_latency("delivery_us", &load->delivery);
	put_connections(load);
	put_trouble(load);
	if (load->storm) {
		put_storm(load);
		add(&verdict, load->storm->verdict);
		errors += load->storm->errors;
	}
	put("lost", (double)verdict.lost, 0);
	put("twice", (double)verdict.twice, 0);
	put("out_of_order", (double)verdict.out_of_order, 0);
	put("misrouted", (double)verdict.misrouted, 0);
	put("errors", (double)errors, 0);
	printf("}\n");
	return verdict_clean(&verdict) && !errors;
}
