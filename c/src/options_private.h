/* Options as the library reads them. */
#ifndef HQ_OPTIONS_PRIVATE_H
#define HQ_OPTIONS_PRIVATE_H
#include <heroq/options.h>
#include <stdbool.h>

#include "buf.h"

/* The one table: X(ident, name, type, scope, default, min, max, choices, text). Durations in ms, sizes in bytes.
 * type: TEXT BOOL INT DURATION SIZE CHOICE SECRET. scope: CLIENT JOB ACTOR SUPERVISOR WAITER LIST */
#define HQ_OPTION_LIST(X)                                                                                              \
  X(CONNECT, "connect", CHOICE, CLIENT, "now", 0, 0, "now,lazy,wait",                                                  \
    "connect at open, at the first use, or keep trying")                                                               \
  X(CONNECT_TIMEOUT, "connect_timeout", DURATION, CLIENT, "5s", 1, 3600000, "",                                        \
    "how long connecting may take, login included")                                                                    \
  X(OP_TIMEOUT, "op_timeout", DURATION, CLIENT, "10s", 1, 3600000, "",                                                 \
    "silence of the server after which a call fails")                                                                  \
  X(USERNAME, "username", TEXT, CLIENT, "", 0, 256, "", "ACL user, unless the URL names one")                          \
  X(PASSWORD, "password", SECRET, CLIENT, "", 0, 4096, "", "password, unless the URL has one")                         \
  X(PASSWORD_FILE, "password_file", TEXT, CLIENT, "", 0, 4096, "", "file whose first line is the password")            \
  X(DB, "db", INT, CLIENT, "0", 0, 1048576, "", "database number, unless the URL names one")                           \
  X(TLS_CA_FILE, "tls_ca_file", TEXT, CLIENT, "", 0, 4096, "",                                                         \
    "for rediss://: PEM file of the CAs to trust; unless it or tls_ca_path is set, the system's")                      \
  X(TLS_CA_PATH, "tls_ca_path", TEXT, CLIENT, "", 0, 4096, "",                                                         \
    "for rediss://: folder of the CAs to trust, as openssl rehash makes it")                                           \
  X(TLS_CERT, "tls_cert", TEXT, CLIENT, "", 0, 4096, "",                                                               \
    "for rediss://: PEM file of the client's certificate, with its chain")                                             \
  X(TLS_KEY, "tls_key", TEXT, CLIENT, "", 0, 4096, "",                                                                 \
    "for rediss://: PEM file of the private key of tls_cert, without a passphrase")                                    \
  X(TLS_SERVER_NAME, "tls_server_name", TEXT, CLIENT, "", 0, 253, "",                                                  \
    "for rediss://: name that the server's certificate must be for, unless it is the URL's host")                      \
  X(TLS_INSECURE_SKIP_VERIFY, "tls_insecure_skip_verify", BOOL, CLIENT, "no", 0, 0, "",                                \
    "for rediss://: take any certificate; whoever is in between can read and change all")                              \
  X(POOL, "pool", INT, CLIENT, "16", 1, 10000, "", "idle connections kept for calls")                                  \
  X(LOG, "log", CHOICE, CLIENT, "stderr", 0, 0, "stderr,events,off",                                                   \
    "where background warnings go until next_event is called")                                                         \
  X(MAX_SCRIPT, "max_script", SIZE, CLIENT, "16MiB", 1, 536870912, "", "largest script and largest output")            \
  X(MAX_ERROR, "max_error", SIZE, CLIENT, "64KiB", 16, 536870912, "", "errors are cut to this")                        \
  X(DURABILITY, "durability", CHOICE, CLIENT, "server", 0, 0, "server,wait",                                           \
    "a write counts when the server has it, or when replicas do")                                                      \
  X(REPLICAS, "replicas", INT, CLIENT, "1", 1, 1000, "", "how many, for durability=wait")                              \
  X(REPLICA_TIMEOUT, "replica_timeout", DURATION, CLIENT, "500ms", 10, 60000, "",                                      \
    "how long to wait for them at a time")                                                                             \
  X(INTENTS, "intents", BOOL, CLIENT, "no", 0, 0, "", "note each start first: actors finish it if its caller dies")    \
  X(INDEX, "index", BOOL, CLIENT, "no", 0, 0, "", "keep an index of submitted jobs: by time, id, tag and caller")      \
  X(INDEX_SIZE, "index_size", INT, CLIENT, "200000", 1, 100000000, "", "how many jobs the index has, the newest")      \
  X(INDEX_KEEP, "index_keep", DURATION, CLIENT, "7d", 1000, 315360000000, "", "how long a job stays in the index")     \
  X(TIMEOUT, "timeout", DURATION, JOB, "0", 0, 2592000000, "",                                                         \
    "how long a run may take, 0 = no limit; whole seconds in a job")                                                   \
  X(RETRIES, "retries", INT, JOB, "0", 0, 1000000, "", "how often a failed run is tried again")                        \
  X(DELAY, "delay", DURATION, JOB, "0", 0, 315360000000, "", "start after this time")                                  \
  X(AT, "at", INT, JOB, "0", 0, 9007199254740991, "", "start at this Unix time in ms, 0 = now")                        \
  X(EXPIRES, "expires", DURATION, JOB, "0", 0, 315360000000, "",                                                       \
    "no run begins later than this after the job was stored, 0 = no such end")                                         \
  X(URGENT, "urgent", BOOL, JOB, "no", 0, 0, "", "goes before what waits")                                             \
  X(TTL, "ttl", DURATION, JOB, "24h", 1000, 315360000000, "", "how long the hash is kept after the end")               \
  X(GROUP, "group", TEXT, JOB, "", 0, 128, "", "group within the script type")                                         \
  X(INSTANCE, "instance", TEXT, JOB, "", 0, 128, "", "instance within the group")                                      \
  X(TAGS, "tags", TEXT, JOB, "", 0, 2048, "", "names to find the job by, with commas between")                         \
  X(DELIVERY, "delivery", CHOICE, ACTOR, "reliable", 0, 0, "reliable,canonical",                                       \
    "at least once, or at most once as BLPOP")                                                                         \
  X(LEASE, "lease", DURATION, ACTOR, "30s", 300, 3600000, "", "a silent actor's jobs go back after this")              \
  X(BLOCK, "block", DURATION, ACTOR, "5s", 100, 60000, "", "longest blocked wait on the server")                       \
  X(PREFETCH, "prefetch", INT, ACTOR, "1024", 0, 100000, "", "most jobs taken ahead of the handlers")                  \
  X(CONCURRENCY, "concurrency", INT, ACTOR, "0", 0, 100000, "",                                                        \
    "most jobs out at a time, 0 = as many as are asked for")                                                           \
  X(BACKOFF, "backoff", DURATION, ACTOR, "1s", 1, 3600000, "",                                                         \
    "first delay between retries; it doubles, up to an hour")                                                          \
  X(MAX_RECOVERIES, "max_recoveries", INT, ACTOR, "3", 0, 1000, "",                                                    \
    "how often a job may lose its actor before it is dead")                                                            \
  X(DEAD, "dead", BOOL, ACTOR, "yes", 0, 0, "", "keep jobs that failed for good in the dead letters")                  \
  X(HANDOFF_GRACE, "handoff_grace", DURATION, ACTOR, "5s", 100, 600000, "", "how long a moved id may lie unclaimed")   \
  X(RECHECK, "recheck", DURATION, ACTOR, "2s", 10, 600000, "", "when a copy of a held job is looked at again")         \
  X(TIMEOUT_GRACE, "timeout_grace", DURATION, ACTOR, "5s", 0, 3600000, "",                                             \
    "between a job's soft and its hard timeout")                                                                       \
  X(MAX_STUCK, "max_stuck", INT, ACTOR, "0", 0, 100000, "", "hanging handlers after which take fails, 0 = any number") \
  X(REPLY, "reply", CHOICE, ACTOR, "asked", 0, 0, "asked,always", "send replies to those who ask, or for every job")   \
  X(STRICT, "strict", BOOL, ACTOR, "no", 0, 0, "", "stop running handlers too when the lease cannot be renewed")       \
  X(MAX_PENDING, "max_pending", SIZE, ACTOR, "64MiB", 1024, 68719476736, "",                                           \
    "results kept in memory before takes stop")                                                                        \
  X(CLOSE_TIMEOUT, "close_timeout", DURATION, ACTOR, "10s", 0, 3600000, "",                                            \
    "how long close waits for acknowledgements")                                                                       \
  X(KNOWN_TYPES, "known_types", TEXT, ACTOR, "", 0, 4096, "", "more script types to look for in an actor id")          \
  X(COUNT, "count", INT, LIST, "100", 1, 10000, "", "rows in a page")                                                  \
  X(STATUS, "status", TEXT, LIST, "", 0, 64, "", "only jobs in this status")                                           \
  X(TYPE, "type", TEXT, LIST, "", 0, 128, "", "only this script type")                                                 \
  X(TEXT, "text", TEXT, LIST, "", 0, 256, "", "only jobs with this in their id")                                       \
  X(ID_PREFIX, "id_prefix", TEXT, LIST, "", 0, 256, "", "only jobs whose id begins with this")                         \
  X(CALLER, "caller", TEXT, LIST, "", 0, 1024, "", "only jobs of this callerId")                                       \
  X(TAG, "tag", TEXT, LIST, "", 0, 128, "", "only jobs with this tag")                                                 \
  X(SOURCE, "source", CHOICE, LIST, "auto", 0, 0, "auto,index,scan",                                                   \
    "the index and then all keys, the index alone, all keys")                                                          \
  X(OLDER, "older", DURATION, LIST, "0", 0, 315360000000, "", "only what is at least so old, 0 = any")                 \
  X(NEWER, "newer", DURATION, LIST, "0", 0, 315360000000, "", "only what is at most so old, 0 = any")                  \
  X(FIX, "fix", CHOICE, DOCTOR, "no", 0, 0, "no,plan,yes",                                                             \
    "mend what can be mended without losing a job or running it twice: not, say what would be done, do it")
