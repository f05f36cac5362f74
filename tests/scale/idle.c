/* What actors cost that have nothing to do. Each has a client and a waiting thread of its own, as if it were a process, but
 * all are in this one: what the library's code takes in memory is counted once. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "scale.h"

#define NOT_OURS 1 /* connection, for INFO */

static double resident(void) {
  FILE *file = fopen("/proc/self/statm", "r");
  long all, pages = 0;
  if (!file || fscanf(file, "%ld %ld", &all, &pages) != 2) fail("/proc/self/statm cannot be read");
  fclose(file);
  return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static void pause_for(double seconds) {
  struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
  while (nanosleep(&t, &t)) continue;
}

static void wait_until_blocked(redisContext *bare, int n) {
  double end = now() + PATIENCE / 1e3;
  while (ask_info(bare, "clients", "blocked_clients") < n) {
    if (now() > end) fail("not all actors wait for a job");
    pause_for(0.01);
  }
}

typedef struct {
  heroq_client *client;
  heroq_actor *actor;
  pthread_t handler;
} member;

static void *wait_for_a_job(void *actor) {
  heroq_error fault;
  heroq_job *job;
  heroq_status status = heroq_actor_take(actor, HEROQ_FOREVER, &job, NULL, &fault);
  if (status != HEROQ_E_CLOSED) fail(status ? fault.text : "a job came");
  return NULL;
}

static void open_member(member *self) {
  self->client = open_client();
  self->actor = open_actor(self->client);
  if (pthread_create(&self->handler, NULL, wait_for_a_job, self->actor)) fail("no thread");
}

static void close_member(member *self) {
  must(heroq_actor_close(self->actor, 0, NULL, NULL, &err));
  pthread_join(self->handler, NULL);
  heroq_actor_free(self->actor);
  heroq_client_free(self->client);
}

void idle(int n, double seconds) {
  member *members = calloc((size_t)n, sizeof *members);
  redisContext *bare = open_bare();
  if (!members) fail("no memory");
  double used = ask_info(bare, "memory", "used_memory"), mine = resident();
  for (int i = 0; i < n; i++) open_member(&members[i]);
  wait_until_blocked(bare, n);
  double server = ask_server_cpu(bare), own = cpu(), from = now();
  double commands = ask_info(bare, "stats", "total_commands_processed");
  pause_for(seconds);
  double lasted = now() - from;
  print_figure("server_cpu", (ask_server_cpu(bare) - server) / lasted * 1e3);
  print_figure("actor_cpu", (cpu() - own) / lasted * 1e3);
  print_figure("commands", (ask_info(bare, "stats", "total_commands_processed") - commands) / lasted);
  print_figure("connections", ask_info(bare, "clients", "connected_clients") - NOT_OURS);
  print_figure("server_kb", (ask_info(bare, "memory", "used_memory") - used) / 1e3 / n);
  print_figure("actor_kb", (resident() - mine) / 1e3 / n);
  for (int i = 0; i < n; i++) must(heroq_actor_drain(members[i].actor, 0, &err));
  for (int i = 0; i < n; i++) close_member(&members[i]);
  free(members);
  redisFree(bare);
}
