/* The doctor's checks of queues: is anybody there, do the right jobs wait in them, do their parts agree. */
#include "clock.h"
#include "delivery.h"
#include "doctor_private.h"
#include "keys_private.h"
#include "options_private.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  UNCONSUMED = 5000, /* ms that a job may wait before somebody should have come */
  UNREAPED = 60000,  /* ms without a reaper that are too long */
  SECOND_LOOK = 300, /* ms between the two looks */
  SAMPLE = 50,       /* ids looked at from each end of a queue */
  MOST_HELD = 1000   /* held ids compared */
};

static hq_slice type_of(const char *queue_key) {
  hq_slice type = HQ_SLICE_NONE, group, instance;
  hq_key_queue_parts(hq_slice_of(queue_key), &type, &group, &instance);
  return type;
}

/* ---- paused ---- */

heroq_status hq_check_paused(hq_doctor *d, heroq_error *err) {
  (void)err;
  for (uint32_t i = 0; i < d->queues.n; i++) {
    char mend[400];
    if (!d->numbers[i].paused) continue;
    snprintf(mend, sizeof mend, "redis-cli HDEL '{%.300s}:meta' paused", d->queues.name[i]);
    hq_doctor_add(d, HQ_SEV_WARNING, d->queues.name[i], "the queue is paused", "no actor of heroq takes from it", mend);
  }
  return HEROQ_OK;
}

/* ---- nothing consumes ---- */

/* No actor is there, or those that are there hold nothing: connected, but starved. */
static bool looks_unconsumed(const hq_numbers *n) {
  bool waits_long = n->oldest ? n->now - n->oldest > UNCONSUMED : !n->actors;
  return n->waiting > 0 && (!n->actors || !n->in_flight) && !n->paused && waits_long;
}

/* "osis, sal": where actors are, so that a wrong type is seen at a glance. */
static void list_manned(const hq_doctor *d, hq_buf *out) {
  for (uint32_t i = 0; i < d->queues.n && out->n < 200; i++) {
    if (!d->numbers[i].actors) continue;
    hq_slice type = type_of(d->queues.name[i]);
    if (out->n) hq_buf_text(out, ", ");
    hq_buf_add(out, type.p, type.n);
  }
}

static void add_unconsumed(hq_doctor *d, uint32_t i, const hq_numbers *n) {
  char found[500], mend[300], span[24];
  hq_buf manned = {0};
  hq_slice type = type_of(d->queues.name[i]);
  int at = snprintf(found, sizeof found, "%lld waiting", (long long)n->waiting);
  if (n->oldest)
    at += snprintf(found + at, sizeof found - (size_t)at, ", the oldest made %s ago",
                   hq_doctor_span(n->now - n->oldest, span));
  if (n->actors) {
    snprintf(found + at, sizeof found - (size_t)at, ", actors that listen: %lld, and they take nothing",
             (long long)n->actors);
    hq_doctor_add(
        d, HQ_SEV_WARNING, d->queues.name[i], found,
        "they are connected but starved: the server refuses them (`starved` in their statistics, and their log), "
        "or their handlers ask for no more jobs",
        "");
    return;
  }
  list_manned(d, &manned);
  snprintf(found + at, sizeof found - (size_t)at, ", no actor of heroq listens (actors are on: %s)",
           manned.n ? hq_buf_cstr(&manned) : "no queue");
  snprintf(mend, sizeof mend, "heroq actor --type %.*s --exec python3", (int)type.n, type.p);
  hq_doctor_add(d, HQ_SEV_WARNING, d->queues.name[i], found,
                "nothing consumes from this queue, unless a foreign actor is slow; or the jobs went to the wrong type",
                mend);
  hq_buf_free(&manned);
}

heroq_status hq_check_consumers(hq_doctor *d, heroq_error *err) {
  bool any = false;
  for (uint32_t i = 0; i < d->queues.n; i++) any = any || looks_unconsumed(&d->numbers[i]);
  if (!any) return HEROQ_OK;
  hq_numbers *later = calloc(d->queues.n, sizeof *later);
  if (!later) return hq_fail_nomem(err);
  heroq_status status = hq_doctor_pause(d, SECOND_LOOK, err);
  if (!status) status = hq_count_queues(&d->errand, d->queues.name, d->queues.n, later, err);
  for (uint32_t i = 0; i < d->queues.n && !status; i++) {
    bool moves = later[i].waiting < d->numbers[i].waiting || later[i].oldest != d->numbers[i].oldest;
    if (looks_unconsumed(&d->numbers[i]) && looks_unconsumed(&later[i]) && !moves) /* else somebody takes */
      add_unconsumed(d, i, &later[i]);
  }
  free(later);
  return status;
}

/* ---- types mixed up, ids without hash ---- */

