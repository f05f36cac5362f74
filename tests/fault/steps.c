/* One life of an actor or of a caller, to be ended behind any command by HEROQ_FAILPOINT.
 *
 *   steps URL actor                 takes until it is killed; prints "start ID ATTEMPT" and how each job was settled
 *   steps URL canonical             the same with delivery=canonical
 *   steps URL durable-actor         the same with durability=wait
 *   steps URL closing               an actor that takes one job, or none within 300 ms, and closes with it
 *   steps URL leaving ID            the operation waiter, then the client is closed; the process stays
 *   steps URL doctor                looks at everything and mends what it can
 *   steps URL OPERATION ID SCRIPT   one call on a job of that id; prints "ok", or "error TEXT"
 *
 * OPERATION: submit, intents, durable and indexed (submit with them), indexed-bulk, delayed (by 50 ms), urgent, bulk (submit_many of one), create,
 * start, stop, requeue, delete, run, await, waiter (await by one), result (set_result of SCRIPT), pause, resume, tend, purge, retry,
 * clear.
 * ID "-": a fresh one, which is not guarded; "id ID" is printed. SCRIPT, for the actor: ok, fail, fail once, release, drop,
 * until lost (runs until it is told to stop), until stopped (the same, in every attempt), note (logs a line).
 * STEPS_BLOCK: how long the actor's blocked commands wait, 200ms. */
#include <heroq/heroq.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static heroq_error err;

static void check(heroq_status status) {
  if (!status) return;
  printf("error %s: %s\n", heroq_status_name(status), err.text);
  exit(1);
}

static heroq_options *options_of(const char *const *pair) {
  heroq_options *o;
  check(heroq_options_new(&o, &err));
  for (; *pair; pair += 2) check(heroq_options_set(o, pair[0], pair[1], &err));
  return o;
}

/* ---- the actor ---- */

static void settle(heroq_job *job) {
  char output[64], script[64] = "";
  size_t size;
  const void *bytes = heroq_job_script(job, &size);
  memcpy(script, bytes, size < sizeof script ? size : sizeof script - 1);
  int attempt = (int)heroq_job_attempt(job);
  snprintf(output, sizeof output, "output %d", attempt);
  printf("start %s %d\n", heroq_job_id(job), attempt);
  if (!strcmp(script, "until lost")) {
    while (attempt == 1 && heroq_job_stop_reason(job) == HEROQ_STOP_NONE)
      nanosleep(&(struct timespec){0, 5000000}, NULL);
    printf("stop %s %d\n", heroq_job_id(job), heroq_job_stop_reason(job));
    printf("settled %s\n", heroq_status_name(heroq_job_finish(job, output, strlen(output), 0, NULL, NULL)));
  } else if (!strcmp(script, "until stopped")) {
    while (heroq_job_stop_reason(job) == HEROQ_STOP_NONE) nanosleep(&(struct timespec){0, 5000000}, NULL);
    heroq_job_fail(job, output, strlen(output), 0, NULL, NULL);
  } else if (!strcmp(script, "note")) {
    check(heroq_job_log(job, output, strlen(output), NULL, &err));
    heroq_job_finish(job, output, strlen(output), 0, NULL, NULL);
  } else if (!strcmp(script, "fail"))
    heroq_job_fail(job, output, strlen(output), 0, NULL, NULL);
  else if (!strcmp(script, "fail once") && attempt == 1)
    heroq_job_fail(job, output, strlen(output), 0, NULL, NULL);
  else if (!strcmp(script, "release") && attempt == 1)
    heroq_job_release(job, 0, NULL, NULL);
  else if (strcmp(script, "drop") || attempt > 1)
    heroq_job_finish(job, output, strlen(output), 0, NULL, NULL);
  heroq_job_free(job);
}

