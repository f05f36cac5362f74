/* Job ⇄ hash fields: what a new hash gets, and that nothing a server answers does harm. */
#include "support.h"

#include <heroq/actor.h>

#include "clock.h"
#include "delivery.h"
#include "scripts.h"
#include "wire.h"

/* ---- commands ---- */

/* Argument i of the only command of the batch, read out of its RESP. */
static hq_slice argument(const hq_batch *b, long i) {
  const char *p = b->text.p, *end = p + b->text.n;
  char *after;
  assert_int_equal('*', *p);
  long count = strtol(p + 1, &after, 10);
  hq_slice found = HQ_SLICE_NONE;
  p = after + 2;
  for (long k = 0; k < count; k++) {
    assert_true(p < end && *p == '$');
    size_t n = (size_t)strtol(p + 1, &after, 10);
    if (k == i) found = (hq_slice){after + 2, n};
    p = after + 2 + n + 2;
    assert_memory_equal("\r\n", p - 2, 2);
  }
  assert_ptr_equal(end, p); /* as many arguments as announced */
  return found;
}

/* The value of a field among the arguments from `first` on. */
static hq_slice field(const hq_batch *b, long first, const char *name) {
  hq_slice value = HQ_SLICE_NONE, key;
  for (long i = first; (key = argument(b, i)).p; i += 2)
    if (hq_slice_is(key, name)) {
      assert_null(value.p); /* once */
      value = argument(b, i + 1);
      assert_non_null(value.p);
    }
  return value;
}

static void assert_slice(hq_slice s, const char *text) {
  if (!hq_slice_is(s, text)) fail_msg("\"%.*s\" is not \"%s\"", (int)s.n, s.p ? s.p : "(none)", text);
}

static heroq_job *new_job(void) {
  heroq_job *job;
  assert_ok(heroq_job_new("osis", "a\0b", 3, &job, NULL), NULL);
  return job;
}

static void a_new_job_is_one_hset(void **state) {
  (void)state;
  hq_batch b;
  heroq_job *job = new_job();
  char key[64];
  hq_batch_init(&b);
  assert_ok(heroq_job_set_option(job, "timeout", "5s", NULL), NULL);
  assert_ok(heroq_job_set_option(job, "group", "blue", NULL), NULL);
  assert_ok(heroq_job_set_field(job, "mine", "", 0, NULL), NULL);
  hq_wire_put_create(&b, job, HQ_SLICE_NONE);
  assert_int_equal(1, b.count);
  assert_int_equal(-1, b.command[0].script);
  assert_slice(argument(&b, 0), "HSET");
  snprintf(key, sizeof key, "hero:job:%s", heroq_job_id(job));
  assert_slice(argument(&b, 1), key);
  assert_slice(field(&b, 2, "jobId"), heroq_job_id(job));
  hq_slice script = field(&b, 2, "script");
  assert_int_equal(3, script.n);
  assert_memory_equal("a\0b", script.p, 3);
  assert_slice(field(&b, 2, "script_type"), "osis");
  assert_slice(field(&b, 2, "status"), "dispatched");
  assert_slice(field(&b, 2, "timeout"), "5");
  assert_slice(field(&b, 2, "hq_ttl"), "86400000");
  assert_slice(field(&b, 2, "mine"), "");
  assert_int_equal(24, field(&b, 2, "createdAt").n);
  assert_memory_equal(field(&b, 2, "createdAt").p, field(&b, 2, "updatedAt").p, 24);
  assert_null(field(&b, 2, "hq_reply_to").p);
  assert_null(field(&b, 2, "hq_expires").p);
  assert_null(field(&b, 2, "group").p);
  assert_null(field(&b, 2, "output").p);
  assert_null(argument(&b, (long)hq_wire_field_args(job, HQ_SLICE_NONE) + 2).p);
  hq_batch_free(&b);
  heroq_job_free(job);
}

static void it_expires_so_long_after_it_is_stored(void **state) {
  (void)state;
  hq_batch b;
  int64_t at, before = hq_wall_ms();
  heroq_job *job = new_job(), *copy;
  hq_batch_init(&b);
  assert_ok(heroq_job_set_option(job, "expires", "10s", NULL), NULL);
  assert_ok(heroq_job_copy(job, &copy, NULL), NULL);
  hq_wire_put_create(&b, job, HQ_SLICE_NONE);
  assert_true(hq_slice_to_int64(field(&b, 2, "hq_expires"), &at));
  assert_in_range(at, before + 10000, hq_wall_ms() + 10000);
  assert_null(argument(&b, (long)hq_wire_field_args(job, HQ_SLICE_NONE) + 2).p);
  hq_batch_reset(&b);
  hq_wire_put_create(&b, copy, HQ_SLICE_NONE);
  assert_non_null(field(&b, 4, "hq_expires").p);
  hq_batch_free(&b);
  heroq_job_free(copy);
  heroq_job_free(job);
}

