/* The doctor's check of what a queue's actors hold: holders beside leases, and leases that ended. */
#include "doctor_private.h"

#include "delivery.h"
#include "errors.h"
#include "options_private.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  SECOND_LOOK = 300, /* ms between the two looks */
  MOST_HELD = 1000,  /* held ids of a queue compared */
  MOST_ODD = 1000,   /* that do not agree, in all */
  NAMED = 500        /* bytes of ids that a finding names */
};

typedef struct odd {
  uint32_t queue;
  bool no_lease; /* else no holder */
  bool still;    /* at the second look too */
  char id[257];
} odd;

typedef struct odds {
  odd *odd;
  uint32_t n;
} odds;

static void note_odd(odds *all, uint32_t queue, bool no_lease, hq_slice id) {
  if (all->n == MOST_ODD) return;
  odd *o = &all->odd[all->n++];
  *o = (odd){.queue = queue, .no_lease = no_lease};
  hq_doctor_copy(o->id, sizeof o->id, id);
}

/* HMGET or ZMSCORE of all ids of the other structure: every `step`-th element of the list. */
static void put_others(hq_batch *b, const char *command, hq_slice key, const hq_reply *list, uint32_t step) {
  uint32_t n = hq_reply_count(list) / step;
  if (!n) return;
  hq_batch_begin(b, n + 2, -1);
  hq_batch_text_arg(b, command);
  hq_batch_slice(b, key);
  for (uint32_t i = 0; i < n; i++) hq_batch_slice(b, hq_reply_str(hq_reply_at(list, i * step)));
}

static heroq_status compare_held(hq_doctor *d, uint32_t i, const hq_qkeys *q, odds *all, heroq_error *err) {
  hq_batch b, other;
  char most[16];
  hq_batch_init(&b);
  hq_batch_init(&other);
  snprintf(most, sizeof most, "%d", MOST_HELD);
  hq_batch_words(&b, "HSCAN", q->key[HQ_Q_HOLDERS].p, "0", "COUNT", most, NULL);
  snprintf(most, sizeof most, "%d", MOST_HELD - 1);
  hq_batch_words(&b, "ZRANGE", q->key[HQ_Q_LEASES].p, "0", most, NULL);
  heroq_status status = hq_errand_all(&d->errand, &b, q->key[HQ_Q].p, err);
  const hq_reply *held = hq_reply_at(hq_batch_reply(&b, 0), 1), *leased = hq_batch_reply(&b, 1);
  uint32_t holders = hq_reply_count(held) / 2, leases = hq_reply_count(leased);
  if (!status) {
    put_others(&other, "ZMSCORE", q->key[HQ_Q_LEASES], held, 2);
    put_others(&other, "HMGET", q->key[HQ_Q_HOLDERS], leased, 1);
    if (other.count) status = hq_errand_all(&d->errand, &other, q->key[HQ_Q].p, err);
  }
  const hq_reply *scores = hq_batch_reply(&other, 0), *tokens = hq_batch_reply(&other, holders ? 1 : 0);
  for (uint32_t k = 0; k < holders && !status; k++)
    if (!hq_reply_str(hq_reply_at(scores, k)).p) note_odd(all, i, true, hq_reply_str(hq_reply_at(held, k * 2)));
  for (uint32_t k = 0; k < leases && !status; k++)
    if (!hq_reply_str(hq_reply_at(tokens, k)).p) note_odd(all, i, false, hq_reply_str(hq_reply_at(leased, k)));
  hq_batch_free(&other);
  hq_batch_free(&b);
  return status;
}

