/* A connection over TLS, step by step, with a peer of OpenSSL's own that does what no server does on demand. */
#include "support.h"

#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "conn.h"
#include "options_private.h"
#include "tls.h"

enum { LARGE_VALUE = 8 << 20, ROUNDS = 100 };

/* ---- a certificate for localhost that signs itself ---- */

static char cert_path[] = "/tmp/heroq-tls-XXXXXX";
static EVP_PKEY *key;
static X509 *cert;

static void make_certificate(void) {
  X509V3_CTX v3;
  EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
  assert_int_equal(1, EVP_PKEY_keygen_init(ctx));
  assert_int_equal(1, EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, NID_X9_62_prime256v1));
  assert_int_equal(1, EVP_PKEY_keygen(ctx, &key));
  EVP_PKEY_CTX_free(ctx);
  cert = X509_new();
  X509_set_version(cert, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
  X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
  X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
  X509_set_pubkey(cert, key);
  X509_NAME *name = X509_get_subject_name(cert);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
  X509_set_issuer_name(cert, name);
  X509V3_set_ctx(&v3, cert, cert, NULL, NULL, 0);
  X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, &v3, NID_subject_alt_name, "DNS:localhost");
  assert_int_equal(1, X509_add_ext(cert, names, -1));
  X509_EXTENSION_free(names);
  assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
  FILE *file = fdopen(mkstemp(cert_path), "w");
  assert_int_equal(1, PEM_write_X509(file, cert));
  fclose(file);
}

/* ---- the peer: one connection after the other, each batch answered by what `answer` does ---- */

typedef struct peer {
  int fd, port;
  SSL_CTX *ctx;
  void (*answer)(SSL *ssl, const char *text, size_t n);
  pthread_t thread;
} peer;

static void say(SSL *ssl, const char *text) { SSL_write(ssl, text, (int)strlen(text)); }

static void *run_peer(void *arg) {
  peer *p = arg;
  static char text[65536];
  sigset_t pipe; /* this side writes with write() */
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, NULL);
  for (int fd; (fd = accept(p->fd, NULL, NULL)) >= 0;) {
    SSL *ssl = SSL_new(p->ctx);
    int n = 0;
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1 && SSL_read(ssl, text, sizeof text) > 0) {
      say(ssl, "*0\r\n"); /* to HELLO */
      while ((n = SSL_read(ssl, text, sizeof text)) > 0) p->answer(ssl, text, (size_t)n);
    }
    SSL_free(ssl);
    close(fd);
  }
  return NULL;
}

static peer the_peer;
static heroq_options *options;
static hq_endpoint endpoint;
static hq_conn *conn;
static heroq_error err;

static void listen_at(peer *p) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t n = sizeof a;
  p->fd = socket(AF_INET, SOCK_STREAM, 0);
  assert_int_equal(0, bind(p->fd, (struct sockaddr *)&a, n));
  assert_int_equal(0, listen(p->fd, 4));
  assert_int_equal(0, getsockname(p->fd, (struct sockaddr *)&a, &n));
  p->port = ntohs(a.sin_port);
}

static void wait_for_peer(void) {
  struct pollfd p = {.fd = hq_conn_fd(conn), .events = hq_conn_events(conn)};
  int n = poll(&p, 1, 10000);
  if (n != 1) fail_msg("nothing came for 10 s, state %d", hq_conn_state(conn));
  hq_conn_drive(conn, p.revents);
}

