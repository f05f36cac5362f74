/* The waiter on a real server: every tag completes once, whatever happens, and ten thousand of them cost three
 * connections. Foreign actors are bare commands. */
#include "one_server.h"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#define Q "hero:q:work:type:osis"

static heroq_client *client;
static heroq_waiter *waiter;
static heroq_error err;

static heroq_client *open_client(const char *url) {
  heroq_client *c;
  heroq_options *o;
  assert_ok(heroq_options_new(&o, &err), &err);
  assert_ok(heroq_options_set(o, "log", "events", &err), &err);
  assert_ok(heroq_client_open(url, o, &c, NULL, &err), &err);
  heroq_options_free(o);
  return c;
}

static int open_all(void **state) {
  (void)state;
  test_redis_do(server, "FLUSHALL", NULL);
  client = open_client(server->url);
  assert_ok(heroq_waiter_open(client, NULL, &waiter, &err), &err);
  return 0;
}

static int close_all(void **state) {
  (void)state;
  heroq_client_close(client);
  heroq_waiter_free(waiter);
  heroq_client_free(client);
  return 0;
}

static heroq_job *new_job(const char *script) {
  heroq_job *job;
  assert_ok(heroq_job_new("osis", script, strlen(script), &job, &err), &err);
  return job;
}

static void submit(int64_t tag, int64_t timeout) {
  heroq_job *job = new_job("x");
  assert_ok(heroq_waiter_submit(waiter, job, tag, timeout, &err), &err);
  heroq_job_free(job);
}

static heroq_record *take(int64_t ms) {
  heroq_record *r;
  assert_ok(heroq_waiter_take(waiter, ms, &r, NULL, &err), &err);
  return r;
}

static int64_t number(const heroq_record *r, const char *name) {
  return heroq_record_int64(r, heroq_record_find(r, name));
}

static const char *text(const heroq_record *r, const char *name) {
  return heroq_record_text(r, heroq_record_find(r, name));
}

static void assert_bytes(const heroq_record *r, const char *name, const char *want) {
  size_t size = 0;
  const void *got = heroq_record_bytes(r, heroq_record_find(r, name), &size);
  assert_int_equal(size, strlen(want));
  assert_memory_equal(got, want, size);
}

static void assert_next(int64_t tag, heroq_status status, int64_t within) {
  heroq_record *r = take(within);
  if (!r) fail_msg("tag %d did not complete", (int)tag);
  if (tag >= 0) assert_int_equal(number(r, "tag"), tag);
  if (number(r, "status") != status)
    fail_msg("tag %d: %s, not %s: %s", (int)tag, heroq_status_name((heroq_status)number(r, "status")),
             heroq_status_name(status), text(r, "text"));
  heroq_record_free(r);
}

static bool readable(int fd, int ms) {
  struct pollfd p = {.fd = fd, .events = POLLIN};
  return poll(&p, 1, ms) == 1;
}

static heroq_status echo(heroq_job *job, void *user_data, heroq_error *e) {
  size_t size;
  const void *script = heroq_job_script(job, &size);
  (void)user_data;
  if (size > 4 && memcmp(script, "fail", 4) == 0) return heroq_job_fail(job, script, size, HEROQ_NO_RETRY, NULL, e);
  return heroq_job_finish(job, script, size, 0, NULL, e);
}

typedef struct serving {
  heroq_client *client;
  heroq_actor *actor;
  pthread_t thread;
} serving;

static void *serve(void *actor) {
  heroq_actor_run(actor, echo, NULL, NULL, NULL);
  return NULL;
}

static void start_actor(serving *s) {
  s->client = open_client(server->url);
  assert_ok(heroq_actor_open(s->client, "echo", "osis", NULL, &s->actor, NULL, &err), &err);
  pthread_create(&s->thread, NULL, serve, s->actor);
}

static void end_actor(serving *s) {
  assert_ok(heroq_actor_close(s->actor, 1000, NULL, NULL, &err), &err);
  pthread_join(s->thread, NULL);
  heroq_actor_free(s->actor);
  heroq_client_close(s->client);
  heroq_client_free(s->client);
}

static int connections_named(const char *name) {
  int n = 0;
  char *list = test_redis_text(server, "CLIENT", "LIST", NULL);
  for (char *p = list; (p = strstr(p, name)) != NULL; p++) n++;
  free(list);
  return n;
}

/* ---- one at a time ---- */

