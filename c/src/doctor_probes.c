/* The doctor's checks that try something out: round trips, clocks, what the user may run. */
#include "doctor_private.h"

#include "clock.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  PINGS = 5,
  SLOW = 25000,    /* µs of the best round trip that are too long */
  CLOCK_OFF = 2000 /* ms that two clocks may differ */
};

heroq_status hq_check_latency(hq_doctor *d, heroq_error *err) {
  int64_t best = INT64_MAX, us = 0;
  char found[100];
  for (int i = 0; i < PINGS; i++) {
    heroq_status status = heroq_client_ping(d->errand.client, &us, d->errand.call, err);
    if (status) return status;
    if (us < best) best = us;
  }
  if (best < SLOW) return HEROQ_OK;
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

heroq_status hq_check_rights(hq_doctor *d, heroq_error *err) {
  (void)d, (void)err;
  return HEROQ_OK;
}
