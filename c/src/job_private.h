/* The job's inside. job.c keeps the value; wire.c turns it into fields and back; the engine hangs `taken` onto it. */
#ifndef HQ_JOB_PRIVATE_H
#define HQ_JOB_PRIVATE_H
#include <heroq/job.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "buf.h"

/* Fields with a slot of their own, in the order of the wire. */
/* clang-format off */
#define HQ_FIELD_LIST(X) \
  X(JOB_ID, "jobId") X(SCRIPT, "script") X(SCRIPT_TYPE, "script_type") X(CALLER_ID, "callerId") \
  X(CONTEXT_ID, "contextId") X(STATUS, "status") X(TIMEOUT, "timeout") X(RETRIES, "retries") \
  X(CONCURRENT, "concurrent") X(LOG_PATH, "log_path") X(ENV_VARS, "env_vars") \
  X(PREREQUISITES, "prerequisites") X(DEPENDENTS, "dependents") X(CREATED_AT, "createdAt") \
  X(UPDATED_AT, "updatedAt") X(OUTPUT, "output") X(ERROR, "error") X(HQ_TTL, "hq_ttl") \
  X(HQ_HEADERS, "hq_headers") X(HQ_TAGS, "hq_tags") X(HQ_REPLY_TO, "hq_reply_to")
/* clang-format on */
enum hq_field {
#define HQ_FIELD_ENUM(ident, name) HQ_F_##ident,
  HQ_FIELD_LIST(HQ_FIELD_ENUM)
#undef HQ_FIELD_ENUM
      HQ_F_COUNT
};
extern const char *const hq_field_name[HQ_F_COUNT];

/* What the actor's engine does for a job that it gave out. job.c calls it, so that it needs no engine to link. */
typedef struct hq_taken_ops {
  void (*dropped)(void *taken); /* the last reference to the job is freed; the engine frees `taken` */
} hq_taken_ops;

struct heroq_job {
  atomic_int refs;
  atomic_bool frozen;
  bool id_given;              /* the caller chose the id: creating is guarded */
  bool canonical_status;      /* `status` text below is one of the canonical ones */
  hq_slice field[HQ_F_COUNT]; /* NUL-terminated, behind the struct or in `pieces`; NULL: not there */
  struct hq_extra *extra;     /* foreign fields, in order */
  uint32_t extra_count, extra_cap;
  char status[28];   /* lower case, "" if none */
  int64_t delay, at; /* start options, not stored */
  int64_t expires;   /* from when it is stored; 0: never */
  bool urgent;
  const char *group, *instance; /* where it is to be queued; NULL: the type's queue */
  int64_t attempt, token;       /* of a taken job */
  int64_t due;                  /* the same: since when it waited, Unix ms, 0 = not known */
  void *taken;
  const hq_taken_ops *taken_ops;
  /* All memory of values that were set later. Nothing is given back before the job is: what getters returned stays
   * valid when a field is set again. */
  _Atomic(struct hq_piece *) pieces;
  _Atomic(struct hq_header *) headers; /* those that were asked for */
};
typedef struct hq_extra {
  const char *name;
  hq_slice value;
} hq_extra;

/* A job with one reference and room for `size` bytes of fields, each with a NUL, which hq_job_place fills. NULL: no
 * memory. */
heroq_job *hq_job_alloc(size_t size, char **room);
void hq_job_place(heroq_job *job, int field, hq_slice value, char **room);
int hq_field_find(hq_slice name);                                        /* hq_field, or -1 */
void hq_job_see_status(heroq_job *job);                                  /* after the field HQ_F_STATUS was set */
bool hq_job_waits(const heroq_job *job);                                 /* it has prerequisites */
void hq_job_first_status(heroq_job *job);                                /* the status that a new hash gets */
bool hq_job_add_extra(heroq_job *job, const char *name, hq_slice value); /* a name it has not yet; false: no memory */
/* Sets a field of any name after checking it; heroq's own fields (status, output, hq_…) too. */
heroq_status hq_job_set(heroq_job *job, const char *name, hq_slice value, heroq_error *err);
#define HQ_DEFAULT_TTL "86400000"

void hq_job_ref(heroq_job *job);
void hq_job_freeze(heroq_job *job);
hq_slice hq_job_slice(const heroq_job *job, int field);
/* The key of the queue that the job is to be put into (of its type, group, instance), into `key`. */
heroq_status hq_job_queue_key(const heroq_job *job, hq_buf *key, heroq_error *err);

/* ---- the state table ---- */
enum hq_state {
  HQ_S_UNKNOWN = 0,
  HQ_S_WAITING,
  HQ_S_DISPATCHED,
  HQ_S_STARTED,
  HQ_S_STOPPING,
  HQ_S_FINISHED,
  HQ_S_ERROR
};
int hq_state_parse(hq_slice status); /* case does not matter */
const char *hq_state_name(int state);
bool hq_state_terminal(int state);
bool hq_state_may_follow(int from, int to);

/* ---- a list of jobs ---- */
struct heroq_jobs {
  heroq_job **job;
  heroq_status *status;
  int32_t count, cap;
};
#endif
