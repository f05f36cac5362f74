/* The job: the shared vectors, freezing, lists, what the taker is told. */
#include "vectors.h"

#include <heroq/actor.h>
#include <pthread.h>

#include "job_private.h"

static void assert_field(const heroq_job *job, const cJSON *wanted) {
  size_t n, size;
  char *bytes = vector_bytes(wanted, &n);
  const void *got = heroq_job_field(job, wanted->string, &size);
  if (!bytes) {
    if (got) fail_msg("%s is there", wanted->string);
    assert_int_equal(0, size);
    return;
  }
  if (!got || size != n || memcmp(got, bytes, n))
    fail_msg("%s: \"%s\"", wanted->string, got ? (const char *)got : "(none)");
  assert_int_equal(0, ((const char *)got)[size]);
  free(bytes);
}

static void assert_job(const heroq_job *job, const cJSON *c) {
  const cJSON *item;
  cJSON_ArrayForEach(item, vector_get(c, "fields")) assert_field(job, item);
  cJSON_ArrayForEach(item, vector_get(c, "is")) {
    const char *name = item->string;
    if (!strcmp(name, "id"))
      assert_string_equal(item->valuestring, heroq_job_id(job));
    else if (!strcmp(name, "script_type"))
      assert_string_equal(item->valuestring, heroq_job_script_type(job));
    else if (!strcmp(name, "status"))
      assert_string_equal(item->valuestring, heroq_job_status(job));
    else if (!strcmp(name, "terminal"))
      assert_int_equal(cJSON_IsTrue(item), heroq_job_is_terminal(job));
    else if (!strcmp(name, "timeout"))
      assert_int_equal(item->valueint, heroq_job_timeout(job));
    else if (!strcmp(name, "retries"))
      assert_int_equal(item->valueint, heroq_job_retries(job));
    else
      fail_msg("no getter %s", name);
  }
}

static void json_comes_back(void **state) {
  heroq_error err;
  const cJSON *c;
  cJSON_ArrayForEach(c, vectors_cases(*state, "round_trip")) {
    const char *text = vector_text(c, "json"), *out = vector_text(c, "out");
    heroq_job *job, *again, *copy;
    heroq_bytes *json;
    assert_ok(heroq_job_from_json(text, strlen(text), &job, &err), &err);
    assert_job(job, c);
    assert_ok(heroq_job_to_json(job, &json, &err), &err);
    assert_bytes_are(json, out);
    assert_ok(heroq_job_from_json(heroq_bytes_data(json), heroq_bytes_size(json), &again, &err), &err);
    heroq_bytes_free(json);
    assert_ok(heroq_job_copy(again, &copy, &err), &err);
    heroq_job_free(again);
    assert_ok(heroq_job_to_json(copy, &json, &err), &err);
    assert_bytes_are(json, out);
    assert_job(copy, vector_get(c, "is"));
    heroq_bytes_free(json);
    heroq_job_free(copy);
    heroq_job_free(job);
  }
}

static void odd_json_is_read(void **state) {
  heroq_error err;
  const cJSON *c;
  cJSON_ArrayForEach(c, vectors_cases(*state, "read")) {
    heroq_job *job;
    const char *text = vector_text(c, "text");
    assert_ok(heroq_job_from_json(text, strlen(text), &job, &err), &err);
    assert_int_equal(36, strlen(heroq_job_id(job)));
    assert_string_equal("dispatched", heroq_job_status(job));
    assert_false(job->id_given);
    heroq_job_free(job);
  }
}

static void bad_json_is_refused(void **state) {
  heroq_error err;
  const cJSON *c;
  cJSON_ArrayForEach(c, vectors_cases(*state, "bad")) {
    size_t n;
    heroq_job *job = (heroq_job *)8;
    char *text = vector_bytes(vector_get(c, "text") ? vector_get(c, "text") : c, &n);
    heroq_status status = heroq_job_from_json(text, n, &job, &err);
    if (status != vector_status(c)) fail_msg("%s: %s", vector_text(c, "name"), heroq_status_name(status));
    assert_null(job);
    assert_int_equal(status, err.code);
    assert_null(strchr(err.text, '\n'));
    free(text);
  }
}

