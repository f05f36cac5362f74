/* The doctor's checks that try something out: round trips, clocks, what the user may run. */
#include "doctor_private.h"

#include "clock.h"
#include "scripts.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  ROUNDS = 5,
  SLOW = 25000,    /* µs of the best round trip that are too long */
  CLOCK_OFF = 2000 /* ms that two clocks may differ */
};

heroq_status hq_check_latency(hq_doctor *d, heroq_error *err) {
  int64_t best = INT64_MAX, now;
  char found[100];
  hq_batch b;
  heroq_status status = HEROQ_OK;
  hq_batch_init(&b);
  for (int i = 0; i < ROUNDS && !status; i++) {
    int64_t began = hq_mono_us();
    status = hq_server_now(&d->errand, &b, &now, err); /* where writes are refused, so is PING */
    int64_t took = hq_mono_us() - began;
    if (took < best) best = took;
  }
  hq_batch_free(&b);
  if (status || best < SLOW) return status;
  snprintf(found, sizeof found, "a round trip takes at least %lld ms", (long long)best / 1000);
  hq_doctor_add(d, HQ_FOUND_SLOW, d->url, found, "redis-cli --latency, and redis-cli SLOWLOG GET 10");
  return HEROQ_OK;
}

heroq_status hq_check_clock(hq_doctor *d, heroq_error *err) {
  char found[120], span[24];
  int64_t server;
  hq_batch b;
  hq_batch_init(&b);
  int64_t before = hq_wall_ms();
  heroq_status status = hq_server_now(&d->errand, &b, &server, err);
  int64_t after = hq_wall_ms(), off = server < before ? before - server : server > after ? server - after : 0;
  hq_batch_free(&b);
  if (status || off <= CLOCK_OFF) return status;
  snprintf(found, sizeof found, "the server's clock is %s %s this machine's", hq_doctor_span(off, span),
           server < before ? "behind" : "ahead of");
  hq_doctor_add(d, HQ_FOUND_CLOCK, "TIME", found, "timedatectl set-ntp true, on both machines");
  return HEROQ_OK;
}

/* ---- what the user may run ---- */

/* What SECURITY.md grants: who acts needs all of it, who submits the first part. Each with a key of the kind it is used
 * on, since keys are granted too. */
#define SOME_QUEUE "hero:q:work:type:heroq-doctor"
#define OF_QUEUE "{" SOME_QUEUE "}:"
static const char *const commands[] = {
    "time",
    "info",
    "ping",
    "wait 1 1",
    "client setname x",
    "client id",
    "client unblock 1",
    "script load x",
    "type " OF_QUEUE "meta",
    "exists hero:job:x",
    "del hero:q:reply:x",
    "persist hero:job:x",
    "pexpire hero:job:x 1",
    "pexpireat hero:job:x 1",
    "blpop hero:q:reply:x 1",
    "lpop hero:q:reply:x",
    "lindex " OF_QUEUE "handoff 0",
    "lpush " SOME_QUEUE " x",
    "rpush " SOME_QUEUE " x",
    "lrange {hero:job:x}:log 0 1",
    "lrem hero:q:ctl:type:x 0 x",
    "ltrim hero:q:reply:x 0 1",
    "hget hero:job:x x",
    "hmget hero:job:x x",
    "hgetall hero:job:x",
    "hset hero:job:x x x",
    "hdel hero:job:x x",
    "hlen " OF_QUEUE "recoveries",
    "zadd {heroq}:queues 1 x",
    "zrem " OF_QUEUE "dead x",
    "xrange {hero:job:x}:stream - +",
    "xread streams {hero:job:x}:stream 0",
#define SUBMIT_COMMANDS 32
    "scan 0",
    "get " OF_QUEUE "tally:x",
    "mget " OF_QUEUE "actor:x",
    "set " OF_QUEUE "tally:x 1",
    "pttl hero:q:reply:x",
    "blmove " SOME_QUEUE " " OF_QUEUE "handoff RIGHT LEFT 1",
    "lpos " OF_QUEUE "handoff x",
    "llen " SOME_QUEUE,
    "hincrby " OF_QUEUE "recoveries x 1",
    "hexists " OF_QUEUE "meta x",
    "hrandfield " OF_QUEUE "recoveries 1",
    "hscan " OF_QUEUE "holders 0",
    "hstrlen hero:job:x x",
    "zscore " OF_QUEUE "leases x",
    "zmscore " OF_QUEUE "leases x",
    "zcard " OF_QUEUE "leases",
    "zcount " OF_QUEUE "leases 0 1",
    "zrange {heroq}:queues 0 1",
    "zrangebyscore " OF_QUEUE "leases 0 1",
    "zrevrange " OF_QUEUE "actors 0 1",
    "zremrangebyscore " OF_QUEUE "stops 0 1",
    "xadd {hero:job:x}:stream 1-1 x x",
};
enum { COMMANDS = sizeof commands / sizeof *commands };

/* "client setname x" is granted as client|setname. */
static void add_granted_name(hq_buf *out, const char *command) {
  size_t n = strcspn(command, " ");
  hq_buf_text(out, " +");
  hq_buf_add(out, command, n);
  if (strncmp(command, "client ", 7) != 0 && strncmp(command, "script ", 7) != 0) return;
  hq_buf_char(out, '|');
  hq_buf_add(out, command + n + 1, strcspn(command + n + 1, " "));
}

static void add_missing(hq_doctor *d, const char *names, const char *rest) {
  char found[1200], mend[1200];
  snprintf(found, sizeof found, "the user may not run, or not on heroq's keys:%.900s", names);
  snprintf(mend, sizeof mend, "redis-cli ACL SETUSER <user>%.900s%s", names, rest);
  hq_doctor_add(d, HQ_FOUND_MISSING_RIGHTS, d->url, found, mend);
}

heroq_status hq_check_rights(hq_doctor *d, heroq_error *err) {
  static const char keys[] = " ~hero:job:* ~{hero:job:* ~hero:q:* ~{hero:q:work:type:* ~{heroq}:*";
  hq_batch b;
  bool acts = true;
  hq_buf names = {0};
  hq_batch_init(&b);
  hq_batch_script(&b, HQ_SCRIPT_RIGHTS, 0, COMMANDS);
  for (size_t i = 0; i < COMMANDS; i++) hq_batch_text_arg(&b, commands[i]);
  heroq_status status = hq_errand_all(&d->errand, &b, "RIGHTS", err);
  const hq_reply *refused = hq_batch_reply(&b, 0);
  if (status == HEROQ_E_DENIED) {
    add_missing(d, " +evalsha +script|load", "");
    status = HEROQ_OK;
  } else if (!status && refused && refused->type == HQ_NIL) {
    hq_doctor_add(d, HQ_FOUND_UNKNOWN, "ACL", "a server before Redis 7 cannot tell", "redis-cli ACL LIST");
  }
  for (uint32_t i = 0; i < hq_reply_count(refused) && !status; i++) {
    int64_t k = hq_reply_int(hq_reply_at(refused, i), 0) - 1;
    if (k >= 0 && k < COMMANDS) acts = acts && strncmp(commands[k], "blmove ", 7) != 0;
  }
  for (uint32_t i = 0; i < hq_reply_count(refused) && !status; i++) {
    int64_t k = hq_reply_int(hq_reply_at(refused, i), 0) - 1;
    if (k >= 0 && k < (acts ? COMMANDS : SUBMIT_COMMANDS)) add_granted_name(&names, commands[k]);
  }
  if (names.n) add_missing(d, hq_buf_cstr(&names), keys);
  hq_buf_free(&names);
  hq_batch_free(&b);
  return status;
}
