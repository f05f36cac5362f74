/* The supervisor on a real server: what create, start, submit, stop, delete and requeue leave there, key by key. The
 * actors are foreign: bare commands. */
#include "one_server.h"

#include <pthread.h>
#include <unistd.h>

#define Q "hero:q:work:type:osis"
#define H "{" Q "}"

static heroq_client *client;
static heroq_supervisor *sup;
static heroq_error err;

static int open_all(void **state) {
  (void)state;
  test_redis_do(server, "FLUSHALL", NULL);
  assert_ok(heroq_client_open(server->url, NULL, &client, NULL, &err), &err);
  assert_ok(heroq_supervisor_open(client, NULL, &sup, &err), &err);
  return 0;
}

static int close_all(void **state) {
  (void)state;
  heroq_supervisor_close(sup);
  heroq_client_close(client);
  heroq_supervisor_free(sup);
  heroq_client_free(client);
  return 0;
}

static heroq_job *new_job(const char *script) {
  heroq_job *job;
  assert_ok(heroq_job_new("osis", script, strlen(script), &job, &err), &err);
  return job;
}

static const char *job_key(const char *id) {
  static char key[300];
  snprintf(key, sizeof key, "hero:job:%s", id);
  return key;
}

static void assert_field(const char *id, const char *field, const char *want) {
  char *got = test_redis_text(server, "HGET", job_key(id), field, NULL);
  if (want)
    assert_string_equal(got ? got : "(nil)", want);
  else
    assert_null(got);
  free(got);
}

static void assert_bytes(heroq_bytes *got, const char *want) {
  assert_non_null(got);
  assert_int_equal(heroq_bytes_size(got), strlen(want));
  assert_memory_equal(heroq_bytes_data(got), want, strlen(want));
  heroq_bytes_free(got);
}

static int64_t llen(const char *key) { return test_redis_int(server, "LLEN", key, NULL); }

/* ---- create and start ---- */

static void create_stores_and_does_not_start(void **state) {
  (void)state;
  heroq_job *job = new_job("print(1)");
  assert_ok(heroq_job_set_field(job, "callerId", "me", 2, &err), &err);
  assert_ok(heroq_supervisor_create_job(sup, job, NULL, &err), &err);
  const char *id = heroq_job_id(job);
  assert_field(id, "script", "print(1)");
  assert_field(id, "script_type", "osis");
  assert_field(id, "status", "dispatched");
  assert_field(id, "callerId", "me");
  assert_field(id, "jobId", id);
  assert_int_equal(test_redis_int(server, "EXISTS", Q, NULL), 0);
  assert_int_equal(test_redis_int(server, "TTL", job_key(id), NULL), -1);
  heroq_job_free(job);
}

static void start_pushes_the_id(void **state) {
  (void)state;
  heroq_job *job = new_job("x");
  const char *id = heroq_job_id(job);
  assert_ok(heroq_supervisor_create_job(sup, job, NULL, &err), &err);
  assert_ok(heroq_supervisor_start_job(sup, id, NULL, NULL, NULL, &err), &err); /* the type is in the hash */
  assert_ok(heroq_supervisor_start_job(sup, id, "sal", NULL, NULL, &err), &err);
  char *at = test_redis_text(server, "LINDEX", Q, "0", NULL);
  assert_string_equal(at, id);
  free(at);
  assert_int_equal(llen("hero:q:work:type:sal"), 1);
  assert_true(test_redis_int(server, "ZSCORE", "{heroq}:queues", Q, NULL) > 1600000000000);
  heroq_job_free(job);
}

static void start_knows_group_instance_and_time(void **state) {
  heroq_options *o;
  (void)state;
  heroq_job *job = new_job("x");
  const char *id = heroq_job_id(job);
  assert_ok(heroq_supervisor_create_job(sup, job, NULL, &err), &err);
  assert_ok(heroq_options_new(&o, &err), &err);
  assert_ok(heroq_options_set(o, "group", "g1", &err), &err);
  assert_ok(heroq_supervisor_start_job(sup, id, NULL, o, NULL, &err), &err);
  assert_int_equal(llen(Q ":group:g1"), 1);
  assert_ok(heroq_supervisor_stop_job(sup, id, NULL, NULL, &err), &err);
  assert_ok(heroq_supervisor_requeue_job(sup, id, NULL, NULL, &err), &err);
  assert_int_equal(llen(Q ":group:g1"), 2);
  assert_ok(heroq_supervisor_start_job(sup, id, NULL, NULL, NULL, &err), &err);
  assert_int_equal(llen(Q ":group:g1"), 3);
  assert_ok(heroq_options_set(o, "instance", "i1", &err), &err);
  assert_ok(heroq_options_set(o, "delay", "1h", &err), &err);
  assert_ok(heroq_supervisor_start_job(sup, id, NULL, o, NULL, &err), &err);
  int64_t due = test_redis_int(server, "ZSCORE", "{" Q ":group:g1:inst:i1}:delayed", id, NULL);
  assert_in_range(due, ((int64_t)time(NULL) + 3590) * 1000, ((int64_t)time(NULL) + 3610) * 1000);
  heroq_options_free(o);
  heroq_job_free(job);
}

