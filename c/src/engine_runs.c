/* Claims and results: those that come together go out in one call, which costs the server a fifth less than a call each. */
#include "engine.h"

#define TOGETHER_BYTES                                                                                                 \
  (64u << 10)         /* of scripts that come or outputs that go: a call must not keep the server for long */
#define ALONE_MS 1000 /* after a call for several failed as a whole */
#define FADES 64      /* in so many claims a large script is forgotten */

static bool alone(const heroq_actor *a) { return a->sent_at < a->alone_until; }

/* A script's size is known when it is there: the largest of late foretells it. */
static size_t weight(const heroq_actor *a, const hq_held *h) {
  return h->stage == HQ_ST_CLAIM ? a->script_size : h->payload.n;
}

static void see_script(heroq_actor *a, size_t n) {
  if (n >= a->script_size)
    a->script_size = n;
  else
    a->script_size -= (a->script_size - n) / FADES;
}

/* Whether the result answers who waits too. The reply follows elsewhere what makes it sure. */
static bool answers(const heroq_actor *a, const hq_held *h) {
  return h->stage == HQ_ST_FINISH && h->asks.p && !a->config.replicas && !a->config.reply_always && !alone(a);
}

bool hq_runs_put(heroq_actor *a, hq_list *todo) {
  int stage = todo->first->stage;
  if (a->config.canonical || (stage != HQ_ST_CLAIM && stage != HQ_ST_FINISH)) return false;
  bool reply = answers(a, todo->first);
  uint32_t first = a->listed_count, n = 0, most = alone(a) ? 1 : HQ_JOBS_MOST;
  size_t bytes = 0;
  hq_run run[HQ_JOBS_MOST];
  for (hq_held *h; n < most && (h = todo->first) && h->stage == stage && answers(a, h) == reply; n++) {
    bytes += weight(a, h);
    if ((n && bytes > TOGETHER_BYTES) || !hq_engine_list(a, h)) break;
    run[n] = (hq_run){.job_key = h->job_key,
                      .token = h->token,
                      .queue = h->source->keys.key[HQ_Q],
                      .over = h->over,
                      .output = h->payload,
                      .id = h->id,
                      .reply_to = reply ? h->asks : HQ_SLICE_NONE};
    hq_list_pop(todo);
  }
  hq_item *item = n ? hq_engine_item(a, HQ_OP_RUNS, NULL, NULL) : NULL;
  if (!item) { /* no memory: another turn */
    while (a->listed_count > first) hq_settle_work(a, a->listed[--a->listed_count], stage);
    if (!n) hq_settle_work(a, hq_list_pop(todo), stage);
    return true;
  }
  item->first = first;
  item->count = n;
  item->together = n > 1 || reply;
  if (stage == HQ_ST_CLAIM)
    hq_put_claim(&a->batch, run, n);
  else
    hq_put_finish(&a->batch, run, n);
  return true;
}

void hq_runs_revert(heroq_actor *a, const hq_item *item) {
  for (uint32_t i = 0; i < item->count; i++) {
    hq_held *h = a->listed[item->first + i];
    hq_settle_work(a, h, h->stage);
  }
}

void hq_runs_answer(heroq_actor *a, const hq_item *item, const hq_reply *r) {
  bool failed = item->count > 1 ? hq_reply_count(r) != item->count : hq_reply_is_error(r, NULL);
  if (item->together && failed) { /* slots of a cluster, or what is wrong with one of them */
    a->alone_until = hq_mono_ms() + ALONE_MS;
    hq_runs_revert(a, item);
    return;
  }
  for (uint32_t i = 0; i < item->count; i++) {
    hq_held *h = a->listed[item->first + i];
    const hq_reply *one = item->count > 1 ? hq_reply_at(r, i) : r;
    hq_slice script = hq_reply_str(hq_reply_at(hq_reply_at(one, 1), 0));
    if (h->stage == HQ_ST_CLAIM && script.p) see_script(a, script.n);
    hq_settle_answer(a, h, one);
  }
}
