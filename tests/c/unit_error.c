/* The status list, and the texts of errors. */
#include "vectors.h"

#include <errno.h>

#include "errors.h"
#include "json.h"

static int32_t kind_number(const cJSON *root, const char *name) {
  const cJSON *k;
  cJSON_ArrayForEach(k, vectors_cases(root, "kinds")) if (!strcmp(vector_text(k, "kind"), name)) return vector_get(
      k, "number")
      ->valueint;
  fail_msg("no kind %s", name);
  return -1;
}

static void statuses_are_as_in_the_vectors(void **state) {
  (void)state;
  cJSON *root = vectors_load("errors.json");
  const cJSON *c;
  int32_t i = 0;
  cJSON_ArrayForEach(c, vectors_cases(root, "statuses")) {
    heroq_status status = 1;
    assert_int_equal(HEROQ_OK, heroq_status_at(i++, &status));
    assert_int_equal(status, vector_get(c, "number")->valueint);
    assert_string_equal(heroq_status_name(status), vector_text(c, "name"));
    assert_int_equal(heroq_status_kind(status), kind_number(root, vector_text(c, "kind")));
    assert_true(strlen(heroq_status_text(status)) > 3);
  }
  heroq_status past = 7;
  assert_int_equal(HEROQ_E_NOT_FOUND, heroq_status_at(i, &past));
  assert_int_equal(HEROQ_E_NOT_FOUND, heroq_status_at(-1, &past));
  assert_int_equal(7, past);
  assert_int_equal(HEROQ_E_INVALID, heroq_status_at(0, NULL));
  c = vector_get(root, "unknown");
  assert_string_equal(heroq_status_name(vector_get(c, "number")->valueint), vector_text(c, "name"));
  assert_int_equal(heroq_status_kind(vector_get(c, "number")->valueint), kind_number(root, vector_text(c, "kind")));
  cJSON_Delete(root);
}

static void an_error_is_filled_and_cleared(void **state) {
  (void)state;
  heroq_error err, zero = {0};
  memset(&err, 0xa5, sizeof err);
  assert_int_equal(HEROQ_E_STATE, hq_fail(&err, HEROQ_E_STATE, "job %s: %d", "a", 7));
  assert_int_equal(HEROQ_E_STATE, err.code);
  assert_string_equal("job a: 7", err.text);
  assert_int_equal(0, err.flags);
  assert_int_equal(0, err.sys_errno);
  assert_int_equal(-1, err.item);
  assert_memory_equal(err.reserved, zero.reserved, sizeof zero.reserved);
  hq_error_flag(&err, HEROQ_MAYBE_DONE);
  hq_error_set_item(&err, 3);
  assert_int_equal(HEROQ_MAYBE_DONE, err.flags);
  assert_int_equal(3, err.item);
  heroq_error copy;
  hq_error_copy(&copy, &err);
  assert_memory_equal(&copy, &err, sizeof err);
  assert_int_equal(HEROQ_OK, hq_ok(&err));
  assert_memory_equal(&err, &zero, sizeof err);
}

static void some_codes_are_worth_another_try(void **state) {
  (void)state;
  heroq_error err;
  heroq_status status;
  for (int32_t i = 0; heroq_status_at(i, &status) == HEROQ_OK; i++) {
    hq_fail(&err, status, "x");
    bool again = status == HEROQ_E_UNAVAILABLE || status == HEROQ_E_CONNECTION || status == HEROQ_E_TIMEOUT;
    assert_int_equal(again ? HEROQ_RETRYABLE : 0, err.flags);
  }
}

static void errno_is_told(void **state) {
  (void)state;
  heroq_error err;
  assert_int_equal(HEROQ_E_CONNECTION, hq_fail_errno(&err, HEROQ_E_CONNECTION, ECONNREFUSED, "localhost:%d", 1));
  assert_int_equal(ECONNREFUSED, err.sys_errno);
  assert_string_equal("localhost:1: Connection refused", err.text);
  /* The reason does not write past a text that fills the room. */
  char longer[2000];
  memset(longer, 'a', sizeof longer - 1);
  longer[sizeof longer - 1] = 0;
  hq_fail_errno(&err, HEROQ_E_CONNECTION, ECONNREFUSED, "%s", longer);
  assert_int_equal(sizeof err.text - 1, strlen(err.text));
}

static void null_is_allowed(void **state) {
  (void)state;
  assert_int_equal(HEROQ_OK, hq_ok(NULL));
  assert_int_equal(HEROQ_E_LOST, hq_fail(NULL, HEROQ_E_LOST, "%s", "x"));
  assert_int_equal(HEROQ_E_NOMEM, hq_fail_nomem(NULL));
  hq_error_flag(NULL, 1);
  hq_error_set_item(NULL, 1);
  hq_error_copy(NULL, &(heroq_error){0});
  heroq_error_free(NULL);
  assert_int_equal(0, heroq_error_code(NULL));
  assert_int_equal(0, heroq_error_flags(NULL));
  assert_int_equal(0, heroq_error_errno(NULL));
  assert_int_equal(-1, heroq_error_item(NULL));
  assert_string_equal("", heroq_error_text(NULL));
}

