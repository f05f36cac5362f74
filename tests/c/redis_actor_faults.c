/* The server misbehaves: wrong types, no memory, read-only, loading, killed connections, flushed scripts, restarts,
 * silence. The actor goes on, and no job is lost. */
#include "actors.h"

#include <pthread.h>

/* ---- keys of a wrong type ---- */

static void wrong_type_of_a_queue_leaves_the_others_alone(void **state) {
  (void)state;
  test_redis_do(server, "SET", Q, "not a list", NULL);
  heroq_actor *a = actor_of("osis,sal", NULL);
  store("s1"), store("s2"), store("o1");
  for (int i = 1; i <= 2; i++) {
    push("hero:q:work:type:sal", i == 1 ? "s1" : "s2");
    int64_t began = test_now_ms();
    finish(take_id(a, i == 1 ? "s1" : "s2"), "");
    assert_true(test_now_ms() - began < 1000);
  }
  test_redis_do(server, "DEL", Q, NULL);
  push(Q, "o1");
  finish(take_id(a, "o1"), "");
  test_until(nothing_held(Q), 2000);
  end_actor(a);
}

static void wrong_type_of_any_key_heals_after_its_removal(void **state) {
  (void)state;
  static const char *const part[] = {"handoff", "leases",     "holders", "delayed", "dead", "reasons",
                                     "meta",    "recoveries", "missing", "stops",   "seen"};
  char key[100], id[16];
  heroq_actor *a = actor_of("osis", NULL);
  for (size_t i = 0; i < sizeof part / sizeof *part; i++) {
    snprintf(key, sizeof key, H ":%s", part[i]);
    snprintf(id, sizeof id, "j%d", (int)i);
    test_redis_do(server, "DEL", key, NULL);
    test_redis_do(server, "SET", key, "wrong", NULL);
    enqueue(id);
    heroq_job *job;
    assert_ok(heroq_actor_take(a, 200, &job, NULL, &err), &err);
    if (job) assert_ok(heroq_job_finish(job, "", 0, 0, NULL, &err), &err);
    if (job) heroq_job_free(job);
    test_redis_do(server, "DEL", key, NULL);
    if (!job) finish(take_id(a, id), "");
    test_until(nothing_held(Q) && field_is(id, "status", "finished"), 6000);
  }
  end_actor(a);
}

/* ---- a server that cannot do it now ---- */

static void without_memory_takes_stop_and_results_pass(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", NULL);
  enqueue("j1");
  enqueue("j2");
  heroq_job *job = take_id(a, "j1");
  test_redis_do(server, "CONFIG", "SET", "maxmemory", "1", NULL);
  assert_ok(heroq_job_finish(job, "passes", 6, HEROQ_SYNC, NULL, &err), &err);
  heroq_job_free(job);
  assert_true(field_is("j1", "output", "passes"));
  heroq_job *other = NULL; /* taken ahead before the memory ended, or not */
  assert_ok(heroq_actor_take(a, 2 * LEASE, &other, NULL, &err), &err);
  if (!other) assert_in_range(stat_of(a, "starved"), LEASE, 10 * LEASE);
  test_redis_do(server, "CONFIG", "SET", "maxmemory", "0", NULL);
  if (!other) other = take_id(a, "j2");
  assert_int_equal(stat_of(a, "starved"), 0);
  finish(other, "");
  test_until(nothing_held(Q), 3000);
  assert_int_equal(size_of(H ":recoveries"), 0);
  end_actor(a);
}

static void read_only_server_is_waited_for(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", "lease", "5s", NULL);
  enqueue("j1");
  heroq_job *job = take(a);
  test_redis_do(server, "REPLICAOF", "127.0.0.1", "1", NULL);
  assert_ok(heroq_job_finish(job, "kept", 4, 0, NULL, &err), &err);
  heroq_job_free(job);
  assert_true(take_nothing(a, 500));
  assert_int_equal(stat_of(a, "unsettled"), 1);
  test_redis_do(server, "REPLICAOF", "NO", "ONE", NULL);
  test_until(field_is("j1", "output", "kept"), 6000);
  enqueue("j2");
  heroq_job *next;
  assert_ok(heroq_actor_take(a, 10000, &next, NULL, &err), &err);
  assert_non_null(next);
  finish(next, "");
  end_actor(a);
}

