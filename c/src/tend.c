/* Tending a queue without being an actor: what follows each answer of PROMOTE, REAP and KILL. */
#include "tend.h"

#include "clock.h"
#include "delivery.h"
#include "keys_private.h"
#include "options_private.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
  BATCH = 100,          /* ids that one PROMOTE or REAP deals with */
  ROUNDS = 50,          /* of them in one call: bounded work */
  MISSING_LOOKS = 3,    /* at an id without hash, before it is buried */
  MISSING_DELAY = 1000, /* ms to the second look */
  TAKEOVERS = 4         /* ELSEWHERE answers followed before the lease is left to run out */
};

typedef struct tending {
  heroq_client *client;
  hq_qkeys queue;
  char actor[64];
  hq_reap how;
  int64_t recheck;
  int64_t deadline;
  heroq_call *call;
  hq_tended done;
} tending;

static heroq_status run(tending *t, hq_batch *b, heroq_error *err) {
  return hq_client_exchange(t->client, b, t->deadline, t->call, err);
}

static void put_kill(hq_batch *b, const tending *t, hq_idtok job, hq_slice over) {
  hq_buf key = {0};
  hq_key_job(&key, job.id);
  hq_put_kill(b, hq_buf_cstr(&key), job.token, t->queue.key[HQ_Q], over,
              hq_slice_of("lost: actor after actor was lost with this job"));
  hq_buf_free(&key);
}

/* After ELSEWHERE: does that queue's holder still have the job? Only if not may it be ended over its token. */
static heroq_status still_held(tending *t, hq_idtok job, const hq_claim *where, bool *yes, heroq_error *err) {
  hq_qkeys other;
  hq_batch b;
  *yes = true;
  if (!where->queue.n || !where->token.n) return HEROQ_OK;
  if (!hq_qkeys_init(&other, where->queue.p)) return hq_fail_nomem(err);
  hq_batch_init(&b);
  hq_batch_begin(&b, 3, -1);
  hq_batch_text_arg(&b, "HGET");
  hq_batch_slice(&b, other.key[HQ_Q_HOLDERS]);
  hq_batch_slice(&b, job.id);
  heroq_status status = run(t, &b, err);
  if (!status) *yes = hq_slice_is(hq_reply_str(hq_batch_reply(&b, 0)), where->token.p);
  hq_batch_free(&b);
  hq_qkeys_free(&other);
  return status;
}

/* KILL, repeated over the tokens of other queues that hold the job no more. *verdict has slices into b. */
static heroq_status kill_job(tending *t, hq_idtok job, hq_batch *b, hq_claim *verdict, bool *broken, heroq_error *err) {
  char *over = NULL;
  bool held = false;
  heroq_status status = HEROQ_OK;
  *broken = false;
  for (int i = 0; i < TAKEOVERS && !status; i++) {
    hq_batch_reset(b);
    put_kill(b, t, job, over ? hq_slice_of(over) : hq_slice_of(""));
    status = run(t, b, err);
    if (status) break;
    const hq_reply *r = hq_batch_reply(b, 0);
    *broken = hq_reply_is_error(r, "WRONGTYPE");
    if (*broken || !hq_get_claim(r, verdict)) *verdict = (hq_claim){.verdict = HQ_NO_ANSWER};
    if (verdict->verdict != HQ_ELSEWHERE) break;
    status = still_held(t, job, verdict, &held, err);
    if (status || held) break;
    free(over);
    over = hq_strdup(verdict->token.p);
    if (!over) status = hq_fail_nomem(err);
  }
  free(over);
  return status;
}

static heroq_status bury(tending *t, hq_idtok job, const char *reason, heroq_error *err) {
  hq_batch b;
  hq_batch_init(&b);
  hq_put_bury(&b, &t->queue, job, hq_slice_of(reason));
  heroq_status status = run(t, &b, err);
  hq_batch_free(&b);
  return status;
}

/* The last step: what removes the lease. *over_limit: RETRY refused, nothing was removed. */
static heroq_status settle(tending *t, hq_idtok job, const hq_claim *v, bool *over_limit, heroq_error *err) {
  hq_batch b;
  heroq_status status = HEROQ_OK;
  hq_batch_init(&b);
  if (v->verdict == HQ_TERMINAL && v->reason.n)
    hq_put_bury(&b, &t->queue, job, v->reason);
  else if (v->verdict == HQ_TERMINAL || v->verdict == HQ_STOPPED)
    hq_put_done(&b, &t->queue, &job, 1);
  else if (v->verdict == HQ_SUPERSEDED)
    hq_put_retry(&b, &t->queue, job, t->recheck, HQ_AGAIN, 0, v->seq);
  else if (v->verdict == HQ_MISSING)
    hq_put_retry(&b, &t->queue, job, MISSING_DELAY, HQ_AGAIN_MISSING, MISSING_LOOKS, 0);
  if (b.count) status = run(t, &b, err); /* anything else: the lease runs out, and the next reaper asks again */
  *over_limit = v->verdict == HQ_MISSING && hq_reply_int(hq_batch_reply(&b, 0), 0) == 2;
  hq_batch_free(&b);
  return status;
}

