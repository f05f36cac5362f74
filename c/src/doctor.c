/* The doctor: runs the checks one after another, and keeps what they found. */
#include "doctor_private.h"

#include "clock.h"
#include "keys_private.h"
#include "options_private.h"
#include "record_private.h"
#include "tend.h"
#include "wait.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const severity_name[] = {"ok", "unknown", "warning", "error"};

static const struct finding {
  const char *name, *check;
  int severity;
  bool mended;
  const char *means;
} findings[HQ_FINDING_TOTAL] = {
#define ROW(ident, name, check, severity, mended, means) {name, check, HQ_SEV_##severity, mended, means},
    HQ_FINDING_LIST(ROW)
#undef ROW
};

static const struct check {
  const char *name;
  bool needs_queues;
  heroq_status (*run)(hq_doctor *d, heroq_error *err);
  const char *looked;
} checks[] = {
    {"client", false, hq_check_client, "this program's options, its HEROQ_* variables, and how it connects"},
    {"server", false, hq_check_server, "whether the server answers"},
    {"config", false, hq_check_config, "CONFIG GET save, timeout, min-replicas-to-write"},
    {"version", false, hq_check_version, "the server's version"},
    {"role", false, hq_check_role, "whether the server is a primary"},
    {"cluster", false, hq_check_cluster, "whether all slots are served, and by this server"},
    {"eviction", false, hq_check_eviction, "maxmemory-policy"},
    {"memory", false, hq_check_memory, "how near the used memory is to maxmemory"},
    {"persistence", false, hq_check_persistence, "the append-only file, snapshots, and whether they could be written"},
    {"replication", false, hq_check_replication,
     "how many replicas there are, how many are needed, and how far they are"},
    {"clock", false, hq_check_clock, "the server's clock beside this machine's"},
    {"latency", false, hq_check_latency, "the best of five round trips"},
    {"connections", false, hq_check_connections, "connections beside maxclients, and the server's timeout"},
    {"rights", false, hq_check_rights, "whether the user may run what heroq needs"},
    {"queues", false, hq_check_queues, "the queues that heroq's programs wrote down, and a bounded SCAN for others"},
    {"paused", true, hq_check_paused, "queues that were paused"},
    {"consumers", true, hq_check_consumers, "queues where jobs wait and nobody takes, twice"},
    {"script_types", true, hq_check_script_types, "the type of the jobs at both ends of each queue"},
    {"dead", true, hq_check_dead, "jobs given up on in the last day"},
    {"delayed", true, hq_check_delayed, "delayed jobs that are due"},
    {"leases", true, hq_check_leases, "holders beside leases, twice, and leases that ended"},
    {"handoff", true, hq_check_handoff, "ids that were moved and not taken, twice"},
    {"hashes", false, hq_check_hashes, "a sample of job hashes: whether they can be read"},
    {"await", true, hq_check_await, "of those that have not ended for long: outputs and replies without a status"},
    {"jobs", true, hq_check_jobs, "the others, in every queue they may be in, twice"},
    {"replies", false, hq_check_replies, "a sample of reply lists: whether they end"},
};
enum {
  CHECKS = sizeof checks / sizeof *checks,
  SHOWN = 10 /* rows of a finding; the rest is counted */
};

/* ---- findings ---- */

static void add_escaped(heroq_record *r, const char *name, const char *text) {
  char plain[1400];
  hq_escape(plain, sizeof plain, text, strlen(text));
  hq_record_add_text(r, name, plain);
}

static void add_row(hq_doctor *d, const struct finding *f, const char *subject, const char *found, const char *mend,
                    const hq_repair *repair) {
  heroq_record *r = hq_record_new();
  bool done = repair && repair->done;
  hq_record_add_text(r, "check", checks[d->check].name);
  hq_record_add_text(r, "finding", f ? f->name : "");
  hq_record_add_text(r, "severity", severity_name[f ? f->severity : HQ_SEV_OK]);
  add_escaped(r, "subject", subject);
  hq_record_add_text(r, "looked", checks[d->check].looked);
  add_escaped(r, "found", found);
  hq_record_add_text(r, "means", f ? f->means : "");
  add_escaped(r, "mend", mend);
  hq_record_add_int(r, "fixable", f && f->mended);
  add_escaped(r, "fix", repair ? repair->said : "");
  hq_record_add_int(r, "fixed", done);
  hq_record_add_child(d->checks, "", r);
  d->findings++;
  if (done)
    d->mended++;
  else
    d->weight[f ? f->severity : HQ_SEV_OK]++;
}

static void add_some(hq_doctor *d, enum hq_finding finding, const char *subject, const char *found, const char *mend,
                     const hq_repair *repair) {
  if (d->shown[finding]++ < SHOWN)
    add_row(d, &findings[finding], subject, found, mend, repair);
  else if (repair && repair->done)
    d->mended++;
  else
    d->more[finding]++;
}

