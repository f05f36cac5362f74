/* What goes out: each held job's next command by its stage, and what its answer leads to (c/PROTOCOL.md, claim to bury). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "errors.h"
#include "keys_private.h"
#include "wire.h"

#define MISSING_FIRST_MS 1000 /* a foreign producer may push before it stores: looked for after 1, 2, 4 s */
#define MISSING_TIMES 3
#define MAX_BACKOFF_MS 3600000
#define LEAST_BULK_LIMIT (1u << 20) /* no server can be told a smaller one */
#define LOST_TEXT "lost: every actor that ran it went away"

static hq_slice own(hq_slice s) {
  if (!s.p || !s.n) return HQ_SLICE_NONE;
  char *copy = malloc(s.n + 1);
  if (!copy) return HQ_SLICE_NONE;
  memcpy(copy, s.p, s.n);
  copy[s.n] = 0;
  return (hq_slice){copy, s.n};
}

static void replace(hq_slice *slot, hq_slice s) {
  free((void *)slot->p);
  *slot = own(s);
}

void hq_settle_work(heroq_actor *a, hq_held *h, int stage) {
  h->stage = stage;
  hq_list_push(stage == HQ_ST_DONE ? &a->done : &a->work, h);
}

void hq_settle_again(hq_held *h, int64_t delay, int why, int64_t max, int64_t seq) {
  h->retry_delay = delay;
  h->retry_why = why;
  h->retry_max = max;
  h->retry_seq = seq;
  hq_settle_work(h->actor, h, HQ_ST_RETRY);
}

void hq_settle_bury(hq_held *h, const char *reason) {
  replace(&h->reason, hq_slice_of(reason));
  hq_settle_work(h->actor, h, HQ_ST_BURY);
}

void hq_settle_begin(heroq_actor *a, hq_held *h) {
  static const int stage[] = {[HQ_BY_FINISH] = HQ_ST_FINISH,
                              [HQ_BY_FAIL] = HQ_ST_FAIL,
                              [HQ_BY_RELEASE] = HQ_ST_UNCLAIM,
                              [HQ_BY_DROP] = HQ_ST_UNCLAIM};
  if (hq_notes_pending(h))
    h->settle_waits = true; /* what it told comes first */
  else
    hq_settle_work(a, h, stage[h->settle]);
}

static void through(hq_held *h) {
  if (h->actor->config.canonical)
    hq_held_drop(h);
  else if (h->reason.p)
    hq_settle_work(h->actor, h, HQ_ST_BURY);
  else
    hq_settle_work(h->actor, h, HQ_ST_DONE);
}

static void tell(hq_held *h, int outcome) {
  heroq_actor *a = h->actor;
  if (!h->sync || h->outcome) return;
  pthread_mutex_lock(&a->lock);
  h->outcome = outcome;
  hq_waitq_wake_all(&a->syncers);
  pthread_mutex_unlock(&a->lock);
}

static void acknowledged(hq_held *h) { tell(h, 1); }

/* Its end will not be undone: answer who waits, then DONE or BURY. */
static void close_run(hq_held *h) {
  acknowledged(h);
  if (h->reply_to.p)
    hq_settle_work(h->actor, h, HQ_ST_REPLY);
  else
    through(h);
}

/* The run has ended in the hash. */
static void ended(hq_held *h, hq_slice reply_to, hq_slice payload, hq_slice reason) {
  replace(&h->reason, reason);
  if (!reply_to.n && h->actor->config.reply_always) {
    hq_buf key = {0};
    hq_key_reply_of(&key, h->id);
    h->reply_to = own((hq_slice){hq_buf_cstr(&key), key.n});
    hq_buf_free(&key);
  } else
    replace(&h->reply_to, reply_to);
  if (h->reply_to.p) replace(&h->reply_payload, payload);
  if (!h->actor->config.replicas) {
    close_run(h);
    return;
  }
  h->ended_by = h->stage;
  h->stage = HQ_ST_SURE;
  hq_list_push(&h->actor->sure, h);
}

/* ---- commands ---- */

static void put_canonical(heroq_actor *a, hq_held *h) {
  hq_batch *b = &a->batch;
  switch (h->stage) {
  case HQ_ST_CLAIM: hq_put_start(b, h->job_key); break;
  case HQ_ST_FINISH: hq_put_result(b, h->job_key, false, h->payload); break;
  case HQ_ST_FAIL: hq_put_result(b, h->job_key, true, h->payload); break;
  default: /* given back: to where BLPOP takes next */
    hq_put_push(b, &h->source->keys, &h->id, 1, 0, 0, false, false);
    break;
  }
}