/* KILL, then the reply, then BURY: each only after the one before was acknowledged. */
static heroq_status end_job(tending *t, hq_idtok job, heroq_error *err) {
  hq_claim v;
  bool broken, over_limit = false;
  hq_batch b, reply;
  hq_batch_init(&b);
  hq_batch_init(&reply);
  heroq_status status = kill_job(t, job, &b, &v, &broken, err);
  if (!status && broken) {
    status = bury(t, job, "bad_hash", err);
  } else if (!status) {
    bool asked = (v.verdict == HQ_TERMINAL || v.verdict == HQ_STOPPED) && v.reply_to.n;
    if (asked && hq_put_reply(&reply, v.reply_to, job.id, v.payload)) status = run(t, &reply, err);
    if (!status) status = settle(t, job, &v, &over_limit, err);
    if (!status && over_limit) status = bury(t, job, "missing_hash", err);
    if (!status && v.verdict == HQ_TERMINAL && hq_slice_is(v.reason, "lost")) t->done.lost++;
  }
  hq_batch_free(&reply);
  hq_batch_free(&b);
  return status;
}

/* One REAP and one PROMOTE. *more: a full batch came, so there may be more to do. */
static heroq_status one_round(tending *t, bool *more, heroq_error *err) {
  hq_batch b;
  hq_batch_init(&b);
  hq_put_reap(&b, &t->queue, t->actor, &t->how);
  hq_put_promote(&b, &t->queue, BATCH, NULL, 0);
  heroq_status status = run(t, &b, err);
  const hq_reply *reap = hq_batch_reply(&b, 0), *promote = hq_batch_reply(&b, 1);
  if (!status) status = hq_reply_to_error(reap, t->queue.key[HQ_Q].p, err);
  if (!status) status = hq_reply_to_error(promote, t->queue.key[HQ_Q].p, err);
  if (!status) {
    uint32_t items = hq_reply_count(reap), kills = items > 2 ? (items - 2) / 2 : 0;
    int64_t expired = hq_reply_int(hq_reply_at(reap, 0), 0);
    int64_t promoted = hq_reply_int(hq_reply_at(promote, 0), 0);
    t->done.returned += expired - (int64_t)kills + hq_reply_int(hq_reply_at(reap, 1), 0);
    t->done.promoted += promoted;
    t->done.next_due = hq_reply_int(hq_reply_at(promote, 1), -1);
    *more = promoted >= BATCH || expired >= BATCH;
    for (uint32_t i = 0; i < kills && !status; i++) status = end_job(t, hq_get_pair(reap, 2, i), err);
  }
  hq_batch_free(&b);
  return status;
}

heroq_status hq_tend_queue(heroq_client *c, const char *queue_key, int64_t deadline, heroq_call *call, hq_tended *out,
                           heroq_error *err) {
  const heroq_options *o = hq_client_options(c);
  int64_t lease = hq_option_int(o, HQ_OPT_LEASE);
  tending t = {.client = c,
               .how = {.batch = BATCH,
                       .max_recoveries = hq_option_int(o, HQ_OPT_MAX_RECOVERIES),
                       .backoff = hq_option_int(o, HQ_OPT_BACKOFF),
                       .interval = lease / 4 < 10000 ? lease / 4 : 10000,
                       .lease = lease,
                       .handoff_grace = hq_option_int(o, HQ_OPT_HANDOFF_GRACE)},
               .recheck = hq_option_int(o, HQ_OPT_RECHECK),
               .deadline = deadline,
               .call = call,
               .done = {.next_due = -1}};
  /* New for every call, as a token's holder must never be taken for another. */
  snprintf(t.actor, sizeof t.actor, "tend.%ld.%016llx", (long)getpid(), (unsigned long long)hq_random());
  if (!hq_qkeys_init(&t.queue, queue_key)) return hq_fail_nomem(err);
  heroq_status status = HEROQ_OK;
  bool more = true;
  for (int i = 0; i < ROUNDS && more && !status; i++) {
    more = false;
    status = one_round(&t, &more, err);
  }
  hq_qkeys_free(&t.queue);
  if (out) *out = t.done;
  return status ? status : hq_ok(err);
}
