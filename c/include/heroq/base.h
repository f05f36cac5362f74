/** @file base.h
 *  @brief What every other header needs: the export mark, fixed-width types, the version. */
#ifndef HEROQ_BASE_H
#define HEROQ_BASE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define HEROQ_BEGIN_DECLS extern "C" {
#define HEROQ_END_DECLS }
#else
#define HEROQ_BEGIN_DECLS
#define HEROQ_END_DECLS
#endif

/** Marks what leaves the library; everything else is hidden. */
#if defined(__GNUC__)
#define HEROQ_API __attribute__((visibility("default")))
#else
#define HEROQ_API
#endif

#define HEROQ_VERSION_MAJOR 0
#define HEROQ_VERSION_MINOR 1
#define HEROQ_VERSION_PATCH 0

/** The version of this header: major * 1000000 + minor * 1000 + patch. A binding compares it with
 *  heroq_version() when it loads. */
#define HEROQ_VERSION (HEROQ_VERSION_MAJOR * 1000000 + HEROQ_VERSION_MINOR * 1000 + HEROQ_VERSION_PATCH)

/** A timeout that never ends. 0 never waits. All timeouts are milliseconds. */
#define HEROQ_FOREVER (-1)

HEROQ_BEGIN_DECLS

/** The result of a call: 0 is success, errors are negative (see heroq_status_code). */
typedef int32_t heroq_status;

typedef struct heroq_error heroq_error;
typedef struct heroq_call heroq_call;
typedef struct heroq_bytes heroq_bytes;
typedef struct heroq_record heroq_record;
typedef struct heroq_options heroq_options;
typedef struct heroq_job heroq_job;
typedef struct heroq_jobs heroq_jobs;
typedef struct heroq_client heroq_client;
typedef struct heroq_supervisor heroq_supervisor;
typedef struct heroq_waiter heroq_waiter;
typedef struct heroq_actor heroq_actor;
typedef struct heroq_queue heroq_queue;

/** The version of the library that is loaded, as HEROQ_VERSION. */
HEROQ_API int32_t heroq_version(void);
/** The same as text, "0.1.0". Static. */
HEROQ_API const char *heroq_version_text(void);
/** 1 if the library has the feature ("unix", "tls", "failpoints"), else 0. Unknown names are 0. */
HEROQ_API int32_t heroq_feature(const char *name);
/** The version of a library that this one is built with: "hiredis", "cjson", "openssl". Static; NULL if it is not. */
HEROQ_API const char *heroq_library_version(const char *name);

HEROQ_END_DECLS
#endif
