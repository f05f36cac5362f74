/* The doctor's checks of jobs that have not ended for long: results that nobody settled, jobs that no structure knows. */
#include "doctor_private.h"

#include "delivery.h"
#include "errors.h"
#include "job_private.h"
#include "keys_private.h"
#include <stdio.h>
#include <string.h>

enum {
  QUEUES = 16,     /* queues each is looked for in */
  LONGEST = 20000, /* a longer list is not searched */
  SECOND_LOOK = 200,
  SETTLING = 1200 /* ms in which who wrote an output or replied writes the status as well (c/PROTOCOL.md 1.4) */
};

/* ---- results without a status ---- */

enum { AWAIT_LOOKS = 3 };
static heroq_status look_at_results(hq_doctor *d, hq_batch *b, heroq_error *err) {
  hq_batch_reset(b);
  for (uint32_t i = 0; i < d->suspects; i++) {
    hq_buf reply = {0};
    hq_key_reply_of(&reply, hq_slice_of(d->suspect[i].id));
    hq_batch_words(b, "HMGET", d->suspect[i].key, "status", "hq_requeued", NULL);
    hq_batch_words(b, "HEXISTS", d->suspect[i].key, "output", NULL);
    hq_batch_words(b, "LLEN", hq_buf_cstr(&reply), NULL);
    hq_buf_free(&reply);
  }
  return d->suspects ? hq_errand_run(&d->errand, b, err) : HEROQ_OK;
}

/* The finding, or -1. */
static int result_of(const hq_batch *b, uint32_t i) {
  const hq_reply *fields = hq_batch_reply(b, i * AWAIT_LOOKS);
  hq_slice status = hq_reply_str(hq_reply_at(fields, 0));
  if (!status.p || hq_state_terminal(hq_state_parse(status))) return -1;
  if (hq_reply_int(hq_batch_reply(b, i * AWAIT_LOOKS + 1), 0) == 1) return HQ_FOUND_UNSETTLED;
  bool replied = hq_reply_int(hq_batch_reply(b, i * AWAIT_LOOKS + 2), 0) > 0;
  return replied && !hq_reply_str(hq_reply_at(fields, 1)).p ? HQ_FOUND_REPLY_ONLY : -1;
}

/* What a waiter does a second after it saw the output. */
static heroq_status settle(hq_doctor *d, const void *what, hq_repair *out, heroq_error *err) {
  const char *key = what;
  hq_batch b, write;
  hq_batch_init(&b);
  hq_batch_init(&write);
  hq_batch_words(&b, "HGET", key, "output", NULL);
  heroq_status status = hq_errand_all(&d->errand, &b, key, err);
  hq_slice output = hq_reply_str(hq_batch_reply(&b, 0));
  if (!status && output.p) {
    hq_put_settle(&write, key, true, output);
    status = hq_errand_all(&d->errand, &write, key, err);
    out->done = !status && hq_reply_int(hq_batch_reply(&write, 0), 0) == 1;
  }
  snprintf(out->said, sizeof out->said, "%s",
           out->done ? "the output stands as its result, the status is finished" : "nothing: it has moved on");
  hq_batch_free(&write);
  hq_batch_free(&b);
  return status;
}

static heroq_status add_result(hq_doctor *d, hq_suspect *s, int finding, heroq_error *err) {
  char found[200], mend[400], word[320];
  s->told = true;
  snprintf(mend, sizeof mend, "heroq await %s", hq_doctor_word(s->id, word));
  if (finding == HQ_FOUND_UNSETTLED) {
    snprintf(found, sizeof found, "it has an output, and its status is still %s", hq_state_name(s->state));
    return hq_doctor_add_mended(d, HQ_FOUND_UNSETTLED, s->key, found, mend, "write the output as its result", settle,
                                s->key, err);
  }
  snprintf(found, sizeof found, "a reply waits to be read, and its status is still %s", hq_state_name(s->state));
  hq_doctor_add(d, HQ_FOUND_REPLY_ONLY, s->key, found, mend);
  return HEROQ_OK;
}

heroq_status hq_check_await(hq_doctor *d, heroq_error *err) {
  bool any = false;
  hq_batch b;
  hq_batch_init(&b);
  heroq_status status = look_at_results(d, &b, err);
  for (uint32_t i = 0; i < d->suspects && !status; i++) any = any || result_of(&b, i) >= 0;
  if (!status && any) {
    status = hq_doctor_pause(d, SETTLING, err);
    if (!status) status = look_at_results(d, &b, err);
  }
  for (uint32_t i = 0; i < d->suspects && !status && any; i++) {
    int finding = result_of(&b, i);
    if (finding >= 0) status = add_result(d, &d->suspect[i], finding, err);
  }
  hq_batch_free(&b);
  return status;
}

