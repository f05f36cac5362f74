/* The job value: its fields and what may be set, the state table, lists of jobs. */
#include <heroq/actor.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "errors.h"
#include "job_private.h"
#include "json.h"
#include "keys_private.h"
#include "options_private.h"
#include "record_private.h"
#include "tags.h"

enum { LARGEST_SCRIPT = 512 << 20, LARGEST_FIELD = 1 << 20, MOST_EXTRAS = 256, LONGEST_FIELD_NAME = 1024 };
enum { LONGEST_TIMEOUT = 30 * 86400, MOST_RETRIES = 1000000 };

const char *const hq_field_name[HQ_F_COUNT] = {
#define NAME(ident, name) name,
    HQ_FIELD_LIST(NAME)
#undef NAME
};

/* ---- the state table ---- */

static const char *const state_name[] = {
    "",
    HEROQ_STATUS_WAITING,
    HEROQ_STATUS_DISPATCHED,
    HEROQ_STATUS_STARTED,
    HEROQ_STATUS_STOPPING,
    HEROQ_STATUS_FINISHED,
    HEROQ_STATUS_ERROR,
};
enum { STATES = sizeof state_name / sizeof *state_name };

int hq_state_parse(hq_slice status) {
  for (int s = STATES - 1; s > HQ_S_UNKNOWN; s--) {
    size_t i = 0;
    while (i < status.n && state_name[s][i] && hq_lower(status.p[i]) == state_name[s][i]) i++;
    if (i == status.n && !state_name[s][i]) return s;
  }
  return HQ_S_UNKNOWN;
}

const char *hq_state_name(int state) { return state > HQ_S_UNKNOWN && state < STATES ? state_name[state] : ""; }

bool hq_state_terminal(int state) { return state == HQ_S_FINISHED || state == HQ_S_ERROR; }

#define TO(state) (1u << HQ_S_##state)

bool hq_state_may_follow(int from, int to) {
  static const unsigned next[STATES] = {
      /* A foreign hash without a status may become anything. */
      [HQ_S_UNKNOWN] = TO(WAITING) | TO(DISPATCHED) | TO(STARTED) | TO(STOPPING) | TO(FINISHED) | TO(ERROR),
      [HQ_S_WAITING] = TO(DISPATCHED) | TO(ERROR),
      /* Simple foreign actors write the result without having written `started`. */
      [HQ_S_DISPATCHED] = TO(STARTED) | TO(FINISHED) | TO(ERROR),
      /* started again: by the next holder, when the first one was lost. */
      [HQ_S_STARTED] = TO(STARTED) | TO(DISPATCHED) | TO(STOPPING) | TO(FINISHED) | TO(ERROR),
      /* An acknowledged stop is never undone, but a result that comes first counts. */
      [HQ_S_STOPPING] = TO(FINISHED) | TO(ERROR),
      /* Only a requeue changes a terminal status. */
      [HQ_S_FINISHED] = TO(DISPATCHED),
      [HQ_S_ERROR] = TO(DISPATCHED),
  };
  return from >= 0 && from < STATES && to > HQ_S_UNKNOWN && to < STATES && next[from] & 1u << to;
}

/* ---- memory ---- */

typedef struct hq_piece {
  struct hq_piece *next;
  char data[];
} hq_piece;

typedef struct hq_header {
  struct hq_header *next;
  const char *name, *value;
} hq_header;

/* Memory that lives as long as the job, from any thread. */
static void *piece(heroq_job *job, size_t n) {
  hq_piece *p = n < SIZE_MAX - sizeof *p ? malloc(sizeof *p + n) : NULL;
  if (!p) return NULL;
  p->next = atomic_load(&job->pieces);
  while (!atomic_compare_exchange_weak(&job->pieces, &p->next, p))
    ;
  return p->data;
}

