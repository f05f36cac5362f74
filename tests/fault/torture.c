/* Public calls while memory runs out: each allocation of a scenario fails once, the 1st, the 2nd, … until none is left.
 *
 *   torture URL SCENARIO FIRST STEP TIMES    from allocation FIRST on, every STEP-th; TIMES in a row fail
 *
 * Prints "acked ID" for a job whose start was acknowledged, "odd K CALL STATUS TEXT" for an error that is not
 * HEROQ_E_NOMEM though allocation K failed, "leak K N" if N blocks were not freed, and at the end "runs N last K". */
#include <heroq/heroq.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "failmalloc.h"

static const char *url;
static char id[64];
static int number;
static heroq_error err;
static long k, step, times;

/* ---- what a run may answer ---- */

static bool check(const char *call, heroq_status status) {
  if (status && status != HEROQ_E_NOMEM) {
    printf("odd %ld %s %s %s\n", k, call, heroq_status_name(status), err.text);
  }
  return status == HEROQ_OK;
}
#define TRY(call) check(#call, call)
/* For what must work with all memory there. */
#define MUST(call)                                                                                                     \
  do {                                                                                                                 \
    heroq_status status_ = call;                                                                                       \
    if (status_) {                                                                                                     \
      printf("broken %s: %s %s\n", #call, heroq_status_name(status_), err.text);                                       \
      exit(1);                                                                                                         \
    }                                                                                                                  \
  } while (0)

static heroq_client *open_client(void) {
  heroq_client *client;
  MUST(heroq_client_open(url, NULL, &client, NULL, &err));
  return client;
}

static heroq_job *new_job(void) {
  heroq_job *job;
  snprintf(id, sizeof id, "t%ld.%ld.%d", times, step, ++number);
  MUST(heroq_job_new("fault", "ok", 2, &job, &err));
  MUST(heroq_job_set_id(job, id, &err));
  return job;
}

/* Each job of a list says for itself what became of it. */
static bool partly(heroq_status status, const heroq_jobs *jobs) {
  if (status != HEROQ_E_PARTIAL) return check("submit_many", status);
  if (!err.text[0] || strstr(err.text, "out of memory") == NULL) printf("odd %ld submit_many says: %s\n", k, err.text);
  for (int32_t i = 0; i < heroq_jobs_count(jobs); i++) {
    heroq_status one = heroq_jobs_status(jobs, i);
    if (one && one != HEROQ_E_NOMEM && one != HEROQ_E_STATE && one != HEROQ_E_CONNECTION)
      printf("odd %ld submit_many item %s\n", k, heroq_status_name(one));
  }
  return false;
}

static void acked(const char *what) { printf("acked %s\n", what); }

/* ---- scenarios: `arm` is called where memory may run out, everything is freed at the end ---- */

typedef void arming(void);

static void client_run(arming *arm) {
  heroq_client *client = NULL;
  heroq_record *record = NULL;
  heroq_options *options = NULL;
  arm();
  if (TRY(heroq_options_new(&options, &err)) && TRY(heroq_options_set(options, "username", "", &err)) &&
      TRY(heroq_client_open(url, options, &client, NULL, &err))) {
    TRY(heroq_client_ping(client, NULL, NULL, &err));
    if (TRY(heroq_client_server_info(client, &record, NULL, &err))) heroq_record_free(record);
    failmalloc_arm(0, 0);
    MUST(heroq_client_ping(client, NULL, NULL, &err));
  }
  failmalloc_arm(0, 0);
  heroq_options_free(options);
  heroq_client_close(client);
  heroq_client_free(client);
}

static void parse_run(arming *arm) {
  static const char json[] =
      "{\"jobId\":\"a\",\"script\":\"print(1)\",\"script_type\":\"fault\",\"env_vars\":"
      "{\"A\":\"1\",\"B\":\"2\"},\"dependents\":[\"x\",\"y\"],\"foreign\":\"kept\",\"timeout\":3}";
  heroq_job *job = NULL, *copy = NULL, *fresh = NULL;
  heroq_bytes *bytes = NULL;
  heroq_record *record = NULL;
  arm();
  if (TRY(heroq_job_from_json(json, sizeof json - 1, &job, &err))) {
    if (TRY(heroq_job_to_json(job, &bytes, &err))) heroq_bytes_free(bytes);
    if (TRY(heroq_job_to_record(job, &record, &err))) heroq_record_free(record);
    if (TRY(heroq_job_copy(job, &copy, &err))) {
      TRY(heroq_job_set_env(copy, "C", "3", &err));
      TRY(heroq_job_set_header(copy, "trace", "00-1", &err));
      TRY(heroq_job_add_prerequisite(copy, "p", &err));
      TRY(heroq_job_set_option(copy, "timeout", "5s", &err));
    }
  }
  if (TRY(heroq_job_new("fault", "x", 1, &fresh, &err))) TRY(heroq_job_set_field(fresh, "callerId", "me", 2, &err));
  failmalloc_arm(0, 0);
  heroq_job_free(job);
  heroq_job_free(copy);
  heroq_job_free(fresh);
}

static void enqueue_run(arming *arm) {
  heroq_client *client = open_client();
  heroq_supervisor *s = NULL;
  heroq_job *one = new_job(), *unguarded = NULL;
  heroq_jobs *jobs = NULL;
  char first[64];
  strcpy(first, id);
  arm();
  if (TRY(heroq_supervisor_open(client, NULL, &s, &err))) {
    if (TRY(heroq_supervisor_submit(s, one, NULL, &err))) acked(first);
    if (TRY(heroq_job_new("fault", "ok", 2, &unguarded, &err)) && TRY(heroq_jobs_new(&jobs, &err)) &&
        TRY(heroq_jobs_add(jobs, unguarded, &err)) && partly(heroq_supervisor_submit_many(s, jobs, NULL, &err), jobs))
      acked(heroq_job_id(unguarded));
    failmalloc_arm(0, 0);
    MUST(heroq_supervisor_submit(s, one, NULL, &err)); /* the same again is safe */
    acked(first);
  }
  failmalloc_arm(0, 0);
  heroq_jobs_free(jobs);
  heroq_job_free(one);
  heroq_job_free(unguarded);
  heroq_supervisor_free(s);
  heroq_client_free(client);
}

static void read_run(arming *arm) {
  heroq_client *client = open_client();
  heroq_supervisor *s;
  heroq_job *job = new_job(), *seen;
  heroq_record *record;
  heroq_bytes *bytes;
  heroq_queue *queue = NULL;
  MUST(heroq_supervisor_open(client, NULL, &s, &err));
  MUST(heroq_supervisor_submit(s, job, NULL, &err));
  acked(id);
  arm();
  if (TRY(heroq_supervisor_get_job(s, id, &seen, NULL, &err))) heroq_job_free(seen);
  if (TRY(heroq_supervisor_get_status(s, id, &bytes, NULL, &err))) heroq_bytes_free(bytes);
  if (TRY(heroq_supervisor_list_jobs(s, NULL, NULL, &record, NULL, &err))) heroq_record_free(record);
  if (TRY(heroq_queue_open(client, "fault", NULL, NULL, &queue, &err))) {
    if (TRY(heroq_queue_stats(queue, &record, NULL, &err))) heroq_record_free(record);
    if (TRY(heroq_queue_page(queue, "waiting", NULL, NULL, &record, NULL, &err))) heroq_record_free(record);
    if (TRY(heroq_queue_tend(queue, &record, NULL, &err))) heroq_record_free(record);
  }
  failmalloc_arm(0, 0);
  heroq_queue_free(queue);
  heroq_job_free(job);
  heroq_supervisor_free(s);
  heroq_client_free(client);
}

static void clear_run(arming *arm) {
  heroq_client *client = open_client();
  heroq_supervisor *s;
  heroq_record *record;
  heroq_job *job = new_job(), *delayed;
  MUST(heroq_supervisor_open(client, NULL, &s, &err));
  MUST(heroq_job_new("fault", "ok", 2, &delayed, &err));
  MUST(heroq_job_set_option(delayed, "delay", "1s", &err));
  MUST(heroq_supervisor_submit(s, job, NULL, &err));
  MUST(heroq_supervisor_submit(s, delayed, NULL, &err));
  arm();
  (void)TRY(heroq_supervisor_retry_job(s, heroq_job_id(delayed), NULL, &err));
  if (TRY(heroq_supervisor_clear(s, "hero:q:work:type:fault", NULL, NULL, &record, NULL, &err)))
    heroq_record_free(record);
  failmalloc_arm(0, 0);
  heroq_job_free(delayed);
  heroq_job_free(job);
  heroq_supervisor_free(s);
  heroq_client_free(client);
}

static void doctor_run(arming *arm) {
  heroq_client *client = open_client();
  heroq_record *record = NULL;
  arm();
  if (TRY(heroq_doctor_run(client, NULL, &record, NULL, &err))) heroq_record_free(record);
  failmalloc_arm(0, 0);
  heroq_client_free(client);
}

static heroq_options *actor_options(void) {
  static const char *const pair[] = {"lease",   "600ms",  "recheck", "50ms",  "handoff_grace",  "200ms",
                                     "backoff", "20ms",   "block",   "200ms", "close_timeout",  "3s",
                                     "reply",   "always", "retries", "1000",  "max_recoveries", "1000",
                                     NULL};
  heroq_options *o;
  MUST(heroq_options_new(&o, &err));
  for (int i = 0; pair[i]; i += 2) MUST(heroq_options_set(o, pair[i], pair[i + 1], &err));
  return o;
}

/* A job is taken and finished, fails once, and is given back; whoever runs later ends the last one. */
static void settle_all(heroq_actor *actor) {
  for (int i = 0; i < 3; i++) {
    heroq_job *job = NULL;
    if (!TRY(heroq_actor_take(actor, 1500, &job, NULL, &err)) || !job) continue;
    if (i == 0) TRY(heroq_job_finish(job, "done", 4, HEROQ_SYNC, NULL, &err));
    if (i == 1) TRY(heroq_job_retry(job, 1, "again", 5, 0, NULL, &err));
    if (i == 2) TRY(heroq_job_release(job, 0, NULL, &err));
    heroq_job_free(job);
  }
}

/* Three jobs that an actor finds. */
static void some_jobs(heroq_client *client) {
  heroq_supervisor *s;
  MUST(heroq_supervisor_open(client, NULL, &s, &err));
  for (int i = 0; i < 3; i++) {
    heroq_job *job = new_job();
    MUST(heroq_supervisor_submit(s, job, NULL, &err));
    acked(id);
    heroq_job_free(job);
  }
  heroq_supervisor_free(s);
}

static void close_actor(heroq_actor *actor) {
  int32_t unacked = 0;
  TRY(heroq_actor_close(actor, 0, &unacked, NULL, &err));
  if (unacked) printf("unacked %d\n", (int)unacked);
}

static void actor_run(arming *arm) {
  heroq_client *client = open_client();
  heroq_actor *actor = NULL;
  heroq_options *o = actor_options();
  heroq_record *record;
  some_jobs(client);
  arm();
  if (TRY(heroq_actor_open(client, "torture", "fault", o, &actor, NULL, &err))) {
    settle_all(actor);
    if (TRY(heroq_actor_stats(actor, &record, &err))) heroq_record_free(record);
    close_actor(actor);
  }
  failmalloc_arm(0, 0);
  heroq_options_free(o);
  heroq_actor_free(actor);
  heroq_client_free(client);
}

/* What was settled is told to the server before close returns. */
static void close_run(arming *arm) {
  heroq_client *client = open_client();
  heroq_actor *actor;
  heroq_options *o = actor_options();
  some_jobs(client);
  MUST(heroq_options_set(o, "connect", "lazy", &err));
  MUST(heroq_actor_open(client, "torture", "fault", o, &actor, NULL, &err));
  settle_all(actor);
  arm();
  close_actor(actor);
  failmalloc_arm(0, 0);
  heroq_options_free(o);
  heroq_actor_free(actor);
  heroq_client_free(client);
}

/* Somebody else's actor has to be there. */
static void await_run(arming *arm) {
  heroq_client *client = open_client();
  heroq_supervisor *s;
  heroq_waiter *waiter = NULL;
  heroq_job *one = new_job(), *two = new_job();
  heroq_bytes *bytes = NULL;
  heroq_record *record = NULL;
  MUST(heroq_supervisor_open(client, NULL, &s, &err));
  arm();
  if (TRY(heroq_supervisor_run_job_and_await_result(s, one, 5000, &bytes, NULL, &err))) heroq_bytes_free(bytes);
  if (TRY(heroq_waiter_open(client, NULL, &waiter, &err)) && TRY(heroq_waiter_submit(waiter, two, 7, 5000, &err))) {
    heroq_status status = heroq_waiter_take(waiter, 6000, &record, NULL, &err);
    if (TRY(status) && record) heroq_record_free(record);
    if (status == HEROQ_OK && !record) printf("odd waiter nothing completed\n");
    heroq_waiter_close(waiter);
  }
  failmalloc_arm(0, 0);
  heroq_waiter_free(waiter);
  heroq_job_free(one);
  heroq_job_free(two);
  heroq_supervisor_free(s);
  heroq_client_free(client);
}

/* A completion for each of two requests: never less, never more. */
static void take_requests(heroq_waiter *waiter, int open) {
  for (; open; open--) {
    heroq_record *record = NULL;
    heroq_status status = heroq_waiter_take(waiter, 6000, &record, NULL, &err);
    if (!TRY(status)) continue;
    if (!record) printf("odd waiter nothing completed\n");
    heroq_record_free(record);
  }
}

static void requests_run(arming *arm) {
  heroq_client *client = open_client();
  heroq_supervisor *s;
  heroq_waiter *waiter = NULL;
  heroq_job *job = new_job();
  MUST(heroq_supervisor_open(client, NULL, &s, &err));
  MUST(heroq_supervisor_create_job(s, job, NULL, &err));
  arm();
  if (TRY(heroq_waiter_open(client, NULL, &waiter, &err))) {
    int open = TRY(heroq_waiter_fetch(waiter, heroq_job_id(job), 1, 5000, &err));
    open += TRY(heroq_waiter_stop(waiter, heroq_job_id(job), 2, 5000, &err));
    take_requests(waiter, open);
    heroq_waiter_close(waiter);
  }
  failmalloc_arm(0, 0);
  heroq_waiter_free(waiter);
  heroq_job_free(job);
  heroq_supervisor_free(s);
  heroq_client_free(client);
}

static const struct {
  const char *name;
  void (*run)(arming *arm);
} scenarios[] = {{"client", client_run}, {"parse", parse_run},      {"enqueue", enqueue_run}, {"read", read_run},
                 {"doctor", doctor_run}, {"actor", actor_run},      {"clear", clear_run},     {"close", close_run},
                 {"await", await_run},   {"requests", requests_run}};

/* ---- one allocation after the other ---- */

static void no_arm(void) {}
static void arm_k(void) { failmalloc_arm(k, times); }

/* The library's threads are detached and need a moment to go. */
static long not_freed(long before) {
  for (int i = 0; i < 2000 && failmalloc_live() > before; i++) {
    struct timespec ms = {0, 1000000};
    nanosleep(&ms, NULL);
  }
  return failmalloc_live() - before;
}

/* The C library keeps the stacks of threads that ended, and an allocation with each, for threads to come: here are more,
 * in the size of the library's own, than ever run at a time. */
static void *meet(void *all) {
  pthread_barrier_wait(all);
  return NULL;
}
static void make_stacks(void) {
  pthread_t thread[8];
  pthread_barrier_t all;
  pthread_attr_t size;
  pthread_attr_init(&size);
  pthread_attr_setstacksize(&size, 512 * 1024);
  pthread_barrier_init(&all, NULL, 8);
  for (int i = 0; i < 8; i++)
    if (pthread_create(&thread[i], &size, meet, &all)) abort();
  for (int i = 0; i < 8; i++) pthread_join(thread[i], NULL);
  pthread_barrier_destroy(&all);
  pthread_attr_destroy(&size);
}

int main(int argc, char **argv) {
  if (argc != 6) return 2;
  url = argv[1];
  void (*run)(arming *) = NULL;
  for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
    if (!strcmp(scenarios[i].name, argv[2])) run = scenarios[i].run;
  if (!run) return 2;
  static char line[4096]; /* a buffer of its own: printing allocates nothing */
  setvbuf(stdout, line, _IOLBF, sizeof line);
  long runs = 0, unharmed = 0;
  step = atol(argv[4]);
  times = atol(argv[5]);
  make_stacks();
  for (int i = 0; i < 2; i++) run(no_arm); /* what the C library keeps for later */
  for (k = atol(argv[3]); unharmed < 3; k += step) {
    long before = failmalloc_live();
    run(arm_k);
    runs++;
    unharmed = failmalloc_failed() ? 0 : unharmed + 1;
    long left = not_freed(before);
    if (left > 0) printf("leak %ld %ld\n", k, left);
  }
  printf("runs %ld last %ld\n", runs, k);
  return 0;
}