/* All but what hq_runs_put does. */
static void put_reliable(heroq_actor *a, hq_held *h) {
  hq_batch *b = &a->batch;
  const hq_qkeys *q = &h->source->keys;
  hq_idtok held = {h->id, h->token};
  switch (h->stage) {
  case HQ_ST_LOOK: hq_put_holder(b, h->look_queue, h->id); break;
  case HQ_ST_FAIL:
    hq_put_fail(b, h->job_key, h->token, h->payload, h->flags & HEROQ_NO_RETRY ? 0 : h->max_retries, a->config.dead);
    break;
  case HQ_ST_UNCLAIM: hq_put_unclaim(b, h->job_key, h->token, h->given); break;
  case HQ_ST_KILL: hq_put_kill(b, h->job_key, h->token, q->key[HQ_Q], h->over, hq_slice_of(LOST_TEXT)); break;
  case HQ_ST_RETRY: hq_put_retry(b, q, held, h->retry_delay, h->retry_why, h->retry_max, h->retry_seq); break;
  case HQ_ST_BURY: hq_put_bury(b, q, held, h->reason); break;
  }
}

void hq_settle_put(heroq_actor *a, hq_held *h) {
  if (!hq_engine_item(a, HQ_OP_HELD, h->source, h)) {
    hq_settle_work(a, h, h->stage);
    return;
  }
  if (h->stage == HQ_ST_REPLY) {
    if (hq_put_reply(&a->batch, h->reply_to, h->id, h->reply_payload)) return;
    a->items--; /* not a reply list: nobody may wait there */
    through(h);
  } else if (a->config.canonical)
    put_canonical(a, h);
  else
    put_reliable(a, h);
}

void hq_settle_put_done(heroq_actor *a) {
  hq_idtok pair[128];
  for (uint32_t i = 0; i < a->sources && a->done.first; i++) {
    hq_source *s = &a->source[i];
    hq_list others;
    hq_list_init(&others);
    uint32_t first = a->listed_count, n = 0;
    for (hq_held *h; n < 128 && (h = hq_list_pop(&a->done));) {
      if (h->source != s || !hq_engine_list(a, h)) {
        hq_list_push(&others, h);
        continue;
      }
      pair[n++] = (hq_idtok){h->id, h->token};
    }
    hq_list_splice(&others, &a->done);
    hq_list_splice(&a->done, &others);
    if (!n) continue;
    hq_item *item = hq_engine_item(a, HQ_OP_DONE, s, NULL);
    if (!item) {
      while (n--) hq_list_push(&a->done, a->listed[first + n]);
      return;
    }
    item->first = first;
    item->count = n;
    hq_put_done(&a->batch, &s->keys, pair, n);
    if (n == 128) i--; /* more of the same queue */
  }
}

/* ---- answers ---- */

static void count(heroq_actor *a, int64_t *counter) {
  pthread_mutex_lock(&a->lock);
  ++*counter;
  pthread_mutex_unlock(&a->lock);
}

/* The result was refused: it belongs to a run that is not the newest. The next claim says what becomes of the id. */
static void stale(hq_held *h) {
  heroq_actor *a = h->actor;
  count(a, &a->stale);
  tell(h, -1);
  hq_engine_event(a, "stale", h);
  if (a->config.canonical)
    hq_held_drop(h);
  else
    hq_settle_again(h, a->config.recheck, HQ_AGAIN, 0, 0);
}

static void ready(hq_held *h, const hq_claim *claim) {
  heroq_actor *a = h->actor;
  h->job = hq_wire_job_from_claim(h->id, h->source->script_type, claim->fields, claim->verdict);
  if (!h->job) { /* no memory now */
    hq_settle_work(a, h, HQ_ST_UNCLAIM);
    return;
  }
  if (!h->tabled) { /* its lease went while the claim was under way: nobody may run it here */
    h->settle = HQ_BY_ENGINE;
    hq_settle_work(a, h, HQ_ST_UNCLAIM);
    return;
  }
  h->job->token = h->number;
  if (claim->verdict == 1) h->due = claim->due < 0 ? hq_time_of_uuid7(h->id) : claim->due;
  h->job->due = h->due;
  if (hq_is_reply_list(claim->reply_to)) replace(&h->asks, claim->reply_to);
  h->max_retries = heroq_job_retries(h->job) >= 0 ? heroq_job_retries(h->job) : a->config.retries;
  h->stage = HQ_ST_READY;
  hq_list_push(&a->fresh, h);
}

