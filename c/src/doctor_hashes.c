/* The doctor's sample of job hashes: those that cannot be read, and those that have not ended for long. */
#include "doctor_private.h"

#include "clock.h"
#include "delivery.h"
#include "errors.h"
#include "job_private.h"
#include "keys_private.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  SAMPLE = 1000,    /* job hashes looked at */
  ROUNDS = 20,      /* SCANs for them */
  FEW = 10,         /* of each type that is no hash */
  SUSPECTS = 100,   /* of them looked into */
  YOUNG = 60000,    /* ms that a job may be on its way */
  SECOND_LOOK = 200 /* ms until a hash that looks broken is read again */
};

enum field { F_STATUS, F_SCRIPT, F_TYPE, F_QUEUE, F_TOKEN, F_CREATED, F_UPDATED, F_TIMEOUT };

/* EXISTS behind it, since a hash that expired meanwhile has no fields either. */
static void put_job(hq_batch *b, const char *key) {
  hq_batch_words(b, "HMGET", key, "status", "script", "script_type", "hq_queue", "hq_token", "createdAt", "updatedAt",
                 "timeout", NULL);
  hq_batch_words(b, "EXISTS", key, NULL);
}

static hq_slice field(const hq_reply *r, enum field f) { return hq_reply_str(hq_reply_at(r, f)); }

/* ---- hashes that cannot be read ---- */

/* What is wrong with it, or -1. */
static int fault_of(const hq_batch *b, uint32_t i) {
  const hq_reply *r = hq_batch_reply(b, 2 * i);
  hq_slice status = field(r, F_STATUS), script = field(r, F_SCRIPT);
  if (hq_reply_is_error(r, "WRONGTYPE")) return HQ_FOUND_HASH_WRONG_TYPE;
  if (hq_reply_int(hq_batch_reply(b, 2 * i + 1), 0) != 1) return -1;
  int state = hq_state_parse(status);
  if (status.p && state == HQ_S_UNKNOWN) return HQ_FOUND_HASH_STATUS;
  /* an ended job may have been stripped, and a tombstone has no script */
  return script.p || hq_state_terminal(state) ? -1 : HQ_FOUND_HASH_BROKEN;
}

typedef struct broken {
  uint32_t count;
  const char *key; /* the first */
  char status[80];
} broken;

static void note_broken(broken faults[3], const hq_names *jobs, uint32_t i, const hq_batch *b) {
  int fault = fault_of(b, i);
  if (fault < 0) return;
  broken *one = &faults[fault - HQ_FOUND_HASH_WRONG_TYPE];
  if (one->count++) return;
  one->key = jobs->name[i];
  hq_doctor_copy(one->status, sizeof one->status, field(hq_batch_reply(b, 2 * i), F_STATUS));
}

static void add_broken(hq_doctor *d, const broken b[3]) {
  for (int k = 0; k < 3; k++) {
    char found[500], mend[400], word[320], status[100] = "";
    const char *what = k == 0 ? "are no hashes" : k == 1 ? "have neither a script nor an end" : "have a strange status";
    if (!b[k].count) continue;
    if (k == 2) snprintf(status, sizeof status, ", whose status is \"%s\"", b[k].status);
    snprintf(found, sizeof found, "%u of %u keys looked at %s, such as %.250s%s", b[k].count, d->jobs.n, what, b[k].key,
             status);
    snprintf(mend, sizeof mend, k == 0 ? "redis-cli TYPE %s" : "redis-cli HGETALL %s", hq_doctor_word(b[k].key, word));
    hq_doctor_add(d, (enum hq_finding)(HQ_FOUND_HASH_WRONG_TYPE + k), HQ_JOB_PREFIX "*", found, mend);
  }
}

/* ---- those that have not ended ---- */

