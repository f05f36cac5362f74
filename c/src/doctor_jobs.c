/* The doctor's checks of jobs: those that no structure knows any more, replies that nobody reads. A bounded sample. */
#include "clock.h"
#include "delivery.h"
#include "doctor_private.h"
#include "job_private.h"
#include "keys_private.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  SAMPLE = 1000,   /* job hashes looked at */
  ROUNDS = 20,     /* SCANs for them */
  SUSPECTS = 100,  /* of them looked for in the queues */
  QUEUES = 16,     /* queues each is looked for in */
  LONGEST = 20000, /* a longer list is not searched */
  YOUNG = 60000,   /* ms that a job may be on its way */
  SECOND_LOOK = 200,
  SHOWN = 10,  /* jobs named one by one */
  REPLIES = 10 /* lists without an end that are no accident */
};

/* ---- jobs that are nowhere ---- */

typedef struct suspect {
  const char *key, *id; /* into the names */
  int state;
  bool has_token, found, in_dead, not_searched;
  int64_t age; /* -1 unknown */
  char token[200], queue[420], type[129];
} suspect;

static void copy(char *out, size_t cap, hq_slice s) {
  snprintf(out, cap, "%.*s", (int)(s.n < cap ? s.n : cap - 1), s.p ? s.p : "");
}

static void put_job(hq_batch *b, const char *key) {
  hq_batch_words(b, "HMGET", key, "status", "script", "script_type", "hq_queue", "hq_token", "createdAt", "updatedAt",
                 "timeout", NULL);
}

/* Fills s from the hash; false: it has ended, waits for others, is young, or is none of ours. */
static bool is_suspect(const hq_reply *r, const char *key, int64_t now, suspect *s) {
  hq_slice status = hq_reply_str(hq_reply_at(r, 0)), updated = hq_reply_str(hq_reply_at(r, 6));
  int64_t timeout = hq_reply_int(hq_reply_at(r, 7), 0);
  *s = (suspect){.key = key, .id = key + strlen(HQ_JOB_PREFIX), .state = hq_state_parse(status)};
  if (s->state != HQ_S_DISPATCHED && s->state != HQ_S_STARTED && s->state != HQ_S_STOPPING) return false;
  int64_t made = hq_time_of(updated.n ? updated : hq_reply_str(hq_reply_at(r, 5)), hq_slice_of(s->id));
  s->age = made ? now - made : -1;
  copy(s->type, sizeof s->type, hq_reply_str(hq_reply_at(r, 2)));
  copy(s->queue, sizeof s->queue, hq_reply_str(hq_reply_at(r, 3)));
  copy(s->token, sizeof s->token, hq_reply_str(hq_reply_at(r, 4)));
  s->has_token = *s->token;
  bool foreign_run = s->state == HQ_S_STARTED && !s->has_token;
  int64_t may_take = foreign_run && timeout > YOUNG / 1000 && timeout < INT32_MAX ? timeout * 1000 : YOUNG;
  return s->age < 0 || s->age > may_take;
}

/* Whether a job may stand in this queue: the one it came through, any of its type, any at all if it names none. */
static bool may_be_in(const suspect *s, const char *queue) {
  hq_slice type, group, instance;
  if (*s->queue && strcmp(s->queue, queue) == 0) return true;
  return !*s->type || (hq_key_queue_parts(hq_slice_of(queue), &type, &group, &instance) && hq_slice_is(type, s->type));
}

enum { LOOKS = 6 };
static void put_looks(hq_batch *b, const hq_qkeys *q, const char *id) {
  hq_batch_words(b, "ZSCORE", q->key[HQ_Q_LEASES].p, id, NULL);
  hq_batch_words(b, "ZSCORE", q->key[HQ_Q_DELAYED].p, id, NULL);
  hq_batch_words(b, "LPOS", q->key[HQ_Q].p, id, NULL);
  hq_batch_words(b, "LPOS", q->key[HQ_Q_HANDOFF].p, id, NULL);
  hq_batch_words(b, "HGET", q->key[HQ_Q_HOLDERS].p, id, NULL);
  hq_batch_words(b, "ZSCORE", q->key[HQ_Q_DEAD].p, id, NULL);
}

static bool is_there(const hq_reply *r) { return r && (r->type == HQ_INT || hq_reply_str(r).p); }

