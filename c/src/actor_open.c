/* Making an actor: its options, its queues, its name; and giving all of it back. */
#include "actor_open.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "errors.h"
#include "json.h"
#include "keys_private.h"

#define SOURCES_MOST 60

static void read_config(heroq_actor *a, const heroq_options *o) {
  hq_actor_config *c = &a->config;
  c->canonical = hq_option_int(o, HQ_OPT_DELIVERY) == 1;
  c->reply_always = hq_option_int(o, HQ_OPT_REPLY) == 1;
  c->dead = hq_option_int(o, HQ_OPT_DEAD);
  c->strict = hq_option_int(o, HQ_OPT_STRICT);
  c->lease = hq_option_int(o, HQ_OPT_LEASE);
  c->beat = c->lease / 3 < 2000 ? c->lease / 3 : 2000;
  c->block = hq_option_int(o, HQ_OPT_BLOCK);
  c->backoff = hq_option_int(o, HQ_OPT_BACKOFF);
  c->recheck = hq_option_int(o, HQ_OPT_RECHECK);
  c->timeout = hq_option_int(o, HQ_OPT_TIMEOUT);
  c->timeout_grace = hq_option_int(o, HQ_OPT_TIMEOUT_GRACE);
  c->retries = hq_option_int(o, HQ_OPT_RETRIES);
  c->max_recoveries = hq_option_int(o, HQ_OPT_MAX_RECOVERIES);
  c->handoff_grace = hq_option_int(o, HQ_OPT_HANDOFF_GRACE);
  c->reap_every = c->lease / 4 < 10000 ? c->lease / 4 : 10000;
  c->max_pending = hq_option_int(o, HQ_OPT_MAX_PENDING);
  c->close_timeout = hq_option_int(o, HQ_OPT_CLOSE_TIMEOUT);
  c->op_timeout = hq_option_int(o, HQ_OPT_OP_TIMEOUT);
  c->connect_timeout = hq_option_int(o, HQ_OPT_CONNECT_TIMEOUT);
  c->max_error = hq_option_int(o, HQ_OPT_MAX_ERROR);
  c->max_script = hq_option_int(o, HQ_OPT_MAX_SCRIPT);
  c->prefetch = (int32_t)hq_option_int(o, HQ_OPT_PREFETCH);
  c->concurrency = (int32_t)hq_option_int(o, HQ_OPT_CONCURRENCY);
  c->max_stuck = (int32_t)hq_option_int(o, HQ_OPT_MAX_STUCK);
  c->replicas = !c->canonical && hq_option_int(o, HQ_OPT_DURABILITY) ? hq_option_int(o, HQ_OPT_REPLICAS) : 0;
  c->replica_timeout = hq_option_int(o, HQ_OPT_REPLICA_TIMEOUT); /* heartbeats go by the same connection */
  if (c->replica_timeout > c->beat) c->replica_timeout = c->beat;
}

static heroq_status check_label(const char *id, heroq_error *err) {
  size_t n = id ? strlen(id) : 0;
  bool printable = n >= 1 && n <= 256;
  for (size_t i = 0; i < n; i++) printable = printable && (unsigned char)id[i] >= 32 && id[i] != 127;
  return printable ? HEROQ_OK : hq_fail(err, HEROQ_E_INVALID, "actor_id must be 1 to 256 printable characters");
}

/* host.pid.random: never used again, so that a token names one process and one life of it. */
static void make_name(heroq_actor *a) {
  char host[65] = "";
  if (gethostname(host, sizeof host - 1) || !host[0]) strcpy(host, "host");
  for (char *p = host; *p; p++)
    if (!hq_name_ok((hq_slice){p, 1})) *p = '-';
  snprintf(a->name, sizeof a->name, "%s.%ld.%016llx", host, (long)getpid(), (unsigned long long)hq_random());
}

static void make_about(heroq_actor *a, const char *types) {
  char host[65] = "?";
  hq_buf b = {0};
  gethostname(host, sizeof host - 1);
  hq_buf_text(&b, "{\"actor_id\":");
  hq_json_string(&b, hq_utf8_ok(hq_slice_of(a->actor_id)) ? hq_slice_of(a->actor_id) : hq_slice_of("?"));
  hq_buf_text(&b, ",\"host\":");
  hq_json_string(&b, hq_slice_of(host));
  hq_buf_text(&b, ",\"pid\":");
  hq_buf_int(&b, getpid());
  hq_buf_text(&b, ",\"types\":");
  hq_json_string(&b, hq_slice_of(types));
  hq_buf_text(&b,
              a->config.canonical ? ",\"delivery\":\"canonical\",\"since\":" : ",\"delivery\":\"reliable\",\"since\":");
  hq_buf_int(&b, hq_wall_ms());
  hq_buf_text(&b, "}");
  a->about = hq_strdup(hq_buf_cstr(&b));
  hq_buf_free(&b);
}

