/* What the header promises of all classes alike: cancelled calls, the library's threads, rings that count what they
 * drop, buffers that are full. */
#include <ctype.h>
#include <dirent.h>

#include "actors.h"

/* ---- a cancelled handle ends whatever is begun with it ---- */

static void a_call_that_begins_cancelled_ends_at_once(void **state) {
  heroq_call *call;
  heroq_waiter *waiter;
  heroq_queue *queue;
  heroq_job *job, *own;
  heroq_jobs *jobs, *several;
  heroq_record *r;
  heroq_bytes *b;
  heroq_client *second;
  heroq_actor *another, *a = actor_of("osis", NULL);
  (void)state;
  enqueue("j1");
  heroq_job *taken = take_id(a, "j1");
  enqueue("j2");
  assert_ok(heroq_waiter_open(client, NULL, &waiter, &err), &err);
  assert_ok(heroq_queue_open(client, "osis", NULL, NULL, &queue, &err), &err);
  assert_ok(heroq_job_new("sal", "x", 1, &own, &err), &err);
  assert_ok(heroq_jobs_new(&jobs, &err), &err);
  assert_ok(heroq_jobs_add(jobs, own, &err), &err);
  assert_ok(heroq_call_new(&call, &err), &err);
  heroq_call_cancel(call);
#define CANCELLED(CALL) assert_status(HEROQ_E_CANCELLED, CALL, &err)
  CANCELLED(heroq_client_open(server->url, NULL, &second, call, &err));
  CANCELLED(heroq_client_ping(client, NULL, call, &err));
  CANCELLED(heroq_client_server_info(client, &r, call, &err));
  CANCELLED(heroq_client_next_event(client, 0, &r, call, &err));
  CANCELLED(heroq_client_next_event(client, HEROQ_FOREVER, &r, call, &err));
  CANCELLED(heroq_supervisor_create_job(supervisor, own, call, &err));
  CANCELLED(heroq_supervisor_submit(supervisor, own, call, &err));
  CANCELLED(heroq_supervisor_submit_many(supervisor, jobs, call, &err));
  CANCELLED(heroq_supervisor_start_job(supervisor, "j1", "osis", NULL, call, &err));
  CANCELLED(heroq_supervisor_run_job_and_await_result(supervisor, own, 0, &b, call, &err));
  CANCELLED(heroq_supervisor_await_result(supervisor, "j1", 0, &b, call, &err));
  CANCELLED(heroq_supervisor_get_job(supervisor, "j1", &job, call, &err));
  CANCELLED(heroq_supervisor_get_status(supervisor, "j1", &b, call, &err));
  CANCELLED(heroq_supervisor_get_output(supervisor, "j1", &b, call, &err));
  CANCELLED(heroq_supervisor_get_error(supervisor, "j1", &b, call, &err));
  CANCELLED(heroq_supervisor_get_progress(supervisor, "j1", &r, call, &err));
  CANCELLED(heroq_supervisor_get_logs(supervisor, "j1", 0, NULL, &r, call, &err));
  CANCELLED(heroq_supervisor_read_stream(supervisor, "j1", NULL, 0, NULL, &r, call, &err));
  CANCELLED(heroq_supervisor_list_jobs(supervisor, NULL, NULL, &r, call, &err));
  CANCELLED(heroq_supervisor_redis_lines(supervisor, "j1", &r, call, &err));
  CANCELLED(heroq_supervisor_stop_job(supervisor, "j1", &r, call, &err));
  CANCELLED(heroq_supervisor_delete_job(supervisor, "j1", call, &err));
  CANCELLED(heroq_supervisor_requeue_job(supervisor, "j1", NULL, call, &err));
  CANCELLED(heroq_supervisor_retry_job(supervisor, "j1", call, &err));
  CANCELLED(heroq_supervisor_clear(supervisor, "hero:q:work:type:osis", NULL, NULL, &r, call, &err));
  CANCELLED(heroq_job_store_in_redis(own, client, call, &err));
  CANCELLED(heroq_job_set_result(own, client, "x", 1, call, &err));
  CANCELLED(heroq_queue_list(client, NULL, &r, call, &err));
  CANCELLED(heroq_queue_stats(queue, &r, call, &err));
  CANCELLED(heroq_queue_counters(queue, NULL, &r, call, &err));
  CANCELLED(heroq_queue_page(queue, "waiting", NULL, NULL, &r, call, &err));
  CANCELLED(heroq_queue_pause(queue, call, &err));
  CANCELLED(heroq_queue_resume(queue, call, &err));
  CANCELLED(heroq_queue_purge_dead(queue, NULL, NULL, call, &err));
  CANCELLED(heroq_queue_tend(queue, &r, call, &err));
  CANCELLED(heroq_doctor_run(client, NULL, &r, call, &err));
  CANCELLED(heroq_waiter_take(waiter, 0, &r, call, &err));
  CANCELLED(heroq_waiter_take(waiter, HEROQ_FOREVER, &r, call, &err));
  CANCELLED(heroq_actor_open(client, "x", "osis", NULL, &another, call, &err));
  CANCELLED(heroq_actor_take(a, 0, &job, call, &err));
  CANCELLED(heroq_actor_take(a, HEROQ_FOREVER, &job, call, &err));
  CANCELLED(heroq_actor_take_many(a, 2, 0, &several, call, &err));
  CANCELLED(heroq_actor_next_event(a, 0, &r, call, &err));
  CANCELLED(heroq_actor_next_event(a, HEROQ_FOREVER, &r, call, &err));
  assert_int_equal(size_of("hero:q:work:type:sal"), 0);
  assert_true(field_is("j1", "status", "started"));
  finish(taken, "done");
  finish(take_id(a, "j2"), "done"); /* no cancelled take has lost it */
  heroq_call_free(call);
  heroq_jobs_free(jobs);
  heroq_job_free(own);
  heroq_waiter_free(waiter);
  heroq_queue_free(queue);
  end_actor(a);
}

