/* One connection. The only file with hiredis: of it, the reader. Sockets are socket.c's, TLS between them tls.c's. */
#include "conn.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena.h"
#include "clock.h"
#include "errors.h"
#include "failpoint.h"
#include "scripts.h"
#include "socket.h"
#include "tls.h"

const char hq_hiredis_version[] = HQ_VERSION_TEXT(HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH);

#if defined(HIREDIS_MAJOR) && HIREDIS_MAJOR >= 1
typedef size_t reader_count;
#else
typedef int reader_count;
#endif

#define READ_PIECE 65536
#define READ_PIECES 16          /* a turn, so that one connection cannot keep its thread */
#define MAX_ELEMENTS (1u << 22) /* a hostile header must not make us reserve gigabytes */
#define MAX_REPLY_BYTES (((size_t)1) << 30)
#define MIN_VERSION 60200
#define HEAL_ROUNDS 8
#define LARGE (1u << 16) /* a batch that may lie for long in the system's buffer */

enum phase { TCP, SECURING, HANDSHAKE, READY };
#define TLS_ALERT 0x15 /* the first byte of what a TLS server says to one who does not speak it */

struct hq_conn {
  const hq_endpoint *endpoint;
  char name[64];
  pid_t pid;
  int fd, state;
  enum phase phase;
  hq_tls_link *tls; /* NULL: none */
  uint64_t dev, ino;
  hq_address *addresses;
  int address, address_count;
  int64_t connect_deadline, try_deadline, deadline;
  int64_t allowance; /* 0: the deadline stands */
  int unsent;        /* what the system still held back when the deadline was put off */
  redisReader *reader;
  size_t unanswered_bytes; /* fed since the last whole reply */
  hq_batch handshake, heal;
  uint32_t *heal_of; /* heal command i (after the loads) stands for this command of the batch */
  uint32_t heal_loads, heal_round;
  hq_batch *batch;  /* the caller's, while BUSY */
  hq_batch *active; /* whose replies come now: handshake, batch or heal */
  size_t written;
  bool sent;
  bool too_large; /* the peer announced more than a reply may hold */
  bool wants_tls; /* the peer answered the plain handshake by an alert */
  uint32_t dies;  /* failpoint: the process ends when so many commands are answered */
  int64_t client_id;
  int32_t version;
  heroq_error error;
};

/* ---- the reader's objects are ours ---- */

static hq_reply *place(const redisReadTask *task, int type) {
  hq_reply *r;
  if (task->parent)
    r = &((hq_reply *)task->parent->obj)->element[task->idx];
  else {
    struct hq_conn *c = task->privdata;
    /* replies of a healing round belong to the batch that it heals */
    hq_batch *owner = c->active == &c->heal ? c->batch : c->active;
    r = owner ? hq_arena_take(&owner->arena, sizeof *r) : NULL;
  }
  if (r) *r = (hq_reply){.type = type};
  return r;
}

static void *make_string(const redisReadTask *task, char *str, size_t n) {
  struct hq_conn *c = task->privdata;
  hq_batch *owner = c->active == &c->heal ? c->batch : c->active;
  hq_reply *r = place(task, task->type == REDIS_REPLY_ERROR    ? HQ_ERROR
                            : task->type == REDIS_REPLY_STATUS ? HQ_STATUS
                                                               : HQ_STRING);
  char *copy = r ? hq_arena_take(&owner->arena, n + 1) : NULL;
  if (!copy) return NULL;
  memcpy(copy, str, n);
  copy[n] = 0;
  r->str = (hq_slice){copy, n};
  return r;
}

static void *make_array(const redisReadTask *task, reader_count count) {
  struct hq_conn *c = task->privdata;
  hq_batch *owner = c->active == &c->heal ? c->batch : c->active;
  c->too_large = (uint64_t)count > MAX_ELEMENTS;
  if (c->too_large) return NULL;
  hq_reply *r = place(task, HQ_ARRAY);
  if (!r) return NULL;
  size_t bytes = (size_t)count * sizeof *r;
  if (count && !(r->element = hq_arena_take(&owner->arena, bytes))) return NULL;
  if (count) memset(r->element, 0, bytes);
  r->count = (uint32_t)count;
  return r;
}

static void *make_integer(const redisReadTask *task, long long v) {
  hq_reply *r = place(task, HQ_INT);
  if (r) r->integer = v;
  return r;
}

static void *make_nil(const redisReadTask *task) { return place(task, HQ_NIL); }

