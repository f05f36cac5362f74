/* The options table: how values are read, checked, kept and described. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "errors.h"
#include "json.h"
#include "options_private.h"
#include "record_private.h"

enum type { TEXT, BOOL, INT, DURATION, SIZE, CHOICE, SECRET };
static const char *const type_name[] = {"text", "bool", "int", "duration", "size", "choice", "secret"};
static const char *const scope_name[] = {"client", "job", "actor", "supervisor", "waiter", "list", "doctor"};

typedef struct option_row {
  const char *name;
  int type, scope;
  const char *otherwise;
  int64_t min, max;
  const char *choices, *text;
} option_row;

static const option_row table[HQ_OPTION_TOTAL] = {
#define ROW(ident, name, type, scope, otherwise, min, max, choices, text)                                              \
  {name, type, HQ_SCOPE_##scope, otherwise, min, max, choices, text},
    HQ_OPTION_LIST(ROW)
#undef ROW
};

struct heroq_options {
  char *value[HQ_OPTION_TOTAL]; /* as set; NULL: not set */
};

enum { LONGEST_NAME = 64 };

/* How many single letters must change to make b of a. */
static size_t edit_distance(const char *a, const char *b) {
  size_t row[LONGEST_NAME + 1], n = strlen(b);
  for (size_t j = 0; j <= n; j++) row[j] = j;
  for (size_t i = 1; a[i - 1]; i++) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= n; j++) {
      size_t change = diagonal + (a[i - 1] != b[j - 1]), step = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
      diagonal = row[j];
      row[j] = change < step ? change : step;
    }
  }
  return row[n];
}

static int nearest(const char *name, int scope, size_t *least) {
  char cut[LONGEST_NAME + 1];
  int best = 0;
  *least = SIZE_MAX;
  snprintf(cut, sizeof cut, "%s", name);
  for (int i = 0; i < HQ_OPTION_TOTAL; i++) {
    size_t distance = edit_distance(cut, table[i].name);
    if ((scope < 0 || table[i].scope == scope) && distance < *least) {
      *least = distance;
      best = i;
    }
  }
  return best;
}

int hq_option_near(const char *name, size_t *distance) { return nearest(name, -1, distance); }

static const char *nearest_name(const char *name, int scope) {
  size_t least;
  return table[nearest(name, scope, &least)].name;
}

static int find_option(const char *name) {
  for (int i = 0; i < HQ_OPTION_TOTAL; i++)
    if (!strcmp(table[i].name, name)) return i;
  return -1;
}

/* ---- values ---- */

