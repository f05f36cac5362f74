/* Ending the jobs of a queue: it takes them as an actor does, ends them instead of running them, and lets go of them last. */
#include "clear.h"

#include <stdio.h>

#include "errors.h"
#include "keys_private.h"
#include "stop.h"

#define LEASE_MS 5000 /* of jobs that are being ended */

/* An id on its way out, and what is known of it. */
typedef struct leaver {
  hq_idtok held;
  hq_cancel cancel;
  bool ended; /* the id may go */
  hq_slice reply_to;
} leaver;

/* Without memory for it the whole batch fails: an id without its key would count as one without a hash. */
static const char *job_key(hq_batch *b, hq_buf *key, hq_slice id) {
  key->n = 0;
  hq_key_job(key, id);
  const char *text = hq_buf_cstr(key);
  if (key->failed) b->failed = true;
  return text;
}

static heroq_status run(hq_clearing *c, hq_batch *b, heroq_error *err) {
  return b->count ? hq_errand_run(&c->errand, b, err) : HEROQ_OK;
}

static void put_cancels(hq_batch *b, const leaver *l, uint32_t n) {
  hq_buf key = {0};
  for (uint32_t i = 0; i < n; i++) {
    hq_put_cancel(b, job_key(b, &key, l[i].held.id));
  }
  hq_buf_free(&key);
}

enum { UNKNOWN, ENDED_NOW, ASKED_TO_STOP, HAD_ENDED, FOREIGN };

/* A hash that is none is an id that nobody will miss. */
static void get_cancels(const hq_batch *b, leaver *l, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    bool ok = hq_get_cancel(hq_batch_reply(b, i), &l[i].cancel);
    int64_t verdict = ok ? l[i].cancel.verdict : HAD_ENDED;
    l[i].cancel.verdict = verdict;
    l[i].ended = verdict == UNKNOWN || verdict == ENDED_NOW || verdict == HAD_ENDED;
    if (verdict == ENDED_NOW) l[i].reply_to = l[i].cancel.reply_to;
  }
}

/* ---- what is held: those that a lost actor had begun, and those of foreign actors ---- */

static bool was_begun_here(const hq_clearing *c, const leaver *l) {
  return l->cancel.verdict == ASKED_TO_STOP && hq_slice_is(l->cancel.queue, c->queue.key[HQ_Q].p);
}

/* It is `stopping` now, so that a claim ends it; one that runs in another queue is told there. */
static heroq_status put_ends(hq_clearing *c, hq_batch *b, const leaver *l, uint32_t n, heroq_error *err) {
  hq_buf key = {0};
  heroq_status status = HEROQ_OK;
  for (uint32_t i = 0; i < n && !status; i++) {
    const char *job = job_key(b, &key, l[i].held.id);
    if (was_begun_here(c, &l[i])) {
      hq_run one = {.job_key = job, .token = l[i].held.token, .queue = c->queue.key[HQ_Q], .over = hq_slice_of("")};
      hq_put_claim(b, &one, 1);
    } else if (l[i].cancel.verdict == ASKED_TO_STOP) {
      status = hq_stop_put(b, l[i].held.id, &l[i].cancel, err);
    } else if (l[i].cancel.verdict == FOREIGN) {
      hq_put_result(b, job, true, hq_slice_of("cancelled"));
    }
  }
  hq_buf_free(&key);
  return status;
}

static void get_ends(const hq_clearing *c, const hq_batch *b, leaver *l, uint32_t n) {
  for (uint32_t i = 0, at = 0; i < n; i++) {
    hq_claim claim;
    hq_ended ended;
    if (was_begun_here(c, &l[i])) {
      bool ok = hq_get_claim(hq_batch_reply(b, at++), &claim);
      l[i].ended = ok && (claim.verdict == HQ_STOPPED || claim.verdict == HQ_TERMINAL || claim.verdict == HQ_MISSING);
      if (ok && claim.verdict == HQ_STOPPED) l[i].reply_to = claim.reply_to;
    } else if (l[i].cancel.verdict == ASKED_TO_STOP) {
      at++;
    } else if (l[i].cancel.verdict == FOREIGN) {
      bool ok = hq_get_ended(hq_batch_reply(b, at++), &ended);
      l[i].ended = ok;
      if (ok && ended.verdict > 0) l[i].reply_to = ended.reply_to;
    }
  }
}

static void put_replies(hq_batch *b, const leaver *l, uint32_t n) {
  for (uint32_t i = 0; i < n; i++)
    if (l[i].reply_to.n) hq_put_reply(b, l[i].reply_to, l[i].held.id, hq_slice_of("cancelled"));
}

/* The last step, after every reply was acknowledged. What did not end comes back later. */
static heroq_status let_go(hq_clearing *c, const leaver *l, uint32_t n, heroq_error *err) {
  hq_idtok gone[HQ_CLEAR_PIECE];
  uint32_t gone_count = 0;
  hq_batch b;
  hq_batch_init(&b);
  for (uint32_t i = 0; i < n; i++) {
    if (l[i].ended)
      gone[gone_count++] = l[i].held;
    else
      hq_put_retry(&b, &c->queue, l[i].held, c->recheck, HQ_AGAIN, 0, 0);
  }
  if (gone_count) hq_put_done(&b, &c->queue, gone, gone_count);
  heroq_status status = b.count ? hq_errand_all(&c->errand, &b, c->queue.key[HQ_Q_HOLDERS].p, err) : HEROQ_OK;
  hq_batch_free(&b);
  return status;
}

