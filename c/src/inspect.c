/* Looking at queues: counting what is in them. Reads only. */
#include "inspect.h"

#include "clock.h"
#include "delivery.h"
#include "keys_private.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 256 };

enum numbers_command {
  N_LEN,
  N_OLDEST,
  N_HANDOFF,
  N_LEASES,
  N_LEASE,
  N_DELAYED,
  N_DUE,
  N_DEAD,
  N_ACTORS,
  N_META,
  N_MINUTES,
  N_TOTAL
};

static void put_numbers(hq_batch *b, const hq_qkeys *q, int64_t now, const char *now_text) {
  hq_batch_words(b, "LLEN", q->key[HQ_Q].p, NULL);
  hq_batch_words(b, "LINDEX", q->key[HQ_Q].p, "-1", NULL);
  hq_batch_words(b, "LLEN", q->key[HQ_Q_HANDOFF].p, NULL);
  hq_batch_words(b, "ZCARD", q->key[HQ_Q_LEASES].p, NULL);
  hq_batch_words(b, "ZRANGE", q->key[HQ_Q_LEASES].p, "0", "0", "WITHSCORES", NULL);
  hq_batch_words(b, "ZCARD", q->key[HQ_Q_DELAYED].p, NULL);
  hq_batch_words(b, "ZRANGE", q->key[HQ_Q_DELAYED].p, "0", "0", "WITHSCORES", NULL);
  hq_batch_words(b, "ZCARD", q->key[HQ_Q_DEAD].p, NULL);
  hq_batch_words(b, "ZCOUNT", q->key[HQ_Q_ACTORS].p, now_text, "+inf", NULL);
  hq_batch_words(b, "HMGET", q->key[HQ_Q_META].p, "paused", "last_reap", NULL);
  hq_put_recent(b, q, now);
}

/* Scores may have a fraction (a lease that an outage extended). */
static int64_t score(const hq_reply *r) {
  hq_slice s = hq_reply_str(r);
  return s.n ? (int64_t)strtod(s.p, NULL) : 0;
}

static void get_numbers(const hq_batch *b, uint32_t at, hq_numbers *out) {
  const hq_reply *meta = hq_batch_reply(b, at + N_META);
  out->wrong_type = hq_reply_is_error(hq_batch_reply(b, at + N_LEN), "WRONGTYPE");
  out->waiting = hq_reply_int(hq_batch_reply(b, at + N_LEN), 0);
  out->handoff = hq_reply_int(hq_batch_reply(b, at + N_HANDOFF), 0);
  out->in_flight = hq_reply_int(hq_batch_reply(b, at + N_LEASES), 0);
  out->oldest_lease = score(hq_reply_at(hq_batch_reply(b, at + N_LEASE), 1));
  out->delayed = hq_reply_int(hq_batch_reply(b, at + N_DELAYED), 0);
  out->next_due = score(hq_reply_at(hq_batch_reply(b, at + N_DUE), 1));
  out->dead = hq_reply_int(hq_batch_reply(b, at + N_DEAD), 0);
  out->actors = hq_reply_int(hq_batch_reply(b, at + N_ACTORS), 0);
  out->paused = hq_reply_str(hq_reply_at(meta, 0)).p != NULL;
  out->last_reap = hq_reply_int(hq_reply_at(meta, 1), 0);
  out->recent = hq_get_recent(hq_batch_reply(b, at + N_MINUTES), out->now);
}

heroq_status hq_server_now(const hq_errand *e, hq_batch *b, int64_t *now, heroq_error *err) {
  hq_batch_reset(b);
  hq_batch_words(b, "TIME", NULL);
  heroq_status status = hq_errand_all(e, b, "TIME", err);
  const hq_reply *r = hq_batch_reply(b, 0);
  *now = hq_reply_int(hq_reply_at(r, 0), 0) * 1000 + hq_reply_int(hq_reply_at(r, 1), 0) / 1000;
  return status;
}

/* When the ids at the old ends of the queues were made. */
/* Since it was made, or due. When one that was run before came back nobody knows. */
static int64_t waits_since(const hq_reply *job, const hq_numbers *n) {
  int64_t due = hq_reply_int(hq_reply_at(job, 1), 0);
  bool again = hq_reply_int(hq_reply_at(job, 2), 0) > 0 || hq_reply_str(hq_reply_at(job, 3)).p;
  if (!n->oldest || again) return 0;
  return due > n->oldest && due <= n->now ? due : n->oldest;
}

static heroq_status find_oldest(const hq_errand *e, const hq_batch *b, uint32_t n, hq_numbers *out, heroq_error *err) {
  hq_batch times;
  hq_batch_init(&times);
  for (uint32_t i = 0; i < n; i++) {
    hq_slice id = hq_reply_str(hq_batch_reply(b, i * N_TOTAL + N_OLDEST));
    if (!id.p) continue;
    hq_buf key = {0};
    hq_key_job(&key, id);
    hq_batch_words(&times, "HMGET", hq_buf_cstr(&key), "createdAt", "hq_due", "hq_attempt", "hq_requeued", NULL);
    hq_buf_free(&key);
  }
  heroq_status status = times.count ? hq_errand_run(e, &times, err) : HEROQ_OK;
  for (uint32_t i = 0, at = 0; i < n && !status; i++) {
    hq_slice id = hq_reply_str(hq_batch_reply(b, i * N_TOTAL + N_OLDEST));
    if (!id.p) continue;
    const hq_reply *job = hq_batch_reply(&times, at++);
    out[i].oldest = hq_time_of(hq_reply_str(hq_reply_at(job, 0)), id);
    out[i].waiting_since = waits_since(job, &out[i]);
  }
  hq_batch_free(&times);
  return status;
}

static heroq_status count_chunk(const hq_errand *e, char *const *queue_key, uint32_t n, int64_t now, hq_numbers *out,
                                heroq_error *err) {
  char now_text[24];
  heroq_status status = HEROQ_OK;
  hq_batch b;
  hq_batch_init(&b);
  snprintf(now_text, sizeof now_text, "%lld", (long long)now);
  for (uint32_t i = 0; i < n && !status; i++) {
    hq_qkeys q;
    if (!hq_qkeys_init(&q, queue_key[i])) {
      status = hq_fail_nomem(err);
      break;
    }
    put_numbers(&b, &q, now, now_text);
    hq_qkeys_free(&q);
  }
  if (!status) status = hq_errand_run(e, &b, err);
  for (uint32_t i = 0; i < b.count && !status; i++) /* a key of a wrong type is told as such, all else ends it */
    if (!hq_reply_is_error(hq_batch_reply(&b, i), "WRONGTYPE"))
      status = hq_reply_to_error(hq_batch_reply(&b, i), queue_key[i / N_TOTAL], err);
  for (uint32_t i = 0; i < n && !status; i++) {
    out[i] = (hq_numbers){.now = now};
    get_numbers(&b, i * N_TOTAL, &out[i]);
  }
  if (!status) status = find_oldest(e, &b, n, out, err);
  hq_batch_free(&b);
  return status;
}

heroq_status hq_count_queues(const hq_errand *e, char *const *queue_key, uint32_t n, hq_numbers *out,
                             heroq_error *err) {
  int64_t now;
  hq_batch b;
  hq_batch_init(&b);
  heroq_status status = n ? hq_server_now(e, &b, &now, err) : HEROQ_OK;
  hq_batch_free(&b);
  for (uint32_t i = 0; i < n && !status; i += CHUNK)
    status = count_chunk(e, queue_key + i, n - i < CHUNK ? n - i : CHUNK, now, out + i, err);
  return status;
}
