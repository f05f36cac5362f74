/* Which jobs come out of an actor, when, in which order, to whom; and what a caller that waits sees. */
#include "actors.h"

#include <pthread.h>

/* ---- waiting ---- */

static void take_waits_as_long_as_it_is_told(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", NULL);
  heroq_job *job;
  int64_t began = test_now_ms();
  assert_true(take_nothing(a, 0));
  assert_true(test_now_ms() - began < 50);
  assert_true(take_nothing(a, 150));
  assert_true(test_now_ms() - began >= 150);
  heroq_call *call;
  assert_ok(heroq_call_new(&call, &err), &err);
  assert_ok(heroq_call_set_timeout(call, 100, &err), &err);
  began = test_now_ms();
  assert_status(HEROQ_E_TIMEOUT, heroq_actor_take(a, HEROQ_FOREVER, &job, call, &err), &err);
  assert_true(test_now_ms() - began >= 95 && test_now_ms() - began < 1500);
  heroq_call_free(call);
  end_actor(a);
}

typedef struct taker {
  heroq_actor *actor;
  heroq_call *call;
  heroq_status status;
  heroq_job *job;
} taker;

static void *take_forever(void *arg) {
  taker *t = arg;
  t->status = heroq_actor_take(t->actor, HEROQ_FOREVER, &t->job, t->call, NULL);
  return NULL;
}

static void cancel_ends_one_take_only(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", NULL);
  taker t[2] = {{.actor = a}, {.actor = a}};
  pthread_t thread[2];
  assert_ok(heroq_call_new(&t[0].call, &err), &err);
  for (int i = 0; i < 2; i++) pthread_create(&thread[i], NULL, take_forever, &t[i]);
  test_until(stat_of(a, "waiting") == 2, 2000);
  heroq_call_cancel(t[0].call);
  pthread_join(thread[0], NULL);
  assert_int_equal(t[0].status, HEROQ_E_CANCELLED);
  assert_null(t[0].job);
  assert_int_equal(stat_of(a, "waiting"), 1);
  assert_status(HEROQ_E_CANCELLED, heroq_actor_take(a, 0, &t[0].job, t[0].call, &err), &err);
  enqueue("j1");
  pthread_join(thread[1], NULL);
  assert_int_equal(t[1].status, HEROQ_OK);
  finish(t[1].job, "");
  heroq_call_free(t[0].call);
  end_actor(a);
}

static void *take_in_time(void *arg) {
  taker *t = arg;
  t->status = heroq_actor_take(t->actor, 3000, &t->job, t->call, NULL);
  return NULL;
}

/* A taker is cancelled at the moment in which it is chosen: its job must go to the other one that waits. */
static void cancelled_taker_passes_its_job_on(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", "lease", "30s", NULL);
  redisContext *c = test_server_connect(server);
  unsigned seed = (unsigned)test_now_ms();
  print_message("seed %u\n", seed);
  for (int i = 0; i < 400; i++) {
    taker t[2] = {{.actor = a}, {.actor = a}};
    pthread_t thread[2];
    assert_ok(heroq_call_new(&t[0].call, &err), &err);
    freeReplyObject(redisCommand(c, "HSET hero:job:j%d script s status dispatched", i));
    pthread_create(&thread[0], NULL, take_forever, &t[0]);
    test_until(stat_of(a, "waiting") == 1, 2000);
    pthread_create(&thread[1], NULL, take_in_time, &t[1]);
    test_until(stat_of(a, "waiting") == 2, 2000);
    freeReplyObject(redisCommand(c, "LPUSH " Q " j%d", i));
    for (volatile int spin = rand_r(&seed) % 200000; spin > 0; spin--) continue;
    heroq_call_cancel(t[0].call);
    pthread_join(thread[0], NULL);
    if (t[0].status == HEROQ_OK) { /* it was faster than the cancel: the other one gets a job of its own */
      finish(t[0].job, "");
      freeReplyObject(redisCommand(c, "HSET hero:job:k%d script s status dispatched", i));
      freeReplyObject(redisCommand(c, "LPUSH " Q " k%d", i));
    }
    int64_t passed_on = test_now_ms();
    pthread_join(thread[1], NULL);
    if (test_now_ms() - passed_on > 500) fail_msg("round %d: the job came by chance, with a heartbeat", i);
    assert_int_equal(t[1].status, HEROQ_OK);
    assert_non_null(t[1].job);
    finish(t[1].job, "");
    heroq_call_free(t[0].call);
  }
  redisFree(c);
  end_actor(a);
}

