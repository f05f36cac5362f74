/* Bytes and records. */
#include "vectors.h"

#include <locale.h>
#include <math.h>

#include "record_private.h"

static void bytes_are_copied(void **state) {
  (void)state;
  heroq_bytes *b;
  heroq_error err;
  char data[] = "a\0b";
  assert_ok(heroq_bytes_new(data, 3, &b, &err), &err);
  data[0] = 'x';
  assert_int_equal(3, heroq_bytes_size(b));
  assert_memory_equal("a\0b\0", heroq_bytes_data(b), 4);
  heroq_bytes_free(b);
  assert_ok(heroq_bytes_new(NULL, 0, &b, &err), &err);
  assert_bytes_are(b, "");
  heroq_bytes_free(b);
  assert_status(HEROQ_E_INVALID, heroq_bytes_new(NULL, 1, &b, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_bytes_new("a", 1, NULL, &err), &err);
  heroq_bytes_free(NULL);
  assert_null(heroq_bytes_data(NULL));
  assert_int_equal(0, heroq_bytes_size(NULL));
}

static void bytes_take_over_a_buffer(void **state) {
  (void)state;
  heroq_bytes *b;
  heroq_error err;
  hq_buf buf = {0};
  hq_buf_text(&buf, "abc");
  assert_ok(hq_bytes_take(&buf, &b, &err), &err);
  assert_null(buf.p);
  assert_bytes_are(b, "abc");
  heroq_bytes_free(b);
  buf.failed = true;
  assert_status(HEROQ_E_NOMEM, hq_bytes_take(&buf, &b, &err), &err);
  assert_null(b);
}

static heroq_record *sample(void) {
  heroq_record *child = hq_record_new(), *list = hq_record_list(), *r = hq_record_new(), *out;
  hq_record_add_int(child, "deep", 1);
  hq_record_add_text(list, "ignored", "one");
  hq_record_add_int(list, NULL, 2);
  hq_record_add_int(r, "int", INT64_MIN);
  hq_record_add_double(r, "double", -1.9);
  hq_record_add_text(r, "text", "h\xc3\xa9");
  hq_record_add_slice(r, "foreign", (hq_slice){"a\xff", 2});
  hq_record_add_slice(r, "nul", (hq_slice){"a\0b", 3});
  hq_record_add_bytes(r, "bytes", (hq_slice){"plain", 5});
  hq_record_add_child(r, "child", child);
  hq_record_add_child(r, "list", list);
  hq_record_add_text(r, "none", NULL);
  assert_ok(hq_record_finish(r, &out, NULL), NULL);
  return out;
}

static void values_come_back(void **state) {
  (void)state;
  heroq_record *r = sample();
  static const char *const names[] = {"int", "double", "text", "foreign", "nul", "bytes", "child", "list", "none"};
  static const int32_t kinds[] = {HEROQ_VALUE_INT64,  HEROQ_VALUE_DOUBLE, HEROQ_VALUE_TEXT,
                                  HEROQ_VALUE_BYTES,  HEROQ_VALUE_BYTES,  HEROQ_VALUE_BYTES,
                                  HEROQ_VALUE_RECORD, HEROQ_VALUE_LIST,   HEROQ_VALUE_TEXT};
  assert_int_equal(9, heroq_record_count(r));
  for (int32_t i = 0; i < 9; i++) {
    assert_string_equal(names[i], heroq_record_name(r, i));
    assert_int_equal(kinds[i], heroq_record_kind(r, i));
    assert_int_equal(i, heroq_record_find(r, names[i]));
  }
  assert_int_equal(-1, heroq_record_find(r, "INT"));
  assert_int_equal(-1, heroq_record_find(r, "in"));
  assert_true(heroq_record_int64(r, 0) == INT64_MIN);
  assert_int_equal(-1, heroq_record_int64(r, 1));
  assert_true(heroq_record_double(r, 1) == -1.9);
  assert_true(heroq_record_double(r, 0) == (double)INT64_MIN);
  assert_string_equal("h\xc3\xa9", heroq_record_text(r, 2));
  assert_string_equal("", heroq_record_text(r, 0));
  assert_string_equal("", heroq_record_text(r, 3));
  assert_int_equal(0, heroq_record_int64(r, 2));
  size_t n;
  assert_memory_equal("a\0b", heroq_record_bytes(r, 4, &n), 3);
  assert_int_equal(3, n);
  assert_memory_equal("h\xc3\xa9", heroq_record_bytes(r, 2, &n), 3);
  assert_non_null(heroq_record_bytes(r, 8, &n));
  assert_int_equal(0, n);
  assert_null(heroq_record_bytes(r, 0, &n));
  assert_int_equal(0, n);
  assert_null(heroq_record_bytes(r, 0, NULL));
  heroq_record_free(r);
}

static void outside_is_nothing(void **state) {
  (void)state;
  heroq_record *r = sample(), *none = NULL, *out;
  heroq_error err;
  const heroq_record *each[] = {r, none};
  static const int32_t index[] = {-1, 9, INT32_MAX, INT32_MIN};
  for (int k = 0; k < 2; k++)
    for (int j = 0; j < 4; j++) {
      size_t n = 5;
      assert_null(heroq_record_name(each[k], index[j]));
      assert_int_equal(HEROQ_VALUE_NONE, heroq_record_kind(each[k], index[j]));
      assert_int_equal(0, heroq_record_int64(each[k], index[j]));
      assert_true(heroq_record_double(each[k], index[j]) == 0);
      assert_string_equal("", heroq_record_text(each[k], index[j]));
      assert_null(heroq_record_bytes(each[k], index[j], &n));
      assert_int_equal(0, n);
    }
  assert_status(HEROQ_E_NOT_FOUND, heroq_record_child(r, 9, &out, &err), &err);
  assert_status(HEROQ_E_NOT_FOUND, heroq_record_child(r, 0, &out, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_record_child(NULL, 0, &out, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_record_child(r, 6, NULL, &err), &err);
  assert_int_equal(0, heroq_record_count(NULL));
  assert_int_equal(-1, heroq_record_find(NULL, "a"));
  assert_int_equal(-1, heroq_record_find(r, NULL));
  heroq_bytes *json;
  assert_status(HEROQ_E_INVALID, heroq_record_json(NULL, &json, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_record_json(r, NULL, &err), &err);
  heroq_record_free(NULL);
  heroq_record_free(r);
}

static void a_child_outlives_its_parent(void **state) {
  (void)state;
  heroq_record *r = sample(), *child, *list;
  heroq_error err;
  assert_ok(heroq_record_child(r, 6, &child, &err), &err);
  assert_ok(heroq_record_child(r, 7, &list, &err), &err);
  heroq_record_free(r);
  assert_int_equal(1, heroq_record_int64(child, heroq_record_find(child, "deep")));
  assert_int_equal(2, heroq_record_count(list));
  assert_string_equal("", heroq_record_name(list, 0));
  assert_int_equal(-1, heroq_record_find(list, ""));
  assert_string_equal("one", heroq_record_text(list, 0));
  heroq_record_free(list);
  heroq_record_free(child);
}

static void a_double_is_cut_to_what_fits(void **state) {
  (void)state;
  static const struct {
    double in;
    int64_t out;
  } cases[] = {
      {1e300, INT64_MAX}, {-1e300, INT64_MIN},   {0x1p63, INT64_MAX},   {-0x1p63, INT64_MIN}, {2.9, 2}, {-2.9, -2},
      {NAN, 0},           {INFINITY, INT64_MAX}, {-INFINITY, INT64_MIN}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    heroq_record *r = hq_record_new();
    hq_record_add_double(r, "v", cases[i].in);
    assert_true(heroq_record_int64(r, 0) == cases[i].out);
    heroq_record_free(r);
  }
}

static void assert_json(heroq_record *r, const char *wanted) {
  heroq_bytes *json;
  heroq_error err;
  assert_ok(heroq_record_json(r, &json, &err), &err);
  assert_bytes_are(json, wanted);
  heroq_bytes_free(json);
}

static void records_become_json(void **state) {
  (void)state;
  heroq_record *r = sample();
  assert_json(r,
              "{\"int\":-9223372036854775808,\"double\":-1.9,\"text\":\"h\xc3\xa9\",\"foreign\":{\"base64\":\"Yf8=\"},"
              "\"nul\":{\"base64\":\"YQBi\"},\"bytes\":\"plain\",\"child\":{\"deep\":1},\"list\":[\"one\",2],"
              "\"none\":\"\"}");
  heroq_record_free(r);
  r = hq_record_new();
  assert_json(r, "{}");
  hq_record_add_text(r, "a\"b", "\\\n\x01\x7f");
  hq_record_add_child(r, "e", hq_record_list());
  assert_json(r, "{\"a\\\"b\":\"\\\\\\n\\u0001\x7f\",\"e\":[]}");
  heroq_record_free(r);
}

static void numbers_do_not_follow_the_locale(void **state) {
  (void)state;
  heroq_record *r = hq_record_list();
  static const double values[] = {0.1, 1.0 / 3, 1e21, 5e-324, 1.7976931348623157e308, 9007199254740993.0, 100, -0.5};
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) hq_record_add_double(r, NULL, values[i]);
  hq_record_add_double(r, NULL, NAN);
  hq_record_add_double(r, NULL, INFINITY);
  const char *wanted =
      "[0.1,0.3333333333333333,1e+21,4.94065645841247e-324,1.7976931348623157e+308,9007199254740992,100,"
      "-0.5,null,null]";
  assert_json(r, wanted);
  if (setlocale(LC_NUMERIC, "de_DE.UTF-8") || setlocale(LC_NUMERIC, "fr_FR.UTF-8")) {
    assert_json(r, wanted);
    setlocale(LC_NUMERIC, "C");
  }
  heroq_record_free(r);
}

static void a_lost_allocation_is_remembered(void **state) {
  (void)state;
  heroq_record *r = hq_record_new(), *out = r;
  heroq_error err;
  hq_record_add_int(r, "kept", 1);
  hq_record_add_child(r, "lost", NULL);
  hq_record_add_int(r, "after", 2);
  assert_status(HEROQ_E_NOMEM, hq_record_finish(r, &out, &err), &err);
  assert_null(out);
  hq_record_add_int(NULL, "a", 1);
  hq_record_add_child(NULL, "a", hq_record_new());
  assert_status(HEROQ_E_NOMEM, hq_record_finish(NULL, &out, &err), &err);
  /* A child that lost something takes its parent with it. */
  r = hq_record_new();
  heroq_record *child = hq_record_new();
  hq_record_add_child(child, "lost", NULL);
  hq_record_add_child(r, "child", child);
  assert_status(HEROQ_E_NOMEM, hq_record_finish(r, &out, &err), &err);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bytes_are_copied),
      cmocka_unit_test(bytes_take_over_a_buffer),
      cmocka_unit_test(values_come_back),
      cmocka_unit_test(outside_is_nothing),
      cmocka_unit_test(a_child_outlives_its_parent),
      cmocka_unit_test(a_double_is_cut_to_what_fits),
      cmocka_unit_test(records_become_json),
      cmocka_unit_test(numbers_do_not_follow_the_locale),
      cmocka_unit_test(a_lost_allocation_is_remembered),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