/* Looks for one suspect in every queue it may be in. */
static heroq_status search(hq_doctor *d, suspect *s, heroq_error *err) {
  hq_batch b;
  uint32_t queues = 0;
  heroq_status status = HEROQ_OK;
  hq_batch_init(&b);
  for (uint32_t i = 0; i < d->queues.n && !status; i++) {
    hq_qkeys q;
    if (!may_be_in(s, d->queues.name[i])) continue;
    if (d->numbers[i].waiting > LONGEST || queues == QUEUES) {
      s->not_searched = true;
      continue;
    }
    if (hq_qkeys_init(&q, d->queues.name[i])) {
      put_looks(&b, &q, s->id);
      hq_qkeys_free(&q);
      queues++;
    } else {
      status = hq_fail_nomem(err);
    }
  }
  if (!status && b.count) status = hq_errand_run(&d->errand, &b, err);
  for (uint32_t i = 0; i < b.count && !status; i++) {
    if (!is_there(hq_batch_reply(&b, i))) continue;
    if (i % LOOKS == LOOKS - 1)
      s->in_dead = true;
    else
      s->found = true;
  }
  hq_batch_free(&b);
  return status;
}

static void add_lost(hq_doctor *d, const suspect *s) {
  char found[300], mend[900], span[24], queue[420], word[320];
  const char *means;
  hq_slice type, group, instance;
  bool typed = hq_name_ok(hq_slice_of(s->type));
  if (hq_key_queue_parts(hq_slice_of(s->queue), &type, &group, &instance))
    snprintf(queue, sizeof queue, "%s", s->queue);
  else
    snprintf(queue, sizeof queue, HQ_WORK_PREFIX "%s", typed ? s->type : "<script_type>");
  int at = snprintf(found, sizeof found, "%s", hq_state_name(s->state));
  if (s->age >= 0) at += snprintf(found + at, sizeof found - (size_t)at, " for %s", hq_doctor_span(s->age, span));
  snprintf(found + at, sizeof found - (size_t)at, ", %s",
           s->in_dead ? "only in the dead letters" : "in no queue and held by nobody");
  if (s->in_dead)
    means = "it was to be run again, and that was not carried to its end";
  else if (s->state == HQ_S_DISPATCHED)
    means = "it was created and never started, or a foreign actor died as it took it";
  else if (s->has_token)
    means = "the queue has lost it, its actor too";
  else
    means = "a foreign actor runs it for long, or died with it";
  hq_doctor_word(s->id, word);
  if (s->state == HQ_S_DISPATCHED && !s->in_dead && typed)
    snprintf(mend, sizeof mend, "heroq start %s", word);
  else
    snprintf(mend, sizeof mend, "redis-cli LPUSH %s %s", queue, word);
  hq_doctor_add(d, HQ_SEV_WARNING, s->key, found, means, mend);
}

/* Reads the hashes again: a suspect that has moved on is none. */
static heroq_status still_same(hq_doctor *d, suspect *s, uint32_t n, heroq_error *err) {
  hq_batch b;
  hq_batch_init(&b);
  for (uint32_t i = 0; i < n; i++) put_job(&b, s[i].key);
  heroq_status status = n ? hq_errand_run(&d->errand, &b, err) : HEROQ_OK;
  for (uint32_t i = 0; i < n && !status; i++) {
    const hq_reply *r = hq_batch_reply(&b, i);
    char token[200];
    copy(token, sizeof token, hq_reply_str(hq_reply_at(r, 4)));
    if (hq_state_parse(hq_reply_str(hq_reply_at(r, 0))) != s[i].state || strcmp(token, s[i].token)) s[i].found = true;
  }
  hq_batch_free(&b);
  return status;
}

static heroq_status find_suspects(hq_doctor *d, const hq_names *jobs, suspect *s, uint32_t *n, heroq_error *err) {
  hq_batch b;
  hq_batch_init(&b);
  for (uint32_t i = 0; i < jobs->n; i++) put_job(&b, jobs->name[i]);
  hq_batch_words(&b, "TIME", NULL);
  heroq_status status = hq_errand_run(&d->errand, &b, err);
  const hq_reply *time = hq_batch_reply(&b, jobs->n);
  int64_t now = hq_reply_int(hq_reply_at(time, 0), 0) * 1000;
  for (uint32_t i = 0; i < jobs->n && !status; i++) {
    const hq_reply *r = hq_batch_reply(&b, i);
    if (hq_reply_is_error(r, "NOPERM"))
      status = hq_reply_to_error(r, jobs->name[i], err);
    else if (*n < SUSPECTS && is_suspect(r, jobs->name[i], now, &s[*n]))
      ++*n;
  }
  hq_batch_free(&b);
  return status;
}