static const char *keep(heroq_job *job, hq_slice s) {
  char *copy = piece(job, s.n + 1);
  if (!copy) return NULL;
  if (s.n) memcpy(copy, s.p, s.n);
  copy[s.n] = 0;
  return copy;
}

heroq_job *hq_job_alloc(size_t size, char **room) {
  heroq_job *job = size < SIZE_MAX - sizeof *job ? malloc(sizeof *job + size) : NULL;
  if (!job) return NULL;
  memset(job, 0, sizeof *job);
  atomic_init(&job->refs, 1);
  atomic_init(&job->frozen, false);
  atomic_init(&job->pieces, NULL);
  atomic_init(&job->headers, NULL);
  *room = (char *)(job + 1);
  return job;
}

void hq_job_place(heroq_job *job, int field, hq_slice value, char **room) {
  if (value.n) memcpy(*room, value.p, value.n);
  (*room)[value.n] = 0;
  job->field[field] = (hq_slice){*room, value.n};
  *room += value.n + 1;
}

static void set_literal(heroq_job *job, int field, const char *text) { job->field[field] = hq_slice_of(text); }

void hq_job_see_status(heroq_job *job) {
  int state = hq_state_parse(job->field[HQ_F_STATUS]);
  job->canonical_status = state != HQ_S_UNKNOWN;
  strcpy(job->status, hq_state_name(state));
}

bool hq_job_waits(const heroq_job *job) {
  hq_slice ids = job->field[HQ_F_PREREQUISITES];
  for (size_t i = 0; i < ids.n; i++)
    if (ids.p[i] == '"') return true;
  return false;
}

void hq_job_first_status(heroq_job *job) {
  set_literal(job, HQ_F_STATUS, hq_job_waits(job) ? HEROQ_STATUS_WAITING : HEROQ_STATUS_DISPATCHED);
  hq_job_see_status(job);
}

void hq_job_ref(heroq_job *job) { atomic_fetch_add(&job->refs, 1); }

void hq_job_freeze(heroq_job *job) { atomic_store(&job->frozen, true); }

void heroq_job_free(heroq_job *self) {
  if (!self || atomic_fetch_sub(&self->refs, 1) != 1) return;
  if (self->taken) self->taken_ops->dropped(self->taken);
  for (hq_piece *p = atomic_load(&self->pieces), *next; p; p = next) {
    next = p->next;
    free(p);
  }
  free(self->extra);
  free(self);
}

/* ---- making ---- */

heroq_status heroq_job_new(const char *script_type, const void *script, size_t script_size, heroq_job **out,
                           heroq_error *err) {
  char id[37], *room;
  if (!out || (!script && script_size))
    return hq_fail(err, HEROQ_E_INVALID, "heroq_job_new: %s is NULL", out ? "script" : "out");
  *out = NULL;
  heroq_status status = hq_key_check_name("script type", script_type, err);
  if (status) return status;
  if (script_size > LARGEST_SCRIPT)
    return hq_fail(err, HEROQ_E_TOO_BIG, "a script of %zu bytes, at most %d are possible", script_size, LARGEST_SCRIPT);
  hq_slice type = hq_slice_of(script_type);
  heroq_job *job = hq_job_alloc(sizeof id + type.n + 1 + script_size + 1, &room);
  if (!job) return hq_fail_nomem(err);
  hq_uuid7(id);
  hq_job_place(job, HQ_F_JOB_ID, (hq_slice){id, sizeof id - 1}, &room);
  hq_job_place(job, HQ_F_SCRIPT_TYPE, type, &room);
  hq_job_place(job, HQ_F_SCRIPT, (hq_slice){script, script_size}, &room);
  set_literal(job, HQ_F_HQ_TTL, HQ_DEFAULT_TTL);
  hq_job_first_status(job);
  *out = job;
  return hq_ok(err);
}

static bool copy_text(heroq_job *job, const char **to, const char *from) {
  *to = from ? keep(job, hq_slice_of(from)) : NULL;
  return *to || !from;
}

