/* What the guard counts instructions of: guard WHAT N [URL] does WHAT N times inside of `counted`, and nothing else
 * there. `guard fill N URL` puts N jobs into the queue for `take-finish`; `guard built` prints what it was built with, one
 * "name value" a line. */
#include <cjson/cJSON.h>
#include <gnu/libc-version.h>
#include <heroq/heroq.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "delivery.h"
#include "keys_private.h"
#include "wire.h"

static heroq_error err;
static const char json[] = "{\"jobId\":\"0198b1f0-1c00-7000-8000-000000000001\",\"script\":\"print(\\\"a\\\")\\n\","
                           "\"script_type\":\"python\",\"callerId\":\"web-17\",\"contextId\":\"order 4711\","
                           "\"status\":\"dispatched\",\"timeout\":60,\"retries\":3,\"env_vars\":{\"LANG\":\"C\"},"
                           "\"createdAt\":\"2026-01-01T00:00:00.000Z\",\"updatedAt\":\"2026-01-01T00:00:00.000Z\"}";
static heroq_client *client;
static heroq_job *job;
static hq_qkeys queue;
static hq_batch batch;
static heroq_actor *actor;

static void must(heroq_status status) {
  if (!status) return;
  fprintf(stderr, "guard: %s\n", err.text);
  exit(1);
}

static void must_be(bool is, const char *what) {
  if (is) return;
  fprintf(stderr, "guard: %s\n", what);
  exit(1);
}

/* ---- what is counted ---- */

static void keys(void) {
  heroq_bytes *key[3];
  must(heroq_key_job_hash("0198b1f0-1c00-7000-8000-000000000001", &key[0], &err));
  must(heroq_key_work_instance("python", "blue", "host-17", &key[1], &err));
  must(heroq_key_reply("0198b1f0-1c00-7000-8000-000000000001", &key[2], &err));
  for (int i = 0; i < 3; i++) heroq_bytes_free(key[i]);
}

static void queue_keys(void) {
  hq_qkeys of;
  must_be(hq_qkeys_init(&of, "hero:q:work:type:python:group:blue"), "no memory");
  hq_qkeys_free(&of);
}

static void new_job(void) {
  static char script[100];
  heroq_job *one;
  must(heroq_job_new("python", script, sizeof script, &one, &err));
  heroq_job_free(one);
}

static void from_json(void) {
  heroq_job *one;
  must(heroq_job_from_json(json, sizeof json - 1, &one, &err));
  heroq_job_free(one);
}

static void to_json(void) {
  heroq_bytes *text;
  must(heroq_job_to_json(job, &text, &err));
  heroq_bytes_free(text);
}

static void to_wire(void) {
  hq_slice id = hq_job_slice(job, HQ_F_JOB_ID);
  hq_batch_reset(&batch);
  hq_wire_put_create(&batch, job, HQ_SLICE_NONE);
  hq_put_push(&batch, &queue, &id, 1, 0, 0, false, false);
  must_be(!batch.failed && batch.count == 2, "no commands");
}

#define TEXT(text)                                                                                                     \
  {                                                                                                                    \
    .type = HQ_STRING, .str = { text, sizeof text - 1 }                                                                \
  }
static hq_reply hash[] = {TEXT("jobId"),       TEXT("0198b1f0-1c00-7000-8000-000000000001"),
                          TEXT("script"),      TEXT("print(\"a\")\n"),
                          TEXT("script_type"), TEXT("python"),
                          TEXT("callerId"),    TEXT("web-17"),
                          TEXT("status"),      TEXT("finished"),
                          TEXT("timeout"),     TEXT("60"),
                          TEXT("retries"),     TEXT("3"),
                          TEXT("env_vars"),    TEXT("{\"LANG\":\"C\"}"),
                          TEXT("createdAt"),   TEXT("2026-01-01T00:00:00.000Z"),
                          TEXT("updatedAt"),   TEXT("2026-01-01T00:00:00.000Z"),
                          TEXT("output"),      TEXT("a"),
                          TEXT("mine"),        TEXT("a foreign field"),
                          TEXT("hq_ttl"),      TEXT("86400000")};
static hq_reply claim[HQ_CLAIM_FIELD_COUNT] = {TEXT("print(\"a\")\n"), TEXT("60"), TEXT("3"), TEXT("web-17")};

