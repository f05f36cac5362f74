/* What every sketch needs: the server's URL, a check that ends the program, a script type of its own for each run. */
#ifndef SKETCH_H
#define SKETCH_H
#include <heroq/heroq.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MUST(call, err)                                                                                                \
  do {                                                                                                                 \
    if ((call) != HEROQ_OK) {                                                                                          \
      printf("FAILED %s:%d: %s: %s\n", __FILE__, __LINE__, #call, (err).text);                                         \
      exit(1);                                                                                                         \
    }                                                                                                                  \
  } while (0)
#define SAME(got, want)                                                                                                \
  do {                                                                                                                 \
    long long got_ = (long long)(got), want_ = (long long)(want);                                                      \
    if (got_ != want_) {                                                                                               \
      printf("FAILED %s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, #got, got_, want_);                           \
      exit(1);                                                                                                         \
    }                                                                                                                  \
  } while (0)

static inline const char *sketch_url(int argc, char **argv) {
  if (argc == 2) return argv[1];
  fprintf(stderr, "usage: %s redis://host:port\n", argv[0]);
  exit(1);
}

/* "<name>-<pid>": two runs on one server do not meet. */
static inline const char *sketch_type(const char *name) {
  static char type[64];
  snprintf(type, sizeof type, "%s-%d", name, (int)getpid());
  return type;
}

static inline int64_t sketch_now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline int64_t sketch_int(const heroq_record *record, const char *name) {
  return heroq_record_int64(record, heroq_record_find(record, name));
}
#endif
