/* A descriptor that wakes a poll: an eventfd on Linux, a pipe elsewhere. */
#include "notice.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#if defined(__linux__)
#include <stdlib.h>
#include <sys/eventfd.h>

/* All eventfds share one inode; what tells them apart is the kernel's id, in fdinfo since Linux 5.2. 0: not known, which
 * also comes of having no descriptor left to read it. */
static uint64_t eventfd_id(int fd) {
  char path[48], text[512];
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
  int info = open(path, O_RDONLY | O_CLOEXEC);
  if (info < 0) return 0;
  ssize_t n = read(info, text, sizeof text - 1);
  close(info);
  text[n > 0 ? n : 0] = 0;
  const char *id = strstr(text, "eventfd-id:");
  return id ? strtoull(id + strlen("eventfd-id:"), NULL, 10) + 1 : 0;
}
#else
static uint64_t eventfd_id(int fd) {
  (void)fd;
  return 0;
}
#endif

static int identify(hq_notice *n) {
  struct stat st;
  if (fstat(n->rfd, &st)) return errno;
  n->dev = (uint64_t)st.st_dev;
  n->ino = (uint64_t)st.st_ino;
  n->id = eventfd_id(n->rfd);
  return 0;
}

static int open_descriptors(hq_notice *n) {
#if defined(__linux__)
  n->rfd = n->wfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return n->rfd < 0 ? errno : 0;
#else
  int fd[2];
  if (pipe(fd)) return errno;
  for (int i = 0; i < 2; i++) {
    fcntl(fd[i], F_SETFD, FD_CLOEXEC);
    fcntl(fd[i], F_SETFL, O_NONBLOCK);
  }
  n->rfd = fd[0];
  n->wfd = fd[1];
  return 0;
#endif
}

int hq_notice_open(hq_notice *n) {
  *n = (hq_notice){.rfd = -1, .wfd = -1};
  int fault = open_descriptors(n);
  if (!fault) fault = identify(n);
  return fault;
}

void hq_notice_set(hq_notice *n) {
  const uint64_t one = 1;
  int saved = errno; /* a signal handler must not change it */
  ssize_t done;
  /* A full pipe or counter is set already. */
  do done = n->wfd < 0 ? 0 : write(n->wfd, &one, sizeof one);
  while (done < 0 && errno == EINTR);
  errno = saved;
}

void hq_notice_clear(hq_notice *n) {
  char buffer[128];
  ssize_t got;
  int saved = errno;
  do got = n->rfd < 0 ? 0 : read(n->rfd, buffer, sizeof buffer);
  while (got == (ssize_t)sizeof buffer || (got < 0 && errno == EINTR));
  errno = saved;
}

static bool still_ours(const hq_notice *n) {
  hq_notice now = {.rfd = n->rfd};
  if (n->rfd < 0 || identify(&now)) return false;
  return now.dev == n->dev && now.ino == n->ino && (now.id == n->id || !now.id || !n->id);
}

void hq_notice_close(hq_notice *n) {
  if (still_ours(n)) {
    close(n->rfd);
    if (n->wfd != n->rfd) close(n->wfd);
  }
  n->rfd = n->wfd = -1;
}
