/* The buckets of durations: four an octave, so that each is at most a quarter wider than the one before. */
#include "histogram.h"

#include <stdlib.h>

int hq_bucket_of(int64_t us) {
  if (us < 4) return us < 0 ? 0 : (int)us;
  int octave = 63 - __builtin_clzll((unsigned long long)us);
  int bucket = (octave - 1) * 4 + (int)(us >> (octave - 2) & 3);
  return bucket < HQ_BUCKETS ? bucket : HQ_BUCKETS - 1;
}

int64_t hq_bucket_begins(int bucket) { return bucket < 4 ? bucket : (int64_t)(4 + bucket % 4) << (bucket / 4 - 1); }

void hq_histogram_add(hq_histogram *h, int64_t us) { h->bucket[hq_bucket_of(us)]++; }

void hq_histogram_put(const hq_histogram *h, hq_buf *out) {
  const char *between = "";
  for (int i = 0; i < HQ_BUCKETS; i++) {
    if (!h->bucket[i]) continue;
    hq_buf_text(out, between);
    hq_buf_int(out, i);
    hq_buf_char(out, ':');
    hq_buf_int(out, h->bucket[i]);
    between = " ";
  }
}

/* The digits at *p. */
static bool number(const char **p, const char *end, int64_t *out) {
  const char *begin = *p;
  while (*p < end && **p >= '0' && **p <= '9') ++*p;
  return hq_slice_to_int64((hq_slice){begin, (size_t)(*p - begin)}, out);
}

void hq_histogram_read(hq_histogram *h, hq_slice text) {
  const char *p = text.p, *end = text.p + text.n;
  while (p && p < end) {
    int64_t bucket, count;
    if (!number(&p, end, &bucket) || p == end || *p++ != ':' || !number(&p, end, &count)) return;
    if (bucket >= 0 && bucket < HQ_BUCKETS && count < INT64_MAX / 2 - h->bucket[bucket]) h->bucket[bucket] += count;
    if (p < end && *p++ != ' ') return;
  }
}

int64_t hq_histogram_count(const hq_histogram *h) {
  int64_t sum = 0;
  for (int i = 0; i < HQ_BUCKETS; i++) {
    int64_t more;
    if (__builtin_add_overflow(sum, h->bucket[i], &more)) return sum;
    sum = more;
  }
  return sum;
}

double hq_histogram_quantile(const hq_histogram *h, double q) {
  double rank = (double)hq_histogram_count(h) * q, before = 0;
  if (rank <= 0) return 0;
  for (int i = 0; i < HQ_BUCKETS; i++) {
    double n = (double)h->bucket[i];
    if (n && before + n >= rank) {
      double from = (double)hq_bucket_begins(i), to = (double)hq_bucket_begins(i + 1);
      return (from + (to - from) * (rank - before) / n) / 1000;
    }
    before += n;
  }
  return (double)hq_bucket_begins(HQ_BUCKETS) / 1000;
}