static void loading_server_is_waited_for(void **state) {
  (void)state;
  test_server *own =
      test_server_start((const char *[]){"--appendonly", "yes", "--appendfsync", "always", "--key-load-delay", "300",
                                         "--loading-process-events-interval-bytes", "1024", NULL});
  heroq_client *c;
  char url[200];
  snprintf(url, sizeof url, "%s?log=off", own->url);
  test_redis_do(own, "EVAL", "for i = 1, 6000 do redis.call('SET', 'k' .. i, string.rep('x', 50)) end", "0", NULL);
  test_redis_do(own, "HSET", "hero:job:j1", "script", "s", "status", "dispatched", NULL);
  test_redis_do(own, "HSET", "hero:job:j2", "script", "s", "status", "dispatched", NULL);
  test_redis_do(own, "LPUSH", Q, "j1", "j2", NULL);
  assert_ok(heroq_client_open(url, NULL, &c, NULL, &err), &err);
  heroq_actor *a = actor_on(c, "osis", "lease", "10s", NULL);
  heroq_job *job = take_id(a, "j1");
  test_server_kill9(own);
  assert_ok(heroq_job_finish(job, "kept", 4, 0, NULL, &err), &err);
  heroq_job_free(job);
  test_server_restart(own);
  heroq_job *next;
  assert_ok(heroq_actor_take(a, 15000, &next, NULL, &err), &err);
  assert_non_null(next);
  assert_string_equal(heroq_job_id(next), "j2");
  assert_ok(heroq_job_finish(next, "", 0, HEROQ_SYNC, NULL, &err), &err);
  heroq_job_free(next);
  char *output = test_redis_text(own, "HGET", "hero:job:j1", "output", NULL);
  assert_string_equal(output, "kept");
  free(output);
  end_actor(a);
  heroq_client_free(c);
  test_server_free(own);
}

static void silent_server_is_left_and_met_again(void **state) {
  (void)state;
  heroq_client *c;
  char url[200];
  snprintf(url, sizeof url, "%s?log=off&op_timeout=300ms&connect_timeout=300ms", server->url);
  assert_ok(heroq_client_open(url, NULL, &c, NULL, &err), &err);
  heroq_actor *a = actor_on(c, "osis", NULL);
  enqueue("j1");
  heroq_job *job = take(a);
  int64_t connects = stat_of(a, "connects");
  test_server_pause(server);
  assert_ok(heroq_job_finish(job, "kept", 4, 0, NULL, &err), &err);
  heroq_job_free(job);
  int64_t until = test_now_ms() + 4000;
  while (stat_of(a, "connected") && test_now_ms() < until) test_sleep_ms(5);
  int64_t connected = stat_of(a, "connected");
  test_server_resume(server);
  assert_int_equal(connected, 0);
  test_until(field_is("j1", "output", "kept"), 8000);
  test_until(stat_of(a, "connects") > connects, 8000);
  enqueue("j2");
  heroq_job *next;
  assert_ok(heroq_actor_take(a, 10000, &next, NULL, &err), &err);
  assert_non_null(next);
  finish(next, "");
  end_actor(a);
  heroq_client_free(c);
}

static void *take_in_time(void *arg) {
  heroq_job *job = NULL;
  heroq_actor_take(arg, 5000, &job, NULL, NULL);
  return job;
}