/* After a check: what has no row of its own. */
static void add_more(hq_doctor *d) {
  char found[60];
  for (size_t f = 0; f < HQ_FINDING_TOTAL; f++) {
    if (!d->more[f]) continue;
    snprintf(found, sizeof found, "%d more like these", d->more[f]);
    add_row(d, &findings[f], "*", found, "mend those above and run the doctor again", NULL);
    d->more[f] = 0;
  }
}

void hq_doctor_add(hq_doctor *d, enum hq_finding finding, const char *subject, const char *found, const char *mend) {
  add_some(d, finding, subject, found, mend, NULL);
}

static bool is_denied(heroq_status status) { return status == HEROQ_E_DENIED || status == HEROQ_E_SERVER; }

heroq_status hq_doctor_add_mended(hq_doctor *d, enum hq_finding finding, const char *subject, const char *found,
                                  const char *mend, const char *would, hq_repair_run run, const void *what,
                                  heroq_error *err) {
  hq_repair repair = {"", false};
  heroq_status status = HEROQ_OK;
  heroq_error why = {0};
  if (d->fix == HQ_FIX_PLAN) snprintf(repair.said, sizeof repair.said, "would %s", would);
  if (d->fix == HQ_FIX_YES) {
    status = run(d, what, &repair, &why);
    if (status) snprintf(repair.said, sizeof repair.said, "could not %s: %.150s", would, why.text);
  }
  add_some(d, finding, subject, found, mend, &repair);
  if (status && !is_denied(status)) return hq_error_copy(err, &why), status;
  return HEROQ_OK;
}

heroq_status heroq_doctor_findings(heroq_record **out, heroq_error *err) {
  if (!out) return hq_fail(err, HEROQ_E_INVALID, "heroq_doctor_findings: out is NULL");
  heroq_record *list = hq_record_list();
  for (size_t i = 0; i < HQ_FINDING_TOTAL; i++) {
    heroq_record *r = hq_record_new();
    hq_record_add_text(r, "finding", findings[i].name);
    hq_record_add_text(r, "check", findings[i].check);
    hq_record_add_text(r, "severity", severity_name[findings[i].severity]);
    hq_record_add_int(r, "fixable", findings[i].mended);
    hq_record_add_text(r, "means", findings[i].means);
    hq_record_add_child(list, "", r);
  }
  heroq_record *all = hq_record_new();
  hq_record_add_child(all, "findings", list);
  return hq_record_finish(all, out, err);
}

/* ---- what the checks share ---- */

heroq_status hq_doctor_pause(hq_doctor *d, int64_t ms, heroq_error *err) {
  short none;
  int64_t until = hq_deadline(hq_mono_ms(), ms);
  if (until > d->errand.deadline) until = d->errand.deadline;
  if (hq_wait_fd(-1, 0, until, d->errand.call, &none) != HEROQ_E_CANCELLED) return HEROQ_OK;
  return hq_fail(err, HEROQ_E_CANCELLED, "the doctor was cancelled");
}

const char *hq_doctor_span(int64_t ms, char out[24]) {
  long long s = ms / 1000;
  if (s < 120)
    snprintf(out, 24, "%lld s", s);
  else if (s < 7200)
    snprintf(out, 24, "%lld min", s / 60);
  else if (s < 172800)
    snprintf(out, 24, "%lld h", s / 3600);
  else
    snprintf(out, 24, "%lld days", s / 86400);
  return out;
}

const char *hq_doctor_word(const char *s, char out[320]) {
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:/-";
  size_t n = strlen(s);
  bool quotable = n < 300 && !strchr(s, '\'');
  for (size_t i = 0; i < n; i++) quotable = quotable && s[i] >= ' ' && s[i] <= '~';
  if (n && n < 300 && strspn(s, plain) == n && *s != '-')
    snprintf(out, 320, "%s", s);
  else if (quotable)
    snprintf(out, 320, "'%s'", s);
  else
    snprintf(out, 320, "<id>");
  return out;
}

void hq_doctor_mend_by_actor(char *out, size_t cap, const char *queue_key) {
  hq_slice type = HQ_SLICE_NONE, group, instance;
  hq_key_queue_parts(hq_slice_of(queue_key), &type, &group, &instance);
  snprintf(out, cap, "heroq actor --type %.*s --exec python3", (int)type.n, type.p ? type.p : "");
}

void hq_doctor_copy(char *out, size_t cap, hq_slice s) {
  snprintf(out, cap, "%.*s", (int)(s.n < cap ? s.n : cap - 1), s.p ? s.p : "");
}

heroq_status hq_doctor_tend(hq_doctor *d, const void *what, hq_repair *out, heroq_error *err) {
  hq_tended done = {0};
  char span[24];
  heroq_status status = hq_tend_queue(d->errand.client, what, d->errand.deadline, d->errand.call, &done, err);
  if (status) return status;
  int64_t lease = hq_option_int(hq_client_options(d->errand.client), HQ_OPT_LEASE);
  out->done = done.promoted || done.returned || done.lost;
  if (out->done)
    snprintf(out->said, sizeof out->said,
             "looked after the queue: %lld due jobs queued, %lld jobs given back, %lld given up on",
             (long long)done.promoted, (long long)done.returned, (long long)done.lost);
  else
    snprintf(out->said, sizeof out->said,
             "gave the leases %s more, as after an outage: run this again after that, if no actor has come",
             hq_doctor_span(lease, span));
  return HEROQ_OK;
}