static void a_result_comes_with_its_tag(void **state) {
  serving s;
  (void)state;
  start_actor(&s);
  heroq_job *job = new_job("hello");
  assert_ok(heroq_waiter_submit(waiter, job, 9007199254740991, 5000, &err), &err);
  heroq_record *r = take(5000);
  assert_non_null(r);
  assert_int_equal(number(r, "tag"), 9007199254740991);
  assert_int_equal(number(r, "status"), HEROQ_OK);
  assert_string_equal(text(r, "job_id"), heroq_job_id(job));
  assert_bytes(r, "output", "hello");
  heroq_record_free(r);
  heroq_job_free(job);
  job = new_job("fail\x01now");
  assert_ok(heroq_waiter_submit(waiter, job, 0, 5000, &err), &err);
  r = take(5000);
  assert_int_equal(number(r, "status"), HEROQ_E_FAILED);
  assert_bytes(r, "error", "fail\x01now");
  assert_string_equal(text(r, "text"), "fail\\x01now");
  assert_int_equal(heroq_record_find(r, "output"), -1);
  heroq_record_free(r);
  heroq_job_free(job);
  assert_int_equal(heroq_waiter_count(waiter), 0);
  end_actor(&s);
}

static void foreign_actors_are_heard(void **state) {
  (void)state;
  /* hash-only, output-only, reply-only */
  test_redis_do(server, "HSET", "hero:job:a", "script", "x", "status", "dispatched", "script_type", "osis", NULL);
  test_redis_do(server, "HSET", "hero:job:b", "script", "x", "status", "dispatched", NULL);
  test_redis_do(server, "HSET", "hero:job:c", "script", "x", NULL);
  assert_ok(heroq_waiter_add(waiter, "a", 1, 5000, &err), &err);
  assert_ok(heroq_waiter_add(waiter, "b", 2, 5000, &err), &err);
  assert_ok(heroq_waiter_add(waiter, "c", 3, 5000, &err), &err);
  test_until(test_redis_int(server, "HEXISTS", "hero:job:c", "hq_reply_to", NULL), 2000);
  test_redis_do(server, "HSET", "hero:job:b", "output", "two", NULL);
  test_redis_do(server, "LPUSH", "hero:q:reply:c", "three", NULL);
  test_redis_do(server, "HSET", "hero:job:a", "output", "one", "status", "finished", NULL);
  heroq_record *r = take(1500);
  assert_int_equal(number(r, "tag"), 1);
  assert_bytes(r, "output", "one");
  heroq_record_free(r);
  for (int i = 0; i < 2; i++) {
    r = take(4000);
    assert_non_null(r);
    assert_int_equal(number(r, "status"), HEROQ_OK);
    assert_bytes(r, "output", number(r, "tag") == 2 ? "two" : "three");
    heroq_record_free(r);
  }
  char *status = test_redis_text(server, "HGET", "hero:job:c", "status", NULL);
  assert_string_equal(status, "finished");
  free(status);
  test_until(test_redis_int(server, "EXISTS", "hero:q:reply:c", NULL) == 0, 2000);
}

static void the_same_id_may_be_added_twice(void **state) {
  (void)state;
  test_redis_do(server, "HSET", "hero:job:a", "script", "x", "status", "dispatched", NULL);
  assert_ok(heroq_waiter_add(waiter, "a", 1, 8000, &err), &err);
  assert_ok(heroq_waiter_add(waiter, "a", 2, 100, &err), &err);
  assert_ok(heroq_waiter_add(waiter, "a", 3, 8000, &err), &err);
  assert_next(2, HEROQ_E_TIMEOUT, 1000);
  test_redis_do(server, "HSET", "hero:job:a", "status", "finished", NULL);
  assert_next(-1, HEROQ_OK, 6000);
  assert_next(-1, HEROQ_OK, 100);
  assert_int_equal(heroq_waiter_count(waiter), 0);
}

/* ---- reading and stopping ---- */

