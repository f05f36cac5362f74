/* A descriptor that is readable while it is set: an eventfd on Linux, a pipe elsewhere. set is async-signal-safe. */
#ifndef HQ_NOTICE_H
#define HQ_NOTICE_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct hq_notice {
  int rfd, wfd; /* the same for an eventfd; -1 when not open */
  /* to know after fork, or after somebody closed it, that the number is still ours; id 0: not known */
  uint64_t dev, ino, id;
} hq_notice;
int hq_notice_open(hq_notice *n); /* 0, or an errno */
void hq_notice_set(hq_notice *n);
void hq_notice_clear(hq_notice *n);
void hq_notice_close(hq_notice *n); /* closes only if the descriptors still are the ones that were opened */
#endif
