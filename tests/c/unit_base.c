/* What everything else stands on: buffers, time and chance, the life of handles, the version. */
#include "support.h"

#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "life.h"
#include "tls.h"

static void numbers_are_read_whole(void **state) {
  (void)state;
  static const struct {
    const char *text;
    bool ok;
    int64_t v;
  } cases[] = {
      {"0", true, 0},
      {"-0", true, 0},
      {"007", true, 7},
      {"9223372036854775807", true, INT64_MAX},
      {"-9223372036854775808", true, INT64_MIN},
      {"9223372036854775808", false, 0},
      {"-9223372036854775809", false, 0},
      {"99999999999999999999999", false, 0},
      {"", false, 0},
      {"-", false, 0},
      {"+1", false, 0},
      {" 1", false, 0},
      {"1 ", false, 0},
      {"1.0", false, 0},
      {"1e3", false, 0},
      {"0x10", false, 0},
      {"--1", false, 0},
      {"1-", false, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int64_t v = 77;
    if (hq_slice_to_int64(hq_slice_of(cases[i].text), &v) != cases[i].ok) fail_msg("%s", cases[i].text);
    assert_true(v == (cases[i].ok ? cases[i].v : 77));
  }
  int64_t v;
  assert_false(hq_slice_to_int64(HQ_SLICE_NONE, &v));
  assert_false(hq_slice_to_int64((hq_slice){"1\0", 2}, &v));
}

static void slices_are_compared_whole(void **state) {
  (void)state;
  assert_true(hq_slice_is(hq_slice_of("abc"), "abc"));
  assert_false(hq_slice_is(hq_slice_of("abc"), "ab"));
  assert_false(hq_slice_is((hq_slice){"ab\0", 3}, "ab"));
  assert_false(hq_slice_is(HQ_SLICE_NONE, ""));
  assert_true(hq_slice_is(hq_slice_of(""), ""));
}

static void a_buffer_grows(void **state) {
  (void)state;
  hq_buf b = {0};
  assert_string_equal("", hq_buf_cstr(&b));
  for (int i = 0; i < 1000; i++) {
    hq_buf_add(&b, "ab\0d", 4);
    hq_buf_char(&b, 'e');
  }
  assert_int_equal(5000, b.n);
  assert_memory_equal("ab\0deab\0d", b.p, 9);
  assert_int_equal(0, hq_buf_cstr(&b)[5000]);
  hq_buf_free(&b);
  assert_null(b.p);
  hq_buf_int(&b, INT64_MIN);
  hq_buf_text(&b, ",");
  hq_buf_int(&b, INT64_MAX);
  hq_buf_text(&b, ",");
  hq_buf_int(&b, 0);
  assert_string_equal("-9223372036854775808,9223372036854775807,0", hq_buf_cstr(&b));
  hq_buf_free(&b);
}

static void a_buffer_remembers_a_failure(void **state) {
  (void)state;
  hq_buf b = {0};
  hq_buf_text(&b, "abc");
  assert_null(hq_buf_room(&b, SIZE_MAX));
  assert_true(b.failed);
  assert_null(hq_buf_room(&b, 1));
  hq_buf_text(&b, "def");
  assert_int_equal(3, b.n);
  assert_string_equal("", hq_buf_cstr(&b));
  hq_buf_free(&b);
  assert_false(b.failed);
}

static void secrets_are_wiped(void **state) {
  (void)state;
  char secret[] = "hunter2";
  hq_wipe(secret, sizeof secret);
  assert_memory_equal("\0\0\0\0\0\0\0\0", secret, sizeof secret);
  hq_wipe_free(NULL);
  assert_null(hq_strdup(NULL));
  char *copy = hq_strndup("a\0b", 3);
  assert_memory_equal("a\0b\0", copy, 4);
  free(copy);
}

static void deadlines_do_not_overflow(void **state) {
  (void)state;
  assert_true(hq_deadline(100, 0) == 100);
  assert_true(hq_deadline(100, 5) == 105);
  assert_true(hq_deadline(100, -1) == HQ_NEVER);
  assert_true(hq_deadline(100, INT64_MAX) == HQ_NEVER);
  assert_true(hq_deadline(100, INT64_MAX - 1) == HQ_NEVER);
}

static void delays_spread_and_double(void **state) {
  (void)state;
  int64_t least = INT64_MAX, most = 0, step = 0;
  for (int i = 0; i < 2000; i++) {
    int64_t v = hq_jitter(1000);
    least = v < least ? v : least;
    most = v > most ? v : most;
  }
  assert_in_range(least, 750, 800);
  assert_in_range(most, 1200, 1250);
  assert_int_equal(0, hq_jitter(0));
  assert_int_equal(1, hq_jitter(1));
  static const int64_t steps[] = {100, 200, 400, 800, 1000, 1000};
  for (int i = 0; i < 6; i++) {
    int64_t v = hq_backoff(&step, 100, 1000);
    assert_true(step == steps[i]);
    assert_in_range(v, step * 3 / 4, step * 5 / 4);
  }
}

static void times_are_rfc_3339(void **state) {
  (void)state;
  static const struct {
    int64_t ms;
    const char *text;
  } cases[] = {
      {0, "1970-01-01T00:00:00.000Z"},
      {951782399999, "2000-02-28T23:59:59.999Z"},
      {951782400000, "2000-02-29T00:00:00.000Z"},
      {951868800000, "2000-03-01T00:00:00.000Z"},
      {1704067199001, "2023-12-31T23:59:59.001Z"},
      {1709164800000, "2024-02-29T00:00:00.000Z"},
      {4107542400000, "2100-03-01T00:00:00.000Z"},
      {253402300799999, "9999-12-31T23:59:59.999Z"},
      {253402300800000, "9999-12-31T23:59:59.999Z"},
      {-1, "1970-01-01T00:00:00.000Z"},
  };
  char out[32];
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    hq_rfc3339(cases[i].ms, out);
    assert_string_equal(cases[i].text, out);
  }
  /* Every day for 400 years, against the C library. */
  for (int64_t day = 0; day < 146097; day++) {
    time_t t = (time_t)(day * 86400 + 3661);
    char wanted[32];
    struct tm tm;
    strftime(wanted, sizeof wanted, "%Y-%m-%dT%H:%M:%S.000Z", gmtime_r(&t, &tm));
    hq_rfc3339((int64_t)t * 1000, out);
    assert_string_equal(wanted, out);
  }
}