static void a_fetch_reads_the_job(void **state) {
  (void)state;
  test_redis_do(server, "HSET", "hero:job:a", "script", "x", "status", "Finished", "output", "one", "mine", "kept",
                NULL);
  test_redis_do(server, "SET", "hero:job:str", "no hash", NULL);
  assert_ok(heroq_waiter_fetch(waiter, "a", 1, 5000, &err), &err);
  heroq_record *r = take(5000), *job;
  assert_non_null(r);
  assert_int_equal(number(r, "tag"), 1);
  assert_int_equal(number(r, "status"), HEROQ_OK);
  assert_int_equal(heroq_record_find(r, "output"), -1);
  assert_ok(heroq_record_child(r, heroq_record_find(r, "job"), &job, &err), &err);
  assert_string_equal(text(job, "mine"), "kept");
  assert_string_equal(text(job, "output"), "one");
  heroq_record_free(r);
  assert_string_equal(text(job, "status"), "finished"); /* a child outlives its record */
  heroq_record_free(job);
  assert_ok(heroq_waiter_fetch(waiter, "nobody", 2, 5000, &err), &err);
  assert_next(2, HEROQ_E_NOT_FOUND, 5000);
  assert_ok(heroq_waiter_fetch(waiter, "str", 3, 5000, &err), &err);
  assert_next(3, HEROQ_E_WRONG_TYPE, 5000);
  assert_status(HEROQ_E_INVALID, heroq_waiter_fetch(waiter, "a b", 4, 0, &err), &err);
  assert_int_equal(heroq_waiter_count(waiter), 0);
}

static void assert_stopped(const char *id, int64_t tag, const char *outcome) {
  assert_ok(heroq_waiter_stop(waiter, id, tag, 5000, &err), &err);
  heroq_record *r = take(5000);
  assert_non_null(r);
  assert_int_equal(number(r, "tag"), tag);
  if (number(r, "status") != HEROQ_OK) fail_msg("%s: %s", id, text(r, "text"));
  assert_string_equal(text(r, "outcome"), outcome);
  assert_int_equal(heroq_record_find(r, "output"), -1);
  heroq_record_free(r);
}

static void a_stop_comes_to_what_the_supervisors_does(void **state) {
  (void)state;
  heroq_job *job = new_job("x");
  assert_ok(heroq_waiter_submit(waiter, job, 1, 20000, &err), &err);
  test_until(test_redis_int(server, "LLEN", Q, NULL) == 1, 3000);
  assert_ok(heroq_waiter_stop(waiter, heroq_job_id(job), 2, 5000, &err), &err);
  bool failed = false, stopped = false;
  for (int i = 0; i < 2; i++) {
    heroq_record *r = take(10000);
    assert_non_null(r);
    if (number(r, "tag") == 1) {
      assert_int_equal(number(r, "status"), HEROQ_E_FAILED);
      assert_bytes(r, "error", "cancelled");
      failed = true;
    } else {
      assert_string_equal(text(r, "outcome"), "cancelled");
      stopped = true;
    }
    heroq_record_free(r);
  }
  assert_true(failed && stopped);
  assert_stopped(heroq_job_id(job), 3, "ended");
  heroq_job_free(job);
  test_redis_do(server, "HSET", "hero:job:f", "script", "x", "status", "started", "script_type", "osis", NULL);
  assert_stopped("f", 4, "asked");
  assert_int_equal(test_redis_int(server, "LLEN", "hero:q:ctl:type:osis", NULL), 1);
  test_redis_do(server, "HSET", "hero:job:g", "script", "x", "status", "started", NULL);
  assert_ok(heroq_waiter_stop(waiter, "g", 5, 5000, &err), &err);
  assert_next(5, HEROQ_E_STATE, 5000); /* no list to stop it by */
  assert_ok(heroq_waiter_stop(waiter, "nobody", 6, 5000, &err), &err);
  assert_next(6, HEROQ_E_NOT_FOUND, 5000);
  assert_int_equal(heroq_waiter_count(waiter), 0);
}

static void a_stop_reaches_a_running_job(void **state) {
  heroq_client *c = open_client(server->url);
  heroq_actor *actor;
  heroq_job *job;
  (void)state;
  submit(1, 20000);
  assert_ok(heroq_actor_open(c, "holder", "osis", NULL, &actor, NULL, &err), &err);
  assert_ok(heroq_actor_take(actor, 10000, &job, NULL, &err), &err);
  assert_non_null(job);
  assert_stopped(heroq_job_id(job), 2, "stopping");
  test_until(heroq_job_stop_reason(job) == HEROQ_STOP_REQUESTED, 10000);
  assert_ok(heroq_job_fail(job, "", 0, 0, NULL, &err), &err);
  assert_next(1, HEROQ_E_FAILED, 10000);
  heroq_job_free(job);
  assert_ok(heroq_actor_close(actor, 1000, NULL, NULL, &err), &err);
  heroq_actor_free(actor);
  heroq_client_close(c);
  heroq_client_free(c);
}

