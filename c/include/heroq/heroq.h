/** @file heroq.h
 *  @brief heroq: a job system on a Redis or Valkey server. This header includes all others; below is the one page on
 *  threads, ownership and life.
 *
 *  ### Calls
 *  `heroq_<class>_<verb>(self, …, out…, call, err)` returns a heroq_status: 0, or a negative error. `err` is the
 *  caller's heroq_error (may be NULL) and is set at every call. Every function that may wait takes a heroq_call (may be
 *  NULL), by which another thread or a signal handler ends it. Timeouts are int64 ms, HEROQ_FOREVER (-1), 0 = do not
 *  wait. "Nothing came in time" is HEROQ_OK with *out NULL for take and next_event; the end is HEROQ_E_CLOSED.
 *
 *  ### Data
 *  Names, ids, statuses, option names and values are UTF-8 text with a NUL. All else is bytes: pointer and size. Input is
 *  copied before return. What a function gives through `out` is the caller's, freed by the class's `_free`, which takes
 *  NULL; `out` itself must not be NULL where nothing else is said, and *out is NULL when a call fails. What a getter returns
 *  lives until the free of its object.
 *
 *  ### Threads
 *  Every handle may be used from several threads at once, but a job (or list, or set of options) that is being built.
 *  The library's own threads block all signals, never run the caller's code, and end with close.
 *
 *  ### Life
 *  client → supervisor, waiter, actor, queue; actor → taken jobs. A child keeps its parent's memory alive: free in any
 *  order. `close` ends work and wakes all waiters (any thread, any time, again and again); later calls answer
 *  HEROQ_E_CLOSED. `free` gives back memory only: it never waits and never talks to the server; nobody may be inside a
 *  call. After fork every handle of the parent answers HEROQ_E_FORKED in the child, where `free` is harmless and
 *  heroq_client_reopen makes a new client.
 *
 *  ### Descriptors
 *  An `_fd` is for poll, select, epoll or kqueue only. It is readable exactly while the matching take(0) or
 *  next_event(0) would answer something, an error or the end included. It stays the same from first use to free.
 *
 *  ### A first actor
 *  @code
 *  heroq_error err;
 *  heroq_client *client;
 *  heroq_actor *actor;
 *  heroq_job *job;
 *  if (heroq_client_open("redis://localhost", NULL, &client, NULL, &err) ||
 *      heroq_actor_open(client, "osis_1", "osis", NULL, &actor, NULL, &err))
 *    return fprintf(stderr, "%s\n", err.text), 1;
 *  while (!heroq_actor_take(actor, HEROQ_FOREVER, &job, NULL, &err)) {
 *    heroq_job_finish(job, "done", 4, 0, NULL, NULL);
 *    heroq_job_free(job);
 *  }
 *  @endcode
 */
#ifndef HEROQ_HEROQ_H
#define HEROQ_HEROQ_H

#include "actor.h"
#include "base.h"
#include "call.h"
#include "client.h"
#include "doctor.h"
#include "error.h"
#include "job.h"
#include "keys.h"
#include "options.h"
#include "queue.h"
#include "record.h"
#include "supervisor.h"
#include "waiter.h"

#endif
