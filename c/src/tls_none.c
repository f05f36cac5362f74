/* A build without TLS: a URL that asks for it is refused, and no connection ever has a link. */
#include "errors.h"
#include "tls.h"

const bool hq_tls_built = false;
const char *hq_tls_version(void) { return NULL; }

heroq_status hq_tls_new(const heroq_options *options, const char *host, const char *where, hq_tls **out,
                        heroq_error *err) {
  (void)options;
  (void)host;
  *out = NULL;
  return hq_fail(err, HEROQ_E_UNSUPPORTED, "%s: this build of heroq has no TLS", where);
}

hq_tls *hq_tls_ref(hq_tls *t) { return t; }
void hq_tls_unref(hq_tls *t) { (void)t; }
hq_tls_link *hq_tls_open(hq_tls *t, int fd) { return (void)t, (void)fd, NULL; }
void hq_tls_close(hq_tls_link *l) { (void)l; }
ssize_t hq_tls_handshake(hq_tls_link *l) { return (void)l, 0; }
ssize_t hq_tls_send(hq_tls_link *l, const void *data, size_t n) { return (void)l, (void)data, (void)n, 0; }
ssize_t hq_tls_recv(hq_tls_link *l, void *data, size_t n) { return (void)l, (void)data, (void)n, 0; }
bool hq_tls_fault(const hq_tls_link *l, const char *where, heroq_error *err) {
  return (void)l, (void)where, (void)err, false;
}
short hq_tls_events(const hq_tls_link *l, bool more) { return (void)l, (void)more, 0; }
int hq_tls_flush(hq_tls_link *l) { return (void)l, 0; }
bool hq_tls_moved(hq_tls_link *l) { return (void)l, false; }
int hq_tls_quiet(hq_tls_link *l) { return (void)l, 0; }
