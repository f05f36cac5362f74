/* What happened in the background of a client: kept in a ring, or written to stderr until somebody asks. Counted
 * references, because the client's engine thread may outlive the client. */
#ifndef HQ_EVENTS_H
#define HQ_EVENTS_H
#include <heroq/client.h>
#include <stdarg.h>

#include "options_private.h"

typedef struct hq_events hq_events;
hq_events *hq_events_new(const heroq_options *options); /* NULL: no memory */
void hq_events_ref(hq_events *e);
void hq_events_unref(hq_events *e);
void hq_events_close(hq_events *e);
void hq_events_vadd(hq_events *e, int level, heroq_status status, const char *format, va_list args)
    __attribute__((format(printf, 4, 0)));
void hq_events_add(hq_events *e, int level, heroq_status status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
heroq_status hq_events_next(hq_events *e, int64_t timeout_ms, heroq_record **out, heroq_call *call, heroq_error *err);
int32_t hq_events_fd(hq_events *e);
#endif
