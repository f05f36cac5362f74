/* The options table: values, errors that help, merging, the environment, descriptions. */
#include "vectors.h"

#include "options_private.h"

static heroq_options *new_options(void) {
  heroq_options *o;
  assert_ok(heroq_options_new(&o, NULL), NULL);
  return o;
}

static void assert_value(const heroq_options *o, const char *name, const char *text, int32_t set) {
  heroq_bytes *value;
  heroq_error err;
  int32_t is_set = 7;
  assert_ok(heroq_options_get(o, name, &value, &is_set, &err), &err);
  assert_bytes_are(value, text);
  assert_int_equal(set, is_set);
  heroq_bytes_free(value);
}

static void every_default_is_a_right_value(void **state) {
  (void)state;
  static const char *const types[] = {"text", "bool", "int", "duration", "size", "choice", "secret"};
  static const char *const scopes[] = {"client", "job", "actor", "supervisor", "waiter", "list", "doctor"};
  heroq_options *o = new_options();
  heroq_error err;
  assert_int_equal(HQ_OPTION_TOTAL, heroq_options_count());
  for (int32_t i = 0; i < heroq_options_count(); i++) {
    heroq_record *r;
    assert_ok(heroq_options_describe(i, &r, &err), &err);
    const char *name = heroq_record_text(r, heroq_record_find(r, "name"));
    const char *otherwise = heroq_record_text(r, heroq_record_find(r, "default"));
    bool type = false, scope = false;
    for (size_t k = 0; k < sizeof types / sizeof *types; k++)
      type |= !strcmp(types[k], heroq_record_text(r, heroq_record_find(r, "type")));
    for (size_t k = 0; k < sizeof scopes / sizeof *scopes; k++)
      scope |= !strcmp(scopes[k], heroq_record_text(r, heroq_record_find(r, "scope")));
    assert_true(type && scope);
    assert_true(strlen(heroq_record_text(r, heroq_record_find(r, "text"))) > 10);
    assert_true(heroq_record_find(r, "min") > 0 && heroq_record_find(r, "max") > 0);
    assert_value(o, name, otherwise, 0);
    assert_ok(heroq_options_set(o, name, otherwise, &err), &err);
    assert_value(o, name, otherwise, 1);
    heroq_record *choices;
    assert_ok(heroq_record_child(r, heroq_record_find(r, "choices"), &choices, &err), &err);
    bool is_choice = !strcmp("choice", heroq_record_text(r, heroq_record_find(r, "type")));
    assert_true((heroq_record_count(choices) > 1) == is_choice);
    for (int32_t c = 0; c < heroq_record_count(choices); c++) {
      assert_ok(heroq_options_set(o, name, heroq_record_text(choices, c), &err), &err);
      assert_int_equal(c, hq_option_int(o, i));
    }
    heroq_record_free(choices);
    heroq_record_free(r);
  }
  heroq_record *r;
  assert_status(HEROQ_E_NOT_FOUND, heroq_options_describe(-1, &r, &err), &err);
  assert_status(HEROQ_E_NOT_FOUND, heroq_options_describe(HQ_OPTION_TOTAL, &r, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_options_describe(0, NULL, &err), &err);
  heroq_options_free(o);
}

static void values_are_read(void **state) {
  (void)state;
  static const struct {
    const char *name, *value;
    int64_t number; /* -1: refused */
  } cases[] = {
      {"lease", "300", 300},
      {"lease", "300ms", 300},
      {"lease", "5s", 5000},
      {"lease", "10m", 600000},
      {"lease", "1h", 3600000},
      {"ttl", "24h", 86400000},
      {"ttl", "30d", 2592000000},
      {"lease", "299", -1},
      {"lease", "3600001", -1},
      {"lease", "2h", -1},
      {"lease", "5 s", -1},
      {"lease", "5S", -1},
      {"lease", " 5s", -1},
      {"lease", "5s ", -1},
      {"lease", "5.5s", -1},
      {"lease", "1m30s", -1},
      {"lease", "s", -1},
      {"lease", "", -1},
      {"lease", "-5s", -1},
      {"lease", "+5s", -1},
      {"lease", "5w", -1},
      {"lease", "0x10", -1},
      {"lease", "9223372036854775807", -1},
      {"lease", "9223372036854775807d", -1},
      {"lease", "106751991168d", -1},
      {"lease", "99999999999999999999999s", -1},
      {"max_script", "1", 1},
      {"max_script", "100B", 100},
      {"max_script", "64KiB", 65536},
      {"max_script", "16MiB", 16777216},
      {"max_script", "512MiB", 536870912},
      {"max_script", "513MiB", -1},
      {"max_pending", "64GiB", 68719476736},
      {"max_script", "16MB", -1},
      {"max_script", "16mib", -1},
      {"max_script", "0", -1},
      {"max_script", "9007199254740992GiB", -1},
      {"max_script", "18014398509481985KiB", -1}, /* would wrap to 1 KiB */
      {"retries", "0", 0},
      {"retries", "1000000", 1000000},
      {"retries", "1000001", -1},
      {"retries", "-1", -1},
      {"retries", "3x", -1},
      {"retries", "3s", -1},
      {"at", "9007199254740991", 9007199254740991},
      {"at", "9007199254740992", -1},
      {"urgent", "yes", 1},
      {"urgent", "TRUE", 1},
      {"urgent", "on", 1},
      {"urgent", "1", 1},
      {"urgent", "no", 0},
      {"urgent", "False", 0},
      {"urgent", "off", 0},
      {"urgent", "0", 0},
      {"urgent", "", -1},
      {"urgent", "yes,", -1},
      {"urgent", "no,yes", -1},
      {"urgent", "2", -1},
      {"urgent", "yesyesyesyes", -1},
      {"connect", "now", 0},
      {"connect", "lazy", 1},
      {"connect", "wait", 2},
      {"connect", "Now", -1},
      {"connect", "now,lazy", -1},
      {"connect", "", -1},
      {"connect", "laz", -1},
      {"username", "", 0},
      {"username", "h\xc3\xa9ro", 0},
      {"username", "a\nb", -1},
      {"username", "a\x7f", -1},
      {"username", "\xff", -1},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int option = -1;
    int64_t number = 0;
    heroq_error err;
    heroq_status status = hq_option_parse(cases[i].name, cases[i].value, -1, &option, &number, &err);
    if (status != (cases[i].number < 0 ? HEROQ_E_OPTION : HEROQ_OK) || (!status && number != cases[i].number))
      fail_msg("%s=%s: %s, %lld", cases[i].name, cases[i].value, heroq_status_name(status), (long long)number);
    if (status) {
      test_assert_text(&err, cases[i].name);
      test_assert_text(&err, "it takes");
    }
  }
}

static void a_wrong_name_names_the_nearest(void **state) {
  (void)state;
  static const struct {
    const char *wrong, *nearest;
  } cases[] = {{"leese", "\"lease\""},
               {"Lease", "\"lease\""},
               {"timout", "\"timeout\""},
               {"connect-timeout", "\"connect_timeout\""},
               {"retrys", "\"retries\""},
               {"pasword", "\"password\""},
               {"conection_timeout", "\"connect_timeout\""},
               {"prefech", "\"prefetch\""}};
  heroq_options *o = new_options();
  heroq_error err;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_status(HEROQ_E_OPTION, heroq_options_set(o, cases[i].wrong, "hunter2", &err), &err);
    test_assert_text(&err, cases[i].nearest);
    assert_null(strstr(err.text, "hunter2"));
    heroq_bytes *value;
    assert_status(HEROQ_E_OPTION, heroq_options_get(o, cases[i].wrong, &value, NULL, &err), &err);
    test_assert_text(&err, cases[i].nearest);
  }
  char longer[5000];
  memset(longer, 'x', sizeof longer - 1);
  longer[sizeof longer - 1] = 0;
  assert_status(HEROQ_E_OPTION, heroq_options_set(o, longer, "1", &err), &err);
  assert_true(strlen(err.text) < 200);
  assert_status(HEROQ_E_OPTION, heroq_options_set(o, "", "1", &err), &err);
  /* Of a job only the options of jobs are named. */
  int option;
  int64_t number;
  assert_status(HEROQ_E_OPTION, hq_option_parse("tymeout", "5s", HQ_SCOPE_JOB, &option, &number, &err), &err);
  test_assert_text(&err, "\"timeout\"");
  assert_status(HEROQ_E_OPTION, hq_option_parse("leas", "5s", HQ_SCOPE_JOB, &option, &number, &err), &err);
  assert_null(strstr(err.text, "\"lease\""));
  assert_status(HEROQ_E_OPTION, hq_option_parse("lease", "5s", HQ_SCOPE_JOB, &option, &number, &err), &err);
  test_assert_text(&err, "an option of the actor, not of the job");
  heroq_options_free(o);
}

