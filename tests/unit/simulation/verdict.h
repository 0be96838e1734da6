/* Which schedule runs, and the end of one that breaks a promise: its seed is named, so that it can
 * be run again. */
#ifndef JOBLIGHT_TESTS_VERDICT_H
#define JOBLIGHT_TESTS_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

/* Also arms a watchdog: a schedule that hangs or crashes names its seed too. */
void verdict_begin(uint64_t seed, bool tracing);
void verdict_done(void);
void verdict_step(uint64_t step);

void verdict_broken(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void verdict_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool verdict_tracing(void);

#define promise(held, ...) ((held) ? (void)0 : verdict_broken(__VA_ARGS__))
#define trace(...) (verdict_tracing() ? verdict_trace(__VA_ARGS__) : (void)0)

#endif
