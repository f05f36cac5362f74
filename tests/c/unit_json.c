/* The strict scan, and the shapes. What whole jobs make of JSON is in unit_job.c. */
#include "vectors.h"

#include "json.h"

static void utf8_is_strict(void **state) {
  (void)state;
  static const struct {
    const char *text;
    bool ok;
  } cases[] = {
      {"", true},
      {"plain ascii of some length", true},
      {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", true},
      {"12345678\xc3\xa9", true},
      {"1234567\xc3\xa9", true},
      {"\xf4\x8f\xbf\xbf", true},
      {"\xee\x80\x80\xed\x9f\xbf", true},
      {"\x80", false},
      {"12345678\xff", false},
      {"1234567\xc3", false},
      {"\xc1\xbf", false},
      {"\xe0\x9f\xbf", false},
      {"\xed\xa0\x80", false},
      {"\xed\xbf\xbf", false},
      {"\xf0\x8f\xbf\xbf", false},
      {"\xf4\x90\x80\x80", false},
      {"\xf5\x80\x80\x80", false},
      {"\xe2\x28\xa1", false},
      {"\xf8\x88\x80\x80\x80", false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    if (hq_utf8_ok(hq_slice_of(cases[i].text)) != cases[i].ok) fail_msg("case %zu", i);
  assert_true(hq_utf8_ok((hq_slice){"a\0b", 3}));
  assert_true(hq_utf8_ok(HQ_SLICE_NONE));
}

static void base64_is_that_of_rfc_4648(void **state) {
  (void)state;
  static const char *const cases[][2] = {{"", ""},
                                         {"f", "Zg=="},
                                         {"fo", "Zm8="},
                                         {"foo", "Zm9v"},
                                         {"foob", "Zm9vYg=="},
                                         {"fooba", "Zm9vYmE="},
                                         {"\xfb\xff", "+/8="}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    hq_buf b = {0};
    hq_base64(&b, hq_slice_of(cases[i][0]));
    assert_string_equal(cases[i][1], hq_buf_cstr(&b));
    hq_buf_free(&b);
  }
}

static void strings_are_escaped(void **state) {
  (void)state;
  hq_buf b = {0};
  hq_json_string(&b, hq_slice_of("a\"\\/\b\f\n\r\t\x01\x1f\x7f\xc3\xa9"));
  assert_string_equal("\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xc3\xa9\"", hq_buf_cstr(&b));
  hq_buf_free(&b);
  hq_json_string(&b, hq_slice_of(""));
  assert_string_equal("\"\"", hq_buf_cstr(&b));
  hq_buf_free(&b);
}

static heroq_status none(void *self, const char *name, hq_slice value, hq_slice raw, heroq_error *err) {
  (void)name, (void)value, (void)raw, (void)err;
  ++*(int *)self;
  return HEROQ_OK;
}

/* Each text of the list is in a piece of memory of its own size, so that a step too far is seen by the sanitizer. */
static heroq_status scan(const char *text, size_t n, int *count, heroq_error *err) {
  char *exact = malloc(n ? n : 1);
  memcpy(exact, text, n);
  *count = 0;
  heroq_status status = hq_json_members((hq_slice){exact, n}, none, count, err);
  free(exact);
  return status;
}

static void bad_json_is_refused(void **state) {
  heroq_error err;
  const cJSON *c;
  cJSON_ArrayForEach(c, vectors_cases(*state, "bad")) {
    if (vector_status(c) != HEROQ_E_JSON) continue;
    size_t n;
    int count;
    char *text = vector_bytes(vector_get(c, "text") ? vector_get(c, "text") : c, &n);
    heroq_status status = scan(text, n, &count, &err);
    if (status == HEROQ_OK) { /* JSON, but no job */
      cJSON *tree = cJSON_ParseWithOpts(text, NULL, 1);
      if (!tree) fail_msg("%s passed", vector_text(c, "name"));
      cJSON_Delete(tree);
    } else {
      assert_int_equal(HEROQ_E_JSON, status);
    }
    free(text);
  }
}

/* Whatever the end of a text is cut off, or a byte changed: no crash, and what passes is JSON for cJSON too. */
static void damaged_json_does_no_harm(void **state) {
  const cJSON *c;
  int passed = 0;
  cJSON_ArrayForEach(c, vectors_cases(*state, "round_trip")) {
    const char *text = vector_text(c, "json");
    size_t n = strlen(text);
    int count;
    for (size_t cut = 0; cut < n; cut++) assert_int_equal(HEROQ_E_JSON, scan(text, cut, &count, NULL));
    char *changed = malloc(n + 1);
    memcpy(changed, text, n + 1);
    for (size_t i = 0; i < n; i++)
      for (size_t k = 0; k < 12; k++) {
        changed[i] = "\"\\{}[],:0\xff\n\0"[k];
        if (scan(changed, n, &count, NULL) == HEROQ_OK) {
          cJSON *tree = cJSON_ParseWithLength(changed, n);
          assert_non_null(tree);
          cJSON_Delete(tree);
          passed++;
        }
        changed[i] = text[i];
      }
    free(changed);
  }
  assert_true(passed > 100);
}

static char *nested(const char *open, const char *close, size_t depth, size_t *n) {
  char *text = malloc(depth * (strlen(open) + strlen(close)) + 1), *p = text;
  for (size_t i = 0; i < depth; i++) p += sprintf(p, "%s", open);
  for (size_t i = 0; i < depth; i++) p += sprintf(p, "%s", close);
  *n = (size_t)(p - text);
  return text;
}

static void deep_nesting_is_refused_early(void **state) {
  (void)state;
  static const struct {
    size_t depth;
    heroq_status status;
  } cases[] = {{64, HEROQ_OK}, {65, HEROQ_E_JSON}, {1000, HEROQ_E_JSON}, {1000000, HEROQ_E_JSON}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    heroq_error err;
    size_t n;
    int count;
    char *text = nested("{\"a\":", "}", cases[i].depth, &n);
    /* The innermost value is missing: a number stands in for it. */
    char *whole = malloc(n + 2);
    size_t middle = cases[i].depth * 5;
    memcpy(whole, text, middle);
    whole[middle] = '1';
    memcpy(whole + middle + 1, text + middle, n - middle);
    assert_status(cases[i].status, scan(whole, n + 1, &count, &err), &err);
    if (cases[i].status) test_assert_text(&err, "nested more than 64 deep");
    free(whole);
    free(text);
  }
}

static void large_json_is_refused(void **state) {
  (void)state;
  heroq_error err;
  int count = 0;
  size_t n = (64u << 20) + 1;
  char *text = malloc(n);
  memset(text, ' ', n);
  assert_status(HEROQ_E_TOO_BIG, hq_json_members((hq_slice){text, n}, none, &count, &err), &err);
  /* Many small values cost far more memory than their text. */
  text[0] = '{', text[1] = '"', text[2] = '"', text[3] = ':', text[4] = '[';
  for (size_t i = 5; i < n - 2; i += 2) memcpy(text + i, "1,", 2);
  assert_status(HEROQ_E_JSON, hq_json_members((hq_slice){text, n - 1}, none, &count, &err), &err);
  test_assert_text(&err, "too many values");
  free(text);
}

/* Half a million keys: square time would take minutes. */
static void many_keys_cost_no_square_time(void **state) {
  (void)state;
  enum { KEYS = 500000 };
  heroq_error err;
  int count = 0;
  hq_buf b = {0};
  hq_buf_char(&b, '{');
  for (int i = 0; i < KEYS; i++) {
    hq_buf_text(&b, i ? ",\"" : "\"");
    hq_buf_int(&b, i);
    hq_buf_text(&b, "\":1");
  }
  hq_buf_char(&b, '}');
  int64_t begin = test_now_ms();
  assert_ok(hq_json_members((hq_slice){b.p, b.n}, none, &count, &err), &err);
  assert_int_equal(KEYS, count);
  b.n--;
  hq_buf_text(&b, ",\"7\":2}");
  assert_status(HEROQ_E_JSON, hq_json_members((hq_slice){b.p, b.n}, none, &count, &err), &err);
  test_assert_text(&err, "the key \"7\" stands twice");
  assert_true(test_now_ms() - begin < 20000);
  hq_buf_free(&b);
}

static void errors_say_where(void **state) {
  (void)state;
  heroq_error err;
  assert_status(HEROQ_E_JSON, hq_json_check_string_map(hq_slice_of("{\"A\": }"), "env_vars", &err), &err);
  assert_string_equal("env_vars: not valid JSON at byte 6: not a number", err.text);
  assert_status(HEROQ_E_JSON, hq_json_check_string_map(hq_slice_of("{\"A\":1}"), "env_vars", &err), &err);
  assert_string_equal("env_vars: \"A\" is no string", err.text);
  assert_status(HEROQ_E_JSON, hq_json_check_id_list(hq_slice_of("[\"a b\"]"), "dependents", &err), &err);
  assert_string_equal("dependents: \"a b\" is no job id", err.text);
  assert_status(HEROQ_E_JSON, hq_json_check_id_list(hq_slice_of("[]x"), "dependents", &err), &err);
  assert_string_equal("dependents: not valid JSON at byte 2: something stands behind the end", err.text);
}

static void maps_are_changed(void **state) {
  (void)state;
  hq_buf b = {0}, c = {0};
  heroq_error err;
  assert_ok(hq_json_map_set(HQ_SLICE_NONE, "a", "1", &b, &err), &err);
  assert_string_equal("{\"a\":\"1\"}", hq_buf_cstr(&b));
  assert_ok(hq_json_map_set((hq_slice){b.p, b.n}, "A", "q\"\n\xc3\xa9", &c, &err), &err);
  assert_string_equal("{\"a\":\"1\",\"A\":\"q\\\"\\n\xc3\xa9\"}", hq_buf_cstr(&c));
  char *value = hq_json_map_get((hq_slice){c.p, c.n}, "A");
  assert_string_equal("q\"\n\xc3\xa9", value);
  free(value);
  value = hq_json_map_get((hq_slice){c.p, c.n}, "a");
  assert_string_equal("1", value); /* names in another case are other names */
  free(value);
  assert_null(hq_json_map_get((hq_slice){c.p, c.n}, "b"));
  assert_null(hq_json_map_get(HQ_SLICE_NONE, "a"));
  assert_null(hq_json_map_get(hq_slice_of("{\"a\":1}"), "a"));
  b.n = 0;
  assert_status(HEROQ_E_JSON, hq_json_map_set(hq_slice_of("[]"), "a", "1", &b, &err), &err);
  assert_status(HEROQ_E_INVALID, hq_json_map_set(HQ_SLICE_NONE, "\xff", "1", &b, &err), &err);
  assert_status(HEROQ_E_INVALID, hq_json_map_set(HQ_SLICE_NONE, "a", "\xff", &b, &err), &err);
  assert_int_equal(0, b.n);
  hq_buf_free(&b);
  hq_buf_free(&c);
}

static void lists_hold_an_id_once(void **state) {
  (void)state;
  hq_buf b = {0};
  heroq_error err;
  assert_ok(hq_json_list_add(hq_slice_of("[\"1\"]"), "2", &b, &err), &err);
  assert_string_equal("[\"1\",\"2\"]", hq_buf_cstr(&b));
  b.n = 0;
  assert_ok(hq_json_list_add(hq_slice_of("[\"1\",\"2\"]"), "1", &b, &err), &err);
  assert_string_equal("[\"1\",\"2\"]", hq_buf_cstr(&b));
  hq_buf_free(&b);
}

static void shapes_become_records(void **state) {
  (void)state;
  heroq_record *r;
  assert_true(hq_json_record(hq_slice_of("{\"a\":\"1\",\"b\":\"\"}"), &r));
  assert_int_equal(2, heroq_record_count(r));
  assert_string_equal("1", heroq_record_text(r, heroq_record_find(r, "a")));
  heroq_record_free(r);
  assert_true(hq_json_record(hq_slice_of("[\"1\"]"), &r));
  assert_string_equal("1", heroq_record_text(r, 0));
  heroq_record_free(r);
  static const char *const neither[] = {"",    "1",         "\"a\"",        "{\"a\":1}",
                                        "[1]", "[\"a b\"]", "{\"a\":\"1\"", "{\"a\":\"1\",\"a\":\"2\"}"};
  for (size_t i = 0; i < sizeof neither / sizeof *neither; i++) {
    assert_true(hq_json_record(hq_slice_of(neither[i]), &r)); /* false is for want of memory */
    assert_null(r);
  }
  assert_true(hq_json_record(HQ_SLICE_NONE, &r));
  assert_null(r);
}

static int load(void **state) {
  *state = vectors_load("jobs.json");
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(utf8_is_strict),
      cmocka_unit_test(base64_is_that_of_rfc_4648),
      cmocka_unit_test(strings_are_escaped),
      cmocka_unit_test(bad_json_is_refused),
      cmocka_unit_test(damaged_json_does_no_harm),
      cmocka_unit_test(deep_nesting_is_refused_early),
      cmocka_unit_test(large_json_is_refused),
      cmocka_unit_test(many_keys_cost_no_square_time),
      cmocka_unit_test(errors_say_where),
      cmocka_unit_test(maps_are_changed),
      cmocka_unit_test(lists_hold_an_id_once),
      cmocka_unit_test(shapes_become_records),
  };
  return cmocka_run_group_tests(tests, load, vectors_free);
}
