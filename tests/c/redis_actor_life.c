/* Opening, draining, closing, freeing, forking, in every order; handles that outlive what they came from. */
#include "actors.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static bool event_is(heroq_actor *a, const char *what) { return event_comes(a, what, 2000); }

static void drain_lets_handlers_end_and_gives_the_rest_back(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", NULL);
  heroq_job *none;
  enqueue("j1");
  heroq_job *job = take(a);
  enqueue("j2");
  assert_ok(heroq_actor_drain(a, HEROQ_FOREVER, &err), &err);
  assert_status(HEROQ_E_CLOSED, heroq_actor_take(a, HEROQ_FOREVER, &none, NULL, &err), &err);
  test_until(heroq_job_stop_reason(job) == HEROQ_STOP_DRAIN, 1000);
  assert_false(event_comes(a, "drained", 100));
  finish(job, "done");
  assert_true(event_is(a, "drained"));
  assert_true(field_is("j1", "output", "done"));
  assert_int_equal(size_of(Q), 1);
  assert_int_equal(size_of(H ":leases") + size_of(H ":handoff"), 0);
  int64_t began = test_now_ms();
  end_actor(a);
  assert_true(test_now_ms() - began < 500);
}

static void drain_takes_back_after_its_grace_and_can_only_be_shortened(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", NULL);
  enqueue("j1");
  heroq_job *job = take(a);
  assert_ok(heroq_actor_drain(a, HEROQ_FOREVER, &err), &err);
  assert_ok(heroq_actor_drain(a, 100, &err), &err);
  assert_ok(heroq_actor_drain(a, 60000, &err), &err);
  assert_true(event_is(a, "drained"));
  assert_status(HEROQ_E_LOST, heroq_job_finish(job, "late", 4, 0, NULL, &err), &err);
  heroq_job_free(job);
  assert_int_equal(size_of(Q), 1);
  assert_true(field_is("j1", "status", "dispatched"));
  assert_int_equal(size_of(H ":recoveries"), 0);
  end_actor(a);
}

static void close_is_quick_though_a_command_is_blocked(void **state) {
  (void)state;
  for (int i = 0; i < 20; i++) {
    heroq_actor *a = actor_of("osis", "block", "10s", NULL);
    assert_true(take_nothing(a, i % 2 ? 0 : 20)); /* the blocked command is there, or just on its way */
    int64_t began = test_now_ms();
    end_actor(a);
    if (test_now_ms() - began > 1000) fail_msg("close took %d ms", (int)(test_now_ms() - began));
  }
}

typedef struct waiting {
  heroq_actor *actor;
  heroq_status take, event;
} waiting;

static void *wait_in_take(void *arg) {
  waiting *w = arg;
  heroq_job *job;
  w->take = heroq_actor_take(w->actor, HEROQ_FOREVER, &job, NULL, NULL);
  return NULL;
}

static void *wait_for_event(void *arg) {
  waiting *w = arg;
  heroq_record *r = NULL;
  while ((w->event = heroq_actor_next_event(w->actor, HEROQ_FOREVER, &r, NULL, NULL)) == HEROQ_OK) heroq_record_free(r);
  return NULL;
}

static void close_wakes_all_who_wait(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", NULL);
  waiting w[9];
  pthread_t thread[9];
  for (int i = 0; i < 9; i++) {
    w[i] = (waiting){.actor = a};
    pthread_create(&thread[i], NULL, i ? wait_in_take : wait_for_event, &w[i]);
  }
  test_until(stat_of(a, "waiting") == 8, 2000);
  assert_ok(heroq_actor_close(a, 0, NULL, NULL, &err), &err);
  for (int i = 0; i < 9; i++) pthread_join(thread[i], NULL);
  assert_int_equal(w[0].event, HEROQ_E_CLOSED);
  for (int i = 1; i < 9; i++) assert_int_equal(w[i].take, HEROQ_E_CLOSED);
  assert_ok(heroq_actor_close(a, 0, NULL, NULL, &err), &err);
  heroq_actor_free(a);
}

static void close_of_the_client_closes_the_actor(void **state) {
  (void)state;
  heroq_client *own;
  heroq_job *none;
  assert_ok(heroq_client_open(server->url, NULL, &own, NULL, &err), &err);
  heroq_actor *a = actor_on(own, "osis", NULL);
  enqueue("j1");
  heroq_job *job = take(a);
  heroq_client_close(own);
  assert_status(HEROQ_E_CLOSED, heroq_actor_take(a, HEROQ_FOREVER, &none, NULL, &err), &err);
  assert_status(HEROQ_E_LOST, heroq_job_finish(job, "", 0, HEROQ_SYNC, NULL, &err), &err);
  heroq_actor *another;
  assert_status(HEROQ_E_CLOSED, heroq_actor_open(own, "x", "osis", NULL, &another, NULL, &err), &err);
  heroq_client_free(own);
  heroq_job_free(job);
  heroq_actor_free(a);
}

