/* Waiting on descriptors under a deadline and a heroq_call. */
#ifndef HQ_WAIT_H
#define HQ_WAIT_H
#include <heroq/call.h>
#include <stdatomic.h>

#include "notice.h"

struct heroq_call {
  hq_notice notice; /* set while cancelled */
  atomic_int cancelled;
  _Atomic int64_t deadline; /* monotonic ms, HQ_NEVER */
  pid_t pid;                /* after fork the notice is shared with the parent: a child must not touch it */
};

/* The earlier of now + timeout_ms and the call's deadline. */
int64_t hq_wait_deadline(int64_t timeout_ms, const heroq_call *call);
/* Waits until fd has one of `events`: HEROQ_OK with *revents set; HEROQ_E_TIMEOUT at the deadline; HEROQ_E_CANCELLED.
 * EINTR goes on. A cancelled call answers at once, also when the fd is ready. fd -1 waits for the deadline only. */
heroq_status hq_wait_fd(int fd, short events, int64_t deadline, const heroq_call *call, short *revents);

/* Threads that wait for something that another thread hands over: each waits on a notice of its own, so one event wakes
 * one thread, and a heroq_call can end the wait. All functions are called with the owner's lock held, hq_waitq_wait
 * releases it while it waits. */
#include <pthread.h>
typedef struct hq_waiting {
  struct hq_waiting *next;
  hq_notice notice;
  bool woken;
} hq_waiting;
typedef struct hq_waitq {
  hq_waiting *first, **last; /* who waits, oldest first */
  hq_waiting *spare;         /* opened notices to be used again */
  int32_t count;             /* how many wait */
} hq_waitq;
void hq_waitq_init(hq_waitq *q);
/* What one waiting thread needs is there from now on: its wait ends early for no want of memory or descriptors. */
heroq_status hq_waitq_reserve(hq_waitq *q);
/* Returns HEROQ_OK when woken, else HEROQ_E_TIMEOUT / E_CANCELLED / E_INTERNAL (no descriptor) / E_NOMEM. The caller looks at its
 * own condition again in every case. */
heroq_status hq_waitq_wait(hq_waitq *q, pthread_mutex_t *lock, int64_t deadline, const heroq_call *call);
void hq_waitq_wake_one(hq_waitq *q);
void hq_waitq_wake_all(hq_waitq *q);
void hq_waitq_free(hq_waitq *q); /* nobody may wait */
#endif