static void from_hash(void) {
  hq_reply pairs = {.type = HQ_ARRAY, .count = sizeof hash / sizeof *hash, .element = hash};
  heroq_job *one;
  must(hq_wire_job_from_hash(hash[1].str, &pairs, &one, &err));
  heroq_job_free(one);
}

static void from_claim(void) {
  hq_reply fields = {.type = HQ_ARRAY, .count = HQ_CLAIM_FIELD_COUNT, .element = claim};
  heroq_job *one = hq_wire_job_from_claim(hash[1].str, "python", &fields, 1);
  must_be(one != NULL, "no memory");
  heroq_job_free(one);
}

static void take_finish(void) {
  heroq_job *one;
  must(heroq_actor_take(actor, 60000, &one, NULL, &err));
  must_be(one != NULL, "no job came");
  must(heroq_job_finish(one, "done", 4, 0, NULL, &err));
  heroq_job_free(one);
}

static const struct {
  const char *name;
  void (*once)(void);
} works[] = {{"keys", keys},           {"queue-keys", queue_keys}, {"new-job", new_job},
             {"from-json", from_json}, {"to-json", to_json},       {"to-wire", to_wire},
             {"from-hash", from_hash}, {"from-claim", from_claim}, {"take-finish", take_finish}};

/* By this name callgrind knows where to count. */
void counted(void (*once)(void), int n);
__attribute__((noinline)) void counted(void (*once)(void), int n) {
  for (int i = 0; i < n; i++) once();
}

/* ---- around it ---- */

static void built(void) {
  struct utsname machine;
  uname(&machine);
  printf("machine %s\n", machine.machine);
#ifdef __clang__
  printf("compiler clang %d\n", __clang_major__);
#else
  printf("compiler gcc %d\n", __GNUC__);
#endif
  printf("libc glibc %s\n", gnu_get_libc_version());
  printf("hiredis %d.%d\n", HIREDIS_MAJOR, HIREDIS_MINOR);
  printf("cJSON %s\n", cJSON_Version());
}

static void open_client(const char *url) { must(heroq_client_open(url, NULL, &client, NULL, &err)); }

static void fill(int n) {
  heroq_supervisor *supervisor;
  heroq_jobs *jobs;
  must(heroq_supervisor_open(client, NULL, &supervisor, &err));
  must(heroq_jobs_new(&jobs, &err));
  for (int i = 0; i < n; i++) {
    heroq_job *one;
    must(heroq_job_new("guard", "x", 1, &one, &err));
    must(heroq_jobs_add(jobs, one, &err));
    heroq_job_free(one);
  }
  must(heroq_supervisor_submit_many(supervisor, jobs, NULL, &err));
}

static void prepare(void) {
  must(heroq_job_from_json(json, sizeof json - 1, &job, &err));
  must_be(hq_qkeys_init(&queue, "hero:q:work:type:python"), "no memory");
  hq_batch_init(&batch);
  if (client) must(heroq_actor_open(client, "guard", "guard", NULL, &actor, NULL, &err));
}

static void end(void) {
  int32_t unacked;
  if (!actor) return;
  must(heroq_actor_close(actor, 60000, &unacked, NULL, &err));
  must_be(!unacked, "results were not acknowledged");
}

int main(int argc, char **argv) {
  int n = argc > 2 ? atoi(argv[2]) : 1;
  void (*once)(void) = NULL;
  for (size_t i = 0; argc > 1 && i < sizeof works / sizeof *works; i++)
    if (!strcmp(argv[1], works[i].name)) once = works[i].once;
  bool is_fill = argc == 4 && !strcmp(argv[1], "fill");
  if (argc == 2 && !strcmp(argv[1], "built")) return built(), 0;
  if (n < 1 || !(is_fill || (once && argc == (once == take_finish ? 4 : 3)))) {
    fprintf(stderr, "usage: guard built | guard fill N URL | guard WHAT N [URL]\n");
    return 64;
  }
  if (argc == 4) open_client(argv[3]);
  if (is_fill) return fill(n), 0;
  prepare();
  once(); /* what is done once in a process is not counted */
  counted(once, n);
  end();
  return 0;
}
