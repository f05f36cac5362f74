/* Tends queues for the await engine, on a thread of its own with pooled connections: a server that does not answer must not
 * delay the timers of ten thousand awaits. */
#ifndef HQ_LONELY_H
#define HQ_LONELY_H
#include "client_private.h"

typedef struct hq_lonely hq_lonely;
hq_lonely *hq_lonely_start(void); /* NULL: no thread or no memory */
/* Hands a queue over; the client is referenced until it is done. */
void hq_lonely_tend(hq_lonely *l, heroq_client *c, const char *queue_key);
void hq_lonely_stop(hq_lonely *l); /* returns at once, the thread frees it; takes NULL */
#endif
