/* Making an actor, and giving its memory back. */
#ifndef HQ_ACTOR_OPEN_H
#define HQ_ACTOR_OPEN_H
#include "engine.h"

extern const hq_taken_ops hq_settle_ops; /* settle.c */
void hq_actor_close_now(void *self);     /* actor.c: what the client calls when it closes */
void hq_actor_dispose(heroq_actor *a);   /* the last reference is gone */
#endif
