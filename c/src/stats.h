/* Reading what TALLY wrote: the minutes of a queue. */
#ifndef HQ_STATS_H
#define HQ_STATS_H
#include "delivery.h"
#include "histogram.h"
#include "record_private.h"

#define HQ_MINUTE_MS 60000
#define HQ_COUNTS_KEPT 1440 /* minutes */
#define HQ_TIMES_KEPT 60
#define HQ_RECENT 5
#define HQ_SHOWN 15 /* minutes that a listing has, for a small curve */

typedef struct hq_minutes {
  int64_t sum[HQ_TALLY_KINDS];
  hq_histogram waits, runs;
} hq_minutes;
/* One HMGET: the minute of `now` (Unix ms) and those before it, `counts` minutes, of the newest `times` the histograms. */
void hq_put_minutes(hq_batch *b, const hq_qkeys *q, int64_t now, uint32_t counts, uint32_t times);
/* Its answer. With `rows` each minute that has something is added there, the oldest first. */
void hq_get_minutes(const hq_reply *r, int64_t now, uint32_t counts, uint32_t times, hq_minutes *out,
                    heroq_record *rows);
/* All of it as heroq_queue_counters answers it. */
heroq_status hq_minutes_record(const hq_reply *r, int64_t now, uint32_t counts, uint32_t times, heroq_record **out,
                               heroq_error *err);
/* What listings tell of the last minutes: finished, failed (a minute), wait_p95, run_p95 (ms) of the last HQ_RECENT; the
 * counts of HQ_SHOWN, the oldest first. */
typedef struct hq_recent {
  double finished, failed, wait_p95, run_p95;
  int64_t minute[HQ_SHOWN][HQ_TALLY_KINDS];
} hq_recent;
void hq_put_recent(hq_batch *b, const hq_qkeys *q, int64_t now);
hq_recent hq_get_recent(const hq_reply *r, int64_t now);
void hq_recent_record(heroq_record *to, const hq_recent *recent);
#endif
