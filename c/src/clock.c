/* Time and chance: the only file that asks the system for either. */
#include "clock.h"

#include <ctype.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#if defined(__APPLE__)
#include <sys/random.h>
#endif

static int64_t now_ns(clockid_t clock) {
  struct timespec t = {0, 0};
  clock_gettime(clock, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t hq_mono_ms(void) { return now_ns(CLOCK_MONOTONIC) / 1000000; }

int64_t hq_mono_us(void) { return now_ns(CLOCK_MONOTONIC) / 1000; }

int64_t hq_wall_ms(void) { return now_ns(CLOCK_REALTIME) / 1000000; }

int64_t hq_deadline(int64_t now, int64_t timeout_ms) {
  int64_t at;
  return timeout_ms < 0 || __builtin_add_overflow(now, timeout_ms, &at) ? HQ_NEVER : at;
}

/* Where the kernel gives none (a sandbox that forbids the call): not secret, but different every time. */
static uint64_t weak_random(void) {
  static atomic_uint_fast64_t calls;
  uint64_t x = (uint64_t)now_ns(CLOCK_MONOTONIC) ^ (uint64_t)getpid() << 40 ^
               (atomic_fetch_add(&calls, 1) + 1) * 0x9e3779b97f4a7c15u;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return x ^ x >> 31;
}

uint64_t hq_random(void) {
  uint64_t v;
  int saved = errno;
  if (getentropy(&v, sizeof v)) v = weak_random();
  errno = saved;
  return v;
}

int64_t hq_jitter(int64_t ms) {
  int64_t quarter = ms / 4;
  return ms <= 0 ? ms : ms - quarter + (int64_t)(hq_random() % (uint64_t)(2 * quarter + 1));
}

int64_t hq_backoff(int64_t *step, int64_t base, int64_t max) {
  *step = *step < base ? base : *step > max / 2 ? max : *step * 2;
  return hq_jitter(*step);
}

/* Not gmtime_r, which takes the C library's time zone lock: this runs for each job that is created. */
void hq_rfc3339(int64_t wall_ms, char out[32]) {
  if (wall_ms < 0 || wall_ms > 253402300799999) /* the years 1970 to 9999 */
    wall_ms = wall_ms < 0 ? 0 : 253402300799999;
  int64_t seconds = wall_ms / 1000, days = seconds / 86400;
  int second = (int)(seconds % 86400);
  /* Days are counted from 1 March 0000, so that the leap day is the last of its year; an era has 400 years. */
  int64_t shifted = days + 719468, era = shifted / 146097, day = shifted % 146097;
  int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
  int64_t of_year = day - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;
  int64_t of_month = of_year - (153 * month + 2) / 5 + 1;
  year += era * 400 + (month >= 10);
  month += month < 10 ? 3 : -9;
  char *p = out;
  const int64_t part[] = {year, month, of_month, second / 3600, second / 60 % 60, second % 60, wall_ms % 1000};
  for (int i = 0; i < 7; i++) {
    int width = i == 0 ? 4 : i == 6 ? 3 : 2;
    int64_t v = part[i];
    for (int at = width; at-- > 0; v /= 10) p[at] = (char)('0' + v % 10);
    p += width;
    *p++ = "--T::.Z"[i];
  }
  *p = 0;
}

/* The 12 bits after the milliseconds are the part of the millisecond: ids of one process sort by the time of their
 * making. */
void hq_uuid7(char out[37]) {
  static const char hex[] = "0123456789abcdef";
  int64_t ns = now_ns(CLOCK_REALTIME);
  uint64_t ms = (uint64_t)(ns / 1000000), part = (uint64_t)(ns % 1000000) * 4096 / 1000000;
  uint64_t high = ms << 16 | 0x7000 | part, low = (hq_random() & 0x3fffffffffffffffu) | 0x8000000000000000u;
  for (int i = 0; i < 32; i++) {
    uint64_t half = i < 16 ? high : low;
    int dashes = (i >= 8) + (i >= 12) + (i >= 16) + (i >= 20);
    out[i + dashes] = hex[half >> (60 - 4 * (i % 16)) & 15];
  }
  out[8] = out[13] = out[18] = out[23] = '-';
  out[36] = 0;
}

int64_t hq_time_of_uuid7(hq_slice id) {
  int64_t ms = 0;
  if (id.n != 36 || id.p[8] != '-' || id.p[13] != '-' || id.p[14] != '7') return 0;
  for (int i = 0; i < 13; i++) {
    char c = id.p[i];
    if (i == 8) continue;
    int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) return 0;
    ms = ms * 16 + digit;
  }
  return ms;
}

static bool digits(const char **p, const char *end, int n, int64_t *out) {
  *out = 0;
  for (int i = 0; i < n; i++, (*p)++) {
    if (*p >= end || !isdigit((unsigned char)**p)) return false;
    *out = *out * 10 + (**p - '0');
  }
  return true;
}

/* RFC 3339 → Unix ms; foreign producers write it with any fraction and any offset. */
int64_t hq_time_of_rfc3339(hq_slice s) {
  static const char mark[] = "--T::";
  const char *p = s.p, *end = s.p + s.n;
  int64_t v[6], fraction = 0, scale = 100, hours = 0, minutes = 0;
  if (!p) return 0;
  for (int i = 0; i < 6; i++) {
    if (!digits(&p, end, i ? 2 : 4, &v[i])) return 0;
    if (i < 5 && (p >= end || (*p != mark[i] && !(i == 2 && (*p == ' ' || *p == 't'))))) return 0;
    if (i < 5) p++;
  }
  if (p < end && *p == '.')
    for (p++; p < end && isdigit((unsigned char)*p); p++, scale /= 10) fraction += scale * (*p - '0');
  if (p < end && (*p == '+' || *p == '-')) {
    int64_t sign = *p++ == '+' ? 1 : -1;
    if (!digits(&p, end, 2, &hours) || p >= end || *p++ != ':' || !digits(&p, end, 2, &minutes)) return 0;
    hours *= sign;
    minutes *= sign;
  }
  if (v[1] < 1 || v[1] > 12) return 0;
  int64_t y = v[1] <= 2 ? v[0] - 1 : v[0], m = v[1] <= 2 ? v[1] + 9 : v[1] - 3; /* years that begin in March */
  int64_t days = y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + v[2] - 1 - 719468;
  return (((days * 24 + v[3] - hours) * 60 + v[4] - minutes) * 60 + v[5]) * 1000 + fraction;
}

int64_t hq_time_of(hq_slice rfc3339, hq_slice id) {
  int64_t ms = hq_time_of_rfc3339(rfc3339);
  return ms > 0 ? ms : hq_time_of_uuid7(id);
}