static void act(heroq_client *client, const char *delivery, bool closes) {
  static const char *const pair[] = {"lease", "600ms",   "recheck", "100ms", "handoff_grace", "200ms", "backoff",
                                     "50ms",  "retries", "1",       NULL};
  const char *block = getenv("STEPS_BLOCK");
  heroq_options *o = options_of(pair);
  check(heroq_options_set(o, "delivery", delivery, &err));
  check(heroq_options_set(o, "block", block ? block : "200ms", &err));
  heroq_actor *actor;
  check(heroq_actor_open(client, "steps", "fault", o, &actor, NULL, &err));
  heroq_job *job;
  if (closes) {
    check(heroq_actor_take(actor, 300, &job, NULL, &err));
    heroq_actor_close(actor, 0, NULL, NULL, NULL);
    return;
  }
  for (;;) {
    check(heroq_actor_take(actor, HEROQ_FOREVER, &job, NULL, &err));
    if (job) settle(job);
  }
}

/* ---- callers ---- */

static heroq_job *make(const char *id, const char *script) {
  heroq_job *job;
  check(heroq_job_new("fault", script, strlen(script), &job, &err));
  if (strcmp(id, "-")) check(heroq_job_set_id(job, id, &err));
  printf("id %s\n", heroq_job_id(job));
  return job;
}

/* false: not an operation on the queue. */
static bool call_queue(heroq_client *client, const char *operation) {
  heroq_queue *queue;
  check(heroq_queue_open(client, "fault", NULL, NULL, &queue, &err));
  if (!strcmp(operation, "pause"))
    check(heroq_queue_pause(queue, NULL, &err));
  else if (!strcmp(operation, "resume"))
    check(heroq_queue_resume(queue, NULL, &err));
  else if (!strcmp(operation, "tend"))
    check(heroq_queue_tend(queue, NULL, NULL, &err));
  else if (!strcmp(operation, "purge"))
    check(heroq_queue_purge_dead(queue, NULL, NULL, NULL, &err));
  else
    return false;
  return true;
}

/* Through the client's own thread and the list that its waiters share. */
static void await_by_waiter(heroq_client *client, const char *id) {
  heroq_waiter *waiter;
  heroq_record *r;
  check(heroq_waiter_open(client, NULL, &waiter, &err));
  check(heroq_waiter_add(waiter, id, 1, 10000, &err));
  check(heroq_waiter_take(waiter, HEROQ_FOREVER, &r, NULL, &err));
  size_t size;
  const void *bytes = heroq_record_bytes(r, heroq_record_find(r, "output"), &size);
  printf("result %.*s\n", (int)size, (const char *)bytes);
  heroq_record_free(r);
  heroq_waiter_free(waiter);
}

static heroq_job *make_with(const char *id, const char *script, const char *option, const char *value) {
  heroq_job *job = make(id, script);
  check(heroq_job_set_option(job, option, value, &err));
  return job;
}

static void clear(heroq_supervisor *s) {
  char cursor[64] = "";
  heroq_record *page;
  do {
    check(heroq_supervisor_clear(s, "hero:q:work:type:fault", cursor, NULL, &page, NULL, &err));
    snprintf(cursor, sizeof cursor, "%s", heroq_record_text(page, heroq_record_find(page, "cursor")));
    heroq_record_free(page);
  } while (strcmp(cursor, "0"));
}

