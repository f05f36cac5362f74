/* What the parts of the program share: the way to the server, clocks, and how a figure is told. */
#ifndef SCALE_H
#define SCALE_H
#include <heroq/heroq.h>
#include <hiredis/hiredis.h>

#define QUEUE "hero:q:work:type:scale"
#define PATIENCE 60000 /* ms for what must come */

extern heroq_error err;

void must(heroq_status status);
void fail(const char *text);
double now(void); /* CLOCK_MONOTONIC, the same in every process */
double cpu(void); /* of this process, seconds */
void print_figure(const char *name, double value);
void print_quantiles(const char *name, double *values,
                     int n); /* seconds, told in ms as <name>_p50 and _p99; sorts them */

heroq_client *open_client(void);
heroq_actor *open_actor(heroq_client *client);
redisContext *open_bare(void);
double ask_info(redisContext *bare, const char *section, const char *field); /* a number of INFO */
double ask_server_cpu(redisContext *bare);                                   /* seconds */

void fill(int n, size_t size);
void drain(int n, int threads);
void echo(int n, size_t size);
void idle(int n, double seconds);
void capacity(int n);
void load(double rate, int n);
void hop(int n);
#endif