/* Nobody waits for the stop any more: one that was begun is carried out to its end. */
static void stops_that_are_cancelled_end_or_were_never_sent(void **state) {
  enum { N = 200 };
  int stopped = 0, stopping = 0;
  (void)state;
  for (int i = 0; i < N; i++) {
    char key[32];
    snprintf(key, sizeof key, "hero:job:%d", i);
    test_redis_do(server, "HSET", key, "script", "x", "status", "started", "script_type", "osis", "hq_token", "1:x",
                  NULL);
  }
  for (int i = 0; i < N; i++) {
    char id[16];
    snprintf(id, sizeof id, "%d", i);
    assert_ok(heroq_waiter_stop(waiter, id, i, i % 3 ? 20000 : i % 2, &err), &err);
    if (i % 5 == 1) assert_ok(heroq_waiter_cancel(waiter, i, &err), &err);
    assert_ok(heroq_waiter_fetch(waiter, id, N + i, i % 5 ? 20000 : 1, &err), &err);
  }
  for (int i = 0; i < 2 * N; i++) {
    heroq_record *r = take(20000);
    assert_non_null(r);
    heroq_status status = (heroq_status)number(r, "status");
    if (status != HEROQ_OK && status != HEROQ_E_CANCELLED && status != HEROQ_E_TIMEOUT)
      fail_msg("tag %d: %s", (int)number(r, "tag"), text(r, "text"));
    stopped += status == HEROQ_OK && number(r, "tag") < N;
    heroq_record_free(r);
  }
  assert_true(stopped >= N / 2);
  assert_ok(heroq_waiter_fetch(waiter, "0", 1, 20000, &err), &err);
  assert_next(1, HEROQ_OK, 20000); /* behind all of them */
  for (int i = 0; i < N; i++) {
    char key[32];
    snprintf(key, sizeof key, "hero:job:%d", i);
    char *status = test_redis_text(server, "HGET", key, "status", NULL);
    stopping += strcmp(status, "stopping") == 0;
    free(status);
  }
  assert_true(stopping >= stopped);
  test_until(test_redis_int(server, "ZCARD", "{" Q "}:stops", NULL) == stopping, 10000);
}

/* ---- ends ---- */

static void timeouts_come_in_time_and_in_order(void **state) {
  (void)state;
  int64_t begin = test_now_ms();
  for (int i = 9; i >= 0; i--) submit(i, 100 + i * 50);
  for (int i = 0; i < 10; i++) {
    assert_next(i, HEROQ_E_TIMEOUT, 2000);
    assert_in_range(test_now_ms() - begin, 95 + i * 50, 200 + i * 50);
  }
  assert_int_equal(test_redis_int(server, "LLEN", Q, NULL), 10); /* the jobs go on */
}

static void a_foreign_result_just_before_the_end_counts(void **state) {
  (void)state;
  test_redis_do(server, "HSET", "hero:job:a", "script", "x", "status", "started", NULL);
  int64_t begin = test_now_ms();
  assert_ok(heroq_waiter_add(waiter, "a", 1, 3000, &err), &err);
  while (test_now_ms() < begin + 2800) test_sleep_ms(5); /* the looks are seconds apart by now */
  test_redis_do(server, "HSET", "hero:job:a", "status", "finished", NULL);
  assert_next(1, HEROQ_OK, 1000);
}

static void cancel_completes_once_and_the_job_goes_on(void **state) {
  (void)state;
  for (int i = 0; i < 200; i++) {
    submit(i, HEROQ_FOREVER);
    assert_ok(heroq_waiter_cancel(waiter, i, &err), &err); /* often before it is sent */
    assert_ok(heroq_waiter_cancel(waiter, i, &err), &err);
  }
  for (int i = 0; i < 200; i++) assert_next(i, HEROQ_E_CANCELLED, 100);
  assert_ok(heroq_waiter_cancel(waiter, 77777, &err), &err);
  assert_null(take(50));
  test_until(test_redis_int(server, "LLEN", Q, NULL) == 200, 2000);
  submit(5, 50); /* a tag may be used again once it was taken */
  assert_next(5, HEROQ_E_TIMEOUT, 1000);
}