#if HIREDIS_MAJOR >= 1
/* Nobody asked for RESP3, but a peer may send it; where a function is missing, hiredis makes up a pointer. */
static void *make_double(const redisReadTask *task, double v, char *str, size_t n) {
  (void)v;
  return make_string(task, str, n);
}

static void *make_bool(const redisReadTask *task, int v) { return make_integer(task, v); }
#endif

static void free_nothing(void *object) { (void)object; } /* the arena has it */

static redisReplyObjectFunctions reader_functions = {
    .createString = make_string,
    .createArray = make_array,
    .createInteger = make_integer,
    .createNil = make_nil,
#if HIREDIS_MAJOR >= 1
    .createDouble = make_double,
    .createBool = make_bool,
#endif
    .freeObject = free_nothing,
};

/* ---- how it breaks ---- */

static void close_fd(hq_conn *c) {
  struct stat st;
  hq_tls_close(c->tls);
  c->tls = NULL;
  if (c->fd < 0) return;
  /* somebody may have closed our number and opened another file under it (after fork, daemonize) */
  if (fstat(c->fd, &st) == 0 && (uint64_t)st.st_dev == c->dev && (uint64_t)st.st_ino == c->ino) close(c->fd);
  c->fd = -1;
}

/* It broke while commands were being sent again: that the server did not have their script is no longer their answer. */
static void forget_refusals(hq_conn *c) {
  for (uint32_t i = c->heal_loads; i < c->heal.count; i++) {
    const hq_reply *r = c->heal.command[i].reply;
    c->batch->command[c->heal_of[i - c->heal_loads]].reply = hq_reply_is_error(r, "NOSCRIPT") ? NULL : r;
  }
}

static void broken(hq_conn *c) {
  if (c->batch && c->active == &c->heal) forget_refusals(c);
  c->state = HQ_CONN_BROKEN;
  c->batch = c->active = NULL;
  close_fd(c);
}

static void lost(hq_conn *c, int sys_errno) {
  const char *where = c->endpoint->shown;
  if (c->tls && hq_tls_fault(c->tls, where, &c->error)) {
    /* once it worked, another connection may as well */
    if (c->phase == READY && c->error.code != HEROQ_E_NOMEM)
      hq_fail(&c->error, HEROQ_E_CONNECTION, "connection lost: %s", c->error.text);
    broken(c);
    return;
  }
  const char *hint = "";
  if (c->phase == HANDSHAKE && c->endpoint->host && !c->handshake.answered)
    hint = c->tls ? " before it answered (does it want a client certificate, tls_cert and tls_key?)"
                  : " before it answered (if it speaks TLS, rediss:// is the URL for it)";
  if (c->phase == TCP)
    hq_fail_errno(&c->error, HEROQ_E_CONNECTION, sys_errno, "cannot connect to %s", where);
  else if (sys_errno)
    hq_fail_errno(&c->error, HEROQ_E_CONNECTION, sys_errno, "connection to %s lost%s", where, hint);
  else
    hq_fail(&c->error, HEROQ_E_CONNECTION, "%s closed the connection%s", where, hint);
  broken(c);
}

/* ---- connecting ---- */

static void try_address(hq_conn *c) {
  int saved = ECONNREFUSED;
  while (c->address < c->address_count) {
    struct stat st;
    c->fd = hq_socket_connect(c->addresses, c->address++);
    if (c->fd < 0) {
      saved = errno;
      continue;
    }
    if (fstat(c->fd, &st) == 0) {
      c->dev = (uint64_t)st.st_dev;
      c->ino = (uint64_t)st.st_ino;
    }
    /* what is left of the time is shared by the addresses that are left */
    int64_t now = hq_mono_ms(), left = c->connect_deadline - now;
    int shares = c->address_count - c->address + 1;
    c->try_deadline = c->connect_deadline == HQ_NEVER ? HQ_NEVER : now + left / shares;
    return;
  }
  lost(c, saved);
}

static void begin_handshake(hq_conn *c) {
  const hq_endpoint *e = c->endpoint;
  hq_batch *b = &c->handshake;
  c->phase = HANDSHAKE;
  if (e->password && e->user)
    hq_batch_words(b, "AUTH", e->user, e->password, NULL);
  else if (e->password)
    hq_batch_words(b, "AUTH", e->password, NULL);
  hq_batch_words(b, "HELLO", "2", "SETNAME", c->name, NULL);
  if (e->db) {
    hq_batch_begin(b, 2, -1);
    hq_batch_text_arg(b, "SELECT");
    hq_batch_int(b, e->db);
  }
  if (b->failed || b->text.failed) {
    hq_fail_nomem(&c->error);
    broken(c);
    return;
  }
  c->active = b;
  c->written = 0;
}

