/* Python. The extension heroq._heroq: flat functions, no proxy module (python/heroq is the facade).
 *
 * - a handle is a capsule that frees itself with its last reference: no double free, no use after free
 * - bytes: any buffer, or a str (as UTF-8), or None (NULL); results are bytes, None where C says NULL
 * - a heroq_record becomes a dict or a list, a heroq_bytes becomes bytes
 * - a heroq_error is raised as whatever the factory of set_error_factory makes of it
 * - the interpreter's lock is kept but for the functions that may wait: see WAITS */
%module(package="heroq", threads="1") heroq
%nothreadblock;
%nothreadallow;
%include <stdint.i>
%ignore memmove; /* of cdata.i */
%include <cdata.i>

%{
#define HEROQ_I_KEEPS_FAILED
#include <errno.h>
#include <heroq/heroq.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static PyObject *hqpy_error_factory;

/* Raises the error; `result` (stolen, may be NULL) is what the call answered beside it. */
static void hqpy_raise(const heroq_error *e, PyObject *result) {
  PyObject *exception = NULL;
  if (hqpy_error_factory)
    exception = PyObject_CallFunction(hqpy_error_factory, "iIiisO", (int)e->code, (unsigned)e->flags, (int)e->sys_errno,
                                      (int)e->item, e->text, result ? result : Py_None);
  else
    PyErr_SetString(PyExc_RuntimeError, e->text);
  if (exception) {
    PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
    Py_DECREF(exception);
  }
  Py_XDECREF(result);
}

static void hqpy_raise_invalid(const char *text) {
  heroq_error e;
  memset(&e, 0, sizeof e);
  e.code = HEROQ_E_INVALID;
  e.item = -1;
  strncpy(e.text, text, sizeof e.text - 1);
  hqpy_raise(&e, NULL);
}

/* UTF-8 of a str; NULL with an exception where it holds half a character, as bytes of a command line may have become. */
static const char *hqpy_utf8(PyObject *object, Py_ssize_t *size) {
  const char *s = PyUnicode_AsUTF8AndSize(object, size);
  if (!s && PyErr_ExceptionMatches(PyExc_UnicodeError)) {
    PyErr_Clear();
    hqpy_raise_invalid("a text must be one that UTF-8 can write");
  }
  return s;
}

/* Text of a str; NULL with an exception if it is none, or holds a NUL that C would not see. */
static const char *hqpy_text(PyObject *object) {
  Py_ssize_t n;
  const char *s;
  if (!PyUnicode_Check(object)) {
    PyErr_SetString(PyExc_TypeError, "a str is wanted here");
    return NULL;
  }
  s = hqpy_utf8(object, &n);
  if (s && strlen(s) != (size_t)n) {
    hqpy_raise_invalid("a text must not hold a NUL character");
    return NULL;
  }
  return s;
}

static const Py_buffer hqpy_no_view;

/* Bytes of a bytes, str or buffer object. `view` keeps a buffer until hqpy_bytes_done. */
static int hqpy_bytes(PyObject *object, const void **data, size_t *size, Py_buffer *view) {
  Py_ssize_t n = 0;
  char *p = NULL;
  view->obj = NULL;
  if (PyBytes_Check(object)) {
    if (PyBytes_AsStringAndSize(object, &p, &n)) return -1;
  } else if (PyUnicode_Check(object)) {
    if (!(p = (char *)hqpy_utf8(object, &n))) return -1;
  } else if (object != Py_None) {
    if (PyObject_GetBuffer(object, view, PyBUF_SIMPLE)) {
      view->obj = NULL;
      PyErr_SetString(PyExc_TypeError, "bytes, a buffer, a str or None are wanted here");
      return -1;
    }
    p = (char *)(view->buf ? view->buf : "");
    n = view->len;
  }
  *data = p;
  *size = (size_t)n;
  return 0;
}

static void hqpy_bytes_done(Py_buffer *view) {
  if (view->obj) PyBuffer_Release(view);
}

static PyObject *hqpy_from_data(const void *data, size_t size) {
  if (!data) Py_RETURN_NONE;
  return PyBytes_FromStringAndSize((const char *)data, (Py_ssize_t)size);
}

static PyObject *hqpy_from_bytes(heroq_bytes *bytes) {
  PyObject *out;
  if (!bytes) Py_RETURN_NONE;
  out = hqpy_from_data(heroq_bytes_data(bytes), heroq_bytes_size(bytes));
  heroq_bytes_free(bytes);
  return out;
}

static PyObject *hqpy_from_record(const heroq_record *record, int as_list);

static PyObject *hqpy_from_value(const heroq_record *record, int32_t i) {
  int32_t kind = heroq_record_kind(record, i);
  size_t size = 0;
  const void *data;
  heroq_record *child = NULL;
  PyObject *out;
  switch (kind) {
  case HEROQ_VALUE_INT64: return PyLong_FromLongLong(heroq_record_int64(record, i));
  case HEROQ_VALUE_DOUBLE: return PyFloat_FromDouble(heroq_record_double(record, i));
  case HEROQ_VALUE_TEXT:
    data = heroq_record_bytes(record, i, &size);
    return PyUnicode_DecodeUTF8((const char *)data, (Py_ssize_t)size, "replace");
  case HEROQ_VALUE_BYTES:
    data = heroq_record_bytes(record, i, &size);
    return PyBytes_FromStringAndSize((const char *)data, (Py_ssize_t)size);
  case HEROQ_VALUE_RECORD:
  case HEROQ_VALUE_LIST:
    if (heroq_record_child(record, i, &child, NULL)) return PyErr_NoMemory();
    out = hqpy_from_record(child, kind == HEROQ_VALUE_LIST);
    heroq_record_free(child);
    return out;
  default: Py_RETURN_NONE;
  }
}

static PyObject *hqpy_from_record(const heroq_record *record, int as_list) {
  int32_t n = heroq_record_count(record);
  PyObject *out = as_list ? PyList_New(n) : PyDict_New();
  for (int32_t i = 0; out && i < n; i++) {
    PyObject *value = hqpy_from_value(record, i);
    int failed = !value;
    if (value && as_list) {
      failed = PyList_SetItem(out, i, value);
    } else if (value) {
      failed = PyDict_SetItemString(out, heroq_record_name(record, i), value);
      Py_DECREF(value);
    }
    if (failed) Py_CLEAR(out);
  }
  return out;
}
%}