static void add_all_lost(hq_doctor *d, const suspect *s, uint32_t n) {
  uint32_t lost = 0, unsearched = 0;
  char found[120];
  for (uint32_t i = 0; i < n; i++) {
    if (s[i].found) continue;
    if (s[i].not_searched)
      unsearched++;
    else if (lost++ < SHOWN)
      add_lost(d, &s[i]);
  }
  if (lost > SHOWN) {
    snprintf(found, sizeof found, "%u more jobs like these", lost - SHOWN);
    hq_doctor_add(d, HQ_SEV_WARNING, HQ_JOB_PREFIX "*", found, "they will never finish by themselves",
                  "mend those above and run the doctor again");
  }
  if (unsearched) {
    snprintf(found, sizeof found, "%u jobs were not looked for: their queue is too long, or there are too many",
             unsearched);
    hq_doctor_add(d, HQ_SEV_UNKNOWN, HQ_JOB_PREFIX "*", found, "this could not be looked at",
                  "run the doctor when the queue is shorter");
  }
}

heroq_status hq_check_jobs(hq_doctor *d, heroq_error *err) {
  hq_names jobs = {0};
  bool whole;
  uint32_t n = 0;
  suspect *s = calloc(SUSPECTS, sizeof *s);
  if (!s) return hq_fail_nomem(err);
  heroq_status status = hq_find_keys(&d->errand, HQ_JOB_PREFIX "*", "hash", ROUNDS, SAMPLE, &jobs, &whole, err);
  if (!status) status = find_suspects(d, &jobs, s, &n, err);
  /* Twice, since an id may slip from one structure to the next between two looks. */
  for (int look = 0; look < 2 && !status; look++) {
    bool open = false;
    for (uint32_t i = 0; i < n && !status; i++) {
      if (!s[i].found) status = search(d, &s[i], err);
      open = open || !s[i].found;
    }
    if (!status && !look && open) status = hq_doctor_pause(d, SECOND_LOOK, err);
  }
  if (!status) status = still_same(d, s, n, err);
  if (!status) add_all_lost(d, s, n);
  hq_names_free(&jobs);
  free(s);
  return status;
}

/* ---- replies that pile up ---- */

heroq_status hq_check_replies(hq_doctor *d, heroq_error *err) {
  hq_names lists = {0};
  bool whole;
  uint32_t endless = 0;
  int64_t entries = 0;
  const char *example = "";
  char found[400], mend[400], word[320];
  hq_batch b;
  hq_batch_init(&b);
  heroq_status status = hq_find_keys(&d->errand, HQ_REPLY_PREFIX "*", "list", ROUNDS, SAMPLE, &lists, &whole, err);
  for (uint32_t i = 0; i < lists.n; i++) {
    hq_batch_words(&b, "PTTL", lists.name[i], NULL);
    hq_batch_words(&b, "LLEN", lists.name[i], NULL);
  }
  if (!status && lists.n) status = hq_errand_all(&d->errand, &b, HQ_REPLY_PREFIX "*", err);
  for (uint32_t i = 0; i < lists.n && !status; i++) {
    if (hq_reply_int(hq_batch_reply(&b, 2 * i), 0) != -1) continue;
    if (!endless++) example = lists.name[i];
    entries += hq_reply_int(hq_batch_reply(&b, 2 * i + 1), 0);
  }
  if (!status && endless >= REPLIES) {
    snprintf(found, sizeof found, "%u reply lists with %lld replies and no end, such as %.250s", endless,
             (long long)entries, example);
    snprintf(mend, sizeof mend, "redis-cli EXPIRE %s 3600", hq_doctor_word(example, word));
    hq_doctor_add(d, HQ_SEV_WARNING, HQ_REPLY_PREFIX "*", found,
                  "foreign actors reply where no supervisor waits: the lists stay for ever", mend);
  }
  hq_batch_free(&b);
  hq_names_free(&lists);
  return status;
}
