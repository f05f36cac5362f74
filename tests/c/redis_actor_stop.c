/* Jobs that are asked to stop, or run too long; and the canonical actor, which has only the ctl list to hear it from. */
#include "actors.h"

#define CTL "hero:q:ctl:type:osis"

static void assert_stop(const char *id, const char *want) {
  heroq_record *r;
  assert_ok(heroq_supervisor_stop_job(supervisor, id, &r, NULL, &err), &err);
  assert_string_equal(heroq_record_text(r, heroq_record_find(r, "outcome")), want);
  heroq_record_free(r);
}

/* ---- stop requests ---- */

static void stopped_before_it_started_never_runs(void **state) {
  (void)state;
  enqueue("j1");
  assert_stop("j1", "cancelled");
  heroq_actor *a = actor_of("osis", NULL);
  until_idle(a, nothing_held(Q), 2000);
  assert_true(field_is("j1", "error", "cancelled"));
  assert_true(field_is("j1", "hq_attempt", NULL));
  end_actor(a);
}

static void expired_never_runs(void **state) {
  (void)state;
  for (int canonical = 0; canonical < 2; canonical++) {
    store("j1");
    set("j1", "hq_expires", "1");
    set("j1", "hq_reply_to", "hero:q:reply:j1");
    push(Q, "j1");
    heroq_actor *a = actor_of("osis", "delivery", canonical ? "canonical" : "reliable", NULL);
    until_idle(a, size_of("hero:q:reply:j1") == 1 && nothing_held(Q), 2000);
    assert_true(field_is("j1", "error", "expired"));
    assert_true(field_is("j1", "hq_attempt", NULL));
    end_actor(a);
    assert_int_equal(size_of(H ":dead"), 0);
    test_redis_int(server, "DEL", "hero:job:j1", "hero:q:reply:j1", NULL);
  }
}

static void running_job_hears_that_it_should_stop(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", "retries", "3", NULL);
  store("j1");
  set("j1", "hq_reply_to", "hero:q:reply:j1");
  push(Q, "j1");
  heroq_job *job = take(a);
  assert_stop("j1", "stopping");
  test_until(heroq_job_stop_reason(job) == HEROQ_STOP_REQUESTED, 2000);
  assert_true(event_comes(a, "stop", 1000));
  assert_ok(heroq_job_fail(job, "interrupted", 11, 0, NULL, &err), &err);
  heroq_job_free(job);
  test_until(nothing_held(Q), 2000);
  assert_true(field_is("j1", "status", "error"));
  assert_true(field_is("j1", "error", "cancelled"));
  char *reply = test_redis_text(server, "LPOP", "hero:q:reply:j1", NULL);
  assert_string_equal(reply, "cancelled");
  free(reply);
  assert_int_equal(size_of(H ":dead"), 0);
  assert_int_equal(size_of(H ":stops"), 0);
  end_actor(a);
}

static void result_of_a_job_that_did_not_stop_counts(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", NULL);
  enqueue("j1");
  heroq_job *job = take(a);
  assert_stop("j1", "stopping");
  assert_ok(heroq_job_finish(job, "too late to stop", 16, HEROQ_SYNC, NULL, &err), &err);
  heroq_job_free(job);
  assert_true(field_is("j1", "output", "too late to stop"));
  end_actor(a);
}

static void stop_is_not_undone_by_a_release(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", NULL);
  enqueue("j1");
  heroq_job *job = take(a);
  assert_stop("j1", "stopping");
  assert_ok(heroq_job_release(job, HEROQ_SYNC, NULL, &err), &err);
  heroq_job_free(job);
  assert_true(field_is("j1", "error", "cancelled"));
  assert_true(take_nothing(a, 100));
  assert_true(nothing_held(Q));
  end_actor(a);
}

