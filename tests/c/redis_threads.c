/* Row 58 of the faults: sixteen threads on one client, and a close while they take. The tsan build looks on. */
#include "actors.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 16, ACTING = 4, ROUNDS = 40, CLOSES = 25, IDS = 40 };

/* ---- everything at once on one client ---- */

typedef struct user {
  heroq_actor *actor;
  heroq_waiter *waiter;
  heroq_queue *queue;
  atomic_int *calling; /* threads that still call */
  int number;
  heroq_status status; /* of the first call that failed */
  heroq_error err;
} user;

static void echo(user *u, heroq_job *job) {
  size_t size;
  const void *script = heroq_job_script(job, &size);
  u->status = heroq_job_finish(job, script, size, 0, NULL, &u->err);
  heroq_job_free(job);
}

static void *act(void *arg) {
  user *u = arg;
  while (atomic_load(u->calling) > 0 && !u->status) {
    heroq_job *job;
    heroq_record *stats;
    if ((u->status = heroq_actor_take(u->actor, 20, &job, NULL, &u->err))) break;
    if (job) echo(u, job);
    if (!u->status && !(u->status = heroq_actor_stats(u->actor, &stats, &u->err))) heroq_record_free(stats);
  }
  return NULL;
}

static heroq_job *job_of(user *u, const char *text) {
  heroq_job *job = NULL;
  u->status = heroq_job_new("osis", text, strlen(text), &job, &u->err);
  return job;
}

static bool is(heroq_bytes *got, const char *text) {
  bool same = heroq_bytes_size(got) == strlen(text) && !memcmp(heroq_bytes_data(got), text, strlen(text));
  heroq_bytes_free(got);
  return same;
}

static void run_and_await(user *u, const char *text) {
  heroq_bytes *output, *state;
  heroq_job *job = job_of(u, text);
  if (!u->status) u->status = heroq_supervisor_run_job_and_await_result(supervisor, job, 60000, &output, NULL, &u->err);
  if (!u->status && !is(output, text)) u->status = HEROQ_E_PROTOCOL;
  if (!u->status) u->status = heroq_supervisor_get_status(supervisor, heroq_job_id(job), &state, NULL, &u->err);
  if (!u->status && !is(state, "finished")) u->status = HEROQ_E_PROTOCOL;
  heroq_job_free(job);
}

/* The waiter is everybody's: each takes as many completions as it has submitted jobs, whosever they are. */
static void submit_and_take(user *u, int64_t tag, const char *text) {
  heroq_record *done = NULL;
  heroq_job *job = job_of(u, text);
  if (!u->status) u->status = heroq_waiter_submit(u->waiter, job, tag, 60000, &u->err);
  if (!u->status) u->status = heroq_waiter_take(u->waiter, 60000, &done, NULL, &u->err);
  if (!u->status)
    u->status = done ? (heroq_status)heroq_record_int64(done, heroq_record_find(done, "status")) : HEROQ_E_TIMEOUT;
  heroq_record_free(done);
  heroq_job_free(job);
}

static void look_around(user *u) {
  heroq_record *stats;
  u->status = heroq_client_ping(client, NULL, NULL, &u->err);
  if (!u->status && !(u->status = heroq_queue_stats(u->queue, &stats, NULL, &u->err))) heroq_record_free(stats);
  if (!u->status && !(u->status = heroq_queue_counters(u->queue, NULL, &stats, NULL, &u->err)))
    heroq_record_free(stats);
}

static void *call(void *arg) {
  user *u = arg;
  char text[32];
  for (int i = 0; i < ROUNDS && !u->status; i++) {
    snprintf(text, sizeof text, "%d of %d", i, u->number);
    run_and_await(u, text);
    if (!u->status) submit_and_take(u, i * THREADS + u->number, text);
    if (!u->status) look_around(u);
  }
  atomic_fetch_sub(u->calling, 1);
  return NULL;
}