static bool add_source(heroq_actor *a, const char *type, const char *group, const char *instance) {
  hq_buf key = {0}, ctl = {0};
  hq_source *s = &a->source[a->sources++];
  hq_key_queue(&key, type, group, instance);
  hq_key_ctl(&ctl, type);
  s->actor = a;
  s->mine_at = HQ_NEVER;
  s->maybe_more = true;
  s->script_type = hq_strdup(type);
  s->ctl_key = hq_strdup(hq_buf_cstr(&ctl));
  bool ok = hq_map_init(&s->held) && !key.failed && !ctl.failed && hq_qkeys_init(&s->keys, hq_buf_cstr(&key)) &&
            s->script_type && s->ctl_key;
  hq_batch_init(&s->batch);
  hq_buf_free(&key);
  hq_buf_free(&ctl);
  return ok;
}

/* Instance before group before type; between types in the given order. */
static heroq_status add_type(heroq_actor *a, const char *type, const char *group, const char *instance,
                             heroq_error *err) {
  heroq_status rc = heroq_key_check_name(type, err);
  if (rc) return rc;
  for (uint32_t i = 0; i < a->sources; i++)
    if (strcmp(a->source[i].script_type, type) == 0)
      return hq_fail(err, HEROQ_E_INVALID, "script type %s is listed twice", type);
  if (a->sources + 3 > SOURCES_MOST)
    return hq_fail(err, HEROQ_E_TOO_BIG, "an actor can listen on %d queues at most", SOURCES_MOST);
  bool ok = true;
  if (instance && instance[0]) ok = ok && add_source(a, type, group, instance);
  if (group && group[0]) ok = ok && add_source(a, type, group, NULL);
  ok = ok && add_source(a, type, NULL, NULL);
  return ok ? HEROQ_OK : hq_fail_nomem(err);
}

static heroq_status add_types(heroq_actor *a, const char *types, const char *group, const char *instance,
                              heroq_error *err) {
  heroq_status rc = HEROQ_OK;
  const char *p = types;
  do {
    size_t n = strcspn(p, ",");
    char type[130];
    if (n >= sizeof type) return hq_fail(err, HEROQ_E_INVALID, "a script type is longer than 128 characters");
    memcpy(type, p, n);
    type[n] = 0;
    rc = add_type(a, type, group, instance, err);
    p += n;
  } while (!rc && *p++ == ',');
  return rc;
}

static heroq_status find_queues(heroq_actor *a, const char *types, const heroq_options *o, heroq_error *err) {
  const char *group = hq_option_text(o, HQ_OPT_GROUP), *instance = hq_option_text(o, HQ_OPT_INSTANCE);
  heroq_bytes *derived = NULL;
  heroq_status rc = HEROQ_OK;
  if (!types || !types[0]) {
    rc = heroq_derive_script_type_from_actor_id(a->actor_id, hq_option_text(o, HQ_OPT_KNOWN_TYPES), &derived, err);
    if (rc) return rc;
    types = heroq_bytes_data(derived);
  }
  if (instance[0] && !group[0]) {
    rc = hq_fail(err, HEROQ_E_OPTION, "instance needs a group");
  } else if (group[0]) {
    rc = heroq_key_check_name(group, err);
    if (!rc && instance[0]) rc = heroq_key_check_name(instance, err);
  }
  a->source = calloc(SOURCES_MOST, sizeof *a->source);
  if (!rc && !a->source) rc = hq_fail_nomem(err);
  if (!rc) rc = add_types(a, types, group, instance, err);
  if (!rc) make_about(a, types);
  heroq_bytes_free(derived);
  return rc;
}

static void ref(void *self) { hq_life_ref(&((heroq_actor *)self)->life); }
static void unref(void *self) { hq_actor_unref(self); }

