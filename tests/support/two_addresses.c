/* Preloaded: the name two.test has two addresses, ::1 first, which nobody listens on, then 127.0.0.1. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>

typedef int (*lookup)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **out) {
  lookup real = (lookup)dlsym(RTLD_NEXT, "getaddrinfo");
  if (!node || strcmp(node, "two.test")) return real(node, service, hints, out);
  struct addrinfo want = hints ? *hints : (struct addrinfo){0}, *second = NULL;
  want.ai_family = AF_INET6;
  want.ai_flags = AI_NUMERICHOST;
  int rc = real("::1", service, &want, out);
  if (rc) return rc;
  want.ai_family = AF_INET;
  rc = real("127.0.0.1", service, &want, &second);
  if (rc) {
    freeaddrinfo(*out);
    return rc;
  }
  struct addrinfo *last = *out;
  while (last->ai_next) last = last->ai_next;
  last->ai_next = second;
  return 0;
}
