/* The pool: idle connections kept for calls, and the poll loop of a synchronous exchange. */
#include <errno.h>
#include <limits.h>
#include <poll.h>

#include "client_state.h"
#include "clock.h"
#include "errors.h"

static int64_t earlier(int64_t a, int64_t b) { return a < b ? a : b; }

int64_t hq_client_op_deadline(const heroq_client *c, int64_t deadline) {
  return earlier(deadline, hq_deadline(hq_mono_ms(), c->op_timeout));
}

/* ---- waiting for a connection ---- */

/* What ends a wait before its time; HEROQ_OK if nothing does. */
static heroq_status ended(heroq_client *c, const hq_closing *also, bool cancelled, const hq_conn *conn,
                          heroq_error *err) {
  heroq_status status = HEROQ_OK;
  if (cancelled)
    status = hq_fail(err, HEROQ_E_CANCELLED, "the call was cancelled while %s was asked", c->endpoint.shown);
  else if (atomic_load(&c->closing.life.closed) || (also && atomic_load(&also->life.closed)))
    status = hq_fail(err, HEROQ_E_CLOSED, "closed while %s was asked", c->endpoint.shown);
  if (status && conn && hq_conn_sent(conn)) hq_error_flag(err, HEROQ_MAYBE_DONE);
  return status;
}