static heroq_actor *make(heroq_client *client, const char *actor_id) {
  heroq_actor *a = calloc(1, sizeof *a);
  if (!a) return NULL;
  hq_life_init(&a->life);
  pthread_mutex_init(&a->lock, NULL);
  a->client = client;
  hq_client_ref(client);
  a->actor_id = hq_strdup(actor_id);
  a->events = calloc(HQ_EVENTS, sizeof *a->events);
  hq_list_init(&a->ready);
  hq_list_init(&a->settled);
  hq_list_init(&a->work);
  hq_list_init(&a->done);
  hq_list_init(&a->sure);
  hq_list_init(&a->ill);
  hq_list_init(&a->fresh);
  hq_waitq_init(&a->takers);
  hq_waitq_init(&a->syncers);
  hq_waitq_init(&a->closers);
  hq_waitq_init(&a->noters);
  hq_waitq_init(&a->event_takers);
  hq_batch_init(&a->batch);
  a->timeout_at = HQ_NEVER;
  a->stepped_at = -1;    /* the first timers are due at once */
  a->script_size = 8192; /* before any was seen */
  a->fd.rfd = a->fd.wfd = a->event_fd.rfd = a->event_fd.wfd = a->loop.wake.rfd = a->loop.wake.wfd = -1;
  make_name(a);
  a->child = (hq_child){.close = hq_actor_close_now, .ref = ref, .unref = unref, .self = a};
  return a;
}

/* With connect=now or wait: until the engine has its first connection. */
static heroq_status await_connection(heroq_actor *a, int64_t connect, heroq_call *call, heroq_error *err) {
  int64_t deadline = hq_wait_deadline(connect == 2 ? HEROQ_FOREVER : a->config.connect_timeout, call);
  heroq_status rc = HEROQ_OK;
  pthread_mutex_lock(&a->lock);
  while (!a->connected && !a->ended && !rc) rc = hq_waitq_wait(&a->closers, &a->lock, deadline, call);
  bool connected = a->connected;
  pthread_mutex_unlock(&a->lock);
  if (connected) return hq_ok(err);
  if (rc == HEROQ_E_CANCELLED) return hq_fail(err, rc, "opening the actor was cancelled");
  if (rc == HEROQ_E_NOMEM) return hq_fail_nomem(err);
  return hq_fail(err, HEROQ_E_CONNECTION, "the actor cannot connect to %s", a->endpoint->shown);
}

heroq_status heroq_actor_open(heroq_client *client, const char *actor_id, const char *types,
                              const heroq_options *options, heroq_actor **out, heroq_call *call, heroq_error *err) {
  if (!out) return hq_fail(err, HEROQ_E_INVALID, "out is NULL");
  *out = NULL;
  heroq_status rc = hq_client_enter(client, err);
  if (!rc) rc = check_label(actor_id, err);
  if (rc) return rc;
  heroq_options *o = hq_options_merge(hq_client_options(client), options);
  heroq_actor *a = o ? make(client, actor_id) : NULL;
  heroq_status closable = a ? hq_waitq_reserve(&a->closers) : HEROQ_E_NOMEM;
  if (!a || !a->actor_id || !a->events || closable == HEROQ_E_NOMEM) {
    heroq_options_free(o);
    if (a) hq_actor_unref(a);
    return hq_fail_nomem(err);
  }
  read_config(a, o);
  int64_t connect = hq_option_int(o, HQ_OPT_CONNECT);
  rc = closable ? hq_fail(err, closable, "no descriptor is left for the actor") : find_queues(a, types, o, err);
  heroq_options_free(o);
  if (!rc) {
    a->endpoint = hq_client_endpoint(client, a->source[0].keys.key[HQ_Q]);
    rc = hq_client_adopt(client, &a->child, err);
    if (!rc) hq_client_unref(client); /* it keeps a reference of its own from here on */
  }
  if (!rc) rc = hq_engine_start(a, err);
  if (!rc && connect != 1) rc = await_connection(a, connect, call, err);
  if (rc) {
    heroq_actor_free(a);
    return rc;
  }
  *out = a;
  return hq_ok(err);
}

void hq_actor_dispose(heroq_actor *a) {
  for (uint32_t i = 0; i < a->sources; i++) {
    hq_source *s = &a->source[i];
    hq_qkeys_free(&s->keys);
    hq_batch_free(&s->batch);
    free(s->script_type);
    free(s->ctl_key);
    hq_map_free(&s->held);
    free((void *)s->handoff_id.p);
    hq_tally_free(s->tally);
  }
  free(a->source);
  free(a->item);
  free(a->listed);
  free(a->ask);
  hq_batch_free(&a->batch);
  hq_waitq_free(&a->takers);
  hq_waitq_free(&a->syncers);
  hq_waitq_free(&a->closers);
  hq_waitq_free(&a->noters);
  hq_waitq_free(&a->event_takers);
  if (a->fd_used) hq_notice_close(&a->fd);
  if (a->event_fd_used) hq_notice_close(&a->event_fd);
  hq_loop_free(&a->loop);
  pthread_mutex_destroy(&a->lock);
  hq_client_unref(a->client);
  free(a->events);
  free(a->actor_id);
  free(a->about);
  free(a);
}
