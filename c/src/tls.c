/* The only file that knows OpenSSL (1.1.1 and newer).
 *
 * Its bytes go through socket.c by a BIO of our own: OpenSSL's writes with write(), which raises SIGPIPE. It reads no
 * further than one record, so what is left lies with the kernel, where a poll sees it. */
#include "tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "errors.h"
#include "options_private.h"
#include "socket.h"

#ifndef OPENSSL_INIT_NO_ATEXIT
#define OPENSSL_INIT_NO_ATEXIT 0
#endif

#define MOST_KEPT 65536 /* of a peer that asks for new keys again and again */

const bool hq_tls_built = true;

const char *hq_tls_version(void) {
  const char *text = OpenSSL_version(OPENSSL_VERSION); /* "OpenSSL 3.0.19 27 Jan 2026" */
  return strncmp(text, "OpenSSL ", 8) ? text : text + 8;
}

struct hq_tls {
  atomic_int refs;
  pid_t pid;
  SSL_CTX *ctx;
  BIO_METHOD *method;
  char *name; /* what the certificate must be for */
  bool name_is_address, has_certificate;
};

struct hq_tls_link {
  hq_tls *tls;
  SSL *ssl;
  int fd;
  hq_buf out; /* for the socket, from out_at on */
  size_t out_at;
  bool must_read; /* the rest of a message of OpenSSL's own, before more can be sent */
  bool moved, eof;
  int sys_errno;        /* of the socket */
  unsigned long reason; /* of OpenSSL, 0: none */
  long verdict;         /* on the server's certificate */
};

/* ---- the end of the process ---- */

/* We have OpenSSL not clean up at exit, but somebody else in the process may. Then no thread of ours may be inside it, nor
 * enter it later; what is closed from then on is left to the system. */
static atomic_int inside;
static atomic_bool over, watched;
static _Atomic pid_t watching;

static void wait_outside(void) {
  const struct timespec ms = {0, 1000000};
  if (atomic_load(&watching) != getpid()) return; /* a child of fork, without the parent's threads */
  atomic_store(&over, true);
  /* no call blocks in there; but whoever exits from a signal's handler may be inside himself */
  for (int i = 0; i < 200 && atomic_load(&inside); i++) nanosleep(&ms, NULL);
}

static bool enter(void) {
  atomic_fetch_add(&inside, 1);
  if (!atomic_load(&over)) return true;
  atomic_fetch_sub(&inside, 1);
  errno = ECANCELED;
  return false;
}

static void leave(void) { atomic_fetch_sub(&inside, 1); }

static bool start(void) {
  pid_t before = atomic_load(&watching), now = getpid();
  if (!OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, NULL)) return false;
  if (before != now && atomic_compare_exchange_strong(&watching, &before, now) && before)
    atomic_store(&inside, 0); /* the parent's threads are not in this process */
  if (atomic_exchange(&watched, true) || OPENSSL_atexit(wait_outside)) return true;
  atomic_store(&watched, false);
  return false;
}

/* ---- the BIO ---- */

static bool again(void) { return errno == EAGAIN || errno == EWOULDBLOCK; }

/* What the kernel does not take is kept: with half of a record under way OpenSSL could not answer a request for new keys. */
static int bio_write(BIO *bio, const char *data, int n) {
  hq_tls_link *l = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  if (l->out.n > MOST_KEPT) {
    BIO_set_retry_write(bio);
    return -1;
  }
  ssize_t did = l->out.n ? 0 : hq_socket_send(l->fd, data, (size_t)n);
  if (did < 0 && !again()) {
    l->sys_errno = errno;
    return -1;
  }
  if (did > 0) l->moved = true;
  size_t went = did > 0 ? (size_t)did : 0;
  hq_buf_add(&l->out, data + went, (size_t)n - went);
  if (l->out.failed) l->sys_errno = ENOMEM;
  return l->out.failed ? -1 : n;
}