static heroq_status set(heroq_job *job, const cJSON *op, heroq_error *err) {
  const char *what = cJSON_GetArrayItem(op, 0)->valuestring;
  const cJSON *first = cJSON_GetArrayItem(op, 1), *second = cJSON_GetArrayItem(op, 2);
  const char *a = cJSON_GetStringValue(first), *b = cJSON_GetStringValue(second);
  if (!strcmp(what, "option")) return heroq_job_set_option(job, a, b, err);
  if (!strcmp(what, "env")) return heroq_job_set_env(job, a, b, err);
  if (!strcmp(what, "header")) return heroq_job_set_header(job, a, b, err);
  if (!strcmp(what, "id")) return heroq_job_set_id(job, a, err);
  if (!strcmp(what, "prerequisite")) return heroq_job_add_prerequisite(job, a, err);
  if (!strcmp(what, "dependent")) return heroq_job_add_dependent(job, a, err);
  assert_string_equal("field", what);
  size_t n;
  char *bytes = vector_bytes(second, &n);
  heroq_status status = heroq_job_set_field(job, a, bytes, n, err);
  free(bytes);
  return status;
}

static void jobs_are_made(void **state) {
  heroq_error err;
  const cJSON *c, *op;
  cJSON_ArrayForEach(c, vectors_cases(*state, "make")) {
    size_t n;
    heroq_job *job = NULL;
    char *script = vector_bytes(vector_get(c, "script"), &n);
    heroq_status status = heroq_job_new(vector_text(c, "script_type"), script, n, &job, &err);
    cJSON_ArrayForEach(op, vector_get(c, "set")) {
      assert_ok(status, &err); /* only the last one may fail */
      status = set(job, op, &err);
    }
    if (status != vector_status(c)) fail_msg("%s: %s %s", vector_text(c, "name"), heroq_status_name(status), err.text);
    assert_int_equal(status, err.code);
    if (!status) assert_job(job, c);
    heroq_job_free(job);
    free(script);
  }
}

static heroq_job *new_job(void) {
  heroq_job *job;
  assert_ok(heroq_job_new("osis", "s", 1, &job, NULL), NULL);
  return job;
}

static void input_is_copied(void **state) {
  (void)state;
  heroq_job *job;
  heroq_error err;
  size_t n;
  char type[] = "osis", script[] = "a\0b", value[] = "v", name[] = "mine";
  assert_ok(heroq_job_new(type, script, 3, &job, &err), &err);
  assert_ok(heroq_job_set_field(job, name, value, 1, &err), &err);
  type[0] = script[0] = value[0] = name[0] = '#';
  assert_string_equal("osis", heroq_job_script_type(job));
  assert_memory_equal("a\0b", heroq_job_script(job, &n), 4);
  assert_int_equal(3, n);
  assert_string_equal("v", heroq_job_field(job, "mine", &n));
  heroq_job_free(job);
}

/* What a getter returned is valid until the free, also when the field is set again. */
static void getters_stay_valid(void **state) {
  (void)state;
  heroq_job *job = new_job();
  heroq_error err;
  char first_id[37];
  const char *id = heroq_job_id(job), *old, *header;
  strcpy(first_id, id);
  assert_ok(heroq_job_set_id(job, "other", &err), &err);
  assert_string_equal(first_id, id);
  assert_ok(heroq_job_set_field(job, "mine", "one", 3, &err), &err);
  old = heroq_job_field(job, "mine", NULL);
  assert_ok(heroq_job_set_header(job, "h", "1", &err), &err);
  header = heroq_job_header(job, "h");
  assert_ptr_equal(header, heroq_job_header(job, "h")); /* asking again costs no memory */
  for (int i = 0; i < 100; i++) {
    assert_ok(heroq_job_set_field(job, "mine", "two", 3, &err), &err);
    assert_ok(heroq_job_set_header(job, "h", "2", &err), &err);
  }
  assert_string_equal("one", old);
  assert_string_equal("1", header);
  assert_string_equal("two", heroq_job_field(job, "mine", NULL));
  assert_string_equal("2", heroq_job_header(job, "h"));
  assert_null(heroq_job_header(job, "H"));
  assert_int_equal(1, job->extra_count);
  heroq_job_free(job);
}

