/* Many jobs, many threads, two actors: every job runs, none twice. Sanitizers slow this down: they get a tenth of it. */
#include "actors.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define JOBS 10000
#else
#define JOBS 100000
#endif

static atomic_int runs[JOBS];
static atomic_int left;

static void enqueue_all(void) {
  char from[16], to[16];
  for (int i = 0; i < JOBS; i += 10000) {
    snprintf(from, sizeof from, "%d", i);
    snprintf(to, sizeof to, "%d", i + 9999);
    test_redis_do(
        server, "EVAL",
        "for i = ARGV[1], ARGV[2] do redis.call('HSET', 'hero:job:' .. i, 'script', 'x', 'status', 'dispatched')"
        " redis.call('LPUSH', KEYS[1], i) end",
        "1", Q, from, to, NULL);
  }
  for (int i = 0; i < JOBS; i++) atomic_store(&runs[i], 0);
  atomic_store(&left, JOBS);
}

static void check_all(void) {
  for (int i = 0; i < JOBS; i++)
    if (atomic_load(&runs[i]) != 1) fail_msg("job %d ran %d times", i, (int)atomic_load(&runs[i]));
  test_until(nothing_held(Q), 5000);
  int64_t wrong =
      test_redis_int(server, "EVAL",
                     "local n = 0 for i = 0, ARGV[1] - 1 do local v = redis.call('HMGET', 'hero:job:' .. i,"
                     " 'status', 'output', 'hq_attempt')"
                     " if v[1] ~= 'finished' or v[2] ~= tostring(i) or v[3] ~= '1' then n = n + 1 end end return n",
                     "0", JOBS == 100000 ? "100000" : "10000", NULL);
  assert_int_equal(wrong, 0);
}

static bool run_one(heroq_job *job) {
  const char *id = heroq_job_id(job);
  atomic_fetch_add(&runs[atoi(id)], 1);
  bool ok = heroq_job_finish(job, id, strlen(id), 0, NULL, NULL) == HEROQ_OK;
  heroq_job_free(job);
  atomic_fetch_sub(&left, 1);
  return ok;
}

static void one_thread_drains_them_all(void **state) {
  (void)state;
  enqueue_all();
  heroq_actor *a = actor_of("osis", "lease", "30s", NULL);
  int64_t began = test_now_ms();
  for (int i = 0; i < JOBS; i++) assert_true(run_one(take(a)));
  int64_t ms = test_now_ms() - began;
  print_message("%d jobs in %d ms\n", JOBS, (int)ms);
  end_actor(a);
  check_all();
}

typedef struct worker {
  heroq_actor *actor;
  heroq_call *call;
  int wrong, how;
} worker;

static void *work(void *arg) {
  worker *w = arg;
  while (atomic_load(&left) > 0) {
    heroq_job *job = NULL;
    heroq_status rc = heroq_actor_take(w->actor,
                                       w->how % 3 == 0   ? HEROQ_FOREVER
                                       : w->how % 3 == 1 ? 20
                                                         : 0,
                                       &job, w->call, NULL);
    if (rc == HEROQ_E_CLOSED || rc == HEROQ_E_CANCELLED) break;
    w->wrong += rc != HEROQ_OK;
    if (job) w->wrong += !run_one(job);
  }
  return NULL;
}

static void sixteen_threads_on_two_actors(void **state) {
  (void)state;
  enqueue_all();
  heroq_actor *a[2] = {actor_of("osis", "lease", "30s", NULL),
                       actor_of("osis", "lease", "30s", "concurrency", "5", NULL)};
  heroq_call *call;
  worker w[16];
  pthread_t thread[16];
  assert_ok(heroq_call_new(&call, &err), &err);
  for (int i = 0; i < 16; i++) {
    w[i] = (worker){.actor = a[i % 2], .call = call, .how = i};
    pthread_create(&thread[i], NULL, work, &w[i]);
  }
  int64_t until = test_now_ms() + 60000;
  while (atomic_load(&left) > 0 && test_now_ms() < until) {
    heroq_record *r;
    for (int i = 0; i < 2; i++)
      if (heroq_actor_stats(a[i], &r, NULL) == HEROQ_OK) heroq_record_free(r);
    test_sleep_ms(10);
  }
  heroq_call_cancel(call);
  for (int i = 0; i < 16; i++) {
    pthread_join(thread[i], NULL);
    assert_int_equal(w[i].wrong, 0);
  }
  assert_int_equal(atomic_load(&left), 0);
  heroq_call_free(call);
  end_actor(a[0]);
  end_actor(a[1]);
  check_all();
}

