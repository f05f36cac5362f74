/* The doctor: runs the checks one after another, and those of the server itself. */
#include "clock.h"
#include "delivery.h"
#include "doctor_private.h"
#include "record_private.h"
#include "wait.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const severity_name[] = {"ok", "unknown", "warning", "error"};

/* ---- findings ---- */

void hq_doctor_add(hq_doctor *d, int severity, const char *subject, const char *found, const char *means,
                   const char *mend) {
  char text[1024];
  heroq_record *r = hq_record_new();
  hq_record_add_text(r, "check", d->check);
  hq_record_add_text(r, "severity", severity_name[severity]);
  hq_escape(text, sizeof text, subject, strlen(subject));
  hq_record_add_text(r, "subject", text);
  hq_escape(text, sizeof text, found, strlen(found));
  hq_record_add_text(r, "found", text);
  hq_record_add_text(r, "means", means);
  hq_escape(text, sizeof text, mend, strlen(mend));
  hq_record_add_text(r, "mend", text);
  hq_record_add_child(d->checks, "", r);
  d->findings++;
  if (severity > d->worst) d->worst = severity;
}

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
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:-";
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

/* ---- the server ---- */

static const char *info_text(const hq_doctor *d, const char *name) {
  return heroq_record_text(d->server, heroq_record_find(d->server, name));
}

static heroq_status check_server(hq_doctor *d, heroq_error *err) {
  heroq_status status = heroq_client_ping(d->errand.client, NULL, d->errand.call, err);
  if (status) return status;
  status = heroq_client_server_info(d->errand.client, &d->server, d->errand.call, err);
  return status == HEROQ_E_DENIED || status == HEROQ_E_SERVER ? HEROQ_OK : status; /* the next checks tell it */
}

static bool may_ask(hq_doctor *d) {
  if (d->server) return true;
  hq_doctor_add(d, HQ_SEV_UNKNOWN, "INFO", "the user may not ask for INFO", "this could not be looked at",
                "redis-cli ACL SETUSER <user> +info");
  return false;
}

static heroq_status check_version(hq_doctor *d, heroq_error *err) {
  int major = 0, minor = 0;
  char found[80];
  (void)err;
  if (!may_ask(d)) return HEROQ_OK;
  bool valkey = strcmp(info_text(d, "server"), "valkey") == 0;
  bool known = sscanf(info_text(d, "version"), "%d.%d", &major, &minor) == 2;
  if (known && (valkey || major > 6 || (major == 6 && minor >= 2))) return HEROQ_OK;
  snprintf(found, sizeof found, "%s %.40s", info_text(d, "server"), info_text(d, "version"));
  hq_doctor_add(d, HQ_SEV_ERROR, d->url, found, "heroq needs commands that came with Redis 6.2",
                "install Redis 6.2 or newer, or Valkey");
  return HEROQ_OK;
}

static heroq_status check_eviction(hq_doctor *d, heroq_error *err) {
  char found[120];
  (void)err;
  if (!may_ask(d)) return HEROQ_OK;
  const char *policy = info_text(d, "maxmemory_policy");
  if (!*policy || strcmp(policy, "noeviction") == 0) return HEROQ_OK;
  bool all = strncmp(policy, "allkeys", 7) == 0;
  bool limit = heroq_record_int64(d->server, heroq_record_find(d->server, "maxmemory")) > 0;
  snprintf(found, sizeof found, "maxmemory-policy is %.40s, maxmemory is %s", policy, limit ? "set" : "not set");
  hq_doctor_add(d, all && limit ? HQ_SEV_ERROR : HQ_SEV_WARNING, "maxmemory-policy", found,
                all ? "at the memory limit the server throws queues and jobs away without a word"
                    : "at the memory limit the server throws results away before their time",
                "redis-cli CONFIG SET maxmemory-policy noeviction");
  return HEROQ_OK;
}

static heroq_status check_persistence(hq_doctor *d, heroq_error *err) {
  hq_batch b;
  if (!may_ask(d)) return HEROQ_OK;
  if (heroq_record_int64(d->server, heroq_record_find(d->server, "aof_enabled")) == 1) return HEROQ_OK;
  hq_batch_init(&b);
  hq_batch_words(&b, "CONFIG", "GET", "save", NULL);
  heroq_status status = hq_errand_all(&d->errand, &b, "CONFIG GET save", err);
  if (!status) {
    bool snapshots = hq_reply_str(hq_reply_at(hq_batch_reply(&b, 0), 1)).n > 0;
    hq_doctor_add(d, HQ_SEV_WARNING, "appendonly",
                  snapshots ? "no append-only file, only snapshots" : "no append-only file and no snapshots",
                  snapshots ? "a crash of the server loses the jobs of the last minutes"
                            : "a restart of the server loses all jobs",
                  "redis-cli CONFIG SET appendonly yes");
  }
  hq_batch_free(&b);
  return status;
}

/* ---- the queues' keys ---- */

