/* What goes to those who wait for a result, and to foreign actors: the reply slot, the ctl list. */
#include <string.h>

#include "delivery.h"
#include "keys_private.h"
#include "scripts.h"

#define CTL_LOOK 256

static bool begins_with(hq_slice s, const char *prefix) {
  size_t n = strlen(prefix);
  return s.n > n && memcmp(s.p, prefix, n) == 0;
}

bool hq_is_reply_list(hq_slice key) { return begins_with(key, HQ_REPLY_PREFIX); }

bool hq_is_shared_list(hq_slice key) { return begins_with(key, HQ_WAITER_PREFIX); }

void hq_batch_entry(hq_batch *b, hq_slice job_id) {
  hq_buf entry = {0};
  hq_buf_add(&entry, job_id.p, job_id.n);
  hq_buf_char(&entry, ' ');
  if (entry.failed) b->failed = true;
  hq_batch_arg(b, entry.p, entry.n);
  hq_buf_free(&entry);
}

bool hq_put_reply(hq_batch *b, hq_slice reply_to, hq_slice job_id, hq_slice payload) {
  if (!hq_is_reply_list(reply_to)) return false;
  bool shared = hq_is_shared_list(reply_to);
  hq_batch_script(b, HQ_SCRIPT_REPLY, 1, 2);
  hq_batch_slice(b, reply_to);
  if (shared)
    hq_batch_entry(b, job_id);
  else
    hq_batch_slice(b, payload);
  hq_batch_int(b, shared);
  return true;
}

void hq_put_ctl(hq_batch *b, const char *ctl_key, hq_slice id) {
  hq_batch_script(b, HQ_SCRIPT_CTL, 1, 1);
  hq_batch_text_arg(b, ctl_key);
  hq_batch_slice(b, id);
}

void hq_put_ctl_look(hq_batch *b, const char *ctl_key) {
  hq_batch_begin(b, 4, -1);
  hq_batch_text_arg(b, "LRANGE");
  hq_batch_text_arg(b, ctl_key);
  hq_batch_int(b, 0);
  hq_batch_int(b, CTL_LOOK - 1);
}

void hq_put_ctl_remove(hq_batch *b, const char *ctl_key, hq_slice id) {
  hq_batch_begin(b, 4, -1);
  hq_batch_text_arg(b, "LREM");
  hq_batch_text_arg(b, ctl_key);
  hq_batch_int(b, 0);
  hq_batch_slice(b, id);
}
