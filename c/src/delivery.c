/* The operations in a queue's slot, on reply lists and on ctl lists: which keys and arguments each takes, and what it
 * answers. The job's slot is in delivery_job.c. */
#include "delivery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "errors.h"
#include "keys_private.h"
#include "scripts.h"

#define MAX_DEAD 10000
#define KEEP_STOPS_MS 3600000
#define KEEP_DEAD_MS 2592000000

static const char *const key_name[HQ_Q_KEY_COUNT] = {
    [HQ_Q_HANDOFF] = "handoff", [HQ_Q_SEEN] = "seen",       [HQ_Q_LEASES] = "leases",
    [HQ_Q_HOLDERS] = "holders", [HQ_Q_DELAYED] = "delayed", [HQ_Q_RECOVERIES] = "recoveries",
    [HQ_Q_MISSING] = "missing", [HQ_Q_STOPS] = "stops",     [HQ_Q_DEAD] = "dead",
    [HQ_Q_REASONS] = "reasons", [HQ_Q_INTENTS] = "intents", [HQ_Q_META] = "meta",
    [HQ_Q_ACTORS] = "actors",   [HQ_Q_MINUTES] = "minutes", [HQ_Q_FINISHED] = "finished",
    [HQ_Q_FAILED] = "failed",
};

bool hq_qkeys_init(hq_qkeys *k, const char *queue_key) {
  hq_buf b = {0};
  size_t at[HQ_Q_KEY_COUNT];
  for (int i = 0; i < HQ_Q_KEY_COUNT; i++) {
    at[i] = b.n;
    if (i == HQ_Q) {
      hq_buf_text(&b, queue_key);
    } else {
      hq_buf_char(&b, '{');
      hq_buf_text(&b, queue_key);
      hq_buf_text(&b, "}:");
      hq_buf_text(&b, key_name[i]);
    }
    hq_buf_char(&b, '\0');
  }
  memset(k, 0, sizeof *k);
  if (b.failed) {
    hq_buf_free(&b);
    return false;
  }
  k->text = b.p;
  for (int i = 0; i < HQ_Q_KEY_COUNT; i++) k->key[i] = (hq_slice){b.p + at[i], strlen(b.p + at[i])};
  return true;
}

void hq_qkeys_free(hq_qkeys *k) {
  free(k->text);
  memset(k, 0, sizeof *k);
}

void hq_actor_key(hq_buf *out, const hq_qkeys *q, hq_slice actor) {
  hq_buf_char(out, '{');
  hq_buf_add(out, q->key[HQ_Q].p, q->key[HQ_Q].n);
  hq_buf_text(out, "}:actor:");
  hq_buf_add(out, actor.p, actor.n);
}

/* Begins a script and gives it keys of the queue; nargs arguments follow. */
static void begin(hq_batch *b, const hq_qkeys *q, int script, const uint8_t *key, uint32_t nkeys, uint32_t nargs) {
  hq_batch_script(b, script, nkeys, nargs);
  for (uint32_t i = 0; i < nkeys; i++) hq_batch_slice(b, q->key[key[i]]);
}
#define BEGIN(b, q, script, key, nargs) begin(b, q, HQ_SCRIPT_##script, key, sizeof(key), nargs)

static void put_pairs(hq_batch *b, const hq_idtok *held, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    hq_batch_slice(b, held[i].id);
    hq_batch_slice(b, held[i].token);
  }
}

void hq_put_take(hq_batch *b, const hq_qkeys *q, const char *actor, int64_t lease, int32_t n, hq_slice handoff_id,
                 int64_t recheck, int32_t empty, bool behind) {
  static const uint8_t key[] = {HQ_Q,         HQ_Q_HANDOFF,    HQ_Q_LEASES, HQ_Q_HOLDERS,
                                HQ_Q_DELAYED, HQ_Q_RECOVERIES, HQ_Q_META};
  BEGIN(b, q, TAKE, key, 7);
  hq_batch_text_arg(b, actor);
  hq_batch_int(b, lease);
  hq_batch_int(b, n);
  hq_batch_slice(b, handoff_id);
  hq_batch_int(b, recheck);
  hq_batch_int(b, empty);
  hq_batch_int(b, behind);
}

int32_t hq_get_take(const hq_reply *r, uint32_t *n) {
  static const char *const word[] = {"OK", "PAUSED", "SUSPECT", "ALONE"};
  hq_slice s = hq_reply_str(hq_reply_at(r, 0));
  for (int32_t i = 0; i < 4; i++) {
    if (s.p && hq_slice_is(s, word[i])) {
      *n = (hq_reply_count(r) - 1) / 2;
      return i;
    }
  }
  *n = 0;
  return -1;
}

