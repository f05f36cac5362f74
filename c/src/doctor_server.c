/* The doctor's checks of the server itself: what INFO and CONFIG say of it. */
#include "doctor_private.h"

#include "options_private.h"
#include <stdio.h>
#include <string.h>

enum {
  NEAR = 90,         /* percent of a limit that are near it */
  SHORT_TIMEOUT = 10 /* s: an actor's connection may rest for as long */
};

static int64_t info_int(const hq_doctor *d, const char *name, int64_t otherwise) {
  int64_t v;
  return hq_slice_to_int64(hq_info_value(d->info, name), &v) ? v : otherwise;
}

static bool info_is(const hq_doctor *d, const char *name, const char *value) {
  return hq_slice_is(hq_info_value(d->info, name), value);
}

heroq_status hq_check_server(hq_doctor *d, heroq_error *err) {
  heroq_error why = {0};
  heroq_status status = heroq_client_ping(d->errand.client, NULL, d->errand.call, &why);
  if (status == HEROQ_E_UNAVAILABLE) hq_doctor_add_refused(d, &why); /* INFO may tell why */
  if (status && status != HEROQ_E_UNAVAILABLE && status != HEROQ_E_DENIED) return hq_error_copy(err, &why), status;
  hq_batch_words(&d->info_batch, "INFO", NULL);
  status = hq_errand_all(&d->errand, &d->info_batch, "INFO", err);
  d->info = hq_reply_str(hq_batch_reply(&d->info_batch, 0));
  return status == HEROQ_E_DENIED || status == HEROQ_E_SERVER ? HEROQ_OK : status; /* the next checks tell it */
}

static bool may_ask(hq_doctor *d) {
  if (d->info.p) return true;
  hq_doctor_add(d, HQ_FOUND_UNKNOWN, "INFO", "the user may not ask for INFO", "redis-cli ACL SETUSER <user> +info");
  return false;
}

/* ---- settings ---- */

static hq_slice setting(const hq_batch *b, uint32_t i) { return hq_reply_str(hq_reply_at(hq_batch_reply(b, i), 1)); }

heroq_status hq_check_config(hq_doctor *d, heroq_error *err) {
  hq_batch b;
  hq_batch_init(&b);
  hq_batch_words(&b, "CONFIG", "GET", "save", NULL);
  hq_batch_words(&b, "CONFIG", "GET", "timeout", NULL);
  hq_batch_words(&b, "CONFIG", "GET", "min-replicas-to-write", NULL);
  heroq_status status = hq_errand_run(&d->errand, &b, err);
  const hq_reply *first = hq_batch_reply(&b, 0);
  if (!status && hq_reply_is_error(first, NULL)) {
    hq_doctor_add(d, HQ_FOUND_UNKNOWN, "CONFIG", "the user may not ask for CONFIG GET",
                  "redis-cli ACL SETUSER <user> +config|get");
  } else if (!status) {
    if (hq_reply_count(first) == 2) d->saves = setting(&b, 0).n > 0; /* hosted servers may hide it */
    if (!hq_slice_to_int64(setting(&b, 1), &d->idle_timeout)) d->idle_timeout = -1;
    if (!hq_slice_to_int64(setting(&b, 2), &d->min_replicas)) d->min_replicas = -1;
  }
  hq_batch_free(&b);
  return status;
}

/* ---- what it is ---- */

heroq_status hq_check_version(hq_doctor *d, heroq_error *err) {
  int major = 0, minor = 0;
  char version[48], found[80];
  (void)err;
  if (!may_ask(d)) return HEROQ_OK;
  hq_slice valkey = hq_info_value(d->info, "valkey_version");
  hq_doctor_copy(version, sizeof version, valkey.p ? valkey : hq_info_value(d->info, "redis_version"));
  bool known = sscanf(version, "%d.%d", &major, &minor) == 2;
  if (known && (valkey.p || major > 6 || (major == 6 && minor >= 2))) return HEROQ_OK;
  snprintf(found, sizeof found, "%s %s", valkey.p ? "valkey" : "redis", version);
  hq_doctor_add(d, HQ_FOUND_OLD_VERSION, d->url, found, "install Redis 6.2 or newer, or Valkey");
  return HEROQ_OK;
}

heroq_status hq_check_role(hq_doctor *d, heroq_error *err) {
  char host[128], port[16], found[300], mend[200];
  (void)err;
  if (!may_ask(d) || !info_is(d, "role", "slave")) return HEROQ_OK;
  hq_doctor_copy(host, sizeof host, hq_info_value(d->info, "master_host"));
  hq_doctor_copy(port, sizeof port, hq_info_value(d->info, "master_port"));
  snprintf(found, sizeof found, "this server is a replica of %s:%s, and its link is %s", host, port,
           info_is(d, "master_link_status", "up") ? "up" : "down");
  snprintf(mend, sizeof mend, "name the primary: HEROQ_URL=redis://%s:%s/0", host, port);
  hq_doctor_add(d, HQ_FOUND_REPLICA, d->url, found, mend);
  return HEROQ_OK;
}