static void a_frozen_job_does_not_change(void **state) {
  (void)state;
  heroq_job *job = new_job(), *copy;
  heroq_error err;
  hq_job_freeze(job);
  assert_status(HEROQ_E_STATE, heroq_job_set_id(job, "x", &err), &err);
  test_assert_text(&err, heroq_job_id(job));
  assert_status(HEROQ_E_STATE, heroq_job_set_field(job, "a", "b", 1, &err), &err);
  assert_status(HEROQ_E_STATE, heroq_job_set_option(job, "retries", "1", &err), &err);
  assert_status(HEROQ_E_STATE, heroq_job_set_env(job, "a", "b", &err), &err);
  assert_status(HEROQ_E_STATE, heroq_job_set_header(job, "a", "b", &err), &err);
  assert_status(HEROQ_E_STATE, heroq_job_add_prerequisite(job, "1", &err), &err);
  assert_status(HEROQ_E_STATE, heroq_job_add_dependent(job, "1", &err), &err);
  assert_ok(heroq_job_copy(job, &copy, &err), &err);
  assert_string_equal(heroq_job_id(job), heroq_job_id(copy));
  assert_ok(heroq_job_set_field(copy, "a", "b", 1, &err), &err);
  assert_null(heroq_job_field(job, "a", NULL));
  heroq_job_free(job);
  heroq_job_free(copy);
}

static void limits_hold(void **state) {
  (void)state;
  heroq_job *job = new_job(), *out;
  heroq_error err;
  size_t n = (1u << 20) + 1;
  char *large = calloc(n, 1), value[60000];
  assert_ok(heroq_job_set_field(job, "callerId", large, n - 1, &err), &err);
  assert_status(HEROQ_E_TOO_BIG, heroq_job_set_field(job, "callerId", large, n, &err), &err);
  assert_status(HEROQ_E_TOO_BIG, heroq_job_set_field(job, "mine", large, n, &err), &err);
  assert_ok(heroq_job_set_field(job, "script", large, n, &err), &err);
  assert_status(HEROQ_E_TOO_BIG, heroq_job_new("osis", large, (512u << 20) + 1, &out, &err), &err);
  assert_null(out);
  for (int i = 0; i < 256; i++) {
    char name[16];
    snprintf(name, sizeof name, "f%d", i);
    assert_ok(heroq_job_set_field(job, name, "", 0, &err), &err);
  }
  assert_status(HEROQ_E_TOO_BIG, heroq_job_set_field(job, "f256", "", 0, &err), &err);
  assert_ok(heroq_job_set_field(job, "f255", "again", 5, &err), &err);
  memset(value, 'x', sizeof value - 1);
  value[sizeof value - 1] = 0;
  heroq_status status = HEROQ_OK;
  int set = 0;
  for (char name[] = "a"; !status && *name <= 'z'; ++*name, set++) status = heroq_job_set_env(job, name, value, &err);
  assert_status(HEROQ_E_TOO_BIG, status, &err);
  assert_int_equal(18, set);
  free(large);
  heroq_job_free(job);
}