/* ---- running them ---- */

/* What is wrong with the server is a finding, what is wrong with this call is an error of the call. */
static bool is_servers_fault(const hq_doctor *d, heroq_status status) {
  if (status == HEROQ_E_TIMEOUT) return hq_mono_ms() < d->errand.deadline;
  int32_t kind = heroq_status_kind(status);
  return kind == HEROQ_KIND_CONNECTION || kind == HEROQ_KIND_SERVER;
}

void hq_doctor_add_refused(hq_doctor *d, const heroq_error *why) {
  char mend[600];
  if (d->refused) return;
  d->refused = true;
  snprintf(mend, sizeof mend, "redis-cli -u %.400s INFO", d->url);
  hq_doctor_add(d, HQ_FOUND_REFUSED, d->url, why->text, mend);
}

static void add_servers_fault(hq_doctor *d, heroq_status status, const heroq_error *why) {
  char mend[600];
  snprintf(mend, sizeof mend, "redis-cli -u %.400s PING", d->url);
  if (status == HEROQ_E_UNAVAILABLE)
    hq_doctor_add_refused(d, why);
  else if (status == HEROQ_E_AUTH)
    hq_doctor_add(d, HQ_FOUND_REFUSED, d->url, why->text,
                  "name the right user and password, in the URL or as HEROQ_USERNAME and HEROQ_PASSWORD");
  else
    hq_doctor_add(d, HQ_FOUND_UNREACHABLE, d->url, why->text, mend);
}

static heroq_status run_checks(hq_doctor *d, heroq_error *err) {
  for (size_t i = 0; i < CHECKS; i++) {
    heroq_error why = {0};
    d->check = i;
    d->findings = 0;
    if (checks[i].needs_queues && !d->numbers) {
      hq_doctor_add(d, HQ_FOUND_UNKNOWN, "queues", "the queues could not be read",
                    "mend what the check of the queues tells");
      continue;
    }
    heroq_status status = checks[i].run(d, &why);
    add_more(d);
    if (is_denied(status)) {
      hq_doctor_add(d, HQ_FOUND_UNKNOWN, checks[i].name, why.text, "run the doctor as a user who may");
    } else if (status == HEROQ_E_WRONG_TYPE) {
      hq_doctor_add(d, HQ_FOUND_KEY_WRONG_TYPE, checks[i].name, why.text, "redis-cli RENAME <key> <another name>");
    } else if (is_servers_fault(d, status)) {
      add_servers_fault(d, status, &why);
      return HEROQ_OK; /* the others would only say the same */
    } else if (status) {
      hq_error_copy(err, &why);
      return status;
    }
    if (!d->findings) add_row(d, NULL, "", "", "", NULL);
  }
  return HEROQ_OK;
}

static const char *worst(const hq_doctor *d) {
  int severity = HQ_SEV_ERROR;
  while (severity > HQ_SEV_OK && !d->weight[severity]) severity--;
  return severity_name[severity];
}

heroq_status heroq_doctor_run(heroq_client *client, const heroq_options *options, heroq_record **out, heroq_call *call,
                              heroq_error *err) {
  static const int allowed[] = {HQ_OPT_FIX, -1};
  if (!out) return hq_fail(err, HEROQ_E_INVALID, "heroq_doctor_run: out is NULL");
  *out = NULL;
  heroq_status status = hq_client_enter(client, err);
  if (!status) status = hq_options_only(options, "the doctor", allowed, err);
  if (status) return status;
  hq_doctor d = {.errand = hq_errand_of(client, call),
                 .url = hq_client_endpoint(client, hq_slice_of(""))->shown,
                 .fix = (int)hq_option_int(options, HQ_OPT_FIX),
                 .saves = -1,
                 .idle_timeout = -1,
                 .min_replicas = -1,
                 .checks = hq_record_list()};
  hq_batch_init(&d.info_batch);
  status = run_checks(&d, err);
  if (status) {
    heroq_record_free(d.checks);
  } else {
    heroq_record *r = hq_record_new();
    hq_record_add_text(r, "worst", worst(&d));
    hq_record_add_text(r, "url", d.url);
    hq_record_add_text(r, "library", heroq_version_text());
    hq_record_add_int(r, "tls", heroq_feature("tls"));
    for (int i = HQ_SEV_ERROR; i >= HQ_SEV_OK; i--) hq_record_add_int(r, severity_name[i], d.weight[i]);
    hq_record_add_int(r, "fixed", d.mended);
    hq_record_add_child(r, "checks", d.checks);
    status = hq_record_finish(r, out, err);
  }
  hq_batch_free(&d.info_batch);
  hq_names_free(&d.queues);
  hq_names_free(&d.jobs);
  free(d.suspect);
  free(d.numbers);
  return status;
}