static void row_58_sixteen_threads_on_one_client(void **state) {
  (void)state;
  atomic_int calling = THREADS - ACTING;
  user u[THREADS], shared = {.actor = actor_of("osis", "lease", "30s", NULL), .calling = &calling};
  pthread_t thread[THREADS];
  assert_ok(heroq_waiter_open(client, NULL, &shared.waiter, &err), &err);
  assert_ok(heroq_queue_open(client, "osis", NULL, NULL, &shared.queue, &err), &err);
  for (int i = 0; i < THREADS; i++) {
    u[i] = shared;
    u[i].number = i;
    pthread_create(&thread[i], NULL, i < ACTING ? act : call, &u[i]);
  }
  for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
  for (int i = 0; i < THREADS; i++) assert_ok(u[i].status, &u[i].err);
  test_until(nothing_held(Q), 5000);
  assert_int_equal(stat_of(shared.actor, "connects"), 1);
  assert_int_equal(stat_of(shared.actor, "finished"), 2 * ROUNDS * (THREADS - ACTING));
  heroq_queue_free(shared.queue);
  heroq_waiter_free(shared.waiter);
  end_actor(shared.actor);
}

/* ---- a close while they take ---- */

static atomic_int runs[IDS];

static void *take_until_closed(void *arg) {
  user *u = arg;
  heroq_job *job;
  while (!(u->status = heroq_actor_take(u->actor, HEROQ_FOREVER, &job, NULL, &u->err))) {
    atomic_fetch_add(&runs[atoi(heroq_job_id(job))], 1);
    heroq_job_finish(job, "done", 4, 0, NULL, NULL); /* behind the close it is refused, and the id is given back */
    heroq_job_free(job);
  }
  return NULL;
}

static void start_ids(void) {
  for (int i = 0; i < IDS; i++) {
    char id[16];
    snprintf(id, sizeof id, "%d", i);
    atomic_store(&runs[i], 0);
    enqueue(id);
  }
}

static bool all_finished(void) {
  char id[16];
  for (int i = 0; i < IDS; i++) {
    snprintf(id, sizeof id, "%d", i);
    if (!field_is(id, "status", "finished")) return false;
  }
  return true;
}

/* Sixteen threads take when the actor is closed, before, while or after jobs come. */
static void close_one(unsigned *seed) {
  user u[THREADS];
  pthread_t thread[THREADS];
  heroq_actor *a = actor_of("osis", "block", "20s", "lease", "30s", NULL);
  for (int i = 0; i < THREADS; i++) {
    u[i] = (user){.actor = a};
    pthread_create(&thread[i], NULL, take_until_closed, &u[i]);
  }
  test_until(stat_of(a, "waiting") == THREADS, 10000);
  if (rand_r(seed) % 3) start_ids();
  test_sleep_ms(rand_r(seed) % 4); /* when the close comes is the test's input */
  int64_t began = test_now_ms();
  assert_ok(heroq_actor_close(a, 0, NULL, NULL, &err), &err);
  int64_t took = test_now_ms() - began;
  for (int i = 0; i < THREADS; i++) {
    pthread_join(thread[i], NULL);
    assert_int_equal(u[i].status, HEROQ_E_CLOSED);
  }
  heroq_actor_free(a);
  assert_int_equal(size_of(H ":holders") + size_of(H ":leases") + size_of(H ":handoff"), 0);
  if (took > 3000) fail_msg("the close took %d ms", (int)took); /* 1 s, and what a loaded machine needs */
}

static void row_58_close_during_a_blocking_take(void **state) {
  (void)state;
  unsigned seed = (unsigned)test_now_ms();
  print_message("seed %u\n", seed);
  for (int round = 0; round < CLOSES; round++) {
    test_redis_do(server, "FLUSHALL", NULL);
    close_one(&seed);
    if (!size_of("hero:job:0")) start_ids();
    /* with this lease nobody would find a lost id in time */
    user u = {.actor = actor_of("osis", "lease", "30s", NULL)};
    pthread_t thread;
    pthread_create(&thread, NULL, take_until_closed, &u);
    test_until(all_finished() && nothing_held(Q), 10000);
    assert_ok(heroq_actor_close(u.actor, 0, NULL, NULL, &err), &err);
    pthread_join(thread, NULL);
    heroq_actor_free(u.actor);
    assert_int_equal(size_of(H ":recoveries"), 0);
    for (int i = 0; i < IDS; i++) assert_in_range(atomic_load(&runs[i]), 1, 2);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      ACTOR_TEST(row_58_sixteen_threads_on_one_client),
      ACTOR_TEST(row_58_close_during_a_blocking_take),
  };
  return cmocka_run_group_tests(tests, start_server, stop_server);
}