static void queues_are_chosen(void **state) {
  (void)state;
  heroq_job *job = new_job(), *bare, *copy;
  heroq_error err;
  hq_buf key = {0};
  assert_ok(hq_job_queue_key(job, &key, &err), &err);
  assert_string_equal("hero:q:work:type:osis", hq_buf_cstr(&key));
  key.n = 0;
  assert_ok(heroq_job_set_option(job, "instance", "i1", &err), &err);
  assert_status(HEROQ_E_INVALID, hq_job_queue_key(job, &key, &err), &err);
  key.n = 0;
  assert_ok(heroq_job_set_option(job, "group", "blue", &err), &err);
  assert_ok(heroq_job_set_option(job, "delay", "5s", &err), &err);
  assert_ok(heroq_job_set_option(job, "at", "77", &err), &err);
  assert_ok(heroq_job_set_option(job, "urgent", "on", &err), &err);
  assert_ok(heroq_job_copy(job, &copy, &err), &err);
  assert_ok(hq_job_queue_key(copy, &key, &err), &err);
  assert_string_equal("hero:q:work:type:osis:group:blue:inst:i1", hq_buf_cstr(&key));
  assert_int_equal(5000, copy->delay);
  assert_int_equal(77, copy->at);
  assert_true(copy->urgent);
  key.n = 0;
  assert_ok(heroq_job_set_option(copy, "group", "", &err), &err);
  assert_ok(heroq_job_set_option(copy, "instance", "", &err), &err);
  assert_ok(hq_job_queue_key(copy, &key, &err), &err);
  assert_string_equal("hero:q:work:type:osis", hq_buf_cstr(&key));
  assert_ok(heroq_job_from_json("{}", 2, &bare, &err), &err);
  assert_status(HEROQ_E_INVALID, hq_job_queue_key(bare, &key, &err), &err);
  hq_buf_free(&key);
  heroq_job_free(bare);
  heroq_job_free(copy);
  heroq_job_free(job);
}

static void a_record_has_all_fields(void **state) {
  (void)state;
  heroq_job *job = new_job();
  heroq_record *r, *env;
  heroq_error err;
  assert_ok(heroq_job_set_env(job, "A", "1", &err), &err);
  assert_ok(heroq_job_set_option(job, "timeout", "30s", &err), &err);
  assert_ok(heroq_job_set_field(job, "mine", "\xff", 1, &err), &err);
  assert_ok(heroq_job_to_record(job, &r, &err), &err);
  assert_string_equal("jobId", heroq_record_name(r, 0));
  assert_string_equal(heroq_job_id(job), heroq_record_text(r, 0));
  assert_int_equal(30, heroq_record_int64(r, heroq_record_find(r, "timeout")));
  assert_int_equal(86400000, heroq_record_int64(r, heroq_record_find(r, "hq_ttl")));
  assert_int_equal(HEROQ_VALUE_BYTES, heroq_record_kind(r, heroq_record_find(r, "mine")));
  assert_string_equal("dispatched", heroq_record_text(r, heroq_record_find(r, "status")));
  assert_ok(heroq_record_child(r, heroq_record_find(r, "env_vars"), &env, &err), &err);
  assert_string_equal("1", heroq_record_text(env, heroq_record_find(env, "A")));
  heroq_record_free(env);
  heroq_record_free(r);
  heroq_job_free(job);
}

