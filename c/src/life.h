/* What every handle with a life has: references, the process that made it, whether it is closed. The pid is compared
 * before any lock. */
#ifndef HQ_LIFE_H
#define HQ_LIFE_H
#include <stdatomic.h>
#include <sys/types.h>

#include "errors.h"

typedef struct hq_life {
  atomic_int refs;
  atomic_int closed;
  pid_t pid;
} hq_life;
void hq_life_init(hq_life *l); /* one reference */
void hq_life_ref(hq_life *l);
int hq_life_unref(hq_life *l); /* 1 when that was the last one */
int hq_life_forked(const hq_life *l);
/* HEROQ_OK, or E_INVALID (self NULL: pass NULL), E_FORKED, E_CLOSED with `what` in the text. */
heroq_status hq_life_enter(const hq_life *l, const char *what, heroq_error *err);
#endif
