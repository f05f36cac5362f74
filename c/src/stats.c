/* The statistics of a queue, as people read them: sums, rows by minute, how long waits and runs were. Reads only. */
#include "stats.h"

#include <stdio.h>
#include <string.h>

static const char *const kind_name[HQ_TALLY_KINDS] = {"finished", "failed", "retried", "lost"};

static void put_field(hq_batch *b, int64_t minute, const char *what) {
  char name[32];
  int n = snprintf(name, sizeof name, "%lld%s", (long long)minute, what);
  hq_batch_arg(b, name, (size_t)n);
}

void hq_put_minutes(hq_batch *b, const hq_qkeys *q, int64_t now, uint32_t counts, uint32_t times) {
  int64_t m = now / HQ_MINUTE_MS;
  hq_batch_begin(b, 2 + counts + 2 * times, -1);
  hq_batch_text_arg(b, "HMGET");
  hq_batch_slice(b, q->key[HQ_Q_MINUTES]);
  for (uint32_t i = counts; i-- > 0;) put_field(b, m - i, "");
  for (uint32_t i = 0; i < times; i++) {
    put_field(b, m - i, ":w");
    put_field(b, m - i, ":r");
  }
}

/* "<finished> <failed> <retried> <lost>"; what is not understood is 0. */
static bool read_counts(hq_slice text, int64_t count[HQ_TALLY_KINDS]) {
  const char *p = text.p, *end = text.p + text.n;
  for (int i = 0; i < HQ_TALLY_KINDS; i++) count[i] = 0;
  for (int i = 0; p && i < HQ_TALLY_KINDS && p <= end; i++) {
    const char *space = memchr(p, ' ', (size_t)(end - p));
    hq_slice word = {p, (size_t)((space ? space : end) - p)};
    if (!hq_slice_to_int64(word, &count[i]) || count[i] < 0 || count[i] >= (int64_t)1 << 53) count[i] = 0;
    p += word.n + 1;
  }
  return text.p != NULL;
}

static void read_times(const hq_reply *r, uint32_t from, uint32_t n, hq_histogram *waits, hq_histogram *runs) {
  for (uint32_t i = 0; i < n; i++) {
    hq_histogram_read(waits, hq_reply_str(hq_reply_at(r, from + 2 * i)));
    hq_histogram_read(runs, hq_reply_str(hq_reply_at(r, from + 2 * i + 1)));
  }
}

void hq_get_minutes(const hq_reply *r, int64_t now, uint32_t counts, uint32_t times, hq_minutes *out,
                    heroq_record *rows) {
  int64_t m = now / HQ_MINUTE_MS;
  memset(out, 0, sizeof *out);
  for (uint32_t i = 0; i < counts; i++) {
    int64_t count[HQ_TALLY_KINDS];
    if (!read_counts(hq_reply_str(hq_reply_at(r, i)), count)) continue;
    for (int k = 0; k < HQ_TALLY_KINDS; k++) out->sum[k] += count[k];
    if (!rows) continue;
    heroq_record *row = hq_record_new();
    hq_record_add_int(row, "time", (m - counts + 1 + i) * HQ_MINUTE_MS);
    for (int k = 0; k < HQ_TALLY_KINDS; k++) hq_record_add_int(row, kind_name[k], count[k]);
    hq_record_add_child(rows, "", row);
  }
  read_times(r, counts, times, &out->waits, &out->runs);
}

void hq_put_recent(hq_batch *b, const hq_qkeys *q, int64_t now) { hq_put_minutes(b, q, now, HQ_SHOWN, HQ_RECENT); }

hq_recent hq_get_recent(const hq_reply *r, int64_t now) {
  hq_recent out = {0};
  hq_histogram waits = {0}, runs = {0};
  double minutes = HQ_RECENT - 1 + (double)(now % HQ_MINUTE_MS + 1) / HQ_MINUTE_MS;
  for (uint32_t i = 0; i < HQ_SHOWN; i++) {
    read_counts(hq_reply_str(hq_reply_at(r, i)), out.minute[i]);
    if (i < HQ_SHOWN - HQ_RECENT) continue;
    out.finished += (double)out.minute[i][HQ_TALLY_FINISHED] / minutes;
    out.failed += (double)out.minute[i][HQ_TALLY_FAILED] / minutes;
  }
  read_times(r, HQ_SHOWN, HQ_RECENT, &waits, &runs);
  out.wait_p95 = hq_histogram_quantile(&waits, 0.95);
  out.run_p95 = hq_histogram_quantile(&runs, 0.95);
  return out;
}

/* ---- the record ---- */

void hq_recent_record(heroq_record *to, const hq_recent *recent) {
  heroq_record *all = hq_record_new();
  hq_record_add_double(to, "finished_per_minute", recent->finished);
  hq_record_add_double(to, "failed_per_minute", recent->failed);
  hq_record_add_double(to, "wait_p95", recent->wait_p95);
  hq_record_add_double(to, "run_p95", recent->run_p95);
  for (int k = 0; k < HQ_TALLY_KINDS; k++) {
    heroq_record *counts = hq_record_list();
    for (int i = 0; i < HQ_SHOWN; i++) hq_record_add_int(counts, "", recent->minute[i][k]);
    hq_record_add_child(all, kind_name[k], counts);
  }
  hq_record_add_child(to, "minutes", all);
}

static void add_histogram(heroq_record *to, const char *name, const hq_histogram *h) {
  heroq_record *r = hq_record_new(), *rows = hq_record_list();
  hq_record_add_int(r, "count", hq_histogram_count(h));
  hq_record_add_double(r, "p50", hq_histogram_quantile(h, 0.5));
  hq_record_add_double(r, "p95", hq_histogram_quantile(h, 0.95));
  hq_record_add_double(r, "p99", hq_histogram_quantile(h, 0.99));
  for (int i = 0; i < HQ_BUCKETS; i++) {
    if (!h->bucket[i]) continue;
    heroq_record *row = hq_record_new();
    hq_record_add_double(row, "from", (double)hq_bucket_begins(i) / 1000);
    hq_record_add_double(row, "to", (double)hq_bucket_begins(i + 1) / 1000);
    hq_record_add_int(row, "count", h->bucket[i]);
    hq_record_add_child(rows, "", row);
  }
  hq_record_add_child(r, "rows", rows);
  hq_record_add_child(to, name, r);
}

heroq_status hq_minutes_record(const hq_reply *r, int64_t now, uint32_t counts, uint32_t times, heroq_record **out,
                               heroq_error *err) {
  hq_minutes all;
  heroq_record *record = hq_record_new(), *rows = hq_record_list();
  int64_t m = now / HQ_MINUTE_MS;
  hq_get_minutes(r, now, counts, times, &all, rows);
  hq_record_add_int(record, "now", now);
  hq_record_add_int(record, "since", (m - counts + 1) * HQ_MINUTE_MS);
  hq_record_add_int(record, "times_since", (m - times + 1) * HQ_MINUTE_MS);
  for (int k = 0; k < HQ_TALLY_KINDS; k++) hq_record_add_int(record, kind_name[k], all.sum[k]);
  add_histogram(record, "wait", &all.waits);
  add_histogram(record, "run", &all.runs);
  hq_record_add_child(record, "rows", rows);
  return hq_record_finish(record, out, err);
}