typedef struct mixed {
  uint32_t looked, strange, gone;
  char id[257], type[129], gone_id[257];
} mixed;

static void copy_text(char *out, size_t cap, hq_slice s) {
  snprintf(out, cap, "%.*s", (int)(s.n < cap ? s.n : cap - 1), s.p);
}

static heroq_status look_at_types(hq_doctor *d, uint32_t i, mixed *m, heroq_error *err) {
  hq_slice want = type_of(d->queues.name[i]);
  hq_batch ids, jobs;
  char first[24];
  *m = (mixed){0};
  hq_batch_init(&ids);
  hq_batch_init(&jobs);
  snprintf(first, sizeof first, "%d", -SAMPLE);
  hq_batch_words(&ids, "LRANGE", d->queues.name[i], first, "-1", NULL);
  snprintf(first, sizeof first, "%d", SAMPLE - 1);
  hq_batch_words(&ids, "LRANGE", d->queues.name[i], "0", d->numbers[i].waiting > SAMPLE ? first : "-1", NULL);
  heroq_status status = hq_errand_all(&d->errand, &ids, d->queues.name[i], err);
  uint32_t ends = d->numbers[i].waiting > SAMPLE ? 2 : 1;
  for (uint32_t e = 0; e < ends && !status; e++) {
    const hq_reply *list = hq_batch_reply(&ids, e);
    for (uint32_t k = 0; k < hq_reply_count(list); k++) {
      hq_buf key = {0};
      hq_key_job(&key, hq_reply_str(hq_reply_at(list, k)));
      hq_batch_words(&jobs, "HMGET", hq_buf_cstr(&key), "script", "status", "script_type", NULL);
      hq_buf_free(&key);
    }
  }
  if (!status && jobs.count) status = hq_errand_run(&d->errand, &jobs, err);
  for (uint32_t e = 0, at = 0; e < ends && !status; e++) {
    const hq_reply *list = hq_batch_reply(&ids, e);
    for (uint32_t k = 0; k < hq_reply_count(list); k++, at++) {
      const hq_reply *job = hq_batch_reply(&jobs, at);
      hq_slice id = hq_reply_str(hq_reply_at(list, k)), type = hq_reply_str(hq_reply_at(job, 2));
      m->looked++;
      if (hq_reply_is_error(job, NULL)) continue;
      if (!hq_reply_str(hq_reply_at(job, 0)).p && !hq_reply_str(hq_reply_at(job, 1)).p) {
        if (!m->gone++) copy_text(m->gone_id, sizeof m->gone_id, id);
      } else if (type.n && (type.n != want.n || memcmp(type.p, want.p, want.n) != 0)) {
        if (m->strange++) continue;
        copy_text(m->id, sizeof m->id, id);
        copy_text(m->type, sizeof m->type, type);
      }
    }
  }
  hq_batch_free(&jobs);
  hq_batch_free(&ids);
  return status;
}

static void add_mixed(hq_doctor *d, uint32_t i, const mixed *m) {
  char found[900], mend[1200], word[320];
  const char *queue = d->queues.name[i];
  if (m->strange) {
    snprintf(found, sizeof found, "%u of %u jobs looked at are of another script type, such as %s of type %s",
             m->strange, m->looked, m->id, m->type);
    const char *type = hq_name_ok(hq_slice_of(m->type)) ? m->type : "<script_type>";
    hq_doctor_word(m->id, word);
    snprintf(mend, sizeof mend, "redis-cli LREM %.200s 0 %s; redis-cli LPUSH " HQ_WORK_PREFIX "%s %s", queue, word,
             type, word);
    hq_doctor_add(d, HQ_SEV_WARNING, queue, found,
                  "the jobs were pushed onto the wrong queue: another kind of actor runs them", mend);
  }
  if (m->gone) {
    snprintf(found, sizeof found, "%u of %u ids looked at have no job hash, such as %s", m->gone, m->looked,
             m->gone_id);
    snprintf(mend, sizeof mend, "redis-cli LREM %.200s 0 %s", queue, hq_doctor_word(m->gone_id, word));
    hq_doctor_add(d, HQ_SEV_WARNING, queue, found, "they were pushed before their hash was stored, or the hash is gone",
                  mend);
  }
}

heroq_status hq_check_script_types(hq_doctor *d, heroq_error *err) {
  heroq_status status = HEROQ_OK;
  for (uint32_t i = 0; i < d->queues.n && !status; i++) {
    mixed m;
    if (!d->numbers[i].waiting) continue;
    status = look_at_types(d, i, &m, err);
    if (!status && m.gone) { /* a foreign producer may push first and store a moment later */
      status = hq_doctor_pause(d, SECOND_LOOK, err);
      if (!status) status = look_at_types(d, i, &m, err);
    }
    if (!status) add_mixed(d, i, &m);
  }
  return status;
}

