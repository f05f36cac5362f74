/* Waiting: poll under a deadline and a heroq_call, and threads that wait for each other. */
#include "wait.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>

#include "clock.h"

int64_t hq_wait_deadline(int64_t timeout_ms, const heroq_call *call) {
  int64_t own = hq_deadline(hq_mono_ms(), timeout_ms);
  int64_t limit = call ? atomic_load(&call->deadline) : HQ_NEVER;
  return own < limit ? own : limit;
}

static bool cancelled(const heroq_call *call) { return call && atomic_load(&call->cancelled); }

static int poll_timeout(int64_t deadline) {
  if (deadline == HQ_NEVER) return -1;
  int64_t left = deadline - hq_mono_ms();
  return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

heroq_status hq_wait_fd(int fd, short events, int64_t deadline, const heroq_call *call, short *revents) {
  *revents = 0;
  while (!cancelled(call)) {
    struct pollfd p[2] = {{fd, events, 0}, {call ? call->notice.rfd : -1, POLLIN, 0}};
    int timeout = poll_timeout(deadline), n = poll(p, 2, timeout);
    if (n < 0 && errno != EINTR && errno != EAGAIN) return HEROQ_E_INTERNAL;
    if (n <= 0) {
      if (timeout == 0) return HEROQ_E_TIMEOUT;
      continue;
    }
    /* The notice may be readable without the mark when a cancel met a reset. */
    if (p[1].revents) return p[1].revents & POLLIN ? HEROQ_E_CANCELLED : HEROQ_E_INTERNAL;
    *revents = p[0].revents;
    return HEROQ_OK;
  }
  return HEROQ_E_CANCELLED;
}

void hq_waitq_init(hq_waitq *q) {
  *q = (hq_waitq){0};
  q->last = &q->first;
}

static heroq_status take_spare(hq_waitq *q, hq_waiting **out) {
  hq_waiting *w = *out = q->spare;
  if (w) {
    q->spare = w->next;
    return HEROQ_OK;
  }
  w = malloc(sizeof *w);
  if (!w) return HEROQ_E_NOMEM;
  if (hq_notice_open(&w->notice)) {
    free(w);
    return HEROQ_E_INTERNAL;
  }
  *out = w;
  return HEROQ_OK;
}

static void give_spare(hq_waitq *q, hq_waiting *w) {
  w->next = q->spare;
  q->spare = w;
}

heroq_status hq_waitq_reserve(hq_waitq *q) {
  hq_waiting *w;
  heroq_status status = take_spare(q, &w);
  if (status == HEROQ_OK) give_spare(q, w);
  return status;
}

static void unlink_waiting(hq_waitq *q, hq_waiting *w) {
  hq_waiting **at = &q->first;
  while (*at != w) at = &(*at)->next;
  *at = w->next;
  if (q->last == &w->next) q->last = at;
  q->count--;
}

heroq_status hq_waitq_wait(hq_waitq *q, pthread_mutex_t *lock, int64_t deadline, const heroq_call *call) {
  if (cancelled(call)) return HEROQ_E_CANCELLED;
  if (poll_timeout(deadline) == 0) return HEROQ_E_TIMEOUT;
  hq_waiting *w;
  heroq_status status = take_spare(q, &w);
  if (status) return status;
  w->next = NULL;
  w->woken = false;
  *q->last = w;
  q->last = &w->next;
  q->count++;

  pthread_mutex_unlock(lock);
  short revents;
  status = hq_wait_fd(w->notice.rfd, POLLIN, deadline, call, &revents);
  pthread_mutex_lock(lock);

  if (w->woken) {
    /* Even when the time ended or a cancel came at the same moment: this thread was chosen, so it has to look. */
    status = HEROQ_OK;
    hq_notice_clear(&w->notice);
  } else {
    unlink_waiting(q, w);
    if (status == HEROQ_OK) status = HEROQ_E_INTERNAL; /* somebody else closed our descriptor */
  }
  give_spare(q, w);
  return status;
}

void hq_waitq_wake_one(hq_waitq *q) {
  hq_waiting *w = q->first;
  if (!w) return;
  unlink_waiting(q, w);
  w->woken = true;
  hq_notice_set(&w->notice);
}

void hq_waitq_wake_all(hq_waitq *q) {
  while (q->first) hq_waitq_wake_one(q);
}

void hq_waitq_free(hq_waitq *q) {
  for (hq_waiting *w = q->spare; w;) {
    hq_waiting *next = w->next;
    hq_notice_close(&w->notice);
    free(w);
    w = next;
  }
  hq_waitq_init(q);
}