static void secrets_are_never_shown(void **state) {
  (void)state;
  heroq_options *o = new_options();
  heroq_error err;
  assert_value(o, "password", "", 0);
  assert_ok(heroq_options_set(o, "password", "hunter2 \xff", &err), &err);
  assert_value(o, "password", "***", 1);
  assert_string_equal("hunter2 \xff", hq_option_text(o, HQ_OPT_PASSWORD));
  char longer[4100];
  memset(longer, 'Q', sizeof longer - 1);
  longer[sizeof longer - 1] = 0;
  assert_status(HEROQ_E_OPTION, heroq_options_set(o, "password", longer, &err), &err);
  assert_null(strstr(err.text, "QQ"));
  heroq_options_free(o);
}

static void a_refused_value_changes_nothing(void **state) {
  (void)state;
  heroq_options *o = new_options();
  heroq_error err;
  assert_ok(heroq_options_set(o, "lease", "10s", &err), &err);
  assert_status(HEROQ_E_OPTION, heroq_options_set(o, "lease", "never", &err), &err);
  assert_string_equal("lease=\"never\": it takes a duration such as 250ms, 5s, 10m, 24h or 30d, from 300 to 3600000 ms",
                      err.text);
  assert_value(o, "lease", "10s", 1);
  assert_ok(heroq_options_set(o, "lease", "20s", &err), &err);
  assert_value(o, "lease", "20s", 1);
  heroq_options_free(o);
}