/* ---- threads ---- */

/* The value of a line of /proc/self/task/<tid>/status. */
static bool status_line(const char *tid, const char *name, char *out, size_t cap) {
  char path[64], line[256];
  bool found = false;
  snprintf(path, sizeof path, "/proc/self/task/%.16s/status", tid);
  FILE *f = fopen(path, "r");
  while (f && !found && fgets(line, sizeof line, f)) {
    size_t n = strlen(name);
    found = strncmp(line, name, n) == 0 && line[n] == ':';
    if (found) snprintf(out, cap, "%s", line + n + 2);
    out[strcspn(out, "\n")] = 0;
  }
  if (f) fclose(f);
  return found;
}

/* Threads that are named as the library's are; each blocks every signal that can be blocked. */
static int heroq_threads(void) {
  char name[64] = "", blocked[64] = "";
  int found = 0;
  DIR *tasks = opendir("/proc/self/task");
  assert_non_null(tasks);
  for (struct dirent *task; (task = readdir(tasks)) != NULL;) {
    if (!isdigit((unsigned char)*task->d_name) || !status_line(task->d_name, "Name", name, sizeof name)) continue;
    if (strncmp(name, "heroq", 5) != 0 || !status_line(task->d_name, "SigBlk", blocked, sizeof blocked)) continue;
    uint64_t mask = strtoull(blocked, NULL, 16), all = 0x7fffffff & ~(1u << 8) & ~(1u << 18); /* KILL, STOP */
    if (!mask)
      continue; /* the kernel has no mask of a thread that is about to be gone; one that lives would be missed below */
    assert_true((mask & all) == all);
    found++;
  }
  closedir(tasks);
  return found;
}

static void threads_are_named_and_block_all_signals(void **state) {
  heroq_waiter *waiter;
  (void)state;
  test_until(heroq_threads() == 0, 5000); /* nothing runs before it is needed */
  heroq_actor *a = actor_of("osis", NULL);
  assert_int_equal(heroq_threads(), 1);
  assert_ok(heroq_waiter_open(client, NULL, &waiter, &err), &err);
  test_until(heroq_threads() == 2, 5000);
  end_actor(a);
  heroq_waiter_free(waiter);
  heroq_client_close(client);
  test_until(heroq_threads() == 0, 5000);
}

/* ---- rings ---- */

static int64_t int_of(heroq_record *r, const char *name) {
  assert_true(heroq_record_find(r, name) >= 0);
  return heroq_record_int64(r, heroq_record_find(r, name));
}

static void an_actors_events_are_bounded_and_counted(void **state) {
  enum { N = 1100, KEPT = 1024 };
  static heroq_job *job[N];
  heroq_record *event;
  char id[16];
  (void)state;
  heroq_actor *a = actor_of("osis", "timeout", "300ms", "timeout_grace", "10m", "lease", "30s", NULL);
  for (int i = 0; i < N; i++) {
    snprintf(id, sizeof id, "j%d", i);
    enqueue(id);
  }
  for (int i = 0; i < N; i++) job[i] = take(a);
  for (int i = 0; i < N; i++) test_until(heroq_job_stop_reason(job[i]) == HEROQ_STOP_TIMEOUT, 20000);
  for (int i = 0; i < KEPT; i++) {
    assert_ok(heroq_actor_next_event(a, 5000, &event, NULL, &err), &err);
    assert_non_null(event);
    if (i == 0) assert_int_equal(int_of(event, "dropped"), N - KEPT);
    assert_string_equal(heroq_record_text(event, heroq_record_find(event, "event")), "timeout");
    heroq_record_free(event);
  }
  assert_ok(heroq_actor_next_event(a, 0, &event, NULL, &err), &err);
  assert_null(event);
  for (int i = 0; i < N; i++) finish(job[i], "");
  end_actor(a);
}