static bool copy_rest(heroq_job *to, const heroq_job *from) {
  for (uint32_t i = 0; i < from->extra_count; i++)
    if (!hq_job_add_extra(to, from->extra[i].name, from->extra[i].value)) return false;
  to->delay = from->delay;
  to->at = from->at;
  to->expires = from->expires;
  to->urgent = from->urgent;
  return copy_text(to, &to->group, from->group) && copy_text(to, &to->instance, from->instance);
}

heroq_status heroq_job_copy(const heroq_job *self, heroq_job **out, heroq_error *err) {
  char *room;
  size_t size = 0;
  if (out) *out = NULL;
  if (!self || !out) return hq_fail(err, HEROQ_E_INVALID, "heroq_job_copy: %s is NULL", self ? "out" : "the job");
  for (int f = 0; f < HQ_F_COUNT; f++) size += self->field[f].p ? self->field[f].n + 1 : 0;
  heroq_job *job = hq_job_alloc(size, &room);
  if (!job) return hq_fail_nomem(err);
  for (int f = 0; f < HQ_F_COUNT; f++)
    if (self->field[f].p) hq_job_place(job, f, self->field[f], &room);
  hq_job_see_status(job);
  job->id_given = true; /* the original may have been stored */
  if (!copy_rest(job, self)) {
    heroq_job_free(job);
    return hq_fail_nomem(err);
  }
  *out = job;
  return hq_ok(err);
}

/* ---- reading ---- */

hq_slice hq_job_slice(const heroq_job *job, int field) { return job ? job->field[field] : HQ_SLICE_NONE; }

static const void *give(hq_slice s, size_t *size) {
  if (size) *size = s.n;
  return s.p;
}

static const char *text_of(const heroq_job *job, int field) {
  hq_slice s = hq_job_slice(job, field);
  return s.p ? s.p : "";
}

static int64_t number_of(const heroq_job *job, int field, int64_t most, int64_t otherwise) {
  int64_t v;
  return hq_slice_to_int64(hq_job_slice(job, field), &v) && v >= 0 && v <= most ? v : otherwise;
}

const char *heroq_job_id(const heroq_job *self) { return text_of(self, HQ_F_JOB_ID); }

const char *heroq_job_script_type(const heroq_job *self) { return text_of(self, HQ_F_SCRIPT_TYPE); }

const void *heroq_job_script(const heroq_job *self, size_t *size) {
  hq_slice s = hq_job_slice(self, HQ_F_SCRIPT);
  return give(s.p ? s : (hq_slice){"", 0}, size);
}

const char *heroq_job_status(const heroq_job *self) { return self ? self->status : ""; }

int32_t heroq_job_is_terminal(const heroq_job *self) {
  return self && hq_state_terminal(hq_state_parse(hq_slice_of(self->status)));
}

const void *heroq_job_output(const heroq_job *self, size_t *size) {
  return give(hq_job_slice(self, HQ_F_OUTPUT), size);
}

const void *heroq_job_error(const heroq_job *self, size_t *size) { return give(hq_job_slice(self, HQ_F_ERROR), size); }

int64_t heroq_job_timeout(const heroq_job *self) { return number_of(self, HQ_F_TIMEOUT, LONGEST_TIMEOUT, 0); }

int64_t heroq_job_retries(const heroq_job *self) { return number_of(self, HQ_F_RETRIES, MOST_RETRIES, -1); }

int64_t heroq_job_attempt(const heroq_job *self) { return self ? self->attempt : 0; }

int64_t heroq_job_waited_since(const heroq_job *self) { return self ? self->due : 0; }

int64_t heroq_job_token(const heroq_job *self) { return self ? self->token : 0; }

int hq_field_find(hq_slice name) {
  for (int f = 0; f < HQ_F_COUNT; f++)
    if (hq_slice_is(name, hq_field_name[f])) return f;
  return -1;
}

