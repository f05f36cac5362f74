/* The doctor: each finding produced on purpose, and none on a healthy system. */
#include "support.h"

#include <time.h>

#define Q "hero:q:work:type:osis"
#define H "{" Q "}"
#define LONG_AGO "2026-01-02T03:04:05Z"

static test_server *server; /* healthy: append-only file, no eviction */
static heroq_client *client;
static heroq_error err;

static int start(void **state) {
  (void)state;
  server = test_server_start((const char *[]){"--appendonly", "yes", NULL});
  return 0;
}

static int stop(void **state) {
  (void)state;
  test_server_free(server);
  return 0;
}

static heroq_client *open_client(const char *url) {
  heroq_client *c;
  assert_ok(heroq_client_open(url, NULL, &c, NULL, &err), &err);
  return c;
}

static void close_client(heroq_client *c) {
  heroq_client_close(c);
  heroq_client_free(c);
}

static int open_all(void **state) {
  (void)state;
  test_redis_do(server, "FLUSHALL", NULL);
  client = open_client(server->url);
  return 0;
}

static int close_all(void **state) {
  (void)state;
  close_client(client);
  return 0;
}

/* ---- reading the report ---- */

typedef struct finding {
  char check[32], severity[16], subject[300], found[500], means[300], mend[900];
} finding;
static finding report[64];
static int findings, checks; /* findings: those that are not ok, in `report` */
static char worst[16];

static void copy(char *out, size_t cap, const heroq_record *r, const char *name) {
  int32_t i = heroq_record_find(r, name);
  assert_true(i >= 0);
  snprintf(out, cap, "%s", heroq_record_text(r, i));
}

static void examine_with(heroq_client *c) {
  heroq_record *r, *list;
  assert_ok(heroq_doctor_run(c, NULL, &r, NULL, &err), &err);
  copy(worst, sizeof worst, r, "worst");
  assert_ok(heroq_record_child(r, heroq_record_find(r, "checks"), &list, &err), &err);
  findings = 0;
  checks = heroq_record_count(list);
  for (int i = 0; i < checks; i++) {
    heroq_record *row;
    finding f;
    assert_ok(heroq_record_child(list, i, &row, &err), &err);
    copy(f.check, sizeof f.check, row, "check");
    copy(f.severity, sizeof f.severity, row, "severity");
    copy(f.subject, sizeof f.subject, row, "subject");
    copy(f.found, sizeof f.found, row, "found");
    copy(f.means, sizeof f.means, row, "means");
    copy(f.mend, sizeof f.mend, row, "mend");
    heroq_record_free(row);
    if (strcmp(f.severity, "ok") == 0) continue;
    assert_true(findings < 64);
    report[findings++] = f;
  }
  heroq_record_free(list);
  heroq_record_free(r);
}

static void examine(void) { examine_with(client); }

static void show(void) {
  for (int i = 0; i < findings; i++)
    print_message("  %s %s %s: %s | %s | %s\n", report[i].severity, report[i].check, report[i].subject, report[i].found,
                  report[i].means, report[i].mend);
}

/* The one finding there is. */
static const finding *only(const char *check, const char *severity, const char *subject) {
  if (findings != 1) show();
  assert_int_equal(findings, 1);
  assert_string_equal(report[0].check, check);
  assert_string_equal(report[0].severity, severity);
  assert_string_equal(report[0].subject, subject);
  assert_string_equal(worst, severity);
  assert_true(*report[0].found && *report[0].means);
  return &report[0];
}

static void none(void) {
  if (findings) show();
  assert_int_equal(findings, 0);
  assert_string_equal(worst, "ok");
  assert_true(checks >= 26);
}

static void has(const char *text, const char *piece) {
  if (!strstr(text, piece)) fail_msg("\"%s\" is not in \"%s\"", piece, text);
}

