/* Sockets: addresses of an endpoint, and a non-blocking socket on its way to one of them. */
#ifndef HQ_SOCKET_H
#define HQ_SOCKET_H
#include <stddef.h>
#include <sys/types.h>

#include "endpoint.h"

typedef struct hq_address hq_address; /* a list of addresses to try */
/* Looks the host up (blocks for that). 0, or an EAI_ code; *count tells how many. */
int hq_address_resolve(const hq_endpoint *e, hq_address **out, int *count);
void hq_address_free(hq_address *a);
/* Begins to connect to address i: the descriptor, or -1 with errno. */
int hq_socket_connect(const hq_address *a, int i);
int hq_socket_error(int fd); /* SO_ERROR */
/* As send and recv on a non-blocking socket, without SIGPIPE: -1 with errno EAGAIN when there is nothing to do now. */
ssize_t hq_socket_send(int fd, const void *data, size_t n);
ssize_t hq_socket_recv(int fd, void *data, size_t n);
int hq_socket_unsent(int fd); /* bytes that the peer's machine has not taken yet; 0 where the system does not say */
int hq_socket_quiet(int fd);  /* 1: open, and nothing to read */
#endif