/* Actors come and go at random moments while others take: what they held goes back and runs once more at most. */
static void actors_come_and_go(void **state) {
  (void)state;
  enqueue_all();
  atomic_store(&left, JOBS);
  heroq_actor *steady = actor_of("osis", NULL);
  unsigned seed = (unsigned)test_now_ms();
  print_message("seed %u\n", seed);
  for (int round = 0; round < 20; round++) {
    heroq_actor *a = actor_of("osis", NULL);
    heroq_job *job;
    for (int i = rand_r(&seed) % 200; i > 0; i--) {
      assert_ok(heroq_actor_take(a, 0, &job, NULL, &err), &err);
      if (job) run_one(job);
      assert_ok(heroq_actor_take(steady, 0, &job, NULL, &err), &err);
      if (job) run_one(job);
    }
    assert_ok(heroq_actor_take(a, 100, &job, NULL, &err), &err);
    end_actor(a);
    if (job) heroq_job_free(job); /* given back by the close */
  }
  while (atomic_load(&left) > 0) {
    heroq_job *job = take(steady);
    run_one(job);
  }
  end_actor(steady);
  for (int i = 0; i < JOBS; i++) assert_int_equal(atomic_load(&runs[i]), 1);
  assert_true(nothing_held(Q));
}

#define THREADS 64

static int64_t times_slept(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return u.ru_nvcsw;
}

static void many_threads_with_little_to_do_sleep_on(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", "lease", "30s", NULL);
  worker w[THREADS];
  pthread_t thread[THREADS];
  heroq_call *call;
  assert_ok(heroq_call_new(&call, &err), &err);
  enqueue_all();
  int64_t began = times_slept();
  for (int i = 0; i < THREADS; i++) {
    w[i] = (worker){.actor = a, .call = call};
    pthread_create(&thread[i], NULL, work, &w[i]);
  }
  test_until(atomic_load(&left) == 0, 60000);
  double each = (double)(times_slept() - began) / JOBS;
  print_message("%.3f times asleep a job\n", each);
  heroq_call_cancel(call);
  for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
  assert_true(each < 0.5);
  heroq_call_free(call);
  end_actor(a);
  check_all();
}

static atomic_int running;
static atomic_bool over;

static void *run_until_over(void *arg) {
  heroq_job *job = take(arg);
  atomic_fetch_add(&running, 1);
  while (!atomic_load(&over)) test_sleep_ms(1);
  finish(job, "");
  return NULL;
}

static void as_many_jobs_run_as_threads_wait(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", "lease", "30s", NULL);
  pthread_t thread[THREADS];
  char id[16];
  for (int round = 0; round < 3; round++) {
    atomic_store(&running, 0);
    atomic_store(&over, false);
    for (int i = 0; i < THREADS; i++) pthread_create(&thread[i], NULL, run_until_over, a);
    test_until(stat_of(a, "waiting") == THREADS, 4000);
    for (int i = 0; i < THREADS; i++) {
      snprintf(id, sizeof id, "r%d-%d", round, i);
      enqueue(id);
    }
    test_until(atomic_load(&running) == THREADS, 20000);
    atomic_store(&over, true);
    for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
  }
  end_actor(a);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      ACTOR_TEST(many_threads_with_little_to_do_sleep_on),
      ACTOR_TEST(as_many_jobs_run_as_threads_wait),
      ACTOR_TEST(one_thread_drains_them_all),
      ACTOR_TEST(sixteen_threads_on_two_actors),
      ACTOR_TEST(actors_come_and_go),
  };
  return cmocka_run_group_tests(tests, start_server, stop_server);
}