static void start(void (*answer)(SSL *ssl, const char *text, size_t n), int version) {
  char url[256];
  peer *p = &the_peer;
  *p = (peer){.answer = answer, .ctx = SSL_CTX_new(TLS_server_method())};
  SSL_CTX_set_max_proto_version(p->ctx, version);
  assert_int_equal(1, SSL_CTX_use_certificate(p->ctx, cert));
  assert_int_equal(1, SSL_CTX_use_PrivateKey(p->ctx, key));
  listen_at(p);
  assert_int_equal(0, pthread_create(&p->thread, NULL, run_peer, p));
  snprintf(url, sizeof url, "rediss://localhost:%d?tls_ca_file=%s", p->port, cert_path);
  assert_ok(heroq_options_new(&options, NULL), NULL);
  assert_ok(hq_endpoint_parse(url, options, &endpoint, &err), &err);
  assert_ok(hq_endpoint_secure(&endpoint, NULL, options, &err), &err);
  conn = hq_conn_open(&endpoint, "test", hq_deadline(hq_mono_ms(), 10000));
  while (hq_conn_state(conn) == HQ_CONN_CONNECTING) wait_for_peer();
  hq_conn_error(conn, &err);
  if (hq_conn_state(conn) != HQ_CONN_IDLE) fail_msg("%s", err.text);
}

static int stop(void **state) {
  (void)state;
  hq_conn_close(conn);
  hq_endpoint_free(&endpoint);
  heroq_options_free(options);
  shutdown(the_peer.fd, SHUT_RDWR);
  close(the_peer.fd);
  pthread_join(the_peer.thread, NULL);
  SSL_CTX_free(the_peer.ctx);
  return 0;
}

/* A command with an argument of so many bytes; whether it was answered. */
static bool ask(size_t size) {
  hq_batch b;
  char *value = calloc(1, size + 1);
  memset(value, 'x', size);
  hq_batch_init(&b);
  hq_batch_words(&b, "PING", value, NULL);
  free(value);
  hq_conn_send(conn, &b, hq_deadline(hq_mono_ms(), 30000));
  while (hq_conn_state(conn) == HQ_CONN_BUSY) wait_for_peer();
  bool answered = hq_batch_reply(&b, 0) != NULL;
  hq_batch_free(&b);
  return answered;
}

/* ---- what the peers do ---- */

static void new_keys_then_answer(SSL *ssl, const char *text, size_t n) {
  (void)text;
  (void)n;
  SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED);
  say(ssl, "+PONG\r\n");
  SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED);
  SSL_do_handshake(ssl); /* behind the answer: it comes to an idle connection */
}

/* Asks for new keys while the other side cannot send, and only then reads on. */
static void new_keys_meanwhile(SSL *ssl, const char *text, size_t n) {
  static size_t got;
  (void)text;
  for (int i = 0; got == 0 && i < 10; i++) {
    SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED);
    SSL_do_handshake(ssl);
    test_sleep_ms(2); /* so that the buffers are full, now and then */
  }
  got += n;
  if (got < LARGE_VALUE) return;
  got = 0;
  say(ssl, "+PONG\r\n");
}

static void renegotiate(SSL *ssl, const char *text, size_t n) {
  (void)text;
  (void)n;
  SSL_renegotiate(ssl);
  SSL_do_handshake(ssl);
  say(ssl, "+PONG\r\n");
}

