/* What the system says of this process. */
#ifndef HQ_PROCESS_H
#define HQ_PROCESS_H
#include <stdint.h>

int64_t hq_resident_bytes(void); /* memory in use, 0: unknown */
#endif
