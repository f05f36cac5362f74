/* heroq_call: the deadline and the cancel of calls that wait. */
#include <heroq/call.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "errors.h"
#include "wait.h"

heroq_status heroq_call_new(heroq_call **out, heroq_error *err) {
  if (!out) return hq_fail(err, HEROQ_E_INVALID, "heroq_call_new: out is NULL");
  *out = NULL;
  heroq_call *call = malloc(sizeof *call);
  if (!call) return hq_fail_nomem(err);
  atomic_init(&call->cancelled, 0);
  atomic_init(&call->deadline, HQ_NEVER);
  call->pid = getpid();
  int fault = hq_notice_open(&call->notice);
  if (fault) {
    free(call);
    return hq_fail_errno(err, HEROQ_E_INTERNAL, fault, "no descriptor for a call handle");
  }
  *out = call;
  return hq_ok(err);
}

heroq_status heroq_call_set_timeout(heroq_call *self, int64_t timeout_ms, heroq_error *err) {
  if (!self) return hq_fail(err, HEROQ_E_INVALID, "heroq_call_set_timeout: call is NULL");
  if (timeout_ms < HEROQ_FOREVER)
    return hq_fail(err, HEROQ_E_INVALID, "a timeout is 0 or more ms, or -1 for ever, not %lld", (long long)timeout_ms);
  atomic_store(&self->deadline, hq_deadline(hq_mono_ms(), timeout_ms));
  return hq_ok(err);
}

void heroq_call_cancel(heroq_call *self) {
  if (!self) return;
  atomic_store(&self->cancelled, 1);
  if (self->pid == getpid()) hq_notice_set(&self->notice);
}

void heroq_call_reset(heroq_call *self) {
  if (!self) return;
  /* In this order a cancel at the same moment leaves at least one of the two marks. */
  atomic_store(&self->cancelled, 0);
  if (self->pid == getpid()) hq_notice_clear(&self->notice);
}

int32_t heroq_call_is_cancelled(const heroq_call *self) { return self ? atomic_load(&self->cancelled) : 0; }

void heroq_call_free(heroq_call *self) {
  if (!self) return;
  hq_notice_close(&self->notice);
  free(self);
}