hq_idtok hq_get_pair(const hq_reply *r, uint32_t skip, uint32_t i) {
  return (hq_idtok){hq_reply_str(hq_reply_at(r, skip + 2 * i)), hq_reply_str(hq_reply_at(r, skip + 2 * i + 1))};
}

/* Seconds with milliseconds, whatever the locale's decimal point is. */
static void put_seconds(hq_batch *b, double seconds) {
  char text[32];
  int64_t ms = (int64_t)(seconds * 1000 + 0.5);
  int n = snprintf(text, sizeof text, "%lld.%03d", (long long)(ms / 1000), (int)(ms % 1000));
  hq_batch_arg(b, text, (size_t)n);
}

void hq_put_blmove(hq_batch *b, const hq_qkeys *q, double seconds) {
  hq_batch_begin(b, 6, -1);
  hq_batch_text_arg(b, "BLMOVE");
  hq_batch_slice(b, q->key[HQ_Q]);
  hq_batch_slice(b, q->key[HQ_Q_HANDOFF]);
  hq_batch_text_arg(b, "RIGHT");
  hq_batch_text_arg(b, "LEFT");
  put_seconds(b, seconds);
}

void hq_put_blpop(hq_batch *b, hq_slice key, double seconds) {
  hq_batch_begin(b, 3, -1);
  hq_batch_text_arg(b, "BLPOP");
  hq_batch_slice(b, key);
  put_seconds(b, seconds);
}

void hq_put_beat(hq_batch *b, const hq_qkeys *q, int64_t lease, const hq_idtok *held, uint32_t n) {
  static const uint8_t key[] = {HQ_Q_LEASES, HQ_Q_HOLDERS, HQ_Q_STOPS, HQ_Q_META};
  BEGIN(b, q, BEAT, key, 1 + 2 * n);
  hq_batch_int(b, lease);
  put_pairs(b, held, n);
}

bool hq_get_beat(const hq_reply *r, hq_beat *out) {
  memset(out, 0, sizeof *out);
  if (hq_reply_count(r) != 3) return false;
  out->lost = hq_reply_at(r, 0);
  out->stop = hq_reply_at(r, 1);
  out->paused = hq_reply_int(hq_reply_at(r, 2), 0) != 0;
  return out->lost->type == HQ_ARRAY && out->stop->type == HQ_ARRAY;
}

void hq_put_mine(hq_batch *b, const hq_qkeys *q, const char *actor) {
  static const uint8_t key[] = {HQ_Q_HOLDERS};
  BEGIN(b, q, MINE, key, 1);
  hq_batch_text_arg(b, actor);
}

void hq_put_done(hq_batch *b, const hq_qkeys *q, const hq_idtok *held, uint32_t n) {
  static const uint8_t key[] = {HQ_Q_LEASES, HQ_Q_HOLDERS, HQ_Q_RECOVERIES, HQ_Q_MISSING,
                                HQ_Q_STOPS,  HQ_Q_DEAD,    HQ_Q_REASONS};
  BEGIN(b, q, DONE, key, 2 * n);
  put_pairs(b, held, n);
}

void hq_put_retry(hq_batch *b, const hq_qkeys *q, hq_idtok held, int64_t delay, int32_t why, int64_t max, int64_t seq) {
  static const uint8_t key[] = {HQ_Q_LEASES,  HQ_Q_HOLDERS, HQ_Q_DELAYED, HQ_Q_RECOVERIES,
                                HQ_Q_MISSING, HQ_Q_META,    HQ_Q};
  BEGIN(b, q, RETRY, key, 6);
  put_pairs(b, &held, 1);
  hq_batch_int(b, delay);
  hq_batch_int(b, why);
  hq_batch_int(b, max);
  hq_batch_int(b, seq);
}

void hq_put_bury(hq_batch *b, const hq_qkeys *q, hq_idtok held, hq_slice reason) {
  static const uint8_t key[] = {HQ_Q_LEASES, HQ_Q_HOLDERS, HQ_Q_RECOVERIES, HQ_Q_MISSING,
                                HQ_Q_STOPS,  HQ_Q_DEAD,    HQ_Q_REASONS};
  BEGIN(b, q, BURY, key, 4);
  put_pairs(b, &held, 1);
  hq_batch_slice(b, reason);
  hq_batch_int(b, MAX_DEAD);
}

void hq_put_promote(hq_batch *b, const hq_qkeys *q, int32_t n, const char *actor, int64_t watch) {
  static const uint8_t key[] = {HQ_Q_DELAYED, HQ_Q, HQ_Q_META};
  BEGIN(b, q, PROMOTE, key, actor ? 3 : 1);
  hq_batch_int(b, n);
  if (!actor) return;
  hq_batch_text_arg(b, actor);
  hq_batch_int(b, watch);
}

