/* The supervisor clears a queue, a bounded part in each call. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clear.h"
#include "clock.h"
#include "errors.h"
#include "keys_private.h"
#include "options_private.h"
#include "record_private.h"
#include "supervisor_private.h"

/* Where it is. First the delayed, then those that wait, as many as there were when their turn came, so that it ends where jobs
 * come in as fast as they go; then both again: a second copy of an id was put off when the first one was taken. */
static const char phases[] = "dwDW0"; /* 0: begin, or end */
typedef struct position {
  const char *phase;
  int64_t stay, rest;
} position;

static bool read_position(const char *cursor, position *p) {
  long long stay, rest;
  int end = 0;
  *p = (position){.phase = strchr(phases, '0')};
  if (!cursor || !*cursor || !strcmp(cursor, "0")) return true;
  p->phase = strchr(phases, *cursor);
  if (sscanf(cursor + 1, "%lld.%lld%n", &stay, &rest, &end) != 2 || cursor[1 + end]) return false;
  p->stay = stay;
  p->rest = rest;
  return p->phase && *p->phase != '0' && stay >= 0 && rest >= 0;
}

static heroq_status count_in(hq_clearing *c, const char *command, int key, int64_t *out, heroq_error *err) {
  hq_batch b;
  hq_batch_init(&b);
  hq_batch_words(&b, command, c->queue.key[key].p, NULL);
  heroq_status status = hq_errand_all(&c->errand, &b, c->queue.key[key].p, err);
  *out = hq_reply_int(hq_batch_reply(&b, 0), 0);
  hq_batch_free(&b);
  return status;
}

static bool at_delayed(const position *p) { return *p->phase == 'd' || *p->phase == 'D'; }

static bool at_end(const position *p) { return *p->phase == '0'; }

static heroq_status begin_phase(hq_clearing *c, position *p, heroq_error *err) {
  int64_t gone;
  p->stay = 0;
  if (at_end(p)) return count_in(c, "DEL", HQ_Q_META, &gone, err);
  return at_delayed(p) ? count_in(c, "ZCARD", HQ_Q_DELAYED, &p->rest, err) : count_in(c, "LLEN", HQ_Q, &p->rest, err);
}

static heroq_status step_delayed(hq_clearing *c, position *p, heroq_error *err) {
  uint32_t seen = 0, stay = 0;
  heroq_status status = hq_clear_delayed(c, p->stay, &seen, &stay, err);
  p->stay += stay;
  p->rest = seen == HQ_CLEAR_PIECE ? p->rest - seen : 0;
  return status;
}

/* A look that takes nothing has put copies off, or there is nothing any more. */
static heroq_status step_waiting(hq_clearing *c, position *p, heroq_error *err) {
  uint32_t taken = 0;
  int64_t now = p->rest;
  heroq_status status = hq_clear_waiting(c, p->rest, &taken, err);
  if (!status && !taken) status = count_in(c, "LLEN", HQ_Q, &now, err);
  p->rest = now < p->rest ? now : p->rest - taken;
  return status;
}

static heroq_status clear_page(hq_clearing *c, position *p, int64_t most, heroq_error *err) {
  heroq_status status = HEROQ_OK;
  if (at_end(p)) {
    p->phase = phases;
    status = begin_phase(c, p, err);
  }
  while (!status && !at_end(p) && c->looked < most) {
    if (p->rest > 0) status = at_delayed(p) ? step_delayed(c, p, err) : step_waiting(c, p, err);
    if (status || p->rest > 0) continue;
    p->phase++;
    status = begin_phase(c, p, err);
  }
  return status;
}

static heroq_status check_name(const char *queue, heroq_error *err) {
  hq_slice part[3];
  if (queue && hq_key_queue_parts(hq_slice_of(queue), &part[0], &part[1], &part[2])) return HEROQ_OK;
  return hq_fail(err, HEROQ_E_INVALID, "\"%.64s\" is no queue's key: name it exactly, such as " HQ_WORK_PREFIX "osis",
                 queue ? queue : "");
}

static heroq_status check_there(const hq_clearing *c, heroq_error *err) {
  const char *queue = c->queue.key[HQ_Q].p;
  hq_batch b;
  hq_batch_init(&b);
  hq_batch_words(&b, "ZSCORE", HQ_QUEUES_KEY, queue, NULL);
  hq_batch_words(&b, "EXISTS", queue, c->queue.key[HQ_Q_DELAYED].p, NULL);
  heroq_status status = hq_errand_all(&c->errand, &b, queue, err);
  if (!status && !hq_reply_str(hq_batch_reply(&b, 0)).p && !hq_reply_int(hq_batch_reply(&b, 1), 0))
    status = hq_fail(err, HEROQ_E_NOT_FOUND, "there is no queue %s", queue);
  hq_batch_free(&b);
  return status;
}

static heroq_status answer(const hq_clearing *c, const position *p, heroq_record **out, heroq_error *err) {
  char cursor[64] = "0";
  heroq_record *r = hq_record_new();
  if (!at_end(p)) snprintf(cursor, sizeof cursor, "%c%lld.%lld", *p->phase, (long long)p->stay, (long long)p->rest);
  hq_record_add_int(r, "cancelled", c->cancelled);
  hq_record_add_text(r, "cursor", cursor);
  return hq_record_finish(r, out, err);
}

heroq_status heroq_supervisor_clear(heroq_supervisor *self, const char *queue, const char *cursor,
                                    const heroq_options *options, heroq_record **out, heroq_call *call,
                                    heroq_error *err) {
  static const int allowed[] = {HQ_OPT_COUNT, -1};
  position p;
  if (out) *out = NULL;
  if (!out) return hq_fail(err, HEROQ_E_INVALID, "heroq_supervisor_clear: out is NULL");
  heroq_status status = hq_supervisor_enter(self, err);
  if (status == HEROQ_OK) status = hq_options_only(options, "clear", allowed, err);
  if (status == HEROQ_OK) status = check_name(queue, err);
  if (status) return status;
  if (!read_position(cursor, &p))
    return hq_fail(err, HEROQ_E_INVALID, "a cursor is what the page before answered, not '%.32s'", cursor);
  hq_clearing c = {.errand = hq_errand_of(self->client, call),
                   .recheck = hq_option_int(hq_client_options(self->client), HQ_OPT_RECHECK)};
  hq_buf takes = {0};
  hq_buf_text(&takes, "{");
  hq_buf_text(&takes, queue);
  hq_buf_text(&takes, "}:clear");
  hq_buf_cstr(&takes);
  snprintf(c.actor, sizeof c.actor, "clear.%ld.%016llx", (long)getpid(), (unsigned long long)hq_random());
  if (takes.failed || !hq_qkeys_init(&c.queue, queue)) {
    hq_buf_free(&takes);
    return hq_fail_nomem(err);
  }
  c.queue.key[HQ_Q_META] = (hq_slice){takes.p, takes.n};
  if (at_end(&p)) status = check_there(&c, err);
  if (!status) status = clear_page(&c, &p, hq_option_int(options, HQ_OPT_COUNT), err);
  if (!status) status = answer(&c, &p, out, err);
  hq_qkeys_free(&c.queue);
  hq_buf_free(&takes);
  return status ? status : hq_ok(err);
}