static void ids_are_unique_and_sort_by_time(void **state) {
  (void)state;
  enum { N = 20000 };
  static char id[N][37];
  int unsorted = 0;
  int64_t before = hq_wall_ms(), ms = 0;
  for (int i = 0; i < N; i++) hq_uuid7(id[i]);
  for (int i = 0; i < N; i++) {
    assert_int_equal(36, strlen(id[i]));
    assert_int_equal(36, strspn(id[i], "0123456789abcdef-"));
    assert_true(id[i][8] == '-' && id[i][13] == '-' && id[i][18] == '-' && id[i][23] == '-' && id[i][14] == '7');
    assert_non_null(strchr("89ab", id[i][19]));
    if (i) assert_string_not_equal(id[i - 1], id[i]);
    unsorted += i && memcmp(id[i - 1], id[i], 18) > 0;
  }
  assert_int_equal(0, unsorted); /* by the time in them; the rest is chance */
  unsigned long high, low;
  assert_int_equal(2, sscanf(id[0], "%8lx-%4lx", &high, &low));
  ms = (int64_t)high << 16 | (int64_t)low;
  assert_true(ms >= before && ms <= before + 10000);
}

static void a_life_ends_once_and_knows_its_process(void **state) {
  (void)state;
  hq_life life;
  heroq_error err;
  hq_life_init(&life);
  assert_ok(hq_life_enter(&life, "client", &err), &err);
  hq_life_ref(&life);
  assert_int_equal(0, hq_life_unref(&life));
  assert_status(HEROQ_E_INVALID, hq_life_enter(NULL, "client", &err), &err);
  assert_string_equal("the client is NULL", err.text);
  pid_t child = fork();
  if (!child) _exit(hq_life_forked(&life) && hq_life_enter(&life, "client", NULL) == HEROQ_E_FORKED ? 42 : 1);
  int status;
  assert_int_equal(child, waitpid(child, &status, 0));
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 42);
  atomic_store(&life.closed, 1);
  assert_status(HEROQ_E_CLOSED, hq_life_enter(&life, "client", &err), &err);
  assert_int_equal(1, hq_life_unref(&life));
}

static void the_version_is_that_of_the_header(void **state) {
  (void)state;
  char text[32];
  snprintf(text, sizeof text, "%d.%d.%d", HEROQ_VERSION_MAJOR, HEROQ_VERSION_MINOR, HEROQ_VERSION_PATCH);
  assert_string_equal(text, heroq_version_text());
  assert_int_equal(HEROQ_VERSION, heroq_version());
  assert_int_equal(1, heroq_feature("unix"));
  assert_int_equal(hq_tls_built, heroq_feature("tls"));
  assert_int_equal(0, heroq_feature("teleport"));
  assert_int_equal(0, heroq_feature(NULL));
  assert_true(heroq_library_version("hiredis")[0] >= '0' && heroq_library_version("hiredis")[0] <= '9');
  assert_memory_equal("1.", heroq_library_version("cjson"), 2);
  assert_int_equal(hq_tls_built, heroq_library_version("openssl") != NULL);
  assert_null(heroq_library_version("teleport"));
  assert_null(heroq_library_version(NULL));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(numbers_are_read_whole),
      cmocka_unit_test(slices_are_compared_whole),
      cmocka_unit_test(a_buffer_grows),
      cmocka_unit_test(a_buffer_remembers_a_failure),
      cmocka_unit_test(secrets_are_wiped),
      cmocka_unit_test(deadlines_do_not_overflow),
      cmocka_unit_test(delays_spread_and_double),
      cmocka_unit_test(times_are_rfc_3339),
      cmocka_unit_test(ids_are_unique_and_sort_by_time),
      cmocka_unit_test(a_life_ends_once_and_knows_its_process),
      cmocka_unit_test(the_version_is_that_of_the_header),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
