/* The doctor's checks, and how they say what they found. */
#ifndef HQ_DOCTOR_PRIVATE_H
#define HQ_DOCTOR_PRIVATE_H
#include <heroq/doctor.h>

#include "doctor_findings.h"
#include "inspect.h"

enum hq_doctor_fix { HQ_FIX_NO = 0, HQ_FIX_PLAN, HQ_FIX_YES }; /* as the choices of the option `fix` */

enum { HQ_DOCTOR_UNREAPED = 60000 }; /* ms that nobody looked after a queue, and that are too long */

/* A job that has not ended for long: what its hash says, and what was found out about it. */
typedef struct hq_suspect {
  const char *key, *id; /* into the names */
  int state;
  bool has_token, found, in_dead, not_searched;
  bool told;   /* another check has said what is wrong with it */
  int64_t age; /* -1 unknown */
  char token[200], queue[420], type[129];
} hq_suspect;

typedef struct hq_doctor {
  hq_errand errand;
  const char *url; /* without secrets */
  int fix;
  hq_batch info_batch;
  hq_slice info;   /* INFO; p NULL: the user may not ask */
  hq_names queues; /* found by the check of the queues, as are their numbers */
  hq_numbers *numbers;
  hq_names jobs; /* of which the suspects are */
  hq_suspect *suspect;
  uint32_t suspects;
  int16_t saves; /* whether the server writes snapshots; -1 unknown, as the next two */
  int64_t idle_timeout, min_replicas;
  size_t check;                                            /* the one under way */
  int32_t findings;                                        /* of the one under way */
  int32_t shown[HQ_FINDING_TOTAL], more[HQ_FINDING_TOTAL]; /* of each: rows, and those without one */
  int32_t weight[4];                                       /* how many of each severity that are not mended */
  int32_t mended;
  bool refused; /* that was told */
  heroq_record *checks;
} hq_doctor;

/* `found` and `mend` are finished texts; bytes that are not for people's eyes are escaped here. */
void hq_doctor_add(hq_doctor *d, enum hq_finding finding, const char *subject, const char *found, const char *mend);
/* Once: the server is there, and refuses. */
void hq_doctor_add_refused(hq_doctor *d, const heroq_error *why);

/* What came of a repair. */
typedef struct hq_repair {
  char said[300];
  bool done; /* the finding is no more */
} hq_repair;
typedef heroq_status (*hq_repair_run)(hq_doctor *d, const void *what, hq_repair *out, heroq_error *err);
/* The same for what can be mended without losing a job or running it twice: `run` does it, if that is asked for. */
heroq_status hq_doctor_add_mended(hq_doctor *d, enum hq_finding finding, const char *subject, const char *found,
                                  const char *mend, const char *would, hq_repair_run run, const void *what,
                                  heroq_error *err);
/* Waits, so that what was only on its way is not taken for a fault. */
heroq_status hq_doctor_pause(hq_doctor *d, int64_t ms, heroq_error *err);
/* "3 h", "20 s": a length of time for people. */
const char *hq_doctor_span(int64_t ms, char out[24]);
/* A wire id or key as one word of a shell command that is safe to paste, whatever a stranger has put into it. */
const char *hq_doctor_word(const char *s, char out[320]);
/* The command that starts an actor of the queue's type. */
void hq_doctor_mend_by_actor(char *out, size_t cap, const char *queue_key);
void hq_doctor_copy(char *out, size_t cap, hq_slice s);
/* A repair: promotes what is due and reaps, as any actor of the queue would. `what` is the queue's key. */
heroq_status hq_doctor_tend(hq_doctor *d, const void *what, hq_repair *out, heroq_error *err);

/* Checks: HEROQ_OK after any number of findings; an error if they could not look. */
heroq_status hq_check_client(hq_doctor *d, heroq_error *err);
heroq_status hq_check_server(hq_doctor *d, heroq_error *err);
heroq_status hq_check_config(hq_doctor *d, heroq_error *err);
heroq_status hq_check_version(hq_doctor *d, heroq_error *err);
heroq_status hq_check_role(hq_doctor *d, heroq_error *err);
heroq_status hq_check_cluster(hq_doctor *d, heroq_error *err);
heroq_status hq_check_eviction(hq_doctor *d, heroq_error *err);
heroq_status hq_check_memory(hq_doctor *d, heroq_error *err);
heroq_status hq_check_persistence(hq_doctor *d, heroq_error *err);
heroq_status hq_check_replication(hq_doctor *d, heroq_error *err);
heroq_status hq_check_clock(hq_doctor *d, heroq_error *err);
heroq_status hq_check_latency(hq_doctor *d, heroq_error *err);
heroq_status hq_check_connections(hq_doctor *d, heroq_error *err);
heroq_status hq_check_rights(hq_doctor *d, heroq_error *err);
heroq_status hq_check_queues(hq_doctor *d, heroq_error *err);
heroq_status hq_check_paused(hq_doctor *d, heroq_error *err);
heroq_status hq_check_consumers(hq_doctor *d, heroq_error *err);
heroq_status hq_check_script_types(hq_doctor *d, heroq_error *err);
heroq_status hq_check_dead(hq_doctor *d, heroq_error *err);
heroq_status hq_check_delayed(hq_doctor *d, heroq_error *err);
heroq_status hq_check_leases(hq_doctor *d, heroq_error *err);
heroq_status hq_check_handoff(hq_doctor *d, heroq_error *err);
heroq_status hq_check_hashes(hq_doctor *d, heroq_error *err);
heroq_status hq_check_await(hq_doctor *d, heroq_error *err);
heroq_status hq_check_jobs(hq_doctor *d, heroq_error *err);
heroq_status hq_check_replies(hq_doctor *d, heroq_error *err);
#endif