/* ---- holders and leases ---- */

enum { NAMED = 500 }; /* bytes of ids that a finding names */

typedef struct unequal {
  uint32_t no_lease, no_holder;
  hq_buf no_lease_ids, no_lease_mend; /* "a, b", and "1 a 1 b": as many as there is room for */
  hq_buf no_holder_ids, no_holder_mend;
} unequal;

static void free_unequal(unequal *u) {
  hq_buf_free(&u->no_lease_ids);
  hq_buf_free(&u->no_lease_mend);
  hq_buf_free(&u->no_holder_ids);
  hq_buf_free(&u->no_holder_mend);
  *u = (unequal){0};
}

static void name_id(hq_buf *ids, hq_buf *ends, hq_slice id) {
  char text[257], word[320];
  copy_text(text, sizeof text, id);
  hq_doctor_word(text, word);
  if (ids->n && ends->n + strlen(word) > NAMED) return;
  if (ids->n) hq_buf_text(ids, ", ");
  hq_buf_text(ids, text);
  hq_buf_text(ends, " 1 ");
  hq_buf_text(ends, word);
}

static bool first_ids(const hq_doctor *d, const hq_qkeys *q, hq_batch *b, heroq_status *status, heroq_error *err) {
  char most[16];
  snprintf(most, sizeof most, "%d", MOST_HELD);
  hq_batch_words(b, "HSCAN", q->key[HQ_Q_HOLDERS].p, "0", "COUNT", most, NULL);
  snprintf(most, sizeof most, "%d", MOST_HELD - 1);
  hq_batch_words(b, "ZRANGE", q->key[HQ_Q_LEASES].p, "0", most, NULL);
  *status = hq_errand_all(&d->errand, b, q->key[HQ_Q].p, err);
  return *status == HEROQ_OK;
}

static heroq_status compare_held(hq_doctor *d, const hq_qkeys *q, unequal *u, heroq_error *err) {
  hq_batch b, other;
  heroq_status status;
  free_unequal(u);
  hq_batch_init(&b);
  hq_batch_init(&other);
  if (first_ids(d, q, &b, &status, err)) {
    const hq_reply *held = hq_reply_at(hq_batch_reply(&b, 0), 1), *leased = hq_batch_reply(&b, 1);
    uint32_t holders = hq_reply_count(held) / 2, leases = hq_reply_count(leased);
    if (holders) {
      hq_batch_begin(&other, holders + 2, -1);
      hq_batch_text_arg(&other, "ZMSCORE");
      hq_batch_slice(&other, q->key[HQ_Q_LEASES]);
      for (uint32_t i = 0; i < holders; i++) hq_batch_slice(&other, hq_reply_str(hq_reply_at(held, i * 2)));
    }
    if (leases) {
      hq_batch_begin(&other, leases + 2, -1);
      hq_batch_text_arg(&other, "HMGET");
      hq_batch_slice(&other, q->key[HQ_Q_HOLDERS]);
      for (uint32_t i = 0; i < leases; i++) hq_batch_slice(&other, hq_reply_str(hq_reply_at(leased, i)));
    }
    if (other.count) status = hq_errand_all(&d->errand, &other, q->key[HQ_Q].p, err);
    const hq_reply *scores = holders ? hq_batch_reply(&other, 0) : NULL;
    const hq_reply *tokens = leases ? hq_batch_reply(&other, holders ? 1 : 0) : NULL;
    for (uint32_t i = 0; i < holders && !status; i++)
      if (!hq_reply_str(hq_reply_at(scores, i)).p) {
        u->no_lease++;
        name_id(&u->no_lease_ids, &u->no_lease_mend, hq_reply_str(hq_reply_at(held, i * 2)));
      }
    for (uint32_t i = 0; i < leases && !status; i++)
      if (!hq_reply_str(hq_reply_at(tokens, i)).p) {
        u->no_holder++;
        name_id(&u->no_holder_ids, &u->no_holder_mend, hq_reply_str(hq_reply_at(leased, i)));
      }
  }
  hq_batch_free(&other);
  hq_batch_free(&b);
  return status;
}

static void add_unequal(hq_doctor *d, const char *queue, unequal *u) {
  char found[700], mend[1000];
  if (u->no_lease) {
    snprintf(found, sizeof found, "%u held jobs without a lease, such as %s", u->no_lease,
             hq_buf_cstr(&u->no_lease_ids));
    snprintf(mend, sizeof mend, "redis-cli ZADD '{%.400s}:leases'%s", queue, hq_buf_cstr(&u->no_lease_mend));
    hq_doctor_add(d, HQ_SEV_ERROR, queue, found,
                  "nobody would ever give these jobs back; the mend makes the reaper do it", mend);
  }
  if (u->no_holder) {
    snprintf(found, sizeof found, "%u leases without a holder, such as that of %s", u->no_holder,
             hq_buf_cstr(&u->no_holder_ids));
    snprintf(mend, sizeof mend, "redis-cli ZADD '{%.400s}:leases'%s", queue, hq_buf_cstr(&u->no_holder_mend));
    hq_doctor_add(d, HQ_SEV_WARNING, queue, found, "the jobs go back when the leases end; the mend ends them now",
                  mend);
  }
}