/* Nothing of the login is sent before the server has proved who it is. */
static void secure(hq_conn *c) {
  ssize_t did = hq_tls_handshake(c->tls);
  if (did > 0)
    begin_handshake(c);
  else if (did == 0) {
    hq_fail(&c->error, HEROQ_E_CONNECTION, "%s closed the connection in the TLS handshake", c->endpoint->shown);
    broken(c);
  } else if (errno != EAGAIN)
    lost(c, errno);
}

static void connected(hq_conn *c) {
  if (!c->endpoint->tls) {
    begin_handshake(c);
    return;
  }
  c->phase = SECURING;
  c->tls = hq_tls_open(c->endpoint->tls_shared, c->fd);
  if (c->tls)
    secure(c);
  else {
    hq_fail_nomem(&c->error);
    broken(c);
  }
}

static int32_t parse_version(const char *text) {
  int major = 0, minor = 0, patch = 0;
  if (sscanf(text, "%5d.%5d.%5d", &major, &minor, &patch) < 2) return 0;
  return (int32_t)(major * 10000 + minor * 100 + patch);
}

static void read_hello(hq_conn *c, const hq_reply *hello) {
  for (uint32_t i = 0; i + 1 < hq_reply_count(hello); i += 2) {
    hq_slice name = hq_reply_str(hq_reply_at(hello, i));
    const hq_reply *value = hq_reply_at(hello, i + 1);
    if (hq_slice_is(name, "id")) c->client_id = hq_reply_int(value, 0);
    if (hq_slice_is(name, "version") && hq_reply_str(value).p) c->version = parse_version(hq_reply_str(value).p);
  }
}

static void end_handshake(hq_conn *c) {
  const hq_endpoint *e = c->endpoint;
  uint32_t i = 0;
  const hq_reply *auth = e->password ? hq_batch_reply(&c->handshake, i++) : NULL;
  const hq_reply *hello = hq_batch_reply(&c->handshake, i++);
  const hq_reply *select = e->db ? hq_batch_reply(&c->handshake, i) : NULL;
  if (auth && hq_reply_to_error(auth, e->shown, &c->error)) {
    /* the server's words may repeat what was sent: they are not shown */
    if (c->error.code == HEROQ_E_AUTH || c->error.code == HEROQ_E_SERVER)
      hq_fail(&c->error, HEROQ_E_AUTH, "%s refused the %s", e->shown, e->user ? "user or the password" : "password");
    broken(c);
    return;
  }
  if (hq_reply_is_error(hello, "NOPERM"))
    c->version = 0; /* a minimal user: the version stays unknown */
  else if (hq_reply_is_error(hello, "NOAUTH")) {
    hq_fail(&c->error, HEROQ_E_AUTH, "%s wants a password and none was given", e->shown);
    broken(c);
    return;
  } else if (hq_reply_to_error(hello, e->shown, &c->error)) {
    broken(c);
    return;
  } else
    read_hello(c, hello);
  if (select && hq_reply_to_error(select, e->shown, &c->error)) {
    broken(c);
    return;
  }
  if (c->version && c->version < MIN_VERSION) {
    hq_fail(&c->error, HEROQ_E_UNSUPPORTED, "%s runs version %d.%d; heroq needs Redis 6.2 or Valkey 7.2, or newer",
            e->shown, (int)c->version / 10000, (int)c->version / 100 % 100);
    broken(c);
    return;
  }
  hq_batch_free(&c->handshake);
  c->phase = READY;
  c->active = NULL;
  c->deadline = HQ_NEVER;
  c->state = HQ_CONN_IDLE;
}

hq_conn *hq_conn_open(const hq_endpoint *endpoint, const char *name, int64_t deadline) {
  hq_conn *c = calloc(1, sizeof *c);
  if (!c) return NULL;
  c->endpoint = endpoint;
  c->pid = getpid();
  c->fd = -1;
  c->state = HQ_CONN_CONNECTING;
  c->connect_deadline = deadline;
  c->deadline = HQ_NEVER;
  strncpy(c->name, name, sizeof c->name - 1);
  c->reader = redisReaderCreateWithFunctions(&reader_functions);
  if (!c->reader) {
    free(c);
    return NULL;
  }
  c->reader->privdata = c;
  c->reader->maxbuf = 1 << 20;
  int rc = hq_address_resolve(endpoint, &c->addresses, &c->address_count);
  if (rc == EAI_MEMORY) {
    hq_fail_nomem(&c->error);
    broken(c);
    return c;
  }
  if (rc) {
    hq_fail(&c->error, HEROQ_E_CONNECTION, "cannot find %s: %s", endpoint->shown, gai_strerror(rc));
    broken(c);
    return c;
  }
  try_address(c);
  return c;
}