static void reset(SSL *ssl, const char *text, size_t n) {
  const struct linger hard = {.l_onoff = 1};
  (void)text;
  (void)n;
  setsockopt(SSL_get_fd(ssl), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  shutdown(SSL_get_fd(ssl), SHUT_RDWR);
}

static void large_answer(SSL *ssl, const char *text, size_t n) {
  static char value[LARGE_VALUE];
  (void)text;
  (void)n;
  say(ssl, "$8388608\r\n");
  memset(value, 'y', sizeof value);
  SSL_write(ssl, value, sizeof value);
  say(ssl, "\r\n");
}

/* ---- tests ---- */

static void new_keys_are_taken(void **state) {
  (void)state;
  start(new_keys_then_answer, TLS1_3_VERSION);
  for (int i = 0; i < ROUNDS; i++) {
    assert_true(ask(10));
    assert_true(hq_conn_alive(conn)); /* whatever of it has come */
  }
}

static void new_keys_are_given_while_a_large_value_goes(void **state) {
  (void)state;
  start(new_keys_meanwhile, TLS1_3_VERSION);
  for (int i = 0; i < 3; i++) assert_true(ask(LARGE_VALUE));
}

static void a_large_answer_comes_whole(void **state) {
  (void)state;
  start(large_answer, TLS1_3_VERSION);
  for (int i = 0; i < 3; i++) assert_true(ask(10));
}

static void no_renegotiation(void **state) {
  (void)state;
  start(renegotiate, TLS1_2_VERSION);
  for (int i = 0; i < ROUNDS && hq_conn_state(conn) == HQ_CONN_IDLE; i++) ask(10);
  assert_int_equal(HQ_CONN_BROKEN, hq_conn_state(conn));
  assert_int_equal(HEROQ_E_CONNECTION, hq_conn_error(conn, &err));
  assert_true(err.flags & HEROQ_RETRYABLE);
}

static void a_reset_raises_no_signal(void **state) {
  (void)state;
  start(reset, TLS1_3_VERSION);
  ask(LARGE_VALUE);
  assert_int_equal(HQ_CONN_BROKEN, hq_conn_state(conn));
  assert_int_equal(HEROQ_E_CONNECTION, hq_conn_error(conn, &err));
}

static void a_closed_connection_is_not_alive(void **state) {
  (void)state;
  start(renegotiate, TLS1_3_VERSION);
  assert_true(hq_conn_alive(conn));
  hq_conn_half_close(conn); /* the peer closes when it has read the end */
  test_until(!hq_conn_alive(conn), 10000);
}

/* ---- a handshake that does not end ---- */

typedef struct quiet {
  int fd;
  heroq_call *call;
} quiet;

static void *cancel_at_hello(void *arg) {
  quiet *q = arg;
  char bytes[4096];
  int one = accept(q->fd, NULL, NULL);
  if (recv(one, bytes, sizeof bytes, 0) > 0) heroq_call_cancel(q->call);
  while (recv(one, bytes, sizeof bytes, 0) > 0) {
  }
  close(one);
  return NULL;
}

static void a_handshake_can_be_cancelled(void **state) {
  heroq_client *client;
  pthread_t thread;
  char url[256];
  quiet q;
  peer p;
  (void)state;
  listen_at(&p);
  q.fd = p.fd;
  assert_ok(heroq_call_new(&q.call, &err), &err);
  assert_int_equal(0, pthread_create(&thread, NULL, cancel_at_hello, &q));
  snprintf(url, sizeof url, "rediss://localhost:%d?tls_ca_file=%s&connect_timeout=30s", p.port, cert_path);
  int64_t began = test_now_ms();
  assert_status(HEROQ_E_CANCELLED, heroq_client_open(url, NULL, &client, q.call, &err), &err);
  assert_true(test_now_ms() - began < 10000);
  pthread_join(thread, NULL);
  heroq_call_free(q.call);
  close(p.fd);
}

static void authorities_are_found_where_the_system_has_them(void **state) {
  (void)state;
  assert_null(hq_tls_bundle(cert_path, "/nonexistent"));
  assert_null(hq_tls_bundle("/nonexistent", "/tmp"));
  const char *found = hq_tls_bundle("/nonexistent", "/nonexistent");
  assert_non_null(found); /* pip would find nothing either without them */
  assert_int_equal(0, access(found, R_OK));
}

static int setup(void **state) {
  (void)state;
  make_certificate();
  return 0;
}

static int teardown(void **state) {
  (void)state;
  unlink(cert_path);
  X509_free(cert);
  EVP_PKEY_free(key);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(new_keys_are_taken, stop),
      cmocka_unit_test_teardown(new_keys_are_given_while_a_large_value_goes, stop),
      cmocka_unit_test_teardown(a_large_answer_comes_whole, stop),
      cmocka_unit_test_teardown(no_renegotiation, stop),
      cmocka_unit_test_teardown(a_reset_raises_no_signal, stop),
      cmocka_unit_test_teardown(a_closed_connection_is_not_alive, stop),
      cmocka_unit_test(a_handshake_can_be_cancelled),
      cmocka_unit_test(authorities_are_found_where_the_system_has_them),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
