/* The text of keys, and what may stand in it. */
#include <string.h>

#include "errors.h"
#include "keys_private.h"
#include "record_private.h"

#define CTL_PREFIX "hero:q:ctl:type:"
#define GROUP_MARK ":group:"
#define INSTANCE_MARK ":inst:"

enum { LONGEST_NAME = 128, LONGEST_WIRE_ID = 256 };

static bool name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
}

static bool wire_id_char(char c) { return c > ' ' && c <= '~' && c != '{' && c != '}'; }

static bool all(hq_slice s, size_t longest, bool (*allowed)(char)) {
  if (!s.n || s.n > longest) return false;
  for (size_t i = 0; i < s.n; i++)
    if (!allowed(s.p[i])) return false;
  return true;
}

bool hq_name_ok(hq_slice name) { return all(name, LONGEST_NAME, name_char); }

bool hq_wire_id_ok(hq_slice id) { return all(id, LONGEST_WIRE_ID, wire_id_char); }

/* ---- building ---- */

void hq_key_job(hq_buf *b, hq_slice id) {
  hq_buf_text(b, HQ_JOB_PREFIX);
  hq_buf_add(b, id.p, id.n);
}

void hq_key_reply_of(hq_buf *b, hq_slice id) {
  hq_buf_text(b, HQ_REPLY_PREFIX);
  hq_buf_add(b, id.p, id.n);
}

void hq_key_queue(hq_buf *b, const char *script_type, const char *group, const char *instance) {
  hq_buf_text(b, HQ_WORK_PREFIX);
  hq_buf_text(b, script_type);
  if (!group || !*group) return;
  hq_buf_text(b, GROUP_MARK);
  hq_buf_text(b, group);
  if (!instance || !*instance) return;
  hq_buf_text(b, INSTANCE_MARK);
  hq_buf_text(b, instance);
}

void hq_key_ctl(hq_buf *b, const char *script_type) {
  hq_buf_text(b, CTL_PREFIX);
  hq_buf_text(b, script_type);
}

/* ---- checks that say what is wrong ---- */

static heroq_status check(const char *what, const char *text, size_t longest, bool (*allowed)(char), const char *rule,
                          heroq_error *err) {
  if (!text) return hq_fail(err, HEROQ_E_INVALID, "the %s is NULL", what);
  size_t n = strlen(text), good = 0;
  if (!n || n > longest)
    return hq_fail(err, HEROQ_E_INVALID, "%s %s has 1 to %zu characters, not %zu", strchr("aeiou", *what) ? "an" : "a",
                   what, longest, n);
  while (good < n && allowed(text[good])) good++;
  if (good == n) return HEROQ_OK;
  unsigned char bad = (unsigned char)text[good];
  char shown[8];
  hq_escape(shown, sizeof shown, text + good, 1);
  return hq_fail(err, HEROQ_E_INVALID, "%s \"%.80s\": character %zu, '%s' (0x%02x), is not allowed, only %s", what,
                 text, good + 1, shown, bad, rule);
}

heroq_status hq_key_check_name(const char *what, const char *name, heroq_error *err) {
  return check(what, name, LONGEST_NAME, name_char, "A-Z a-z 0-9 _ . -", err);
}

static heroq_status check_wire_id(const char *id, heroq_error *err) {
  return check("job id", id, LONGEST_WIRE_ID, wire_id_char, "printable ASCII without space and braces", err);
}

heroq_status heroq_key_check_name(const char *name, heroq_error *err) {
  heroq_status status = hq_key_check_name("name", name, err);
  return status ? status : hq_ok(err);
}

/* ---- the public builders ---- */

static heroq_status begin(heroq_bytes **out, heroq_error *err) {
  if (!out) return hq_fail(err, HEROQ_E_INVALID, "out, the place for the key, is NULL");
  *out = NULL;
  return HEROQ_OK;
}

