/* The operations in a job's slot, those of the canonical actor too. */
#include <string.h>

#include "delivery.h"
#include "job_private.h"
#include "scripts.h"

#define LOG_KEPT 1000
#define STREAM_KEPT 10000

static void begin(hq_batch *b, int script, const char *job_key, uint32_t nargs) {
  hq_batch_script(b, script, 1, nargs);
  hq_batch_text_arg(b, job_key);
}

/* Element i as bytes; n 0 where there is none. */
static hq_slice text_at(const hq_reply *r, uint32_t i) { return hq_reply_str(hq_reply_at(r, i)); }

/* The number that an answer begins with, or is. */
static int64_t verdict_of(const hq_reply *r) {
  if (r && r->type == HQ_INT) return r->integer;
  return hq_reply_int(hq_reply_at(r, 0), HQ_NO_ANSWER);
}

/* ---- claim ---- */

void hq_put_claim(hq_batch *b, const hq_run *run, uint32_t n) {
  hq_batch_script(b, HQ_SCRIPT_CLAIM, n, 3 * n);
  for (uint32_t i = 0; i < n; i++) hq_batch_text_arg(b, run[i].job_key);
  for (uint32_t i = 0; i < n; i++) {
    hq_batch_slice(b, run[i].token);
    hq_batch_slice(b, run[i].queue);
    hq_batch_slice(b, run[i].over);
  }
}

void hq_put_kill(hq_batch *b, const char *job_key, hq_slice token, hq_slice queue, hq_slice over, hq_slice error) {
  begin(b, HQ_SCRIPT_KILL, job_key, 4);
  hq_batch_slice(b, token);
  hq_batch_slice(b, queue);
  hq_batch_slice(b, over);
  hq_batch_slice(b, error);
}

bool hq_get_claim(const hq_reply *r, hq_claim *out) {
  memset(out, 0, sizeof *out);
  out->verdict = verdict_of(r);
  switch (out->verdict) {
  case HQ_MISSING: return true;
  case HQ_TERMINAL:
  case HQ_STOPPED:
    out->reply_to = text_at(r, 1);
    out->payload = text_at(r, 2);
    if (out->verdict == HQ_TERMINAL) out->reason = text_at(r, 3);
    return true;
  case HQ_SUPERSEDED: out->seq = hq_reply_int(hq_reply_at(r, 1), 0); return true;
  case HQ_ELSEWHERE:
    out->queue = text_at(r, 1);
    out->token = text_at(r, 2);
    return true;
  default:
    out->fields = hq_reply_at(r, 1);
    out->due = hq_reply_int(hq_reply_at(r, 2), -1);
    out->reply_to = text_at(r, 3);
    return out->verdict > 0 && hq_reply_count(out->fields) == HQ_CLAIM_FIELD_COUNT;
  }
}

/* ---- the ends of a run ---- */

void hq_put_finish(hq_batch *b, const hq_run *run, uint32_t n) {
  bool reply = run->reply_to.n;
  hq_batch_script(b, reply ? HQ_SCRIPT_FINISH_REPLY : HQ_SCRIPT_FINISH, reply ? 2 * n : n, reply ? 3 * n : 2 * n);
  for (uint32_t i = 0; i < n; i++) {
    hq_batch_text_arg(b, run[i].job_key);
    if (reply) hq_batch_slice(b, run[i].reply_to);
  }
  for (uint32_t i = 0; i < n; i++) {
    hq_batch_slice(b, run[i].token);
    hq_batch_slice(b, run[i].output);
    if (reply && hq_is_shared_list(run[i].reply_to))
      hq_batch_entry(b, run[i].id);
    else if (reply)
      hq_batch_slice(b, HQ_SLICE_NONE);
  }
}

void hq_put_fail(hq_batch *b, const char *job_key, hq_slice token, hq_slice error, int64_t max_retries, bool dead) {
  begin(b, HQ_SCRIPT_FAIL, job_key, 4);
  hq_batch_slice(b, token);
  hq_batch_slice(b, error);
  hq_batch_int(b, max_retries);
  hq_batch_int(b, dead);
}

void hq_put_unclaim(hq_batch *b, const char *job_key, hq_slice token, bool seen) {
  begin(b, HQ_SCRIPT_UNCLAIM, job_key, 2);
  hq_batch_slice(b, token);
  hq_batch_int(b, seen);
}

bool hq_get_ended(const hq_reply *r, hq_ended *out) {
  memset(out, 0, sizeof *out);
  out->verdict = verdict_of(r);
  if (out->verdict == HQ_NO_ANSWER) return false;
  out->reply_to = text_at(r, 1);
  out->reason = text_at(r, 2);
  out->payload = text_at(r, 3);
  return true;
}

