/* The rules of an await. */
#include "watch.h"

#include "job_private.h"

void hq_watch_free(hq_watch *w) { hq_buf_free(&w->reply); }

static void forget_reply(hq_watch *w) {
  hq_buf_free(&w->reply);
  w->reply_at = 0;
}

void hq_watch_reply(hq_watch *w, hq_slice payload, int64_t now) {
  if (w->reply_at || w->requeued) return;
  hq_buf_add(&w->reply, payload.p, payload.n);
  if (w->reply.failed)
    forget_reply(w);
  else
    w->reply_at = now;
}

bool hq_watch_wants_reply(const hq_watch *w) { return !w->has_token && !w->requeued && !w->reply_at; }

/* Something moved: look again soon. */
static void next_pause(hq_watch *w, const hq_awaited *a) {
  int state = hq_state_parse(a->status);
  bool moved = !w->pause || state != w->state || a->has_token != w->has_token;
  int64_t first = a->has_token ? 1000 : HQ_WATCH_FIRST_MS;
  w->pause = moved ? first : w->pause * 2 > HQ_WATCH_MOST_MS ? HQ_WATCH_MOST_MS : w->pause * 2;
  w->state = state;
  w->has_token = a->has_token;
}

int hq_watch_look(hq_watch *w, const hq_awaited *a, int64_t now) {
  if (!a->exists) {
    w->pause = HQ_WATCH_FIRST_MS;
    return ++w->gone >= 2 ? HQ_W_EXPIRED : HQ_W_WAIT;
  }
  w->gone = 0;
  if (a->terminal) return a->failed ? HQ_W_FAILED : HQ_W_FINISHED;
  next_pause(w, a);
  if (a->requeued) {
    w->requeued = true;
    forget_reply(w); /* it may be of an earlier run */
  }
  if (!a->output.p)
    w->output_at = 0;
  else if (!w->output_at)
    w->output_at = now;
  if (w->output_at) return now - w->output_at >= HQ_WATCH_SETTLE_MS ? HQ_W_SETTLE_OUTPUT : HQ_W_WAIT;
  return w->reply_at && now - w->reply_at >= HQ_WATCH_SETTLE_MS ? HQ_W_SETTLE_REPLY : HQ_W_WAIT;
}

static int64_t until(int64_t since, int64_t now) {
  int64_t left = since + HQ_WATCH_SETTLE_MS - now;
  return left < 10 ? 10 : left;
}

int64_t hq_watch_pause(const hq_watch *w, int64_t now) {
  int64_t pause = w->pause ? w->pause : HQ_WATCH_FIRST_MS;
  if (w->output_at && until(w->output_at, now) < pause) pause = until(w->output_at, now);
  if (w->reply_at && until(w->reply_at, now) < pause) pause = until(w->reply_at, now);
  return pause;
}