static void take_many_brings_what_is_there(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", NULL);
  heroq_jobs *jobs;
  char id[16];
  for (int i = 0; i < 50; i++) {
    snprintf(id, sizeof id, "j%d", i);
    enqueue(id);
  }
  assert_status(HEROQ_E_INVALID, heroq_actor_take_many(a, 0, 0, &jobs, NULL, &err), &err);
  int seen = 0;
  while (seen < 50) {
    assert_ok(heroq_actor_take_many(a, 20, 5000, &jobs, NULL, &err), &err);
    assert_non_null(jobs);
    int32_t n = heroq_jobs_count(jobs);
    assert_true(n >= 1 && n <= 20);
    for (int32_t i = 0; i < n; i++) {
      heroq_job *job;
      assert_ok(heroq_jobs_job(jobs, i, &job, &err), &err);
      assert_ok(heroq_jobs_status(jobs, i), NULL);
      finish(job, "x");
    }
    heroq_jobs_free(jobs);
    seen += n;
  }
  assert_ok(heroq_actor_take_many(a, 5, 0, &jobs, NULL, &err), &err);
  assert_null(jobs);
  test_until(nothing_held(Q), 2000);
  end_actor(a);
}

/* ---- the descriptor ---- */

static void descriptor_says_what_take_would(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", "concurrency", "1", NULL);
  int fd = heroq_actor_fd(a);
  heroq_job *job;
  assert_true(fd >= 0);
  assert_int_equal(heroq_actor_fd(a), fd);
  assert_false(readable(fd, 50));
  enqueue("j1");
  assert_true(readable(fd, 5000));
  assert_ok(heroq_actor_take(a, 0, &job, NULL, &err), &err);
  assert_string_equal(heroq_job_id(job), "j1");
  enqueue("j2");
  assert_false(readable(fd, 300)); /* as many as may be out are out */
  assert_true(take_nothing(a, 0));
  finish(job, "");
  assert_true(readable(fd, 5000));
  assert_ok(heroq_actor_take(a, 0, &job, NULL, &err), &err);
  assert_string_equal(heroq_job_id(job), "j2");
  finish(job, "");
  assert_false(readable(fd, 100));
  assert_ok(heroq_actor_drain(a, HEROQ_FOREVER, &err), &err);
  assert_true(readable(fd, 0));
  assert_status(HEROQ_E_CLOSED, heroq_actor_take(a, 0, &job, NULL, &err), &err);
  assert_true(readable(fd, 0));
  assert_ok(heroq_actor_close(a, 0, NULL, NULL, &err), &err);
  assert_true(readable(fd, 0));
  heroq_actor_free(a);
}

static void descriptor_asked_for_after_the_end_is_readable(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", NULL);
  assert_ok(heroq_actor_close(a, 0, NULL, NULL, &err), &err);
  assert_true(readable(heroq_actor_fd(a), 0));
  assert_true(readable(heroq_actor_event_fd(a), 0));
  heroq_actor_free(a);
}

static void event_descriptor_says_what_next_event_would(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", NULL);
  int fd = heroq_actor_event_fd(a);
  heroq_record *r;
  assert_false(readable(fd, 0));
  assert_ok(heroq_actor_next_event(a, 0, &r, NULL, &err), &err);
  assert_null(r);
  assert_ok(heroq_actor_drain(a, 0, &err), &err);
  assert_true(readable(fd, 2000));
  assert_ok(heroq_actor_next_event(a, 0, &r, NULL, &err), &err);
  assert_string_equal(heroq_record_text(r, heroq_record_find(r, "event")), "drained");
  heroq_record_free(r);
  assert_false(readable(fd, 0));
  assert_ok(heroq_actor_close(a, 0, NULL, NULL, &err), &err);
  assert_true(readable(fd, 0));
  assert_status(HEROQ_E_CLOSED, heroq_actor_next_event(a, 0, &r, NULL, &err), &err);
  assert_true(readable(fd, 0));
  heroq_actor_free(a);
}

/* ---- order ---- */

static void first_in_first_out(void **state) {
  (void)state;
  char id[16];
  for (int i = 0; i < 20; i++) {
    snprintf(id, sizeof id, "j%02d", i);
    enqueue(id);
  }
  heroq_actor *a = actor_of("osis", NULL);
  for (int i = 0; i < 20; i++) {
    snprintf(id, sizeof id, "j%02d", i);
    finish(take_id(a, id), "");
  }
  end_actor(a);
}