/* The server sleeps for longer than the lease while a job is ready: it does not come out before its lease is renewed. */
static void job_in_doubt_is_withheld_until_its_lease_is_renewed(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", NULL);
  int fd = heroq_actor_fd(a);
  heroq_job *job;
  assert_true(take_nothing(a, 0)); /* who polls is waited for, so that the job stays ready */
  enqueue("j1");
  assert_true(readable(fd, 5000));
  test_server_pause(server);
  test_sleep_ms(LEASE + 100);
  heroq_status rc = heroq_actor_take(a, 0, &job, NULL, &err);
  bool told = readable(fd, 0);
  pthread_t thread;
  pthread_create(&thread, NULL, take_in_time, a);
  for (int64_t until = test_now_ms() + 2000; stat_of(a, "waiting") < 1 && test_now_ms() < until;) test_sleep_ms(1);
  test_server_resume(server);
  assert_status(HEROQ_OK, rc, &err);
  assert_null(job);
  assert_false(told);
  void *taken;
  int64_t resumed = test_now_ms();
  pthread_join(thread, &taken);
  assert_true(test_now_ms() - resumed < 2000); /* it was woken, and did not just find the job at the end of its time */
  assert_non_null(taken);
  finish(taken, "");
  test_until(nothing_held(Q), 3000);
  end_actor(a);
}

static void full_server_is_waited_for(void **state) {
  (void)state;
  test_server *own = test_server_start(NULL);
  heroq_client *c;
  char url[200];
  snprintf(url, sizeof url, "%s?log=off", own->url);
  assert_ok(heroq_client_open(url, NULL, &c, NULL, &err), &err);
  heroq_actor *a = actor_on(c, "osis", NULL);
  assert_true(take_nothing(a, 100));
  redisContext *admin = test_server_connect(own), *more[8];
  assert_non_null(admin);
  freeReplyObject(redisCommand(admin, "CONFIG SET maxclients 8"));
  for (int i = 0; i < 8; i++) more[i] = redisConnect("127.0.0.1", own->port);
  freeReplyObject(redisCommand(admin, "CLIENT KILL TYPE normal SKIPME yes"));
  for (int i = 0; i < 8; i++) {
    redisFree(more[i]);
    more[i] = redisConnect("127.0.0.1", own->port);
  }
  assert_true(take_nothing(a, 300));
  int before = open_descriptors();
  assert_true(take_nothing(a, 300));
  assert_true(open_descriptors() <= before + 2);
  for (int i = 0; i < 8; i++) redisFree(more[i]);
  freeReplyObject(redisCommand(admin, "CONFIG SET maxclients 100"));
  freeReplyObject(redisCommand(admin, "HSET hero:job:j1 script s status dispatched"));
  freeReplyObject(redisCommand(admin, "LPUSH %s j1", Q));
  heroq_job *job;
  assert_ok(heroq_actor_take(a, 10000, &job, NULL, &err), &err);
  assert_non_null(job);
  finish(job, "");
  end_actor(a);
  redisFree(admin);
  heroq_client_free(c);
  test_server_free(own);
}

static void restarted_empty_server_is_used_again(void **state) {
  (void)state;
  test_server *own = test_server_start(NULL);
  heroq_client *c;
  char url[200];
  snprintf(url, sizeof url, "%s?log=off", own->url);
  assert_ok(heroq_client_open(url, NULL, &c, NULL, &err), &err);
  heroq_actor *a = actor_on(c, "osis", NULL);
  test_redis_do(own, "HSET", "hero:job:j1", "script", "s", "status", "dispatched", NULL);
  test_redis_do(own, "LPUSH", Q, "j1", NULL);
  heroq_job *job = take_id(a, "j1");
  test_server_kill9(own);
  test_server_restart(own);
  test_until(heroq_job_stop_reason(job) == HEROQ_STOP_LOST, 10000);
  assert_status(HEROQ_E_LOST, heroq_job_finish(job, "", 0, 0, NULL, &err), &err);
  heroq_job_free(job);
  assert_int_equal(test_redis_int(own, "EXISTS", "hero:job:j1", NULL), 0);
  test_redis_do(own, "HSET", "hero:job:j2", "script", "s", "status", "dispatched", NULL);
  test_redis_do(own, "LPUSH", Q, "j2", NULL);
  assert_ok(heroq_actor_take(a, 10000, &job, NULL, &err), &err);
  assert_non_null(job);
  finish(job, "");
  end_actor(a);
  heroq_client_free(c);
  test_server_free(own);
}

