/* The status list, and how a heroq_error is filled. */
#include "errors.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"

typedef struct status_row {
  heroq_status number;
  int32_t kind;
  const char *name, *text;
} status_row;

static const status_row rows[] = {
#define ROW(name, number, kind, text) {number, HEROQ_KIND_##kind, "HEROQ_" #name, text},
    HEROQ_STATUS_LIST(ROW)
#undef ROW
};
enum { ROWS = sizeof rows / sizeof *rows };

static const status_row *row_of(heroq_status status) {
  for (int i = 0; i < ROWS; i++)
    if (rows[i].number == status) return &rows[i];
  return NULL;
}

const char *heroq_status_name(heroq_status status) {
  const status_row *row = row_of(status);
  return row ? row->name : "HEROQ_E_?";
}

const char *heroq_status_text(heroq_status status) {
  const status_row *row = row_of(status);
  return row ? row->text : "a status that this version does not know";
}

int32_t heroq_status_kind(heroq_status status) {
  const status_row *row = row_of(status);
  return row ? row->kind : HEROQ_KIND_INTERNAL;
}

heroq_status heroq_status_at(int32_t i, heroq_status *status) {
  if (i < 0 || i >= ROWS) return HEROQ_E_NOT_FOUND;
  if (!status) return HEROQ_E_INVALID;
  *status = rows[i].number;
  return HEROQ_OK;
}

heroq_error *heroq_error_new(void) { return calloc(1, sizeof(heroq_error)); }

void heroq_error_free(heroq_error *error) { free(error); }

int32_t heroq_error_code(const heroq_error *error) { return error ? error->code : HEROQ_OK; }

uint32_t heroq_error_flags(const heroq_error *error) { return error ? error->flags : 0; }

int32_t heroq_error_errno(const heroq_error *error) { return error ? error->sys_errno : 0; }

int32_t heroq_error_item(const heroq_error *error) { return error ? error->item : -1; }

const char *heroq_error_text(const heroq_error *error) { return error ? error->text : ""; }

/* Whether a character may stand in one line of text: no control (C0, DEL, C1), no line or paragraph separator. */
static bool harmless(uint32_t character) {
  return character >= 0x20 && !(character >= 0x7f && character < 0xa0) && character != 0x2028 && character != 0x2029;
}

void hq_escape(char *out, size_t cap, const char *s, size_t n) {
  static const char hex[] = "0123456789abcdef";
  if (!cap) return;
  for (size_t i = 0; i < n;) {
    uint32_t character;
    size_t size = hq_utf8_next(s + i, n - i, &character);
    if (size && harmless(character)) {
      if (size >= cap) break;
      memcpy(out, s + i, size);
      i += size;
    } else {
      if ((size = 4) >= cap) break;
      unsigned char byte = (unsigned char)s[i++];
      memcpy(out, (char[]){'\\', 'x', hex[byte >> 4], hex[byte & 15]}, size);
    }
    out += size;
    cap -= size;
  }
  *out = 0;
}

heroq_status hq_ok(heroq_error *err) {
  if (err) memset(err, 0, sizeof *err);
  return HEROQ_OK;
}

static bool retryable(heroq_status code) {
  return code == HEROQ_E_UNAVAILABLE || code == HEROQ_E_CONNECTION || code == HEROQ_E_TIMEOUT;
}

__attribute__((format(printf, 4, 0))) static heroq_status fill(heroq_error *err, heroq_status code, int sys_errno,
                                                               const char *format, va_list args) {
  /* Apart from err->text, which may be one of the arguments; twice the room, as escaping never shortens. */
  char raw[2 * HEROQ_ERROR_TEXT], reason[128];
  if (!err) return code;
  int n = vsnprintf(raw, sizeof raw, format, args);
  size_t used = n < 0 ? 0 : (size_t)n < sizeof raw ? (size_t)n : sizeof raw - 1;
  if (sys_errno) {
#if defined(__GLIBC__)
    const char *text = strerror_r(sys_errno, reason, sizeof reason);
#else
    const char *text = strerror_r(sys_errno, reason, sizeof reason) ? "unknown error" : reason;
#endif
    n = snprintf(raw + used, sizeof raw - used, ": %s", text);
    used += n < 0 ? 0 : (size_t)n < sizeof raw - used ? (size_t)n : sizeof raw - used - 1;
  }
  hq_ok(err);
  err->code = code;
  err->flags = retryable(code) ? HEROQ_RETRYABLE : 0;
  err->sys_errno = sys_errno;
  err->item = -1;
  hq_escape(err->text, sizeof err->text, raw, used);
  return code;
}

heroq_status hq_fail(heroq_error *err, heroq_status code, const char *format, ...) {
  va_list args;
  va_start(args, format);
  fill(err, code, 0, format, args);
  va_end(args);
  return code;
}

heroq_status hq_fail_errno(heroq_error *err, heroq_status code, int sys_errno, const char *format, ...) {
  va_list args;
  va_start(args, format);
  fill(err, code, sys_errno, format, args);
  va_end(args);
  return code;
}

heroq_status hq_fail_nomem(heroq_error *err) { return hq_fail(err, HEROQ_E_NOMEM, "out of memory"); }

void hq_error_flag(heroq_error *err, uint32_t flag) {
  if (err) err->flags |= flag;
}

void hq_error_set_item(heroq_error *err, int32_t item) {
  if (err) err->item = item;
}

void hq_error_copy(heroq_error *to, const heroq_error *from) {
  if (to) *to = *from;
}