static void foreign_request_on_the_ctl_list_stops_ours_and_leaves_theirs(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", NULL), *b = actor_of("osis", NULL);
  enqueue("j1");
  heroq_job *job = take(b);
  enqueue("j2");
  heroq_job *other = take(a); /* a looks at the list too, and must leave what b holds */
  test_redis_do(server, "LPUSH", CTL, "theirs", "j1", NULL);
  test_until(heroq_job_stop_reason(job) == HEROQ_STOP_REQUESTED, 2000);
  assert_true(field_is("j1", "status", "stopping"));
  test_until(size_of(CTL) == 1, 2000);
  char *left = test_redis_text(server, "LINDEX", CTL, "0", NULL);
  assert_string_equal(left, "theirs");
  free(left);
  assert_int_equal(heroq_job_stop_reason(other), HEROQ_STOP_NONE);
  finish(job, "");
  finish(other, "");
  end_actor(a);
  end_actor(b);
}

/* ---- time ---- */

static void soft_timeout_tells_the_handler(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", "timeout", "100ms", "timeout_grace", "5s", NULL);
  enqueue("j1");
  heroq_job *job = take(a);
  assert_int_equal(heroq_job_stop_reason(job), HEROQ_STOP_NONE);
  test_until(heroq_job_stop_reason(job) == HEROQ_STOP_TIMEOUT, 1000);
  assert_true(event_comes(a, "timeout", 1000));
  assert_ok(heroq_job_finish(job, "in the grace", 12, HEROQ_SYNC, NULL, &err), &err);
  heroq_job_free(job);
  assert_true(field_is("j1", "output", "in the grace"));
  end_actor(a);
}

static void job_says_how_long_it_may_run(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", "timeout", "50ms", "timeout_grace", "0", NULL);
  store("j1");
  set("j1", "timeout", "1");
  push(Q, "j1");
  int64_t began = test_now_ms();
  heroq_job *job = take(a);
  test_until(heroq_job_stop_reason(job) == HEROQ_STOP_TIMEOUT, 3000);
  assert_true(test_now_ms() - began >= 990);
  heroq_job_free(job);
  end_actor(a);
}

static void hanging_handler_loses_its_slot_and_its_result(void **state) {
  (void)state;
  heroq_actor *a =
      actor_of("osis", "timeout", "50ms", "timeout_grace", "50ms", "concurrency", "1", "max_stuck", "2", NULL);
  int fd = heroq_actor_fd(a);
  enqueue("j1");
  heroq_job *first = take_id(a, "j1"), *none;
  test_until(field_is("j1", "error", "timeout"), 2000);
  assert_true(event_comes(a, "stuck", 1000));
  assert_int_equal(stat_of(a, "out"), 0);
  assert_int_equal(stat_of(a, "stuck"), 1);
  assert_status(HEROQ_E_LOST, heroq_job_finish(first, "late", 4, HEROQ_SYNC, NULL, &err), &err);
  assert_false(readable(fd, 0));
  enqueue("j2");
  heroq_job *second = take_id(a, "j2"); /* concurrency 1: the lost slot is not counted */
  test_until(field_is("j2", "error", "timeout"), 2000);
  assert_status(HEROQ_E_STUCK, heroq_actor_take(a, 1000, &none, NULL, &err), &err);
  assert_true(readable(fd, 0));
  heroq_job_free(first); /* a handler came back after all */
  assert_true(take_nothing(a, 0));
  assert_false(readable(fd, 0));
  heroq_job_free(second);
  assert_int_equal(stat_of(a, "stuck"), 0);
  assert_true(field_is("j1", "output", NULL));
  end_actor(a);
}

static void timeout_is_a_failure_that_may_be_tried_again(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", "timeout", "50ms", "timeout_grace", "0", "retries", "1", NULL);
  enqueue("j1");
  heroq_job *first = take(a), *second = take_id(a, "j1");
  assert_int_equal(heroq_job_attempt(second), 2);
  assert_true(heroq_job_token(first) != heroq_job_token(second));
  finish(second, "better");
  assert_status(HEROQ_E_LOST, heroq_job_finish(first, "late", 4, 0, NULL, &err), &err);
  heroq_job_free(first);
  test_until(nothing_held(Q), 2000);
  assert_true(field_is("j1", "output", "better"));
  end_actor(a);
}

/* ---- canonical delivery ---- */