static void call(heroq_client *client, const char *operation, const char *id, const char *script) {
  static const char *const in_group[] = {"group", "g", NULL};
  heroq_supervisor *s;
  check(heroq_supervisor_open(client, NULL, &s, &err));
  if (!strcmp(operation, "submit") || !strcmp(operation, "intents") || !strcmp(operation, "durable"))
    check(heroq_supervisor_submit(s, make(id, script), NULL, &err));
  else if (!strcmp(operation, "delayed"))
    check(heroq_supervisor_submit(s, make_with(id, script, "delay", "50ms"), NULL, &err));
  else if (!strcmp(operation, "indexed"))
    check(heroq_supervisor_submit(s, make_with(id, script, "tags", "t"), NULL, &err));
  else if (!strcmp(operation, "urgent"))
    check(heroq_supervisor_submit(s, make_with(id, script, "urgent", "yes"), NULL, &err));
  else if (!strcmp(operation, "create"))
    check(heroq_supervisor_create_job(s, make(id, script), NULL, &err));
  else if (!strcmp(operation, "start"))
    check(heroq_supervisor_start_job(s, id, NULL, NULL, NULL, &err));
  else if (!strcmp(operation, "start-in-group"))
    check(heroq_supervisor_start_job(s, id, NULL, options_of(in_group), NULL, &err));
  else if (!strcmp(operation, "stop"))
    check(heroq_supervisor_stop_job(s, id, NULL, NULL, &err));
  else if (!strcmp(operation, "requeue"))
    check(heroq_supervisor_requeue_job(s, id, NULL, NULL, &err));
  else if (!strcmp(operation, "retry"))
    check(heroq_supervisor_retry_job(s, id, NULL, &err));
  else if (!strcmp(operation, "clear"))
    clear(s);
  else if (!strcmp(operation, "delete"))
    check(heroq_supervisor_delete_job(s, id, NULL, &err));
  else if (!strcmp(operation, "waiter"))
    await_by_waiter(client, id);
  else if (!strcmp(operation, "result")) {
    heroq_job *job;
    check(heroq_supervisor_get_job(s, id, &job, NULL, &err));
    check(heroq_job_set_result(job, client, script, strlen(script), NULL, &err));
  } else if (!strcmp(operation, "await")) {
    heroq_bytes *out = NULL;
    check(heroq_supervisor_await_result(s, id, 10000, &out, NULL, &err));
    printf("result %.*s\n", (int)heroq_bytes_size(out), (const char *)heroq_bytes_data(out));
  } else if (!strcmp(operation, "run")) {
    heroq_bytes *out = NULL;
    check(heroq_supervisor_run_job_and_await_result(s, make(id, script), 20000, &out, NULL, &err));
  } else if (!strcmp(operation, "bulk") || !strcmp(operation, "indexed-bulk")) {
    heroq_jobs *jobs;
    check(heroq_jobs_new(&jobs, &err));
    check(heroq_jobs_add(jobs, make_with(id, script, "tags", *operation == 'i' ? "t" : ""), &err));
    check(heroq_supervisor_submit_many(s, jobs, NULL, &err));
  } else if (!call_queue(client, operation)) {
    printf("error no operation %s\n", operation);
    exit(2);
  }
  printf("ok\n");
}

static void mend(heroq_client *client) {
  static const char *const fix[] = {"fix", "yes", NULL};
  heroq_record *report;
  heroq_options *o = options_of(fix);
  check(heroq_doctor_run(client, o, &report, NULL, &err));
  heroq_record_free(report);
  heroq_options_free(o);
}

int main(int argc, char **argv) {
  static const char *const plain[] = {"log", "off", NULL}, *const noted[] = {"log", "off", "intents", "yes", NULL};
  static const char *const indexed[] = {"log", "off", "index", "yes", NULL};
  static const char *const durable[] = {"log", "off", "durability", "wait", "replica_timeout", "100ms", NULL};
  heroq_client *client;
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (argc < 3) return 2;
  const char *operation = argv[2];
  bool waits = !strncmp(operation, "durable", strlen("durable"));
  bool files = !strncmp(operation, "indexed", strlen("indexed"));
  heroq_options *o = options_of(!strcmp(operation, "intents") ? noted : waits ? durable : files ? indexed : plain);
  check(heroq_client_open(argv[1], o, &client, NULL, &err));
  if (!strcmp(operation, "actor") || !strcmp(operation, "durable-actor") || !strcmp(operation, "closing"))
    act(client, "reliable", !strcmp(operation, "closing"));
  else if (!strcmp(operation, "canonical"))
    act(client, "canonical", false);
  else if (!strcmp(operation, "doctor"))
    mend(client);
  else if (!strcmp(operation, "leaving")) {
    await_by_waiter(client, argc > 3 ? argv[3] : "");
    heroq_client_close(client); /* its thread deletes the list */
    for (;;) pause();
  } else
    call(client, operation, argc > 3 ? argv[3] : "", argc > 4 ? argv[4] : "");
  fflush(stdout);
  _Exit(0); /* nothing of a crash test is tidied */
}
