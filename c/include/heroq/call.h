/** @file call.h
 *  @brief A handle on calls that wait: their deadline, and how to end them from elsewhere. */
#ifndef HEROQ_CALL_H
#define HEROQ_CALL_H

#include "error.h"

HEROQ_BEGIN_DECLS

/** A call handle is passed to every function that may wait (NULL is allowed there). One handle may serve many calls,
 *  also at the same time. A cancelled handle stays so until heroq_call_reset: a call that starts later answers
 *  HEROQ_E_CANCELLED at once, so no cancel is lost. It ends only the calls made with this handle. Functions without an
 *  `err` take NULL and do nothing. */
HEROQ_API heroq_status heroq_call_new(heroq_call **out, heroq_error *err);
/** A limit, in ms from now, for all calls made with the handle, beside their own timeouts; HEROQ_FOREVER lifts it.
 *  A call that it ends answers HEROQ_E_TIMEOUT. */
HEROQ_API heroq_status heroq_call_set_timeout(heroq_call *self, int64_t timeout_ms, heroq_error *err);
/** Ends the calls made with the handle. From any thread, and from a signal handler. */
HEROQ_API void heroq_call_cancel(heroq_call *self);
/** Makes a cancelled handle usable again. No call may be under way with it. */
HEROQ_API void heroq_call_reset(heroq_call *self);
/** 1 if cancelled. */
HEROQ_API int32_t heroq_call_is_cancelled(const heroq_call *self);
/** No call may be under way with it. */
HEROQ_API void heroq_call_free(heroq_call *self);

HEROQ_END_DECLS
#endif