static void canonical_is_last_in_first_out_and_needs_no_lease(void **state) {
  (void)state;
  enqueue("j1");
  enqueue("j2");
  enqueue("j3");
  heroq_actor *a = actor_of("osis", "delivery", "canonical", NULL);
  heroq_job *job = take_id(a, "j3");
  assert_true(field_is("j3", "status", "started"));
  assert_true(field_is("j3", "hq_token", NULL));
  assert_int_equal(size_of(H ":leases") + size_of(H ":holders") + size_of(H ":meta"), 0);
  finish(job, "3");
  finish(take_id(a, "j2"), "2");
  job = take_id(a, "j1");
  assert_ok(heroq_job_fail(job, "boom", 4, HEROQ_SYNC, NULL, &err), &err);
  heroq_job_free(job);
  assert_true(field_is("j3", "output", "3"));
  assert_true(field_is("j1", "error", "boom"));
  assert_true(field_is("j1", "status", "error"));
  end_actor(a);
}

static void canonical_result_does_not_overwrite_an_end(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", "delivery", "canonical", NULL);
  enqueue("j1");
  heroq_job *job = take(a);
  set("j1", "output", "theirs");
  set("j1", "status", "finished");
  assert_status(HEROQ_E_LOST, heroq_job_finish(job, "ours", 4, HEROQ_SYNC, NULL, &err), &err);
  heroq_job_free(job);
  assert_true(field_is("j1", "output", "theirs"));
  enqueue("j2");
  set("j2", "status", "error");
  push(Q, "no.such.job");
  enqueue("j3");
  test_redis_do(server, "SET", "hero:job:j4", "not a hash", NULL);
  test_redis_do(server, "RPUSH", Q, "j4", "an id {with braces}", NULL);
  finish(take_id(a, "j3"), "");
  until_idle(a, size_of(Q) == 0, 2000); /* what cannot be run is dropped, as a BLPOP actor does */
  assert_int_equal(stat_of(a, "taken"), 2);
  end_actor(a);
}

static void canonical_release_pushes_back(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", "delivery", "canonical", NULL);
  enqueue("j1");
  heroq_job *job = take(a);
  assert_ok(heroq_job_release(job, HEROQ_SYNC, NULL, &err), &err);
  heroq_job_free(job);
  job = take_id(a, "j1");
  assert_ok(heroq_actor_close(a, 0, NULL, NULL, &err), &err); /* gives it back too */
  assert_int_equal(size_of(Q), 1);
  assert_status(HEROQ_E_LOST, heroq_job_finish(job, "", 0, 0, NULL, &err), &err);
  heroq_job_free(job);
  heroq_actor_free(a);
}

static void canonical_job_is_stopped_by_the_ctl_list(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", "delivery", "canonical", NULL);
  enqueue("j1");
  set("j1", "script_type", "osis"); /* names the ctl list */
  heroq_job *job = take(a);
  assert_stop("j1", "asked");
  test_until(heroq_job_stop_reason(job) == HEROQ_STOP_REQUESTED, 2000);
  test_until(size_of(CTL) == 0, 1000);
  assert_ok(heroq_job_fail(job, "stopped", 7, HEROQ_SYNC, NULL, &err), &err);
  heroq_job_free(job);
  assert_true(field_is("j1", "error", "stopped"));
  end_actor(a);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      ACTOR_TEST(stopped_before_it_started_never_runs),
      ACTOR_TEST(expired_never_runs),
      ACTOR_TEST(running_job_hears_that_it_should_stop),
      ACTOR_TEST(result_of_a_job_that_did_not_stop_counts),
      ACTOR_TEST(stop_is_not_undone_by_a_release),
      ACTOR_TEST(foreign_request_on_the_ctl_list_stops_ours_and_leaves_theirs),
      ACTOR_TEST(soft_timeout_tells_the_handler),
      ACTOR_TEST(job_says_how_long_it_may_run),
      ACTOR_TEST(hanging_handler_loses_its_slot_and_its_result),
      ACTOR_TEST(timeout_is_a_failure_that_may_be_tried_again),
      ACTOR_TEST(canonical_is_last_in_first_out_and_needs_no_lease),
      ACTOR_TEST(canonical_result_does_not_overwrite_an_end),
      ACTOR_TEST(canonical_release_pushes_back),
      ACTOR_TEST(canonical_job_is_stopped_by_the_ctl_list),
  };
  return cmocka_run_group_tests(tests, start_server, stop_server);
}