/* Runs what the finding says mends it: "redis-cli A B 'C'", one command or several with "; " between. */
static void mend(const char *text) {
  char command[1000], *save = NULL;
  snprintf(command, sizeof command, "%s", text);
  for (char *one = strtok_r(command, ";", &save); one; one = strtok_r(NULL, ";", &save)) {
    const char *argv[16];
    int argc = 0;
    char *words = NULL;
    for (char *w = strtok_r(one, " ", &words); w; w = strtok_r(NULL, " ", &words)) {
      size_t n = strlen(w);
      if (*w == '\'') w++, n--;
      char *quote = strchr(w, '\'');
      if (quote) memmove(quote, quote + 1, strlen(quote));
      argv[argc++] = w;
    }
    assert_string_equal(argv[0], "redis-cli");
    redisReply *r = test_redis_argv(server, argc - 1, argv + 1, NULL);
    if (r->type == REDIS_REPLY_ERROR) fail_msg("%s: %s", text, r->str);
    freeReplyObject(r);
  }
}

static void there_is_an_actor(const char *queue_actors) {
  test_redis_do(server, "ZADD", queue_actors, "99999999999999", "host.1.x", NULL);
}

/* What the actor that is there would do with a job that is back in its queue. */
static void it_takes(const char *id) {
  char key[64];
  snprintf(key, sizeof key, "hero:job:%s", id);
  assert_int_equal(test_redis_int(server, "LREM", Q, "0", id, NULL), 1);
  test_redis_do(server, "HSET", key, "status", "started", "hq_token", "9:host.1.x", "hq_queue", Q, NULL);
  test_redis_do(server, "ZADD", H ":leases", "99999999999999", id, NULL);
  test_redis_do(server, "HSET", H ":holders", id, "9:host.1.x", NULL);
}

/* ---- a healthy system ---- */

static void healthy_empty(void **state) {
  (void)state;
  examine();
  none();
}

/* Every state a job may rightly be in, with an actor there. */
static void healthy_and_busy(void **state) {
  char now[24];
  (void)state;
  snprintf(now, sizeof now, "%lld", (long long)time(NULL) * 1000);
  there_is_an_actor(H ":actors");
  test_redis_do(server, "HSET", H ":meta", "last_reap", now, NULL);
  const char *const ids[] = {"waiting", "held", "delayed", "handed", NULL};
  for (int i = 0; ids[i]; i++) {
    char key[64];
    snprintf(key, sizeof key, "hero:job:%s", ids[i]);
    test_redis_do(server, "HSET", key, "script", "x", "script_type", "osis", "status", "dispatched", "createdAt",
                  LONG_AGO, NULL);
  }
  test_redis_do(server, "LPUSH", Q, "waiting", NULL);
  test_redis_do(server, "HSET", "hero:job:held", "status", "started", "hq_token", "7:host.1.x", "hq_queue", Q, NULL);
  test_redis_do(server, "ZADD", H ":leases", "99999999999999", "held", NULL);
  test_redis_do(server, "HSET", H ":holders", "held", "7:host.1.x", NULL);
  test_redis_do(server, "ZADD", H ":delayed", "99999999999999", "delayed", NULL);
  test_redis_do(server, "LPUSH", H ":handoff", "handed", NULL);
  test_redis_do(server, "ZADD", H ":seen", now, "handed", NULL);
  test_redis_do(server, "HSET", "hero:job:done", "script", "x", "status", "finished", "createdAt", LONG_AGO, NULL);
  test_redis_do(server, "HSET", "hero:job:failed", "script", "x", "status", "Error", "createdAt", LONG_AGO, NULL);
  test_redis_do(server, "HSET", "hero:job:later", "script", "x", "status", "waiting_for_prerequisites", "createdAt",
                LONG_AGO, NULL);
  test_redis_do(server, "LPUSH", "hero:q:reply:done", "42", NULL);
  examine();
  none();
}

/* ---- the server ---- */

static void server_away(void **state) {
  (void)state;
  test_server *other = test_server_start(NULL);
  char url[300];
  snprintf(url, sizeof url, "%s?connect=lazy&password=very-secret&connect_timeout=1s", other->url);
  heroq_client *lazy = open_client(url);
  test_server_kill9(other);
  examine_with(lazy);
  assert_int_equal(checks, 2); /* the client's own, and that one */
  snprintf(url, sizeof url, "redis://127.0.0.1:%d/0", other->port);
  const finding *f = only("server", "error", report[0].subject);
  has(f->subject, "127.0.0.1");
  has(f->mend, "PING");
  assert_null(strstr(f->subject, "very-secret"));
  assert_null(strstr(f->found, "very-secret"));
  assert_null(strstr(f->mend, "very-secret"));
  close_client(lazy);
  test_server_free(other);
}