void hq_conn_close(hq_conn *c) {
  if (!c) return;
  close_fd(c);
  hq_address_free(c->addresses);
  redisReaderFree(c->reader);
  hq_batch_free(&c->handshake);
  hq_batch_free(&c->heal);
  free(c->heal_of);
  free(c);
}

/* ---- what its owner asks ---- */

int hq_conn_state(const hq_conn *c) { return c->state; }
int hq_conn_fd(const hq_conn *c) { return c->fd; }
bool hq_conn_sent(const hq_conn *c) { return c->sent; }
int64_t hq_conn_client_id(const hq_conn *c) { return c->client_id; }
bool hq_conn_alive(hq_conn *c) {
  return c->state == HQ_CONN_IDLE && (c->tls ? hq_tls_quiet(c->tls) : hq_socket_quiet(c->fd));
}

short hq_conn_events(const hq_conn *c) {
  if (c->fd < 0) return 0;
  if (c->phase == TCP) return POLLOUT;
  bool more = c->active && c->written < c->active->text.n;
  if (c->tls) return hq_tls_events(c->tls, more);
  return (short)(more ? POLLIN | POLLOUT : POLLIN);
}

int64_t hq_conn_deadline(const hq_conn *c) {
  if (c->state == HQ_CONN_CONNECTING) return c->phase == TCP ? c->try_deadline : c->connect_deadline;
  return c->state == HQ_CONN_BUSY ? c->deadline : HQ_NEVER;
}

heroq_status hq_conn_error(const hq_conn *c, heroq_error *err) {
  hq_error_copy(err, &c->error);
  return c->error.code;
}

void hq_conn_half_close(hq_conn *c) {
  if (c->fd >= 0) shutdown(c->fd, SHUT_WR);
}

/* ---- the pipeline ---- */

void hq_conn_allow(hq_conn *c, int64_t ms) { c->allowance = ms; }

static void progress(hq_conn *c) {
  if (!c->allowance || c->state != HQ_CONN_BUSY) return;
  int64_t until = hq_deadline(hq_mono_ms(), c->allowance);
  if (until > c->deadline) c->deadline = until;
}

/* Of a record that is on its way nothing is known before it is whole, but that its bytes move. */
static void tls_progress(hq_conn *c) {
  if (c->tls && hq_tls_moved(c->tls)) progress(c);
}

/* All is written, as far as this machine is concerned; the line may still be busy with it. */
static bool still_sends(hq_conn *c) {
  if (!c->unsent || c->state != HQ_CONN_BUSY) return false;
  int unsent = hq_socket_unsent(c->fd);
  if (unsent >= c->unsent) return false;
  c->unsent = unsent;
  progress(c);
  return true;
}

/* A server that refuses a client's certificate tells why, and may have closed before the login is sent. */
static void send_failed(hq_conn *c, int sys_errno) {
  char byte;
  if (c->tls && c->phase == HANDSHAKE) hq_tls_recv(c->tls, &byte, 1);
  lost(c, sys_errno);
}

static void write_some(hq_conn *c) {
  const hq_buf *text = &c->active->text;
  while (c->written < text->n) {
    const char *next = text->p + c->written;
    size_t left = text->n - c->written;
    ssize_t did = c->tls ? hq_tls_send(c->tls, next, left) : hq_socket_send(c->fd, next, left);
    if (did < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
      send_failed(c, errno);
      return;
    }
    if (did < 0) break;
    c->written += (size_t)did;
    progress(c);
    if (c->active != &c->handshake) c->sent = true;
  }
  tls_progress(c);
  c->unsent = c->allowance && text->n >= LARGE ? hq_socket_unsent(c->fd) : 0;
}

static void activate(hq_conn *c, hq_batch *b) {
  c->active = b;
  c->written = 0;
  write_some(c);
}

