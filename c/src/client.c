/* The client: its life, how it opens, what was opened from it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client_state.h"
#include "clock.h"
#include "errors.h"

#define DEFAULT_URL "redis://localhost:6379/0"
#define RECONNECT_FIRST_MS 50
#define RECONNECT_MOST_MS 2000

/* ---- life ---- */

static void destroy(heroq_client *c) {
  bool forked = hq_life_forked(&c->closing.life);
  for (int32_t i = 0; i < c->idle_count; i++) hq_conn_close(c->idle[i]);
  if (c->engine.engine && !forked) c->engine.gone(c->engine.engine);
  for (int i = 0; i < HQ_KNOWN_QUEUES; i++) free(c->known[i]);
  hq_search_free(&c->search);
  if (!forked) { /* in a child a lock may be held for ever by a thread that is not there */
    pthread_mutex_destroy(&c->lock);
    pthread_mutex_destroy(&c->engine.lock);
    hq_events_unref(c->events);
  }
  hq_closing_free(&c->closing);
  hq_endpoint_free(&c->endpoint);
  heroq_options_free(c->options);
  free(c->idle);
  free(c);
}

void hq_client_ref(heroq_client *c) { hq_life_ref(&c->closing.life); }

void hq_client_unref(heroq_client *c) {
  if (hq_life_unref(&c->closing.life)) destroy(c);
}

heroq_status hq_client_enter(const heroq_client *c, heroq_error *err) {
  return hq_life_enter(c ? &c->closing.life : NULL, "client", err);
}

const heroq_options *hq_client_options(const heroq_client *c) { return c->options; }
hq_engine_slot *hq_client_engine_slot(heroq_client *c) { return &c->engine; }
hq_events *hq_client_events(heroq_client *c) { return c->events; }
const hq_starts *hq_client_starts(const heroq_client *c) { return &c->starts; }
const char *hq_client_name(const heroq_client *c) { return c->name; }

void hq_client_event(heroq_client *c, int level, heroq_status status, const char *format, ...) {
  va_list args;
  va_start(args, format);
  hq_events_vadd(c->events, level, status, format, args);
  va_end(args);
}

/* The endpoint is parsed, the options are whole; both are taken over. */
static heroq_status make(hq_endpoint *endpoint, heroq_options *options, heroq_client **out, heroq_error *err) {
  heroq_client *c = calloc(1, sizeof *c);
  if (!c) return hq_fail_nomem(err);
  c->idle_cap = (int32_t)hq_option_int(options, HQ_OPT_POOL);
  c->idle = calloc((size_t)c->idle_cap, sizeof(hq_conn *));
  c->events = hq_events_new(options);
  int fault = hq_closing_init(&c->closing);
  if (!c->idle || !c->events || fault) {
    hq_closing_free(&c->closing);
    hq_events_unref(c->events);
    free(c->idle);
    free(c);
    return fault ? hq_fail_errno(err, HEROQ_E_INTERNAL, fault, "no descriptor for a client") : hq_fail_nomem(err);
  }
  c->options = options;
  c->endpoint = *endpoint;
  c->connect_timeout = hq_option_int(options, HQ_OPT_CONNECT_TIMEOUT);
  c->op_timeout = hq_option_int(options, HQ_OPT_OP_TIMEOUT);
  if (hq_option_int(options, HQ_OPT_DURABILITY)) c->starts.replicas = hq_option_int(options, HQ_OPT_REPLICAS);
  c->starts.replica_timeout = hq_option_int(options, HQ_OPT_REPLICA_TIMEOUT);
  c->starts.intents = hq_option_int(options, HQ_OPT_INTENTS) != 0;
  c->starts.index = hq_option_int(options, HQ_OPT_INDEX) != 0;
  c->starts.index_size = hq_option_int(options, HQ_OPT_INDEX_SIZE);
  c->starts.index_keep = hq_option_int(options, HQ_OPT_INDEX_KEEP);
  snprintf(c->name, sizeof c->name, "heroq-%ld", (long)getpid());
  pthread_mutex_init(&c->lock, NULL);
  pthread_mutex_init(&c->engine.lock, NULL);
  *out = c;
  return HEROQ_OK;
}

/* ---- open ---- */

