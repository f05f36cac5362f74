/* Time and chance. */
#ifndef HQ_CLOCK_H
#define HQ_CLOCK_H
#include <stdint.h>

#include "buf.h"

#define HQ_NEVER INT64_MAX
int64_t hq_mono_ms(void); /* for deadlines */
int64_t hq_mono_us(void);
int64_t hq_wall_ms(void); /* Unix time, for what people read */
/* now + timeout_ms without overflow; HQ_NEVER for a negative timeout. */
int64_t hq_deadline(int64_t now, int64_t timeout_ms);
uint64_t hq_random(void);                                     /* from the kernel; safe after fork */
int64_t hq_jitter(int64_t ms);                                /* ms * U(0.75, 1.25) */
int64_t hq_backoff(int64_t *step, int64_t base, int64_t max); /* doubles *step from base to max, jittered */
void hq_rfc3339(int64_t wall_ms, char out[32]);               /* 2026-11-24T08:00:00.123Z */
void hq_uuid7(char out[37]);
int64_t hq_time_of_uuid7(hq_slice id);             /* the Unix ms in it; 0: it is none */
int64_t hq_time_of_rfc3339(hq_slice text);         /* 0: it is none */
int64_t hq_time_of(hq_slice rfc3339, hq_slice id); /* of the text, else of the id, else 0 */
#endif