/* After a whole batch: commands whose script the server did not have are sent again behind a SCRIPT LOAD. */
static bool begin_heal(hq_conn *c) {
  hq_batch *b = c->batch, *h = &c->heal;
  uint32_t n = 0;
  bool loaded[HQ_SCRIPT_COUNT] = {false};
  for (uint32_t i = 0; i < b->count; i++)
    if (b->command[i].script >= 0 && hq_reply_is_error(b->command[i].reply, "NOSCRIPT")) n++;
  if (!n || c->heal_round++ >= HEAL_ROUNDS) return false;
  uint32_t *of = realloc(c->heal_of, n * sizeof *of);
  if (!of) return false;
  c->heal_of = of;
  hq_batch_reset(h);
  for (uint32_t i = 0; i < b->count; i++) {
    int script = b->command[i].script;
    if (script < 0 || loaded[script] || !hq_reply_is_error(b->command[i].reply, "NOSCRIPT")) continue;
    const hq_script_source *source = hq_script(script);
    hq_batch_begin(h, 3, -1);
    hq_batch_text_arg(h, "SCRIPT");
    hq_batch_text_arg(h, "LOAD");
    hq_batch_arg(h, source->body, source->size);
    loaded[script] = true;
  }
  c->heal_loads = h->count;
  n = 0;
  for (uint32_t i = 0; i < b->count; i++) {
    if (b->command[i].script < 0 || !hq_reply_is_error(b->command[i].reply, "NOSCRIPT")) continue;
    size_t end = i + 1 < b->count ? b->command[i + 1].at : b->text.n;
    hq_batch_begin(h, 0, b->command[i].script);
    if (h->failed) return false;
    h->text.n = h->command[h->count - 1].at; /* the whole command, header included, is copied */
    hq_buf_add(&h->text, b->text.p + b->command[i].at, end - b->command[i].at);
    of[n++] = i;
  }
  return !h->failed && !h->text.failed;
}

/* Where a script could not be loaded, the reason why is the answer. */
static void take_healed(hq_conn *c) {
  const hq_reply *refused = NULL;
  for (uint32_t i = 0; i < c->heal_loads && !refused; i++)
    if (hq_reply_is_error(c->heal.command[i].reply, NULL)) refused = c->heal.command[i].reply;
  for (uint32_t i = c->heal_loads; i < c->heal.count; i++) {
    const hq_reply *r = c->heal.command[i].reply;
    if (refused && hq_reply_is_error(r, "NOSCRIPT")) r = refused;
    c->batch->command[c->heal_of[i - c->heal_loads]].reply = r;
  }
}

static void batch_done(hq_conn *c) {
  if (c->active == &c->heal) take_healed(c);
  if (begin_heal(c)) {
    activate(c, &c->heal);
    return;
  }
  if (c->dies) hq_failpoint_die();
  c->state = HQ_CONN_IDLE;
  c->batch = c->active = NULL;
  c->deadline = HQ_NEVER;
}

static void take_reply(hq_conn *c, const hq_reply *r) {
  if (!c->active) { /* the last words of a server that closes: max clients, a client kill, an error before a close */
    if (hq_reply_to_error(r, c->endpoint->shown, &c->error) == HEROQ_OK)
      hq_fail(&c->error, HEROQ_E_PROTOCOL, "%s sent a reply that nobody asked for", c->endpoint->shown);
    broken(c);
    return;
  }
  hq_batch *b = c->active;
  b->command[b->answered++].reply = r;
  c->unanswered_bytes = 0;
  if (b->answered < b->count) return;
  if (b == &c->handshake)
    end_handshake(c);
  else
    batch_done(c);
}

/* The reader has given up: the peer's nonsense, or our want of memory. */
static void reader_failed(hq_conn *c) {
  if (c->wants_tls)
    hq_fail(&c->error, HEROQ_E_PROTOCOL, "%s speaks TLS: rediss:// is the URL for it", c->endpoint->shown);
  else if (c->too_large || c->unanswered_bytes > MAX_REPLY_BYTES)
    hq_fail(&c->error, HEROQ_E_PROTOCOL, "%s sends more than a reply may hold", c->endpoint->shown);
  else if (!c->active) /* there was no place for it */
    hq_fail(&c->error, HEROQ_E_PROTOCOL, "%s sent a reply that nobody asked for", c->endpoint->shown);
  else if (c->reader->err == REDIS_ERR_OOM)
    hq_fail_nomem(&c->error);
  else
    hq_fail(&c->error, HEROQ_E_PROTOCOL, "%s does not speak the Redis protocol: %s", c->endpoint->shown,
            c->reader->errstr);
  broken(c);
}

