/* The doctor's checks of what is due and not started, and of the handoff. */
#include "doctor_private.h"

#include "delivery.h"
#include "errors.h"
#include "options_private.h"
#include <stdio.h>
#include <stdlib.h>

enum {
  SECOND_LOOK = 300, /* ms between the two looks */
  MOST_MOVED = 1000  /* ids moved out of a handoff */
};

/* ---- what is due ---- */

heroq_status hq_check_delayed(hq_doctor *d, heroq_error *err) {
  heroq_status status = HEROQ_OK;
  for (uint32_t i = 0; i < d->queues.n && !status; i++) {
    const hq_numbers *n = &d->numbers[i];
    char found[200], mend[300], span[24];
    if (n->paused || !n->delayed || n->now - n->next_due < HQ_DOCTOR_UNREAPED) continue;
    snprintf(found, sizeof found, "%lld delayed, the first was due %s ago", (long long)n->delayed,
             hq_doctor_span(n->now - n->next_due, span));
    hq_doctor_mend_by_actor(mend, sizeof mend, d->queues.name[i]);
    status = hq_doctor_add_mended(d, HQ_FOUND_OVERDUE, d->queues.name[i], found, mend,
                                  "queue what is due, as an actor does", hq_doctor_tend, d->queues.name[i], err);
  }
  return status;
}

/* ---- the handoff ---- */

/* How many ids have lain there for longer than the grace. */
static heroq_status count_stale(hq_doctor *d, uint32_t i, int64_t *count, heroq_error *err) {
  char limit[24];
  int64_t grace = hq_option_int(hq_client_options(d->errand.client), HQ_OPT_HANDOFF_GRACE);
  int64_t before = d->numbers[i].now - 2 * grace;
  hq_batch b;
  hq_qkeys q;
  if (!hq_qkeys_init(&q, d->queues.name[i])) return hq_fail_nomem(err);
  snprintf(limit, sizeof limit, "%lld", (long long)before);
  hq_batch_init(&b);
  hq_batch_words(&b, "LLEN", q.key[HQ_Q_HANDOFF].p, NULL);
  hq_batch_words(&b, "ZCOUNT", q.key[HQ_Q_SEEN].p, "-inf", limit, NULL);
  hq_batch_words(&b, "HGET", q.key[HQ_Q_META].p, "last_reap", NULL);
  heroq_status status = hq_errand_all(&d->errand, &b, q.key[HQ_Q_HANDOFF].p, err);
  int64_t lie = hq_reply_int(hq_batch_reply(&b, 0), 0), old = hq_reply_int(hq_batch_reply(&b, 1), 0);
  bool reaped = hq_reply_int(hq_batch_reply(&b, 2), 0) > before - HQ_DOCTOR_UNREAPED;
  *count = reaped && old < lie ? old : lie; /* where nobody reaps, nobody writes down since when they lie */
  hq_batch_free(&b);
  hq_qkeys_free(&q);
  return status;
}

typedef struct lying {
  const char *queue;
  int64_t count;
} lying;

/* The oldest lie at the right end. Who comes for one later finds that it is not there, as after a REAP. */
static heroq_status move_back(hq_doctor *d, const void *what, hq_repair *out, heroq_error *err) {
  const lying *l = what;
  int64_t moved = 0, most = l->count < MOST_MOVED ? l->count : MOST_MOVED;
  hq_qkeys q;
  hq_batch b;
  if (!hq_qkeys_init(&q, l->queue)) return hq_fail_nomem(err);
  hq_batch_init(&b);
  for (int64_t k = 0; k < most; k++)
    hq_batch_words(&b, "LMOVE", q.key[HQ_Q_HANDOFF].p, q.key[HQ_Q].p, "RIGHT", "RIGHT", NULL);
  heroq_status status = hq_errand_all(&d->errand, &b, q.key[HQ_Q_HANDOFF].p, err);
  for (uint32_t k = 0; k < b.count && !status; k++) moved += hq_reply_str(hq_batch_reply(&b, k)).p != NULL;
  out->done = !status && most == l->count;
  snprintf(out->said, sizeof out->said, "moved %lld ids back into the queue", (long long)moved);
  hq_batch_free(&b);
  hq_qkeys_free(&q);
  return status;
}

static heroq_status add_stale(hq_doctor *d, const char *key, int64_t stale, heroq_error *err) {
  lying what = {key, stale};
  char subject[420], found[120], mend[700];
  snprintf(subject, sizeof subject, "{%.400s}:handoff", key);
  snprintf(found, sizeof found, "%lld ids have lain in the handoff for long", (long long)stale);
  snprintf(mend, sizeof mend, "redis-cli LMOVE '{%.300s}:handoff' %.300s RIGHT RIGHT", key, key);
  return hq_doctor_add_mended(d, HQ_FOUND_OLD_HANDOFF, subject, found, mend, "move them back into the queue", move_back,
                              &what, err);
}

heroq_status hq_check_handoff(hq_doctor *d, heroq_error *err) {
  int64_t *stale = calloc(d->queues.n + 1, sizeof *stale);
  bool any = false;
  heroq_status status = stale ? HEROQ_OK : hq_fail_nomem(err);
  for (uint32_t i = 0; i < d->queues.n && !status; i++) {
    if (d->numbers[i].handoff && !d->numbers[i].wrong_type) status = count_stale(d, i, &stale[i], err);
    any = any || stale[i];
  }
  if (!status && any) status = hq_doctor_pause(d, SECOND_LOOK, err);
  for (uint32_t i = 0; i < d->queues.n && !status; i++) {
    if (!stale[i]) continue;
    status = count_stale(d, i, &stale[i], err);
    if (!status && stale[i]) status = add_stale(d, d->queues.name[i], stale[i], err);
  }
  free(stale);
  return status;
}