static hq_extra *find_extra(const heroq_job *job, const char *name) {
  for (uint32_t i = 0; i < job->extra_count; i++)
    if (!strcmp(job->extra[i].name, name)) return &job->extra[i];
  return NULL;
}

const void *heroq_job_field(const heroq_job *self, const char *name, size_t *size) {
  hq_slice value = HQ_SLICE_NONE;
  if (self && name) {
    int f = hq_field_find(hq_slice_of(name));
    const hq_extra *extra = f < 0 ? find_extra(self, name) : NULL;
    value = f >= 0 ? self->field[f] : extra ? extra->value : HQ_SLICE_NONE;
  }
  return give(value, size);
}

/* The handle is const for its users; the cache of headers is not part of its value. */
static const char *remember_header(heroq_job *job, const char *name, const char *value) {
  hq_header *h = piece(job, sizeof *h);
  const char *kept_name = h ? keep(job, hq_slice_of(name)) : NULL;
  const char *kept_value = kept_name ? keep(job, hq_slice_of(value)) : NULL;
  if (!kept_value) return NULL;
  *h = (hq_header){atomic_load(&job->headers), kept_name, kept_value};
  while (!atomic_compare_exchange_weak(&job->headers, &h->next, h))
    ;
  return kept_value;
}

const char *heroq_job_header(const heroq_job *self, const char *name) {
  if (!self || !name) return NULL;
  for (const hq_header *h = atomic_load(&self->headers); h; h = h->next)
    if (!strcmp(h->name, name)) return h->value;
  char *value = hq_json_map_get(self->field[HQ_F_HQ_HEADERS], name);
  const char *kept = value ? remember_header((heroq_job *)self, name, value) : NULL;
  free(value);
  return kept;
}

/* A number that would be written again just as it is. */
static bool plain_number(hq_slice s, int64_t *v) {
  return hq_slice_to_int64(s, v) && (s.n == 1 || (s.p[0] != '0' && !(s.p[0] == '-' && s.p[1] == '0')));
}

static void add_to_record(heroq_record *r, const heroq_job *job, int field) {
  const char *name = hq_field_name[field];
  hq_slice s = job->field[field];
  heroq_record *child = NULL;
  bool enough = true;
  int64_t number;
  switch (field) {
  case HQ_F_STATUS: s = job->canonical_status ? hq_slice_of(job->status) : s; break;
  case HQ_F_TIMEOUT:
  case HQ_F_RETRIES:
  case HQ_F_HQ_TTL:
    if (plain_number(s, &number)) {
      hq_record_add_int(r, name, number);
      return;
    }
    break;
  case HQ_F_ENV_VARS:
  case HQ_F_PREREQUISITES:
  case HQ_F_DEPENDENTS:
  case HQ_F_HQ_HEADERS: enough = hq_json_record(s, &child); break;
  default: break;
  }
  if (child || !enough)
    hq_record_add_child(r, name, child); /* NULL: the record remembers that memory was short */
  else
    hq_record_add_slice(r, name, s);
}

heroq_status heroq_job_to_record(const heroq_job *self, heroq_record **out, heroq_error *err) {
  if (out) *out = NULL;
  if (!self || !out) return hq_fail(err, HEROQ_E_INVALID, "heroq_job_to_record: %s is NULL", self ? "out" : "the job");
  heroq_record *r = hq_record_new();
  for (int f = 0; f < HQ_F_COUNT; f++)
    if (self->field[f].p) add_to_record(r, self, f);
  for (uint32_t i = 0; i < self->extra_count; i++) hq_record_add_slice(r, self->extra[i].name, self->extra[i].value);
  return hq_record_finish(r, out, err);
}

/* ---- changing ---- */