static void a_given_id_is_guarded(void **state) {
  (void)state;
  hq_batch b;
  heroq_job *job = new_job();
  hq_batch_init(&b);
  assert_ok(heroq_job_set_id(job, "order.42", NULL), NULL);
  assert_ok(heroq_job_set_option(job, "ttl", "1h", NULL), NULL);
  assert_ok(heroq_job_add_prerequisite(job, "41", NULL), NULL);
  hq_wire_put_create(&b, job, hq_slice_of("hero:q:reply:order.42"));
  assert_int_equal(HQ_SCRIPT_CREATE, b.command[0].script);
  assert_slice(argument(&b, 0), "EVALSHA");
  assert_slice(argument(&b, 1), hq_script(HQ_SCRIPT_CREATE)->sha1);
  assert_slice(argument(&b, 2), "1");
  assert_slice(argument(&b, 3), "hero:job:order.42");
  assert_slice(field(&b, 4, "jobId"), "order.42");
  assert_slice(field(&b, 4, "hq_ttl"), "3600000");
  assert_slice(field(&b, 4, "hq_reply_to"), "hero:q:reply:order.42");
  assert_slice(field(&b, 4, "prerequisites"), "[\"41\"]");
  assert_slice(field(&b, 4, "status"), "waiting_for_prerequisites");
  hq_batch_free(&b);
  heroq_job_free(job);
}

/* The copy of a job that ran is a new job: an old output would end it at once, an old token would own it. */
static void nothing_of_an_earlier_run_is_written(void **state) {
  (void)state;
  static const char json[] = "{\"jobId\":\"7\",\"script\":\"x\",\"status\":\"Finished\",\"output\":\"old\",\"error\":"
                             "\"old\",\"createdAt\":\"old\","
                             "\"updatedAt\":\"old\",\"hq_reply_to\":\"hero:q:reply:7\",\"hq_token\":\"5:a\",\"hq_"
                             "requeued\":\"1\",\"hq_dead\":\"lost\","
                             "\"hq_headers\":{\"a\":\"b\"},\"mine\":\"kept\"}";
  static const char *const gone[] = {"output", "error", "hq_reply_to", "hq_token", "hq_requeued", "hq_dead"};
  hq_batch b;
  heroq_job *job;
  hq_batch_init(&b);
  assert_ok(heroq_job_from_json(json, sizeof json - 1, &job, NULL), NULL);
  hq_wire_put_create(&b, job, HQ_SLICE_NONE);
  for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) assert_null(field(&b, 4, gone[i]).p);
  assert_slice(field(&b, 4, "status"), "dispatched");
  assert_int_equal(24, field(&b, 4, "createdAt").n);
  assert_slice(field(&b, 4, "hq_headers"), "{\"a\":\"b\"}");
  assert_slice(field(&b, 4, "mine"), "kept");
  assert_slice(field(&b, 4, "hq_ttl"), "86400000");
  hq_batch_free(&b);
  heroq_job_free(job);
}

/* ---- replies ---- */

static hq_reply bytes(const char *p, size_t n) { return (hq_reply){.type = HQ_STRING, .str = {p, n}}; }

static hq_reply string(const char *text) { return text ? bytes(text, strlen(text)) : (hq_reply){.type = HQ_NIL}; }

static hq_reply array(hq_reply *element, uint32_t count) {
  return (hq_reply){.type = HQ_ARRAY, .count = count, .element = element};
}

static heroq_status from_texts(const char *id, const char *const *text, uint32_t n, heroq_job **job, heroq_error *err) {
  hq_reply element[64], all = array(element, n);
  for (uint32_t i = 0; i < n; i++) element[i] = string(text[i]);
  return hq_wire_job_from_hash(hq_slice_of(id), &all, job, err);
}

static void a_hash_becomes_a_job(void **state) {
  (void)state;
  static const char *const text[] = {"script",   "print", "status",      "Finished", "output",  "o",
                                     "mine",     "m",     "timeout",     "9",        "retries", "2",
                                     "hq_token", "5:a",   "script_type", "osis"};
  heroq_job *job;
  heroq_error err;
  assert_ok(from_texts("a:b", text, sizeof text / sizeof *text, &job, &err), &err);
  assert_string_equal("a:b", heroq_job_id(job)); /* no jobId: the key's */
  assert_string_equal("print", heroq_job_script(job, NULL));
  assert_string_equal("finished", heroq_job_status(job));
  assert_int_equal(1, heroq_job_is_terminal(job));
  assert_string_equal("o", heroq_job_output(job, NULL));
  assert_null(heroq_job_error(job, NULL));
  assert_int_equal(9, heroq_job_timeout(job));
  assert_int_equal(2, heroq_job_retries(job));
  assert_string_equal("m", heroq_job_field(job, "mine", NULL));
  assert_string_equal("5:a", heroq_job_field(job, "hq_token", NULL));
  assert_status(HEROQ_E_STATE, heroq_job_set_field(job, "mine", "x", 1, &err), &err);
  heroq_job_free(job);
}