/* ---- storms ---- */

static void enqueue_many(int n) {
  char count[16];
  snprintf(count, sizeof count, "%d", n);
  test_redis_do(server, "EVAL",
                "for i = 1, ARGV[1] do redis.call('HSET', 'hero:job:j' .. i, 'script', 'x', 'status', 'dispatched')"
                " redis.call('LPUSH', KEYS[1], 'j' .. i) end",
                "1", Q, count, NULL);
}

static int64_t finished_of(int n) {
  char count[16];
  snprintf(count, sizeof count, "%d", n);
  return test_redis_int(
      server, "EVAL",
      "local n = 0 for i = 1, ARGV[1] do"
      " if redis.call('HGET', 'hero:job:j' .. i, 'status') == 'finished' then n = n + 1 end end return n",
      "0", count, NULL);
}

/* Takes and finishes while the disturbance goes on, then until all are through. */
static void survive(void (*disturb)(redisContext *), int n, int64_t disturbed_ms) {
  enqueue_many(n);
  heroq_actor *a = actor_of("osis", "lease", "1s", "max_recoveries", "100", NULL);
  redisContext *c = test_server_connect(server);
  assert_non_null(c);
  int64_t began = test_now_ms(), next = began;
  while (!nothing_held(Q)) {
    int64_t now = test_now_ms();
    if (now - began > 30000) fail_msg("%d of %d jobs are through", (int)finished_of(n), n);
    if (now - began < disturbed_ms && now >= next) {
      disturb(c);
      next = now + 20;
    }
    for (int i = 0; i < 5; i++) {
      heroq_job *job;
      assert_ok(heroq_actor_take(a, 5, &job, NULL, &err), &err);
      if (!job) break;
      assert_ok(heroq_job_finish(job, "x", 1, 0, NULL, &err), &err);
      heroq_job_free(job);
    }
  }
  assert_int_equal(finished_of(n), n);
  assert_int_equal(size_of(H ":dead"), 0);
  redisFree(c);
  end_actor(a);
}

static void flush_scripts(redisContext *c) { freeReplyObject(redisCommand(c, "SCRIPT FLUSH")); }
static void kill_clients(redisContext *c) { freeReplyObject(redisCommand(c, "CLIENT KILL TYPE normal SKIPME yes")); }

static void unblock_clients(redisContext *c) {
  static int round;
  redisReply *r = redisCommand(c, "CLIENT LIST");
  for (char *line = r->str; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
    freeReplyObject(redisCommand(c, "CLIENT UNBLOCK %d %s", atoi(line + 3), ++round % 2 ? "TIMEOUT" : "ERROR"));
  freeReplyObject(r);
}

static void script_flush_storm(void **state) {
  (void)state;
  survive(flush_scripts, 1000, 1500);
}

static void client_kill_storm(void **state) {
  (void)state;
  survive(kill_clients, 300, 2000);
}

static void client_unblock_storm(void **state) {
  (void)state;
  survive(unblock_clients, 300, 1500);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      ACTOR_TEST(wrong_type_of_a_queue_leaves_the_others_alone),
      ACTOR_TEST(wrong_type_of_any_key_heals_after_its_removal),
      ACTOR_TEST(without_memory_takes_stop_and_results_pass),
      ACTOR_TEST(read_only_server_is_waited_for),
      ACTOR_TEST(loading_server_is_waited_for),
      ACTOR_TEST(silent_server_is_left_and_met_again),
      ACTOR_TEST(job_in_doubt_is_withheld_until_its_lease_is_renewed),
      ACTOR_TEST(full_server_is_waited_for),
      ACTOR_TEST(restarted_empty_server_is_used_again),
      ACTOR_TEST(script_flush_storm),
      ACTOR_TEST(client_kill_storm),
      ACTOR_TEST(client_unblock_storm),
  };
  return cmocka_run_group_tests(tests, start_server, stop_server);
}