static heroq_status may_change(const heroq_job *job, heroq_error *err) {
  if (!job) return hq_fail(err, HEROQ_E_INVALID, "the job is NULL");
  if (atomic_load(&job->frozen))
    return hq_fail(err, HEROQ_E_STATE, "job %s was submitted, taken or read: only a copy of it can be changed",
                   heroq_job_id(job));
  return HEROQ_OK;
}

static heroq_status store(heroq_job *job, int field, hq_slice value, heroq_error *err) {
  const char *kept = keep(job, value);
  if (!kept) return hq_fail_nomem(err);
  job->field[field] = (hq_slice){kept, value.n};
  if (field == HQ_F_STATUS) hq_job_see_status(job);
  return hq_ok(err);
}

static heroq_status store_number(heroq_job *job, int field, int64_t number, heroq_error *err) {
  hq_buf text = {0};
  hq_buf_int(&text, number);
  heroq_status status = text.failed ? hq_fail_nomem(err) : store(job, field, (hq_slice){text.p, text.n}, err);
  hq_buf_free(&text);
  return status;
}

static heroq_status too_big(const char *name, size_t size, int largest, heroq_error *err) {
  return hq_fail(err, HEROQ_E_TOO_BIG, "%.80s: %zu bytes, at most %d are possible", name, size, largest);
}

bool hq_job_add_extra(heroq_job *job, const char *name, hq_slice value) {
  const char *kept = keep(job, value), *kept_name = keep(job, hq_slice_of(name));
  if (!kept || !kept_name) return false;
  if (job->extra_count == job->extra_cap) {
    size_t cap = job->extra_cap ? (size_t)job->extra_cap * 2 : 4;
    hq_extra *grown = cap <= UINT32_MAX ? realloc(job->extra, cap * sizeof *grown) : NULL;
    if (!grown) return false;
    job->extra = grown;
    job->extra_cap = (uint32_t)cap;
  }
  job->extra[job->extra_count++] = (hq_extra){kept_name, {kept, value.n}};
  return true;
}

static bool field_name_ok(const char *name) {
  size_t n = strlen(name);
  if (!n || n > LONGEST_FIELD_NAME || !hq_utf8_ok((hq_slice){name, n})) return false;
  for (size_t i = 0; i < n; i++)
    if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f) return false;
  return true;
}

static heroq_status set_extra(heroq_job *job, const char *name, hq_slice value, heroq_error *err) {
  if (!field_name_ok(name))
    return hq_fail(err, HEROQ_E_INVALID, "\"%.80s\": a field's name is 1 to %d bytes of printable UTF-8", name,
                   LONGEST_FIELD_NAME);
  hq_extra *extra = find_extra(job, name);
  if (extra) {
    const char *kept = keep(job, value);
    extra->value = kept ? (hq_slice){kept, value.n} : extra->value;
    return kept ? hq_ok(err) : hq_fail_nomem(err);
  }
  if (job->extra_count >= MOST_EXTRAS)
    return hq_fail(err, HEROQ_E_TOO_BIG, "\"%.80s\": a job has at most %d fields of its own", name, MOST_EXTRAS);
  return hq_job_add_extra(job, name, value) ? hq_ok(err) : hq_fail_nomem(err);
}

static heroq_status check_number(const char *name, hq_slice value, int64_t most, heroq_error *err) {
  int64_t v;
  if (hq_slice_to_int64(value, &v) && v >= 0 && v <= most) return HEROQ_OK;
  return hq_fail(err, HEROQ_E_INVALID, "%s=\"%.*s\": it takes a whole number from 0 to %lld", name,
                 value.n < 40 ? (int)value.n : 40, value.p, (long long)most);
}