static int poll_timeout(int64_t deadline) {
  if (deadline == HQ_NEVER) return -1;
  int64_t left = deadline - hq_mono_ms();
  return left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

/* One poll, of the connection (NULL: none) and of all that may end the wait. HEROQ_OK: go on, with *revents. */
static heroq_status poll_once(heroq_client *c, const hq_closing *also, hq_conn *conn, int64_t deadline,
                              const heroq_call *call, short *revents, heroq_error *err) {
  struct pollfd p[4] = {{conn ? hq_conn_fd(conn) : -1, conn ? hq_conn_events(conn) : 0, 0},
                        {c->closing.notice.rfd, POLLIN, 0},
                        {call ? call->notice.rfd : -1, POLLIN, 0},
                        {also ? also->notice.rfd : -1, POLLIN, 0}};
  heroq_status status = ended(c, also, heroq_call_is_cancelled(call), conn, err);
  if (status) return status;
  int n = poll(p, 4, poll_timeout(deadline));
  if (n < 0 && errno != EINTR && errno != EAGAIN)
    return hq_fail_errno(err, HEROQ_E_INTERNAL, errno, "cannot poll the connection to %s", c->endpoint.shown);
  *revents = n > 0 ? p[0].revents : 0;
  /* a cancel that met a reset leaves only the readable descriptor */
  return n > 0 && p[2].revents ? ended(c, also, true, conn, err) : HEROQ_OK;
}

/* Drives the connection until it leaves `state`. HEROQ_OK then, whatever became of it. */
static heroq_status drive(heroq_client *c, const hq_closing *also, hq_conn *conn, int state, const heroq_call *call,
                          heroq_error *err) {
  while (hq_conn_state(conn) == state) {
    short revents = 0;
    heroq_status status = poll_once(c, also, conn, hq_conn_deadline(conn), call, &revents, err);
    if (status) return status;
    hq_conn_drive(conn, revents);
  }
  return HEROQ_OK;
}

heroq_status hq_client_pause(heroq_client *c, const hq_closing *also, int64_t until, heroq_call *call,
                             heroq_error *err) {
  while (hq_mono_ms() < until) {
    short revents;
    heroq_status status = poll_once(c, also, NULL, until, call, &revents, err);
    if (status) return status;
  }
  return HEROQ_OK;
}

static heroq_status broken(hq_conn *conn, heroq_error *err) {
  heroq_status status = hq_conn_error(conn, err);
  if (hq_conn_sent(conn)) hq_error_flag(err, HEROQ_MAYBE_DONE);
  return status ? status : hq_fail(err, HEROQ_E_CONNECTION, "the connection is of no more use");
}

heroq_status hq_conn_collect(heroq_client *c, const hq_closing *also, hq_conn *conn, heroq_call *call,
                             heroq_error *err) {
  heroq_status status = drive(c, also, conn, HQ_CONN_BUSY, call, err);
  if (status) return status;
  return hq_conn_state(conn) == HQ_CONN_BROKEN ? broken(conn, err) : HEROQ_OK;
}

heroq_status hq_conn_exchange(heroq_client *c, const hq_closing *also, hq_conn *conn, hq_batch *b, int64_t deadline,
                              heroq_call *call, heroq_error *err) {
  heroq_status status = ended(c, also, heroq_call_is_cancelled(call), NULL, err);
  if (status) return status;
  hq_conn_send(conn, b, earlier(deadline, hq_wait_deadline(HEROQ_FOREVER, call)));
  return hq_conn_collect(c, also, conn, call, err);
}

/* ---- the pool ---- */

static hq_conn *take_idle(heroq_client *c) {
  pthread_mutex_lock(&c->lock);
  hq_conn *conn = c->idle_count ? c->idle[--c->idle_count] : NULL;
  pthread_mutex_unlock(&c->lock);
  return conn;
}

static heroq_status connect_new(heroq_client *c, hq_conn **out, int64_t deadline, heroq_call *call, heroq_error *err) {
  int64_t limit = earlier(deadline, hq_deadline(hq_mono_ms(), c->connect_timeout));
  hq_conn *conn = hq_conn_open(hq_client_endpoint(c, HQ_SLICE_NONE), c->name, limit);
  if (!conn) return hq_fail_nomem(err);
  heroq_status status = drive(c, NULL, conn, HQ_CONN_CONNECTING, call, err);
  if (status == HEROQ_OK && hq_conn_state(conn) == HQ_CONN_BROKEN) {
    status = broken(conn, err);
    if (limit == deadline && hq_mono_ms() >= deadline)
      status = hq_fail(err, HEROQ_E_TIMEOUT, "%s could not be reached in the time of the call", c->endpoint.shown);
  }
  if (status == HEROQ_OK) status = hq_client_look_at_policy(c, conn, call, err);
  if (status)
    hq_conn_close(conn);
  else
    *out = conn;
  return status;
}

heroq_status hq_pool_take(heroq_client *c, hq_conn **out, int64_t deadline, heroq_call *call, heroq_error *err) {
  hq_conn *conn;
  deadline = earlier(deadline, hq_wait_deadline(HEROQ_FOREVER, call));
  heroq_status status = ended(c, NULL, heroq_call_is_cancelled(call), NULL, err);
  if (status) return status;
  /* one system call a connection, so that a server's restart costs no call an error */
  while ((conn = take_idle(c)) != NULL) {
    if (hq_conn_alive(conn)) {
      *out = conn;
      return HEROQ_OK;
    }
    hq_conn_close(conn);
  }
  return connect_new(c, out, deadline, call, err);
}

void hq_pool_give(heroq_client *c, hq_conn *conn) {
  if (!conn) return;
  if (hq_conn_state(conn) == HQ_CONN_IDLE && !hq_life_forked(&c->closing.life)) {
    pthread_mutex_lock(&c->lock);
    if (c->idle_count < c->idle_cap && !atomic_load(&c->closing.life.closed)) {
      c->idle[c->idle_count++] = conn;
      conn = NULL;
    }
    pthread_mutex_unlock(&c->lock);
  }
  hq_conn_close(conn);
}

heroq_status hq_client_exchange(heroq_client *c, hq_batch *b, int64_t deadline, heroq_call *call, heroq_error *err) {
  hq_conn *conn = NULL;
  heroq_status status = hq_pool_take(c, &conn, deadline, call, err);
  if (status) return status;
  status = hq_conn_exchange(c, NULL, conn, b, hq_client_op_deadline(c, deadline), call, err);
  hq_pool_give(c, conn);
  return status;
}
