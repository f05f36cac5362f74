/* One connection to one server, non-blocking, pipelined. conn.c is the only file that knows hiredis (its reader).
 *
 * A batch is a pipeline: commands are appended to it, a connection sends it whole and collects one reply a command. One
 * batch at a time is on a connection. Whoever owns the connection polls its descriptor and calls hq_conn_drive; the
 * synchronous way is hq_client_exchange (client_private.h). */
#ifndef HQ_CONN_H
#define HQ_CONN_H
#include <heroq/call.h>

#include "buf.h"
#include "endpoint.h"

extern const char hq_hiredis_version[];

/* ---- replies: plain data in the batch's arena, valid until the batch is reset ---- */
enum hq_reply_type { HQ_NIL = 0, HQ_INT, HQ_STRING, HQ_STATUS, HQ_ERROR, HQ_ARRAY };
typedef struct hq_reply {
  int32_t type;
  uint32_t count; /* HQ_ARRAY: elements */
  union {
    int64_t integer;          /* HQ_INT */
    hq_slice str;             /* HQ_STRING, HQ_STATUS, HQ_ERROR; NUL-terminated as well */
    struct hq_reply *element; /* HQ_ARRAY */
  };
} hq_reply;
/* All take NULL, and what is not of the kind gives the default: wire data is never trusted. */
int64_t hq_reply_int(const hq_reply *r, int64_t otherwise); /* HQ_INT, or a string that is a whole number */
hq_slice hq_reply_str(const hq_reply *r);                   /* HQ_STRING or HQ_STATUS; else HQ_SLICE_NONE */
const hq_reply *hq_reply_at(const hq_reply *r, uint32_t i); /* element i of an array, NULL if there is none */
uint32_t hq_reply_count(const hq_reply *r);
bool hq_reply_is_error(const hq_reply *r, const char *word); /* an error whose first word is `word`; NULL: any error */
/* Fills err from a server's error: the code by its first word (NOAUTH/WRONGPASS → E_AUTH, NOPERM → E_DENIED, WRONGTYPE →
 * E_WRONG_TYPE, LOADING READONLY OOM BUSY MASTERDOWN NOREPLICAS CLUSTERDOWN TRYAGAIN MOVED ASK UNBLOCKED → E_UNAVAILABLE
 * and retryable, else E_SERVER), the text "<what>: <the server's words>" (what: the key or the operation). Returns the
 * code; HEROQ_OK if r is no error. */
heroq_status hq_reply_to_error(const hq_reply *r, const char *what, heroq_error *err);

/* ---- batches ---- */
typedef struct hq_arena hq_arena;
typedef struct hq_command {
  size_t at;             /* where it begins in the batch's text */
  int16_t script;        /* index of the script it calls, -1 = plain command */
  const hq_reply *reply; /* NULL: unanswered */
} hq_command;
typedef struct hq_batch {
  hq_buf text; /* RESP of all commands */
  hq_command *command;
  uint32_t count, cap;
  uint32_t answered;
  hq_arena *arena;
  bool failed; /* no memory */
} hq_batch;
void hq_batch_init(hq_batch *b);
void hq_batch_reset(hq_batch *b); /* empties it, keeps the memory (but gives back what a huge value took) */
void hq_batch_free(hq_batch *b);
/* Begins a command of argc arguments; argc hq_batch_arg_* calls follow. `script` as in hq_command: with a script >= 0 the
 * arguments begin after the sha (hq_batch_script writes EVALSHA, sha and numkeys itself; see scripts.h). */
void hq_batch_begin(hq_batch *b, uint32_t argc, int script);
void hq_batch_arg(hq_batch *b, const void *data, size_t n);
void hq_batch_text_arg(hq_batch *b, const char *text);
void hq_batch_slice(hq_batch *b, hq_slice s);
void hq_batch_int(hq_batch *b, int64_t v);
/* A whole plain command of text arguments, ended by NULL. */
void hq_batch_words(hq_batch *b, ...) __attribute__((sentinel));
const hq_reply *hq_batch_reply(const hq_batch *b, uint32_t i); /* NULL if unanswered */

/* ---- connections ---- */
typedef struct hq_conn hq_conn;
enum hq_conn_state {
  HQ_CONN_CONNECTING = 1, /* TCP, TLS, then AUTH, SELECT, CLIENT SETNAME */
  HQ_CONN_IDLE,           /* ready for a batch */
  HQ_CONN_BUSY,           /* a batch is under way */
  HQ_CONN_BROKEN          /* of no more use: hq_conn_error says why, close it */
};
/* Starts to connect; never blocks but for name look-up. NULL only without memory. The endpoint is copied by reference:
 * it must outlive the connection. `name` is for CLIENT SETNAME. connect must be done by `deadline`, or it breaks. */
hq_conn *hq_conn_open(const hq_endpoint *endpoint, const char *name, int64_t deadline);
/* From now on the deadline of a batch is put off to `ms` after the last bytes that came or went: what is large takes long
 * on a slow line, and would be begun anew for ever. */
void hq_conn_allow(hq_conn *c, int64_t ms);
void hq_conn_close(hq_conn *c); /* takes NULL; after fork it only closes the descriptor */
int hq_conn_state(const hq_conn *c);
int hq_conn_fd(const hq_conn *c);       /* -1 when broken */
short hq_conn_events(const hq_conn *c); /* POLLIN and/or POLLOUT: what to poll for */
int64_t
hq_conn_deadline(const hq_conn *c); /* when hq_conn_drive must be called at the latest (connect or read deadline) */
int64_t hq_conn_client_id(const hq_conn *c); /* CLIENT ID, 0 if unknown */
/* Sends a batch on an idle connection; the batch stays the caller's and must live until the state is no longer BUSY.
 * `deadline` (monotonic ms): silence until then breaks the connection. NOSCRIPT is healed inside: the script is loaded
 * and the command sent again. */
void hq_conn_send(hq_conn *c, hq_batch *b, int64_t deadline);
/* Does what the descriptor allows now; after it look at the state: IDLE = every command has its reply; BROKEN = those
 * without a reply are unknown (or not sent at all: see hq_conn_sent). */
void hq_conn_drive(hq_conn *c, short revents);
/* Whether any byte of the current batch was given to the kernel. */
bool hq_conn_sent(const hq_conn *c);
/* 0 if the server has closed the idle connection meanwhile. */
bool hq_conn_alive(hq_conn *c);
/* Shuts the writing side down, so that a blocked command is dropped by the server and cannot fire later. */
void hq_conn_half_close(hq_conn *c);
/* Why it broke: fills err (E_CONNECTION, E_AUTH, E_PROTOCOL, E_TIMEOUT, …), which names the address, never a secret. */
heroq_status hq_conn_error(const hq_conn *c, heroq_error *err);
#endif