static int bio_read(BIO *bio, char *data, int n) {
  hq_tls_link *l = BIO_get_data(bio);
  ssize_t did = hq_socket_recv(l->fd, data, (size_t)n);
  BIO_clear_retry_flags(bio);
  if (did > 0)
    l->moved = true;
  else if (did == 0)
    l->eof = true;
  else if (again())
    BIO_set_retry_read(bio);
  else
    l->sys_errno = errno;
  return (int)did;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer) {
  (void)number;
  (void)pointer;
  const hq_tls_link *l = BIO_get_data(bio);
  if (command == BIO_CTRL_EOF) return l->eof;
  return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *make_method(void) {
  BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "heroq");
  if (m && BIO_meth_set_write(m, bio_write) && BIO_meth_set_read(m, bio_read) && BIO_meth_set_ctrl(m, bio_ctrl))
    return m;
  BIO_meth_free(m);
  return NULL;
}

/* ---- what a client's connections share ---- */

static bool out_of_memory(unsigned long reason) { return ERR_GET_REASON(reason) == ERR_R_MALLOC_FAILURE; }

/* Empties this thread's errors. The reason is the one that `peek` shows, but for want of memory, which may lie anywhere. */
static unsigned long take_reason(unsigned long (*peek)(void)) {
  unsigned long reason = peek();
  for (unsigned long one; (one = ERR_get_error()) != 0;)
    if (out_of_memory(one)) reason = one;
  ERR_clear_error(); /* the words that lie by them */
  return reason;
}

/* OpenSSL does not like a file: its reason. */
static heroq_status bad_file(const char *option, const char *path, heroq_error *err) {
  unsigned long reason = take_reason(ERR_peek_last_error);
  const char *text = ERR_reason_error_string(reason);
  if (out_of_memory(reason)) return hq_fail_nomem(err);
  if (ERR_GET_LIB(reason) == ERR_LIB_X509 && ERR_GET_REASON(reason) == X509_R_KEY_VALUES_MISMATCH)
    text = "it is not the key of tls_cert";
  return hq_fail(err, HEROQ_E_OPTION, "%s=\"%.200s\": %s", option, path, text ? text : "not a PEM file");
}

