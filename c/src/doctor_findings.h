/* All that the doctor can find. The one table for the report, heroq_doctor_findings, docs/doctor.md, and the tests, which
 * produce each of them on purpose. */
#ifndef HQ_DOCTOR_FINDINGS_H
#define HQ_DOCTOR_FINDINGS_H

/* In the order of their weight. */
enum hq_severity { HQ_SEV_OK = 0, HQ_SEV_UNKNOWN, HQ_SEV_WARNING, HQ_SEV_ERROR };

/* identifier, name, check, severity, whether `fix` mends it, what it means */
/* clang-format off */
#define HQ_FINDING_LIST(X) \
  X(UNKNOWN, "unknown", "", UNKNOWN, 0, "this could not be looked at") \
  X(UNKNOWN_VARIABLE, "unknown_variable", "client", WARNING, 0, "no option has this name: the variable is not heeded") \
  X(NO_EFFECT, "no_effect", "client", WARNING, 0, "the option is set, and does nothing without another one") \
  X(INSECURE_TLS, "insecure_tls", "client", WARNING, 0, "any certificate is taken: whoever is in between can read and change all") \
  X(READABLE_SECRET, "readable_secret", "client", WARNING, 0, "everybody on this machine who can read the file can log in with it") \
  X(CLEAR_TEXT, "clear_text", "client", WARNING, 0, "passwords, scripts and results cross the network in clear") \
  X(UNREACHABLE, "unreachable", "server", ERROR, 0, "nothing can be submitted, taken or finished") \
  X(REFUSED, "refused", "server", ERROR, 0, "the server is there, and refuses: nothing can be submitted, taken or finished") \
  X(OLD_VERSION, "old_version", "version", ERROR, 0, "heroq needs commands that came with Redis 6.2") \
  X(REPLICA, "replica", "role", ERROR, 0, "a replica refuses writes: nothing can be submitted, taken or finished through it") \
  X(CLUSTER_DOWN, "cluster_down", "cluster", ERROR, 0, "the cluster refuses keys whose slots nobody serves") \
  X(CLUSTER_SPLIT, "cluster_split", "cluster", ERROR, 0, "heroq talks to one server: keys of the other nodes are out of its reach") \
  X(EVICTS_JOBS, "evicts_jobs", "eviction", ERROR, 0, "at the memory limit the server throws queues and jobs away without a word") \
  X(WOULD_EVICT, "would_evict", "eviction", WARNING, 0, "if a memory limit is set, the server throws queues and jobs away at it") \
  X(EVICTS_RESULTS, "evicts_results", "eviction", WARNING, 0, "at the memory limit the server throws results away before their time") \
  X(MEMORY_FULL, "memory_full", "memory", ERROR, 0, "the server refuses new jobs and takes; results of running ones are still written") \
  X(MEMORY_NEAR, "memory_near", "memory", WARNING, 0, "at the limit the server refuses new jobs and takes") \
  X(NO_PERSISTENCE, "no_persistence", "persistence", WARNING, 0, "a restart of the server loses all jobs") \
  X(ONLY_SNAPSHOTS, "only_snapshots", "persistence", WARNING, 0, "a crash of the server loses the jobs of the last minutes") \
  X(SNAPSHOT_FAILED, "snapshot_failed", "persistence", ERROR, 0, "a restart would bring back an old state, and the server may refuse all writes until a snapshot is written") \
  X(AOF_FAILED, "aof_failed", "persistence", ERROR, 0, "what is acknowledged is not on disk, and the server may refuse all writes") \
  X(FEW_REPLICAS, "few_replicas", "replication", ERROR, 0, "with durability=wait no submit is acknowledged and no result is let go of") \
  X(MIN_REPLICAS, "min_replicas", "replication", ERROR, 0, "the server refuses all writes until so many replicas keep up") \
  X(REPLICA_BEHIND, "replica_behind", "replication", WARNING, 0, "a failover to it loses what it has not got") \
  X(CLOCK, "clock", "clock", WARNING, 0, "jobs with `at`, `delay` or `expires` start or end early or late, and times of waits are wrong") \
  X(SLOW, "slow", "latency", WARNING, 0, "every submit, take and result takes at least as long") \
  X(NEAR_MAXCLIENTS, "near_maxclients", "connections", WARNING, 0, "beyond the limit the server refuses connections of actors and supervisors") \
  X(IDLE_TIMEOUT, "idle_timeout", "connections", WARNING, 0, "the server cuts connections that wait for work, again and again") \
  X(MISSING_RIGHTS, "missing_rights", "rights", WARNING, 0, "programs that log in as this user fail where they need these commands or keys") \
  X(QUEUE_WRONG_TYPE, "queue_wrong_type", "queues", ERROR, 0, "no job of this type can be queued or taken") \
  X(KEY_WRONG_TYPE, "key_wrong_type", "queues", ERROR, 0, "heroq's programs cannot work with this key, and stop at it until it is gone") \
  X(TOO_MANY_KEYS, "too_many_keys", "queues", UNKNOWN, 0, "queues that only foreign programs use may be missing here") \
  X(PAUSED, "paused", "paused", WARNING, 0, "no actor of heroq takes from it") \
  X(NO_ACTOR, "no_actor", "consumers", WARNING, 0, "nothing consumes from this queue, unless a foreign actor is slow; or the jobs went to the wrong type") \
  X(STARVED, "starved", "consumers", WARNING, 0, "they are connected but starved: the server refuses them (`starved` in their statistics, and their log), or their handlers ask for no more jobs") \
  X(MIXED_TYPES, "mixed_types", "script_types", WARNING, 0, "the jobs were pushed onto the wrong queue: another kind of actor runs them") \
  X(NO_HASH, "no_hash", "script_types", WARNING, 0, "they were pushed before their hash was stored, or the hash is gone") \
  X(DEAD_LETTERS, "dead_letters", "dead", WARNING, 0, "they failed for good or lost actor after actor, and wait for a person") \
  X(OVERDUE, "overdue", "delayed", WARNING, 1, "delays and retries of this queue do not start: no actor of heroq looks after it") \
  X(NO_LEASE, "no_lease", "leases", ERROR, 1, "if their actors are gone, nobody gives these jobs back; with a lease the next reaper does") \
  X(NO_HOLDER, "no_holder", "leases", WARNING, 0, "the jobs go back when the leases end; the mend ends them now") \
  X(UNREAPED, "unreaped", "leases", WARNING, 1, "the actors of this queue are gone, with jobs in their hands") \
  X(OLD_HANDOFF, "old_handoff", "handoff", WARNING, 1, "an actor died as it took them, and no other is there to give them back") \
  X(HASH_WRONG_TYPE, "hash_wrong_type", "hashes", WARNING, 0, "the job can be neither read nor run nor ended") \
  X(HASH_BROKEN, "hash_broken", "hashes", WARNING, 0, "a hash without script was written by a foreign program, or is what an eviction left: there is nothing to run") \
  X(HASH_STATUS, "hash_status", "hashes", WARNING, 0, "no program knows whether such a job runs, or has ended") \
  X(UNSETTLED, "unsettled", "await", WARNING, 1, "an actor writes the output and not the status: run-and-wait takes a second longer, and the job never ends for others") \
  X(REPLY_ONLY, "reply_only", "await", WARNING, 0, "an actor replies and writes nothing to the hash: who polls the hash waits until his time is over") \
  X(NEVER_STARTED, "never_started", "jobs", WARNING, 0, "it was created and never started, or a foreign actor died as it took it") \
  X(LOST, "lost", "jobs", WARNING, 0, "the queue has lost it, its actor too") \
  X(FOREIGN_RUN, "foreign_run", "jobs", WARNING, 0, "a foreign actor runs it for long, or died with it") \
  X(HALF_REQUEUED, "half_requeued", "jobs", WARNING, 0, "it was to be run again, and that was not carried to its end") \
  X(NOT_SEARCHED, "not_searched", "jobs", UNKNOWN, 0, "this could not be looked at") \
  X(ENDLESS_REPLIES, "endless_replies", "replies", WARNING, 1, "foreign actors reply where no supervisor waits: the lists stay for ever")
/* clang-format on */
enum hq_finding {
#define HQ_FINDING_ENUM(ident, ...) HQ_FOUND_##ident,
  HQ_FINDING_LIST(HQ_FINDING_ENUM)
#undef HQ_FINDING_ENUM
      HQ_FINDING_TOTAL
};
#endif
