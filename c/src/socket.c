/* The only file with socket calls. */
#include "socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* SO_NOSIGPIPE does it there */
#endif

typedef struct one {
  struct sockaddr_storage addr;
  socklen_t size;
} one;

struct hq_address {
  int count;
  one at[];
};

static int unix_address(const char *path, hq_address **out) {
  struct sockaddr_un un = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof un.sun_path) return EAI_NONAME;
  hq_address *a = calloc(1, sizeof *a + sizeof(one));
  if (!a) return EAI_MEMORY;
  strcpy(un.sun_path, path);
  memcpy(&a->at[0].addr, &un, sizeof un);
  a->at[0].size = sizeof un;
  a->count = 1;
  *out = a;
  return 0;
}

int hq_address_resolve(const hq_endpoint *e, hq_address **out, int *count) {
  *out = NULL;
  *count = 0;
  if (e->path) {
    int rc = unix_address(e->path, out);
    if (!rc) *count = 1;
    return rc;
  }
  struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list;
  char port[16];
  snprintf(port, sizeof port, "%d", (int)e->port);
  int rc = getaddrinfo(e->host, port, &hints, &list);
  if (rc) return rc;
  int n = 0;
  for (struct addrinfo *i = list; i; i = i->ai_next) n++;
  hq_address *a = calloc(1, sizeof *a + (size_t)n * sizeof(one));
  if (a) {
    for (struct addrinfo *i = list; i; i = i->ai_next) {
      if (i->ai_addrlen > sizeof a->at[0].addr) continue;
      memcpy(&a->at[a->count].addr, i->ai_addr, i->ai_addrlen);
      a->at[a->count++].size = i->ai_addrlen;
    }
    *count = a->count;
  }
  freeaddrinfo(list);
  *out = a;
  return a ? 0 : EAI_MEMORY;
}

void hq_address_free(hq_address *a) { free(a); }

static void set_options(int fd, int family) {
  int on = 1;
#ifdef SO_NOSIGPIPE
  setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
  if (family == AF_UNIX) return;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
#ifdef TCP_KEEPIDLE
  int idle = 60;
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
#endif
#ifdef TCP_USER_TIMEOUT
  unsigned int ms =
      30000; /* unacknowledged bytes mean a dead path: the deadlines above notice sooner where they apply */
  setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms);
#endif
}

int hq_socket_connect(const hq_address *a, int i) {
  const one *o = &a->at[i];
  int fd = socket(o->addr.ss_family, SOCK_STREAM, 0);
  if (fd < 0) return -1;
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0) goto fail;
  set_options(fd, o->addr.ss_family);
  if (connect(fd, (const struct sockaddr *)&o->addr, o->size) == 0 || errno == EINPROGRESS || errno == EINTR) return fd;
fail:;
  int saved = errno;
  close(fd);
  errno = saved;
  return -1;
}

int hq_socket_error(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 ? errno : error;
}

ssize_t hq_socket_send(int fd, const void *data, size_t n) {
  ssize_t did;
  do did = send(fd, data, n, MSG_NOSIGNAL);
  while (did < 0 && errno == EINTR);
  return did;
}

int hq_socket_unsent(int fd) {
  int n = 0;
#if defined(SO_NWRITE)
  socklen_t size = sizeof n;
  if (getsockopt(fd, SOL_SOCKET, SO_NWRITE, &n, &size)) return 0;
#elif defined(TIOCOUTQ)
  if (ioctl(fd, TIOCOUTQ, &n)) return 0;
#else
  (void)fd;
#endif
  return n;
}

ssize_t hq_socket_recv(int fd, void *data, size_t n) {
  ssize_t did;
  do did = recv(fd, data, n, 0);
  while (did < 0 && errno == EINTR);
  return did;
}

int hq_socket_quiet(int fd) {
  char byte;
  return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}