static void nonsense_is_the_default(void **state) {
  (void)state;
  static const char *const numbers[] = {"abc", "",   "-1",      "1e400", "99999999999999999999",
                                        "1.5", " 1", "9999999", "0x1"};
  heroq_job *job;
  heroq_error err;
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    const char *text[] = {"script",    "s",        "timeout",    numbers[i], "retries",       numbers[i],
                          "status",    "\xff",     "env_vars",   "{{",       "jobId",         "other",
                          "createdAt", numbers[i], "hq_headers", "\xff",     "prerequisites", "[1]"};
    assert_ok(from_texts("7", text, sizeof text / sizeof *text, &job, &err), &err);
    assert_int_equal(0, heroq_job_timeout(job));
    assert_int_equal(-1, heroq_job_retries(job));
    assert_string_equal("", heroq_job_status(job));
    assert_int_equal(0, heroq_job_is_terminal(job));
    assert_string_equal("7", heroq_job_id(job));
    assert_null(heroq_job_header(job, "a"));
    assert_string_equal(numbers[i], heroq_job_field(job, "timeout", NULL)); /* kept as it was */
    heroq_bytes *json;
    assert_ok(heroq_job_to_json(job, &json, &err), &err);
    assert_non_null(strstr(heroq_bytes_data(json), "\"status\":{\"base64\":\"/w==\"}"));
    assert_non_null(strstr(heroq_bytes_data(json), "\"env_vars\":\"{{\""));
    heroq_bytes_free(json);
    heroq_job_free(job);
  }
}

static void foreign_names_and_bytes_are_kept(void **state) {
  (void)state;
  hq_reply element[] = {bytes("a\0b", 3), bytes("\0", 1),   bytes("\xff", 1),       string("v"),     bytes("", 0),
                        bytes("", 0),     string("script"), bytes("\r\n\0\xff", 4), string("jobId"), bytes("7\0x", 3)};
  hq_reply all = array(element, sizeof element / sizeof *element);
  heroq_job *job;
  heroq_error err;
  size_t n;
  assert_ok(hq_wire_job_from_hash(hq_slice_of("7"), &all, &job, &err), &err);
  assert_non_null(heroq_job_field(job, "a\\x00b", &n));
  assert_int_equal(1, n);
  assert_null(heroq_job_field(job, "a", &n));
  assert_string_equal("v", heroq_job_field(job, "\\xff", NULL));
  assert_non_null(heroq_job_field(job, "", &n));
  assert_int_equal(0, n);
  assert_memory_equal("\r\n\0\xff", heroq_job_script(job, &n), 4);
  assert_int_equal(4, n);
  assert_string_equal("7", heroq_job_id(job));
  heroq_bytes *json;
  assert_ok(heroq_job_to_json(job, &json, &err), &err);
  assert_string_equal(
      "{\"jobId\":\"7\",\"script\":{\"base64\":\"DQoA/w==\"},\"a\\\\x00b\":{\"base64\":\"AA==\"},\"\\\\xff\":"
      "\"v\",\"\":\"\"}",
      heroq_bytes_data(json));
  heroq_bytes_free(json);
  heroq_job_free(job);
}

static void strange_replies_do_no_harm(void **state) {
  (void)state;
  heroq_job *job = (heroq_job *)8;
  heroq_error err;
  hq_reply empty = array(NULL, 0), nil = {.type = HQ_NIL}, number = {.type = HQ_INT, .integer = 7};
  assert_status(HEROQ_E_NOT_FOUND, hq_wire_job_from_hash(hq_slice_of("7"), &empty, &job, &err), &err);
  assert_null(job);
  test_assert_text(&err, "no job 7");
  assert_status(HEROQ_E_PROTOCOL, hq_wire_job_from_hash(hq_slice_of("7"), &nil, &job, &err), &err);
  assert_status(HEROQ_E_PROTOCOL, hq_wire_job_from_hash(hq_slice_of("7"), &number, &job, &err), &err);
  assert_status(HEROQ_E_PROTOCOL, hq_wire_job_from_hash(hq_slice_of("7"), NULL, &job, &err), &err);
  /* An odd count, names that are none, values that are none, a field twice. */
  hq_reply element[] = {string("script"), string("first"),  string("script"), string("second, longer"), number,
                        string("x"),      string("status"), number,           array(NULL, 0),           nil,
                        string("error")};
  hq_reply all = array(element, sizeof element / sizeof *element);
  assert_ok(hq_wire_job_from_hash(hq_slice_of("7"), &all, &job, &err), &err);
  assert_string_equal("first", heroq_job_script(job, NULL));
  assert_string_equal("", heroq_job_status(job));
  assert_null(heroq_job_error(job, NULL));
  heroq_job_free(job);
}