static heroq_status connect_once(heroq_client *c, heroq_call *call, heroq_error *err) {
  hq_conn *conn = NULL;
  heroq_status status = hq_pool_take(c, &conn, HQ_NEVER, call, err);
  hq_pool_give(c, conn);
  return status;
}

/* connect=wait: only what may pass is waited for; a wrong password is answered at once. */
static heroq_status connect_patiently(heroq_client *c, heroq_call *call, heroq_error *err) {
  int64_t step = 0;
  heroq_error failed;
  heroq_status status;
  while ((status = connect_once(c, call, &failed)) != HEROQ_OK && (failed.flags & HEROQ_RETRYABLE)) {
    int64_t now = hq_mono_ms(), limit = hq_wait_deadline(HEROQ_FOREVER, call);
    int64_t pause = now + hq_backoff(&step, RECONNECT_FIRST_MS, RECONNECT_MOST_MS);
    short revents;
    if (now >= limit) return hq_fail(err, HEROQ_E_TIMEOUT, "not connected in the time of the call: %s", failed.text);
    hq_client_event(c, HQ_WARNING, status, "%s; trying again", failed.text);
    if (hq_wait_fd(-1, 0, pause < limit ? pause : limit, call, &revents) == HEROQ_E_CANCELLED)
      return hq_fail(err, HEROQ_E_CANCELLED, "connecting was cancelled: %s", failed.text);
  }
  hq_error_copy(err, &failed);
  return status;
}

static heroq_status connect_as_asked(heroq_client *c, heroq_call *call, heroq_error *err) {
  enum { NOW, LAZY, WAIT }; /* the order of the option's choices */
  int64_t how = hq_option_int(c->options, HQ_OPT_CONNECT);
  if (how == LAZY) return HEROQ_OK;
  return how == WAIT ? connect_patiently(c, call, err) : connect_once(c, call, err);
}

static heroq_status make_and_connect(hq_endpoint *endpoint, const heroq_options *given, heroq_options *options,
                                     heroq_client **out, heroq_call *call, heroq_error *err) {
  heroq_client *c = NULL;
  heroq_status status = hq_endpoint_secure(endpoint, given, options, err);
  if (!status) status = make(endpoint, options, &c, err);
  if (status) {
    hq_endpoint_free(endpoint);
    heroq_options_free(options);
    return status;
  }
  status = connect_as_asked(c, call, err);
  if (status) {
    hq_client_unref(c);
    return status;
  }
  *out = c;
  return hq_ok(err);
}

/* What the caller says wins over the URL's query, that over the environment. */
static heroq_status read_options(const char *url, const heroq_options *given, hq_endpoint *endpoint,
                                 heroq_options **out, heroq_error *err) {
  heroq_options *o = hq_options_merge(given, NULL);
  if (!o) return hq_fail_nomem(err);
  heroq_status status = hq_options_from_env(o, err);
  if (status == HEROQ_OK) status = hq_endpoint_parse(url, o, endpoint, err);
  if (status) {
    heroq_options_free(o);
    return status;
  }
  *out = hq_options_merge(o, given);
  heroq_options_free(o);
  if (*out) return HEROQ_OK;
  hq_endpoint_free(endpoint);
  return hq_fail_nomem(err);
}

heroq_status heroq_client_open(const char *url, const heroq_options *options, heroq_client **out, heroq_call *call,
                               heroq_error *err) {
  hq_endpoint endpoint = {0};
  heroq_options *all = NULL;
  if (!out) return hq_fail(err, HEROQ_E_INVALID, "heroq_client_open: out is NULL");
  *out = NULL;
  if (!url || !*url) url = getenv("HEROQ_URL");
  heroq_status status = read_options(url && *url ? url : DEFAULT_URL, options, &endpoint, &all, err);
  return status ? status : make_and_connect(&endpoint, options, all, out, call, err);
}