static void handles_may_be_freed_in_any_order(void **state) {
  (void)state;
  static const int order[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
  int before = 0;
  for (int round = 0; round < 12; round++) {
    char id[16];
    heroq_client *own;
    assert_ok(heroq_client_open(server->url, NULL, &own, NULL, &err), &err);
    heroq_actor *a = actor_on(own, "osis", NULL);
    snprintf(id, sizeof id, "j%d", round);
    enqueue(id);
    heroq_job *job = take_id(a, id);
    if (round % 2) assert_ok(heroq_job_finish(job, "", 0, HEROQ_SYNC, NULL, &err), &err);
    for (int i = 0; i < 3; i++) switch (order[round % 6][i]) {
      case 0: heroq_client_free(own); break;
      case 1: heroq_actor_free(a); break;
      default:
        assert_string_equal(heroq_job_id(job), id); /* readable however little is left */
        heroq_job_free(job);
      }
    if (round == 1) {
      test_sleep_ms(50); /* threads end behind the free */
      before = open_descriptors();
    }
    test_redis_do(server, "FLUSHALL", NULL);
  }
  test_until(open_descriptors() <= before, 2000);
}

static void close_gives_back_and_the_handle_stays_valid(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", NULL);
  store("j1");
  push(Q, "j1");
  heroq_job *job = take(a);
  end_actor(a);
  assert_int_equal(size_of(Q), 1);
  assert_string_equal(heroq_job_id(job), "j1");
  assert_status(HEROQ_E_LOST, heroq_job_finish(job, "", 0, 0, NULL, &err), &err);
  heroq_job_free(job);
}

static void close_reports_what_was_not_acknowledged(void **state) {
  (void)state;
  int32_t unacked = -1;
  heroq_actor *a = actor_of("osis", "close_timeout", "300ms", NULL);
  enqueue("j1");
  heroq_job *job = take(a);
  test_server_pause(server);
  assert_ok(heroq_job_finish(job, "x", 1, 0, NULL, &err), &err);
  int64_t began = test_now_ms();
  assert_ok(heroq_actor_close(a, 0, &unacked, NULL, &err), &err);
  assert_true(test_now_ms() - began < 2500);
  test_server_resume(server);
  assert_int_equal(unacked, 1);
  heroq_job_free(job);
  heroq_actor_free(a);
}

static void sync_ends_in_doubt_when_the_actor_ends(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", NULL);
  heroq_call *call;
  enqueue("j1");
  heroq_job *job = take(a);
  test_server_pause(server);
  assert_ok(heroq_call_new(&call, &err), &err);
  assert_ok(heroq_call_set_timeout(call, 100, &err), &err);
  heroq_status rc = heroq_job_finish(job, "x", 1, HEROQ_SYNC, call, &err);
  test_server_resume(server);
  assert_status(HEROQ_E_TIMEOUT, rc, &err);
  assert_true(err.flags & HEROQ_MAYBE_DONE);
  heroq_job_free(job);
  heroq_call_free(call);
  test_until(field_is("j1", "output", "x"), 2000); /* it goes on */
  end_actor(a);
}

/* ---- open ---- */

static void lazy_open_returns_at_once_and_connects_later(void **state) {
  (void)state;
  test_server *late = test_server_start(NULL);
  heroq_client *own;
  heroq_options *lazy;
  heroq_actor *a;
  char url[200];
  snprintf(url, sizeof url, "%s?connect=lazy&log=off&connect_timeout=200ms", late->url);
  test_server_shutdown(late);
  assert_ok(heroq_client_open(url, NULL, &own, NULL, &err), &err);
  assert_ok(heroq_options_new(&lazy, &err), &err);
  assert_ok(heroq_actor_open(own, "x", "osis", lazy, &a, NULL, &err), &err);
  assert_int_equal(stat_of(a, "connected"), 0);
  assert_true(take_nothing(a, 50));
  heroq_actor *never;
  assert_ok(heroq_options_set(lazy, "connect", "now", &err), &err);
  assert_status(HEROQ_E_CONNECTION, heroq_actor_open(own, "x", "osis", lazy, &never, NULL, &err), &err);
  assert_null(never);
  heroq_call *call;
  assert_ok(heroq_call_new(&call, &err), &err);
  heroq_call_cancel(call);
  assert_ok(heroq_options_set(lazy, "connect", "wait", &err), &err);
  assert_status(HEROQ_E_CANCELLED, heroq_actor_open(own, "x", "osis", lazy, &never, call, &err), &err);
  heroq_call_free(call);
  test_server_restart(late);
  test_redis_do(late, "HSET", "hero:job:j1", "script", "s", "status", "dispatched", NULL);
  test_redis_do(late, "LPUSH", Q, "j1", NULL);
  heroq_job *job;
  assert_ok(heroq_actor_take(a, 10000, &job, NULL, &err), &err);
  assert_non_null(job);
  finish(job, "");
  end_actor(a);
  heroq_options_free(lazy);
  heroq_client_free(own);
  test_server_free(late);
}

/* ---- fork ---- */

static int child(heroq_actor *a, heroq_job *job) {
  heroq_job *none;
  heroq_record *r;
  int wrong = 0;
  wrong += heroq_actor_take(a, 0, &none, NULL, NULL) != HEROQ_E_FORKED;
  wrong += heroq_actor_next_event(a, 0, &r, NULL, NULL) != HEROQ_E_FORKED;
  wrong += heroq_actor_stats(a, &r, NULL) != HEROQ_E_FORKED;
  wrong += heroq_actor_drain(a, 0, NULL) != HEROQ_E_FORKED;
  wrong += heroq_actor_close(a, 0, NULL, NULL, NULL) != HEROQ_E_FORKED;
  wrong += heroq_actor_fd(a) != -1;
  wrong += heroq_job_finish(job, "by the child", 12, 0, NULL, NULL) != HEROQ_E_FORKED;
  heroq_job_free(job);
  heroq_actor_free(a);
  heroq_client_free(client);
  return wrong;
}

static void child_of_a_fork_harms_nothing(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", NULL);
  enqueue("j1");
  heroq_job *job = take(a);
  fflush(NULL);
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (!pid) _exit(child(a, job));
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 0);
  finish(job, "by the parent");
  for (int i = 0; i < 20; i++) {
    char id[16];
    snprintf(id, sizeof id, "k%d", i);
    enqueue(id);
    finish(take_id(a, id), "x");
  }
  assert_int_equal(stat_of(a, "connects"), 1); /* its stream was left alone */
  end_actor(a);
  assert_true(field_is("j1", "output", "by the parent"));
}