static heroq_status id_key(void (*build)(hq_buf *, hq_slice), const char *job_id, heroq_bytes **out, heroq_error *err) {
  hq_buf key = {0};
  heroq_status status = begin(out, err);
  if (!status) status = check_wire_id(job_id, err);
  if (status) return status;
  build(&key, hq_slice_of(job_id));
  return hq_bytes_take(&key, out, err);
}

heroq_status heroq_key_job_hash(const char *job_id, heroq_bytes **out, heroq_error *err) {
  return id_key(hq_key_job, job_id, out, err);
}

heroq_status heroq_key_reply(const char *job_id, heroq_bytes **out, heroq_error *err) {
  return id_key(hq_key_reply_of, job_id, out, err);
}

heroq_status heroq_key_stop_type(const char *script_type, heroq_bytes **out, heroq_error *err) {
  hq_buf key = {0};
  heroq_status status = begin(out, err);
  if (!status) status = hq_key_check_name("script type", script_type, err);
  if (status) return status;
  hq_key_ctl(&key, script_type);
  return hq_bytes_take(&key, out, err);
}

/* parts: how many of the three names are wanted, the first is the type. */
static heroq_status queue_key(const char *script_type, const char *group, const char *instance, int parts,
                              heroq_bytes **out, heroq_error *err) {
  hq_buf key = {0};
  heroq_status status = begin(out, err);
  if (!status) status = hq_key_check_name("script type", script_type, err);
  if (!status && parts > 1) status = hq_key_check_name("group", group, err);
  if (!status && parts > 2) status = hq_key_check_name("instance", instance, err);
  if (status) return status;
  hq_key_queue(&key, script_type, group, instance);
  return hq_bytes_take(&key, out, err);
}

heroq_status heroq_key_work_type(const char *script_type, heroq_bytes **out, heroq_error *err) {
  return queue_key(script_type, NULL, NULL, 1, out, err);
}

heroq_status heroq_key_work_group(const char *script_type, const char *group, heroq_bytes **out, heroq_error *err) {
  return queue_key(script_type, group, NULL, 2, out, err);
}

heroq_status heroq_key_work_instance(const char *script_type, const char *group, const char *instance,
                                     heroq_bytes **out, heroq_error *err) {
  return queue_key(script_type, group, instance, 3, out, err);
}

heroq_status heroq_key_actor_queue(const char *script_type, const char *group, const char *instance, heroq_bytes **out,
                                   heroq_error *err) {
  bool has_group = group && *group, has_instance = instance && *instance;
  if (has_instance && !has_group)
    return hq_fail(err, HEROQ_E_INVALID, "an instance needs a group: instance \"%.80s\" was given without one",
                   instance);
  return queue_key(script_type, group, instance, 1 + has_group + has_instance, out, err);
}

/* ---- taking apart ---- */

static bool starts(hq_slice s, const char *prefix, hq_slice *rest) {
  size_t n = strlen(prefix);
  if (s.n < n || memcmp(s.p, prefix, n)) return false;
  *rest = (hq_slice){s.p + n, s.n - n};
  return true;
}

/* The name at the front of *s, which is moved behind it. */
static bool take_name(hq_slice *s, hq_slice *name) {
  size_t n = 0;
  while (n < s->n && s->p[n] != ':') n++;
  *name = (hq_slice){s->p, n};
  *s = (hq_slice){s->p + n, s->n - n};
  return hq_name_ok(*name);
}

bool hq_key_queue_parts(hq_slice key, hq_slice *script_type, hq_slice *group, hq_slice *instance) {
  hq_slice rest;
  *group = *instance = HQ_SLICE_NONE;
  if (!starts(key, HQ_WORK_PREFIX, &rest) || !take_name(&rest, script_type)) return false;
  if (rest.n && (!starts(rest, GROUP_MARK, &rest) || !take_name(&rest, group))) return false;
  if (rest.n && (!starts(rest, INSTANCE_MARK, &rest) || !take_name(&rest, instance))) return false;
  return !rest.n;
}