/* Reads only what never changes after open: in a child of fork the lock may be held for ever. */
heroq_status heroq_client_reopen(const heroq_client *old, heroq_client **out, heroq_call *call, heroq_error *err) {
  hq_endpoint endpoint = {0};
  if (!out) return hq_fail(err, HEROQ_E_INVALID, "heroq_client_reopen: out is NULL");
  *out = NULL;
  if (!old) return hq_fail(err, HEROQ_E_INVALID, "heroq_client_reopen: the client is NULL");
  heroq_status status = hq_endpoint_copy(&old->endpoint, &endpoint, err);
  if (status) return status;
  heroq_options *options = hq_options_merge(old->options, NULL);
  if (!options) {
    hq_endpoint_free(&endpoint);
    return hq_fail_nomem(err);
  }
  return make_and_connect(&endpoint, NULL, options, out, call, err);
}

/* ---- children ---- */

heroq_status hq_client_adopt(heroq_client *c, hq_child *child, heroq_error *err) {
  heroq_status status = hq_client_enter(c, err);
  if (status) return status;
  pthread_mutex_lock(&c->lock);
  if (atomic_load(&c->closing.life.closed))
    status = hq_fail(err, HEROQ_E_CLOSED, "the client is closed");
  else {
    child->prev = NULL;
    child->next = c->children;
    if (child->next) child->next->prev = child;
    c->children = child;
    hq_client_ref(c);
  }
  pthread_mutex_unlock(&c->lock);
  return status;
}

static void unlink_child(heroq_client *c, hq_child *child) {
  if (!child->prev && !child->next && c->children != child) return;
  if (child->prev)
    child->prev->next = child->next;
  else
    c->children = child->next;
  if (child->next) child->next->prev = child->prev;
  child->prev = child->next = NULL;
}

void hq_client_disown(heroq_client *c, hq_child *child) {
  if (hq_life_forked(&c->closing.life)) return;
  pthread_mutex_lock(&c->lock);
  unlink_child(c, child);
  pthread_mutex_unlock(&c->lock);
}

void heroq_client_close(heroq_client *self) {
  if (!self || hq_life_forked(&self->closing.life)) return;
  if (!hq_closing_close(&self->closing)) return;
  pthread_mutex_lock(&self->lock);
  while (self->children) {
    hq_child *child = self->children;
    unlink_child(self, child);
    child->ref(child->self); /* its owner may free it meanwhile */
    pthread_mutex_unlock(&self->lock);
    child->close(child->self);
    child->unref(child->self);
    pthread_mutex_lock(&self->lock);
  }
  for (int32_t i = 0; i < self->idle_count; i++) hq_conn_close(self->idle[i]);
  self->idle_count = 0;
  pthread_mutex_unlock(&self->lock);
  pthread_mutex_lock(&self->engine.lock);
  if (self->engine.engine) self->engine.close(self->engine.engine);
  pthread_mutex_unlock(&self->engine.lock);
  hq_events_close(self->events);
}

void heroq_client_free(heroq_client *self) {
  if (self) hq_client_unref(self);
}

/* ---- registered queues ---- */

bool hq_client_queue_is_new(heroq_client *c, const char *queue_key) {
  bool known = false;
  pthread_mutex_lock(&c->lock);
  for (int i = 0; i < HQ_KNOWN_QUEUES && !known && c->known[i]; i++) known = strcmp(c->known[i], queue_key) == 0;
  pthread_mutex_unlock(&c->lock);
  return !known;
}

void hq_client_queue_known(heroq_client *c, const char *queue_key) {
  char *copy = hq_strdup(queue_key);
  pthread_mutex_lock(&c->lock);
  if (copy) {
    free(c->known[c->known_next]);
    c->known[c->known_next] = copy;
    c->known_next = (c->known_next + 1) % HQ_KNOWN_QUEUES;
  }
  pthread_mutex_unlock(&c->lock);
}

/* ---- events ---- */

heroq_status heroq_client_next_event(heroq_client *self, int64_t timeout_ms, heroq_record **out, heroq_call *call,
                                     heroq_error *err) {
  if (!out) return hq_fail(err, HEROQ_E_INVALID, "heroq_client_next_event: out is NULL");
  *out = NULL;
  heroq_status status = hq_client_enter(self, err);
  /* what happened before the close can still be asked for */
  return status && status != HEROQ_E_CLOSED ? status : hq_events_next(self->events, timeout_ms, out, call, err);
}

int32_t heroq_client_event_fd(heroq_client *self) {
  return !self || hq_life_forked(&self->closing.life) ? -1 : hq_events_fd(self->events);
}
