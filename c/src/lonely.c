/* The thread that looks after queues whose actors may all be gone, while their jobs are awaited. */
#include "lonely.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "loop.h"
#include "tend.h"

#define TEND_MOST_MS 5000

typedef struct errand {
  struct errand *next;
  heroq_client *client;
  char *queue_key;
} errand;

struct hq_lonely {
  hq_loop loop;
  heroq_call *call; /* cancelled by stop */
  pthread_mutex_t lock;
  errand *first; /* under lock */
  bool stopped;
};

static void free_errand(errand *e) {
  hq_client_unref(e->client);
  free(e->queue_key);
  free(e);
}

static uint32_t prepare(void *self, struct pollfd *fds, uint32_t cap, int64_t *deadline) {
  (void)self, (void)fds, (void)cap, (void)deadline;
  return 0;
}

static errand *next_errand(hq_lonely *l, bool *stopped) {
  pthread_mutex_lock(&l->lock);
  errand *e = l->first;
  if (e) l->first = e->next;
  *stopped = l->stopped;
  pthread_mutex_unlock(&l->lock);
  return e;
}

static bool handle(void *self, const struct pollfd *fds, uint32_t n) {
  hq_lonely *l = self;
  bool stopped;
  (void)fds, (void)n;
  for (errand *e; (e = next_errand(l, &stopped)) != NULL; free_errand(e))
    if (!stopped) hq_tend_queue(e->client, e->queue_key, hq_mono_ms() + TEND_MOST_MS, l->call, NULL, NULL);
  return !stopped;
}

static void ended(void *self) {
  hq_lonely *l = self;
  hq_loop_free(&l->loop);
  heroq_call_free(l->call);
  pthread_mutex_destroy(&l->lock);
  free(l);
}

static const hq_loop_ops ops = {prepare, handle, ended};

hq_lonely *hq_lonely_start(void) {
  hq_lonely *l = calloc(1, sizeof *l);
  if (!l) return NULL;
  pthread_mutex_init(&l->lock, NULL);
  if (heroq_call_new(&l->call, NULL) == HEROQ_OK && hq_loop_start(&l->loop, "heroq-tend", &ops, l) == 0) return l;
  heroq_call_free(l->call);
  pthread_mutex_destroy(&l->lock);
  free(l);
  return NULL;
}

void hq_lonely_tend(hq_lonely *l, heroq_client *c, const char *queue_key) {
  errand *e = calloc(1, sizeof *e);
  if (!e || !(e->queue_key = hq_strdup(queue_key))) {
    free(e);
    return;
  }
  e->client = c;
  hq_client_ref(c);
  pthread_mutex_lock(&l->lock);
  e->next = l->first;
  l->first = e;
  pthread_mutex_unlock(&l->lock);
  hq_loop_wake(&l->loop);
}

void hq_lonely_stop(hq_lonely *l) {
  if (!l) return;
  pthread_mutex_lock(&l->lock);
  l->stopped = true;
  heroq_call_cancel(l->call);
  hq_loop_wake(&l->loop); /* under the lock: the thread frees l only after it has seen the mark, which takes the lock */
  pthread_mutex_unlock(&l->lock);
}