static void wrong_password(void **state) {
  (void)state;
  char url[200];
  test_server *locked = test_server_start((const char *[]){"--requirepass", "right", NULL});
  snprintf(url, sizeof url, "redis://:wrong@127.0.0.1:%d/0?connect=lazy", locked->port);
  heroq_client *c = open_client(url);
  examine_with(c);
  const finding *f = only("server", "error", report[0].subject);
  has(f->mend, "password");
  assert_null(strstr(f->found, ":wrong@"));
  close_client(c);
  test_server_free(locked);
}

static void eviction(void **state) {
  (void)state;
  test_redis_do(server, "CONFIG", "SET", "maxmemory-policy", "volatile-lru", NULL);
  examine();
  const finding *f = only("eviction", "warning", "maxmemory-policy");
  has(f->found, "volatile-lru");
  test_redis_do(server, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru", "maxmemory", "1gb", NULL);
  examine();
  f = only("eviction", "error", "maxmemory-policy");
  has(f->found, "allkeys-lru");
  mend(f->mend);
  test_redis_do(server, "CONFIG", "SET", "maxmemory", "0", NULL);
  examine();
  none();
}

static void persistence(void **state) {
  (void)state;
  test_redis_do(server, "CONFIG", "SET", "appendonly", "no", NULL);
  examine();
  const finding *f = only("persistence", "warning", "appendonly");
  has(f->found, "no snapshots");
  test_redis_do(server, "CONFIG", "SET", "save", "900 1", NULL);
  examine();
  f = only("persistence", "warning", "appendonly");
  has(f->found, "only snapshots");
  test_redis_do(server, "CONFIG", "SET", "save", "", NULL);
  mend(f->mend);
  examine();
  none();
}

/* What the user may not ask is unknown, and the rest is looked at. */
static void rights(void **state) {
  char url[200];
  (void)state;
  test_redis_do(server, "ACL", "SETUSER", "little", "on", ">pw", "~hero:*", "~{hero:*", "+@all", "-info", "-config",
                NULL);
  test_redis_do(server, "LPUSH", "hero:q:work:type:osis", "a", NULL);
  test_redis_do(server, "HSET", H ":meta", "paused", "1", NULL);
  snprintf(url, sizeof url, "redis://little:pw@127.0.0.1:%d/0?log=off", server->port);
  heroq_client *little = open_client(url);
  examine_with(little);
  /* {heroq}:queues is not its either, so the queues are unknown too, and what it lacks for them is told */
  assert_string_equal(worst, "warning");
  int unknown = 0, named = 0, rights = 0;
  for (int i = 0; i < findings; i++) {
    unknown += strcmp(report[i].severity, "unknown") == 0;
    if (strcmp(report[i].check, "rights") == 0) rights++, has(report[i].found, "+info +zadd");
    named += strcmp(report[i].check, "version") == 0 || strcmp(report[i].check, "eviction") == 0 ||
             strcmp(report[i].check, "persistence") == 0 || strcmp(report[i].check, "queues") == 0;
  }
  assert_int_equal(rights, 1);
  assert_int_equal(unknown, findings - rights);
  assert_int_equal(named, 4);
  close_client(little);

  test_redis_do(server, "ACL", "SETUSER", "little", "~{heroq}*", NULL);
  little = open_client(url);
  examine_with(little);
  int paused = 0;
  for (int i = 0; i < findings; i++) paused += strcmp(report[i].check, "paused") == 0;
  assert_int_equal(paused, 1); /* now it sees it */
  close_client(little);
  test_redis_do(server, "ACL", "DELUSER", "little", NULL);
}

/* ---- queues ---- */

static void wrong_type(void **state) {
  (void)state;
  test_redis_do(server, "ZADD", "{heroq}:queues", "1", Q, NULL);
  test_redis_do(server, "SET", Q, "x", NULL);
  examine();
  only("queues", "error", Q);
}

static void paused(void **state) {
  (void)state;
  there_is_an_actor(H ":actors");
  test_redis_do(server, "ZADD", "{heroq}:queues", "1", Q, NULL);
  test_redis_do(server, "HSET", H ":meta", "paused", "1", NULL);
  examine();
  mend(only("paused", "warning", Q)->mend);
  examine();
  none();
}

static void nothing_consumes(void **state) {
  (void)state;
  test_redis_do(server, "HSET", "hero:job:a", "script", "x", "status", "dispatched", "script_type", "osis", "createdAt",
                LONG_AGO, NULL);
  test_redis_do(server, "LPUSH", Q, "a", NULL);
  there_is_an_actor("{hero:q:work:type:sal}:actors");
  test_redis_do(server, "ZADD", "{heroq}:queues", "1", "hero:q:work:type:sal", NULL);
  examine();
  const finding *f = only("consumers", "warning", Q);
  has(f->found, "1 waiting");
  has(f->found, "days ago");
  has(f->found, "actors are on: sal");
  has(f->mend, "--type osis");
  /* an actor is there and takes nothing */
  there_is_an_actor(H ":actors");
  examine();
  f = only("consumers", "warning", Q);
  has(f->found, "actors that listen: 1");
  has(f->means, "starved");
  /* it has its hands full */
  test_redis_do(server, "HSET", "hero:job:b", "script", "x", "status", "started", "hq_token", "7:host.1.x", "hq_queue",
                Q, NULL);
  test_redis_do(server, "ZADD", H ":leases", "99999999999999", "b", NULL);
  test_redis_do(server, "HSET", H ":holders", "b", "7:host.1.x", NULL);
  examine();
  none();
}

static void fresh_jobs_may_wait_for_a_foreign_actor(void **state) {
  heroq_supervisor *s;
  heroq_job *job;
  (void)state;
  assert_ok(heroq_supervisor_open(client, NULL, &s, &err), &err);
  assert_ok(heroq_job_new("osis", "x", 1, &job, &err), &err);
  assert_ok(heroq_supervisor_submit(s, job, NULL, &err), &err);
  examine();
  none();
  heroq_job_free(job);
  heroq_supervisor_free(s);
}

static void types_mixed_up(void **state) {
  char id[32], key[64];
  (void)state;
  there_is_an_actor(H ":actors");
  there_is_an_actor("{hero:q:work:type:sal}:actors");
  for (int i = 0; i < 200; i++) { /* the wrong one is at an end of a long queue */
    snprintf(id, sizeof id, "j%d", i);
    snprintf(key, sizeof key, "hero:job:%s", id);
    test_redis_do(server, "HSET", key, "script", "x", "status", "dispatched", "script_type", "osis", NULL);
    test_redis_do(server, "LPUSH", Q, id, NULL);
  }
  test_redis_do(server, "HSET", "hero:job:wrong", "script", "x", "status", "dispatched", "script_type", "sal", NULL);
  test_redis_do(server, "RPUSH", Q, "wrong", NULL);
  examine();
  const finding *f = NULL;
  for (int i = 0; i < findings; i++)
    if (strcmp(report[i].check, "script_types") == 0) f = &report[i];
  assert_non_null(f);
  assert_string_equal(f->subject, Q);
  has(f->found, "1 of 100");
  has(f->found, "wrong of type sal");
  mend(f->mend);
  assert_int_equal(test_redis_int(server, "LLEN", "hero:q:work:type:sal", NULL), 1);
  examine();
  none();
}

static void ids_without_hash(void **state) {
  (void)state;
  there_is_an_actor(H ":actors");
  test_redis_do(server, "LPUSH", Q, "x$(reboot)", NULL);
  examine();
  const finding *f = only("script_types", "warning", Q);
  has(f->found, "no job hash");
  has(f->mend, "'x$(reboot)'"); /* as one harmless word of a shell */
  mend(f->mend);
  examine();
  none();
}

/* ---- leases, handoff ---- */

static bool is_given_back(heroq_queue *queue) {
  assert_ok(heroq_queue_tend(queue, NULL, NULL, &err), &err);
  return test_redis_int(server, "LLEN", Q, NULL) == 1;
}

static void holder_without_lease(void **state) {
  heroq_queue *q;
  char url[300];
  (void)state;
  test_redis_do(server, "ZADD", "{heroq}:queues", "1", Q, NULL);
  test_redis_do(server, "HSET", "hero:job:h", "script", "x", "status", "started", "script_type", "osis", "hq_token",
                "7:a.1.b", "hq_queue", Q, "createdAt", LONG_AGO, NULL);
  test_redis_do(server, "HSET", H ":holders", "h", "7:a.1.b", NULL);
  examine();
  mend(only("leases", "error", Q)->mend);
  /* The mend is the reaper's work from here on: a holder that lives would renew the lease. */
  snprintf(url, sizeof url, "%s?lease=400ms", server->url);
  heroq_client *c = open_client(url);
  assert_ok(heroq_queue_open(c, "osis", NULL, NULL, &q, &err), &err);
  test_until(is_given_back(q), 10000);
  heroq_queue_free(q);
  close_client(c);
  there_is_an_actor(H ":actors");
  it_takes("h");
  examine();
  none();
}

static void lease_without_holder(void **state) {
  (void)state;
  test_redis_do(server, "ZADD", "{heroq}:queues", "1", Q, NULL);
  test_redis_do(server, "ZADD", H ":leases", "99999999999999", "l", NULL);
  examine();
  const finding *f = only("leases", "warning", Q);
  has(f->found, "1 leases without a holder");
  mend(f->mend);
  assert_int_equal(test_redis_int(server, "ZSCORE", H ":leases", "l", NULL), 1);
}

static void leases_nobody_reaps(void **state) {
  (void)state;
  test_redis_do(server, "ZADD", "{heroq}:queues", "1", Q, NULL);
  test_redis_do(server, "ZADD", H ":leases", "1000", "l", NULL);
  test_redis_do(server, "HSET", H ":holders", "l", "7:a.1.b", NULL);
  examine();
  const finding *f = only("leases", "warning", Q);
  has(f->found, "ended");
  has(f->mend, "heroq actor --type osis");
}

static void old_handoff(void **state) {
  char now[24];
  (void)state;
  snprintf(now, sizeof now, "%lld", (long long)time(NULL) * 1000);
  there_is_an_actor(H ":actors");
  test_redis_do(server, "ZADD", "{heroq}:queues", "1", Q, NULL);
  test_redis_do(server, "LPUSH", H ":handoff", "h", NULL);
  examine(); /* nobody reaps */
  const finding *f = only("handoff", "warning", H ":handoff");
  has(f->found, "1 ids");
  test_redis_do(server, "HSET", H ":meta", "last_reap", now, NULL);
  test_redis_do(server, "ZADD", H ":seen", "1000", "h", NULL);
  examine(); /* somebody reaps, and it lies there all the same */
  f = only("handoff", "warning", H ":handoff");
  mend(f->mend);
  assert_int_equal(test_redis_int(server, "LLEN", Q, NULL), 1);
}

/* ---- jobs ---- */

static void job(const char *id, const char *status, const char *made) {
  char key[64];
  snprintf(key, sizeof key, "hero:job:%s", id);
  test_redis_do(server, "HSET", key, "script", "x", "status", status, "script_type", "osis", "createdAt", made, NULL);
}

static void dispatched_but_never_finished(void **state) {
  (void)state;
  there_is_an_actor(H ":actors");
  test_redis_do(server, "ZADD", "{heroq}:queues", "1", Q, NULL);
  job("never", "Dispatched", LONG_AGO);
  examine();
  const finding *f = only("jobs", "warning", "hero:job:never");
  has(f->found, "dispatched for");
  assert_string_equal(f->mend, "heroq start never");
  test_redis_do(server, "LPUSH", Q, "never", NULL);
  it_takes("never");
  examine();
  none();
}

static void started_and_lost(void **state) {
  (void)state;
  there_is_an_actor(H ":actors");
  test_redis_do(server, "ZADD", "{heroq}:queues", "1", Q, NULL);
  job("lost", "started", LONG_AGO);
  test_redis_do(server, "HSET", "hero:job:lost", "hq_token", "7:a.1.b", "hq_queue", Q, NULL);
  examine();
  const finding *f = only("jobs", "warning", "hero:job:lost");
  has(f->found, "started for");
  has(f->means, "its actor");
  mend(f->mend);
  it_takes("lost");
  examine();
  none();
}

static void foreign_actor_died(void **state) {
  (void)state;
  job("foreign", "started", LONG_AGO);
  examine();
  has(only("jobs", "warning", "hero:job:foreign")->means, "foreign");
  test_redis_do(server, "HSET", "hero:job:foreign", "timeout", "2000000000", NULL); /* it may take as long as that */
  examine();
  none();
  /* A foreign hash need not say when it was made, or of what type it is. */
  test_redis_do(server, "FLUSHALL", NULL);
  test_redis_do(server, "HSET", "hero:job:bare", "script", "x", "status", "dispatched", NULL);
  examine();
  has(only("jobs", "warning", "hero:job:bare")->mend, "<script_type>");
}

static void only_in_dead(void **state) {
  (void)state;
  there_is_an_actor(H ":actors");
  test_redis_do(server, "ZADD", "{heroq}:queues", "1", Q, NULL);
  job("half", "dispatched", LONG_AGO);
  test_redis_do(server, "ZADD", H ":dead", "5", "half", NULL);
  examine();
  const finding *f = only("jobs", "warning", "hero:job:half");
  has(f->found, "only in the dead letters");
  assert_string_equal(f->mend, "heroq requeue half");
  test_redis_do(server, "LPUSH", Q, "half", NULL);
  it_takes("half");
  examine();
  none();
}

static void many_of_a_kind_are_summed_up(void **state) {
  char id[16];
  (void)state;
  for (int i = 0; i < 30; i++) {
    snprintf(id, sizeof id, "n%d", i);
    job(id, "started", LONG_AGO);
  }
  examine();
  assert_int_equal(findings, 11);
  has(report[10].found, "20 more");
}

static void a_strangers_id_is_no_shell_command(void **state) {
  (void)state;
  test_redis_do(server, "HSET", "hero:job:a';reboot;'", "script", "x", "status", "started", "script_type", "`id`",
                NULL);
  examine();
  const finding *f = only("jobs", "warning", "hero:job:a';reboot;'");
  assert_string_equal(f->mend, "redis-cli LPUSH hero:q:work:type:<script_type> <id>");
}

static void endless_replies(void **state) {
  char key[64];
  (void)state;
  for (int i = 0; i < 12; i++) {
    snprintf(key, sizeof key, "hero:q:reply:r%d", i);
    test_redis_do(server, "LPUSH", key, "one", "two", NULL);
  }
  examine();
  const finding *f = only("replies", "warning", "hero:q:reply:*");
  has(f->found, "12 reply lists with 24 replies");
  for (int i = 0; i < 12; i++) {
    snprintf(key, sizeof key, "hero:q:reply:r%d", i);
    test_redis_do(server, "EXPIRE", key, "3600", NULL);
  }
  examine();
  none();
}

/* ---- the call ---- */

static void errors_of_the_call(void **state) {
  heroq_record *r = NULL;
  heroq_options *options;
  heroq_call *call;
  (void)state;
  assert_status(HEROQ_E_INVALID, heroq_doctor_run(NULL, NULL, &r, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_doctor_run(client, NULL, NULL, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_doctor_findings(NULL, &err), &err);
  assert_ok(heroq_options_new(&options, &err), &err);
  assert_ok(heroq_options_set(options, "lease", "1s", &err), &err);
  assert_status(HEROQ_E_OPTION, heroq_doctor_run(client, options, &r, NULL, &err), &err);
  test_assert_text(&err, "it takes fix");
  heroq_options_free(options);
  assert_ok(heroq_call_new(&call, &err), &err);
  heroq_call_cancel(call);
  assert_status(HEROQ_E_CANCELLED, heroq_doctor_run(client, NULL, &r, call, &err), &err);
  assert_null(r);
  heroq_call_free(call);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)
  const struct CMUnitTest tests[] = {
      TEST(healthy_empty),
      TEST(healthy_and_busy),
      TEST(server_away),
      TEST(wrong_password),
      TEST(eviction),
      TEST(persistence),
      TEST(rights),
      TEST(wrong_type),
      TEST(paused),
      TEST(nothing_consumes),
      TEST(fresh_jobs_may_wait_for_a_foreign_actor),
      TEST(types_mixed_up),
      TEST(ids_without_hash),
      TEST(holder_without_lease),
      TEST(lease_without_holder),
      TEST(leases_nobody_reaps),
      TEST(old_handoff),
      TEST(dispatched_but_never_finished),
      TEST(started_and_lost),
      TEST(foreign_actor_died),
      TEST(only_in_dead),
      TEST(many_of_a_kind_are_summed_up),
      TEST(a_strangers_id_is_no_shell_command),
      TEST(endless_replies),
      TEST(errors_of_the_call),
  };
  return cmocka_run_group_tests(tests, start, stop);
}