static void a_hash_that_is_gone_is_expired(void **state) {
  (void)state;
  assert_ok(heroq_waiter_add(waiter, "nobody", 1, HEROQ_FOREVER, &err), &err);
  assert_next(1, HEROQ_E_EXPIRED, 2000);
  assert_int_equal(test_redis_int(server, "EXISTS", "hero:job:nobody", NULL), 0);
}

static void close_completes_what_is_open(void **state) {
  (void)state;
  int fd = heroq_waiter_fd(waiter);
  assert_true(fd >= 0);
  assert_false(readable(fd, 0));
  for (int i = 0; i < 50; i++) submit(i, HEROQ_FOREVER);
  heroq_waiter_close(waiter);
  heroq_waiter_close(waiter);
  bool seen[50] = {false};
  assert_int_equal(heroq_waiter_count(waiter), 50);
  for (int i = 0; i < 50; i++) {
    assert_true(readable(fd, 0));
    heroq_record *r = take(0);
    assert_non_null(r);
    assert_int_equal(number(r, "status"), HEROQ_E_CLOSED);
    assert_false(seen[number(r, "tag")]);
    seen[number(r, "tag")] = true;
    heroq_record_free(r);
  }
  heroq_record *none;
  assert_true(readable(fd, 0));
  assert_status(HEROQ_E_CLOSED, heroq_waiter_take(waiter, HEROQ_FOREVER, &none, NULL, &err), &err);
  assert_status(HEROQ_E_CLOSED, heroq_waiter_add(waiter, "a", 1, 0, &err), &err);
}

static void *close_soon(void *w) {
  test_sleep_ms(100);
  heroq_waiter_close(w);
  return NULL;
}

static void close_wakes_who_takes(void **state) {
  heroq_record *none;
  pthread_t thread;
  (void)state;
  pthread_create(&thread, NULL, close_soon, waiter);
  assert_status(HEROQ_E_CLOSED, heroq_waiter_take(waiter, HEROQ_FOREVER, &none, NULL, &err), &err);
  pthread_join(thread, NULL);
}

static void free_without_close_ends_the_thread(void **state) {
  (void)state;
  heroq_client *c = open_client(server->url);
  heroq_waiter *w;
  assert_ok(heroq_waiter_open(c, NULL, &w, &err), &err);
  test_redis_do(server, "HSET", "hero:job:a", "script", "x", NULL);
  assert_ok(heroq_waiter_add(w, "a", 1, HEROQ_FOREVER, &err), &err);
  test_until(connections_named("-await ") == 2, 3000);
  heroq_client_free(c);
  test_sleep_ms(20);
  assert_int_equal(connections_named("-await "), 2); /* the waiter keeps it alive */
  heroq_waiter_free(w);
  test_until(connections_named("-await ") == 0, 3000);
}

static void close_deletes_the_shared_list(void **state) {
  (void)state;
  heroq_client *c = open_client(server->url);
  heroq_waiter *w;
  assert_ok(heroq_waiter_open(c, NULL, &w, &err), &err);
  test_redis_do(server, "HSET", "hero:job:a", "script", "x", NULL);
  assert_ok(heroq_waiter_add(w, "a", 1, HEROQ_FOREVER, &err), &err);
  test_until(test_redis_int(server, "HEXISTS", "hero:job:a", "hq_reply_to", NULL), 3000);
  char *list = test_redis_text(server, "HGET", "hero:job:a", "hq_reply_to", NULL);
  assert_int_equal(strncmp(list, "hero:q:reply:waiter.", 20), 0);
  assert_ok(heroq_waiter_cancel(w, 1, &err), &err);
  test_sleep_ms(50);
  heroq_client_close(c);
  test_until(connections_named("-await ") == 0, 3000);
  assert_int_equal(test_redis_int(server, "EXISTS", list, NULL), 0);
  free(list);
  heroq_waiter_free(w);
  heroq_client_free(c);
}

static void the_descriptor_tells_the_truth(void **state) {
  (void)state;
  int fd = heroq_waiter_fd(waiter);
  assert_int_equal(heroq_waiter_fd(waiter), fd);
  assert_false(readable(fd, 0));
  submit(1, 50);
  submit(2, 50);
  assert_true(readable(fd, 2000));
  test_until(heroq_waiter_count(waiter) == 2, 100);
  assert_next(1, HEROQ_E_TIMEOUT, 1000);
  assert_next(2, HEROQ_E_TIMEOUT, 1000);
  assert_false(readable(fd, 0));
  assert_null(take(0));
}