/* ---- jobs that are nowhere ---- */

/* Whether a job may stand in this queue: the one it came through, any of its type, any at all if it names none. */
static bool may_be_in(const hq_suspect *s, const char *queue) {
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
static heroq_status search(hq_doctor *d, hq_suspect *s, heroq_error *err) {
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
  s->in_dead = false;
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

/* The queue it came through, else that of its type. */
static void queue_of(const hq_suspect *s, char out[420]) {
  hq_slice type, group, instance;
  bool typed = hq_name_ok(hq_slice_of(s->type));
  if (hq_key_queue_parts(hq_slice_of(s->queue), &type, &group, &instance))
    snprintf(out, 420, "%s", s->queue);
  else
    snprintf(out, 420, HQ_WORK_PREFIX "%s", typed ? s->type : "<script_type>");
}

static void add_lost(hq_doctor *d, const hq_suspect *s) {
  char found[300], mend[900], span[24], queue[420], word[320];
  bool typed = hq_name_ok(hq_slice_of(s->type)), dispatched = s->state == HQ_S_DISPATCHED;
  queue_of(s, queue);
  int at = snprintf(found, sizeof found, "%s", hq_state_name(s->state));
  if (s->age >= 0) at += snprintf(found + at, sizeof found - (size_t)at, " for %s", hq_doctor_span(s->age, span));
  snprintf(found + at, sizeof found - (size_t)at, ", %s",
           s->in_dead ? "only in the dead letters" : "in no queue and held by nobody");
  hq_doctor_word(s->id, word);
  if (dispatched && typed)
    snprintf(mend, sizeof mend, "heroq %s %s", s->in_dead ? "requeue" : "start", word);
  else
    snprintf(mend, sizeof mend, "redis-cli LPUSH %s %s", queue, word);
  enum hq_finding finding = dispatched ? HQ_FOUND_NEVER_STARTED : s->has_token ? HQ_FOUND_LOST : HQ_FOUND_FOREIGN_RUN;
  hq_doctor_add(d, dispatched && s->in_dead ? HQ_FOUND_HALF_REQUEUED : finding, s->key, found, mend);
}

/* Reads the hashes again: a suspect that has moved on is none. */
static heroq_status still_same(hq_doctor *d, heroq_error *err) {
  hq_batch b;
  hq_batch_init(&b);
  for (uint32_t i = 0; i < d->suspects; i++) hq_batch_words(&b, "HMGET", d->suspect[i].key, "status", "hq_token", NULL);
  heroq_status status = d->suspects ? hq_errand_run(&d->errand, &b, err) : HEROQ_OK;
  for (uint32_t i = 0; i < d->suspects && !status; i++) {
    hq_suspect *s = &d->suspect[i];
    const hq_reply *r = hq_batch_reply(&b, i);
    char token[200];
    hq_doctor_copy(token, sizeof token, hq_reply_str(hq_reply_at(r, 1)));
    if (hq_state_parse(hq_reply_str(hq_reply_at(r, 0))) != s->state || strcmp(token, s->token) != 0) s->found = true;
  }
  hq_batch_free(&b);
  return status;
}

static void add_all_lost(hq_doctor *d) {
  uint32_t unsearched = 0;
  char found[120];
  for (uint32_t i = 0; i < d->suspects; i++) {
    const hq_suspect *s = &d->suspect[i];
    if (s->found || s->told) continue;
    if (s->not_searched)
      unsearched++;
    else
      add_lost(d, s);
  }
  if (!unsearched) return;
  snprintf(found, sizeof found, "%u jobs were not looked for: their queue is too long, or there are too many",
           unsearched);
  hq_doctor_add(d, HQ_FOUND_NOT_SEARCHED, HQ_JOB_PREFIX "*", found, "run the doctor when the queue is shorter");
}

heroq_status hq_check_jobs(hq_doctor *d, heroq_error *err) {
  heroq_status status = HEROQ_OK;
  /* Twice, since an id may slip from one structure to the next between two looks. */
  for (int look = 0; look < 2 && !status; look++) {
    bool open = false;
    for (uint32_t i = 0; i < d->suspects && !status; i++) {
      hq_suspect *s = &d->suspect[i];
      if (!s->found && !s->told) status = search(d, s, err);
      open = open || !(s->found || s->told);
    }
    if (!status && !look && open) status = hq_doctor_pause(d, SECOND_LOOK, err);
  }
  if (!status) status = still_same(d, err);
  if (!status) add_all_lost(d);
  return status;
}
