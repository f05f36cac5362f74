/* Buckets of durations: where they begin, what is written and read, quantiles. */
#include "support.h"

#include "histogram.h"
#include <stdlib.h>
#include <string.h>

static void buckets_meet_each_other(void **state) {
  (void)state;
  for (int i = 0; i < HQ_BUCKETS; i++) {
    assert_int_equal(hq_bucket_of(hq_bucket_begins(i)), i);
    assert_int_equal(hq_bucket_of(hq_bucket_begins(i + 1) - 1), i);
    assert_true(hq_bucket_begins(i) < hq_bucket_begins(i + 1));
  }
  assert_int_equal(hq_bucket_of(-5), 0);
  assert_int_equal(hq_bucket_of(hq_bucket_begins(HQ_BUCKETS)), HQ_BUCKETS - 1);
  assert_int_equal(hq_bucket_of(INT64_MAX), HQ_BUCKETS - 1);
}

/* As c/PROTOCOL.md says it. */
static void buckets_are_a_quarter_wide(void **state) {
  (void)state;
  for (int b = 4; b < HQ_BUCKETS; b++) assert_int_equal(hq_bucket_begins(b), (int64_t)(4 + b % 4) << (b / 4 - 1));
  assert_int_equal(hq_bucket_of(1000), 35);
}

static hq_histogram read_back(const char *text) {
  hq_histogram h = {0};
  hq_histogram_read(&h, hq_slice_of(text));
  return h;
}

static void what_is_written_can_be_read(void **state) {
  (void)state;
  hq_histogram h = {0};
  hq_buf text = {0};
  hq_histogram_put(&h, &text);
  assert_int_equal(text.n, 0);
  for (int i = 0; i < 1000; i++) hq_histogram_add(&h, (int64_t)i * i * i);
  hq_histogram_put(&h, &text);
  hq_histogram again = read_back(hq_buf_cstr(&text));
  assert_memory_equal(&h, &again, sizeof h);
  hq_histogram_read(&again, (hq_slice){text.p, text.n});
  assert_int_equal(hq_histogram_count(&again), 2000);
  hq_buf_free(&text);
}

static void nonsense_is_left_out(void **state) {
  static const char *const bad[] = {"", "x", ":", "1", "1:", "1:x", "-1:2", "176:1", "1:99999999999999999999", " 1:2"};
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    hq_histogram h = read_back(bad[i]);
    assert_int_equal(hq_histogram_count(&h), 0);
  }
  hq_histogram h = read_back("1:2 x 3:4");
  assert_int_equal(hq_histogram_count(&h), 2);
  h = read_back("1:9223372036854775807");
  assert_int_equal(hq_histogram_count(&h), 0);
}

static void quantiles_lie_in_their_bucket(void **state) {
  (void)state;
  hq_histogram h = {0};
  assert_true(hq_histogram_quantile(&h, 0.5) == 0);
  for (int i = 0; i < 95; i++) hq_histogram_add(&h, 1000);
  for (int i = 0; i < 5; i++) hq_histogram_add(&h, 1000000);
  double p50 = hq_histogram_quantile(&h, 0.5), p95 = hq_histogram_quantile(&h, 0.95),
         p99 = hq_histogram_quantile(&h, 0.99);
  assert_true(p50 >= 0.896 && p50 < 1.024 && p95 >= p50 && p95 <= 1.024);
  assert_true(p99 >= 917 && p99 <= 1049);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(buckets_meet_each_other),       cmocka_unit_test(buckets_are_a_quarter_wide),
      cmocka_unit_test(what_is_written_can_be_read),   cmocka_unit_test(nonsense_is_left_out),
      cmocka_unit_test(quantiles_lie_in_their_bucket),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