static void a_clients_events_are_bounded_and_counted(void **state) {
  enum { N = 300, KEPT = 256 };
  heroq_record *event;
  int64_t told = 0, dropped = 0;
  char id[32];
  (void)state;
  enqueue("last"); /* canonical actors take the last one first */
  for (int i = 0; i < N; i++) {
    snprintf(id, sizeof id, "no id %d", i);
    push(Q, id);
  }
  heroq_actor *a = actor_of("osis", "delivery", "canonical", NULL);
  heroq_job *last = NULL;
  for (int64_t end = test_now_ms() + 20000; !last && test_now_ms() < end;)
    assert_ok(heroq_actor_take(a, 1000, &last, NULL, &err), &err);
  assert_non_null(last);
  finish(last, "");
  for (;; told++) {
    assert_ok(heroq_client_next_event(client, 0, &event, NULL, &err), &err);
    if (!event) break;
    dropped = int_of(event, "dropped");
    heroq_record_free(event);
  }
  assert_int_equal(told, KEPT);
  assert_true(dropped >= N - KEPT);
  end_actor(a);
}

/* ---- full ---- */

static void a_log_without_room_is_full_and_the_result_still_goes(void **state) {
  static char line[100000];
  heroq_call *call;
  heroq_status status = HEROQ_OK;
  int lines = 0;
  (void)state;
  memset(line, 'x', sizeof line);
  heroq_actor *a = actor_of("osis", "lease", "60s", NULL);
  enqueue("j1");
  heroq_job *job = take(a);
  test_server_pause(server);
  while (lines < 100 && (status = heroq_job_log(job, line, sizeof line, NULL, &err)) == HEROQ_OK) lines++;
  assert_int_equal(status, HEROQ_E_FULL);
  assert_in_range(lines, 10, 40); /* 1 MiB, and what is on its way */
  assert_status(HEROQ_E_FULL, heroq_job_stream(job, line, sizeof line, NULL, &err), &err);
  assert_ok(heroq_job_progress(job, 50, "half", &err), &err); /* the newest is always kept */
  assert_ok(heroq_call_new(&call, &err), &err);
  assert_ok(heroq_call_set_timeout(call, 100, &err), &err);
  assert_status(HEROQ_E_TIMEOUT, heroq_job_log(job, line, sizeof line, call, &err), &err);
  heroq_call_cancel(call);
  assert_status(HEROQ_E_CANCELLED, heroq_job_stream(job, line, sizeof line, call, &err), &err);
  heroq_call_free(call);
  assert_ok(heroq_job_finish(job, line, sizeof line, 0, NULL, &err), &err); /* a settle is always accepted */
  test_server_resume(server);
  test_until(field_is("j1", "status", "finished"), 20000);
  assert_int_equal(size_of("{hero:job:j1}:log"), lines);
  heroq_job_free(job);
  end_actor(a);
}

/* ---- names ---- */

static void an_actor_id_may_name_a_type_that_the_caller_knows(void **state) {
  heroq_options *o;
  heroq_actor *a;
  (void)state;
  assert_ok(heroq_options_new(&o, &err), &err);
  assert_ok(heroq_options_set(o, "known_types", "ocr,pdf", &err), &err);
  assert_ok(heroq_options_set(o, "block", "200ms", &err), &err);
  assert_ok(heroq_actor_open(client, "main-pdf-1", NULL, o, &a, NULL, &err), &err);
  heroq_options_free(o);
  store("j1");
  push("hero:q:work:type:pdf", "j1");
  finish(take_id(a, "j1"), "done");
  end_actor(a);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      ACTOR_TEST(a_call_that_begins_cancelled_ends_at_once),
      ACTOR_TEST(threads_are_named_and_block_all_signals),
      ACTOR_TEST(an_actors_events_are_bounded_and_counted),
      ACTOR_TEST(a_clients_events_are_bounded_and_counted),
      ACTOR_TEST(a_log_without_room_is_full_and_the_result_still_goes),
      ACTOR_TEST(an_actor_id_may_name_a_type_that_the_caller_knows),
  };
  return cmocka_run_group_tests(tests, start_server, stop_server);
}