static void accessors_read_the_heap_error(void **state) {
  (void)state;
  heroq_error *err = heroq_error_new();
  assert_int_equal(0, heroq_error_code(err));
  assert_string_equal("", heroq_error_text(err));
  hq_fail_errno(err, HEROQ_E_TIMEOUT, ETIMEDOUT, "slow");
  hq_error_set_item(err, 9);
  assert_int_equal(HEROQ_E_TIMEOUT, heroq_error_code(err));
  assert_int_equal(HEROQ_RETRYABLE, heroq_error_flags(err));
  assert_int_equal(ETIMEDOUT, heroq_error_errno(err));
  assert_int_equal(9, heroq_error_item(err));
  test_assert_text(err, "slow: ");
  heroq_error_free(err);
}

static void foreign_bytes_are_escaped(void **state) {
  (void)state;
  static const struct {
    const char *in, *out;
  } cases[] = {
      {"plain \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "plain \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
      {"two\nlines\r\t\x1b[31m\x7f", "two\\x0alines\\x0d\\x09\\x1b[31m\\x7f"},
      {"\xff\xc3", "\\xff\\xc3"},
      {"\xc0\xaf", "\\xc0\\xaf"},                            /* overlong */
      {"\xed\xa0\x80", "\\xed\\xa0\\x80"},                   /* a surrogate */
      {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},          /* above U+10FFFF */
      {"\xc2\x85\xe2\x80\xa8", "\\xc2\\x85\\xe2\\x80\\xa8"}, /* line ends of Unicode */
      {"\xe2\x82", "\\xe2\\x82"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char out[128];
    hq_escape(out, sizeof out, cases[i].in, strlen(cases[i].in));
    assert_string_equal(cases[i].out, out);
    heroq_error err;
    hq_fail(&err, HEROQ_E_SERVER, "%s", cases[i].in);
    assert_string_equal(cases[i].out, err.text);
  }
  char out[16];
  hq_escape(out, sizeof out, "a\0b", 3);
  assert_string_equal("a\\x00b", out);
}

static void a_text_is_cut_at_a_character(void **state) {
  (void)state;
  const char *in = "a\xe2\x82\xac\x01z";
  static const char *const wanted[] = {"",
                                       "a",
                                       "a",
                                       "a",
                                       "a\xe2\x82\xac",
                                       "a\xe2\x82\xac",
                                       "a\xe2\x82\xac",
                                       "a\xe2\x82\xac",
                                       "a\xe2\x82\xac\\x01",
                                       "a\xe2\x82\xac\\x01z"};
  for (size_t cap = 1; cap <= 10; cap++) {
    char out[16];
    memset(out, '#', sizeof out);
    hq_escape(out, cap, in, strlen(in));
    assert_string_equal(wanted[cap - 1], out);
    assert_int_equal('#', out[cap]);
  }
  char untouched = '#';
  hq_escape(&untouched, 0, in, 1);
  assert_int_equal('#', untouched);
  for (size_t lead = 0; lead < 4; lead++) {
    char text[1200] = "";
    heroq_error err;
    memset(text, 'x', lead);
    for (size_t n = lead; n + 4 < sizeof text; n += 3) memcpy(text + n, "\xe2\x82\xac", 4);
    hq_fail(&err, HEROQ_E_SERVER, "%s", text);
    size_t n = strlen(err.text);
    assert_true(n < sizeof err.text && n + 4 > sizeof err.text - 1);
    assert_true(hq_utf8_ok(hq_slice_of(err.text)));
    assert_memory_equal(text, err.text, n);
  }
}

static void a_text_may_hold_itself(void **state) {
  (void)state;
  heroq_error err;
  hq_fail(&err, HEROQ_E_OPTION, "lease: too short");
  hq_fail(&err, err.code, "in the URL: %s", err.text);
  assert_string_equal("in the URL: lease: too short", err.text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(statuses_are_as_in_the_vectors),
      cmocka_unit_test(an_error_is_filled_and_cleared),
      cmocka_unit_test(some_codes_are_worth_another_try),
      cmocka_unit_test(errno_is_told),
      cmocka_unit_test(null_is_allowed),
      cmocka_unit_test(accessors_read_the_heap_error),
      cmocka_unit_test(foreign_bytes_are_escaped),
      cmocka_unit_test(a_text_is_cut_at_a_character),
      cmocka_unit_test(a_text_may_hold_itself),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