heroq_status hq_check_cluster(hq_doctor *d, heroq_error *err) {
  char found[160];
  hq_batch b;
  if (!may_ask(d) || info_int(d, "cluster_enabled", 0) != 1) return HEROQ_OK;
  hq_batch_init(&b);
  hq_batch_words(&b, "CLUSTER", "INFO", NULL);
  heroq_status status = hq_errand_all(&d->errand, &b, "CLUSTER INFO", err);
  hq_slice info = hq_reply_str(hq_batch_reply(&b, 0));
  int64_t served = 0, nodes = 0;
  hq_slice_to_int64(hq_info_value(info, "cluster_slots_ok"), &served);
  hq_slice_to_int64(hq_info_value(info, "cluster_size"), &nodes);
  if (!status && !hq_slice_is(hq_info_value(info, "cluster_state"), "ok")) {
    snprintf(found, sizeof found, "the cluster's state is not ok, %lld of 16384 slots are served", (long long)served);
    hq_doctor_add(d, HQ_FOUND_CLUSTER_DOWN, d->url, found, "redis-cli --cluster fix <host>:<port>");
  }
  if (!status && nodes > 1) {
    snprintf(found, sizeof found, "the keys lie on %lld nodes", (long long)nodes);
    hq_doctor_add(d, HQ_FOUND_CLUSTER_SPLIT, d->url, found, "use a server that is no cluster, or has all slots");
  }
  hq_batch_free(&b);
  return status;
}

/* ---- memory ---- */

heroq_status hq_check_eviction(hq_doctor *d, heroq_error *err) {
  char found[120], name[41];
  (void)err;
  if (!may_ask(d)) return HEROQ_OK;
  hq_slice policy = hq_info_value(d->info, "maxmemory_policy");
  if (!policy.n || hq_slice_is(policy, "noeviction")) return HEROQ_OK;
  hq_doctor_copy(name, sizeof name, policy);
  bool all = strncmp(name, "allkeys", 7) == 0, limit = info_int(d, "maxmemory", 0) > 0;
  snprintf(found, sizeof found, "maxmemory-policy is %s, maxmemory is %s", name, limit ? "set" : "not set");
  hq_doctor_add(d,
                !all    ? HQ_FOUND_EVICTS_RESULTS
                : limit ? HQ_FOUND_EVICTS_JOBS
                        : HQ_FOUND_WOULD_EVICT,
                "maxmemory-policy", found, "redis-cli CONFIG SET maxmemory-policy noeviction");
  return HEROQ_OK;
}

heroq_status hq_check_memory(hq_doctor *d, heroq_error *err) {
  char found[160], mend[100];
  (void)err;
  if (!may_ask(d)) return HEROQ_OK;
  int64_t most = info_int(d, "maxmemory", 0), used = info_int(d, "used_memory", 0);
  if (most <= 0 || used < most / 100 * NEAR) return HEROQ_OK;
  snprintf(found, sizeof found, "%lld MiB of %lld MiB are used", (long long)(used >> 20), (long long)(most >> 20));
  snprintf(mend, sizeof mend, "redis-cli CONFIG SET maxmemory %lldmb", (long long)(used >> 19) + 64);
  hq_doctor_add(d, used >= most ? HQ_FOUND_MEMORY_FULL : HQ_FOUND_MEMORY_NEAR, "maxmemory", found, mend);
  return HEROQ_OK;
}

/* ---- what it keeps ---- */

heroq_status hq_check_persistence(hq_doctor *d, heroq_error *err) {
  (void)err;
  if (!may_ask(d)) return HEROQ_OK;
  bool log = info_int(d, "aof_enabled", 0) == 1;
  if (log && !info_is(d, "aof_last_write_status", "ok"))
    hq_doctor_add(d, HQ_FOUND_AOF_FAILED, "appendonly", "the last write of the append-only file failed",
                  "make room on the server's disk");
  if (d->saves && !info_is(d, "rdb_last_bgsave_status", "ok"))
    hq_doctor_add(d, HQ_FOUND_SNAPSHOT_FAILED, "save", "the last snapshot could not be written",
                  "make room in the folder of `redis-cli CONFIG GET dir`, then redis-cli BGSAVE");
  if (log) return HEROQ_OK;
  if (d->saves < 0)
    hq_doctor_add(d, HQ_FOUND_UNKNOWN, "save", "no append-only file; whether there are snapshots is not known",
                  "redis-cli CONFIG GET save");
  else
    hq_doctor_add(d, d->saves ? HQ_FOUND_ONLY_SNAPSHOTS : HQ_FOUND_NO_PERSISTENCE, "appendonly",
                  d->saves ? "no append-only file, only snapshots" : "no append-only file and no snapshots",
                  "redis-cli CONFIG SET appendonly yes");
  return HEROQ_OK;
}

