/* What an await has seen of one job, and what follows from it: pure, no connection. PROTOCOL.md 1 and 2.10: the hash
 * decides; foreign actors may only write output, or only reply. */
#ifndef HQ_WATCH_H
#define HQ_WATCH_H
#include "delivery.h"

#define HQ_WATCH_FIRST_MS 50 /* between looks while a foreign actor may have the job; doubles */
#define HQ_WATCH_MOST_MS 5000
#define HQ_WATCH_SETTLE_MS 1000 /* an output or reply that no terminal status follows is the result after this */

typedef struct hq_watch {
  int64_t output_at, reply_at; /* when it was first seen; 0: not */
  hq_buf reply;                /* the first reply's text */
  int64_t pause;
  int32_t gone;
  int32_t state;
  bool has_token, requeued;
} hq_watch;
enum hq_watch_verdict {
  HQ_W_WAIT = 0,
  HQ_W_FINISHED,      /* the awaited output */
  HQ_W_FAILED,        /* the awaited error */
  HQ_W_EXPIRED,       /* the hash is gone */
  HQ_W_SETTLE_OUTPUT, /* the awaited output is the result, if it can be written so */
  HQ_W_SETTLE_REPLY   /* watch.reply is */
};
int hq_watch_look(hq_watch *w, const hq_awaited *a, int64_t now);
void hq_watch_reply(hq_watch *w, hq_slice payload, int64_t now);
/* ms until the hash is to be looked at again. */
int64_t hq_watch_pause(const hq_watch *w, int64_t now);
/* Whether a reply could be a result. */
bool hq_watch_wants_reply(const hq_watch *w);
void hq_watch_free(hq_watch *w);
#endif
