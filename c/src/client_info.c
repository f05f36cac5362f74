/* What the client's server says about itself. */
#include <string.h>

#include "client_state.h"
#include "clock.h"
#include "errors.h"
#include "record_private.h"

heroq_status heroq_client_ping(heroq_client *self, int64_t *out, heroq_call *call, heroq_error *err) {
  if (out) *out = 0;
  heroq_status status = hq_client_enter(self, err);
  if (status) return status;
  hq_batch b;
  hq_batch_init(&b);
  hq_batch_words(&b, "PING", NULL);
  hq_conn *conn = NULL;
  status = hq_pool_take(self, &conn, HQ_NEVER, call, err);
  int64_t begin = hq_mono_us();
  if (status == HEROQ_OK)
    status = hq_conn_exchange(self, NULL, conn, &b, hq_client_op_deadline(self, HQ_NEVER), call, err);
  if (status == HEROQ_OK) status = hq_reply_to_error(hq_batch_reply(&b, 0), "PING", err);
  if (status == HEROQ_OK && out) *out = hq_mono_us() - begin;
  hq_pool_give(self, conn);
  hq_batch_free(&b);
  return status ? status : hq_ok(err);
}

hq_slice hq_info_value(hq_slice info, const char *name) {
  size_t n = strlen(name);
  for (const char *line = info.p, *end; line; line = end ? end + 1 : NULL) {
    size_t left = info.n - (size_t)(line - info.p);
    end = memchr(line, '\n', left);
    size_t size = end ? (size_t)(end - line) : left;
    if (size && line[size - 1] == '\r') size--;
    if (size > n && line[n] == ':' && memcmp(line, name, n) == 0) return (hq_slice){line + n + 1, size - n - 1};
  }
  return HQ_SLICE_NONE;
}

heroq_status hq_client_look_at_policy(heroq_client *c, hq_conn *conn, heroq_call *call, heroq_error *err) {
  if (atomic_exchange(&c->policy_asked, true)) return HEROQ_OK;
  hq_batch b;
  hq_batch_init(&b);
  hq_batch_words(&b, "INFO", "memory", NULL);
  heroq_status status = hq_conn_exchange(c, NULL, conn, &b, hq_client_op_deadline(c, HQ_NEVER), call, err);
  /* a user who may not ask is not told */
  hq_slice policy = hq_info_value(hq_reply_str(hq_batch_reply(&b, 0)), "maxmemory_policy");
  if (policy.n && !hq_slice_is(policy, "noeviction"))
    hq_client_event(c, HQ_WARNING, HEROQ_OK,
                    "%s may evict jobs: its maxmemory-policy is %.*s, noeviction would be right", c->endpoint.shown,
                    (int)policy.n, policy.p);
  hq_batch_free(&b);
  return status;
}

static void add_info_text(heroq_record *r, const char *name, hq_slice info, const char *field) {
  hq_slice v = hq_info_value(info, field);
  hq_record_add_slice(r, name, v.p ? v : hq_slice_of(""));
}

static void add_info_int(heroq_record *r, const char *name, hq_slice info) {
  int64_t v = 0;
  if (hq_slice_to_int64(hq_info_value(info, name), &v)) hq_record_add_int(r, name, v);
}

static heroq_status info_record(const heroq_client *c, hq_slice info, heroq_record **out, heroq_error *err) {
  static const char *const numbers[] = {"connected_clients", "blocked_clients",     "used_memory", "maxmemory",
                                        "uptime_in_seconds", "connected_slaves",    "loading",     "aof_enabled",
                                        "evicted_keys",      "rejected_connections"};
  heroq_record *r = hq_record_new();
  bool valkey = hq_info_value(info, "valkey_version").p != NULL;
  hq_record_add_text(r, "server", valkey ? "valkey" : "redis");
  add_info_text(r, "version", info, valkey ? "valkey_version" : "redis_version");
  hq_record_add_text(r, "url", c->endpoint.shown);
  add_info_text(r, "role", info, "role");
  add_info_text(r, "mode", info, valkey && hq_info_value(info, "server_mode").p ? "server_mode" : "redis_mode");
  add_info_text(r, "maxmemory_policy", info, "maxmemory_policy");
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) add_info_int(r, numbers[i], info);
  return hq_record_finish(r, out, err);
}

heroq_status heroq_client_server_info(heroq_client *self, heroq_record **out, heroq_call *call, heroq_error *err) {
  if (!out) return hq_fail(err, HEROQ_E_INVALID, "heroq_client_server_info: out is NULL");
  *out = NULL;
  heroq_status status = hq_client_enter(self, err);
  if (status) return status;
  hq_batch b;
  hq_batch_init(&b);
  hq_batch_words(&b, "INFO", NULL);
  status = hq_client_exchange(self, &b, HQ_NEVER, call, err);
  if (status == HEROQ_OK) status = hq_reply_to_error(hq_batch_reply(&b, 0), "INFO", err);
  if (status == HEROQ_OK) status = info_record(self, hq_reply_str(hq_batch_reply(&b, 0)), out, err);
  hq_batch_free(&b);
  return status ? status : hq_ok(err);
}