/* Fills s from the hash; false: it has ended, waits for others, is young, or is none of ours. */
static bool is_suspect(const hq_reply *r, const char *key, int64_t now, hq_suspect *s) {
  hq_slice updated = field(r, F_UPDATED);
  int64_t timeout = hq_reply_int(hq_reply_at(r, F_TIMEOUT), 0);
  *s = (hq_suspect){.key = key, .id = key + strlen(HQ_JOB_PREFIX), .state = hq_state_parse(field(r, F_STATUS))};
  if (s->state != HQ_S_DISPATCHED && s->state != HQ_S_STARTED && s->state != HQ_S_STOPPING) return false;
  int64_t made = hq_time_of(updated.n ? updated : field(r, F_CREATED), hq_slice_of(s->id));
  s->age = made ? now - made : -1;
  hq_doctor_copy(s->type, sizeof s->type, field(r, F_TYPE));
  hq_doctor_copy(s->queue, sizeof s->queue, field(r, F_QUEUE));
  hq_doctor_copy(s->token, sizeof s->token, field(r, F_TOKEN));
  s->has_token = *s->token;
  bool foreign_run = s->state == HQ_S_STARTED && !s->has_token;
  int64_t may_take = foreign_run && timeout > YOUNG / 1000 && timeout < INT32_MAX ? timeout * 1000 : YOUNG;
  return s->age < 0 || s->age > may_take;
}

static heroq_status read_jobs(hq_doctor *d, hq_batch *b, int64_t *now, heroq_error *err) {
  hq_batch_reset(b);
  for (uint32_t i = 0; i < d->jobs.n; i++) put_job(b, d->jobs.name[i]);
  hq_batch_words(b, "TIME", NULL);
  heroq_status status = hq_errand_run(&d->errand, b, err);
  *now = hq_reply_int(hq_reply_at(hq_batch_reply(b, 2 * d->jobs.n), 0), 0) * 1000;
  for (uint32_t i = 0; i < d->jobs.n && !status; i++)
    if (hq_reply_is_error(hq_batch_reply(b, 2 * i), "NOPERM"))
      status = hq_reply_to_error(hq_batch_reply(b, 2 * i), d->jobs.name[i], err);
  return status;
}

/* A few of what is no hash, then hashes. */
static heroq_status find_jobs(hq_doctor *d, heroq_error *err) {
  static const char *const types[] = {"string", "list", "set", "zset", "stream"};
  heroq_status status = HEROQ_OK;
  bool whole;
  for (size_t i = 0; i < sizeof types / sizeof *types && !status; i++)
    status = hq_find_keys(&d->errand, HQ_JOB_PREFIX "*", types[i], ROUNDS / 4, d->jobs.n + FEW, &d->jobs, &whole, err);
  return status
             ? status
             : hq_find_keys(&d->errand, HQ_JOB_PREFIX "*", "hash", ROUNDS, d->jobs.n + SAMPLE, &d->jobs, &whole, err);
}

heroq_status hq_check_hashes(hq_doctor *d, heroq_error *err) {
  broken faults[3] = {0};
  bool bad = false;
  int64_t now;
  hq_batch b;
  hq_batch_init(&b);
  d->suspect = calloc(SUSPECTS + 1, sizeof *d->suspect);
  heroq_status status = d->suspect ? HEROQ_OK : hq_fail_nomem(err);
  if (!status) status = find_jobs(d, err);
  if (!status) status = read_jobs(d, &b, &now, err);
  for (uint32_t i = 0; i < d->jobs.n && !status; i++) bad = bad || fault_of(&b, i) >= 0;
  if (!status && bad) { /* a foreign program may store a hash in several steps */
    status = hq_doctor_pause(d, SECOND_LOOK, err);
    if (!status) status = read_jobs(d, &b, &now, err);
  }
  for (uint32_t i = 0; i < d->jobs.n && !status; i++) {
    hq_suspect *next = &d->suspect[d->suspects];
    note_broken(faults, &d->jobs, i, &b);
    if (d->suspects < SUSPECTS && is_suspect(hq_batch_reply(&b, 2 * i), d->jobs.name[i], now, next)) d->suspects++;
  }
  if (!status) add_broken(d, faults);
  hq_batch_free(&b);
  return status;
}
