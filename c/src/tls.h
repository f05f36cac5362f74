/* TLS between a connection and its socket. A build without OpenSSL has tls_none.c in its place, whose hq_tls_new refuses. */
#ifndef HQ_TLS_H
#define HQ_TLS_H
#include <heroq/options.h>
#include <stdbool.h>
#include <sys/types.h>

typedef struct hq_tls hq_tls;           /* what a client's connections share: whom to trust, the own certificate */
typedef struct hq_tls_link hq_tls_link; /* one connection's part; whoever drives the connection uses it */

extern const bool hq_tls_built;
const char *hq_tls_version(void); /* OpenSSL's, static; NULL without it */

/* Reads the tls_* options (and their files) for connections to `host`; `where` is the URL to show. */
heroq_status hq_tls_new(const heroq_options *options, const char *host, const char *where, hq_tls **out,
                        heroq_error *err);
hq_tls *hq_tls_ref(hq_tls *t); /* takes NULL */
/* Takes NULL. OpenSSL's locks may be held for ever in a child of fork: there it is left as it is. */
void hq_tls_unref(hq_tls *t);

hq_tls_link *hq_tls_open(hq_tls *t, int fd); /* NULL: no memory */
void hq_tls_close(hq_tls_link *l);           /* takes NULL; sends nothing, leaves the descriptor open */

/* The system's authorities if neither the file nor the folder where OpenSSL looks for them is there, as when it was built for
 * another system and is carried by a wheel. NULL: one is, or none is known. */
const char *hq_tls_bundle(const char *file, const char *folder);

/* As hq_socket_send and hq_socket_recv, errno EAGAIN included; a handshake that is done gives 1. When TLS itself failed,
 * hq_tls_fault says so. A recv of HQ_TLS_RECORD bytes leaves nothing behind that a poll would not tell. */
#define HQ_TLS_RECORD 16384
ssize_t hq_tls_handshake(hq_tls_link *l);
ssize_t hq_tls_send(hq_tls_link *l, const void *data, size_t n);
ssize_t hq_tls_recv(hq_tls_link *l, void *data, size_t n);
/* Fills err and returns true if the last of these failed by TLS, not by its socket. */
bool hq_tls_fault(const hq_tls_link *l, const char *where, heroq_error *err);

short hq_tls_events(const hq_tls_link *l, bool more); /* what to poll for when there is more to send, or not */
int hq_tls_flush(
    hq_tls_link *l); /* sends what is kept; to be called when the socket may be written. 0, or -1 with errno */
bool hq_tls_moved(hq_tls_link *l); /* whether bytes came or went since it was asked last, whole records or not */
int hq_tls_quiet(hq_tls_link *l);  /* 1: open, and nothing to read */
#endif
