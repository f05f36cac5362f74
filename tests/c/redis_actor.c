/* A taken job and its fate: what each settling call leaves in the hash, in the queue's keys and for who waits. */
#include "actors.h"

/* ---- finish ---- */

static void finished_job_leaves_its_result_and_nothing_else(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", NULL);
  enqueue("j1");
  set("j1", "callerId", "me");
  heroq_job *job = take_id(a, "j1");
  size_t n;
  assert_string_equal(heroq_job_script_type(job), "osis");
  assert_string_equal(heroq_job_script(job, &n), "script of j1");
  assert_int_equal(n, 12);
  assert_int_equal(heroq_job_attempt(job), 1);
  assert_true(heroq_job_token(job) > 0);
  assert_int_equal(heroq_job_stop_reason(job), HEROQ_STOP_NONE);
  assert_true(field_is("j1", "status", "started"));
  assert_status(HEROQ_E_STATE, heroq_job_set_field(job, "x", "y", 1, &err), &err);
  assert_ok(heroq_job_finish(job, "42", 2, HEROQ_SYNC, NULL, &err), &err);
  assert_true(field_is("j1", "status", "finished"));
  assert_true(field_is("j1", "output", "42"));
  heroq_job_free(job);
  test_until(nothing_held(Q), 2000);
  assert_int_equal(stat_of(a, "finished"), 1);
  assert_int_equal(test_redis_int(server, "EXISTS", "hero:q:reply:j1", NULL), 0);
  end_actor(a);
}

static void reply_comes_to_who_asked(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", NULL);
  store("j1");
  set("j1", "hq_reply_to", "hero:q:reply:j1");
  push(Q, "j1");
  finish(take(a), "the answer");
  test_until(nothing_held(Q), 2000);
  char *reply = test_redis_text(server, "LPOP", "hero:q:reply:j1", NULL);
  assert_string_equal(reply, "the answer");
  free(reply);
  store("j2");
  set("j2", "hq_reply_to", "not:a:reply:list");
  push(Q, "j2");
  finish(take(a), "x");
  test_until(nothing_held(Q), 1000);
  assert_int_equal(test_redis_int(server, "EXISTS", "not:a:reply:list", NULL), 0);
  end_actor(a);
}

static void reply_always_answers_every_job(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", "reply", "always", NULL);
  enqueue("j1");
  finish(take(a), "");
  test_until(size_of("hero:q:reply:j1") == 1, 2000);
  assert_true(test_redis_int(server, "PTTL", "hero:q:reply:j1", NULL) > 0);
  end_actor(a);
}

static void payloads_are_bytes(void **state) {
  (void)state;
  static const char bytes[] = "a\0b\r\n\xff\xfe\0";
  heroq_actor *a = actor_of("osis", NULL);
  const char *argv[] = {"HSET", "hero:job:j1", "script", bytes, "status", "dispatched"};
  size_t size[] = {4, 11, 6, sizeof bytes, 6, 10}, n;
  freeReplyObject(test_redis_argv(server, 6, argv, size));
  push(Q, "j1");
  heroq_job *job = take(a);
  const void *script = heroq_job_script(job, &n);
  assert_int_equal(n, sizeof bytes);
  assert_memory_equal(script, bytes, n);
  assert_ok(heroq_job_finish(job, bytes, sizeof bytes, HEROQ_SYNC, NULL, &err), &err);
  heroq_job_free(job);
  redisReply *r = test_redis(server, "HGET", "hero:job:j1", "output", NULL);
  assert_int_equal(r->len, sizeof bytes);
  assert_memory_equal(r->str, bytes, r->len);
  freeReplyObject(r);
  end_actor(a);
}

static void largest_payload_passes_and_a_larger_one_is_refused(void **state) {
  (void)state;
  size_t most = (size_t)16 << 20, n;
  char *big = malloc(most + 1);
  assert_non_null(big);
  for (size_t i = 0; i <= most; i++) big[i] = (char)(i * 31 >> 3);
  heroq_actor *a = actor_of("osis", "lease", "10s", NULL);
  const char *argv[] = {"HSET", "hero:job:j1", "script", big, "status", "dispatched"};
  size_t size[] = {4, 11, 6, most, 6, 10};
  freeReplyObject(test_redis_argv(server, 6, argv, size));
  push(Q, "j1");
  heroq_job *job = take(a);
  const void *script = heroq_job_script(job, &n);
  assert_int_equal(n, most);
  assert_int_equal(memcmp(script, big, most), 0);
  assert_status(HEROQ_E_TOO_BIG, heroq_job_finish(job, big, most + 1, 0, NULL, &err), &err);
  test_assert_text(&err, "max_script");
  assert_ok(heroq_job_finish(job, big, most, HEROQ_SYNC, NULL, &err), &err);
  heroq_job_free(job);
  redisReply *r = test_redis(server, "HGET", "hero:job:j1", "output", NULL);
  assert_int_equal(r->len, most);
  assert_int_equal(memcmp(r->str, big, most), 0);
  freeReplyObject(r);
  free(big);
  end_actor(a);
}

