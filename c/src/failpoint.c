/* HEROQ_FAILPOINT = NAME:N dies behind the N-th command NAME of this process, a script's name (finish) or a word (LPUSH);
 * random:SEED:N behind each command with a chance of 1 in N; NAME:N:MS sleeps before it for so long instead, once. */
#include "failpoint.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "scripts.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char name[64]; /* "": off */
static unsigned long left, chance, sleep_ms;
static unsigned long long state;

static void read_setting(void) {
  const char *setting = getenv("HEROQ_FAILPOINT");
  char rest[64] = "";
  if (!setting || sscanf(setting, "%63[^:]:%63s", name, rest) != 2) {
    name[0] = 0;
    return;
  }
  if (strcmp(name, "random"))
    sscanf(rest, "%lu:%lu", &left, &sleep_ms);
  else if (sscanf(rest, "%llu:%lu", &state, &chance) != 2 || !chance)
    name[0] = 0;
}

static unsigned long long next_random(void) { /* splitmix64 */
  unsigned long long z = state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static bool is_named(const hq_batch *b, const hq_command *c) {
  if (c->script >= 0) return !strcmp(hq_script(c->script)->name, name);
  const char *p = b->text.p + c->at, *end = b->text.p + b->text.n;
  for (int line = 0; p < end && line < 2; p++) line += *p == '\n'; /* *<arguments> and $<length> */
  size_t n = strlen(name);
  return (size_t)(end - p) > n && !memcmp(p, name, n) && p[n] == '\r';
}

static bool hits(const hq_batch *b, const hq_command *c) {
  if (chance) return next_random() % chance == 0;
  return is_named(b, c) && left && !--left;
}

uint32_t hq_failpoint(const hq_batch *b) {
  uint32_t n = 0;
  pthread_once(&once, read_setting);
  if (!name[0]) return 0;
  pthread_mutex_lock(&lock);
  for (uint32_t i = 0; i < b->count && !n; i++)
    if (hits(b, &b->command[i])) n = i + 1;
  pthread_mutex_unlock(&lock);
  if (!n || !sleep_ms) return n;
  nanosleep(&(struct timespec){(time_t)(sleep_ms / 1000), (long)(sleep_ms % 1000) * 1000000}, NULL);
  return 0;
}

void hq_failpoint_die(void) { raise(SIGKILL); }
