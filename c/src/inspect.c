/* Looking at queues: finding their keys, counting what is in them. Reads only. */
#include "inspect.h"

#include "clock.h"
#include "delivery.h"
#include "keys_private.h"
#include "wait.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SCAN_LOOK = 1000, SCAN_ROUNDS = 100, MOST_QUEUES = 10000, CHUNK = 256 };

/* ---- names ---- */

bool hq_names_add(hq_names *names, hq_slice name) {
  if (names->n == names->cap) {
    uint32_t cap = names->cap ? names->cap * 2 : 16;
    char **more = realloc(names->name, cap * sizeof *more);
    if (!more) return false;
    names->name = more;
    names->cap = cap;
  }
  char *copy = malloc(name.n + 1);
  if (!copy) return false;
  memcpy(copy, name.p, name.n);
  copy[name.n] = 0;
  names->name[names->n++] = copy;
  return true;
}

void hq_names_free(hq_names *names) {
  for (uint32_t i = 0; i < names->n; i++) free(names->name[i]);
  free(names->name);
  *names = (hq_names){0};
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void sort_unique(hq_names *names) {
  uint32_t kept = 0;
  if (!names->n) return;
  qsort(names->name, names->n, sizeof *names->name, by_name);
  for (uint32_t i = 1; i < names->n; i++)
    if (strcmp(names->name[i], names->name[kept]))
      names->name[++kept] = names->name[i];
    else
      free(names->name[i]);
  names->n = kept + 1;
}

/* ---- errands ---- */

hq_errand hq_errand_of(heroq_client *c, heroq_call *call) {
  return (hq_errand){c, call, hq_wait_deadline(HEROQ_FOREVER, call)};
}

heroq_status hq_errand_run(const hq_errand *e, hq_batch *b, heroq_error *err) {
  return hq_client_exchange(e->client, b, e->deadline, e->call, err);
}

heroq_status hq_errand_all(const hq_errand *e, hq_batch *b, const char *what, heroq_error *err) {
  heroq_status status = hq_errand_run(e, b, err);
  for (uint32_t i = 0; i < b->count && !status; i++) status = hq_reply_to_error(hq_batch_reply(b, i), what, err);
  return status;
}

/* ---- finding ---- */

heroq_status hq_find_keys(const hq_errand *e, const char *pattern, const char *type, uint32_t rounds, uint32_t most,
                          hq_names *out, bool *whole, heroq_error *err) {
  char cursor[24] = "0";
  heroq_status status = HEROQ_OK;
  hq_batch b;
  *whole = false;
  hq_batch_init(&b);
  for (uint32_t i = 0; i < rounds && !status && !*whole && out->n < most; i++) {
    hq_batch_reset(&b);
    hq_batch_begin(&b, 8, -1);
    hq_batch_text_arg(&b, "SCAN");
    hq_batch_text_arg(&b, cursor);
    hq_batch_text_arg(&b, "MATCH");
    hq_batch_text_arg(&b, pattern);
    hq_batch_text_arg(&b, "COUNT");
    hq_batch_int(&b, SCAN_LOOK);
    hq_batch_text_arg(&b, "TYPE");
    hq_batch_text_arg(&b, type);
    status = hq_errand_all(e, &b, "SCAN", err);
    if (status) break;
    const hq_reply *r = hq_batch_reply(&b, 0), *keys = hq_reply_at(r, 1);
    hq_slice next = hq_reply_str(hq_reply_at(r, 0));
    if (!next.n || next.n >= sizeof cursor) {
      status = hq_fail(err, HEROQ_E_PROTOCOL, "SCAN answered without a cursor");
      break;
    }
    memcpy(cursor, next.p, next.n);
    cursor[next.n] = 0;
    *whole = strcmp(cursor, "0") == 0;
    for (uint32_t k = 0; k < hq_reply_count(keys); k++) {
      if (out->n == most) {
        *whole = false;
        break;
      }
      if (!hq_names_add(out, hq_reply_str(hq_reply_at(keys, k)))) status = hq_fail_nomem(err);
    }
  }
  sort_unique(out);
  hq_batch_free(&b);
  return status;
}

static bool is_queue(hq_slice key) {
  hq_slice type, group, instance;
  return hq_key_queue_parts(key, &type, &group, &instance);
}

heroq_status hq_find_queues(const hq_errand *e, hq_names *out, bool *whole, heroq_error *err) {
  hq_names found = {0};
  hq_batch b;
  hq_batch_init(&b);
  hq_batch_begin(&b, 4, -1);
  hq_batch_text_arg(&b, "ZRANGE");
  hq_batch_text_arg(&b, HQ_QUEUES_KEY);
  hq_batch_int(&b, 0);
  hq_batch_int(&b, MOST_QUEUES - 1);
  heroq_status status = hq_errand_all(e, &b, HQ_QUEUES_KEY, err);
  const hq_reply *known = hq_batch_reply(&b, 0);
  for (uint32_t i = 0; i < hq_reply_count(known) && !status; i++) {
    hq_slice key = hq_reply_str(hq_reply_at(known, i));
    if (is_queue(key) && !hq_names_add(out, key)) status = hq_fail_nomem(err);
  }
  if (!status) status = hq_find_keys(e, HQ_WORK_PREFIX "*", "list", SCAN_ROUNDS, MOST_QUEUES, &found, whole, err);
  for (uint32_t i = 0; i < found.n && !status; i++) {
    hq_slice key = hq_slice_of(found.name[i]);
    if (is_queue(key) && !hq_names_add(out, key)) status = hq_fail_nomem(err);
  }
  sort_unique(out);
  hq_names_free(&found);
  hq_batch_free(&b);
  return status;
}

/* ---- counting ---- */

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