static void instance_before_group_before_type(void **state) {
  (void)state;
  store("t"), store("g"), store("i");
  push(Q, "t");
  push(Q ":group:g1", "g");
  push(Q ":group:g1:inst:i1", "i");
  heroq_actor *a = actor_of("osis", "group", "g1", "instance", "i1", "concurrency", "1", NULL);
  finish(take_id(a, "i"), "");
  finish(take_id(a, "g"), "");
  finish(take_id(a, "t"), "");
  store("g2");
  push(Q ":group:g1", "g2");
  finish(take_id(a, "g2"), "");
  test_until(nothing_held(Q ":group:g1"), 2000);
  end_actor(a);
  store("other"), store("own");
  push(Q ":group:g2", "other");
  push(Q, "own");
  a = actor_of("osis", NULL);
  finish(take_id(a, "own"), "");
  assert_true(take_nothing(a, 200));
  end_actor(a);
}

static void several_types_in_one_actor(void **state) {
  (void)state;
  heroq_actor *a = actor_of("sal,osis,v", NULL);
  store("o"), store("s"), store("v");
  push("hero:q:work:type:v", "v");
  heroq_job *job = take_id(a, "v");
  assert_string_equal(heroq_job_script_type(job), "v");
  finish(job, "");
  push(Q, "o");
  finish(take_id(a, "o"), "");
  push("hero:q:work:type:sal", "s");
  finish(take_id(a, "s"), "");
  end_actor(a);
}

static void type_comes_from_the_actor_id(void **state) {
  (void)state;
  heroq_actor *a;
  assert_ok(heroq_actor_open(client, "main-osis.7", NULL, NULL, &a, NULL, &err), &err);
  enqueue("j1");
  finish(take_id(a, "j1"), "");
  end_actor(a);
}

static void urgent_goes_first_and_delayed_comes_later(void **state) {
  (void)state;
  heroq_job *late, *soon;
  enqueue("j1");
  assert_ok(heroq_job_new("osis", "late", 4, &late, &err), &err);
  assert_ok(heroq_job_set_option(late, "delay", "400ms", &err), &err);
  assert_ok(heroq_job_new("osis", "soon", 4, &soon, &err), &err);
  assert_ok(heroq_job_set_option(soon, "urgent", "yes", &err), &err);
  int64_t began = test_now_ms();
  assert_ok(heroq_supervisor_submit(supervisor, late, NULL, &err), &err);
  assert_ok(heroq_supervisor_submit(supervisor, soon, NULL, &err), &err);
  heroq_actor *a = actor_of("osis", NULL);
  finish(take_id(a, heroq_job_id(soon)), "");
  finish(take_id(a, "j1"), "");
  finish(take_id(a, heroq_job_id(late)), "");
  int64_t passed = test_now_ms() - began;
  if (passed < 395 || passed > 1500) fail_msg("a delay of 400 ms took %d ms", (int)passed);
  heroq_job_free(late);
  heroq_job_free(soon);
  end_actor(a);
}

static void since_when_a_job_waited(void **state) {
  (void)state;
  heroq_job *made[2];
  int64_t since[2];
  heroq_actor *a = actor_of("osis", NULL);
  for (int i = 0; i < 2; i++) {
    assert_ok(heroq_job_new("osis", "x", 1, &made[i], &err), &err);
    assert_ok(heroq_job_set_option(made[i], "delay", i ? "300ms" : "0ms", &err), &err);
    assert_ok(heroq_job_set_option(made[i], "retries", "1", &err), &err);
    assert_ok(heroq_supervisor_submit(supervisor, made[i], NULL, &err), &err);
    heroq_job *job = take_id(a, heroq_job_id(made[i]));
    since[i] = heroq_job_waited_since(job);
    if (i) {
      assert_ok(heroq_job_retry(job, 0, "again", 5, 0, NULL, &err), &err);
      heroq_job_free(job);
    } else
      finish(job, "");
  }
  assert_in_range(since[1] - since[0], 300, 5000);
  heroq_job *again = take_id(a, heroq_job_id(made[1]));
  assert_int_equal(heroq_job_waited_since(again), 0);
  finish(again, "");
  enqueue("an-id-without-a-time");
  heroq_job *other = take_id(a, "an-id-without-a-time");
  assert_int_equal(heroq_job_waited_since(other), 0);
  finish(other, "");
  for (int i = 0; i < 2; i++) heroq_job_free(made[i]);
  end_actor(a);
}