/* ---- fail, retry ---- */

static void failure_without_retries_is_final(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", NULL);
  store("j1");
  set("j1", "hq_reply_to", "hero:q:reply:j1");
  push(Q, "j1");
  heroq_job *job = take(a);
  assert_ok(heroq_job_fail(job, "boom", 4, 0, NULL, &err), &err);
  heroq_job_free(job);
  test_until(nothing_held(Q), 2000);
  assert_true(field_is("j1", "status", "error"));
  assert_true(field_is("j1", "error", "boom"));
  assert_int_equal(size_of(H ":dead"), 1);
  char *reason = test_redis_text(server, "HGET", H ":reasons", "j1", NULL);
  assert_string_equal(reason, "failed");
  free(reason);
  char *reply = test_redis_text(server, "LPOP", "hero:q:reply:j1", NULL);
  assert_string_equal(reply, "boom");
  free(reply);
  assert_int_equal(stat_of(a, "failed"), 1);
  end_actor(a);
}

static void failure_without_dead_letters_is_done(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", "dead", "no", NULL);
  enqueue("j1");
  heroq_job *job = take(a);
  assert_ok(heroq_job_fail(job, "boom", 4, HEROQ_SYNC, NULL, &err), &err);
  heroq_job_free(job);
  assert_true(field_is("j1", "error", "boom"));
  test_until(nothing_held(Q), 2000);
  assert_int_equal(size_of(H ":dead"), 0);
  end_actor(a);
}

static void failure_is_tried_again_as_often_as_the_job_says(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", "retries", "9", NULL);
  store("j1");
  set("j1", "retries", "2");
  push(Q, "j1");
  for (int i = 1; i <= 3; i++) {
    heroq_job *job = take_id(a, "j1");
    assert_int_equal(heroq_job_attempt(job), i);
    assert_ok(heroq_job_fail(job, "boom", 4, HEROQ_SYNC, NULL, &err), &err);
    heroq_job_free(job);
    assert_true(field_is("j1", "status", i < 3 ? "dispatched" : "error"));
    assert_true(field_is("j1", "error", i < 3 ? NULL : "boom"));
    assert_true(field_is("j1", "hq_last_error", "boom"));
  }
  test_until(nothing_held(Q), 2000);
  assert_int_equal(stat_of(a, "retried"), 2);
  assert_int_equal(stat_of(a, "failed"), 1);
  assert_int_equal(size_of(H ":dead"), 1);
  end_actor(a);
}

static void no_retry_makes_a_failure_final(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", "retries", "5", NULL);
  enqueue("j1");
  heroq_job *job = take(a);
  assert_ok(heroq_job_fail(job, "boom", 4, HEROQ_SYNC | HEROQ_NO_RETRY, NULL, &err), &err);
  heroq_job_free(job);
  assert_true(field_is("j1", "status", "error"));
  end_actor(a);
}

static void retry_comes_after_its_delay(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", "retries", "1", NULL);
  enqueue("j1");
  heroq_job *job = take(a);
  int64_t began = test_now_ms();
  assert_status(HEROQ_E_INVALID, heroq_job_retry(job, -1, "x", 1, 0, NULL, &err), &err);
  assert_ok(heroq_job_retry(job, 300, "later", 5, 0, NULL, &err), &err);
  heroq_job_free(job);
  job = take_id(a, "j1");
  int64_t passed = test_now_ms() - began;
  if (passed < 290 || passed > 1500) fail_msg("came after %d ms", (int)passed);
  assert_ok(heroq_job_retry(job, 0, "never", 5, HEROQ_SYNC, NULL, &err), &err);
  heroq_job_free(job);
  assert_true(field_is("j1", "error", "never"));
  end_actor(a);
}