/* ELSEWHERE: is it still held in the queue through which it was started? */
static void look(hq_held *h, const hq_claim *c) {
  replace(&h->look_queue, c->queue);
  replace(&h->over, c->token);
  h->look_then = h->stage;
  hq_settle_work(h->actor, h, HQ_ST_LOOK);
}

static void claimed(hq_held *h, const hq_reply *r) {
  heroq_actor *a = h->actor;
  hq_claim c;
  a->incoming--;
  bool bad = hq_reply_is_error(r, "WRONGTYPE"), understood = !bad && hq_get_claim(r, &c);
  if (a->config.canonical &&
      (!understood || c.verdict == HQ_MISSING)) { /* BLPOP has taken it: nobody knows it any more */
    hq_client_event(a->client, HQ_WARNING, HEROQ_E_NOT_FOUND, "%s: no usable hash, the id is dropped", h->job_key);
    hq_held_drop(h);
    return;
  }
  if (bad) {
    hq_settle_bury(h, "bad_hash");
    return;
  }
  if (!understood) { /* the server found nonsense where it wants a number, or worse */
    hq_settle_again(h, MISSING_FIRST_MS, HQ_AGAIN_MISSING, MISSING_TIMES, 0);
    replace(&h->reason, hq_slice_of("bad_hash"));
    return;
  }
  switch (c.verdict) {
  case HQ_MISSING:
    replace(&h->reason, hq_slice_of("missing_hash"));
    hq_settle_again(h, MISSING_FIRST_MS, HQ_AGAIN_MISSING, MISSING_TIMES, 0);
    break;
  case HQ_TERMINAL:
  case HQ_STOPPED:
    if (c.verdict == HQ_STOPPED) hq_tally_end(h, HQ_TALLY_FAILED);
    ended(h, c.reply_to, c.payload, c.reason);
    break;
  case HQ_SUPERSEDED: hq_settle_again(h, a->config.recheck, HQ_AGAIN, 0, c.seq); break;
  case HQ_ELSEWHERE:
    a->incoming++;
    look(h, &c);
    break;
  default: ready(h, &c);
  }
}

static void looked(hq_held *h, const hq_reply *r) {
  heroq_actor *a = h->actor;
  hq_slice holder = hq_reply_str(r);
  bool lives = holder.p && holder.n == h->over.n && h->over.p && memcmp(holder.p, h->over.p, holder.n) == 0;
  if (!lives) {
    hq_settle_work(a, h, h->look_then); /* with `over`: its run there is over, nobody else would ever end it */
    return;
  }
  if (h->look_then == HQ_ST_KILL) { /* our lease runs out, the next reaper asks again */
    hq_held_drop(h);
    return;
  }
  a->incoming--;
  hq_settle_again(h, a->config.lease, HQ_AGAIN, 0, 0);
}

static void killed(hq_held *h, const hq_reply *r) {
  heroq_actor *a = h->actor;
  hq_claim c;
  if (hq_reply_is_error(r, "WRONGTYPE") || !hq_get_claim(r, &c)) {
    hq_settle_bury(h, "bad_hash");
    return;
  }
  switch (c.verdict) {
  case HQ_MISSING: hq_settle_bury(h, "lost"); break;
  case HQ_SUPERSEDED: hq_settle_again(h, a->config.recheck, HQ_AGAIN, 0, c.seq); break;
  case HQ_ELSEWHERE: look(h, &c); break;
  default:
    if (c.verdict == HQ_STOPPED || hq_slice_is(c.reason, "lost")) hq_tally_end(h, HQ_TALLY_FAILED);
    ended(h, c.reply_to, c.payload.p ? c.payload : hq_slice_of(LOST_TEXT), c.reason);
  }
}

/* The output is within our limit and over the server's (proto-max-bulk-len): it would be refused for ever. The same
 * error for a small one says that the request was spoiled on its way. */
static bool server_finds_it_too_big(const hq_held *h, const hq_reply *r) {
  return h->stage == HQ_ST_FINISH && h->payload.n >= LEAST_BULK_LIMIT && hq_reply_is_error(r, "ERR") &&
         strstr(r->str.p, "invalid bulk length");
}

static void fail_as_too_big(hq_held *h) {
  heroq_actor *a = h->actor;
  char text[80];
  snprintf(text, sizeof text, "the server takes no output of %zu bytes", h->payload.n);
  pthread_mutex_lock(&a->lock);
  a->pending_bytes -= (int64_t)h->payload.n;
  replace(&h->payload, hq_slice_of(text));
  a->pending_bytes += (int64_t)h->payload.n;
  h->flags |= HEROQ_NO_RETRY;
  pthread_mutex_unlock(&a->lock);
  tell(h, -1);
  hq_settle_work(a, h, HQ_ST_FAIL);
}

