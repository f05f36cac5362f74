/* Closing: the mark, and the descriptor that tells it to those who wait. */
#include "closing.h"

#include "clock.h"
#include "errors.h"

int hq_closing_init(hq_closing *c) {
  hq_life_init(&c->life);
  return hq_notice_open(&c->notice);
}

bool hq_closing_close(hq_closing *c) {
  if (atomic_exchange(&c->life.closed, 1)) return false;
  hq_notice_set(&c->notice);
  return true;
}

void hq_closing_free(hq_closing *c) { hq_notice_close(&c->notice); }

heroq_status hq_nothing_came(heroq_status waited, int64_t timeout_ms, const heroq_call *call, const char *what,
                             heroq_error *err) {
  if (waited == HEROQ_E_CANCELLED) return hq_fail(err, waited, "waiting for %s was cancelled", what);
  if (waited == HEROQ_E_INTERNAL) return hq_fail(err, waited, "cannot wait for %s: no descriptor is left", what);
  if (waited == HEROQ_E_NOMEM) return hq_fail_nomem(err);
  bool calls_time = call && timeout_ms != 0 && atomic_load(&call->deadline) <= hq_mono_ms();
  if (calls_time) return hq_fail(err, HEROQ_E_TIMEOUT, "%s did not come in the time of the call", what);
  return hq_ok(err);
}