static int64_t count_cancelled(const leaver *l, uint32_t n) {
  int64_t sum = 0;
  for (uint32_t i = 0; i < n; i++)
    sum += l[i].ended && l[i].cancel.verdict != HAD_ENDED && l[i].cancel.verdict != UNKNOWN;
  return sum;
}

static heroq_status end_held(hq_clearing *c, leaver *l, uint32_t n, heroq_error *err) {
  hq_batch cancels, ends, replies;
  hq_batch_init(&cancels);
  hq_batch_init(&ends);
  hq_batch_init(&replies);
  put_cancels(&cancels, l, n);
  heroq_status status = run(c, &cancels, err);
  if (!status) get_cancels(&cancels, l, n);
  if (!status) status = put_ends(c, &ends, l, n, err);
  if (!status) status = run(c, &ends, err);
  if (!status) get_ends(c, &ends, l, n);
  if (!status) put_replies(&replies, l, n);
  if (!status) status = run(c, &replies, err);
  if (!status) status = let_go(c, l, n, err);
  if (!status) c->cancelled += count_cancelled(l, n);
  hq_batch_free(&replies);
  hq_batch_free(&ends);
  hq_batch_free(&cancels);
  return status;
}

/* ---- the two places ---- */

heroq_status hq_clear_waiting(hq_clearing *c, int64_t most, uint32_t *taken, heroq_error *err) {
  leaver l[HQ_CLEAR_PIECE];
  hq_batch b;
  hq_batch_init(&b);
  hq_put_take(&b, &c->queue, c->actor, LEASE_MS, most < HQ_CLEAR_PIECE ? (int32_t)most : HQ_CLEAR_PIECE, HQ_SLICE_NONE,
              c->recheck, 1, false);
  heroq_status status = hq_errand_all(&c->errand, &b, c->queue.key[HQ_Q].p, err);
  const hq_reply *r = hq_batch_reply(&b, 0);
  *taken = 0;
  if (!status && hq_get_take(r, taken) < 0)
    status = hq_fail(err, HEROQ_E_PROTOCOL, "%s: an answer that heroq does not understand", c->queue.key[HQ_Q].p);
  if (*taken > HQ_CLEAR_PIECE) *taken = HQ_CLEAR_PIECE;
  c->looked += *taken;
  for (uint32_t i = 0; i < *taken && !status; i++) l[i] = (leaver){.held = hq_get_pair(r, 1, i)};
  if (!status && *taken) status = end_held(c, l, *taken, err);
  hq_batch_free(&b);
  return status;
}

/* Copies of what runs stay; their turn to be looked at comes when that has ended. */
static heroq_status look_at_delayed(hq_clearing *c, hq_batch *ids, int64_t from, leaver *l, uint32_t *n, uint32_t *seen,
                                    heroq_error *err) {
  char first[24], last[24];
  hq_batch b;
  hq_batch_init(&b);
  snprintf(first, sizeof first, "%lld", (long long)from);
  snprintf(last, sizeof last, "%lld", (long long)from + HQ_CLEAR_PIECE - 1);
  hq_batch_words(ids, "ZRANGE", c->queue.key[HQ_Q_DELAYED].p, first, last, NULL);
  heroq_status status = hq_errand_all(&c->errand, ids, c->queue.key[HQ_Q_DELAYED].p, err);
  const hq_reply *found = hq_batch_reply(ids, 0);
  *n = 0;
  *seen = hq_reply_count(found) < HQ_CLEAR_PIECE ? hq_reply_count(found) : HQ_CLEAR_PIECE;
  if (*seen) {
    hq_batch_begin(&b, *seen + 2, -1);
    hq_batch_text_arg(&b, "HMGET");
    hq_batch_slice(&b, c->queue.key[HQ_Q_HOLDERS]);
    for (uint32_t i = 0; i < *seen; i++) hq_batch_slice(&b, hq_reply_str(hq_reply_at(found, i)));
    if (!status) status = hq_errand_all(&c->errand, &b, c->queue.key[HQ_Q_HOLDERS].p, err);
  }
  for (uint32_t i = 0; i < *seen && !status; i++)
    if (!hq_reply_str(hq_reply_at(hq_batch_reply(&b, 0), i)).p)
      l[(*n)++] = (leaver){.held = {.id = hq_reply_str(hq_reply_at(found, i))}};
  hq_batch_free(&b);
  return status;
}

/* Ended first, so that no actor can run them; then they come at once, to be found terminal. */
heroq_status hq_clear_delayed(hq_clearing *c, int64_t from, uint32_t *seen, uint32_t *stay, heroq_error *err) {
  leaver l[HQ_CLEAR_PIECE];
  uint32_t n;
  hq_batch ids, cancels, rest;
  hq_batch_init(&ids);
  hq_batch_init(&cancels);
  hq_batch_init(&rest);
  heroq_status status = look_at_delayed(c, &ids, from, l, &n, seen, err);
  if (!status) put_cancels(&cancels, l, n);
  if (!status) status = run(c, &cancels, err);
  if (!status) get_cancels(&cancels, l, n);
  if (!status) put_replies(&rest, l, n);
  for (uint32_t i = 0; i < n && !status; i++) {
    hq_put_due_now(&rest, &c->queue, l[i].held.id);
    c->cancelled += l[i].cancel.verdict == ENDED_NOW;
  }
  if (!status) hq_put_promote(&rest, &c->queue, 128, NULL, 0);
  if (!status) status = run(c, &rest, err);
  *stay = status ? 0 : *seen - n;
  c->looked += *seen;
  hq_batch_free(&rest);
  hq_batch_free(&cancels);
  hq_batch_free(&ids);
  return status;
}