static void a_hash_of_many_fields_takes_no_square_time(void **state) {
  (void)state;
  enum { N = 200000 };
  hq_reply *element = calloc(2 * N, sizeof *element);
  char(*name)[16] = calloc(N, sizeof *name);
  heroq_job *job;
  heroq_error err;
  for (int i = 0; i < N; i++) {
    snprintf(name[i], sizeof *name, "f%d", i);
    element[2 * i] = string(name[i]);
    element[2 * i + 1] = string("v");
  }
  hq_reply all = array(element, 2 * N);
  int64_t begin = test_now_ms();
  assert_ok(hq_wire_job_from_hash(hq_slice_of("7"), &all, &job, &err), &err);
  assert_true(test_now_ms() - begin < 10000);
  assert_int_equal(N, job->extra_count);
  heroq_job_free(job);
  free(name);
  free(element);
}

static void a_claim_becomes_a_job(void **state) {
  (void)state;
  hq_reply element[] = {bytes("a\0b", 3),        string("30"),           string(NULL), string("me"), string(NULL),
                        string("{\"A\":\"1\"}"), string("{\"t\":\"1\"}")};
  hq_reply fields = array(element, HQ_CLAIM_FIELD_COUNT);
  size_t n;
  heroq_job *job = hq_wire_job_from_claim(hq_slice_of("7"), "osis", &fields, 3);
  assert_non_null(job);
  memset(element, 0, sizeof element);
  assert_string_equal("7", heroq_job_id(job));
  assert_string_equal("osis", heroq_job_script_type(job));
  assert_memory_equal("a\0b", heroq_job_script(job, &n), 4);
  assert_int_equal(3, n);
  assert_int_equal(30, heroq_job_timeout(job));
  assert_int_equal(-1, heroq_job_retries(job));
  assert_string_equal("me", heroq_job_field(job, "callerId", NULL));
  assert_null(heroq_job_field(job, "contextId", NULL));
  assert_string_equal("1", heroq_job_header(job, "t"));
  assert_string_equal("started", heroq_job_status(job));
  assert_int_equal(3, heroq_job_attempt(job));
  assert_int_equal(HEROQ_E_STATE, heroq_job_set_env(job, "a", "b", NULL));
  heroq_job_free(job);
  job = hq_wire_job_from_claim(hq_slice_of("7"), "osis", NULL, 1); /* no fields at all */
  assert_string_equal("", heroq_job_script(job, &n));
  assert_int_equal(0, n);
  heroq_job_free(job);
}

/* The list in delivery.h and the order in wire.c are one thing in two files. */
static void claims_are_read_in_their_order(void **state) {
  (void)state;
  static const char *const name[] = {HQ_CLAIM_FIELDS};
  hq_reply element[HQ_CLAIM_FIELD_COUNT];
  assert_int_equal(HQ_CLAIM_FIELD_COUNT, sizeof name / sizeof *name);
  for (int i = 0; i < HQ_CLAIM_FIELD_COUNT; i++) element[i] = string(name[i]);
  hq_reply fields = array(element, HQ_CLAIM_FIELD_COUNT);
  heroq_job *job = hq_wire_job_from_claim(hq_slice_of("7"), "osis", &fields, 1);
  for (int i = 0; i < HQ_CLAIM_FIELD_COUNT; i++) assert_string_equal(name[i], heroq_job_field(job, name[i], NULL));
  heroq_job_free(job);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_new_job_is_one_hset),
      cmocka_unit_test(it_expires_so_long_after_it_is_stored),
      cmocka_unit_test(a_given_id_is_guarded),
      cmocka_unit_test(nothing_of_an_earlier_run_is_written),
      cmocka_unit_test(a_hash_becomes_a_job),
      cmocka_unit_test(nonsense_is_the_default),
      cmocka_unit_test(foreign_names_and_bytes_are_kept),
      cmocka_unit_test(strange_replies_do_no_harm),
      cmocka_unit_test(a_hash_of_many_fields_takes_no_square_time),
      cmocka_unit_test(a_claim_becomes_a_job),
      cmocka_unit_test(claims_are_read_in_their_order),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
