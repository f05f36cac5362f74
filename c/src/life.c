/* References, the process a handle belongs to, and whether it is closed. */
#include "life.h"

#include <unistd.h>

void hq_life_init(hq_life *l) {
  atomic_init(&l->refs, 1);
  atomic_init(&l->closed, 0);
  l->pid = getpid();
}

void hq_life_ref(hq_life *l) { atomic_fetch_add(&l->refs, 1); }

int hq_life_unref(hq_life *l) { return atomic_fetch_sub(&l->refs, 1) == 1; }

int hq_life_forked(const hq_life *l) { return l->pid != getpid(); }

heroq_status hq_life_enter(const hq_life *l, const char *what, heroq_error *err) {
  if (!l) return hq_fail(err, HEROQ_E_INVALID, "the %s is NULL", what);
  if (hq_life_forked(l))
    return hq_fail(err, HEROQ_E_FORKED, "the %s was opened before fork, by process %ld: open or reopen one here", what,
                   (long)l->pid);
  if (atomic_load(&l->closed)) return hq_fail(err, HEROQ_E_CLOSED, "the %s is closed", what);
  return HEROQ_OK;
}
