/* The Lua scripts of lua/, embedded at build time with their SHA-1. The list is the one place that names them. */
#ifndef HQ_SCRIPTS_H
#define HQ_SCRIPTS_H
#include "conn.h"

/* clang-format off */
#define HQ_SCRIPT_LIST(X) \
  X(TAKE, take) X(BEAT, beat) X(MINE, mine) X(DONE, done) X(RETRY, retry) X(BURY, bury) \
  X(PROMOTE, promote) X(REAP, reap) X(INTENT, intent) X(INTENTS, intents) X(PUSH, push) X(PUSH_AGAIN, push_again) X(SEEN, seen) \
  X(REPLY, reply) X(CREATE, create) X(PLACE, place) X(CLAIM, claim) X(KILL, kill) X(FINISH, finish) X(FINISH_REPLY, finish_reply) X(FAIL, fail) \
  X(UNCLAIM, unclaim) X(CANCEL, cancel) X(DELETE, delete) X(REQUEUE, requeue) X(AWAIT, await) \
  X(SETTLE, settle) X(START, start) X(RESULT, result) X(STOP, stop) X(CTL, ctl) X(MARK, mark) X(NOTE, note) \
  X(TALLY, tally) X(ENDED, ended) X(INDEX, index) X(FILE, file) X(RIGHTS, rights)
/* clang-format on */
enum hq_script {
#define HQ_SCRIPT_ENUM(upper, file) HQ_SCRIPT_##upper,
  HQ_SCRIPT_LIST(HQ_SCRIPT_ENUM)
#undef HQ_SCRIPT_ENUM
      HQ_SCRIPT_COUNT
};
typedef struct hq_script_source {
  const char *name; /* "take" */
  const char *body;
  size_t size;
  const char *sha1; /* 40 hex digits */
} hq_script_source;
const hq_script_source *hq_script(int script);
/* Begins EVALSHA sha nkeys; nkeys + nargs hq_batch_arg_* calls follow. */
void hq_batch_script(hq_batch *b, int script, uint32_t nkeys, uint32_t nargs);
#endif
