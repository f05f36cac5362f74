/* The crash simulator of a test build (CMake's HEROQ_FAILPOINTS): the process kills itself behind a command that the server
 * has carried out, with nothing of what follows sent. In other builds there is nothing of it. */
#ifndef HQ_FAILPOINT_H
#define HQ_FAILPOINT_H
#include "conn.h"

#ifdef HEROQ_FAILPOINTS
/* Sleeps, where it is told to. How many commands of the batch are to be sent before the process ends; 0: all, and it lives on. */
uint32_t hq_failpoint(const hq_batch *b);
void hq_failpoint_die(void);
#else
static inline uint32_t hq_failpoint(const hq_batch *b) { return (void)b, 0; }
static inline void hq_failpoint_die(void) {}
#endif
#endif
