/* The C half of the benchmark: bench URL PORT WHAT N. Prints one line, "seconds own-CPU-seconds [p50-ms p99-ms]".
 *
 *   bulk | single                enqueue N jobs, at once or one by one
 *   raw-bulk | raw-single        the same two commands by hiredis alone: the limit of this machine
 *   drain | drain-canonical      take and finish the N jobs that wait
 *   roundtrip                    run_job_and_await_result, one after another, against `serve`
 *   raw-roundtrip                HSET, LPUSH, BLPOP by hiredis alone, against `raw-serve` (BLPOP, HGETALL, HSET, LPUSH)
 *   serve | serve-canonical | raw-serve
 *                                answers until it is killed, and counts its jobs in $BENCH_TICKS, if there is such a folder */
#include <fcntl.h>
#include <heroq/heroq.h>
#include <hiredis/hiredis.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define ARGUMENT 100 /* bytes of a job's script */
#define BATCH 500    /* jobs of a pipeline, bare */
#define WARM_UP 20   /* round trips that are not counted */

static heroq_error err;
static heroq_client *client;
static heroq_supervisor *supervisor;
static redisContext *raw;

static void must(heroq_status status) {
  if (!status) return;
  fprintf(stderr, "bench: %s\n", err.text);
  exit(1);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double cpu(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

/* Eight bytes that bench.py reads: one more for each job. */
static volatile uint64_t *ticks(void) {
  static uint64_t unseen;
  const char *folder = getenv("BENCH_TICKS");
  char path[4096];
  if (!folder) return &unseen;
  snprintf(path, sizeof path, "%s/%ld", folder, (long)getpid());
  int file = open(path, O_RDWR | O_CREAT, 0644);
  void *count = MAP_FAILED;
  if (file >= 0 && !ftruncate(file, 8)) count = mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (count == MAP_FAILED) {
    perror(path);
    exit(1);
  }
  return count;
}

static heroq_job *new_job(const char *type) {
  static char argument[ARGUMENT];
  heroq_job *job;
  memset(argument, 'x', sizeof argument);
  must(heroq_job_new(type, argument, sizeof argument, &job, &err));
  return job;
}

static void bulk(int n) {
  heroq_jobs *jobs;
  must(heroq_jobs_new(&jobs, &err));
  for (int i = 0; i < n; i++) {
    heroq_job *job = new_job("bench");
    must(heroq_jobs_add(jobs, job, &err));
    heroq_job_free(job);
  }
  must(heroq_supervisor_submit_many(supervisor, jobs, NULL, &err));
  heroq_jobs_free(jobs);
}

static void single(int n) {
  for (int i = 0; i < n; i++) {
    heroq_job *job = new_job("bench");
    must(heroq_supervisor_submit(supervisor, job, NULL, &err));
    heroq_job_free(job);
  }
}

static void replies(int n) {
  for (int i = 0; i < n; i++) {
    redisReply *reply;
    if (redisGetReply(raw, (void **)&reply) != REDIS_OK) exit(1);
    freeReplyObject(reply);
  }
}

static void raw_store(int i) {
  static char argument[ARGUMENT + 1];
  char id[40];
  memset(argument, 'x', ARGUMENT);
  snprintf(id, sizeof id, "raw-0000-0000-0000-0000-%012d", i);
  redisAppendCommand(
      raw,
      "HSET hero:job:%s jobId %s script %s script_type raw status dispatched createdAt %s updatedAt %s hq_ttl 86400000",
      id, id, argument, "2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00.000Z");
  redisAppendCommand(raw, "LPUSH hero:q:work:type:raw %s", id);
}

static void raw_enqueue(int n, int batch) {
  for (int i = 0; i < n; i++) {
    raw_store(i);
    if (i + 1 == n || (i + 1) % batch == 0) replies(2 * (i % batch + 1));
  }
}

static void drain(int n, const char *delivery) {
  heroq_options *options;
  heroq_actor *actor;
  must(heroq_options_new(&options, &err));
  must(heroq_options_set(options, "delivery", delivery, &err));
  must(heroq_actor_open(client, "bench_c", "bench", options, &actor, NULL, &err));
  for (int i = 0; i < n; i++) {
    heroq_job *job;
    must(heroq_actor_take(actor, 10000, &job, NULL, &err));
    if (!job) {
      fprintf(stderr, "bench: %d of %d jobs came\n", i, n);
      exit(1);
    }
    must(heroq_job_finish(job, "done", 4, 0, NULL, &err));
    heroq_job_free(job);
  }
  int32_t unacked;
  must(heroq_actor_close(actor, 10000, &unacked, NULL, &err));
  if (unacked) exit(1);
  heroq_actor_free(actor);
  heroq_options_free(options);
}

static void serve(const char *delivery) {
  volatile uint64_t *count = ticks();
  heroq_options *options;
  heroq_actor *actor;
  heroq_job *job;
  must(heroq_options_new(&options, &err));
  must(heroq_options_set(options, "delivery", delivery, &err));
  must(heroq_actor_open(client, "bench_c", "bench", options, &actor, NULL, &err));
  for (;;) {
    must(heroq_actor_take(actor, HEROQ_FOREVER, &job, NULL, &err));
    must(heroq_job_finish(job, "done", 4, 0, NULL, &err));
    heroq_job_free(job);
    ++*count;
  }
}

static void raw_serve(void) {
  volatile uint64_t *count = ticks();
  for (;;) {
    redisReply *taken = redisCommand(raw, "BLPOP hero:q:work:type:raw 5");
    if (!taken) exit(1);
    if (taken->type == REDIS_REPLY_ARRAY) {
      const char *id = taken->element[1]->str;
      freeReplyObject(redisCommand(raw, "HGETALL hero:job:%s", id));
      redisAppendCommand(raw, "HSET hero:job:%s output done status finished", id);
      redisAppendCommand(raw, "LPUSH hero:q:reply:%s done", id);
      replies(2);
      ++*count;
    }
    freeReplyObject(taken);
  }
}

static int by_time(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void round_trips(int n, int bare) {
  double *took = calloc((size_t)n, sizeof *took);
  if (!took) exit(1);
  for (int i = -WARM_UP; i < n; i++) {
    double from = now();
    if (bare) {
      raw_store(i + WARM_UP);
      redisAppendCommand(raw, "BLPOP hero:q:reply:raw-0000-0000-0000-0000-%012d 5", i + WARM_UP);
      replies(3);
    } else {
      heroq_job *job = new_job("bench");
      heroq_bytes *output;
      must(heroq_supervisor_run_job_and_await_result(supervisor, job, 10000, &output, NULL, &err));
      heroq_bytes_free(output);
      heroq_job_free(job);
    }
    if (i >= 0) took[i] = now() - from;
  }
  qsort(took, (size_t)n, sizeof *took, by_time);
  printf("0 0 %.4f %.4f\n", took[n / 2] * 1e3, took[(int)(n * 0.99)] * 1e3);
  free(took);
}

int main(int argc, char **argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: bench URL PORT WHAT N\n");
    return 64;
  }
  const char *what = argv[3];
  int n = atoi(argv[4]);
  must(heroq_client_open(argv[1], NULL, &client, NULL, &err));
  must(heroq_supervisor_open(client, NULL, &supervisor, &err));
  raw = redisConnect("127.0.0.1", atoi(argv[2]));
  if (!raw || raw->err || n < 1) return 1;
  if (!strcmp(what, "single")) single(1);
  if (!strcmp(what, "raw-single")) raw_enqueue(1, 1);
  double from = now(), cpu_from = cpu();
  if (!strcmp(what, "bulk"))
    bulk(n);
  else if (!strcmp(what, "single"))
    single(n);
  else if (!strcmp(what, "raw-bulk"))
    raw_enqueue(n, BATCH);
  else if (!strcmp(what, "raw-single"))
    raw_enqueue(n, 1);
  else if (!strcmp(what, "drain"))
    drain(n, "reliable");
  else if (!strcmp(what, "drain-canonical"))
    drain(n, "canonical");
  else if (!strcmp(what, "serve") || !strcmp(what, "serve-reliable"))
    serve("reliable");
  else if (!strcmp(what, "serve-canonical"))
    serve("canonical");
  else if (!strcmp(what, "raw-serve"))
    raw_serve();
  else if (!strcmp(what, "roundtrip") || !strcmp(what, "raw-roundtrip")) {
    round_trips(n, what[0] == 'r' && what[1] == 'a');
    return 0;
  } else
    return 64;
  printf("%.6f %.6f\n", now() - from, cpu() - cpu_from);
  return 0;
}