static void nothing_leaves_a_paused_queue(void **state) {
  (void)state;
  heroq_queue *queue;
  heroq_actor *a = actor_of("osis", NULL);
  assert_ok(heroq_queue_open(client, "osis", NULL, NULL, &queue, &err), &err);
  enqueue("j0");
  heroq_job *running = take(a);
  assert_ok(heroq_queue_pause(queue, NULL, &err), &err);
  enqueue("j1");
  enqueue("j2");
  assert_true(take_nothing(a, 500));
  assert_int_equal(size_of(Q), 2);
  assert_int_equal(size_of(H ":handoff"), 0);
  finish(running, "goes on");
  test_until(field_is("j0", "status", "finished"), 2000);
  assert_ok(heroq_queue_resume(queue, NULL, &err), &err);
  finish(take_id(a, "j1"), "");
  finish(take_id(a, "j2"), "");
  heroq_queue_free(queue);
  end_actor(a);
}

/* ---- how many ---- */

static void no_more_than_concurrency_are_out(void **state) {
  (void)state;
  char id[16];
  heroq_actor *a = actor_of("osis", "concurrency", "2", NULL), *b = actor_of("osis", NULL);
  enqueue("j1");
  enqueue("j2");
  heroq_job *one = take(a), *two = take(a);
  for (int i = 0; i < 5; i++) {
    snprintf(id, sizeof id, "k%d", i);
    enqueue(id);
  }
  taker t = {.actor = a};
  pthread_t thread;
  pthread_create(&thread, NULL, take_forever, &t);
  test_until(stat_of(a, "waiting") == 1, 2000);
  for (int i = 0; i < 5; i++) finish(take(b), ""); /* none of them waits behind a's handlers */
  assert_int_equal(stat_of(a, "out"), 2);
  assert_int_equal(stat_of(a, "released"), 0); /* it did not even take them */
  enqueue("last");
  finish(one, "");
  pthread_join(thread, NULL);
  assert_int_equal(t.status, HEROQ_OK);
  assert_string_equal(heroq_job_id(t.job), "last");
  finish(t.job, "");
  heroq_job_free(two); /* dropped: its slot is free as well */
  assert_int_equal(stat_of(a, "out"), 0);
  end_actor(a);
  end_actor(b);
}

/* One actor stops asking while jobs are ready for it: they go to the other within moments, not after its handler. */
static void surplus_goes_to_who_has_time(void **state) {
  (void)state;
  char id[16];
  heroq_actor *slow = actor_of("osis", NULL), *quick;
  for (int i = 0; i < 2000; i++) {
    snprintf(id, sizeof id, "j%d", i);
    store(id);
  }
  test_redis_do(server, "EVAL", "for i = 0, 1999 do redis.call('LPUSH', KEYS[1], 'j' .. i) end", "1", Q, NULL);
  for (int i = 0; i < 1000; i++) finish(take(slow), ""); /* its rate grows */
  heroq_job *held = take(slow);
  quick = actor_of("osis", NULL);
  int64_t began = test_now_ms();
  /* an id that goes from one to the other is held by none for a moment: the server counts */
  for (heroq_job *job; test_redis_int(server, "LLEN", Q, NULL) +
                           test_redis_int(server, "HLEN", "{" Q "}:holders", NULL) +
                           test_redis_int(server, "LLEN", "{" Q "}:handoff", NULL) !=
                       1;) {
    assert_ok(heroq_actor_take(quick, 50, &job, NULL, &err), &err);
    if (job) finish(job, "");
    if (test_now_ms() - began > 5000) fail_msg("%d jobs wait behind a busy handler", (int)stat_of(slow, "held") - 1);
  }
  assert_int_equal(stat_of(slow, "ahead"), 0);
  finish(held, "");
  end_actor(slow);
  end_actor(quick);
  assert_true(nothing_held(Q));
}

/* A host that watches the descriptor and takes once each time it is readable, with handlers that take long. */
static void each_job_makes_the_descriptor_readable_at_once(void **state) {
  (void)state;
  char id[16];
  heroq_actor *a = actor_of("osis", NULL);
  heroq_job *job[20];
  int fd = heroq_actor_fd(a);
  for (int i = 0; i < 20; i++) {
    snprintf(id, sizeof id, "j%d", i);
    enqueue(id);
  }
  int64_t began = test_now_ms();
  for (int i = 0; i < 20; i++) {
    assert_true(readable(fd, 5000));
    assert_ok(heroq_actor_take(a, 0, &job[i], NULL, &err), &err);
    assert_non_null(job[i]);
  }
  if (test_now_ms() - began > 500) fail_msg("20 jobs took %d ms", (int)(test_now_ms() - began));
  for (int i = 0; i < 20; i++) finish(job[i], "");
  end_actor(a);
}

