/** @file client.h
 *  @brief The way to one server, or set of servers. */
#ifndef HEROQ_CLIENT_H
#define HEROQ_CLIENT_H

#include "call.h"
#include "options.h"

HEROQ_BEGIN_DECLS

/** Connects once (password, version) within `connect_timeout` and answers the error if that fails; `connect=lazy`
 *  puts it off to the first use, `connect=wait` keeps trying.
 *  URLs: redis://[user[:password]@]host[:port][/db][?option=value&…], unix:///path/to.sock[?db=0], rediss://… (TLS:
 *  the server's certificate and its name are checked; options tls_*); NULL or "" is HEROQ_URL, else redis://localhost:6379/0. One handle serves all threads: a small pool is inside.
 *  Needs `options` only during the call (NULL: defaults and HEROQ_* variables). */
HEROQ_API heroq_status heroq_client_open(const char *url, const heroq_options *options, heroq_client **out,
                                         heroq_call *call, heroq_error *err);
/** After fork, in the child: a client like `old`, with connections of its own. */
HEROQ_API heroq_status heroq_client_reopen(const heroq_client *old, heroq_client **out, heroq_call *call,
                                           heroq_error *err);
/** Round trip in microseconds, into *out (may be NULL). */
HEROQ_API heroq_status heroq_client_ping(heroq_client *self, int64_t *out, heroq_call *call, heroq_error *err);
/** server (redis, valkey), version, url (without secrets), role, used_memory, maxmemory_policy, connected_clients, … */
HEROQ_API heroq_status heroq_client_server_info(heroq_client *self, heroq_record **out, heroq_call *call,
                                                heroq_error *err);
/** What happened in the background: reconnects, refused passwords, dropped results. level (info, warning, error),
 *  time, status, text, dropped. Until the first call of this or of event_fd warnings and errors go to stderr, one line a
 *  second at most (option `log`). *out is NULL if nothing came in time; HEROQ_E_CLOSED is the end. */
HEROQ_API heroq_status heroq_client_next_event(heroq_client *self, int64_t timeout_ms, heroq_record **out,
                                               heroq_call *call, heroq_error *err);
/** Readable while next_event(0) would answer something. -1 if descriptors ran out. The library's: poll it only. */
HEROQ_API int32_t heroq_client_event_fd(heroq_client *self);
/** Closes what was opened from it too, and wakes whoever waits. Any thread, any time, more than once. It does not wait:
 *  results that are not acknowledged yet may be lost, and their jobs run again; call heroq_actor_close first. */
HEROQ_API void heroq_client_close(heroq_client *self);
HEROQ_API void heroq_client_free(heroq_client *self);

HEROQ_END_DECLS
#endif