static void null_is_an_error(void **state) {
  (void)state;
  heroq_job *job = new_job(), *out;
  heroq_jobs *jobs;
  heroq_bytes *bytes;
  heroq_record *record;
  heroq_error err;
  size_t n = 1;
  assert_status(HEROQ_E_INVALID, heroq_job_new(NULL, "", 0, &out, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_job_new("osis", NULL, 1, &out, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_job_new("osis", "", 0, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_job_copy(NULL, &out, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_job_copy(job, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_job_from_json(NULL, 0, &out, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_job_from_json("{}", 2, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_job_to_json(NULL, &bytes, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_job_to_json(job, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_job_to_record(NULL, &record, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_job_to_record(job, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_job_set_id(NULL, "a", &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_job_set_id(job, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_job_set_field(NULL, "a", "", 0, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_job_set_field(job, NULL, "", 0, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_job_set_field(job, "a", NULL, 1, &err), &err);
  assert_ok(heroq_job_set_field(job, "a", NULL, 0, &err), &err);
  assert_non_null(heroq_job_field(job, "a", &n));
  assert_int_equal(0, n);
  assert_status(HEROQ_E_INVALID, heroq_job_set_option(NULL, "retries", "1", &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_job_set_option(job, NULL, "1", &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_job_set_option(job, "retries", NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_job_set_env(NULL, "a", "b", &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_job_set_env(job, NULL, "b", &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_job_set_env(job, "a", NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_job_set_header(job, NULL, "b", &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_job_add_prerequisite(job, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_job_add_dependent(NULL, "1", &err), &err);
  assert_string_equal("", heroq_job_id(NULL));
  assert_string_equal("", heroq_job_script_type(NULL));
  assert_string_equal("", heroq_job_status(NULL));
  assert_non_null(heroq_job_script(NULL, &n));
  assert_int_equal(0, n);
  assert_null(heroq_job_output(NULL, &n));
  assert_null(heroq_job_error(NULL, NULL));
  assert_null(heroq_job_field(NULL, "a", &n));
  assert_null(heroq_job_field(job, NULL, &n));
  assert_null(heroq_job_header(NULL, "a"));
  assert_null(heroq_job_header(job, NULL));
  assert_int_equal(0, heroq_job_is_terminal(NULL));
  assert_int_equal(0, heroq_job_timeout(NULL));
  assert_int_equal(-1, heroq_job_retries(NULL));
  assert_int_equal(0, heroq_job_attempt(NULL));
  assert_int_equal(0, heroq_job_waited_since(NULL));
  assert_int_equal(0, heroq_job_token(NULL));
  heroq_job_free(NULL);
  assert_status(HEROQ_E_INVALID, heroq_jobs_new(NULL, &err), &err);
  assert_ok(heroq_jobs_new(&jobs, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_jobs_add(NULL, job, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_jobs_add(jobs, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_jobs_job(NULL, 0, &out, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_jobs_job(jobs, 0, NULL, &err), &err);
  assert_int_equal(0, heroq_jobs_count(NULL));
  assert_int_equal(HEROQ_E_INVALID, heroq_jobs_status(NULL, 0));
  heroq_jobs_free(NULL);
  heroq_jobs_free(jobs);
  heroq_job_free(job);
}

static void a_list_keeps_its_jobs(void **state) {
  (void)state;
  enum { N = 100 };
  heroq_jobs *jobs;
  heroq_job *job;
  heroq_error err;
  char id[16];
  assert_ok(heroq_jobs_new(&jobs, &err), &err);
  for (int i = 0; i < N; i++) {
    job = new_job();
    snprintf(id, sizeof id, "job-%d", i);
    assert_ok(heroq_job_set_id(job, id, &err), &err);
    assert_ok(heroq_jobs_add(jobs, job, &err), &err);
    heroq_job_free(job);
  }
  assert_int_equal(N, heroq_jobs_count(jobs));
  assert_int_equal(HEROQ_E_STATE, heroq_jobs_status(jobs, N - 1));
  assert_int_equal(HEROQ_E_INVALID, heroq_jobs_status(jobs, N));
  assert_int_equal(HEROQ_E_INVALID, heroq_jobs_status(jobs, -1));
  assert_status(HEROQ_E_NOT_FOUND, heroq_jobs_job(jobs, N, &job, &err), &err);
  assert_null(job);
  assert_ok(heroq_jobs_job(jobs, 42, &job, &err), &err);
  heroq_jobs_free(jobs);
  assert_string_equal("job-42", heroq_job_id(job));
  heroq_job_free(job);
}

static void dropped(void *taken) { ++*(int *)taken; }

static void the_taker_hears_the_last_free(void **state) {
  (void)state;
  static const hq_taken_ops ops = {dropped};
  int drops = 0;
  heroq_job *job = new_job(), *copy;
  heroq_error err;
  job->taken = &drops;
  job->taken_ops = &ops;
  job->attempt = 3;
  job->token = 9;
  assert_int_equal(3, heroq_job_attempt(job));
  assert_int_equal(9, heroq_job_token(job));
  job->due = 7;
  assert_int_equal(7, heroq_job_waited_since(job));
  assert_ok(heroq_job_copy(job, &copy, &err), &err);
  assert_int_equal(0, heroq_job_attempt(copy));
  assert_int_equal(0, heroq_job_token(copy));
  assert_int_equal(0, heroq_job_waited_since(copy));
  heroq_job_free(copy);
  hq_job_ref(job);
  heroq_job_free(job);
  assert_int_equal(0, drops);
  heroq_job_free(job);
  assert_int_equal(1, drops);
}

static void *read_header(void *job) {
  for (int i = 0; i < 1000; i++)
    if (strcmp("1", heroq_job_header(job, "a")) || strcmp("2", heroq_job_header(job, "b"))) return job;
  return NULL;
}

static void headers_are_read_by_many_threads(void **state) {
  (void)state;
  pthread_t thread[4];
  heroq_job *job = new_job();
  void *failed;
  assert_ok(heroq_job_set_header(job, "a", "1", NULL), NULL);
  assert_ok(heroq_job_set_header(job, "b", "2", NULL), NULL);
  hq_job_freeze(job);
  for (int i = 0; i < 4; i++) assert_int_equal(0, pthread_create(&thread[i], NULL, read_header, job));
  for (int i = 0; i < 4; i++) {
    pthread_join(thread[i], &failed);
    assert_null(failed);
  }
  heroq_job_free(job);
}

static void states_are_as_in_the_vectors(void **state) {
  (void)state;
  cJSON *root = vectors_load("states.json");
  const cJSON *c, *from, *to;
  cJSON_ArrayForEach(c, vectors_cases(root, "parse")) {
    int s = hq_state_parse(hq_slice_of(vector_text(c, "text")));
    assert_string_equal(vector_text(c, "status"), hq_state_name(s));
  }
  assert_int_equal(HQ_S_UNKNOWN, hq_state_parse((hq_slice){"error\0", 6}));
  assert_int_equal(HQ_S_UNKNOWN, hq_state_parse(HQ_SLICE_NONE));
  assert_string_equal("", hq_state_name(-1));
  assert_string_equal("", hq_state_name(99));
  cJSON_ArrayForEach(c, vectors_cases(root, "statuses")) {
    bool terminal = false;
    cJSON_ArrayForEach(to, vector_get(root, "terminal")) terminal |= !strcmp(to->valuestring, c->valuestring);
    assert_int_equal(terminal, hq_state_terminal(hq_state_parse(hq_slice_of(c->valuestring))));
  }
  assert_false(hq_state_terminal(HQ_S_UNKNOWN));
  cJSON_ArrayForEach(from, vectors_cases(root, "follow")) {
    int s = hq_state_parse(hq_slice_of(from->string)), allowed = 0;
    cJSON_ArrayForEach(to, from) assert_true(hq_state_may_follow(s, hq_state_parse(hq_slice_of(to->valuestring))));
    for (int next = -1; next < 9; next++) allowed += hq_state_may_follow(s, next);
    assert_int_equal(cJSON_GetArraySize(from), allowed);
  }
  assert_false(hq_state_may_follow(-1, HQ_S_ERROR));
  assert_false(hq_state_may_follow(99, HQ_S_ERROR));
  cJSON_Delete(root);
}

static int load(void **state) {
  *state = vectors_load("jobs.json");
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(json_comes_back),
      cmocka_unit_test(odd_json_is_read),
      cmocka_unit_test(bad_json_is_refused),
      cmocka_unit_test(jobs_are_made),
      cmocka_unit_test(input_is_copied),
      cmocka_unit_test(getters_stay_valid),
      cmocka_unit_test(a_frozen_job_does_not_change),
      cmocka_unit_test(limits_hold),
      cmocka_unit_test(queues_are_chosen),
      cmocka_unit_test(a_record_has_all_fields),
      cmocka_unit_test(null_is_an_error),
      cmocka_unit_test(a_list_keeps_its_jobs),
      cmocka_unit_test(the_taker_hears_the_last_free),
      cmocka_unit_test(headers_are_read_by_many_threads),
      cmocka_unit_test(states_are_as_in_the_vectors),
  };
  return cmocka_run_group_tests(tests, load, vectors_free);
}