static void null_is_an_error(void **state) {
  (void)state;
  heroq_options *o = new_options();
  heroq_bytes *value;
  heroq_error err;
  assert_status(HEROQ_E_INVALID, heroq_options_new(NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_options_set(NULL, "lease", "5s", &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_options_set(o, NULL, "5s", &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_options_set(o, "lease", NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_options_get(o, NULL, &value, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_options_get(o, "lease", NULL, NULL, &err), &err);
  assert_value(NULL, "lease", "30s", 0);
  assert_int_equal(30000, hq_option_int(NULL, HQ_OPT_LEASE));
  assert_string_equal("", hq_option_text(NULL, HQ_OPT_PASSWORD));
  assert_false(hq_option_is_set(NULL, HQ_OPT_LEASE));
  heroq_options_free(NULL);
  heroq_options_free(o);
}

static void sets_are_merged(void **state) {
  (void)state;
  heroq_options *base = new_options(), *over = new_options(), *o;
  assert_ok(heroq_options_set(base, "lease", "10s", NULL), NULL);
  assert_ok(heroq_options_set(base, "block", "1s", NULL), NULL);
  assert_ok(heroq_options_set(over, "lease", "20s", NULL), NULL);
  assert_ok(heroq_options_set(over, "password", "x", NULL), NULL);
  o = hq_options_merge(base, over);
  heroq_options_free(base);
  heroq_options_free(over);
  assert_value(o, "lease", "20s", 1);
  assert_value(o, "block", "1s", 1);
  assert_string_equal("x", hq_option_text(o, HQ_OPT_PASSWORD));
  assert_value(o, "prefetch", "1024", 0);
  heroq_options *copy = hq_options_merge(o, NULL), *empty = hq_options_merge(NULL, NULL);
  assert_value(copy, "lease", "20s", 1);
  assert_value(empty, "lease", "30s", 0);
  heroq_options_free(empty);
  heroq_options_free(copy);
  heroq_options_free(o);
}

static void the_environment_fills_what_is_open(void **state) {
  (void)state;
  heroq_options *o = new_options();
  heroq_error err;
  assert_ok(heroq_options_set(o, "lease", "10s", &err), &err);
  setenv("HEROQ_LEASE", "20s", 1);
  setenv("HEROQ_CONNECT_TIMEOUT", "3s", 1);
  setenv("HEROQ_BLOCK", "", 1);
  assert_ok(hq_options_from_env(o, &err), &err);
  assert_value(o, "lease", "10s", 1);
  assert_value(o, "connect_timeout", "3s", 1);
  assert_value(o, "block", "5s", 0);
  setenv("HEROQ_PREFETCH", "many", 1);
  assert_status(HEROQ_E_OPTION, hq_options_from_env(o, &err), &err);
  test_assert_text(&err, "environment variable HEROQ_PREFETCH: prefetch=\"many\": it takes a whole number");
  unsetenv("HEROQ_PREFETCH");
  char longer[5000];
  memset(longer, 'Q', sizeof longer - 1);
  longer[sizeof longer - 1] = 0;
  setenv("HEROQ_PASSWORD", longer, 1);
  assert_status(HEROQ_E_OPTION, hq_options_from_env(o, &err), &err);
  assert_null(strstr(err.text, "QQ"));
  unsetenv("HEROQ_PASSWORD");
  unsetenv("HEROQ_LEASE");
  unsetenv("HEROQ_CONNECT_TIMEOUT");
  unsetenv("HEROQ_BLOCK");
  heroq_options_free(o);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_default_is_a_right_value),
      cmocka_unit_test(values_are_read),
      cmocka_unit_test(a_wrong_name_names_the_nearest),
      cmocka_unit_test(secrets_are_never_shown),
      cmocka_unit_test(a_refused_value_changes_nothing),
      cmocka_unit_test(null_is_an_error),
      cmocka_unit_test(sets_are_merged),
      cmocka_unit_test(the_environment_fills_what_is_open),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