void hq_put_reap(hq_batch *b, const hq_qkeys *q, const char *actor, const hq_reap *how) {
  static const uint8_t key[] = {HQ_Q,         HQ_Q_HANDOFF, HQ_Q_SEEN,    HQ_Q_LEASES, HQ_Q_HOLDERS, HQ_Q_RECOVERIES,
                                HQ_Q_MISSING, HQ_Q_STOPS,   HQ_Q_DELAYED, HQ_Q_DEAD,   HQ_Q_REASONS, HQ_Q_META};
  BEGIN(b, q, REAP, key, 9);
  hq_batch_text_arg(b, actor);
  hq_batch_int(b, how->batch);
  hq_batch_int(b, how->max_recoveries);
  hq_batch_int(b, how->backoff);
  hq_batch_int(b, how->interval);
  hq_batch_int(b, how->lease);
  hq_batch_int(b, how->handoff_grace);
  hq_batch_int(b, KEEP_STOPS_MS);
  hq_batch_int(b, KEEP_DEAD_MS);
}

void hq_put_intent(hq_batch *b, const hq_qkeys *q, hq_slice id, int64_t delay, int64_t at) {
  static const uint8_t key[] = {HQ_Q_INTENTS};
  BEGIN(b, q, INTENT, key, 3);
  hq_batch_int(b, delay);
  hq_batch_int(b, at);
  hq_batch_slice(b, id);
}

void hq_put_intents(hq_batch *b, const hq_qkeys *q, int64_t grace, int32_t n) {
  static const uint8_t key[] = {HQ_Q_INTENTS};
  BEGIN(b, q, INTENTS, key, 2);
  hq_batch_int(b, grace);
  hq_batch_int(b, n);
}

void hq_put_intent_off(hq_batch *b, const hq_qkeys *q, hq_slice id) {
  hq_batch_begin(b, 3, -1);
  hq_batch_text_arg(b, "ZREM");
  hq_batch_slice(b, q->key[HQ_Q_INTENTS]);
  hq_batch_slice(b, id);
}

void hq_put_wait(hq_batch *b, int64_t replicas, int64_t timeout) {
  hq_batch_script(b, HQ_SCRIPT_MARK, 1, 0);
  hq_batch_text_arg(b, HQ_MARK_KEY);
  hq_batch_begin(b, 3, -1);
  hq_batch_text_arg(b, "WAIT");
  hq_batch_int(b, replicas);
  hq_batch_int(b, timeout);
}

heroq_status hq_get_wait(const hq_reply *mark, const hq_reply *wait, int64_t replicas, heroq_error *err) {
  int64_t have = hq_reply_int(wait, 0);
  heroq_status status = hq_reply_to_error(mark, "durability=wait", err);
  if (status == HEROQ_OK) status = hq_reply_to_error(wait, "durability=wait", err);
  if (status == HEROQ_OK && (hq_reply_int(mark, 0) != 1 || have < replicas))
    status = hq_fail(err, HEROQ_E_UNAVAILABLE,
                     "durability=wait: the server has it, but only %lld of %lld replicas said in time that they do",
                     (long long)have, (long long)replicas);
  if (status) hq_error_flag(err, HEROQ_RETRYABLE | HEROQ_MAYBE_DONE);
  return status;
}

void hq_put_push(hq_batch *b, const hq_qkeys *q, const hq_slice *id, uint32_t n, int64_t delay, int64_t at, bool urgent,
                 bool noted) {
  static const uint8_t key[] = {HQ_Q, HQ_Q_DELAYED, HQ_Q_INTENTS};
  if (delay <= 0 && at <= 0 && !urgent && !noted) {
    hq_batch_begin(b, 2 + n, -1);
    hq_batch_text_arg(b, "LPUSH");
    hq_batch_slice(b, q->key[HQ_Q]);
  } else {
    BEGIN(b, q, PUSH, key, 3 + n);
    hq_batch_int(b, urgent);
    hq_batch_int(b, delay);
    hq_batch_int(b, at);
  }
  for (uint32_t i = 0; i < n; i++) hq_batch_slice(b, id[i]);
}

void hq_put_push_again(hq_batch *b, const hq_qkeys *q, hq_slice id) {
  static const uint8_t key[] = {HQ_Q, HQ_Q_DEAD, HQ_Q_REASONS, HQ_Q_STOPS, HQ_Q_RECOVERIES, HQ_Q_MISSING};
  BEGIN(b, q, PUSH_AGAIN, key, 1);
  hq_batch_slice(b, id);
}

static void put_stop(hq_batch *b, const hq_qkeys *q, hq_slice id, int64_t which) {
  static const uint8_t key[] = {HQ_Q_STOPS, HQ_Q_DELAYED};
  BEGIN(b, q, STOP, key, 2);
  hq_batch_slice(b, id);
  hq_batch_int(b, which);
}

