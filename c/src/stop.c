/* Asking a job to stop: what CANCEL answered, and the commands that follow from it. */
#include "stop.h"

#include "errors.h"
#include "keys_private.h"

heroq_status hq_known_queue(hq_slice queue, hq_slice script_type, hq_qkeys *q) {
  hq_buf key = {0};
  hq_slice part;
  if (queue.n && hq_key_queue_parts(queue, &part, &part, &part))
    hq_buf_add(&key, queue.p, queue.n);
  else if (hq_name_ok(script_type))
    hq_key_queue(&key, script_type.p, NULL, NULL);
  else
    return HEROQ_E_STATE;
  bool ok = !key.failed && hq_qkeys_init(q, hq_buf_cstr(&key));
  hq_buf_free(&key);
  return ok ? HEROQ_OK : HEROQ_E_NOMEM;
}

enum { UNKNOWN, ENDED_NOW, ASKED_TO_STOP, HAD_ENDED, FOREIGN };

heroq_status hq_stop_read(const hq_reply *r, const char *job_key, hq_cancel *c, const char **outcome,
                          heroq_error *err) {
  static const char *const words[] = {"", "cancelled", "stopping", "ended", "asked"};
  heroq_status status = hq_reply_to_error(r, job_key, err);
  if (status) return status;
  if (!hq_get_cancel(r, c) || c->verdict < UNKNOWN || c->verdict > FOREIGN)
    return hq_fail(err, HEROQ_E_PROTOCOL, "%s: an answer that heroq does not understand", job_key);
  if (c->verdict == UNKNOWN) return hq_fail(err, HEROQ_E_NOT_FOUND, "%s is not there", job_key);
  *outcome = words[c->verdict];
  return HEROQ_OK;
}

/* It had not started and is ended: who waits is told, and a delayed copy comes to be found terminal. */
static void put_ended(hq_batch *b, hq_slice id, const hq_cancel *c) {
  hq_qkeys q;
  if (c->reply_to.n) hq_put_reply(b, c->reply_to, id, hq_slice_of("cancelled"));
  if (hq_known_queue(c->queue, c->script_type, &q)) return;
  hq_put_due_now(b, &q, id);
  hq_qkeys_free(&q);
}

static heroq_status put_holder(hq_batch *b, hq_slice id, const hq_cancel *c, heroq_error *err) {
  hq_qkeys q;
  heroq_status status = hq_known_queue(c->queue, c->script_type, &q);
  if (status == HEROQ_E_NOMEM) return hq_fail_nomem(err);
  if (status) return hq_fail(err, HEROQ_E_STATE, "job %.*s does not say in which queue it runs", (int)id.n, id.p);
  hq_put_stop(b, &q, id);
  hq_qkeys_free(&q);
  return HEROQ_OK;
}

static heroq_status put_foreign(hq_batch *b, hq_slice id, const hq_cancel *c, heroq_error *err) {
  hq_buf key = {0};
  if (!hq_name_ok(c->script_type))
    return hq_fail(err, HEROQ_E_STATE, "job %.*s has no script_type, so there is no list to stop it by", (int)id.n,
                   id.p);
  hq_key_ctl(&key, c->script_type.p);
  if (!key.failed) hq_put_ctl(b, hq_buf_cstr(&key), id);
  heroq_status status = key.failed ? hq_fail_nomem(err) : HEROQ_OK;
  hq_buf_free(&key);
  return status;
}

heroq_status hq_stop_put(hq_batch *b, hq_slice id, const hq_cancel *c, heroq_error *err) {
  if (c->verdict == ASKED_TO_STOP) return put_holder(b, id, c, err);
  if (c->verdict == FOREIGN) return put_foreign(b, id, c, err);
  if (c->verdict == ENDED_NOW) put_ended(b, id, c);
  return HEROQ_OK;
}

bool hq_stop_keep(hq_cancel *c, hq_buf *text) {
  hq_slice *part[] = {&c->queue, &c->token, &c->reply_to, &c->script_type};
  size_t at[4];
  for (int i = 0; i < 4; i++) {
    at[i] = text->n;
    hq_buf_add(text, part[i]->p, part[i]->n);
    hq_buf_char(text, 0);
  }
  if (text->failed) return false;
  for (int i = 0; i < 4; i++) part[i]->p = text->p + at[i];
  return true;
}