static heroq_status must_be_there(const char *option, const char *path, bool folder, heroq_error *err) {
  struct stat st;
  int fd = open(path, O_RDONLY | O_CLOEXEC | (folder ? O_DIRECTORY : 0)), fault = errno;
  if (fd >= 0 && !folder && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
    fault = EISDIR;
  else if (fd >= 0)
    fault = 0;
  if (fd >= 0) close(fd);
  return fault ? hq_fail_errno(err, HEROQ_E_OPTION, fault, "%s=\"%.200s\"", option, path) : HEROQ_OK;
}

const char *hq_tls_bundle(const char *file, const char *folder) {
  static const char *const bundles[] = {
      "/etc/ssl/certs/ca-certificates.crt", /* Debian, Arch, Gentoo, Alpine */
      "/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora, RHEL */
      "/etc/ssl/ca-bundle.pem",             /* SUSE */
      "/etc/ssl/cert.pem",                  /* macOS, BSD */
  };
  if (access(file, R_OK) == 0 || access(folder, R_OK) == 0) return NULL;
  for (size_t i = 0; i < sizeof bundles / sizeof *bundles; i++)
    if (access(bundles[i], R_OK) == 0) return bundles[i];
  return NULL;
}

static heroq_status trust_system(hq_tls *t, heroq_error *err) {
  if (!SSL_CTX_set_default_verify_paths(t->ctx)) return hq_fail_nomem(err);
  if (getenv(X509_get_default_cert_file_env()) || getenv(X509_get_default_cert_dir_env())) return HEROQ_OK;
  const char *bundle = hq_tls_bundle(X509_get_default_cert_file(), X509_get_default_cert_dir());
  if (bundle && !SSL_CTX_load_verify_locations(t->ctx, bundle, NULL) && out_of_memory(ERR_peek_last_error()))
    return hq_fail_nomem(err);
  ERR_clear_error();
  return HEROQ_OK;
}

static heroq_status trust(hq_tls *t, const heroq_options *o, heroq_error *err) {
  const char *file = hq_option_text(o, HQ_OPT_TLS_CA_FILE), *path = hq_option_text(o, HQ_OPT_TLS_CA_PATH);
  if (!*file && !*path) return trust_system(t, err);
  heroq_status status = *file ? must_be_there("tls_ca_file", file, false, err) : HEROQ_OK;
  if (!status && *path) status = must_be_there("tls_ca_path", path, true, err);
  if (status) return status;
  if (*file && !SSL_CTX_load_verify_locations(t->ctx, file, NULL)) return bad_file("tls_ca_file", file, err);
  if (*path && !SSL_CTX_load_verify_locations(t->ctx, NULL, path)) return bad_file("tls_ca_path", path, err);
  return HEROQ_OK;
}

/* A key with a passphrase would make OpenSSL ask for it on the terminal. */
static int no_passphrase(char *out, int size, int writing, void *asked) {
  (void)out;
  (void)size;
  (void)writing;
  *(bool *)asked = true;
  return -1;
}

static heroq_status present(hq_tls *t, const heroq_options *o, heroq_error *err) {
  const char *cert = hq_option_text(o, HQ_OPT_TLS_CERT), *key = hq_option_text(o, HQ_OPT_TLS_KEY);
  bool asked = false;
  if (!*cert && !*key) return HEROQ_OK;
  if (!*cert || !*key)
    return hq_fail(err, HEROQ_E_OPTION, "%s is set without %s: a client certificate takes both (they may be one file)",
                   *cert ? "tls_cert" : "tls_key", *cert ? "tls_key" : "tls_cert");
  heroq_status status = must_be_there("tls_cert", cert, false, err);
  if (!status) status = must_be_there("tls_key", key, false, err);
  if (status) return status;
  SSL_CTX_set_default_passwd_cb(t->ctx, no_passphrase);
  SSL_CTX_set_default_passwd_cb_userdata(t->ctx, &asked);
  if (SSL_CTX_use_certificate_chain_file(t->ctx, cert) != 1)
    status = bad_file("tls_cert", cert, err);
  else if (SSL_CTX_use_PrivateKey_file(t->ctx, key, SSL_FILETYPE_PEM) != 1)
    status = asked ? hq_fail(err, HEROQ_E_OPTION, "tls_key=\"%.200s\": it has a passphrase, which it may not have", key)
                   : bad_file("tls_key", key, err);
  SSL_CTX_set_default_passwd_cb_userdata(t->ctx, NULL);
  t->has_certificate = true;
  ERR_clear_error();
  return status;
}

/* The host without the zone of an address and the dot of the root, neither of which a certificate has. */
static char *name_of(const heroq_options *o, const char *host) {
  const char *given = hq_option_text(o, HQ_OPT_TLS_SERVER_NAME);
  const char *name = *given ? given : host;
  size_t n = strcspn(name, "%");
  if (n > 1 && name[n - 1] == '.') n--;
  return hq_strndup(name, n);
}

static heroq_status verify(hq_tls *t, const heroq_options *o, heroq_error *err) {
  X509_VERIFY_PARAM *param = SSL_CTX_get0_param(t->ctx);
  t->name_is_address = X509_VERIFY_PARAM_set1_ip_asc(param, t->name) == 1;
  ERR_clear_error();
  if (hq_option_int(o, HQ_OPT_TLS_INSECURE_SKIP_VERIFY)) {
    SSL_CTX_set_verify(t->ctx, SSL_VERIFY_NONE, NULL);
    return HEROQ_OK;
  }
  SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER, NULL);
  X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (!t->name_is_address && !X509_VERIFY_PARAM_set1_host(param, t->name, 0)) return hq_fail_nomem(err);
  return trust(t, o, err);
}

static void destroy(hq_tls *t) {
  if (!enter()) return;
  SSL_CTX_free(t->ctx);
  BIO_meth_free(t->method);
  free(t->name);
  free(t);
  leave();
}

