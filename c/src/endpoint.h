/* Where a server is and how to log in: what a URL says. Secrets live here and are wiped by hq_endpoint_free; no text for
 * people is ever made from anything but `shown`. */
#ifndef HQ_ENDPOINT_H
#define HQ_ENDPOINT_H
#include <heroq/options.h>

typedef struct hq_endpoint {
  char *host; /* NULL: a unix socket */
  char *path; /* unix socket */
  int32_t port;
  int32_t db;
  int32_t tls;
  struct hq_tls *tls_shared; /* of all connections; NULL before hq_endpoint_secure */
  char *user, *password;     /* NULL: none */
  char *shown;               /* the URL without secrets, for messages */
} hq_endpoint;
/* Parses a URL; its query goes into `options` (NULL: a query is an error). The error never shows a secret: an URL that
 * cannot be parsed is shown as <invalid url>. `username`, `password`, `password_file` and `db` of the options fill what
 * the URL leaves open. */
heroq_status hq_endpoint_parse(const char *url, heroq_options *options, hq_endpoint *out, heroq_error *err);
/* Makes ready for TLS what a URL asks for it; to be called with all options before the first connection. `given` (NULL:
 * none), what the caller said himself, may hold options of TLS for such a URL only. */
heroq_status hq_endpoint_secure(hq_endpoint *e, const heroq_options *given, const heroq_options *all, heroq_error *err);
heroq_status hq_endpoint_copy(const hq_endpoint *from, hq_endpoint *out, heroq_error *err);
void hq_endpoint_free(hq_endpoint *e);
#endif