static heroq_status parts(const char *kind, const char *const name[3], const hq_slice value[3], heroq_record **out,
                          heroq_error *err) {
  heroq_record *r = hq_record_new();
  hq_record_add_text(r, "kind", kind);
  for (int i = 0; i < 3; i++)
    if (value[i].p) hq_record_add_slice(r, name[i], value[i]);
  return hq_record_finish(r, out, err);
}

heroq_status heroq_key_parse(const char *key, heroq_record **out, heroq_error *err) {
  static const char *const id_names[3] = {"job_id"}, *const queue_names[3] = {"script_type", "group", "instance"};
  if (out) *out = NULL;
  if (!key || !out) return hq_fail(err, HEROQ_E_INVALID, "heroq_key_parse: %s is NULL", key ? "out" : "key");
  hq_slice text = hq_slice_of(key), part[3] = {HQ_SLICE_NONE, HQ_SLICE_NONE, HQ_SLICE_NONE};
  if (hq_key_queue_parts(text, &part[0], &part[1], &part[2]))
    return parts(part[2].p ? "work_instance" : part[1].p ? "work_group" : "work_type", queue_names, part, out, err);
  part[1] = part[2] = HQ_SLICE_NONE;
  if (starts(text, CTL_PREFIX, &part[0]) && hq_name_ok(part[0])) return parts("stop_type", queue_names, part, out, err);
  if (starts(text, HQ_JOB_PREFIX, &part[0]) && hq_wire_id_ok(part[0]))
    return parts("job_hash", id_names, part, out, err);
  if (starts(text, HQ_REPLY_PREFIX, &part[0]) && hq_wire_id_ok(part[0]))
    return parts("reply", id_names, part, out, err);
  return hq_fail(err, HEROQ_E_INVALID, "\"%.120s\" is no key of a job, a queue, a reply or a control list", key);
}

/* ---- the script type in an actor's id ---- */

static bool equal_nocase(hq_slice a, hq_slice b) {
  if (a.n != b.n) return false;
  for (size_t i = 0; i < a.n; i++)
    if (hq_lower(a.p[i]) != hq_lower(b.p[i])) return false;
  return true;
}

static bool in_list(hq_slice token, const char *list) {
  while (list && *list) {
    size_t n = strcspn(list, ", ");
    if (n && equal_nocase(token, (hq_slice){list, n})) return true;
    list += n + !!list[n];
  }
  return false;
}

static hq_slice type_in(const char *actor_id, const char *more_types) {
  hq_slice first = HQ_SLICE_NONE;
  for (const char *p = actor_id; *p;) {
    hq_slice token = {p, strcspn(p, "_-.:")};
    if (token.n && (in_list(token, "osis,sal,v,python") || in_list(token, more_types))) return token;
    if (token.n && !first.p) first = token;
    p += token.n + !!p[token.n];
  }
  return first;
}

heroq_status heroq_derive_script_type_from_actor_id(const char *actor_id, const char *more_types, heroq_bytes **out,
                                                    heroq_error *err) {
  hq_buf lower = {0};
  heroq_status status = begin(out, err);
  if (status) return status;
  if (!actor_id) return hq_fail(err, HEROQ_E_INVALID, "the actor id is NULL");
  if (!*actor_id || strlen(actor_id) > LONGEST_WIRE_ID)
    return hq_fail(err, HEROQ_E_INVALID, "an actor id has 1 to %d characters, not %zu", LONGEST_WIRE_ID,
                   strlen(actor_id));
  hq_slice type = type_in(actor_id, more_types);
  if (!hq_name_ok(type))
    return hq_fail(err, HEROQ_E_INVALID, "no script type in the actor id \"%.80s\": give the types", actor_id);
  for (size_t i = 0; i < type.n; i++) hq_buf_char(&lower, hq_lower(type.p[i]));
  return hq_bytes_take(&lower, out, err);
}