/* The descriptor is readable, but its host is busy: the job goes to another actor, and the host gets one when it comes. */
static void job_does_not_wait_for_a_busy_host(void **state) {
  (void)state;
  heroq_actor *busy = actor_of("osis", NULL), *other;
  int fd = heroq_actor_fd(busy);
  enqueue("j1");
  assert_true(readable(fd, 5000));
  other = actor_of("osis", NULL);
  finish(take_id(other, "j1"), "");
  end_actor(other);
  enqueue("j2");
  assert_true(readable(fd, 5000));
  finish(take_id(busy, "j2"), "");
  end_actor(busy);
}

static void suspect_runs_alone(void **state) {
  (void)state;
  enqueue("a1");
  enqueue("suspect");
  enqueue("a2");
  test_redis_do(server, "HSET", H ":recoveries", "suspect", "2", NULL);
  heroq_actor *a = actor_of("osis", "lease", "5s", NULL);
  heroq_job *first = take_id(a, "a1");
  assert_true(take_nothing(a, 200)); /* something is held: the suspect has to wait, and what is behind it too */
  finish(first, "");
  heroq_job *suspect = take_id(a, "suspect");
  assert_true(take_nothing(a, 200));
  assert_int_equal(stat_of(a, "held"), 1);
  finish(suspect, "harmless after all");
  finish(take_id(a, "a2"), "");
  test_until(nothing_held(Q), 2000);
  assert_int_equal(size_of(H ":recoveries"), 0);
  end_actor(a);
}

static void poison_ends_in_dead_without_being_run(void **state) {
  (void)state;
  store("poison");
  set("poison", "hq_reply_to", "hero:q:reply:poison");
  test_redis_do(server, "HSET", H ":recoveries", "poison", "3", NULL);
  test_redis_do(server, "HSET", H ":holders", "poison", "1:gone", NULL);
  test_redis_do(server, "ZADD", H ":leases", "1", "poison", NULL);
  set("poison", "status", "started");
  set("poison", "hq_token", "1:gone");
  set("poison", "hq_queue", Q);
  enqueue("innocent");
  heroq_actor *a = actor_of("osis", NULL);
  finish(take_id(a, "innocent"), "");
  test_until(size_of(H ":dead") == 1, 5000);
  char *reason = test_redis_text(server, "HGET", H ":reasons", "poison", NULL);
  assert_string_equal(reason, "lost");
  free(reason);
  assert_true(field_is("poison", "status", "error"));
  assert_int_equal(size_of("hero:q:reply:poison"), 1);
  assert_int_equal(stat_of(a, "taken"), 1);
  test_until(nothing_held(Q), 1000);
  end_actor(a);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      ACTOR_TEST(take_waits_as_long_as_it_is_told),
      ACTOR_TEST(cancel_ends_one_take_only),
      ACTOR_TEST(cancelled_taker_passes_its_job_on),
      ACTOR_TEST(take_many_brings_what_is_there),
      ACTOR_TEST(descriptor_says_what_take_would),
      ACTOR_TEST(descriptor_asked_for_after_the_end_is_readable),
      ACTOR_TEST(event_descriptor_says_what_next_event_would),
      ACTOR_TEST(first_in_first_out),
      ACTOR_TEST(instance_before_group_before_type),
      ACTOR_TEST(several_types_in_one_actor),
      ACTOR_TEST(type_comes_from_the_actor_id),
      ACTOR_TEST(urgent_goes_first_and_delayed_comes_later),
      ACTOR_TEST(since_when_a_job_waited),
      ACTOR_TEST(nothing_leaves_a_paused_queue),
      ACTOR_TEST(no_more_than_concurrency_are_out),
      ACTOR_TEST(surplus_goes_to_who_has_time),
      ACTOR_TEST(each_job_makes_the_descriptor_readable_at_once),
      ACTOR_TEST(job_does_not_wait_for_a_busy_host),
      ACTOR_TEST(suspect_runs_alone),
      ACTOR_TEST(poison_ends_in_dead_without_being_run),
  };
  return cmocka_run_group_tests(tests, start_server, stop_server);
}
