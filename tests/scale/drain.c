/* How fast jobs go in and out: whatever waits, however large they are, with so many threads. */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "scale.h"

#define WARM_UP 2000           /* jobs that a drain does before it counts */
#define CHUNK_JOBS 10000       /* of one submit_many */
#define CHUNK_BYTES (64 << 20) /* of the same, scripts alone */

static int waiting(redisContext *bare) {
  redisReply *reply = redisCommand(bare, "LLEN " QUEUE);
  if (!reply || reply->type != REDIS_REPLY_INTEGER) fail("LLEN was not answered");
  int n = (int)reply->integer;
  freeReplyObject(reply);
  return n;
}

static void submit(heroq_supervisor *supervisor, int n, const char *script, size_t size) {
  heroq_jobs *jobs;
  must(heroq_jobs_new(&jobs, &err));
  for (int i = 0; i < n; i++) {
    heroq_job *job;
    must(heroq_job_new("scale", script, size, &job, &err));
    must(heroq_jobs_add(jobs, job, &err));
    heroq_job_free(job);
  }
  must(heroq_supervisor_submit_many(supervisor, jobs, NULL, &err));
  heroq_jobs_free(jobs);
}

void fill(int n, size_t size) {
  heroq_client *client = open_client();
  heroq_supervisor *supervisor;
  redisContext *bare = open_bare();
  char *script = malloc(size);
  int most = CHUNK_BYTES / (int)size < CHUNK_JOBS ? CHUNK_BYTES / (int)size : CHUNK_JOBS;
  if (!script) fail("no memory");
  memset(script, 'x', size);
  must(heroq_supervisor_open(client, NULL, &supervisor, &err));
  int more = n - waiting(bare);
  double from = now(), own = cpu(), server = ask_server_cpu(bare);
  for (int sent = 0; sent < more; sent += most)
    submit(supervisor, more - sent < most ? more - sent : most, script, size);
  double seconds = now() - from;
  if (more > 0) {
    print_figure("enqueue_rate", more / seconds);
    print_figure("enqueue_mb", more / seconds * (double)size / 1e6);
    print_figure("enqueue_client_cpu", (cpu() - own) / more * 1e6);
    print_figure("enqueue_server_cpu", (ask_server_cpu(bare) - server) / more * 1e6);
  }
  free(script);
  redisFree(bare);
  heroq_supervisor_free(supervisor);
  heroq_client_close(client);
  heroq_client_free(client);
}

typedef struct {
  double time, own, server, commands, switches;
} reading;

typedef struct {
  heroq_actor *actor;
  redisContext *bare;
  int last;
  atomic_int done;
  reading from, to;
  sem_t over;
} drainage;

static reading read_all(redisContext *bare) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  reading r = {.server = ask_server_cpu(bare), .commands = ask_info(bare, "stats", "total_commands_processed")};
  r.time = now();
  r.own = cpu();
  r.switches = (double)(u.ru_nvcsw + u.ru_nivcsw);
  return r;
}

/* The readings are those of the threads that do the first and the last job that counts: at both moments jobs wait and are
 * taken ahead, so that neither the start nor the end of an actor is in the figures. */
static void *take_and_finish(void *data) {
  drainage *self = data;
  for (;;) {
    heroq_error fault;
    heroq_job *job;
    heroq_status status = heroq_actor_take(self->actor, PATIENCE, &job, NULL, &fault);
    if (status == HEROQ_E_CLOSED) return NULL;
    if (status || !job) fail(status ? fault.text : "no job came");
    if (heroq_job_finish(job, "done", 4, 0, NULL, &fault) && fault.code != HEROQ_E_CLOSED) fail(fault.text);
    heroq_job_free(job);
    int done = atomic_fetch_add(&self->done, 1) + 1;
    if (done == WARM_UP) self->from = read_all(self->bare);
    if (done == self->last) {
      self->to = read_all(self->bare);
      sem_post(&self->over);
    }
  }
}

void drain(int n, int threads) {
  heroq_client *client = open_client();
  drainage self = {.actor = open_actor(client), .bare = open_bare(), .last = WARM_UP + n};
  pthread_t *thread = calloc((size_t)threads, sizeof *thread);
  int32_t unacked;
  sem_init(&self.over, 0, 0);
  for (int i = 0; i < threads; i++)
    if (!thread || pthread_create(&thread[i], NULL, take_and_finish, &self)) fail("no thread");
  while (sem_wait(&self.over)) continue;
  must(heroq_actor_close(self.actor, HEROQ_FOREVER, &unacked, NULL, &err));
  for (int i = 0; i < threads; i++) pthread_join(thread[i], NULL);
  if (unacked) fail("results were not acknowledged");
  double seconds = self.to.time - self.from.time;
  print_figure("rate", n / seconds);
  print_figure("actor_cpu", (self.to.own - self.from.own) / n * 1e6);
  print_figure("server_cpu", (self.to.server - self.from.server) / n * 1e6);
  print_figure("commands", (self.to.commands - self.from.commands) / n);
  print_figure("switches", (self.to.switches - self.from.switches) / n);
  free(thread);
  redisFree(self.bare);
  heroq_actor_free(self.actor);
  heroq_client_free(client);
}

/* Of this program alone: getrusage counts the one that started it too. */
static double peak_mb(void) {
  FILE *file = fopen("/proc/self/status", "r");
  char line[256];
  long kb = 0;
  while (file && fgets(line, sizeof line, file))
    if (sscanf(line, "VmHWM: %ld", &kb) == 1) break;
  if (!kb) fail("/proc/self/status cannot be read");
  fclose(file);
  return (double)kb / 1e3;
}

void echo(int n, size_t size) {
  redisContext *bare = open_bare();
  if (waiting(bare) != n) fail("not as many jobs wait as are to be done");
  heroq_client *client = open_client();
  double from = now(), own = cpu(), server = ask_server_cpu(bare);
  heroq_actor *actor = open_actor(client);
  int32_t unacked;
  for (int i = 0; i < n; i++) {
    heroq_job *job;
    size_t got;
    must(heroq_actor_take(actor, PATIENCE, &job, NULL, &err));
    if (!job) fail("no job came");
    const void *script = heroq_job_script(job, &got);
    if (got != size) fail("a script has another size");
    must(heroq_job_finish(job, script, got, 0, NULL, &err));
    heroq_job_free(job);
  }
  must(heroq_actor_close(actor, HEROQ_FOREVER, &unacked, NULL, &err));
  if (unacked) fail("results were not acknowledged");
  double seconds = now() - from;
  print_figure("drain_rate", n / seconds);
  print_figure("drain_mb", n / seconds * (double)size / 1e6);
  print_figure("drain_actor_cpu", (cpu() - own) / n * 1e6);
  print_figure("drain_server_cpu", (ask_server_cpu(bare) - server) / n * 1e6);
  print_figure("drain_actor_peak_mb", peak_mb());
  redisFree(bare);
  heroq_actor_free(actor);
  heroq_client_free(client);
}