/* ---- handles ---- */
%define HANDLE(T)
%insert("header") {
static void hqpy_##T##_drop(PyObject *capsule) { T##_free((T *)PyCapsule_GetPointer(capsule, #T)); }
}
%ignore T##_free;
%typemap(out) T * {
  $result = $1 ? PyCapsule_New($1, #T, hqpy_##T##_drop) : Py_NewRef(Py_None);
  if (!$result) T##_free($1);
}
%typemap(in) T * {
  if (!PyCapsule_IsValid($input, #T)) {
    PyErr_SetString(PyExc_TypeError, "argument $argnum of $symname must be a " #T);
    SWIG_fail;
  }
  $1 = (T *)PyCapsule_GetPointer($input, #T);
}
%typemap(in) const T * = T *;
%enddef
HANDLE(heroq_options)
HANDLE(heroq_job)
HANDLE(heroq_jobs)
HANDLE(heroq_client)
HANDLE(heroq_supervisor)
HANDLE(heroq_waiter)
HANDLE(heroq_actor)
HANDLE(heroq_queue)

%typemap(in) const heroq_options *options {
  if ($input != Py_None && !PyCapsule_IsValid($input, "heroq_options")) {
    PyErr_SetString(PyExc_TypeError, "argument $argnum of $symname must be heroq_options or None");
    SWIG_fail;
  }
  $1 = $input == Py_None ? NULL : (heroq_options *)PyCapsule_GetPointer($input, "heroq_options");
}

/* ---- values ---- */
%typemap(in) (const void *BYTES, size_t LENGTH) (Py_buffer view = hqpy_no_view) {
  if (hqpy_bytes($input, (const void **)&$1, &$2, &view)) SWIG_fail;
}
%typemap(freearg) (const void *BYTES, size_t LENGTH) "hqpy_bytes_done(&view$argnum);";
%typemap(out) SWIGCDATA "$result = hqpy_from_data($1.data, $1.len);";
%typemap(in) const char * {
  $1 = NULL;
  if ($input != Py_None && !($1 = (char *)hqpy_text($input))) SWIG_fail;
}
%typemap(freearg) const char * "";
%typemap(out) heroq_bytes * "$result = hqpy_from_bytes($1);";
%typemap(out) heroq_record * {
  $result = $1 ? hqpy_from_record($1, 0) : Py_NewRef(Py_None);
  heroq_record_free($1);
}
%typemap(argout) heroq_error *err {
  if ($1->code != HEROQ_OK) {
    if ($1->code == HEROQ_E_CANCELLED && PyErr_CheckSignals()) {
      Py_XDECREF($result);
    } else {
      hqpy_raise($1, $result);
    }
    $result = NULL;
    SWIG_fail;
  }
}

/* ---- the functions that may wait: the lock is released meanwhile, and Ctrl-C ends them ---- */
%typemap(in, numinputs=0) heroq_call *call "$1 = hqpy_waits(\"$symname\") ? hqpy_call_begin(strstr(\"$symname\", \"_await_\") != NULL) : NULL;";
%typemap(freearg) heroq_call *call "hqpy_call_end($1);";

%define WAITS(NAME)
%threadallow NAME;
%threadallow hqi_##NAME;
%enddef
WAITS(heroq_client_open)
WAITS(heroq_client_reopen)
WAITS(heroq_client_ping)
WAITS(heroq_client_server_info)
WAITS(heroq_client_close)
WAITS(heroq_job_store_in_redis)
WAITS(heroq_job_set_result)
WAITS(heroq_supervisor_create_job)
WAITS(heroq_supervisor_start_job)
WAITS(heroq_supervisor_submit)
WAITS(heroq_supervisor_submit_many)
WAITS(heroq_supervisor_run_job_and_await_result)
WAITS(heroq_supervisor_await_result)
WAITS(heroq_supervisor_get_job)
WAITS(heroq_supervisor_get_status)
WAITS(heroq_supervisor_get_output)
WAITS(heroq_supervisor_get_error)
WAITS(heroq_supervisor_get_progress)
WAITS(heroq_supervisor_get_logs)
WAITS(heroq_supervisor_read_stream)
WAITS(heroq_supervisor_list_jobs)
WAITS(heroq_supervisor_redis_lines)
WAITS(heroq_supervisor_stop_job)
WAITS(heroq_supervisor_delete_job)
WAITS(heroq_supervisor_requeue_job)
WAITS(heroq_supervisor_retry_job)
WAITS(heroq_supervisor_clear)
WAITS(heroq_supervisor_close)
WAITS(heroq_waiter_close)
WAITS(heroq_actor_open)
WAITS(heroq_actor_close)
WAITS(heroq_queue_list)
WAITS(heroq_queue_stats)
WAITS(heroq_queue_counters)
WAITS(heroq_queue_page)
WAITS(heroq_queue_pause)
WAITS(heroq_queue_resume)
WAITS(heroq_queue_purge_dead)
WAITS(heroq_queue_tend)
WAITS(heroq_queue_close)
WAITS(heroq_doctor_run)
%threadallow job_finish_sync;
%threadallow job_fail_sync;
%threadallow job_log_wait;
%threadallow job_stream_wait;
%threadallow wait_fd;

%{
/* These have a heroq_call but are only made where they do not wait: jobs are taken with timeout 0 and the lock held, so
 * that no exception comes between the call and the variable; settling waits only in the _sync forms. */
static int hqpy_waits(const char *name) {
  return strcmp(name, "heroq_actor_take") && strcmp(name, "heroq_actor_take_many") &&
         strcmp(name, "heroq_actor_next_event") && strcmp(name, "heroq_client_next_event") &&
         strcmp(name, "heroq_waiter_take") && strcmp(name, "heroq_job_finish") && strcmp(name, "heroq_job_fail") &&
         strcmp(name, "heroq_job_retry") && strcmp(name, "heroq_job_release") && strcmp(name, "heroq_job_log") &&
         strcmp(name, "heroq_job_stream");
}

/* A signal while the main thread is inside the library: Python's handler only notes it, so the call has to be cancelled
 * too; then Python's handler runs, and what it raises is what the call ends with. The handlers are ours for the length of
 * the call alone. Signals after the first are for awaits only, which the facade takes up again if nothing was raised. */
static const int hqpy_signal[] = {SIGINT, SIGTERM, SIGALRM, SIGHUP, SIGUSR1};
#define HQPY_SIGNALS ((int)(sizeof hqpy_signal / sizeof *hqpy_signal))
static struct sigaction hqpy_python_handler[HQPY_SIGNALS];
static int hqpy_hooked[HQPY_SIGNALS];
static unsigned long hqpy_main_thread;
static heroq_call *hqpy_main_call;
static pid_t hqpy_main_pid;
static int hqpy_inside;

static void hqpy_on_signal(int signo) {
  int saved = errno;
  for (int i = 0; i < HQPY_SIGNALS; i++)
    if (hqpy_signal[i] == signo) hqpy_python_handler[i].sa_handler(signo);
  heroq_call_cancel(hqpy_main_call);
  errno = saved;
}

static void hqpy_hook(int i) {
  struct sigaction *theirs = &hqpy_python_handler[i], ours;
  if (sigaction(hqpy_signal[i], NULL, theirs) || theirs->sa_flags & SA_SIGINFO) return;
  if (theirs->sa_handler == SIG_DFL || theirs->sa_handler == SIG_IGN) return;
  ours = *theirs;
  ours.sa_handler = hqpy_on_signal;
  hqpy_hooked[i] = !sigaction(hqpy_signal[i], &ours, NULL);
}

static heroq_call *hqpy_call_begin(int awaits) {
  /* inside: a finalizer of another object, which runs while an error is being made */
  if (hqpy_inside || PyThread_get_thread_ident() != hqpy_main_thread) return NULL;
  if (hqpy_main_pid != getpid()) { /* after fork a call of the parent is of no use, and is left to it */
    hqpy_main_call = NULL;
    hqpy_main_pid = getpid();
    heroq_call_new(&hqpy_main_call, NULL);
  }
  if (!hqpy_main_call) return NULL;
  hqpy_inside = 1;
  for (int i = 0; i < (awaits ? HQPY_SIGNALS : 1); i++) hqpy_hook(i);
  return hqpy_main_call;
}

static void hqpy_call_end(heroq_call *call) {
  if (!call) return;
  for (int i = 0; i < HQPY_SIGNALS; i++) {
    if (hqpy_hooked[i]) sigaction(hqpy_signal[i], &hqpy_python_handler[i], NULL);
    hqpy_hooked[i] = 0;
  }
  if (heroq_call_is_cancelled(call)) heroq_call_reset(call);
  hqpy_inside = 0;
}
%}

/* ---- what only Python needs ---- */
%{
static void set_main_thread(uint64_t ident) { hqpy_main_thread = (unsigned long)ident; }

static PyObject *set_error_factory(PyObject *factory) {
  Py_XDECREF(hqpy_error_factory);
  hqpy_error_factory = Py_NewRef(factory);
  Py_RETURN_NONE;
}

/* 1 if fd is readable, 0 when the time is over or a signal came. */
static int32_t wait_fd(int32_t fd, int64_t timeout_ms) {
  struct pollfd p;
  p.fd = fd;
  p.events = POLLIN;
  return poll(&p, 1, (int)timeout_ms) > 0;
}

static void job_finish_sync(heroq_job *self, const void *BYTES, size_t LENGTH, heroq_call *call, heroq_error *err) {
  heroq_job_finish(self, BYTES, LENGTH, HEROQ_SYNC, call, err);
}

static void job_fail_sync(heroq_job *self, const void *BYTES, size_t LENGTH, uint32_t flags, heroq_call *call,
                          heroq_error *err) {
  heroq_job_fail(self, BYTES, LENGTH, flags | HEROQ_SYNC, call, err);
}

/* When there was no room without waiting. The main thread's call ends with a signal; other threads see none. */
static void hqpy_tell(heroq_status (*tell)(heroq_job *, const void *, size_t, heroq_call *, heroq_error *),
                      heroq_job *self, const void *data, size_t size, heroq_call *call, heroq_error *err) {
  heroq_call *own = NULL;
  if (call || heroq_call_new(&own, err) == HEROQ_OK) tell(self, data, size, call ? call : own, err);
  heroq_call_free(own);
}

static void job_log_wait(heroq_job *self, const void *BYTES, size_t LENGTH, heroq_call *call, heroq_error *err) {
  hqpy_tell(heroq_job_log, self, BYTES, LENGTH, call, err);
}

static void job_stream_wait(heroq_job *self, const void *BYTES, size_t LENGTH, heroq_call *call, heroq_error *err) {
  hqpy_tell(heroq_job_stream, self, BYTES, LENGTH, call, err);
}

/* Adds one script, or one job that exists, to the list. */
static int hqpy_add_job(heroq_jobs *jobs, PyObject *item, const char *type, PyObject *options, heroq_error *err) {
  heroq_job *job = NULL;
  Py_buffer view;
  const void *data;
  size_t size;
  heroq_status status;
  if (PyCapsule_IsValid(item, "heroq_job"))
    return heroq_jobs_add(jobs, (heroq_job *)PyCapsule_GetPointer(item, "heroq_job"), err);
  if (hqpy_bytes(item, &data, &size, &view)) return 1;
  status = heroq_job_new(type, data, size, &job, err);
  hqpy_bytes_done(&view);
  for (Py_ssize_t i = 0; status == HEROQ_OK && i + 1 < PyTuple_Size(options); i += 2) {
    const char *name = hqpy_text(PyTuple_GetItem(options, i));
    const char *value = name ? hqpy_text(PyTuple_GetItem(options, i + 1)) : NULL;
    status = value ? heroq_job_set_option(job, name, value, err) : 1;
  }
  if (status == HEROQ_OK) status = heroq_jobs_add(jobs, job, err);
  heroq_job_free(job);
  return status;
}

/* A list of jobs out of a list of scripts (bytes, str) and jobs; `options` is a flat tuple (name, value, …). */
static PyObject *jobs_from(const char *script_type, PyObject *list, PyObject *options) {
  heroq_jobs *jobs = NULL;
  heroq_error e;
  int status;
  if (!PyList_Check(list) || !PyTuple_Check(options)) {
    PyErr_SetString(PyExc_TypeError, "a list and a tuple are wanted here");
    return NULL;
  }
  status = heroq_jobs_new(&jobs, &e);
  for (Py_ssize_t i = 0; status == HEROQ_OK && i < PyList_Size(list); i++) {
    status = hqpy_add_job(jobs, PyList_GetItem(list, i), script_type, options, &e);
    if (status < 0) e.item = (int32_t)i;
  }
  if (status == HEROQ_OK) return PyCapsule_New(jobs, "heroq_jobs", hqpy_heroq_jobs_drop);
  heroq_jobs_free(jobs);
  if (status < 0) hqpy_raise(&e, NULL);
  return NULL;
}

static PyObject *jobs_ids(const heroq_jobs *jobs) {
  int32_t n = heroq_jobs_count(jobs);
  PyObject *out = PyList_New(n);
  for (int32_t i = 0; out && i < n; i++) {
    heroq_job *job = NULL;
    PyObject *text = heroq_jobs_job(jobs, i, &job, NULL) ? PyErr_NoMemory() : PyUnicode_FromString(heroq_job_id(job));
    heroq_job_free(job);
    if (!text || PyList_SetItem(out, i, text)) Py_CLEAR(out);
  }
  return out;
}
%}
/* Records and bytes become values, and Ctrl-C and slices of time stand for calls. */
#define HEROQ_I_VALUES
#define HEROQ_I_NO_CALLS
%include "heroq.i"

PyObject *set_error_factory(PyObject *factory);
void set_main_thread(uint64_t ident);
void job_finish_sync(heroq_job *self, const void *BYTES, size_t LENGTH, heroq_call *call, heroq_error *err);
void job_log_wait(heroq_job *self, const void *BYTES, size_t LENGTH, heroq_call *call, heroq_error *err);
void job_stream_wait(heroq_job *self, const void *BYTES, size_t LENGTH, heroq_call *call, heroq_error *err);
void job_fail_sync(heroq_job *self, const void *BYTES, size_t LENGTH, uint32_t flags, heroq_call *call,
                   heroq_error *err);
int32_t wait_fd(int32_t fd, int64_t timeout_ms);
PyObject *jobs_from(const char *script_type, PyObject *list, PyObject *options);
PyObject *jobs_ids(const heroq_jobs *jobs);
