/* A histogram of durations in µs, as TALLY writes it down: c/PROTOCOL.md, 2.19. */
#ifndef HQ_HISTOGRAM_H
#define HQ_HISTOGRAM_H
#include "buf.h"

#define HQ_BUCKETS 176
typedef struct hq_histogram {
  int64_t bucket[HQ_BUCKETS];
} hq_histogram;
int hq_bucket_of(int64_t us);         /* a negative one counts as 0 */
int64_t hq_bucket_begins(int bucket); /* µs; that of HQ_BUCKETS is where the last one ends */
void hq_histogram_add(hq_histogram *h, int64_t us);
void hq_histogram_put(const hq_histogram *h, hq_buf *out); /* "<bucket>:<count> …" */
void hq_histogram_read(hq_histogram *h, hq_slice text);    /* adds; what is not understood is left out */
int64_t hq_histogram_count(const hq_histogram *h);
double hq_histogram_quantile(const hq_histogram *h,
                             double q); /* ms, within its bucket in proportion; 0: nothing there */
#endif
