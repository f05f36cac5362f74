/* How long a job waits for its handler: under an open load, and when nothing else is done. Producer and actors are processes
 * of their own; they share a page of memory, and the clock. */
#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "scale.h"

#define ARGUMENT 100 /* bytes of a job's script */
#define TICK 1e-3    /* seconds between two calls of the producer */
#define BATCH 100    /* jobs of a call while the capacity is measured */
#define BACKLOG 5000 /* jobs that may wait meanwhile */
#define WARM_UP 20   /* hops that are not counted */
#define BARE "hero:q:work:type:bare"

typedef struct {
  sem_t ready, ran;
  atomic_int done;
  double last; /* when the newest hop was at its handler's first line */
  double waits[];
} shared;

static shared *share(int n) {
  size_t size = sizeof(shared) + (size_t)n * sizeof(double);
  shared *self = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (self == MAP_FAILED) fail("no memory");
  sem_init(&self->ready, 1, 0);
  sem_init(&self->ran, 1, 0);
  return self;
}

static void wait_for(sem_t *what) {
  struct timespec end;
  clock_gettime(CLOCK_REALTIME, &end);
  end.tv_sec += PATIENCE / 1000;
  while (sem_timedwait(what, &end))
    if (errno != EINTR) fail("a process of the measurement does not answer");
}

static void sleep_until(double time) {
  struct timespec t = {(time_t)time, (long)((time - (double)(time_t)time) * 1e9)};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) continue;
}

/* It must not outlive us, nor hold a connection of ours: nothing is open when it is made. */
static pid_t start(void (*program)(shared *), shared *self) {
  pid_t parent = getpid(), pid = fork();
  if (pid < 0) fail("no process");
  if (!pid) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    program(self);
    _exit(0);
  }
  wait_for(&self->ready);
  return pid;
}

static void end(pid_t pid) {
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
}

/* ---- under load ---- */

static void note_waits(shared *self) {
  heroq_actor *actor = open_actor(open_client());
  sem_post(&self->ready);
  for (;;) {
    heroq_job *job;
    size_t size;
    double due;
    must(heroq_actor_take(actor, HEROQ_FOREVER, &job, NULL, &err));
    double began = now();
    memcpy(&due, heroq_job_script(job, &size), sizeof due);
    must(heroq_job_finish(job, "done", 4, 0, NULL, &err));
    heroq_job_free(job);
    int i = atomic_load(&self->done);
    self->waits[i] = began - due;
    atomic_store(&self->done, i + 1);
  }
}

static void add(heroq_jobs *jobs, double due) {
  char script[ARGUMENT];
  heroq_job *job;
  memset(script, 'x', sizeof script);
  memcpy(script, &due, sizeof due);
  must(heroq_job_new("scale", script, sizeof script, &job, &err));
  must(heroq_jobs_add(jobs, job, &err));
  heroq_job_free(job);
}

static heroq_supervisor *open_supervisor(void) {
  heroq_supervisor *supervisor;
  must(heroq_supervisor_open(open_client(), NULL, &supervisor, &err));
  return supervisor;
}

void capacity(int n) {
  int first = n / 4, last = first + n, sent = 0, done;
  shared *self = share(last + BACKLOG + BATCH);
  pid_t actor = start(note_waits, self);
  heroq_supervisor *supervisor = open_supervisor();
  double from = 0, over = now() + PATIENCE / 1e3;
  int begun = 0;
  while ((done = atomic_load(&self->done)) < last) {
    if (!from && done >= first) {
      from = now();
      begun = done;
    }
    if (now() > over) fail("the capacity could not be measured in time");
    if (sent - done > BACKLOG) {
      sleep_until(now() + TICK / 10);
      continue;
    }
    heroq_jobs *jobs;
    must(heroq_jobs_new(&jobs, &err));
    for (int i = 0; i < BATCH; i++) add(jobs, now());
    must(heroq_supervisor_submit_many(supervisor, jobs, NULL, &err));
    heroq_jobs_free(jobs);
    sent += BATCH;
  }
  if (!from) fail("all jobs were done before it was seen that they were begun");
  print_figure("rate", (done - begun) / (now() - from));
  end(actor);
}