/* ---- rest ---- */

static heroq_status handler(heroq_job *job, void *user_data, heroq_error *e) {
  int *seen = user_data;
  ++*seen;
  if (strcmp(heroq_job_id(job), "bad") == 0) {
    if (e) snprintf(e->text, sizeof e->text, "the handler said no");
    return HEROQ_E_FAILED;
  }
  if (strcmp(heroq_job_id(job), "own") == 0) return heroq_job_finish(job, "by itself", 9, 0, NULL, e);
  return HEROQ_OK;
}

typedef struct runner {
  heroq_actor *actor;
  heroq_call *call;
  heroq_status status;
  int seen;
} runner;

static void *run(void *arg) {
  runner *r = arg;
  r->status = heroq_actor_run(r->actor, handler, &r->seen, r->call, NULL);
  return NULL;
}

static void run_handles_jobs_until_the_end(void **state) {
  (void)state;
  runner r = {.actor = actor_of("osis", NULL)};
  pthread_t thread;
  assert_ok(heroq_call_new(&r.call, &err), &err);
  enqueue("good");
  enqueue("own");
  enqueue("bad");
  pthread_create(&thread, NULL, run, &r);
  test_until(field_is("bad", "status", "error"), 3000);
  heroq_call_cancel(r.call);
  pthread_join(thread, NULL);
  assert_int_equal(r.status, HEROQ_E_CANCELLED);
  assert_int_equal(r.seen, 3);
  assert_true(field_is("good", "output", ""));
  assert_true(field_is("own", "output", "by itself"));
  assert_true(field_is("bad", "error", "the handler said no"));
  heroq_call_reset(r.call);
  pthread_create(&thread, NULL, run, &r);
  assert_ok(heroq_actor_close(r.actor, 0, NULL, NULL, &err), &err);
  pthread_join(thread, NULL);
  assert_int_equal(r.status, HEROQ_OK);
  heroq_actor_free(r.actor);
  heroq_call_free(r.call);
}

static int64_t cpu_ms(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000;
}

static void idle_actor_rests(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis,sal,v", "lease", "30s", "block", "5s", NULL);
  assert_true(take_nothing(a, 300));
  int64_t before = cpu_ms();
  assert_true(take_nothing(a, 2000));
  int64_t used = cpu_ms() - before;
  if (used > 40) fail_msg("an idle actor used %d ms in 2 s", (int)used);
  end_actor(a);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      ACTOR_TEST(drain_lets_handlers_end_and_gives_the_rest_back),
      ACTOR_TEST(drain_takes_back_after_its_grace_and_can_only_be_shortened),
      ACTOR_TEST(close_is_quick_though_a_command_is_blocked),
      ACTOR_TEST(close_wakes_all_who_wait),
      ACTOR_TEST(close_of_the_client_closes_the_actor),
      ACTOR_TEST(handles_may_be_freed_in_any_order),
      ACTOR_TEST(close_gives_back_and_the_handle_stays_valid),
      ACTOR_TEST(close_reports_what_was_not_acknowledged),
      ACTOR_TEST(sync_ends_in_doubt_when_the_actor_ends),
      ACTOR_TEST(lazy_open_returns_at_once_and_connects_later),
      ACTOR_TEST(child_of_a_fork_harms_nothing),
      ACTOR_TEST(run_handles_jobs_until_the_end),
      ACTOR_TEST(idle_actor_rests),
  };
  return cmocka_run_group_tests(tests, start_server, stop_server);
}