/* ---- faults ---- */

static void refusals_of_the_server_complete_the_tag(void **state) {
  (void)state;
  test_redis_do(server, "HSET", "hero:job:taken", "script", "other", NULL);
  test_redis_do(server, "SET", "hero:job:str", "no hash", NULL);
  heroq_job *job = new_job("x");
  assert_ok(heroq_job_set_id(job, "taken", &err), &err);
  assert_ok(heroq_waiter_submit(waiter, job, 1, 5000, &err), &err);
  assert_next(1, HEROQ_E_EXISTS, 2000);
  heroq_job_free(job);
  assert_ok(heroq_waiter_add(waiter, "str", 2, 5000, &err), &err);
  assert_next(2, HEROQ_E_WRONG_TYPE, 2000);
  test_redis_do(server, "SET", Q, "no list", NULL);
  submit(3, 5000);
  assert_next(3, HEROQ_E_WRONG_TYPE, 2000);
  test_redis_do(server, "DEL", Q, NULL);
  job = new_job("x");
  assert_ok(heroq_job_add_prerequisite(job, "taken", &err), &err);
  assert_status(HEROQ_E_UNSUPPORTED, heroq_waiter_submit(waiter, job, 4, 0, &err), &err);
  heroq_job_free(job);
  assert_status(HEROQ_E_INVALID, heroq_waiter_add(waiter, "a", -1, 0, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_waiter_add(waiter, "a", 9007199254740992, 0, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_waiter_add(waiter, "a b", 1, 0, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_waiter_add(waiter, "a", 1, -2, &err), &err);
  assert_ok(heroq_waiter_add(waiter, "taken", 1, HEROQ_FOREVER, &err), &err);
  assert_status(HEROQ_E_STATE, heroq_waiter_add(waiter, "taken", 1, 0, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_waiter_take(NULL, 0, NULL, NULL, &err), &err);
  heroq_waiter *none;
  assert_status(HEROQ_E_INVALID, heroq_waiter_open(NULL, NULL, &none, &err), &err);
}

static void without_a_server_submits_fail_soon(void **state) {
  (void)state;
  submit(1, HEROQ_FOREVER);
  test_until(test_redis_int(server, "LLEN", Q, NULL) == 1, 2000);
  test_server_shutdown(server);
  submit(2, HEROQ_FOREVER);
  assert_next(2, HEROQ_E_CONNECTION, 5000);
  assert_null(take(100)); /* tag 1 goes on waiting */
  assert_ok(heroq_waiter_fetch(waiter, "a", 4, HEROQ_FOREVER, &err), &err);
  assert_next(4, HEROQ_E_CONNECTION, 5000);
  assert_ok(heroq_waiter_stop(waiter, "a", 5, HEROQ_FOREVER, &err), &err);
  assert_next(5, HEROQ_E_CONNECTION, 5000);
  test_server_restart(server);
  assert_next(1, HEROQ_E_EXPIRED, 6000); /* empty after its restart */
  submit(3, 200);
  assert_next(3, HEROQ_E_TIMEOUT, 3000);
}

static void connections_that_are_killed_are_made_again(void **state) {
  serving s;
  (void)state;
  enum { N = 3000 };
  start_actor(&s);
  for (int i = 0; i < N; i++) submit(i, 30000);
  char *seen = calloc(N, 1);
  for (int i = 0, kills = 0; i < N; i++) {
    if (i % 150 == 0 && kills++ < 15) test_redis_do(server, "CLIENT", "KILL", "TYPE", "normal", NULL);
    heroq_record *r = take(20000);
    assert_non_null(r);
    heroq_status status = (heroq_status)number(r, "status");
    if (status != HEROQ_OK) fail_msg("%s: %s", heroq_status_name(status), text(r, "text"));
    assert_int_equal(seen[number(r, "tag")]++, 0);
    heroq_record_free(r);
  }
  free(seen);
  end_actor(&s);
}

/* ---- many ---- */

static void ten_thousand_awaits_on_three_connections(void **state) {
  serving s;
  (void)state;
  enum { N = 10000 };
  heroq_jobs *jobs;
  char *seen = calloc(N, 1);
  assert_ok(heroq_jobs_new(&jobs, &err), &err);
  for (int i = 0; i < N; i++) {
    char script[16];
    snprintf(script, sizeof script, "%d", i);
    heroq_job *job = new_job(script);
    assert_ok(heroq_jobs_add(jobs, job, &err), &err);
    heroq_job_free(job);
  }
  assert_ok(heroq_waiter_submit_many(waiter, jobs, 0, 60000, &err), &err);
  heroq_jobs_free(jobs);
  assert_int_equal(heroq_waiter_count(waiter), N);
  test_until(test_redis_int(server, "LLEN", Q, NULL) == N, 20000);
  test_sleep_ms(300); /* the sweep is under way */
  int connections = connections_named("name=heroq-");
  assert_in_range(connections, 1, 3);
  int64_t begin = test_now_ms();
  start_actor(&s);
  for (int i = 0; i < N; i++) {
    heroq_record *r = take(20000);
    char want[16];
    assert_non_null(r);
    assert_int_equal(number(r, "status"), HEROQ_OK);
    snprintf(want, sizeof want, "%d", (int)number(r, "tag"));
    assert_bytes(r, "output", want);
    assert_int_equal(seen[number(r, "tag")]++, 0);
    heroq_record_free(r);
  }
  print_message("             10000 awaits ended in %d ms on %d connections\n", (int)(test_now_ms() - begin),
                connections);
  assert_int_equal(heroq_waiter_count(waiter), 0);
  end_actor(&s);
  free(seen);
}

typedef struct taking {
  pthread_t thread;
  int taken;
} taking;

static void *take_until_closed(void *arg) {
  taking *t = arg;
  heroq_record *r;
  while (heroq_waiter_take(waiter, HEROQ_FOREVER, &r, NULL, NULL) == HEROQ_OK)
    if (r) {
      t->taken++;
      heroq_record_free(r);
    }
  return NULL;
}

static void *submit_and_cancel(void *arg) {
  int64_t base = *(int64_t *)arg;
  for (int i = 0; i < 500; i++) {
    heroq_job *job;
    if (heroq_job_new("osis", "x", 1, &job, NULL)) return NULL;
    heroq_waiter_submit(waiter, job, base + i, i % 3 ? 30000 : 5, NULL);
    heroq_job_free(job);
    if (i % 4 == 0) heroq_waiter_cancel(waiter, base + i, NULL);
  }
  return NULL;
}

static void threads_submit_take_cancel_and_close(void **state) {
  serving s;
  taking t[3] = {{0}};
  pthread_t thread[3];
  int64_t base[3] = {0, 1000, 2000};
  (void)state;
  start_actor(&s);
  for (int i = 0; i < 3; i++) pthread_create(&t[i].thread, NULL, take_until_closed, &t[i]);
  for (int i = 0; i < 3; i++) pthread_create(&thread[i], NULL, submit_and_cancel, &base[i]);
  for (int i = 0; i < 3; i++) pthread_join(thread[i], NULL);
  heroq_waiter_close(waiter);
  for (int i = 0; i < 3; i++) pthread_join(t[i].thread, NULL);
  assert_int_equal(t[0].taken + t[1].taken + t[2].taken, 1500);
  assert_int_equal(heroq_waiter_count(waiter), 0);
  end_actor(&s);
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)

int main(void) {
  const struct CMUnitTest tests[] = {
      T(a_result_comes_with_its_tag),
      T(foreign_actors_are_heard),
      T(the_same_id_may_be_added_twice),
      T(a_fetch_reads_the_job),
      T(a_stop_comes_to_what_the_supervisors_does),
      T(a_stop_reaches_a_running_job),
      T(stops_that_are_cancelled_end_or_were_never_sent),
      T(timeouts_come_in_time_and_in_order),
      T(a_foreign_result_just_before_the_end_counts),
      T(cancel_completes_once_and_the_job_goes_on),
      T(a_hash_that_is_gone_is_expired),
      T(close_completes_what_is_open),
      T(close_wakes_who_takes),
      T(free_without_close_ends_the_thread),
      T(close_deletes_the_shared_list),
      T(the_descriptor_tells_the_truth),
      T(refusals_of_the_server_complete_the_tag),
      T(without_a_server_submits_fail_soon),
      T(connections_that_are_killed_are_made_again),
      T(ten_thousand_awaits_on_three_connections),
      T(threads_submit_take_cancel_and_close),
  };
  return cmocka_run_group_tests(tests, start_server, stop_server);
}
