/* The ring of a client's events: what is kept, what is counted as dropped, what goes to stderr. */
#include "events.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "closing.h"
#include "errors.h"
#include "record_private.h"
#include "wait.h"

#define RING 256
#define STDERR_PAUSE_MS 1000

enum log_mode { LOG_STDERR = 0, LOG_EVENTS = 1, LOG_OFF = 2 }; /* the order of the option's choices */

typedef struct event {
  int level;
  heroq_status status;
  int64_t time, count;
  char text[HEROQ_ERROR_TEXT];
} event;

struct hq_events {
  atomic_int refs;
  pthread_mutex_t lock;
  enum log_mode mode;
  event *ring; /* RING of them, made with the first event */
  uint32_t first, count;
  int64_t dropped;
  bool closed, asked;
  int64_t next_line; /* monotonic ms */
  int64_t unsaid;    /* lines kept back since the last one on stderr */
  hq_waitq waiting;
  hq_notice notice;
  bool has_notice;
};

hq_events *hq_events_new(const heroq_options *options) {
  hq_events *e = calloc(1, sizeof *e);
  if (!e) return NULL;
  atomic_init(&e->refs, 1);
  pthread_mutex_init(&e->lock, NULL);
  e->mode = (enum log_mode)hq_option_int(options, HQ_OPT_LOG);
  hq_waitq_init(&e->waiting);
  return e;
}

void hq_events_ref(hq_events *e) { atomic_fetch_add(&e->refs, 1); }

void hq_events_unref(hq_events *e) {
  if (!e || atomic_fetch_sub(&e->refs, 1) != 1) return;
  hq_waitq_free(&e->waiting);
  if (e->has_notice) hq_notice_close(&e->notice);
  pthread_mutex_destroy(&e->lock);
  free(e->ring);
  free(e);
}

void hq_events_close(hq_events *e) {
  pthread_mutex_lock(&e->lock);
  e->closed = true;
  if (e->has_notice) hq_notice_set(&e->notice);
  hq_waitq_wake_all(&e->waiting);
  pthread_mutex_unlock(&e->lock);
}

static const char *level_name(int level) { return level >= 2 ? "error" : level == 1 ? "warning" : "info"; }

/* A line a second at most: a program that nobody watches must not fill a disk because its server is away. */
static void say(hq_events *e, int level, const char *text) {
  int64_t now = hq_mono_ms();
  if (now < e->next_line) {
    e->unsaid++;
    return;
  }
  e->next_line = now + STDERR_PAUSE_MS;
  if (e->unsaid)
    fprintf(stderr, "heroq: %s: %s (and %lld more before)\n", level_name(level), text, (long long)e->unsaid);
  else
    fprintf(stderr, "heroq: %s: %s\n", level_name(level), text);
  e->unsaid = 0;
}

static void keep(hq_events *e, int level, heroq_status status, const char *text) {
  if (!e->ring && !(e->ring = calloc(RING, sizeof *e->ring))) {
    e->dropped++;
    return;
  }
  if (e->count) {
    event *last = &e->ring[(e->first + e->count - 1) % RING];
    if (last->level == level && last->status == status && strcmp(last->text, text) == 0) {
      last->count++;
      last->time = hq_wall_ms();
      return;
    }
  }
  if (e->count == RING) {
    e->first = (e->first + 1) % RING;
    e->count--;
    e->dropped++;
  }
  event *added = &e->ring[(e->first + e->count++) % RING];
  *added = (event){.level = level, .status = status, .time = hq_wall_ms(), .count = 1};
  memcpy(added->text, text, strlen(text) + 1);
  if (e->has_notice) hq_notice_set(&e->notice);
  hq_waitq_wake_one(&e->waiting);
}

void hq_events_vadd(hq_events *e, int level, heroq_status status, const char *format, va_list args) {
  char raw[HEROQ_ERROR_TEXT], text[HEROQ_ERROR_TEXT];
  if (e->mode == LOG_OFF) return;
  vsnprintf(raw, sizeof raw, format, args);
  hq_escape(text, sizeof text, raw, strlen(raw));
  pthread_mutex_lock(&e->lock);
  if (!e->closed) {
    if (e->mode == LOG_STDERR && !e->asked && level > 0) say(e, level, text);
    keep(e, level, status, text);
  }
  pthread_mutex_unlock(&e->lock);
}

void hq_events_add(hq_events *e, int level, heroq_status status, const char *format, ...) {
  va_list args;
  va_start(args, format);
  hq_events_vadd(e, level, status, format, args);
  va_end(args);
}

static heroq_status make_record(const event *from, int64_t dropped, heroq_record **out, heroq_error *err) {
  heroq_record *r = hq_record_new();
  hq_record_add_text(r, "level", level_name(from->level));
  hq_record_add_int(r, "time", from->time);
  hq_record_add_int(r, "status", from->status);
  hq_record_add_text(r, "text", from->text);
  hq_record_add_int(r, "count", from->count);
  hq_record_add_int(r, "dropped", dropped);
  return hq_record_finish(r, out, err);
}

/* Takes the oldest event out of the ring. With the lock. */
static bool take(hq_events *e, event *out, int64_t *dropped) {
  if (!e->count) return false;
  *out = e->ring[e->first];
  *dropped = e->dropped;
  e->first = (e->first + 1) % RING;
  e->count--;
  if (!e->count && !e->closed && e->has_notice) hq_notice_clear(&e->notice);
  return true;
}

heroq_status hq_events_next(hq_events *e, int64_t timeout_ms, heroq_record **out, heroq_call *call, heroq_error *err) {
  int64_t deadline = hq_wait_deadline(timeout_ms, call), dropped = 0;
  heroq_status waited = heroq_call_is_cancelled(call) ? HEROQ_E_CANCELLED : HEROQ_OK;
  event found;
  bool got = false;
  pthread_mutex_lock(&e->lock);
  e->asked = true;
  while (waited == HEROQ_OK && !(got = take(e, &found, &dropped)) && !e->closed)
    waited = hq_waitq_wait(&e->waiting, &e->lock, deadline, call);
  bool closed = e->closed;
  pthread_mutex_unlock(&e->lock);
  if (got) return make_record(&found, dropped, out, err);
  if (waited == HEROQ_OK && closed)
    return hq_fail(err, HEROQ_E_CLOSED, "the client is closed and all its events were taken");
  return hq_nothing_came(waited, timeout_ms, call, "an event", err);
}

int32_t hq_events_fd(hq_events *e) {
  pthread_mutex_lock(&e->lock);
  e->asked = true;
  if (!e->has_notice && hq_notice_open(&e->notice) == 0) {
    e->has_notice = true;
    if (e->count || e->closed) hq_notice_set(&e->notice);
  }
  int32_t fd = e->has_notice ? e->notice.rfd : -1;
  pthread_mutex_unlock(&e->lock);
  return fd;
}
