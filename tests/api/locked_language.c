/* A language with one global lock, whose signal handlers run between calls: the lock is never held while something
 * waits, no job is taken while it is released (an exception there would lose it), waits are cut into slices. */
#include "sketch.h"
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

enum { JOBS = 300, ACTOR_THREADS = 4, SLICE_MS = 200 };

static pthread_mutex_t global_lock = PTHREAD_MUTEX_INITIALIZER;
static int handled;                /* guarded by the global lock, as every object of such a language is */
static atomic_int interrupt_asked; /* what the language's own signal handler sets */

static void run_signal_handlers(void) { /* "between calls" */
  if (atomic_exchange(&interrupt_asked, 0)) {
    printf("FAILED: an interrupt that nobody sent\n");
    exit(1);
  }
}

/* The binding's take: the lock is released around poll, and held for take(0), which never waits. */
static heroq_status locked_take(heroq_actor *actor, heroq_job **job, heroq_error *err) {
  struct pollfd fd = {.fd = heroq_actor_fd(actor), .events = POLLIN};
  for (;;) {
    heroq_status status = heroq_actor_take(actor, 0, job, NULL, err);
    if (status != HEROQ_OK || *job) return status;
    pthread_mutex_unlock(&global_lock);
    poll(&fd, 1, SLICE_MS);
    pthread_mutex_lock(&global_lock);
    run_signal_handlers();
  }
}

/* The binding's await: a slice that ends in time-out is repeated, and the submit with it while it is in doubt. */
static heroq_status locked_await(heroq_supervisor *supervisor, heroq_job *job, int64_t timeout_ms, heroq_bytes **output,
                                 heroq_error *err) {
  int64_t deadline = sketch_now_ms() + timeout_ms;
  heroq_status status;
  int first = 1;
  do {
    int64_t slice = deadline - sketch_now_ms();
    if (slice > SLICE_MS) slice = SLICE_MS;
    if (slice < 0) slice = 0;
    pthread_mutex_unlock(&global_lock);
    status = first ? heroq_supervisor_run_job_and_await_result(supervisor, job, slice, output, NULL, err)
                   : heroq_supervisor_await_result(supervisor, heroq_job_id(job), slice, output, NULL, err);
    pthread_mutex_lock(&global_lock);
    run_signal_handlers();
    first = (err->flags & HEROQ_MAYBE_DONE) != 0;
  } while (status == HEROQ_E_TIMEOUT && sketch_now_ms() < deadline);
  return status;
}

static void *actor_thread(void *actor) {
  heroq_error err;
  heroq_job *job;
  heroq_status status;
  pthread_mutex_lock(&global_lock);
  while ((status = locked_take(actor, &job, &err)) == HEROQ_OK) {
    handled++;
    MUST(heroq_job_finish(job, "ok", 2, 0, NULL, &err), err); /* quick, so the lock is kept */
    heroq_job_free(job);
  }
  SAME(status, HEROQ_E_CLOSED);
  pthread_mutex_unlock(&global_lock);
  return NULL;
}

int main(int argc, char **argv) {
  heroq_error err;
  heroq_client *client;
  heroq_actor *actor;
  heroq_supervisor *supervisor;
  pthread_t thread[ACTOR_THREADS];
  const char *type = sketch_type("locked");

  MUST(heroq_client_open(sketch_url(argc, argv), NULL, &client, NULL, &err), err);
  MUST(heroq_supervisor_open(client, NULL, &supervisor, &err), err);
  MUST(heroq_actor_open(client, "locked_actor", type, NULL, &actor, NULL, &err), err);
  for (int i = 0; i < ACTOR_THREADS; i++) pthread_create(&thread[i], NULL, actor_thread, actor);

  pthread_mutex_lock(&global_lock);
  for (int i = 0; i < JOBS; i++) {
    heroq_job *job;
    heroq_bytes *output;
    MUST(heroq_job_new(type, "x", 1, &job, &err), err);
    MUST(locked_await(supervisor, job, 20000, &output, &err), err);
    SAME(heroq_bytes_size(output), 2);
    heroq_bytes_free(output);
    heroq_job_free(job);
  }
  SAME(handled, JOBS);
  pthread_mutex_unlock(&global_lock);

  MUST(heroq_actor_close(actor, 1000, NULL, NULL, &err), err);
  for (int i = 0; i < ACTOR_THREADS; i++) pthread_join(thread[i], NULL);
  heroq_client_close(client);
  heroq_supervisor_free(supervisor);
  heroq_actor_free(actor);
  heroq_client_free(client);
  printf("locked_language: %d jobs on %d threads under one lock\n", JOBS, ACTOR_THREADS);
  return 0;
}