/* ---- what others do to a job ---- */

void hq_put_place(hq_batch *b, const char *job_key, const char *queue) {
  begin(b, HQ_SCRIPT_PLACE, job_key, 1);
  hq_batch_text_arg(b, queue);
}

void hq_put_cancel(hq_batch *b, const char *job_key) { begin(b, HQ_SCRIPT_CANCEL, job_key, 0); }

bool hq_get_cancel(const hq_reply *r, hq_cancel *out) {
  memset(out, 0, sizeof *out);
  out->verdict = verdict_of(r);
  out->queue = text_at(r, 1);
  out->token = text_at(r, 2);
  out->reply_to = text_at(r, 3);
  out->script_type = text_at(r, 4);
  return out->verdict != HQ_NO_ANSWER;
}

void hq_put_delete(hq_batch *b, const char *job_key, int64_t tombstone_ttl) {
  begin(b, HQ_SCRIPT_DELETE, job_key, 1);
  hq_batch_int(b, tombstone_ttl);
}

void hq_put_requeue(hq_batch *b, const char *job_key) { begin(b, HQ_SCRIPT_REQUEUE, job_key, 0); }

void hq_put_await(hq_batch *b, const char *job_key, hq_slice reply_to) {
  begin(b, HQ_SCRIPT_AWAIT, job_key, 1);
  hq_batch_slice(b, reply_to);
}

bool hq_get_awaited(const hq_reply *r, hq_awaited *out) {
  memset(out, 0, sizeof *out);
  if (r && r->type == HQ_NIL) return true;
  if (hq_reply_count(r) != 7) return false;
  out->exists = true;
  out->status = text_at(r, 0);
  out->output = text_at(r, 1);
  out->error = text_at(r, 2);
  out->failed = hq_slice_is(out->status, "error");
  out->terminal = out->failed || hq_slice_is(out->status, "finished");
  out->has_token = hq_reply_int(hq_reply_at(r, 3), 0) != 0;
  out->requeued = hq_reply_int(hq_reply_at(r, 4), 0) != 0;
  out->script_type = text_at(r, 5);
  out->queue = text_at(r, 6);
  return true;
}

void hq_put_settle(hq_batch *b, const char *job_key, bool from_output, hq_slice value) {
  begin(b, HQ_SCRIPT_SETTLE, job_key, 2);
  hq_batch_text_arg(b, from_output ? "output" : "reply");
  hq_batch_slice(b, value);
}

/* ---- canonical ---- */

void hq_put_start(hq_batch *b, const char *job_key) { begin(b, HQ_SCRIPT_START, job_key, 0); }

void hq_put_result(hq_batch *b, const char *job_key, bool failed, hq_slice value) {
  begin(b, HQ_SCRIPT_RESULT, job_key, 2);
  hq_batch_int(b, failed);
  hq_batch_slice(b, value);
}

void hq_batch_beside(hq_batch *b, const char *job_key, const char *part) {
  hq_buf key = {0};
  hq_buf_char(&key, '{');
  hq_buf_text(&key, job_key);
  hq_buf_text(&key, "}:");
  hq_buf_text(&key, part);
  b->failed = b->failed || key.failed;
  hq_batch_text_arg(b, hq_buf_cstr(&key));
  hq_buf_free(&key);
}

void hq_put_note(hq_batch *b, const hq_note_head *head) {
  hq_batch_script(b, HQ_SCRIPT_NOTE, 3, 7 + head->lines + head->chunks);
  hq_batch_text_arg(b, head->job_key);
  hq_batch_beside(b, head->job_key, "log");
  hq_batch_beside(b, head->job_key, "stream");
  hq_batch_slice(b, head->run);
  hq_batch_int(b, head->fenced);
  hq_batch_int(b, head->n);
  hq_batch_slice(b, head->progress);
  hq_batch_int(b, LOG_KEPT);
  hq_batch_int(b, STREAM_KEPT);
  hq_batch_int(b, head->lines);
}

void hq_put_intent_look(hq_batch *b, const char *job_key) {
  hq_batch_words(b, "HMGET", job_key, "status", "hq_token", NULL);
}

bool hq_get_intent_look(const hq_reply *r) {
  return hq_state_parse(hq_reply_str(hq_reply_at(r, 0))) == HQ_S_DISPATCHED && !hq_reply_str(hq_reply_at(r, 1)).p;
}
