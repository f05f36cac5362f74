/* A life that can be closed while others wait inside it, and what a wait that brought nothing answers. */
#ifndef HQ_CLOSING_H
#define HQ_CLOSING_H
#include "life.h"
#include "wait.h"

typedef struct hq_closing {
  hq_life life;
  hq_notice notice; /* readable from close on: whoever waits polls it too */
} hq_closing;
int hq_closing_init(hq_closing *c);   /* 0, or an errno */
bool hq_closing_close(hq_closing *c); /* true for the first one */
void hq_closing_free(hq_closing *c);

/* After hq_waitq_wait or hq_wait_fd brought nothing: HEROQ_OK at the end of the caller's own time, E_TIMEOUT at the end of
 * the call's, E_CANCELLED, E_INTERNAL. `what`: "a job", "an event". */
heroq_status hq_nothing_came(heroq_status waited, int64_t timeout_ms, const heroq_call *call, const char *what,
                             heroq_error *err);
#endif
