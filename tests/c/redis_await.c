/* Awaiting one job, on a real server. Actors are threads of bare commands: hash-only, output-only, reply-only, and one
 * that writes what a heroq actor does. Each rule is tried by the direct way and by way of the engine. */
#include "one_server.h"

#include <pthread.h>
#include <unistd.h>

#define Q "hero:q:work:type:osis"

static heroq_client *client;
static heroq_supervisor *sup;
static heroq_error err;

static int open_all(void **state) {
  (void)state;
  test_redis_do(server, "FLUSHALL", NULL);
  heroq_options *o;
  assert_ok(heroq_options_new(&o, &err), &err);
  assert_ok(heroq_options_set(o, "log", "events", &err), &err);
  assert_ok(heroq_client_open(server->url, o, &client, NULL, &err), &err);
  heroq_options_free(o);
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

/* ---- foreign actors ---- */

typedef struct step {
  int64_t after_ms;
  const char *command[8]; /* "JOB" is the job's hash, "REPLY" its reply list */
} step;
typedef struct actor {
  pthread_t thread;
  const step *steps;
  int count;
  redisContext *connection;
} actor;

/* Takes one job with BLPOP, as the guide has it, and does its steps. Works on a connection of its own: cmocka's asserts
 * belong to the main thread. */
static void *run_actor(void *arg) {
  actor *a = arg;
  char job[300], list[300];
  redisReply *r = redisCommand(a->connection, "BLPOP " Q " 10");
  if (!r || r->type != REDIS_REPLY_ARRAY) return freeReplyObject(r), (void *)1;
  snprintf(job, sizeof job, "hero:job:%s", r->element[1]->str);
  snprintf(list, sizeof list, "hero:q:reply:%s", r->element[1]->str);
  freeReplyObject(r);
  for (int i = 0; i < a->count; i++) {
    const char *argv[8];
    int argc = 0;
    for (; argc < 8 && a->steps[i].command[argc]; argc++) {
      const char *word = a->steps[i].command[argc];
      argv[argc] = strcmp(word, "JOB") == 0 ? job : strcmp(word, "REPLY") == 0 ? list : word;
    }
    test_sleep_ms(a->steps[i].after_ms);
    freeReplyObject(redisCommandArgv(a->connection, argc, argv, NULL));
  }
  return NULL;
}

static void start_actor(actor *a, const step *steps, int count) {
  *a = (actor){.steps = steps, .count = count, .connection = test_server_connect(server)};
  pthread_create(&a->thread, NULL, run_actor, a);
}

static void end_actor(actor *a) {
  void *bad;
  pthread_join(a->thread, &bad);
  assert_null(bad);
  redisFree(a->connection);
}

static heroq_job *new_job(void) {
  heroq_job *job;
  assert_ok(heroq_job_new("osis", "x", 1, &job, &err), &err);
  return job;
}

/* ---- an await that keeps the direct way busy, so that the next one goes through the engine ---- */

typedef struct busy {
  pthread_t thread;
  heroq_call *call;
  heroq_status status;
} busy;

static void *await_nothing(void *arg) {
  busy *b = arg;
  heroq_bytes *out;
  b->status = heroq_supervisor_await_result(sup, "blocker", HEROQ_FOREVER, &out, b->call, NULL);
  return NULL;
}

static void start_busy(busy *b) {
  test_redis_do(server, "DEL", "hero:job:blocker", NULL);
  test_redis_do(server, "HSET", "hero:job:blocker", "script", "x", "status", "dispatched", NULL);
  assert_ok(heroq_call_new(&b->call, &err), &err);
  pthread_create(&b->thread, NULL, await_nothing, b);
  test_until(test_redis_int(server, "HEXISTS", "hero:job:blocker", "hq_reply_to", NULL), 3000);
}

static void end_busy(busy *b) {
  heroq_call_cancel(b->call);
  pthread_join(b->thread, NULL);
  assert_int_equal(b->status, HEROQ_E_CANCELLED);
  heroq_call_free(b->call);
}

/* Runs one job against one actor; answers the status and how long it took. */
static heroq_status run(bool by_engine, const step *steps, int count, int64_t timeout, char *output, int64_t *took) {
  busy b;
  actor a;
  heroq_bytes *out;
  heroq_job *job = new_job();
  if (by_engine) start_busy(&b);
  start_actor(&a, steps, count);
  int64_t begin = test_now_ms();
  heroq_status status = heroq_supervisor_run_job_and_await_result(sup, job, timeout, &out, NULL, &err);
  *took = test_now_ms() - begin;
  snprintf(output, 64, "%.*s", (int)heroq_bytes_size(out), out ? (const char *)heroq_bytes_data(out) : "");
  heroq_bytes_free(out);
  end_actor(&a);
  if (by_engine) end_busy(&b);
  char list[300];
  snprintf(list, sizeof list, "hero:q:reply:%s", heroq_job_id(job));
  test_until(test_redis_int(server, "EXISTS", list, NULL) == 0, 1000);
  heroq_job_free(job);
  return status;
}

#define RUN(by_engine, steps, timeout, output, took)                                                                   \
  run(by_engine, steps, (int)(sizeof(steps) / sizeof *(steps)), timeout, output, took)

/* ---- the rules of the contract ---- */

static void a_hash_only_actor_is_enough(void **state) {
  static const step steps[] = {{0, {"HSET", "JOB", "status", "started"}},
                               {30, {"HSET", "JOB", "output", "42", "status", "Finished"}}};
  char output[64];
  int64_t took;
  (void)state;
  for (int by_engine = 0; by_engine < 2; by_engine++) {
    assert_ok(RUN(by_engine, steps, 5000, output, &took), &err);
    assert_string_equal(output, "42");
    assert_in_range(took, 25, 600);
  }
}

static void an_output_without_a_status_is_the_result(void **state) {
  static const step steps[] = {{0, {"HSET", "JOB", "output", "only output"}}};
  char output[64];
  int64_t took;
  (void)state;
  for (int by_engine = 0; by_engine < 2; by_engine++) {
    assert_ok(RUN(by_engine, steps, 5000, output, &took), &err);
    assert_string_equal(output, "only output");
    assert_in_range(took, 950, 2500);
  }
}

static void the_status_that_follows_an_output_counts(void **state) {
  static const step steps[] = {{0, {"HSET", "JOB", "output", "first"}},
                               {500, {"HSET", "JOB", "error", "boom", "status", "error"}}};
  char output[64];
  int64_t took;
  (void)state;
  for (int by_engine = 0; by_engine < 2; by_engine++) {
    assert_status(HEROQ_E_FAILED, RUN(by_engine, steps, 5000, output, &took), &err);
    assert_string_equal(output, "boom");
    assert_string_equal(err.text, "boom");
    assert_int_equal(err.flags, 0);
  }
}

static void a_reply_alone_is_the_result_and_is_written(void **state) {
  static const step steps[] = {{0, {"LPUSH", "REPLY", "only a reply"}}};
  char output[64];
  int64_t took;
  (void)state;
  for (int by_engine = 0; by_engine < 2; by_engine++) {
    test_redis_do(server, "FLUSHALL", NULL);
    assert_ok(RUN(by_engine, steps, 5000, output, &took), &err);
    assert_string_equal(output, "only a reply");
    assert_in_range(took, 950, 2500);
    redisReply *keys = test_redis(server, "KEYS", "hero:job:*", NULL);
    for (size_t i = 0; i < keys->elements; i++) {
      if (strcmp(keys->element[i]->str, "hero:job:blocker") == 0) continue;
      char *status = test_redis_text(server, "HGET", keys->element[i]->str, "status", NULL);
      assert_string_equal(status, "finished");
      free(status);
    }
    freeReplyObject(keys);
  }
}

static void after_a_requeue_only_the_hash_decides(void **state) {
  static const step steps[] = {{0, {"HSET", "JOB", "hq_requeued", "1"}},
                               {0, {"LPUSH", "REPLY", "of an earlier run"}},
                               {1500, {"HSET", "JOB", "output", "of this run", "status", "finished"}}};
  char output[64];
  int64_t took;
  (void)state;
  for (int by_engine = 0; by_engine < 2; by_engine++) {
    assert_ok(RUN(by_engine, steps, 8000, output, &took), &err);
    assert_string_equal(output, "of this run");
  }
}

static void a_heroq_actors_reply_wakes_at_once(void **state) {
  (void)state;
  for (int by_engine = 0; by_engine < 2; by_engine++) {
    heroq_actor *heroq;
    heroq_job *taken, *job = new_job();
    heroq_bytes *out;
    busy b;
    if (by_engine) start_busy(&b);
    assert_ok(heroq_actor_open(client, "a1", "osis", NULL, &heroq, NULL, &err), &err);
    /* held for 1.2 s: by then the looks are two seconds apart, so that only the reply can be that fast */
    assert_ok(heroq_supervisor_submit(sup, job, NULL, &err), &err);
    assert_ok(heroq_actor_take(heroq, 5000, &taken, NULL, &err), &err);
    assert_non_null(taken);
    heroq_waiter *w;
    assert_ok(heroq_waiter_open(client, NULL, &w, &err), &err);
    assert_ok(heroq_waiter_add(w, heroq_job_id(job), 1, 8000, &err), &err);
    test_sleep_ms(1200);
    int64_t begin = test_now_ms();
    assert_ok(heroq_job_finish(taken, "fast", 4, 0, NULL, &err), &err);
    heroq_record *done;
    assert_ok(heroq_waiter_take(w, 5000, &done, NULL, &err), &err);
    assert_true(test_now_ms() - begin < 300);
    heroq_record_free(done);
    heroq_job_free(taken);
    assert_ok(heroq_supervisor_await_result(sup, heroq_job_id(job), 1000, &out, NULL, &err), &err);
    assert_memory_equal(heroq_bytes_data(out), "fast", 4);
    heroq_bytes_free(out);
    heroq_waiter_free(w);
    assert_ok(heroq_actor_close(heroq, 0, NULL, NULL, &err), &err);
    heroq_actor_free(heroq);
    heroq_job_free(job);
    if (by_engine) end_busy(&b);
  }
}

/* ---- ends ---- */

static void time_ends_the_wait_and_not_the_job(void **state) {
  (void)state;
  for (int by_engine = 0; by_engine < 2; by_engine++) {
    static const int64_t timeouts[] = {0, 40, 170, 1000};
    busy b;
    if (by_engine) start_busy(&b);
    for (int i = 0; i < 4; i++) {
      heroq_bytes *out = (heroq_bytes *)1;
      heroq_job *job = new_job();
      int64_t begin = test_now_ms();
      assert_status(HEROQ_E_TIMEOUT, heroq_supervisor_run_job_and_await_result(sup, job, timeouts[i], &out, NULL, &err),
                    &err);
      int64_t took = test_now_ms() - begin;
      assert_null(out);
      if (took < timeouts[i] - 100 || took > timeouts[i] + 150) fail_msg("%d ms of %d", (int)took, (int)timeouts[i]);
      if (timeouts[i] >= 40) {
        heroq_bytes *status;
        assert_ok(heroq_supervisor_get_status(sup, heroq_job_id(job), &status, NULL, &err), &err);
        assert_string_equal(heroq_bytes_data(status), "dispatched");
        heroq_bytes_free(status);
      }
      heroq_job_free(job);
    }
    if (by_engine) end_busy(&b);
  }
}

static void *cancel_soon(void *call) {
  test_sleep_ms(150);
  heroq_call_cancel(call);
  return NULL;
}

static void *close_soon(void *unused) {
  (void)unused;
  test_sleep_ms(150);
  heroq_supervisor_close(sup);
  return NULL;
}

static void cancel_and_close_end_the_wait(void **state) {
  (void)state;
  for (int by_engine = 0; by_engine < 2; by_engine++)
    for (int by_close = 0; by_close < 2; by_close++) {
      heroq_supervisor *mine = sup; /* the blocker stays with the first one */
      heroq_bytes *out;
      heroq_call *call;
      pthread_t thread;
      busy b;
      if (by_engine) start_busy(&b);
      assert_ok(heroq_supervisor_open(client, NULL, &sup, &err), &err);
      assert_ok(heroq_call_new(&call, &err), &err);
      heroq_job *job = new_job();
      pthread_create(&thread, NULL, by_close ? close_soon : cancel_soon, call);
      int64_t begin = test_now_ms();
      heroq_status status = heroq_supervisor_run_job_and_await_result(sup, job, 20000, &out, call, &err);
      int64_t took = test_now_ms() - begin;
      pthread_join(thread, NULL);
      assert_int_equal(status, by_close ? HEROQ_E_CLOSED : HEROQ_E_CANCELLED);
      assert_in_range(took, 100, 1000);
      heroq_job_free(job);
      heroq_call_free(call);
      heroq_supervisor_free(sup);
      sup = mine;
      if (by_engine) end_busy(&b);
    }
}

static void a_job_that_is_not_there_is_expired(void **state) {
  (void)state;
  for (int by_engine = 0; by_engine < 2; by_engine++) {
    heroq_bytes *out;
    busy b;
    if (by_engine) start_busy(&b);
    int64_t begin = test_now_ms();
    assert_status(HEROQ_E_EXPIRED, heroq_supervisor_await_result(sup, "nobody", 10000, &out, NULL, &err), &err);
    assert_true(test_now_ms() - begin < 1000);
    if (by_engine) end_busy(&b);
  }
  assert_int_equal(test_redis_int(server, "EXISTS", "hero:job:nobody", NULL), 0);
}

static void what_has_ended_is_answered_at_once(void **state) {
  heroq_bytes *out;
  (void)state;
  test_redis_do(server, "HSET", "hero:job:a", "script", "x", "status", "FINISHED", "output", "1", NULL);
  test_redis_do(server, "HSET", "hero:job:b", "script", "x", "status", "finished", NULL);
  assert_ok(heroq_supervisor_await_result(sup, "a", 0, &out, NULL, &err), &err);
  assert_int_equal(heroq_bytes_size(out), 1);
  heroq_bytes_free(out);
  assert_ok(heroq_supervisor_await_result(sup, "b", 0, &out, NULL, &err), &err);
  assert_int_equal(heroq_bytes_size(out), 0);
  heroq_bytes_free(out);
  assert_int_equal(test_redis_int(server, "HEXISTS", "hero:job:a", "hq_reply_to", NULL), 0);
}

/* ---- faults ---- */

static void wrong_types_are_named(void **state) {
  (void)state;
  for (int by_engine = 0; by_engine < 2; by_engine++) {
    heroq_bytes *out;
    busy b;
    test_redis_do(server, "SET", "hero:job:str", "no hash", NULL);
    if (by_engine) start_busy(&b);
    assert_status(HEROQ_E_WRONG_TYPE, heroq_supervisor_await_result(sup, "str", 3000, &out, NULL, &err), &err);
    test_assert_text(&err, "hero:job:str");
    heroq_job *job = new_job();
    test_redis_do(server, "SET", Q, "no list", NULL);
    assert_status(HEROQ_E_WRONG_TYPE, heroq_supervisor_run_job_and_await_result(sup, job, 3000, &out, NULL, &err),
                  &err);
    test_assert_text(&err, Q);
    test_redis_do(server, "DEL", Q, NULL);
    heroq_job_free(job);
    if (by_engine) end_busy(&b);
  }
}

static void no_server_is_an_error_at_once(void **state) {
  (void)state;
  test_server_shutdown(server);
  heroq_bytes *out;
  heroq_job *job = new_job();
  int64_t begin = test_now_ms();
  heroq_status status = heroq_supervisor_run_job_and_await_result(sup, job, 10000, &out, NULL, &err);
  int64_t took = test_now_ms() - begin;
  test_server_restart(server);
  assert_int_equal(status, HEROQ_E_CONNECTION);
  assert_true(err.flags & HEROQ_RETRYABLE);
  assert_true(took < 2000);
  heroq_job_free(job);
}

typedef struct surviving {
  heroq_job *job;
  heroq_status status;
  heroq_error err;
  heroq_bytes *out;
} surviving;

static void *await_over_restart(void *arg) {
  surviving *a = arg;
  a->status = heroq_supervisor_run_job_and_await_result(sup, a->job, 15000, &a->out, NULL, &a->err);
  return NULL;
}

static bool is_first(const char *queue, const char *id) {
  char *first = test_redis_text(server, "LINDEX", queue, "0", NULL);
  bool same = first && !strcmp(first, id);
  free(first);
  return same;
}

static void a_restart_is_survived(void **state) {
  (void)state;
  test_server *kept = test_server_start((const char *[]){"--appendonly", "yes", "--appendfsync", "always", NULL});
  heroq_supervisor *saved = sup;
  heroq_client *c;
  assert_ok(heroq_client_open(kept->url, NULL, &c, NULL, &err), &err);
  assert_ok(heroq_supervisor_open(c, NULL, &sup, &err), &err);
  test_server *first = server;
  server = kept;
  for (int by_engine = 0; by_engine < 2; by_engine++) {
    surviving a = {.job = new_job()};
    pthread_t thread;
    busy b;
    if (by_engine) start_busy(&b);
    char key[300];
    snprintf(key, sizeof key, "hero:job:%s", heroq_job_id(a.job));
    pthread_create(&thread, NULL, await_over_restart, &a);
    test_until(is_first(Q, heroq_job_id(a.job)), 3000);
    test_redis_do(kept, "PING", NULL); /* the push was answered: else the job's submit would be what failed */
    test_server_kill9(kept);
    test_sleep_ms(300);
    test_server_restart(kept);
    test_redis_do(kept, "HSET", key, "output", "back", "status", "finished", NULL);
    pthread_join(thread, NULL);
    assert_ok(a.status, &a.err);
    assert_memory_equal(heroq_bytes_data(a.out), "back", 4);
    heroq_bytes_free(a.out);
    heroq_job_free(a.job);
    if (by_engine) end_busy(&b);
  }
  heroq_supervisor_free(sup);
  sup = saved;
  server = first;
  heroq_client_close(c);
  heroq_client_free(c);
  test_server_free(kept);
}

/* ---- many ---- */

typedef struct one {
  pthread_t thread;
  heroq_status status;
  char want[16], got[16];
} one;

static void *run_one(void *arg) {
  one *o = arg;
  heroq_job *job;
  heroq_bytes *out = NULL;
  if (heroq_job_new("osis", o->want, strlen(o->want), &job, NULL)) return NULL;
  o->status = heroq_supervisor_run_job_and_await_result(sup, job, 20000, &out, NULL, NULL);
  snprintf(o->got, sizeof o->got, "%.*s", (int)heroq_bytes_size(out), out ? (const char *)heroq_bytes_data(out) : "");
  heroq_bytes_free(out);
  heroq_job_free(job);
  return NULL;
}

static heroq_status echo(heroq_job *job, void *user_data, heroq_error *e) {
  size_t size;
  const void *script = heroq_job_script(job, &size);
  (void)user_data;
  return heroq_job_finish(job, script, size, 0, NULL, e);
}

static void *serve(void *a) {
  heroq_actor_run(a, echo, NULL, NULL, NULL);
  return NULL;
}

static void many_threads_await_at_once(void **state) {
  (void)state;
  one all[40];
  pthread_t thread;
  heroq_actor *a;
  assert_ok(heroq_actor_open(client, "echo", "osis", NULL, &a, NULL, &err), &err);
  pthread_create(&thread, NULL, serve, a);
  for (int i = 0; i < 40; i++) {
    snprintf(all[i].want, sizeof all[i].want, "%d", i);
    all[i].status = HEROQ_E_INTERNAL;
    pthread_create(&all[i].thread, NULL, run_one, &all[i]);
  }
  for (int i = 0; i < 40; i++) {
    pthread_join(all[i].thread, NULL);
    assert_int_equal(all[i].status, HEROQ_OK);
    assert_string_equal(all[i].got, all[i].want);
  }
  assert_ok(heroq_actor_close(a, 1000, NULL, NULL, &err), &err);
  pthread_join(thread, NULL);
  heroq_actor_free(a);
}

/* ---- a queue whose only actor died ---- */

static void a_lonely_queue_is_tended(void **state) {
  (void)state;
  for (int by_engine = 0; by_engine < 2; by_engine++) {
    heroq_client *c;
    heroq_supervisor *s, *saved = sup;
    heroq_bytes *out;
    busy b;
    char url[256];
    test_redis_do(server, "FLUSHALL", NULL);
    if (by_engine) start_busy(&b);
    snprintf(url, sizeof url, "%s?lease=400ms&max_recoveries=0", server->url);
    assert_ok(heroq_client_open(url, NULL, &c, NULL, &err), &err);
    assert_ok(heroq_supervisor_open(c, NULL, &s, &err), &err);
    busy own;
    if (by_engine) { /* the engine belongs to the client: its direct way has to be busy */
      sup = s;
      start_busy(&own);
      sup = saved;
    }
    test_redis_do(server, "HSET", "hero:job:held", "script", "x", "status", "started", "hq_token", "5:dead.1.1",
                  "hq_queue", Q, "script_type", "osis", NULL);
    test_redis_do(server, "ZADD", "{" Q "}:leases", "1000", "held", NULL);
    test_redis_do(server, "HSET", "{" Q "}:holders", "held", "5:dead.1.1", NULL);
    test_redis_do(server, "HSET", "{" Q "}:meta", "last_reap", "1", NULL);
    heroq_status status = heroq_supervisor_await_result(s, "held", 20000, &out, NULL, &err);
    assert_status(HEROQ_E_FAILED, status, &err);
    test_assert_text(&err, "lost");
    heroq_bytes_free(out);
    test_until(test_redis_int(server, "ZCARD", "{" Q "}:leases", NULL) == 0,
               3000); /* the result comes before the last step */
    if (by_engine) {
      end_busy(&own);
      end_busy(&b);
    }
    heroq_supervisor_free(s);
    heroq_client_close(c);
    heroq_client_free(c);
  }
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)

int main(void) {
  const struct CMUnitTest tests[] = {
      T(a_hash_only_actor_is_enough),
      T(an_output_without_a_status_is_the_result),
      T(the_status_that_follows_an_output_counts),
      T(a_reply_alone_is_the_result_and_is_written),
      T(after_a_requeue_only_the_hash_decides),
      T(a_heroq_actors_reply_wakes_at_once),
      T(time_ends_the_wait_and_not_the_job),
      T(cancel_and_close_end_the_wait),
      T(a_job_that_is_not_there_is_expired),
      T(what_has_ended_is_answered_at_once),
      T(wrong_types_are_named),
      T(no_server_is_an_error_at_once),
      T(a_restart_is_survived),
      T(many_threads_await_at_once),
      T(a_lonely_queue_is_tended),
  };
  return cmocka_run_group_tests(tests, start_server, stop_server);
}