/* A whole number and a unit of the list (ended by a NULL name); no unit is a factor of 1. */
typedef struct unit {
  const char *name;
  int64_t factor;
} unit;
static const unit no_units[] = {{NULL, 0}};
static const unit time_units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
static const unit size_units[] = {{"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {NULL, 0}};

static bool number_of(const char *value, const unit *units, int64_t *out) {
  size_t digits = strspn(value + (*value == '-'), "0123456789") + (*value == '-');
  int64_t factor = 1;
  if (!hq_slice_to_int64((hq_slice){value, digits}, out)) return false;
  if (value[digits]) {
    while (units->name && strcmp(units->name, value + digits)) units++;
    factor = units->factor;
  }
  return factor && !__builtin_mul_overflow(*out, factor, out);
}

static bool word_of(const char *value, const char *words, int64_t *out) {
  *out = 0;
  for (const char *w = words; *w; ++*out) {
    size_t n = strcspn(w, ",");
    if (strlen(value) == n && !memcmp(w, value, n)) return true;
    w += n + (w[n] == ',');
  }
  return false;
}

static bool switch_of(const char *value, int64_t *out) {
  static const char words[] = "no,yes,false,true,off,on,0,1";
  char lower[8];
  size_t n = strlen(value);
  if (n >= sizeof lower) return false;
  for (size_t i = 0; i <= n; i++) lower[i] = hq_lower(value[i]);
  bool known = word_of(lower, words, out);
  *out %= 2;
  return known;
}

static bool text_fits(const option_row *row, const char *value) {
  size_t n = strlen(value);
  if ((int64_t)n < row->min || (int64_t)n > row->max) return false;
  if (row->type == SECRET) return true;
  for (size_t i = 0; i < n; i++)
    if ((unsigned char)value[i] < 0x20 || value[i] == 0x7f) return false;
  return hq_utf8_ok((hq_slice){value, n});
}

static bool value_of(const option_row *row, const char *value, int64_t *out) {
  *out = 0;
  switch (row->type) {
  case BOOL: return switch_of(value, out);
  case CHOICE: return word_of(value, row->choices, out);
  case TEXT:
  case SECRET: return text_fits(row, value);
  default: break;
  }
  const unit *units = row->type == DURATION ? time_units : row->type == SIZE ? size_units : no_units;
  return number_of(value, units, out) && *out >= row->min && *out <= row->max;
}

/* What a right value looks like. */
static void describe_value(const option_row *row, char *out, size_t cap) {
  long long min = row->min, max = row->max;
  switch (row->type) {
  case BOOL: snprintf(out, cap, "yes or no"); break;
  case INT: snprintf(out, cap, "a whole number from %lld to %lld", min, max); break;
  case DURATION:
    snprintf(out, cap, "a duration such as 250ms, 5s, 10m, 24h or 30d, from %lld to %lld ms", min, max);
    break;
  case SIZE: snprintf(out, cap, "a size such as 65536, 64KiB or 16MiB, from %lld to %lld bytes", min, max); break;
  case CHOICE: snprintf(out, cap, "one of %s", row->choices); break;
  default: snprintf(out, cap, "%lld to %lld bytes of printable UTF-8 text", min, max);
  }
}

heroq_status hq_option_parse(const char *name, const char *value, int scope, int *option, int64_t *number,
                             heroq_error *err) {
  char right[128];
  if (!name || !value) return hq_fail(err, HEROQ_E_INVALID, "the %s of an option is NULL", name ? "value" : "name");
  *option = find_option(name);
  if (*option < 0)
    return hq_fail(err, HEROQ_E_OPTION, "no option \"%.64s\": the nearest is \"%s\"", name, nearest_name(name, scope));
  const option_row *row = &table[*option];
  if (scope >= 0 && row->scope != scope)
    return hq_fail(err, HEROQ_E_OPTION, "\"%s\" is an option of the %s, not of the %s", name, scope_name[row->scope],
                   scope_name[scope]);
  if (value_of(row, value, number)) return hq_ok(err);
  describe_value(row, right, sizeof right);
  if (row->type == SECRET)
    return hq_fail(err, HEROQ_E_OPTION, "%s: not a right value (not shown): it takes %s", name, right);
  return hq_fail(err, HEROQ_E_OPTION, "%s=\"%.64s\": it takes %s", name, value, right);
}

/* ---- sets ---- */

heroq_status heroq_options_new(heroq_options **out, heroq_error *err) {
  if (!out) return hq_fail(err, HEROQ_E_INVALID, "heroq_options_new: out is NULL");
  *out = calloc(1, sizeof **out);
  return *out ? hq_ok(err) : hq_fail_nomem(err);
}

static bool keep(heroq_options *o, int option, const char *value) {
  char *copy = hq_strdup(value);
  if (!copy) return false;
  hq_wipe_free(o->value[option]);
  o->value[option] = copy;
  return true;
}

heroq_status heroq_options_set(heroq_options *self, const char *name, const char *value, heroq_error *err) {
  int option;
  int64_t number;
  if (!self) return hq_fail(err, HEROQ_E_INVALID, "heroq_options_set: options is NULL");
  heroq_status status = hq_option_parse(name, value, -1, &option, &number, err);
  if (status) return status;
  return keep(self, option, value) ? hq_ok(err) : hq_fail_nomem(err);
}

heroq_status heroq_options_get(const heroq_options *self, const char *name, heroq_bytes **out, int32_t *is_set,
                               heroq_error *err) {
  if (out) *out = NULL;
  if (!name || !out) return hq_fail(err, HEROQ_E_INVALID, "heroq_options_get: %s is NULL", name ? "out" : "name");
  int option = find_option(name);
  if (option < 0)
    return hq_fail(err, HEROQ_E_OPTION, "no option \"%.64s\": the nearest is \"%s\"", name, nearest_name(name, -1));
  bool set = hq_option_is_set(self, option);
  if (is_set) *is_set = set;
  const char *text = set ? self->value[option] : table[option].otherwise;
  return hq_bytes_slice(hq_slice_of(table[option].type == SECRET && *text ? "***" : text), out, err);
}

void heroq_options_free(heroq_options *self) {
  if (!self) return;
  for (int i = 0; i < HQ_OPTION_TOTAL; i++) hq_wipe_free(self->value[i]);
  free(self);
}

int32_t heroq_options_count(void) { return HQ_OPTION_TOTAL; }

static heroq_record *choices_of(const option_row *row) {
  heroq_record *list = hq_record_list();
  for (const char *w = row->choices; *w;) {
    size_t n = strcspn(w, ",");
    hq_record_add_slice(list, "", (hq_slice){w, n});
    w += n + (w[n] == ',');
  }
  return list;
}

heroq_status heroq_options_describe(int32_t i, heroq_record **out, heroq_error *err) {
  if (!out) return hq_fail(err, HEROQ_E_INVALID, "heroq_options_describe: out is NULL");
  *out = NULL;
  if (i < 0 || i >= HQ_OPTION_TOTAL)
    return hq_fail(err, HEROQ_E_NOT_FOUND, "no option %d: they are 0 to %d", (int)i, HQ_OPTION_TOTAL - 1);
  const option_row *row = &table[i];
  heroq_record *r = hq_record_new();
  hq_record_add_text(r, "name", row->name);
  hq_record_add_text(r, "type", type_name[row->type]);
  hq_record_add_text(r, "scope", scope_name[row->scope]);
  hq_record_add_text(r, "default", row->otherwise);
  hq_record_add_int(r, "min", row->min);
  hq_record_add_int(r, "max", row->max);
  hq_record_add_child(r, "choices", choices_of(row));
  hq_record_add_text(r, "text", row->text);
  return hq_record_finish(r, out, err);
}

const char *hq_option_name(int option) { return table[option].name; }

bool hq_option_is_set(const heroq_options *o, int option) { return o && o->value[option]; }

const char *hq_option_text(const heroq_options *o, int option) {
  return hq_option_is_set(o, option) ? o->value[option] : table[option].otherwise;
}

int64_t hq_option_int(const heroq_options *o, int option) {
  int64_t number;
  value_of(&table[option], hq_option_text(o, option), &number); /* it was checked when it was set */
  return number;
}

static bool is_one_of(int option, const int *allowed) {
  while (*allowed >= 0 && *allowed != option) allowed++;
  return *allowed >= 0;
}

heroq_status hq_options_only(const heroq_options *o, const char *what, const int *allowed, heroq_error *err) {
  char right[128] = "";
  for (int i = 0; o && i < HQ_OPTION_TOTAL; i++) {
    if (!o->value[i] || is_one_of(i, allowed)) continue;
    for (size_t n = 0; *allowed >= 0 && n < sizeof right; allowed++)
      n += (size_t)snprintf(right + n, sizeof right - n, "%s%s", n ? ", " : "", table[*allowed].name);
    return hq_fail(err, HEROQ_E_OPTION, "\"%s\" has no effect on %s: it takes %s", table[i].name, what, right);
  }
  return HEROQ_OK;
}

heroq_options *hq_options_merge(const heroq_options *base, const heroq_options *over) {
  heroq_options *o = calloc(1, sizeof *o);
  for (int i = 0; o && i < HQ_OPTION_TOTAL; i++) {
    const heroq_options *from = hq_option_is_set(over, i) ? over : base;
    if (hq_option_is_set(from, i) && !keep(o, i, from->value[i])) {
      heroq_options_free(o);
      o = NULL;
    }
  }
  return o;
}

heroq_status hq_options_from_env(heroq_options *o, heroq_error *err) {
  heroq_error fault;
  for (int i = 0; i < HQ_OPTION_TOTAL; i++) {
    char variable[LONGEST_NAME] = "HEROQ_";
    size_t n = strlen(variable);
    for (const char *p = table[i].name; *p; p++) variable[n++] = (char)(*p == '_' ? *p : *p - 'a' + 'A');
    variable[n] = 0;
    const char *value = o->value[i] ? NULL : getenv(variable);
    if (!value || !*value) continue;
    heroq_status status = heroq_options_set(o, table[i].name, value, &fault);
    if (status) return hq_fail(err, status, "environment variable %s: %s", variable, fault.text);
  }
  return hq_ok(err);
}