static void finished(hq_held *h, const hq_reply *r) {
  heroq_actor *a = h->actor;
  hq_ended e;
  if (server_finds_it_too_big(h, r)) {
    fail_as_too_big(h);
    return;
  }
  if (hq_reply_is_error(r, NULL) || !hq_get_ended(r, &e) || e.verdict < 0) {
    stale(h);
    return;
  }
  if (!h->ended_by) {
    bool fails = h->stage == HQ_ST_FAIL;
    count(a, fails ? &a->failed : &a->finished);
    hq_tally_run(h);
    hq_tally_end(h, fails ? HQ_TALLY_FAILED : HQ_TALLY_FINISHED);
  }
  ended(h, e.reply_to, h->payload, HQ_SLICE_NONE);
}

static void failed(hq_held *h, const hq_reply *r) {
  heroq_actor *a = h->actor;
  hq_ended e;
  if (hq_reply_is_error(r, NULL) || !hq_get_ended(r, &e) || e.verdict < 0) {
    stale(h);
    return;
  }
  if (e.verdict == 0) {
    if (!h->ended_by) {
      count(a, &a->failed);
      hq_tally_run(h);
      hq_tally_end(h, HQ_TALLY_FAILED);
    }
    ended(h, e.reply_to, e.payload.p && e.payload.n ? e.payload : h->payload, e.reason);
    return;
  }
  acknowledged(h);
  count(a, &a->retried);
  hq_tally_run(h);
  hq_tally_count(h->source, HQ_TALLY_RETRIED, 1);
  int64_t delay = h->delay;
  if (delay < 0) {
    delay = a->config.backoff;
    for (int64_t n = e.verdict; n > 1 && delay < MAX_BACKOFF_MS; n--) delay *= 2;
    delay = (delay > MAX_BACKOFF_MS ? MAX_BACKOFF_MS : delay) / 2;
    delay += (int64_t)(hq_random() % (uint64_t)(2 * delay + 1)); /* U(0.5, 1.5) */
  }
  hq_settle_again(h, delay, HQ_AGAIN, 0, 0);
}

static void unclaimed(hq_held *h, const hq_reply *r) {
  heroq_actor *a = h->actor;
  hq_ended e;
  if (!hq_get_ended(r, &e)) e.verdict = 0;
  count(a, &a->released);
  if (e.verdict == 2) {
    hq_tally_end(h, HQ_TALLY_FAILED);
    ended(h, e.reply_to, e.payload, HQ_SLICE_NONE);
  } else if (h->settle == HQ_BY_DROP)
    hq_settle_again(h, hq_jitter(a->config.backoff), HQ_AGAIN_DROPPED, a->config.max_recoveries, 0);
  else
    hq_settle_again(h, -1, HQ_AGAIN, 0, 0);
}

static void again(hq_held *h, const hq_reply *r) {
  if (hq_reply_int(r, 0) != 2) {
    if (h->retry_delay > 0) hq_tend_promote_in(h->source, h->retry_delay);
    acknowledged(h);
    hq_held_drop(h);
  } else if (h->retry_why == HQ_AGAIN_DROPPED)
    hq_settle_work(h->actor, h, HQ_ST_KILL);
  else
    hq_settle_work(h->actor, h, HQ_ST_BURY); /* with the reason that was noted */
}

static void pushed_back(hq_held *h) {
  count(h->actor, &h->actor->released);
  acknowledged(h);
  hq_held_drop(h);
}

/* A key of one queue has a wrong type. That queue waits until somebody removes it, the others go on. */
static void wait_for_queue(hq_held *h) {
  heroq_actor *a = h->actor;
  int64_t until = hq_mono_ms() + HQ_LOOK_MS;
  if (!a->ill.first) a->ill_until = until;
  h->source->look_at = until;
  hq_list_push(&a->ill, h);
}

void hq_settle_ill(heroq_actor *a, int64_t now) {
  if (!a->ill.first || now < a->ill_until) return;
  hq_list again;
  hq_list_init(&again);
  hq_list_splice(&again, &a->ill);
  for (hq_held *h; (h = hq_list_pop(&again));) hq_settle_work(a, h, h->stage);
}

