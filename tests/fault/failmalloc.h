/* Memory that runs out at a chosen allocation, of whichever thread and library. Compiled into a program its malloc comes
 * before the C library's; with FAILMALLOC_WRAP it stands between the program and a sanitizer (-Wl,--wrap=malloc …). */
#ifndef FAILMALLOC_H
#define FAILMALLOC_H

/* The k-th allocation from now on fails, and `times` - 1 after it; k = 0: none does any more. */
void failmalloc_arm(long k, long times);
/* How many failed since memory began to run out. */
long failmalloc_failed(void);
/* Blocks that are allocated and not freed; 0 for ever where a sanitizer looks after that. */
long failmalloc_live(void);

#endif