static void long_errors_are_cut(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", "max_error", "32", NULL);
  enqueue("j1");
  heroq_job *job = take(a);
  char text[100];
  memset(text, 'e', sizeof text);
  assert_ok(heroq_job_fail(job, text, sizeof text, HEROQ_SYNC, NULL, &err), &err);
  heroq_job_free(job);
  char *error = field("j1", "error");
  assert_int_equal(strlen(error), 32);
  free(error);
  end_actor(a);
}

/* ---- release, drop ---- */

static void released_job_is_next_and_costs_no_retry(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", NULL);
  enqueue("j1");
  enqueue("j2");
  heroq_job *job = take_id(a, "j1");
  assert_ok(heroq_job_release(job, HEROQ_SYNC, NULL, &err), &err);
  heroq_job_free(job);
  heroq_job *other = take(a); /* j2 may have been taken ahead */
  job = take(a);
  if (strcmp(heroq_job_id(job), "j1") != 0) {
    heroq_job *swap = job;
    job = other;
    other = swap;
  }
  assert_string_equal(heroq_job_id(job), "j1");
  assert_int_equal(heroq_job_attempt(job), 2);
  assert_true(field_is("j1", "hq_retries", NULL));
  assert_int_equal(size_of(H ":recoveries"), 0);
  finish(job, "");
  finish(other, "");
  test_until(nothing_held(Q), 2000);
  end_actor(a);
}

static void dropped_job_comes_again_until_it_is_dead(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", "max_recoveries", "2", NULL);
  store("j1");
  set("j1", "hq_reply_to", "hero:q:reply:j1");
  push(Q, "j1");
  for (int i = 1; i <= 3; i++) {
    heroq_job *job = take_id(a, "j1");
    assert_int_equal(heroq_job_attempt(job), i);
    heroq_job_free(job);
    if (i < 3) test_until(test_redis_int(server, "HGET", H ":recoveries", "j1", NULL) == i, 2000);
  }
  test_until(size_of(H ":dead") == 1, 2000);
  char *reason = test_redis_text(server, "HGET", H ":reasons", "j1", NULL);
  assert_string_equal(reason, "lost");
  free(reason);
  assert_true(field_is("j1", "status", "error"));
  assert_int_equal(size_of("hero:q:reply:j1"), 1);
  test_until(nothing_held(Q), 1000);
  end_actor(a);
}

/* ---- settled once ---- */

static void first_settle_wins(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", NULL);
  enqueue("j1");
  heroq_job *job = take(a);
  assert_ok(heroq_job_finish(job, "1", 1, 0, NULL, &err), &err);
  assert_status(HEROQ_E_SETTLED, heroq_job_finish(job, "2", 1, 0, NULL, &err), &err);
  assert_status(HEROQ_E_SETTLED, heroq_job_fail(job, "2", 1, 0, NULL, &err), &err);
  assert_status(HEROQ_E_SETTLED, heroq_job_retry(job, 0, "2", 1, 0, NULL, &err), &err);
  assert_status(HEROQ_E_SETTLED, heroq_job_release(job, HEROQ_SYNC, NULL, &err), &err);
  test_assert_text(&err, "j1");
  heroq_job_free(job);
  test_until(nothing_held(Q), 2000);
  assert_true(field_is("j1", "output", "1"));
  end_actor(a);
}

