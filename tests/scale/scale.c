/* The C half of the scale curves: scale URL PORT WHAT A B. Prints lines of "name figure"; scale.py runs it.
 *
 *   fill N SIZE          enqueue until N jobs wait, each with a script of SIZE bytes
 *   drain N THREADS      take and finish N of the jobs that wait, on one actor
 *   echo N SIZE          do all N jobs that wait; each one's output is as large as its script
 *   idle N SECONDS       N actors without a job
 *   capacity N 0         jobs a second of one producer and one actor at the same time
 *   load RATE N          an open load of RATE jobs a second: how long a job waits
 *   hop N 0              a foreign LPUSH to the handler's first line, idle: heroq's actor and a bare client by turns */
#include "scale.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

heroq_error err;
static const char *url;
static int port;

void fail(const char *text) {
  fprintf(stderr, "scale: %s\n", text);
  exit(1);
}

void must(heroq_status status) {
  if (status) fail(err.text);
}

double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

double cpu(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void print_figure(const char *name, double value) { printf("%s %.9g\n", name, value); }

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

void print_quantiles(const char *name, double *values, int n) {
  char full[64];
  qsort(values, (size_t)n, sizeof *values, by_size);
  snprintf(full, sizeof full, "%s_p50", name);
  print_figure(full, values[n / 2] * 1e3);
  snprintf(full, sizeof full, "%s_p99", name);
  print_figure(full, values[(int)(n * 0.99)] * 1e3);
}

heroq_client *open_client(void) {
  heroq_client *client;
  must(heroq_client_open(url, NULL, &client, NULL, &err));
  return client;
}

heroq_actor *open_actor(heroq_client *client) {
  heroq_actor *actor;
  must(heroq_actor_open(client, "scale_1", "scale", NULL, &actor, NULL, &err));
  return actor;
}

redisContext *open_bare(void) {
  redisContext *bare = redisConnect("127.0.0.1", port);
  if (!bare || bare->err) fail(bare ? bare->errstr : "no memory");
  return bare;
}

double ask_info(redisContext *bare, const char *section, const char *field) {
  char start[64];
  redisReply *reply = redisCommand(bare, "INFO %s", section);
  if (!reply || reply->type != REDIS_REPLY_STRING) fail("INFO was not answered");
  snprintf(start, sizeof start, "\n%s:", field);
  const char *found = strstr(reply->str, start);
  if (!found) fail(field);
  double value = atof(found + strlen(start));
  freeReplyObject(reply);
  return value;
}

double ask_server_cpu(redisContext *bare) {
  return ask_info(bare, "cpu", "used_cpu_user") + ask_info(bare, "cpu", "used_cpu_sys");
}

/* A thousand actors need more descriptors than many a default allows. */
static void allow_descriptors(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit)) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv) {
  if (argc != 6) {
    fprintf(stderr, "usage: scale URL PORT WHAT A B\n");
    return 64;
  }
  const char *what = argv[3];
  double a = atof(argv[4]), b = atof(argv[5]);
  url = argv[1];
  port = atoi(argv[2]);
  allow_descriptors();
  if (!strcmp(what, "fill"))
    fill((int)a, (size_t)b);
  else if (!strcmp(what, "drain"))
    drain((int)a, (int)b);
  else if (!strcmp(what, "echo"))
    echo((int)a, (size_t)b);
  else if (!strcmp(what, "idle"))
    idle((int)a, b);
  else if (!strcmp(what, "capacity"))
    capacity((int)a);
  else if (!strcmp(what, "load"))
    load(a, (int)b);
  else if (!strcmp(what, "hop"))
    hop((int)a);
  else
    return 64;
  return 0;
}