void hq_put_due_now(hq_batch *b, const hq_qkeys *q, hq_slice id) { put_stop(b, q, id, 0); }

void hq_put_stop(hq_batch *b, const hq_qkeys *q, hq_slice id) { put_stop(b, q, id, 1); }

void hq_put_seen(hq_batch *b, const hq_qkeys *q, const char *actor, hq_slice what, int64_t ttl) {
  hq_buf info = {0};
  hq_actor_key(&info, q, hq_slice_of(actor));
  if (info.failed) b->failed = true;
  hq_batch_script(b, HQ_SCRIPT_SEEN, 2, 3);
  hq_batch_slice(b, q->key[HQ_Q_ACTORS]);
  hq_batch_arg(b, info.p, info.n);
  hq_batch_text_arg(b, actor);
  hq_batch_slice(b, what);
  hq_batch_int(b, ttl);
  hq_buf_free(&info);
}

void hq_put_tally(hq_batch *b, const hq_qkeys *q, const char *actor, int64_t n, const int64_t count[HQ_TALLY_KINDS],
                  hq_slice waits, hq_slice runs) {
  hq_buf tally = {0};
  hq_buf_char(&tally, '{');
  hq_buf_add(&tally, q->key[HQ_Q].p, q->key[HQ_Q].n);
  hq_buf_text(&tally, "}:tally:");
  hq_buf_text(&tally, actor);
  if (tally.failed) b->failed = true;
  hq_batch_script(b, HQ_SCRIPT_TALLY, 2, 3 + HQ_TALLY_KINDS);
  hq_batch_arg(b, tally.p, tally.n);
  hq_batch_slice(b, q->key[HQ_Q_MINUTES]);
  hq_batch_int(b, n);
  for (int i = 0; i < HQ_TALLY_KINDS; i++) hq_batch_int(b, count[i]);
  hq_batch_slice(b, waits);
  hq_batch_slice(b, runs);
  hq_buf_free(&tally);
}

void hq_put_ended(hq_batch *b, const hq_qkeys *q, uint32_t finished, uint32_t n) {
  static const uint8_t key[] = {HQ_Q_FINISHED, HQ_Q_FAILED};
  BEGIN(b, q, ENDED, key, 2 + 2 * n);
  hq_batch_int(b, HQ_HISTORY_KEPT);
  hq_batch_int(b, finished);
}

void hq_put_register(hq_batch *b, hq_slice queue_key, int64_t wall_ms) {
  hq_batch_begin(b, 4, -1);
  hq_batch_text_arg(b, "ZADD");
  hq_batch_text_arg(b, HQ_QUEUES_KEY);
  hq_batch_int(b, wall_ms);
  hq_batch_slice(b, queue_key);
}

void hq_put_lpop(hq_batch *b, hq_slice key, int32_t n) {
  hq_batch_begin(b, 3, -1);
  hq_batch_text_arg(b, "LPOP");
  hq_batch_slice(b, key);
  hq_batch_int(b, n);
}

void hq_put_unblock(hq_batch *b, int64_t client_id) {
  hq_batch_begin(b, 3, -1);
  hq_batch_text_arg(b, "CLIENT");
  hq_batch_text_arg(b, "UNBLOCK");
  hq_batch_int(b, client_id);
}

void hq_put_holder(hq_batch *b, hq_slice queue_key, hq_slice id) {
  hq_buf key = {0};
  hq_buf_char(&key, '{');
  hq_buf_add(&key, queue_key.p, queue_key.n);
  hq_buf_text(&key, "}:holders");
  b->failed = b->failed || key.failed;
  hq_batch_begin(b, 3, -1);
  hq_batch_text_arg(b, "HGET");
  hq_batch_arg(b, hq_buf_cstr(&key), key.n);
  hq_batch_slice(b, id);
  hq_buf_free(&key);
}

void hq_put_index(hq_batch *b, int64_t keep, int64_t most, uint32_t n) {
  hq_batch_script(b, HQ_SCRIPT_INDEX, 2, 2 + n);
  hq_batch_text_arg(b, HQ_INDEX_MADE_KEY);
  hq_batch_text_arg(b, HQ_INDEX_IDS_KEY);
  hq_batch_int(b, keep);
  hq_batch_int(b, most);
}

void hq_put_file(hq_batch *b, hq_slice key, int64_t keep, int64_t most, uint32_t n) {
  hq_batch_script(b, HQ_SCRIPT_FILE, 1, 2 + n);
  hq_batch_slice(b, key);
  hq_batch_int(b, keep);
  hq_batch_int(b, most);
}