static void add_unreaped(hq_doctor *d, uint32_t i) {
  const hq_numbers *n = &d->numbers[i];
  char found[200], mend[300], span[24];
  hq_slice type = type_of(d->queues.name[i]);
  bool over = n->in_flight > 0 && n->oldest_lease > 0 && n->now - n->oldest_lease > UNREAPED;
  if (!over || n->now - n->last_reap < UNREAPED) return;
  snprintf(found, sizeof found, "a lease ended %s ago and nobody gave its job back",
           hq_doctor_span(n->now - n->oldest_lease, span));
  snprintf(mend, sizeof mend, "heroq actor --type %.*s --exec python3", (int)type.n, type.p);
  hq_doctor_add(d, HQ_SEV_WARNING, d->queues.name[i], found,
                "the actors of this queue are gone, with jobs in their hands", mend);
}

heroq_status hq_check_leases(hq_doctor *d, heroq_error *err) {
  heroq_status status = HEROQ_OK;
  for (uint32_t i = 0; i < d->queues.n && !status; i++) {
    hq_qkeys q;
    unequal u = {0};
    if (!hq_qkeys_init(&q, d->queues.name[i])) return hq_fail_nomem(err);
    status = compare_held(d, &q, &u, err);
    if (!status && (u.no_lease || u.no_holder)) { /* may have been taken or settled between the two reads */
      status = hq_doctor_pause(d, SECOND_LOOK, err);
      if (!status) status = compare_held(d, &q, &u, err);
    }
    if (!status) add_unequal(d, d->queues.name[i], &u);
    if (!status) add_unreaped(d, i);
    free_unequal(&u);
    hq_qkeys_free(&q);
  }
  return status;
}

/* ---- the handoff ---- */

/* How many ids have lain there for longer than the grace. */
static heroq_status count_stale(hq_doctor *d, const hq_qkeys *q, int64_t before, int64_t *count, heroq_error *err) {
  char limit[24];
  hq_batch b;
  snprintf(limit, sizeof limit, "%lld", (long long)before);
  hq_batch_init(&b);
  hq_batch_words(&b, "LLEN", q->key[HQ_Q_HANDOFF].p, NULL);
  hq_batch_words(&b, "ZCOUNT", q->key[HQ_Q_SEEN].p, "-inf", limit, NULL);
  hq_batch_words(&b, "HGET", q->key[HQ_Q_META].p, "last_reap", NULL);
  heroq_status status = hq_errand_all(&d->errand, &b, q->key[HQ_Q_HANDOFF].p, err);
  int64_t lie = hq_reply_int(hq_batch_reply(&b, 0), 0), old = hq_reply_int(hq_batch_reply(&b, 1), 0);
  bool reaped = hq_reply_int(hq_batch_reply(&b, 2), 0) > before - UNREAPED;
  *count = reaped && old < lie ? old : lie; /* where nobody reaps, nobody writes down since when they lie */
  hq_batch_free(&b);
  return status;
}

heroq_status hq_check_handoff(hq_doctor *d, heroq_error *err) {
  int64_t grace = hq_option_int(hq_client_options(d->errand.client), HQ_OPT_HANDOFF_GRACE);
  heroq_status status = HEROQ_OK;
  for (uint32_t i = 0; i < d->queues.n && !status; i++) {
    hq_qkeys q;
    int64_t stale = 0;
    char found[120], mend[700];
    const char *key = d->queues.name[i];
    if (!d->numbers[i].handoff) continue;
    if (!hq_qkeys_init(&q, key)) return hq_fail_nomem(err);
    status = count_stale(d, &q, d->numbers[i].now - 2 * grace, &stale, err);
    if (!status && stale) {
      status = hq_doctor_pause(d, SECOND_LOOK, err);
      if (!status) status = count_stale(d, &q, d->numbers[i].now - 2 * grace, &stale, err);
    }
    if (!status && stale) {
      snprintf(found, sizeof found, "%lld ids have lain in the handoff for long", (long long)stale);
      snprintf(mend, sizeof mend, "redis-cli LMOVE '{%.300s}:handoff' %.300s RIGHT RIGHT", key, key);
      hq_doctor_add(d, HQ_SEV_WARNING, q.key[HQ_Q_HANDOFF].p, found,
                    "an actor died as it took them, and no other is there to give them back", mend);
    }
    hq_qkeys_free(&q);
  }
  return status;
}