static void start_refuses_what_cannot_start(void **state) {
  (void)state;
  assert_status(HEROQ_E_NOT_FOUND, heroq_supervisor_start_job(sup, "nobody", NULL, NULL, NULL, &err), &err);
  test_assert_text(&err, "hero:job:nobody");
  test_redis_do(server, "HSET", "hero:job:a", "script", "x", "status", "Finished", NULL);
  assert_status(HEROQ_E_STATE, heroq_supervisor_start_job(sup, "a", "osis", NULL, NULL, &err), &err);
  test_redis_do(server, "HSET", "hero:job:b", "script", "x", NULL);
  assert_status(HEROQ_E_INVALID, heroq_supervisor_start_job(sup, "b", NULL, NULL, NULL, &err), &err);
  assert_ok(heroq_supervisor_start_job(sup, "b", "osis", NULL, NULL, &err), &err);
  test_redis_do(server, "HSET", "hero:job:c", "script", "x", "prerequisites", "[\"a\"]", NULL);
  assert_status(HEROQ_E_UNSUPPORTED, heroq_supervisor_start_job(sup, "c", "osis", NULL, NULL, &err), &err);
  test_assert_text(&err, "prerequisites");
  assert_status(HEROQ_E_INVALID, heroq_supervisor_start_job(sup, "a b", "osis", NULL, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_supervisor_start_job(sup, "b", "o:s", NULL, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_supervisor_start_job(sup, "b", "", NULL, NULL, &err), &err);
  assert_int_equal(llen(Q), 1);
}

static heroq_options *option(const char *name, const char *value) {
  heroq_options *o;
  assert_ok(heroq_options_new(&o, &err), &err);
  assert_ok(heroq_options_set(o, name, value, &err), &err);
  return o;
}

static void options_without_effect_are_refused(void **state) {
  (void)state;
  heroq_record *page;
  heroq_options *retries = option("retries", "3");
  test_redis_do(server, "HSET", "hero:job:a", "script", "x", "script_type", "osis", "status", "finished", NULL);
  assert_status(HEROQ_E_OPTION, heroq_supervisor_start_job(sup, "b", "osis", retries, NULL, &err), &err);
  test_assert_text(&err, "\"retries\" has no effect on start_job: it takes group, instance, delay, at, urgent");
  assert_status(HEROQ_E_OPTION, heroq_supervisor_requeue_job(sup, "a", retries, NULL, &err), &err);
  assert_status(HEROQ_E_OPTION, heroq_supervisor_list_jobs(sup, NULL, retries, &page, NULL, &err), &err);
  assert_status(HEROQ_E_OPTION, heroq_supervisor_get_logs(sup, "a", 0, retries, &page, NULL, &err), &err);
  assert_status(HEROQ_E_OPTION, heroq_queue_list(client, retries, &page, NULL, &err), &err);
  heroq_options_free(retries);
  assert_field("a", "status", "finished");
}

/* ---- submit ---- */

static void submit_is_both_in_one_round_trip(void **state) {
  (void)state;
  heroq_job *job = new_job("x");
  heroq_job *other = new_job("y");
  assert_ok(heroq_supervisor_submit(sup, job, NULL, &err), &err);
  assert_ok(heroq_supervisor_submit(sup, other, NULL, &err), &err);
  assert_field(heroq_job_id(job), "status", "dispatched");
  assert_int_equal(llen(Q), 2);
  char *last = test_redis_text(server, "LINDEX", Q, "-1", NULL); /* the left is the newest */
  assert_string_equal(last, heroq_job_id(job));
  free(last);
  assert_status(HEROQ_E_STATE, heroq_job_set_field(job, "callerId", "late", 4, &err), &err);
  /* no script was called, none was loaded */
  char *stats = test_redis_text(server, "INFO", "commandstats", NULL);
  assert_null(strstr(stats, "cmdstat_evalsha"));
  free(stats);
  heroq_job_free(job);
  heroq_job_free(other);
}

static void a_repeat_with_the_same_handle_is_safe(void **state) {
  (void)state;
  heroq_job *job = new_job("x");
  const char *id = heroq_job_id(job);
  assert_ok(heroq_supervisor_submit(sup, job, NULL, &err), &err);
  test_redis_do(server, "HSET", job_key(id), "status", "finished", "output", "1", NULL);
  assert_ok(heroq_supervisor_submit(sup, job, NULL, &err), &err);
  assert_field(id, "status", "finished"); /* not thrown back to dispatched */
  assert_field(id, "output", "1");
  heroq_job_free(job);
}

static void a_given_id_is_guarded(void **state) {
  (void)state;
  heroq_job *job = new_job("x"), *same = new_job("x"), *other = new_job("y");
  assert_ok(heroq_job_set_id(job, "mine", &err), &err);
  assert_ok(heroq_job_set_id(same, "mine", &err), &err);
  assert_ok(heroq_job_set_id(other, "mine", &err), &err);
  assert_ok(heroq_supervisor_submit(sup, job, NULL, &err), &err);
  assert_ok(heroq_supervisor_create_job(sup, same, NULL, &err), &err);
  assert_status(HEROQ_E_EXISTS, heroq_supervisor_submit(sup, other, NULL, &err), &err);
  test_assert_text(&err, "hero:job:mine");
  assert_status(HEROQ_E_EXISTS, heroq_job_store_in_redis(other, client, NULL, &err), &err);
  assert_field("mine", "script", "x");
  assert_int_equal(llen(Q), 1);
  heroq_job_free(job);
  heroq_job_free(same);
  heroq_job_free(other);
}

static void delay_and_urgent_decide_where_it_goes(void **state) {
  (void)state;
  heroq_job *first = new_job("1"), *urgent = new_job("2"), *later = new_job("3");
  assert_ok(heroq_job_set_option(urgent, "urgent", "yes", &err), &err);
  assert_ok(heroq_job_set_option(later, "delay", "1m", &err), &err);
  assert_ok(heroq_supervisor_submit(sup, first, NULL, &err), &err);
  assert_ok(heroq_supervisor_submit(sup, urgent, NULL, &err), &err);
  assert_ok(heroq_supervisor_submit(sup, later, NULL, &err), &err);
  char *next = test_redis_text(server, "LINDEX", Q, "-1", NULL);
  assert_string_equal(next, heroq_job_id(urgent));
  free(next);
  assert_int_equal(llen(Q), 2);
  assert_int_equal(test_redis_int(server, "ZCARD", H ":delayed", NULL), 1);
  heroq_job_free(first);
  heroq_job_free(urgent);
  heroq_job_free(later);
}

static void expires_before_it_is_due_is_refused(void **state) {
  (void)state;
  static const char *const due[][2] = {{"delay", "10s"}, {"at", "9007199254740991"}};
  for (size_t i = 0; i < sizeof due / sizeof *due; i++) {
    heroq_job *job = new_job("1");
    assert_ok(heroq_job_set_option(job, due[i][0], due[i][1], &err), &err);
    assert_ok(heroq_job_set_option(job, "expires", "10s", &err), &err);
    assert_status(HEROQ_E_OPTION, heroq_supervisor_submit(sup, job, NULL, &err), &err);
    test_assert_text(&err, "would never run: it expires after 10000 ms, before it is due");
    heroq_job_free(job);
  }
  assert_int_equal(test_redis_int(server, "DBSIZE", NULL), 0);
}

static void submit_refuses_before_anything_is_sent(void **state) {
  (void)state;
  heroq_client *small;
  heroq_supervisor *s;
  char url[256];
  snprintf(url, sizeof url, "%s?max_script=10", server->url);
  assert_ok(heroq_client_open(url, NULL, &small, NULL, &err), &err);
  assert_ok(heroq_supervisor_open(small, NULL, &s, &err), &err);
  heroq_job *job = new_job("12345678901");
  assert_status(HEROQ_E_TOO_BIG, heroq_supervisor_submit(s, job, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_supervisor_submit(s, NULL, NULL, &err), &err);
  heroq_job *waits = new_job("x");
  assert_ok(heroq_job_add_prerequisite(waits, "other", &err), &err);
  assert_status(HEROQ_E_UNSUPPORTED, heroq_supervisor_submit(s, waits, NULL, &err), &err);
  assert_ok(heroq_supervisor_create_job(s, waits, NULL, &err), &err); /* stored and shown it can be */
  assert_field(heroq_job_id(waits), "status", "waiting_for_prerequisites");
  assert_int_equal(llen(Q), 0);
  heroq_job_free(job);
  heroq_job_free(waits);
  heroq_supervisor_free(s);
  heroq_client_close(small);
  heroq_client_free(small);
}

static void the_servers_refusals_have_their_codes(void **state) {
  (void)state;
  heroq_job *job = new_job("x");
  test_redis_do(server, "SET", Q, "no list", NULL);
  assert_status(HEROQ_E_WRONG_TYPE, heroq_supervisor_submit(sup, job, NULL, &err), &err);
  test_assert_text(&err, Q);
  test_redis_do(server, "DEL", Q, NULL);
  test_redis_do(server, "CONFIG", "SET", "maxmemory", "1", NULL);
  assert_status(HEROQ_E_UNAVAILABLE, heroq_supervisor_submit(sup, job, NULL, &err), &err);
  test_redis_do(server, "CONFIG", "SET", "maxmemory", "0", NULL);
  assert_int_equal(err.flags, HEROQ_RETRYABLE);
  assert_ok(heroq_supervisor_submit(sup, job, NULL, &err), &err);
  assert_int_equal(llen(Q), 1);
  heroq_job_free(job);
}

/* ---- submit_many ---- */

static heroq_jobs *many(int n, const char *second_type) {
  heroq_jobs *jobs;
  assert_ok(heroq_jobs_new(&jobs, &err), &err);
  for (int i = 0; i < n; i++) {
    heroq_job *job;
    char script[16];
    snprintf(script, sizeof script, "%d", i);
    assert_ok(heroq_job_new(i % 2 && second_type ? second_type : "osis", script, strlen(script), &job, &err), &err);
    assert_ok(heroq_jobs_add(jobs, job, &err), &err);
    heroq_job_free(job);
  }
  return jobs;
}

static void many_are_submitted_in_order(void **state) {
  (void)state;
  heroq_jobs *jobs = many(2345, "sal");
  assert_ok(heroq_supervisor_submit_many(sup, jobs, NULL, &err), &err);
  assert_int_equal(llen(Q), 1173);
  assert_int_equal(llen("hero:q:work:type:sal"), 1172);
  for (int i = 0; i < 2345; i++) assert_int_equal(heroq_jobs_status(jobs, i), HEROQ_OK);
  redisReply *ids = test_redis(server, "LRANGE", Q, "0", "-1", NULL);
  for (int i = 0; i < 1173; i++) {
    heroq_job *job;
    assert_ok(heroq_jobs_job(jobs, i * 2, &job, &err), &err);
    assert_string_equal(ids->element[1172 - i]->str, heroq_job_id(job));
    heroq_job_free(job);
  }
  freeReplyObject(ids);
  /* the same list again sends nothing */
  assert_ok(heroq_supervisor_submit_many(sup, jobs, NULL, &err), &err);
  assert_int_equal(llen(Q), 1173);
  heroq_jobs_free(jobs);
  assert_ok(heroq_jobs_new(&jobs, &err), &err);
  assert_ok(heroq_supervisor_submit_many(sup, jobs, NULL, &err), &err);
  heroq_jobs_free(jobs);
}

static void one_bad_job_does_not_stop_the_others(void **state) {
  heroq_job *job;
  (void)state;
  test_redis_do(server, "HSET", "hero:job:taken", "script", "other", NULL);
  test_redis_do(server, "SET", "hero:q:work:type:sal", "no list", NULL);
  heroq_jobs *jobs = many(3, NULL);
  job = new_job("x");
  assert_ok(heroq_job_set_id(job, "taken", &err), &err);
  assert_ok(heroq_jobs_add(jobs, job, &err), &err); /* 3 */
  heroq_job_free(job);
  job = new_job("x");
  assert_ok(heroq_job_add_prerequisite(job, "taken", &err), &err);
  assert_ok(heroq_jobs_add(jobs, job, &err), &err); /* 4 */
  heroq_job_free(job);
  assert_ok(heroq_job_new("sal", "x", 1, &job, &err), &err);
  assert_ok(heroq_jobs_add(jobs, job, &err), &err); /* 5 */
  heroq_job_free(job);
  assert_status(HEROQ_E_PARTIAL, heroq_supervisor_submit_many(sup, jobs, NULL, &err), &err);
  assert_true(err.item >= 3);
  for (int i = 0; i < 3; i++) assert_int_equal(heroq_jobs_status(jobs, i), HEROQ_OK);
  assert_int_equal(heroq_jobs_status(jobs, 3), HEROQ_E_EXISTS);
  assert_int_equal(heroq_jobs_status(jobs, 4), HEROQ_E_UNSUPPORTED);
  assert_int_equal(heroq_jobs_status(jobs, 5), HEROQ_E_WRONG_TYPE);
  assert_int_equal(llen(Q), 3);
  test_redis_do(server, "DEL", "hero:q:work:type:sal", "hero:job:taken", NULL);
  assert_status(HEROQ_E_PARTIAL, heroq_supervisor_submit_many(sup, jobs, NULL, &err), &err);
  assert_int_equal(llen(Q), 4);
  assert_int_equal(llen("hero:q:work:type:sal"), 1);
  heroq_jobs_free(jobs);
}

static void *kill_and_restart(void *arg) {
  (void)arg;
  test_sleep_ms(60);
  test_server_kill9(server);
  return NULL;
}

static void a_lost_connection_in_the_middle_can_be_repeated(void **state) {
  pthread_t thread;
  (void)state;
  enum { N = 60000 };
  heroq_jobs *jobs = many(N, NULL);
  pthread_create(&thread, NULL, kill_and_restart, NULL);
  heroq_status status = heroq_supervisor_submit_many(sup, jobs, NULL, &err);
  pthread_join(thread, NULL);
  test_server_restart(server); /* empty */
  if (status == HEROQ_OK) fail_msg("the server was killed too late for this test");
  assert_true(status == HEROQ_E_PARTIAL || status == HEROQ_E_CONNECTION);
  assert_true(err.flags & HEROQ_RETRYABLE);
  int done = 0, unknown = 0, unsent = 0;
  for (int i = 0; i < N; i++) {
    heroq_status s = heroq_jobs_status(jobs, i);
    done += s == HEROQ_OK;
    unknown += s == HEROQ_E_CONNECTION;
    unsent += s == HEROQ_E_STATE;
  }
  assert_int_equal(done + unknown + unsent, N);
  assert_true(unsent > 0);
  assert_ok(heroq_supervisor_submit_many(sup, jobs, NULL, &err), &err);
  assert_int_equal(llen(Q), N - done);
  heroq_jobs_free(jobs);
}

/* ---- reading ---- */

static void reads_what_the_hash_has(void **state) {
  heroq_bytes *out;
  heroq_job *job;
  (void)state;
  test_redis_do(server, "HSET", "hero:job:a", "script", "x", "status", "Finished", "output", "42", "odd", "kept", NULL);
  assert_ok(heroq_supervisor_get_status(sup, "a", &out, NULL, &err), &err);
  assert_bytes(out, "finished");
  assert_ok(heroq_supervisor_get_output(sup, "a", &out, NULL, &err), &err);
  assert_bytes(out, "42");
  assert_ok(heroq_supervisor_get_error(sup, "a", &out, NULL, &err), &err);
  assert_null(out);
  assert_ok(heroq_supervisor_get_job(sup, "a", &job, NULL, &err), &err);
  assert_int_equal(heroq_job_is_terminal(job), 1);
  size_t size;
  assert_memory_equal(heroq_job_field(job, "odd", &size), "kept", 4);
  heroq_job_free(job);
  test_redis_do(server, "HSET", "hero:job:b", "script", "x", NULL);
  assert_ok(heroq_supervisor_get_status(sup, "b", &out, NULL, &err), &err);
  assert_bytes(out, "");
  assert_status(HEROQ_E_NOT_FOUND, heroq_supervisor_get_status(sup, "c", &out, NULL, &err), &err);
  assert_null(out);
  assert_status(HEROQ_E_NOT_FOUND, heroq_supervisor_get_output(sup, "c", &out, NULL, &err), &err);
  assert_status(HEROQ_E_NOT_FOUND, heroq_supervisor_get_job(sup, "c", &job, NULL, &err), &err);
  test_redis_do(server, "SET", "hero:job:d", "no hash", NULL);
  assert_status(HEROQ_E_WRONG_TYPE, heroq_supervisor_get_job(sup, "d", &job, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_supervisor_get_job(sup, NULL, &job, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_supervisor_get_job(sup, "a", NULL, NULL, &err), &err);
}

static void set_result_writes_once(void **state) {
  (void)state;
  heroq_job *job = new_job("x");
  const char *id = heroq_job_id(job);
  assert_status(HEROQ_E_NOT_FOUND, heroq_job_set_result(job, client, "1", 1, NULL, &err), &err);
  assert_ok(heroq_supervisor_create_job(sup, job, NULL, &err), &err);
  test_redis_do(server, "HSET", job_key(id), "hq_reply_to", "hero:q:reply:someone", NULL);
  assert_ok(heroq_job_set_result(job, client, "a\0b", 3, NULL, &err), &err);
  assert_field(id, "status", "finished");
  redisReply *r = test_redis(server, "HGET", job_key(id), "output", NULL);
  assert_int_equal(r->len, 3);
  freeReplyObject(r);
  assert_int_equal(llen("hero:q:reply:someone"), 1);
  assert_true(test_redis_int(server, "PTTL", "hero:q:reply:someone", NULL) > 0);
  assert_status(HEROQ_E_SETTLED, heroq_job_set_result(job, client, "other", 5, NULL, &err), &err);
  heroq_job_free(job);
}

/* ---- list ---- */

static int64_t list_all(const char *status, const char *type, const char *count) {
  heroq_options *o;
  char cursor[32] = "";
  int64_t rows = 0;
  assert_ok(heroq_options_new(&o, &err), &err);
  if (status) assert_ok(heroq_options_set(o, "status", status, &err), &err);
  if (type) assert_ok(heroq_options_set(o, "type", type, &err), &err);
  assert_ok(heroq_options_set(o, "count", count, &err), &err);
  do {
    heroq_record *page, *list;
    assert_ok(heroq_supervisor_list_jobs(sup, cursor, o, &page, NULL, &err), &err);
    assert_ok(heroq_record_child(page, heroq_record_find(page, "rows"), &list, &err), &err);
    rows += heroq_record_count(list);
    snprintf(cursor, sizeof cursor, "%s", heroq_record_text(page, heroq_record_find(page, "cursor")));
    heroq_record_free(list);
    heroq_record_free(page);
  } while (strcmp(cursor, "0") != 0);
  heroq_options_free(o);
  return rows;
}

static void lists_jobs_page_by_page(void **state) {
  heroq_record *page, *rows, *row;
  (void)state;
  heroq_jobs *jobs = many(300, "sal");
  assert_ok(heroq_supervisor_submit_many(sup, jobs, NULL, &err), &err);
  heroq_jobs_free(jobs);
  test_redis_do(server, "SET", "hero:job:string", "no hash", NULL);
  test_redis_do(server, "DEL", "{heroq}:queues", NULL);
  assert_int_equal(list_all(NULL, NULL, "1000"), 300);
  assert_true(list_all(NULL, NULL, "7") >= 300);
  assert_int_equal(list_all(NULL, "sal", "1000"), 150);
  assert_int_equal(list_all("DISPATCHED", NULL, "1000"), 300);
  assert_int_equal(list_all("finished", NULL, "50"), 0);
  test_redis_do(server, "FLUSHALL", NULL);
  test_redis_do(server, "HSET", "hero:job:a", "script", "12345", "output", "678", "status", "Finished", "script_type",
                "v", "createdAt", "2026-11-24T10:00:00.250+02:00", NULL);
  assert_ok(heroq_supervisor_list_jobs(sup, NULL, NULL, &page, NULL, &err), &err);
  assert_ok(heroq_record_child(page, heroq_record_find(page, "rows"), &rows, &err), &err);
  assert_int_equal(heroq_record_count(rows), 1);
  assert_ok(heroq_record_child(rows, 0, &row, &err), &err);
  assert_string_equal(heroq_record_text(row, heroq_record_find(row, "id")), "a");
  assert_string_equal(heroq_record_text(row, heroq_record_find(row, "status")), "finished");
  assert_string_equal(heroq_record_text(row, heroq_record_find(row, "script_type")), "v");
  assert_int_equal(heroq_record_int64(row, heroq_record_find(row, "created")), 1795507200250);
  assert_int_equal(heroq_record_int64(row, heroq_record_find(row, "size")), 8);
  heroq_record_free(row);
  heroq_record_free(rows);
  heroq_record_free(page);
  assert_status(HEROQ_E_INVALID, heroq_supervisor_list_jobs(sup, "x", NULL, &page, NULL, &err), &err);
  heroq_options *o = option("type", "a b");
  assert_status(HEROQ_E_INVALID, heroq_supervisor_list_jobs(sup, NULL, o, &page, NULL, &err), &err);
  heroq_options_free(o);
}

/* ---- stop ---- */

static void assert_stop(const char *id, const char *outcome) {
  heroq_record *r;
  assert_ok(heroq_supervisor_stop_job(sup, id, &r, NULL, &err), &err);
  assert_string_equal(heroq_record_text(r, heroq_record_find(r, "outcome")), outcome);
  heroq_record_free(r);
}

static void stop_finds_a_delayed_job_of_a_group(void **state) {
  (void)state;
  heroq_job *job = new_job("x");
  assert_ok(heroq_job_set_option(job, "group", "g1", &err), &err);
  assert_ok(heroq_job_set_option(job, "delay", "1h", &err), &err);
  assert_ok(heroq_supervisor_submit(sup, job, NULL, &err), &err);
  assert_field(heroq_job_id(job), "hq_queue", Q ":group:g1");
  int64_t now = (int64_t)time(NULL) * 1000;
  assert_true(test_redis_int(server, "ZSCORE", "{" Q ":group:g1}:delayed", heroq_job_id(job), NULL) > now + 3000000);
  assert_stop(heroq_job_id(job), "cancelled");
  assert_true(test_redis_int(server, "ZSCORE", "{" Q ":group:g1}:delayed", heroq_job_id(job), NULL) < now + 60000);
  heroq_job_free(job);
}

static void stop_depends_on_where_the_job_is(void **state) {
  heroq_record *r;
  (void)state;
  /* queued: ended at once, who waits is told, the id stays to be found terminal */
  heroq_job *job = new_job("x");
  const char *id = heroq_job_id(job);
  assert_ok(heroq_supervisor_submit(sup, job, NULL, &err), &err);
  test_redis_do(server, "HSET", job_key(id), "hq_reply_to", "hero:q:reply:w", NULL);
  assert_stop(id, "cancelled");
  assert_field(id, "status", "error");
  assert_field(id, "error", "cancelled");
  assert_int_equal(llen(Q), 1);
  char *reply = test_redis_text(server, "LPOP", "hero:q:reply:w", NULL);
  assert_string_equal(reply, "cancelled");
  free(reply);
  assert_stop(id, "ended");
  heroq_job_free(job);
  /* delayed: the copy comes now */
  test_redis_do(server, "HSET", "hero:job:later", "script", "x", "status", "dispatched", "script_type", "osis", NULL);
  test_redis_do(server, "ZADD", H ":delayed", "9000000000000", "later", NULL);
  assert_stop("later", "cancelled");
  assert_true(test_redis_int(server, "ZSCORE", H ":delayed", "later", NULL) < 8000000000000);
  /* a heroq actor has it */
  test_redis_do(server, "HSET", "hero:job:runs", "script", "x", "status", "started", "hq_token", "1:a", "hq_queue",
                Q ":group:g", NULL);
  assert_stop("runs", "stopping");
  assert_field("runs", "status", "stopping");
  assert_true(test_redis_int(server, "ZSCORE", "{" Q ":group:g}:stops", "runs", NULL) > 0);
  /* a foreign actor has it */
  test_redis_do(server, "HSET", "hero:job:foreign", "script", "x", "status", "started", "script_type", "osis", NULL);
  assert_stop("foreign", "asked");
  assert_field("foreign", "status", "started");
  char *told = test_redis_text(server, "LINDEX", "hero:q:ctl:type:osis", "0", NULL);
  assert_string_equal(told, "foreign");
  free(told);
  assert_true(test_redis_int(server, "PTTL", "hero:q:ctl:type:osis", NULL) > 0);
  assert_status(HEROQ_E_NOT_FOUND, heroq_supervisor_stop_job(sup, "nobody", &r, NULL, &err), &err);
  assert_int_equal(test_redis_int(server, "EXISTS", "hero:job:nobody", NULL), 0);
  assert_ok(heroq_supervisor_stop_job(sup, "foreign", NULL, NULL, &err), &err);
}

/* ---- delete ---- */

static void delete_leaves_a_tombstone(void **state) {
  (void)state;
  test_redis_do(server, "HSET", "hero:job:a", "script", "x", "status", "error", "error", "boom", "hq_queue", Q, NULL);
  test_redis_do(server, "ZADD", H ":dead", "1", "a", NULL);
  test_redis_do(server, "HSET", H ":reasons", "a", "failed", NULL);
  assert_ok(heroq_supervisor_delete_job(sup, "a", NULL, &err), &err);
  assert_field("a", "status", "error");
  assert_field("a", "error", "deleted");
  assert_field("a", "script", NULL);
  assert_true(test_redis_int(server, "PTTL", "hero:job:a", NULL) > 0);
  assert_int_equal(test_redis_int(server, "ZCARD", H ":dead", NULL), 0);
  assert_int_equal(test_redis_int(server, "HLEN", H ":reasons", NULL), 0);
  assert_status(HEROQ_E_NOT_FOUND, heroq_supervisor_delete_job(sup, "b", NULL, &err), &err);
  test_redis_do(server, "HSET", "hero:job:c", "script", "x", "status", "started", "hq_token", "1:a", "hq_queue", Q,
                NULL);
  assert_status(HEROQ_E_BUSY, heroq_supervisor_delete_job(sup, "c", NULL, &err), &err);
  assert_field("c", "status", "stopping");
  assert_true(test_redis_int(server, "ZSCORE", H ":stops", "c", NULL) > 0);
}

/* ---- requeue ---- */

static void requeue_runs_it_again_where_it_was(void **state) {
  heroq_options *o;
  (void)state;
  test_redis_do(server, "HSET", "hero:job:a", "script", "x", "status", "error", "error", "boom", "hq_queue", Q,
                "hq_token", "1:a", "hq_attempt", "3", NULL);
  test_redis_do(server, "PEXPIRE", "hero:job:a", "100000", NULL);
  test_redis_do(server, "ZADD", H ":dead", "1", "a", NULL);
  test_redis_do(server, "HSET", H ":reasons", "a", "failed", NULL);
  test_redis_do(server, "HSET", "hero:job:a", "script_type", "sal", NULL);
  test_redis_do(server, "LPUSH", "hero:q:reply:a", "boom", NULL);
  test_redis_do(server, "LPUSH", "hero:q:ctl:type:sal", "a", "other", NULL); /* a stop that came too late */
  assert_ok(heroq_supervisor_requeue_job(sup, "a", NULL, NULL, &err), &err);
  assert_int_equal(llen("hero:q:ctl:type:sal"), 1);
  test_redis_do(server, "SET", "hero:q:ctl:type:sal", "of a wrong type", NULL);
  assert_field("a", "status", "dispatched");
  assert_field("a", "error", NULL);
  assert_field("a", "hq_token", NULL);
  assert_field("a", "hq_attempt", "3");
  assert_field("a", "hq_requeued", "1");
  assert_int_equal(test_redis_int(server, "PTTL", "hero:job:a", NULL), -1);
  assert_int_equal(llen(Q), 1);
  assert_int_equal(test_redis_int(server, "EXISTS", "hero:q:reply:a", H ":dead", H ":reasons", NULL), 0);
  assert_ok(heroq_supervisor_requeue_job(sup, "a", NULL, NULL, &err), &err); /* the repeat of a lost answer */
  test_redis_do(server, "HSET", "hero:job:a", "status", "started", "hq_token", "2:a", NULL);
  assert_status(HEROQ_E_BUSY, heroq_supervisor_requeue_job(sup, "a", NULL, NULL, &err), &err);
  assert_status(HEROQ_E_NOT_FOUND, heroq_supervisor_requeue_job(sup, "b", NULL, NULL, &err), &err);
  /* a foreign job: its type's queue, or the one that the caller names */
  test_redis_do(server, "HSET", "hero:job:c", "script", "x", "status", "finished", "script_type", "sal", NULL);
  assert_ok(heroq_supervisor_requeue_job(sup, "c", NULL, NULL, &err), &err);
  assert_int_equal(llen("hero:q:work:type:sal"), 1);
  test_redis_do(server, "HSET", "hero:job:d", "script", "x", "status", "finished", NULL);
  assert_status(HEROQ_E_INVALID, heroq_supervisor_requeue_job(sup, "d", NULL, NULL, &err), &err);
  assert_ok(heroq_options_new(&o, &err), &err);
  assert_ok(heroq_options_set(o, "type", "v", &err), &err);
  assert_ok(heroq_supervisor_requeue_job(sup, "d", o, NULL, &err), &err);
  assert_int_equal(llen("hero:q:work:type:v"), 1);
  heroq_options_free(o);
}

/* What REQUEUE has changed nobody would queue. */
static void requeue_into_an_ill_named_queue_changes_nothing(void **state) {
  (void)state;
  test_redis_do(server, "HSET", "hero:job:a", "script", "x", "status", "finished", "output", "kept", NULL);
  static const char *const ill[][2] = {{"type", "a b"}, {"group", "g:1"}, {"instance", "one"}};
  for (size_t i = 0; i < sizeof ill / sizeof *ill; i++) {
    heroq_options *o = option(ill[i][0], ill[i][1]);
    assert_status(HEROQ_E_INVALID, heroq_supervisor_requeue_job(sup, "a", o, NULL, &err), &err);
    heroq_options_free(o);
    assert_field("a", "status", "finished");
    assert_field("a", "output", "kept");
  }
}

/* ---- run now, clear ---- */

static void delayed_jobs_run_now_or_are_cleared(void **state) {
  const char *const key = "hero:q:work:type:osis";
  heroq_record *r;
  heroq_options *o;
  (void)state;
  test_redis_do(server, "HSET", "hero:job:a", "script", "x", "script_type", "osis", "status", "dispatched", NULL);
  test_redis_do(server, "HSET", "hero:job:b", "script", "x", "script_type", "osis", "status", "dispatched", NULL);
  assert_status(HEROQ_E_STATE, heroq_supervisor_retry_job(sup, "a", NULL, &err), &err);
  test_redis_do(server, "ZADD", "{hero:q:work:type:osis}:delayed", "9000000000000", "a", "9000000000000", "b", NULL);
  assert_ok(heroq_supervisor_retry_job(sup, "a", NULL, &err), &err);
  assert_int_equal(test_redis_int(server, "LLEN", key, NULL), 1);
  assert_ok(heroq_options_new(&o, &err), &err);
  assert_ok(heroq_options_set(o, "tag", "x", &err), &err);
  assert_status(HEROQ_E_OPTION, heroq_supervisor_clear(sup, key, NULL, o, &r, NULL, &err), &err);
  heroq_options_free(o);
  assert_ok(heroq_supervisor_clear(sup, key, NULL, NULL, &r, NULL, &err), &err);
  assert_int_equal(heroq_record_int64(r, heroq_record_find(r, "cancelled")), 2);
  assert_string_equal(heroq_record_text(r, heroq_record_find(r, "cursor")), "0");
  heroq_record_free(r);
  assert_field("a", "error", "cancelled");
  assert_field("b", "error", "cancelled");
  assert_int_equal(test_redis_int(server, "DBSIZE", NULL), 2); /* the hashes */
}

static void nonsense_is_refused(void **state) {
  heroq_supervisor *s;
  heroq_record *r;
  heroq_bytes *b;
  (void)state;
  assert_status(HEROQ_E_INVALID, heroq_supervisor_open(NULL, NULL, &s, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_supervisor_open(client, NULL, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_supervisor_submit(NULL, NULL, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_supervisor_submit_many(sup, NULL, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_supervisor_create_job(sup, NULL, NULL, NULL), NULL);
  assert_status(HEROQ_E_INVALID, heroq_supervisor_list_jobs(sup, NULL, NULL, NULL, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_supervisor_stop_job(sup, NULL, &r, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_supervisor_stop_job(sup, "", &r, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_supervisor_delete_job(sup, "a{b", NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_supervisor_requeue_job(sup, "a\nb", NULL, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_supervisor_get_output(sup, "a", NULL, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_supervisor_retry_job(sup, NULL, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_supervisor_retry_job(NULL, "a", NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_supervisor_clear(sup, NULL, NULL, NULL, &r, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_supervisor_clear(NULL, "hero:q:work:type:a", NULL, NULL, &r, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_supervisor_clear(sup, "hero:q:work:type:a", NULL, NULL, NULL, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_supervisor_await_result(sup, NULL, 0, &b, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_supervisor_await_result(sup, "a", -2, &b, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_job_set_result(NULL, client, "", 0, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_job_store_in_redis(NULL, client, NULL, &err), &err);
  heroq_supervisor_close(NULL);
  heroq_supervisor_free(NULL);
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)

int main(void) {
  const struct CMUnitTest tests[] = {
      T(submit_is_both_in_one_round_trip),
      T(create_stores_and_does_not_start),
      T(start_pushes_the_id),
      T(start_knows_group_instance_and_time),
      T(start_refuses_what_cannot_start),
      T(options_without_effect_are_refused),
      T(a_repeat_with_the_same_handle_is_safe),
      T(a_given_id_is_guarded),
      T(delay_and_urgent_decide_where_it_goes),
      T(expires_before_it_is_due_is_refused),
      T(submit_refuses_before_anything_is_sent),
      T(the_servers_refusals_have_their_codes),
      T(many_are_submitted_in_order),
      T(one_bad_job_does_not_stop_the_others),
      T(a_lost_connection_in_the_middle_can_be_repeated),
      T(reads_what_the_hash_has),
      T(set_result_writes_once),
      T(lists_jobs_page_by_page),
      T(stop_finds_a_delayed_job_of_a_group),
      T(stop_depends_on_where_the_job_is),
      T(delete_leaves_a_tombstone),
      T(requeue_runs_it_again_where_it_was),
      T(requeue_into_an_ill_named_queue_changes_nothing),
      T(delayed_jobs_run_now_or_are_cleared),
      T(nonsense_is_refused),
  };
  return cmocka_run_group_tests(tests, start_server, stop_server);
}