static heroq_status first_look(hq_doctor *d, odds *all, heroq_error *err) {
  hq_batch b;
  hq_qkeys q;
  heroq_status status = HEROQ_OK;
  hq_batch_init(&b);
  for (uint32_t i = 0; i < d->queues.n && !status; i++) {
    if (hq_qkeys_init(&q, d->queues.name[i])) {
      hq_batch_words(&b, "HLEN", q.key[HQ_Q_HOLDERS].p, NULL);
      hq_qkeys_free(&q);
    } else {
      status = hq_fail_nomem(err);
    }
  }
  if (!status && b.count) status = hq_errand_run(&d->errand, &b, err);
  for (uint32_t i = 0; i < d->queues.n && !status; i++) {
    if (d->numbers[i].wrong_type) continue;
    bool refused = hq_reply_is_error(hq_batch_reply(&b, i), NULL);
    if (!refused && !d->numbers[i].in_flight && !hq_reply_int(hq_batch_reply(&b, i), 0)) continue;
    if (!hq_qkeys_init(&q, d->queues.name[i])) {
      status = hq_fail_nomem(err);
      break;
    }
    status = compare_held(d, i, &q, all, err);
    hq_qkeys_free(&q);
  }
  hq_batch_free(&b);
  return status;
}

/* What does not agree now and did not then: else it was taken or settled between two reads. */
static heroq_status second_look(hq_doctor *d, odds *all, heroq_error *err) {
  hq_batch b;
  heroq_status status = hq_doctor_pause(d, SECOND_LOOK, err);
  hq_batch_init(&b);
  for (uint32_t k = 0; k < all->n && !status; k++) {
    hq_qkeys q;
    if (!hq_qkeys_init(&q, d->queues.name[all->odd[k].queue])) {
      status = hq_fail_nomem(err);
      break;
    }
    hq_batch_words(&b, "HEXISTS", q.key[HQ_Q_HOLDERS].p, all->odd[k].id, NULL);
    hq_batch_words(&b, "ZSCORE", q.key[HQ_Q_LEASES].p, all->odd[k].id, NULL);
    hq_qkeys_free(&q);
  }
  if (!status) status = hq_errand_all(&d->errand, &b, "leases", err);
  for (uint32_t k = 0; k < all->n && !status; k++) {
    bool held = hq_reply_int(hq_batch_reply(&b, 2 * k), 0) == 1;
    bool leased = hq_reply_str(hq_batch_reply(&b, 2 * k + 1)).p != NULL;
    all->odd[k].still = all->odd[k].no_lease ? held && !leased : leased && !held;
  }
  hq_batch_free(&b);
  return status;
}

typedef struct unleased {
  const odds *all;
  uint32_t queue;
} unleased;

/* A lease for those that have none: a holder that lives renews it, that of a dead one runs out. */
static heroq_status give_leases(hq_doctor *d, const void *what, hq_repair *out, heroq_error *err) {
  const unleased *u = what;
  char due[24], span[24];
  int64_t lease = hq_option_int(hq_client_options(d->errand.client), HQ_OPT_LEASE), given = 0;
  hq_qkeys q;
  hq_batch b;
  if (!hq_qkeys_init(&q, d->queues.name[u->queue])) return hq_fail_nomem(err);
  snprintf(due, sizeof due, "%lld", (long long)(d->numbers[u->queue].now + lease));
  hq_batch_init(&b);
  for (uint32_t k = 0; k < u->all->n; k++) {
    const odd *o = &u->all->odd[k];
    if (o->queue == u->queue && o->no_lease && o->still)
      hq_batch_words(&b, "ZADD", q.key[HQ_Q_LEASES].p, "NX", due, o->id, NULL);
  }
  heroq_status status = hq_errand_all(&d->errand, &b, q.key[HQ_Q_LEASES].p, err);
  for (uint32_t k = 0; k < b.count && !status; k++) given += hq_reply_int(hq_batch_reply(&b, k), 0);
  out->done = !status;
  snprintf(out->said, sizeof out->said, "gave leases of %s (%lld): what dead actors held goes back after that",
           hq_doctor_span(lease, span), (long long)given);
  hq_batch_free(&b);
  hq_qkeys_free(&q);
  return status;
}

