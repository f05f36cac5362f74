/* A thread that polls descriptors, runs timers and can be woken: under the actor's engine and under the client's awaits. */
#ifndef HQ_LOOP_H
#define HQ_LOOP_H
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "notice.h"

typedef struct hq_loop_ops { /* all run on the loop's thread */
  /* Fills fds (at most cap) with what to poll and returns how many; *deadline = monotonic ms of the next timer. */
  uint32_t (*prepare)(void *self, struct pollfd *fds, uint32_t cap, int64_t *deadline);
  /* After the poll: the same fds with their revents. false ends the thread. */
  bool (*handle)(void *self, const struct pollfd *fds, uint32_t n);
  void (*ended)(void *self); /* the last call on the thread; it may free the owner, the loop with it */
} hq_loop_ops;

/* What is about to come. Sleeping and being woken costs more than a server on the same machine takes to answer, so the
 * loop looks for it before it sleeps, where that would have paid the last time. */
enum hq_soon { HQ_SOON_NOTHING, HQ_SOON_ANSWER, HQ_SOON_RESULT, HQ_SOON_KINDS };

typedef struct hq_loop {
  hq_notice wake;
  atomic_int asleep, pending;
  const hq_loop_ops *ops;
  void *self;
  int soon;                       /* set by prepare */
  int64_t took_us[HQ_SOON_KINDS]; /* until something came, the last time */
  char name[16];
} hq_loop;

/* 0, or an errno. The thread is detached and blocks all signals; ops->ended comes exactly once if 0 was returned. */
int hq_loop_start(hq_loop *l, const char *thread_name, const hq_loop_ops *ops, void *self);
/* From any thread; makes no system call while the loop is awake. */
void hq_loop_wake(hq_loop *l);
/* What the loop holds; from ops->ended, or when start failed. */
void hq_loop_free(hq_loop *l);
#endif
