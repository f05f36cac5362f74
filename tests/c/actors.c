/* Fixtures and helpers of the actor's tests. */
#include "actors.h"

#include <dirent.h>
#include <poll.h>

heroq_client *client;
heroq_supervisor *supervisor;
heroq_error err;

int open_client(void **state) {
  (void)state;
  char url[200];
  test_redis_do(server, "FLUSHALL", NULL);
  snprintf(url, sizeof url, "%s?log=events", server->url);
  assert_ok(heroq_client_open(url, NULL, &client, NULL, &err), &err);
  assert_ok(heroq_supervisor_open(client, NULL, &supervisor, &err), &err);
  return 0;
}

int close_client(void **state) {
  (void)state;
  heroq_supervisor_free(supervisor);
  heroq_client_close(client);
  heroq_client_free(client);
  client = NULL;
  supervisor = NULL;
  return 0;
}

/* ---- jobs ---- */

static const char *key_of(const char *id) {
  static char key[320];
  snprintf(key, sizeof key, "hero:job:%s", id);
  return key;
}

void store(const char *id) {
  char script[320];
  snprintf(script, sizeof script, "script of %s", id);
  test_redis_do(server, "HSET", key_of(id), "script", script, "status", "dispatched", NULL);
}

void set(const char *id, const char *name, const char *value) {
  test_redis_do(server, "HSET", key_of(id), name, value, NULL);
}

void push(const char *queue, const char *id) { test_redis_do(server, "LPUSH", queue, id, NULL); }

void enqueue(const char *id) {
  store(id);
  push(Q, id);
}

char *field(const char *id, const char *name) { return test_redis_text(server, "HGET", key_of(id), name, NULL); }

bool field_is(const char *id, const char *name, const char *want) {
  char *value = field(id, name);
  bool same = want ? value && strcmp(value, want) == 0 : !value;
  free(value);
  return same;
}

int64_t size_of(const char *key) {
  char *type = test_redis_text(server, "TYPE", key, NULL);
  const char *command = strcmp(type, "list") == 0 ? "LLEN" : strcmp(type, "zset") == 0 ? "ZCARD" : "HLEN";
  int64_t n = strcmp(type, "none") == 0 ? 0 : test_redis_int(server, command, key, NULL);
  free(type);
  return n;
}

bool nothing_held(const char *queue) {
  static const char *const part[] = {"handoff", "leases", "holders", "delayed"};
  char key[400];
  if (size_of(queue)) return false;
  for (size_t i = 0; i < sizeof part / sizeof *part; i++) {
    snprintf(key, sizeof key, "{%s}:%s", queue, part[i]);
    if (size_of(key)) return false;
  }
  return true;
}

/* ---- actors ---- */

static heroq_actor *open_actor(heroq_client *c, const char *types, va_list list) {
  static const char *const usual[] = {"lease",   "600ms", "block",         "200ms", "backoff", "20ms",
                                      "recheck", "50ms",  "handoff_grace", "200ms", NULL};
  heroq_options *options;
  heroq_actor *a;
  assert_ok(heroq_options_new(&options, &err), &err);
  for (size_t i = 0; usual[i]; i += 2) assert_ok(heroq_options_set(options, usual[i], usual[i + 1], &err), &err);
  for (const char *name; (name = va_arg(list, const char *));)
    assert_ok(heroq_options_set(options, name, va_arg(list, const char *), &err), &err);
  assert_ok(heroq_actor_open(c, "test_actor", types, options, &a, NULL, &err), &err);
  heroq_options_free(options);
  return a;
}

heroq_actor *actor_of(const char *types, ...) {
  va_list list;
  va_start(list, types);
  heroq_actor *a = open_actor(client, types, list);
  va_end(list);
  return a;
}

heroq_actor *actor_on(heroq_client *c, const char *types, ...) {
  va_list list;
  va_start(list, types);
  heroq_actor *a = open_actor(c, types, list);
  va_end(list);
  return a;
}

void end_actor(heroq_actor *a) {
  int32_t unacked = -1;
  assert_ok(heroq_actor_close(a, 0, &unacked, NULL, &err), &err);
  assert_int_equal(unacked, 0);
  heroq_actor_free(a);
}

heroq_job *take(heroq_actor *a) {
  heroq_job *job;
  assert_ok(heroq_actor_take(a, 5000, &job, NULL, &err), &err);
  if (!job) fail_msg("no job within 5 s");
  return job;
}

heroq_job *take_id(heroq_actor *a, const char *id) {
  heroq_job *job = take(a);
  assert_string_equal(heroq_job_id(job), id);
  return job;
}

bool take_nothing(heroq_actor *a, int64_t ms) {
  heroq_job *job;
  assert_ok(heroq_actor_take(a, ms, &job, NULL, &err), &err);
  if (job) print_error("took %s\n", heroq_job_id(job));
  return !job;
}

void finish(heroq_job *job, const char *output) {
  assert_ok(heroq_job_finish(job, output, strlen(output), 0, NULL, &err), &err);
  heroq_job_free(job);
}

int64_t stat_of(heroq_actor *a, const char *name) {
  heroq_record *r;
  assert_ok(heroq_actor_stats(a, &r, &err), &err);
  int32_t i = heroq_record_find(r, name);
  if (i < 0) fail_msg("no %s in the actor's stats", name);
  int64_t n = heroq_record_int64(r, i);
  heroq_record_free(r);
  return n;
}

bool event_comes(heroq_actor *a, const char *what, int64_t ms) {
  for (int64_t until = test_now_ms() + ms; test_now_ms() < until;) {
    heroq_record *r;
    assert_ok(heroq_actor_next_event(a, until - test_now_ms(), &r, NULL, &err), &err);
    if (!r) return false;
    bool same = strcmp(heroq_record_text(r, heroq_record_find(r, "event")), what) == 0;
    heroq_record_free(r);
    if (same) return true;
  }
  return false;
}

bool readable(int fd, int ms) {
  struct pollfd p = {.fd = fd, .events = POLLIN};
  return poll(&p, 1, ms) == 1 && p.revents == POLLIN;
}

int open_descriptors(void) {
  int n = 0;
  DIR *d = opendir("/proc/self/fd");
  while (d && readdir(d)) n++;
  if (d) closedir(d);
  return n;
}