/* " 1 a 1 b" with the score 1, and "a, b": as many as there is room for. */
static uint32_t name_odd(const odds *all, uint32_t queue, bool no_lease, const char *score, hq_buf *ids, hq_buf *args) {
  uint32_t count = 0;
  for (uint32_t k = 0; k < all->n; k++) {
    const odd *o = &all->odd[k];
    char word[320];
    if (o->queue != queue || o->no_lease != no_lease || !o->still) continue;
    count++;
    hq_doctor_word(o->id, word);
    if (ids->n && args->n + strlen(word) > NAMED) continue;
    if (ids->n) hq_buf_text(ids, ", ");
    hq_buf_text(ids, o->id);
    hq_buf_char(args, ' ');
    hq_buf_text(args, score);
    hq_buf_char(args, ' ');
    hq_buf_text(args, word);
  }
  return count;
}

static heroq_status add_odd(hq_doctor *d, const odds *all, uint32_t queue, bool no_lease, heroq_error *err) {
  char found[700], mend[1100], score[24];
  const char *key = d->queues.name[queue];
  hq_buf ids = {0}, args = {0};
  heroq_status status = HEROQ_OK;
  int64_t lease = hq_option_int(hq_client_options(d->errand.client), HQ_OPT_LEASE);
  snprintf(score, sizeof score, "%lld", no_lease ? (long long)(d->numbers[queue].now + lease) : 1LL);
  uint32_t count = name_odd(all, queue, no_lease, score, &ids, &args);
  if (count && no_lease) {
    unleased what = {all, queue};
    snprintf(found, sizeof found, "%u held jobs without a lease, such as %s", count, hq_buf_cstr(&ids));
    snprintf(mend, sizeof mend, "redis-cli ZADD '{%.400s}:leases' NX%s", key, hq_buf_cstr(&args));
    status = hq_doctor_add_mended(d, HQ_FOUND_NO_LEASE, key, found, mend, "give them leases", give_leases, &what, err);
  } else if (count) {
    snprintf(found, sizeof found, "%u leases without a holder, such as that of %s", count, hq_buf_cstr(&ids));
    snprintf(mend, sizeof mend, "redis-cli ZADD '{%.400s}:leases'%s", key, hq_buf_cstr(&args));
    hq_doctor_add(d, HQ_FOUND_NO_HOLDER, key, found, mend);
  }
  hq_buf_free(&args);
  hq_buf_free(&ids);
  return status;
}

static heroq_status add_unreaped(hq_doctor *d, uint32_t i, heroq_error *err) {
  const hq_numbers *n = &d->numbers[i];
  char found[200], mend[300], span[24];
  bool over = n->in_flight > 0 && n->oldest_lease > 0 && n->now - n->oldest_lease > HQ_DOCTOR_UNREAPED;
  if (!over || n->now - n->last_reap < HQ_DOCTOR_UNREAPED) return HEROQ_OK;
  snprintf(found, sizeof found, "a lease ended %s ago and nobody gave its job back",
           hq_doctor_span(n->now - n->oldest_lease, span));
  hq_doctor_mend_by_actor(mend, sizeof mend, d->queues.name[i]);
  return hq_doctor_add_mended(d, HQ_FOUND_UNREAPED, d->queues.name[i], found, mend,
                              "look after the queue once, as an actor does", hq_doctor_tend, d->queues.name[i], err);
}

heroq_status hq_check_leases(hq_doctor *d, heroq_error *err) {
  odds all = {calloc(MOST_ODD, sizeof(odd)), 0};
  if (!all.odd) return hq_fail_nomem(err);
  heroq_status status = first_look(d, &all, err);
  if (!status && all.n) status = second_look(d, &all, err);
  for (uint32_t i = 0; i < d->queues.n && !status; i++) {
    if (all.n) status = add_odd(d, &all, i, true, err);
    if (!status && all.n) status = add_odd(d, &all, i, false, err);
    if (!status) status = add_unreaped(d, i, err);
  }
  free(all.odd);
  return status;
}
