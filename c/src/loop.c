/* The loop alone knows how its thread sleeps and is woken. */
#include "loop.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

#include "clock.h"

#define LOOP_FDS 256
#define LOOK_US 200

static void name_thread(const char *name) {
#if defined(__linux__)
  pthread_setname_np(pthread_self(), name);
#elif defined(__APPLE__)
  pthread_setname_np(name);
#else
  (void)name;
#endif
}

static int timeout_until(int64_t deadline) {
  if (deadline == HQ_NEVER) return -1;
  int64_t left = deadline - hq_mono_ms();
  return left <= 0 ? 0 : left > 3600000 ? 3600000 : (int)left;
}

/* True when something came. Whoever else wants the processor has it between two looks. */
static bool look(const hq_loop *l, struct pollfd *fds, uint32_t n, int64_t since) {
  if (l->soon == HQ_SOON_NOTHING || l->took_us[l->soon] > LOOK_US) return false;
  bool came = false;
  while (!came && !atomic_load(&l->pending) && hq_mono_us() - since < LOOK_US) {
    came = poll(fds, n, 0) > 0;
    if (!came) sched_yield();
  }
  return came;
}

static void *run(void *arg) {
  hq_loop *l = arg;
  struct pollfd fds[LOOP_FDS];
  name_thread(l->name);
  bool more = true;
  while (more) {
    int64_t deadline = HQ_NEVER;
    fds[0] = (struct pollfd){.fd = l->wake.rfd, .events = POLLIN};
    l->soon = HQ_SOON_NOTHING;
    uint32_t n = l->ops->prepare(l->self, fds + 1, LOOP_FDS - 1, &deadline);
    int64_t since = l->soon == HQ_SOON_NOTHING ? 0 : hq_mono_us();
    if (!look(l, fds + 1, n, since)) {
      atomic_store(&l->asleep, 1);
      int timeout = atomic_load(&l->pending) ? 0 : timeout_until(deadline);
      if (poll(fds, n + 1, timeout) < 0)
        for (uint32_t i = 0; i <= n; i++) fds[i].revents = 0;
      atomic_store(&l->asleep, 0);
      if (fds[0].revents) hq_notice_clear(&l->wake);
    }
    if (since) l->took_us[l->soon] = hq_mono_us() - since;
    atomic_store(&l->pending, 0);
    more = l->ops->handle(l->self, fds + 1, n);
  }
  l->ops->ended(l->self);
  return NULL;
}

int hq_loop_start(hq_loop *l, const char *thread_name, const hq_loop_ops *ops, void *self) {
  *l = (hq_loop){.ops = ops, .self = self};
  strncpy(l->name, thread_name, sizeof l->name - 1);
  int rc = hq_notice_open(&l->wake);
  if (rc) return rc;
  pthread_attr_t attr;
  if ((rc = pthread_attr_init(&attr)) != 0) return hq_notice_close(&l->wake), rc;
  pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attr, 512 * 1024);
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  pthread_t thread;
  rc = pthread_create(&thread, &attr, run, l);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  pthread_attr_destroy(&attr);
  if (rc) hq_notice_close(&l->wake);
  return rc;
}

void hq_loop_wake(hq_loop *l) {
  atomic_store(&l->pending, 1);
  if (atomic_exchange(&l->asleep, 0)) hq_notice_set(&l->wake);
}

void hq_loop_free(hq_loop *l) { hq_notice_close(&l->wake); }