/* A job's wait counts from the tick it was due in, whether or not the producer was late with it. */
void load(double rate, int n) {
  int ticks = (int)(n / rate / TICK) + 1, sent = 0;
  double *late = calloc((size_t)ticks, sizeof *late);
  shared *self = share(n);
  pid_t actor = start(note_waits, self);
  heroq_supervisor *supervisor = open_supervisor();
  double from = now(), over;
  int calls = 0;
  if (!late) fail("no memory");
  for (int tick = 1; tick <= ticks;) {
    sleep_until(from + tick * TICK);
    heroq_jobs *jobs;
    must(heroq_jobs_new(&jobs, &err));
    late[calls++] = now() - (from + tick * TICK);
    for (double called = now(); tick <= ticks && from + tick * TICK <= called; tick++)
      for (int due = (int)(rate * TICK * tick); sent < due && sent < n; sent++) add(jobs, from + tick * TICK);
    if (heroq_jobs_count(jobs)) must(heroq_supervisor_submit_many(supervisor, jobs, NULL, &err));
    heroq_jobs_free(jobs);
  }
  over = now() + PATIENCE / 1e3;
  print_figure("sent", sent / (now() - from));
  while (atomic_load(&self->done) < sent) {
    if (now() > over) fail("not all jobs of the load were done");
    sleep_until(now() + TICK);
  }
  print_quantiles("wait", self->waits + sent / 10, sent - sent / 10);
  print_quantiles("late", late, calls);
  end(actor);
  free(late);
}

/* ---- idle ---- */

static void handler(shared *self) {
  self->last = now();
  sem_post(&self->ran);
}

static void hop_by_heroq(shared *self) {
  heroq_actor *actor = open_actor(open_client());
  sem_post(&self->ready);
  for (;;) {
    heroq_job *job;
    must(heroq_actor_take(actor, HEROQ_FOREVER, &job, NULL, &err));
    handler(self);
    must(heroq_job_finish(job, "done", 4, 0, NULL, &err));
    heroq_job_free(job);
  }
}

static void hop_by_hand(shared *self) {
  redisContext *bare = open_bare();
  sem_post(&self->ready);
  for (;;) {
    redisReply *taken = redisCommand(bare, "BLPOP " BARE " 5");
    if (!taken) fail("the server is gone");
    if (taken->type == REDIS_REPLY_ARRAY) {
      const char *id = taken->element[1]->str;
      redisReply *job = redisCommand(bare, "HGETALL hero:job:%s", id);
      if (!job || job->type != REDIS_REPLY_ARRAY) fail("HGETALL was not answered");
      handler(self);
      freeReplyObject(job);
      freeReplyObject(redisCommand(bare, "HSET hero:job:%s output done status finished", id));
    }
    freeReplyObject(taken);
  }
}

/* Seconds from the LPUSH to the handler. Then some milliseconds, not always the same, so that all are at rest again. */
static double hop_once(redisContext *bare, shared *self, const char *queue, int number) {
  char script[ARGUMENT + 1];
  memset(script, 'x', ARGUMENT);
  script[ARGUMENT] = 0;
  freeReplyObject(redisCommand(bare, "HSET hero:job:hop-%d jobId hop-%d script %s script_type scale status dispatched",
                               number, number, script));
  sleep_until(now() + 2e-3 + (double)(number % 7) * 3e-4);
  double from = now();
  redisReply *reply = redisCommand(bare, "LPUSH %s hop-%d", queue, number);
  if (!reply || reply->type != REDIS_REPLY_INTEGER) fail("LPUSH was not answered");
  freeReplyObject(reply);
  wait_for(&self->ran);
  double took = self->last - from;
  sleep_until(now() + 2e-3);
  return took;
}

void hop(int n) {
  shared *ours = share(n), *theirs = share(n);
  pid_t our_pid = start(hop_by_heroq, ours), their_pid = start(hop_by_hand, theirs);
  redisContext *bare = open_bare();
  for (int i = -WARM_UP; i < n; i++) {
    double by_heroq = hop_once(bare, ours, QUEUE, 2 * (i + WARM_UP));
    double by_hand = hop_once(bare, theirs, BARE, 2 * (i + WARM_UP) + 1);
    if (i < 0) continue;
    ours->waits[i] = by_heroq;
    theirs->waits[i] = by_hand;
  }
  print_quantiles("heroq", ours->waits, n);
  print_quantiles("bare", theirs->waits, n);
  redisFree(bare);
  end(our_pid);
  end(their_pid);
}