/* Errors that time may heal: the command is sent again after a pause. */
static bool wait_for_server(hq_held *h, const hq_reply *r) {
  heroq_actor *a = h->actor;
  heroq_error err;
  bool job_slot = h->stage != HQ_ST_RETRY && h->stage != HQ_ST_BURY && h->stage != HQ_ST_LOOK &&
                  !(h->stage == HQ_ST_UNCLAIM && a->config.canonical);
  const char *key = h->stage == HQ_ST_REPLY ? h->reply_to.p : job_slot ? h->job_key : h->source->keys.key[HQ_Q].p;
  heroq_status code = hq_reply_to_error(r, key, &err);
  bool for_good = job_slot && (code == HEROQ_E_WRONG_TYPE || code == HEROQ_E_SERVER);
  if (code == HEROQ_OK || (for_good && h->stage != HQ_ST_REPLY)) return false;
  hq_client_event(a->client, HQ_WARNING, code, "%s", err.text);
  if (for_good) return false; /* no reply; who waits reads the hash */
  if (code == HEROQ_E_WRONG_TYPE) {
    wait_for_queue(h);
    return true;
  }
  hq_engine_hold(a, r);
  hq_settle_work(a, h, h->stage);
  return true;
}

void hq_settle_answer(heroq_actor *a, hq_held *h, const hq_reply *r) {
  if (wait_for_server(h, r)) return;
  switch (h->stage) {
  case HQ_ST_CLAIM: claimed(h, r); break;
  case HQ_ST_LOOK: looked(h, r); break;
  case HQ_ST_FINISH: finished(h, r); break;
  case HQ_ST_FAIL: a->config.canonical ? finished(h, r) : failed(h, r); break;
  case HQ_ST_UNCLAIM: a->config.canonical ? pushed_back(h) : unclaimed(h, r); break;
  case HQ_ST_KILL: killed(h, r); break;
  case HQ_ST_REPLY: through(h); break;
  case HQ_ST_RETRY: again(h, r); break;
  case HQ_ST_BURY:
    count(a, &a->buried);
    acknowledged(h);
    hq_held_drop(h);
    break;
  }
}

void hq_settle_done_answer(heroq_actor *a, const hq_item *item, const hq_reply *r) {
  heroq_error err;
  bool again_later = hq_reply_to_error(r, item->source->keys.key[HQ_Q].p, &err) != HEROQ_OK;
  bool ill = err.code == HEROQ_E_WRONG_TYPE;
  if (again_later) {
    hq_client_event(a->client, HQ_WARNING, err.code, "done: %s", err.text);
    if (!ill) hq_engine_hold(a, r);
  }
  for (uint32_t i = 0; i < item->count; i++) {
    hq_held *h = a->listed[item->first + i];
    if (ill)
      wait_for_queue(h);
    else if (again_later)
      hq_settle_work(a, h, HQ_ST_DONE);
    else
      hq_held_drop(h);
  }
}

/* ---- durability=wait ---- */

void hq_settle_put_wait(heroq_actor *a) {
  if (!a->sure.first) return;
  if (!hq_engine_item(a, HQ_OP_PLAIN, NULL, NULL)) return; /* MARK */
  hq_item *item = hq_engine_item(a, HQ_OP_WAIT, NULL, NULL);
  if (!item) {
    a->items--;
    return;
  }
  item->mark = a->batch.count;
  item->first = a->listed_count;
  while (a->sure.first && hq_engine_list(a, a->sure.first)) {
    hq_list_pop(&a->sure);
    item->count++;
  }
  hq_put_wait(&a->batch, a->config.replicas, a->config.replica_timeout);
}

void hq_settle_wait_answer(heroq_actor *a, const hq_item *item, const hq_reply *r) {
  heroq_error err;
  bool sure = r && hq_get_wait(hq_batch_reply(&a->batch, item->mark), r, a->config.replicas, &err) == HEROQ_OK;
  if (r && !sure) {
    hq_client_event(a->client, HQ_WARNING, err.code, "%s", err.text);
    if (r->type == HQ_ERROR) hq_engine_hold(a, r);
  }
  for (uint32_t i = 0; i < item->count; i++) {
    hq_held *h = a->listed[item->first + i];
    if (sure)
      close_run(h);
    else
      hq_list_push(&a->sure, h);
  }
}

void hq_settle_not_sure(heroq_actor *a) {
  for (hq_held *h; (h = hq_list_pop(&a->sure)) != NULL;) {
    if (h->ended_by == HQ_ST_CLAIM) a->incoming++;
    hq_settle_work(a, h, h->ended_by);
  }
}