static void parse(hq_conn *c) {
  while (c->state != HQ_CONN_BROKEN) {
    void *reply = NULL;
    if (redisReaderGetReply(c->reader, &reply) != REDIS_OK) {
      reader_failed(c);
      return;
    }
    if (!reply) return;
    take_reply(c, reply);
  }
}

/* The first reply to a handshake may be the reason why the server closes (too many clients, protected mode). */
static void closed_by_server(hq_conn *c, int sys_errno) {
  const hq_reply *first = c->phase == HANDSHAKE ? hq_batch_reply(&c->handshake, 0) : NULL;
  if (first && first->type == HQ_ERROR) {
    hq_reply_to_error(first, c->endpoint->shown, &c->error);
    broken(c);
  } else
    lost(c, sys_errno);
}

static void read_some(hq_conn *c) {
  char piece[READ_PIECE];
  size_t size = c->tls ? HQ_TLS_RECORD : sizeof piece;
  for (int i = 0; i < READ_PIECES && c->state != HQ_CONN_BROKEN; i++) {
    ssize_t did = c->tls ? hq_tls_recv(c->tls, piece, size) : hq_socket_recv(c->fd, piece, size);
    if (did <= 0) {
      tls_progress(c);
      if (did == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) closed_by_server(c, did ? errno : 0);
      return;
    }
    progress(c);
    c->wants_tls = c->phase == HANDSHAKE && !c->tls && piece[0] == TLS_ALERT;
    c->unanswered_bytes += (size_t)did;
    if (c->unanswered_bytes > MAX_REPLY_BYTES || redisReaderFeed(c->reader, piece, (size_t)did) != REDIS_OK) {
      reader_failed(c);
      return;
    }
    parse(c);
    if ((size_t)did < size) return;
  }
}

static void too_late(hq_conn *c) {
  if (still_sends(c)) return;
  if (c->state == HQ_CONN_BUSY) {
    hq_fail(&c->error, HEROQ_E_TIMEOUT, "no answer from %s", c->endpoint->shown);
    broken(c);
  } else if (c->phase == TCP && c->address < c->address_count && hq_mono_ms() < c->connect_deadline) {
    close_fd(c);
    try_address(c);
  } else {
    const char *doing = c->phase == SECURING ? "in the TLS handshake (does it speak TLS?)" : "while connecting";
    hq_fail(&c->error, HEROQ_E_CONNECTION, "no answer from %s %s", c->endpoint->shown, doing);
    broken(c);
  }
}

void hq_conn_send(hq_conn *c, hq_batch *b, int64_t deadline) {
  c->sent = false;
  c->heal_round = 0;
  c->unanswered_bytes = 0;
  if (b->failed || b->text.failed) {
    hq_fail_nomem(&c->error);
    broken(c);
    return;
  }
  if (!b->count) return;
  for (uint32_t i = 0; b->answered && i < b->count; i++) b->command[i].reply = NULL; /* it was sent before */
  b->answered = 0;
  c->dies = hq_failpoint(b);
  if (c->dies && c->dies < b->count) {
    b->text.n = b->command[c->dies].at;
    b->count = c->dies;
  }
  c->state = HQ_CONN_BUSY;
  c->batch = b;
  c->deadline = deadline;
  activate(c, b);
}

void hq_conn_drive(hq_conn *c, short revents) {
  if (c->state == HQ_CONN_BROKEN) return;
  if (c->tls && hq_tls_flush(c->tls) && errno != EAGAIN && errno != EWOULDBLOCK) {
    send_failed(c, errno);
    return;
  }
  if (c->phase == TCP) {
    if (revents & (POLLOUT | POLLERR | POLLHUP)) {
      int error = hq_socket_error(c->fd);
      if (!error)
        connected(c);
      else if (c->address < c->address_count) {
        close_fd(c);
        try_address(c);
        return;
      } else {
        lost(c, error);
        return;
      }
    }
  } else if (c->phase == SECURING && revents)
    secure(c);
  if (c->phase >= HANDSHAKE && c->active && c->written < c->active->text.n) write_some(c);
  if (c->state != HQ_CONN_BROKEN && c->phase >= HANDSHAKE && (revents & (POLLIN | POLLERR | POLLHUP))) read_some(c);
  if (c->state != HQ_CONN_BROKEN && hq_mono_ms() >= hq_conn_deadline(c)) too_late(c);
}