enum hq_option {
#define HQ_OPTION_ENUM(ident, ...) HQ_OPT_##ident,
  HQ_OPTION_LIST(HQ_OPTION_ENUM)
#undef HQ_OPTION_ENUM
      HQ_OPTION_TOTAL
};
enum hq_scope {
  HQ_SCOPE_CLIENT,
  HQ_SCOPE_JOB,
  HQ_SCOPE_ACTOR,
  HQ_SCOPE_SUPERVISOR,
  HQ_SCOPE_WAITER,
  HQ_SCOPE_LIST,
  HQ_SCOPE_DOCTOR
};
/* Looks a name up and checks a value without keeping it: *option and *number (as hq_option_int; 0 for text) are set.
 * `scope`: only options of that scope, -1 any. */
heroq_status hq_option_parse(const char *name, const char *value, int scope, int *option, int64_t *number,
                             heroq_error *err);
/* Only the options of the list (hq_option, ended by -1) may be set in `o` (NULL allowed); others would have no effect on
 * `what`, and that is an error. */
heroq_status hq_options_only(const heroq_options *o, const char *what, const int *allowed, heroq_error *err);
/* The value in force; `o` NULL: the default. A number for BOOL (0/1), INT, DURATION, SIZE, CHOICE (index). */
int64_t hq_option_int(const heroq_options *o, int option);
const char *hq_option_text(const heroq_options *o, int option); /* TEXT, SECRET; "" if none */
const char *hq_option_name(int option);
bool hq_option_is_set(const heroq_options *o, int option);
/* Copies; NULL gives an empty set. `over` (may be NULL) wins over `base`. NULL: no memory. */
heroq_options *hq_options_merge(const heroq_options *base, const heroq_options *over);
/* The option that a name is, or is nearest to: *distance letters differ. */
int hq_option_near(const char *name, size_t *distance);
/* Reads HEROQ_<NAME> for every option not set yet. */
heroq_status hq_options_from_env(heroq_options *o, heroq_error *err);
#endif