static heroq_status check_value(int field, const char *name, hq_slice value, heroq_error *err) {
  switch (field) {
  case HQ_F_JOB_ID:
    return hq_wire_id_ok(value)
               ? HEROQ_OK
               : hq_fail(err, HEROQ_E_INVALID,
                         "%s: a job id is 1 to 256 printable ASCII characters without space and braces", name);
  case HQ_F_SCRIPT_TYPE:
    return hq_name_ok(value)
               ? HEROQ_OK
               : hq_fail(err, HEROQ_E_INVALID, "%s: a script type is 1 to 128 of A-Z a-z 0-9 _ . -", name);
  case HQ_F_TIMEOUT: return check_number(name, value, LONGEST_TIMEOUT, err);
  case HQ_F_RETRIES: return check_number(name, value, MOST_RETRIES, err);
  case HQ_F_ENV_VARS:
  case HQ_F_HQ_HEADERS: return hq_json_check_string_map(value, name, err);
  case HQ_F_HQ_TAGS: return hq_tags_check(value, err);
  case HQ_F_PREREQUISITES:
  case HQ_F_DEPENDENTS: return hq_json_check_id_list(value, name, err);
  default: return HEROQ_OK;
  }
}

static int largest(int field) {
  bool payload = field == HQ_F_SCRIPT || field == HQ_F_OUTPUT || field == HQ_F_ERROR;
  return payload ? LARGEST_SCRIPT : LARGEST_FIELD;
}

heroq_status hq_job_set(heroq_job *job, const char *name, hq_slice value, heroq_error *err) {
  int field = hq_field_find(hq_slice_of(name));
  if (value.n > (size_t)largest(field)) return too_big(name, value.n, largest(field), err);
  heroq_status status = check_value(field, name, value, err);
  if (status) return status;
  return field < 0 ? set_extra(job, name, value, err) : store(job, field, value, err);
}

static bool written_by_heroq(const char *name) {
  switch (hq_field_find(hq_slice_of(name))) {
  case HQ_F_STATUS:
  case HQ_F_CREATED_AT:
  case HQ_F_UPDATED_AT:
  case HQ_F_OUTPUT:
  case HQ_F_ERROR: return true;
  default: return !strncmp(name, "hq_", 3);
  }
}

static heroq_status set_id(heroq_job *job, hq_slice id, heroq_error *err) {
  heroq_status status = store(job, HQ_F_JOB_ID, id, err);
  job->id_given = job->id_given || !status;
  return status;
}

heroq_status heroq_job_set_id(heroq_job *self, const char *id, heroq_error *err) {
  heroq_status status = may_change(self, err);
  if (!status) status = hq_key_check_name("job id", id, err);
  if (status) return status;
  if (!strncmp(id, "waiter.", 7))
    return hq_fail(err, HEROQ_E_INVALID, "job id \"%s\": ids that begin with \"waiter.\" are reserved", id);
  return set_id(self, hq_slice_of(id), err);
}

heroq_status heroq_job_set_field(heroq_job *self, const char *name, const void *data, size_t size, heroq_error *err) {
  heroq_status status = may_change(self, err);
  if (status) return status;
  if (!name || (!data && size))
    return hq_fail(err, HEROQ_E_INVALID, "heroq_job_set_field: %s is NULL", name ? "data" : "name");
  if (written_by_heroq(name))
    return hq_fail(err, HEROQ_E_INVALID, "the field \"%.80s\" is written by heroq itself", name);
  hq_slice value = {data ? data : "", size};
  if (hq_slice_is(hq_slice_of(name), hq_field_name[HQ_F_JOB_ID])) {
    if (size && memchr(data, 0, size)) return hq_fail(err, HEROQ_E_INVALID, "a job id has no NUL");
    char *id = hq_strndup(value.p, size);
    status = id ? heroq_job_set_id(self, id, err) : hq_fail_nomem(err);
    free(id);
    return status;
  }
  status = hq_job_set(self, name, value, err);
  if (!status) hq_job_first_status(self);
  return status;
}