/* ---- replicas ---- */

/* The value of "name=value," in a line of INFO. */
static hq_slice part_of(hq_slice line, const char *name) {
  size_t n = strlen(name);
  for (size_t i = 0; i + n < line.n; i++) {
    if (memcmp(line.p + i, name, n) || line.p[i + n] != '=' || (i && line.p[i - 1] != ',')) continue;
    size_t from = i + n + 1, to = from;
    while (to < line.n && line.p[to] != ',') to++;
    return (hq_slice){line.p + from, to - from};
  }
  return HQ_SLICE_NONE;
}

static void look_at_replica(hq_doctor *d, hq_slice line) {
  enum { BEHIND = 10 }; /* s since it last said how far it is */
  char address[100], state[24], found[160];
  int64_t lag = 0;
  hq_slice_to_int64(part_of(line, "lag"), &lag);
  hq_doctor_copy(state, sizeof state, part_of(line, "state"));
  if (strcmp(state, "online") == 0 && lag <= BEHIND) return;
  hq_slice ip = part_of(line, "ip"), port = part_of(line, "port");
  snprintf(address, sizeof address, "%.*s:%.*s", (int)(ip.n < 60 ? ip.n : 60), ip.p ? ip.p : "",
           (int)(port.n < 10 ? port.n : 10), port.p ? port.p : "");
  snprintf(found, sizeof found, "its state is %s, it was last heard of %lld s ago", state, (long long)lag);
  hq_doctor_add(d, HQ_FOUND_REPLICA_BEHIND, address, found, "redis-cli INFO replication, there and here");
}

heroq_status hq_check_replication(hq_doctor *d, heroq_error *err) {
  enum { LOOKED_AT = 16 };
  const heroq_options *o = hq_client_options(d->errand.client);
  char found[120], mend[100];
  (void)err;
  if (!may_ask(d)) return HEROQ_OK;
  int64_t wanted = hq_client_starts(d->errand.client)->replicas, there = info_int(d, "connected_slaves", 0);
  if (wanted > there) {
    snprintf(found, sizeof found, "durability=wait with replicas=%lld, and %lld are connected",
             (long long)hq_option_int(o, HQ_OPT_REPLICAS), (long long)there);
    hq_doctor_add(d, HQ_FOUND_FEW_REPLICAS, "replicas", found, "connect a replica: redis-cli REPLICAOF <host> <port>");
  }
  int64_t good = info_int(d, "min_slaves_good_slaves", d->min_replicas);
  if (d->min_replicas > good) {
    snprintf(found, sizeof found, "min-replicas-to-write is %lld, and %lld keep up", (long long)d->min_replicas,
             (long long)good);
    snprintf(mend, sizeof mend, "redis-cli CONFIG SET min-replicas-to-write %lld", (long long)good);
    hq_doctor_add(d, HQ_FOUND_MIN_REPLICAS, "min-replicas-to-write", found, mend);
  }
  for (int i = 0; i < LOOKED_AT; i++) {
    char name[16];
    snprintf(name, sizeof name, "slave%d", i);
    hq_slice line = hq_info_value(d->info, name);
    if (line.p) look_at_replica(d, line);
  }
  return HEROQ_OK;
}

/* ---- connections ---- */

heroq_status hq_check_connections(hq_doctor *d, heroq_error *err) {
  char found[100], mend[100];
  (void)err;
  if (!may_ask(d)) return HEROQ_OK;
  int64_t there = info_int(d, "connected_clients", 0), most = info_int(d, "maxclients", 0);
  if (most > 0 && there * 100 >= most * NEAR) {
    snprintf(found, sizeof found, "%lld of %lld connections are in use", (long long)there, (long long)most);
    snprintf(mend, sizeof mend, "redis-cli CONFIG SET maxclients %lld", (long long)most * 2);
    hq_doctor_add(d, HQ_FOUND_NEAR_MAXCLIENTS, "maxclients", found, mend);
  }
  if (d->idle_timeout > 0 && d->idle_timeout <= SHORT_TIMEOUT) {
    snprintf(found, sizeof found, "idle connections are cut after %lld s", (long long)d->idle_timeout);
    hq_doctor_add(d, HQ_FOUND_IDLE_TIMEOUT, "timeout", found, "redis-cli CONFIG SET timeout 0");
  }
  return HEROQ_OK;
}