static void wrong_arguments_are_refused(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", NULL);
  enqueue("j1");
  heroq_job *job = take(a), *own;
  assert_status(HEROQ_E_INVALID, heroq_job_finish(job, "", 0, 2, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_job_finish(job, "", 0, 4, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_job_fail(job, "", 0, 8, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_job_retry(job, 0, "", 0, HEROQ_NO_RETRY, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_job_release(job, HEROQ_NO_RETRY, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_job_finish(job, NULL, 3, 0, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_job_finish(NULL, "", 0, 0, NULL, &err), &err);
  assert_ok(heroq_job_finish(job, NULL, 0, 0, NULL, NULL), NULL);
  heroq_job_free(job);
  assert_ok(heroq_job_new("osis", "s", 1, &own, &err), &err);
  assert_status(HEROQ_E_STATE, heroq_job_finish(own, "", 0, 0, NULL, &err), &err);
  assert_int_equal(heroq_job_attempt(own), 0);
  assert_int_equal(heroq_job_token(own), 0);
  heroq_job_free(own);
  heroq_job *none = (heroq_job *)1;
  assert_status(HEROQ_E_INVALID, heroq_actor_take(NULL, 0, &none, NULL, &err), &err);
  assert_null(none);
  assert_status(HEROQ_E_INVALID, heroq_actor_take(a, 0, NULL, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_actor_drain(NULL, 0, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_actor_close(NULL, 0, NULL, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_actor_next_event(a, 0, NULL, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_actor_stats(NULL, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_actor_run(a, NULL, NULL, NULL, &err), &err);
  assert_int_equal(heroq_actor_fd(NULL), -1);
  heroq_actor_free(NULL);
  end_actor(a);
}

static void bad_options_of_an_actor_are_named(void **state) {
  (void)state;
  heroq_options *o;
  heroq_actor *a = (heroq_actor *)1;
  assert_ok(heroq_options_new(&o, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_actor_open(client, "", "osis", NULL, &a, NULL, &err), &err);
  assert_null(a);
  assert_status(HEROQ_E_INVALID, heroq_actor_open(client, "x", "os is", NULL, &a, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_actor_open(client, "x", "osis,osis", NULL, &a, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_actor_open(NULL, "x", "osis", NULL, &a, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_actor_open(client, "x", "osis", NULL, NULL, NULL, &err), &err);
  assert_ok(heroq_options_set(o, "instance", "i1", &err), &err);
  assert_status(HEROQ_E_OPTION, heroq_actor_open(client, "x", "osis", o, &a, NULL, &err), &err);
  heroq_options_free(o);
}

/* ---- a lease that is gone ---- */

static void lost_lease_refuses_the_result(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", NULL);
  enqueue("j1");
  heroq_job *job = take(a);
  test_redis_do(server, "HSET", H ":holders", "j1", "99999999999999999:someone.else", NULL);
  test_until(heroq_job_stop_reason(job) == HEROQ_STOP_LOST, 2000);
  assert_true(event_comes(a, "lost", 1000));
  assert_status(HEROQ_E_LOST, heroq_job_finish(job, "x", 1, 0, NULL, &err), &err);
  heroq_job_free(job);
  assert_true(field_is("j1", "output", NULL));
  assert_int_equal(stat_of(a, "lost"), 1);
  assert_int_equal(stat_of(a, "out"), 0);
  end_actor(a);
}

static void stale_result_is_dropped_and_sync_says_so(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", NULL);
  enqueue("j1");
  heroq_job *job = take(a);
  set("j1", "hq_token", "9007199254740000:someone.else");
  assert_status(HEROQ_E_LOST, heroq_job_finish(job, "x", 1, HEROQ_SYNC, NULL, &err), &err);
  assert_true(event_comes(a, "stale", 1000));
  heroq_job_free(job);
  assert_true(field_is("j1", "output", NULL));
  assert_int_equal(stat_of(a, "stale"), 1);
  end_actor(a);
}

static void leases_are_renewed_while_a_handler_works(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", NULL), *b = actor_of("osis", NULL);
  enqueue("j1");
  heroq_job *job = take(a);
  assert_true(take_nothing(b, 3 * LEASE)); /* b reaps meanwhile */
  assert_int_equal(heroq_job_stop_reason(job), HEROQ_STOP_NONE);
  finish(job, "slow");
  end_actor(a);
  end_actor(b);
  assert_true(field_is("j1", "output", "slow"));
  assert_true(field_is("j1", "hq_attempt", "1"));
}

/* ---- ids and hashes that are not as they should be ---- */

static void late_hash_runs(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", NULL);
  push(Q, "j1");
  until_idle(a, size_of(H ":missing") == 1, 2000);
  assert_int_equal(test_redis_int(server, "EXISTS", "hero:job:j1", NULL), 0);
  store("j1");
  finish(take_id(a, "j1"), "late");
  test_until(nothing_held(Q), 2000);
  assert_true(field_is("j1", "output", "late"));
  assert_int_equal(size_of(H ":missing"), 0);
  end_actor(a);
}

static void hash_that_never_comes_ends_in_dead(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", NULL);
  test_redis_do(server, "HSET", H ":missing", "j1", "3", NULL); /* looked for three times before */
  push(Q, "j1");
  until_idle(a, size_of(H ":dead") == 1, 3000);
  char *reason = test_redis_text(server, "HGET", H ":reasons", "j1", NULL);
  assert_string_equal(reason, "missing_hash");
  free(reason);
  assert_int_equal(test_redis_int(server, "EXISTS", "hero:job:j1", NULL), 0);
  assert_true(nothing_held(Q));
  end_actor(a);
}

static void job_key_of_another_type_ends_in_dead(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", NULL);
  test_redis_do(server, "SET", "hero:job:j1", "not a hash", NULL);
  push(Q, "j1");
  until_idle(a, size_of(H ":dead") == 1, 3000);
  char *reason = test_redis_text(server, "HGET", H ":reasons", "j1", NULL);
  assert_string_equal(reason, "bad_hash");
  free(reason);
  char *value = test_redis_text(server, "GET", "hero:job:j1", NULL);
  assert_string_equal(value, "not a hash");
  free(value);
  test_until(nothing_held(Q), 1000);
  end_actor(a);
}

static void nonsense_in_a_hash_is_survived(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", NULL);
  store("j1");
  set("j1", "hq_attempt", "abc");
  set("j1", "timeout", "1e400");
  set("j1", "retries", "-5");
  set("j1", "env_vars", "{not json");
  set("j1", "", "a field without a name");
  push(Q, "j1");
  heroq_job *job = take_id(a, "j1");
  assert_int_equal(heroq_job_attempt(job), 1);
  finish(job, "fine");
  store("j2");
  set("j2", "status", "\xff\xfe");
  push(Q, "j2");
  finish(take_id(a, "j2"), "fine");
  push(Q, "an id {with braces}");
  until_idle(a, size_of(H ":dead") == 1, 3000);
  test_until(nothing_held(Q), 1000);
  assert_true(field_is("j1", "status", "finished"));
  assert_true(field_is("j2", "status", "finished"));
  end_actor(a);
}

static void terminal_hash_is_not_run_again(void **state) {
  (void)state;
  heroq_actor *a = actor_of("osis", NULL);
  enqueue("j1");
  set("j1", "status", "Finished");
  set("j1", "output", "by a foreign actor");
  assert_true(take_nothing(a, 300));
  assert_true(nothing_held(Q));
  assert_true(field_is("j1", "output", "by a foreign actor"));
  end_actor(a);
}

static void thousand_copies_of_an_id_run_once(void **state) {
  (void)state;
  store("j1");
  test_redis_do(server, "EVAL", "for i = 1, 1000 do redis.call('LPUSH', KEYS[1], 'j1') end", "1", Q, NULL);
  heroq_actor *a = actor_of("osis", NULL);
  heroq_job *job = take_id(a, "j1");
  assert_true(take_nothing(a, 300));
  finish(job, "once");
  until_idle(a, nothing_held(Q), 5000);
  assert_true(field_is("j1", "hq_attempt", "1"));
  assert_int_equal(stat_of(a, "taken"), 1);
  end_actor(a);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      ACTOR_TEST(finished_job_leaves_its_result_and_nothing_else),
      ACTOR_TEST(reply_comes_to_who_asked),
      ACTOR_TEST(reply_always_answers_every_job),
      ACTOR_TEST(payloads_are_bytes),
      ACTOR_TEST(largest_payload_passes_and_a_larger_one_is_refused),
      ACTOR_TEST(failure_without_retries_is_final),
      ACTOR_TEST(failure_without_dead_letters_is_done),
      ACTOR_TEST(failure_is_tried_again_as_often_as_the_job_says),
      ACTOR_TEST(no_retry_makes_a_failure_final),
      ACTOR_TEST(retry_comes_after_its_delay),
      ACTOR_TEST(long_errors_are_cut),
      ACTOR_TEST(released_job_is_next_and_costs_no_retry),
      ACTOR_TEST(dropped_job_comes_again_until_it_is_dead),
      ACTOR_TEST(first_settle_wins),
      ACTOR_TEST(wrong_arguments_are_refused),
      ACTOR_TEST(bad_options_of_an_actor_are_named),
      ACTOR_TEST(lost_lease_refuses_the_result),
      ACTOR_TEST(stale_result_is_dropped_and_sync_says_so),
      ACTOR_TEST(leases_are_renewed_while_a_handler_works),
      ACTOR_TEST(late_hash_runs),
      ACTOR_TEST(hash_that_never_comes_ends_in_dead),
      ACTOR_TEST(job_key_of_another_type_ends_in_dead),
      ACTOR_TEST(nonsense_in_a_hash_is_survived),
      ACTOR_TEST(terminal_hash_is_not_run_again),
      ACTOR_TEST(thousand_copies_of_an_id_run_once),
  };
  return cmocka_run_group_tests(tests, start_server, stop_server);
}