static heroq_status set_place(heroq_job *job, const char **to, const char *what, const char *name, heroq_error *err) {
  heroq_status status = *name ? hq_key_check_name(what, name, err) : hq_ok(err);
  if (status) return status;
  const char *kept = *name ? keep(job, hq_slice_of(name)) : NULL;
  if (*name && !kept) return hq_fail_nomem(err);
  *to = kept;
  return HEROQ_OK;
}

static heroq_status set_tags(heroq_job *job, hq_slice tags, heroq_error *err) {
  if (tags.n) return hq_job_set(job, hq_field_name[HQ_F_HQ_TAGS], tags, err);
  job->field[HQ_F_HQ_TAGS] = HQ_SLICE_NONE;
  return hq_ok(err);
}

heroq_status heroq_job_set_option(heroq_job *self, const char *name, const char *value, heroq_error *err) {
  int option;
  int64_t number;
  heroq_status status = may_change(self, err);
  if (!status) status = hq_option_parse(name, value, HQ_SCOPE_JOB, &option, &number, err);
  if (status) return status;
  switch (option) {
  case HQ_OPT_TIMEOUT: return store_number(self, HQ_F_TIMEOUT, (number + 999) / 1000, err);
  case HQ_OPT_RETRIES: return store_number(self, HQ_F_RETRIES, number, err);
  case HQ_OPT_TTL: return store_number(self, HQ_F_HQ_TTL, number, err);
  case HQ_OPT_DELAY: self->delay = number; return HEROQ_OK;
  case HQ_OPT_AT: self->at = number; return HEROQ_OK;
  case HQ_OPT_EXPIRES: self->expires = number; return HEROQ_OK;
  case HQ_OPT_URGENT: self->urgent = number; return HEROQ_OK;
  case HQ_OPT_TAGS: return set_tags(self, hq_slice_of(value), err);
  case HQ_OPT_GROUP: return set_place(self, &self->group, name, value, err);
  case HQ_OPT_INSTANCE: return set_place(self, &self->instance, name, value, err);
  default: return hq_fail(err, HEROQ_E_INTERNAL, "the option \"%s\" of jobs has no place", name);
  }
}

/* Stores what a change of a JSON-valued field gave; frees it. */
static heroq_status store_json(heroq_job *job, int field, hq_buf *text, heroq_status status, heroq_error *err) {
  if (!status && text->n > LARGEST_FIELD) status = too_big(hq_field_name[field], text->n, LARGEST_FIELD, err);
  if (!status) status = store(job, field, (hq_slice){text->p, text->n}, err);
  hq_buf_free(text);
  return status;
}

static heroq_status set_in_map(heroq_job *job, int field, const char *name, const char *value, heroq_error *err) {
  hq_buf text = {0};
  heroq_status status = may_change(job, err);
  if (status) return status;
  if (!name || !*name || !value)
    return hq_fail(err, HEROQ_E_INVALID, "%s: %s", hq_field_name[field],
                   !name || !*name ? "the name is NULL or empty" : "the value is NULL");
  status = hq_json_map_set(job->field[field], name, value, &text, err);
  return store_json(job, field, &text, status, err);
}

heroq_status heroq_job_set_env(heroq_job *self, const char *name, const char *value, heroq_error *err) {
  if (name && strchr(name, '='))
    return hq_fail(err, HEROQ_E_INVALID, "environment variable \"%.80s\": its name cannot have a '='", name);
  return set_in_map(self, HQ_F_ENV_VARS, name, value, err);
}

heroq_status heroq_job_set_header(heroq_job *self, const char *name, const char *value, heroq_error *err) {
  heroq_status status = set_in_map(self, HQ_F_HQ_HEADERS, name, value, err);
  if (!status) atomic_store(&self->headers, NULL); /* the memory is with the pieces */
  return status;
}

static heroq_status add_id(heroq_job *job, int field, const char *job_id, heroq_error *err) {
  hq_buf text = {0};
  heroq_status status = may_change(job, err);
  if (status) return status;
  status = check_value(HQ_F_JOB_ID, hq_field_name[field], hq_slice_of(job_id), err);
  if (!status) status = hq_json_list_add(job->field[field], job_id, &text, err);
  return store_json(job, field, &text, status, err);
}