static heroq_status fill(hq_tls *t, const heroq_options *o, const char *host, heroq_error *err) {
  t->ctx = SSL_CTX_new(TLS_client_method());
  t->method = make_method();
  t->name = name_of(o, host);
  if (!t->ctx || !t->method || !t->name || !SSL_CTX_set_min_proto_version(t->ctx, TLS1_2_VERSION))
    return hq_fail_nomem(err);
  SSL_CTX_set_options(t->ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_mode(t->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_AUTO_RETRY);
  heroq_status status = verify(t, o, err);
  return status ? status : present(t, o, err);
}

heroq_status hq_tls_new(const heroq_options *options, const char *host, const char *where, hq_tls **out,
                        heroq_error *err) {
  (void)where;
  *out = NULL;
  hq_tls *t = calloc(1, sizeof *t);
  if (!t) return hq_fail_nomem(err);
  if (!start() || !enter()) {
    free(t);
    return hq_fail(err, HEROQ_E_INTERNAL, "OpenSSL does not start");
  }
  atomic_init(&t->refs, 1);
  t->pid = getpid();
  heroq_status status = fill(t, options, host, err);
  ERR_clear_error();
  leave();
  if (status)
    destroy(t);
  else
    *out = t;
  return status;
}

hq_tls *hq_tls_ref(hq_tls *t) {
  if (t) atomic_fetch_add(&t->refs, 1);
  return t;
}

void hq_tls_unref(hq_tls *t) {
  if (t && t->pid == getpid() && atomic_fetch_sub(&t->refs, 1) == 1) destroy(t);
}

/* ---- one connection ---- */

hq_tls_link *hq_tls_open(hq_tls *t, int fd) {
  hq_tls_link *l = calloc(1, sizeof *l);
  if (!l || !enter()) {
    free(l);
    return NULL;
  }
  l->tls = hq_tls_ref(t);
  l->fd = fd;
  l->ssl = SSL_new(t->ctx);
  BIO *bio = l->ssl ? BIO_new(t->method) : NULL;
  if (bio) {
    BIO_set_data(bio, l);
    BIO_set_init(bio, 1);
    SSL_set_bio(l->ssl, bio, bio);
    SSL_set_connect_state(l->ssl);
  }
  bool done = bio && (t->name_is_address || SSL_set_tlsext_host_name(l->ssl, t->name));
  ERR_clear_error();
  leave();
  if (done) return l;
  hq_tls_close(l);
  return NULL;
}

void hq_tls_close(hq_tls_link *l) {
  if (!l || l->tls->pid != getpid() || !enter()) return;
  SSL_free(l->ssl);
  leave();
  hq_buf_free(&l->out);
  hq_tls_unref(l->tls);
  free(l);
}

static bool begin(hq_tls_link *l) {
  l->sys_errno = 0;
  l->reason = 0;
  if (!enter()) return false;
  ERR_clear_error(); /* SSL_get_error takes what lies there for ours */
  return true;
}

static ssize_t went(ssize_t n) {
  leave();
  return n;
}

/* The end of a call that did not go through: what it means in the words of a socket. */
static ssize_t stopped(hq_tls_link *l, int did) {
  int why = SSL_get_error(l->ssl, did);
  bool waits = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
  l->must_read = why == SSL_ERROR_WANT_READ;
  unsigned long reason = take_reason(ERR_peek_error);
  long verdict = SSL_get_verify_result(l->ssl);
  leave();
  if (!waits && (why == SSL_ERROR_ZERO_RETURN || l->eof)) return 0;
  if (!waits && !l->sys_errno) {
    l->reason = reason;
    l->verdict = verdict;
  }
  errno = waits ? EAGAIN : l->sys_errno ? l->sys_errno : EPROTO;
  return -1;
}

int hq_tls_flush(hq_tls_link *l) {
  while (l->out_at < l->out.n) {
    ssize_t did = hq_socket_send(l->fd, l->out.p + l->out_at, l->out.n - l->out_at);
    if (did < 0) return -1;
    l->out_at += (size_t)did;
    l->moved = true;
  }
  l->out.n = l->out_at = 0;
  return 0;
}

ssize_t hq_tls_handshake(hq_tls_link *l) {
  if (!begin(l)) return -1;
  int did = SSL_do_handshake(l->ssl);
  return did == 1 ? went(1) : stopped(l, did);
}

ssize_t hq_tls_send(hq_tls_link *l, const void *data, size_t n) {
  size_t did = 0;
  l->must_read = false;
  if (hq_tls_flush(l) || !begin(l)) return -1;
  return SSL_write_ex(l->ssl, data, n, &did) ? went((ssize_t)did) : stopped(l, 0);
}

ssize_t hq_tls_recv(hq_tls_link *l, void *data, size_t n) {
  size_t did = 0;
  if (!begin(l)) return -1;
  ssize_t result = SSL_read_ex(l->ssl, data, n, &did) ? went((ssize_t)did) : stopped(l, 0);
  l->must_read = false; /* sending may go on now */
  return result;
}

short hq_tls_events(const hq_tls_link *l, bool more) {
  return l->out.n || (more && !l->must_read) ? POLLIN | POLLOUT : POLLIN;
}

bool hq_tls_moved(hq_tls_link *l) {
  bool moved = l->moved;
  l->moved = false;
  return moved;
}

int hq_tls_quiet(hq_tls_link *l) {
  char byte;
  size_t did;
  if (hq_socket_quiet(l->fd)) return 1;
  if (!begin(l)) return 0;
  /* it may be a ticket or a new key, which is for OpenSSL alone */
  ssize_t n = SSL_peek_ex(l->ssl, &byte, 1, &did) ? went(1) : stopped(l, 0);
  return n < 0 && errno == EAGAIN;
}

/* ---- what went wrong ---- */

static void refused_certificate(const hq_tls_link *l, const char *where, heroq_error *err) {
  switch (l->verdict) {
  case X509_V_ERR_HOSTNAME_MISMATCH:
  case X509_V_ERR_IP_ADDRESS_MISMATCH:
    hq_fail(err, HEROQ_E_TLS, "%s is not trusted: its certificate is not for \"%.100s\"", where, l->tls->name);
    return;
  case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
  case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
  case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
  case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
  case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    hq_fail(err, HEROQ_E_TLS, "%s is not trusted: its certificate: %s (tls_ca_file names the CAs to trust)", where,
            X509_verify_cert_error_string(l->verdict));
    return;
  default:
    hq_fail(err, HEROQ_E_TLS, "%s is not trusted: its certificate: %s", where,
            X509_verify_cert_error_string(l->verdict));
  }
}

/* The server has given up, by an alert. */
static void refused_by_server(const hq_tls_link *l, const char *where, int alert, heroq_error *err) {
  const char *hint = "";
  bool of_certificates = alert == SSL_AD_HANDSHAKE_FAILURE || alert == SSL_AD_BAD_CERTIFICATE ||
                         alert == SSL_AD_CERTIFICATE_UNKNOWN || alert == SSL_AD_CERTIFICATE_REQUIRED;
  if (of_certificates && !l->tls->has_certificate) hint = " (does it want a client certificate, tls_cert and tls_key?)";
  const char *text = alert == SSL_AD_CERTIFICATE_REQUIRED ? "certificate required" : SSL_alert_desc_string_long(alert);
  hq_fail(err, HEROQ_E_TLS, "%s refused the TLS connection: %s%s", where, text, hint);
}

bool hq_tls_fault(const hq_tls_link *l, const char *where, heroq_error *err) {
  int reason = ERR_GET_REASON(l->reason);
  if (!l->reason) return false;
  if (out_of_memory(l->reason))
    hq_fail_nomem(err);
  else if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED && l->verdict != X509_V_OK)
    refused_certificate(l, where, err);
  else if (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_PACKET_LENGTH_TOO_LONG)
    hq_fail(err, HEROQ_E_PROTOCOL, "%s does not speak TLS (redis:// is for servers without)", where);
  else if (reason > SSL_AD_REASON_OFFSET && reason <= SSL_AD_REASON_OFFSET + 255)
    refused_by_server(l, where, reason - SSL_AD_REASON_OFFSET, err);
  else {
    const char *text = ERR_reason_error_string(l->reason);
    hq_fail(err, HEROQ_E_TLS, "TLS with %s failed: %s", where, text ? text : "no reason given");
  }
  return true;
}