static heroq_status check_queues(hq_doctor *d, heroq_error *err) {
  bool whole;
  heroq_status status = hq_find_queues(&d->errand, &d->queues, &whole, err);
  if (status) return status;
  hq_numbers *numbers = calloc(d->queues.n + 1, sizeof *numbers);
  if (!numbers) return hq_fail_nomem(err);
  status = hq_count_queues(&d->errand, d->queues.name, d->queues.n, numbers, err);
  if (status) {
    free(numbers);
    return status;
  }
  d->numbers = numbers;
  for (uint32_t i = 0; i < d->queues.n; i++) {
    char mend[400];
    if (!numbers[i].wrong_type) continue;
    snprintf(mend, sizeof mend, "redis-cli RENAME %.300s <another name>", d->queues.name[i]);
    hq_doctor_add(d, HQ_SEV_ERROR, d->queues.name[i], "the key is not a list",
                  "no job of this type can be queued or taken", mend);
  }
  if (!whole)
    hq_doctor_add(d, HQ_SEV_UNKNOWN, "SCAN", "there are too many keys to look at all of them",
                  "queues that only foreign programs use may be missing here",
                  "redis-cli --scan --pattern 'hero:q:work:*'");
  return HEROQ_OK;
}

/* ---- running them ---- */

static const struct check {
  const char *name;
  bool needs_queues;
  heroq_status (*run)(hq_doctor *d, heroq_error *err);
} checks[] = {
    {"server", false, check_server},         {"version", false, check_version},
    {"eviction", false, check_eviction},     {"persistence", false, check_persistence},
    {"queues", false, check_queues},         {"paused", true, hq_check_paused},
    {"consumers", true, hq_check_consumers}, {"script_types", true, hq_check_script_types},
    {"leases", true, hq_check_leases},       {"handoff", true, hq_check_handoff},
    {"jobs", true, hq_check_jobs},           {"replies", false, hq_check_replies},
};

static bool is_denied(heroq_status status) { return status == HEROQ_E_DENIED || status == HEROQ_E_SERVER; }

/* What is wrong with the server is a finding, what is wrong with this call is an error of the call. */
static bool is_servers_fault(const hq_doctor *d, heroq_status status) {
  if (status == HEROQ_E_TIMEOUT) return hq_mono_ms() < d->errand.deadline;
  int32_t kind = heroq_status_kind(status);
  return kind == HEROQ_KIND_CONNECTION || kind == HEROQ_KIND_SERVER;
}

static void add_unreachable(hq_doctor *d, heroq_status status, const heroq_error *why) {
  char mend[600];
  if (status == HEROQ_E_AUTH)
    snprintf(mend, sizeof mend, "name the right user and password, in the URL or as HEROQ_USERNAME and HEROQ_PASSWORD");
  else
    snprintf(mend, sizeof mend, "redis-cli -u %.400s PING", d->url);
  hq_doctor_add(d, HQ_SEV_ERROR, d->url, why->text, "nothing can be submitted, taken or finished", mend);
}

static heroq_status run_checks(hq_doctor *d, heroq_error *err) {
  for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
    heroq_error why = {0};
    d->check = checks[i].name;
    d->findings = 0;
    if (checks[i].needs_queues && !d->numbers) {
      hq_doctor_add(d, HQ_SEV_UNKNOWN, "queues", "the queues could not be read", "this could not be looked at", "");
      continue;
    }
    heroq_status status = checks[i].run(d, &why);
    if (is_denied(status)) {
      hq_doctor_add(d, HQ_SEV_UNKNOWN, checks[i].name, why.text, "this could not be looked at",
                    "run the doctor as a user who may");
    } else if (is_servers_fault(d, status)) {
      add_unreachable(d, status, &why);
      return HEROQ_OK; /* the others would only say the same */
    } else if (status) {
      hq_error_copy(err, &why);
      return status;
    }
    if (!d->findings) hq_doctor_add(d, HQ_SEV_OK, "", "", "", "");
  }
  return HEROQ_OK;
}

heroq_status heroq_doctor_run(heroq_client *client, const heroq_options *options, heroq_record **out, heroq_call *call,
                              heroq_error *err) {
  (void)options; /* the checks have none yet */
  if (!out) return hq_fail(err, HEROQ_E_INVALID, "heroq_doctor_run: out is NULL");
  *out = NULL;
  heroq_status status = hq_client_enter(client, err);
  if (status) return status;
  hq_doctor d = {.errand = hq_errand_of(client, call),
                 .url = hq_client_endpoint(client, hq_slice_of(""))->shown,
                 .checks = hq_record_list()};
  status = run_checks(&d, err);
  if (status) {
    heroq_record_free(d.checks);
  } else {
    heroq_record *r = hq_record_new();
    hq_record_add_text(r, "worst", severity_name[d.worst]);
    hq_record_add_child(r, "checks", d.checks);
    status = hq_record_finish(r, out, err);
  }
  heroq_record_free(d.server);
  hq_names_free(&d.queues);
  free(d.numbers);
  return status;
}
