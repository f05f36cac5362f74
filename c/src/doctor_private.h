/* The doctor's checks, and how they say what they found. */
#ifndef HQ_DOCTOR_PRIVATE_H
#define HQ_DOCTOR_PRIVATE_H
#include <heroq/doctor.h>

#include "inspect.h"

/* In the order of their weight. */
enum hq_severity { HQ_SEV_OK = 0, HQ_SEV_UNKNOWN, HQ_SEV_WARNING, HQ_SEV_ERROR };

typedef struct hq_doctor {
  hq_errand errand;
  const char *url;      /* without secrets */
  heroq_record *server; /* heroq_client_server_info; NULL: the user may not ask */
  hq_names queues;      /* found by the check of the queues, as are their numbers */
  hq_numbers *numbers;
  const char *check; /* the one under way */
  int32_t findings;  /* of the one under way */
  int worst;
  heroq_record *checks;
} hq_doctor;

/* `found` and `mend` are finished texts; bytes that are not for people's eyes are escaped here. */
void hq_doctor_add(hq_doctor *d, int severity, const char *subject, const char *found, const char *means,
                   const char *mend);
/* Waits, so that what was only on its way is not taken for a fault. */
heroq_status hq_doctor_pause(hq_doctor *d, int64_t ms, heroq_error *err);
/* "3 h", "20 s": a length of time for people. */
const char *hq_doctor_span(int64_t ms, char out[24]);

/* A wire id or key as one word of a shell command that is safe to paste, whatever a stranger has put into it. */
const char *hq_doctor_word(const char *s, char out[320]);

/* Checks: HEROQ_OK after any number of findings; an error if they could not look. */
heroq_status hq_check_paused(hq_doctor *d, heroq_error *err);
heroq_status hq_check_consumers(hq_doctor *d, heroq_error *err);
heroq_status hq_check_script_types(hq_doctor *d, heroq_error *err);
heroq_status hq_check_leases(hq_doctor *d, heroq_error *err);
heroq_status hq_check_handoff(hq_doctor *d, heroq_error *err);
heroq_status hq_check_jobs(hq_doctor *d, heroq_error *err);
heroq_status hq_check_replies(hq_doctor *d, heroq_error *err);
#endif