heroq_status heroq_job_add_prerequisite(heroq_job *self, const char *job_id, heroq_error *err) {
  heroq_status status = add_id(self, HQ_F_PREREQUISITES, job_id, err);
  if (!status) hq_job_first_status(self);
  return status;
}

heroq_status heroq_job_add_dependent(heroq_job *self, const char *job_id, heroq_error *err) {
  return add_id(self, HQ_F_DEPENDENTS, job_id, err);
}

heroq_status hq_job_queue_key(const heroq_job *job, hq_buf *key, heroq_error *err) {
  hq_slice type = hq_job_slice(job, HQ_F_SCRIPT_TYPE);
  if (!hq_name_ok(type))
    return hq_fail(err, HEROQ_E_INVALID, "job %s has no valid script type, so it has no queue", heroq_job_id(job));
  if (job->instance && !job->group)
    return hq_fail(err, HEROQ_E_INVALID, "job %s: the instance \"%s\" needs a group", heroq_job_id(job), job->instance);
  hq_key_queue(key, type.p, job->group, job->instance);
  return key->failed ? hq_fail_nomem(err) : hq_ok(err);
}

/* ---- lists ---- */

heroq_status heroq_jobs_new(heroq_jobs **out, heroq_error *err) {
  if (!out) return hq_fail(err, HEROQ_E_INVALID, "heroq_jobs_new: out is NULL");
  *out = calloc(1, sizeof **out);
  return *out ? hq_ok(err) : hq_fail_nomem(err);
}

static bool grow_list(heroq_jobs *jobs) {
  if (jobs->count < jobs->cap) return true;
  if (jobs->cap > INT32_MAX / 2) return false;
  int32_t cap = jobs->cap ? jobs->cap * 2 : 16;
  heroq_job **job = realloc(jobs->job, (size_t)cap * sizeof *job);
  if (!job) return false;
  jobs->job = job;
  heroq_status *status = realloc(jobs->status, (size_t)cap * sizeof *status);
  if (!status) return false;
  jobs->status = status;
  jobs->cap = cap;
  return true;
}

heroq_status heroq_jobs_add(heroq_jobs *self, heroq_job *job, heroq_error *err) {
  if (!self || !job) return hq_fail(err, HEROQ_E_INVALID, "heroq_jobs_add: the %s is NULL", self ? "job" : "list");
  if (!grow_list(self)) return hq_fail_nomem(err);
  hq_job_ref(job);
  self->job[self->count] = job;
  self->status[self->count++] = HEROQ_E_STATE;
  return hq_ok(err);
}

int32_t heroq_jobs_count(const heroq_jobs *self) { return self ? self->count : 0; }

heroq_status heroq_jobs_job(const heroq_jobs *self, int32_t i, heroq_job **out, heroq_error *err) {
  if (out) *out = NULL;
  if (!self || !out) return hq_fail(err, HEROQ_E_INVALID, "heroq_jobs_job: %s is NULL", self ? "out" : "the list");
  if (i < 0 || i >= self->count)
    return hq_fail(err, HEROQ_E_NOT_FOUND, "no job %d in a list of %d", (int)i, (int)self->count);
  hq_job_ref(self->job[i]);
  *out = self->job[i];
  return hq_ok(err);
}

heroq_status heroq_jobs_status(const heroq_jobs *self, int32_t i) {
  return self && i >= 0 && i < self->count ? self->status[i] : HEROQ_E_INVALID;
}

void heroq_jobs_free(heroq_jobs *self) {
  if (!self) return;
  for (int32_t i = 0; i < self->count; i++) heroq_job_free(self->job[i]);
  free(self->job);
  free(self->status);
  free(self);
}
