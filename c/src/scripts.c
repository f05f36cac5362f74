/* The Lua scripts: their text and SHA-1, and how one is called. */
#include "scripts.h"

static const hq_script_source sources[] = {
#include "scripts_data.h"
};
_Static_assert(HQ_SCRIPTS_EMBEDDED == HQ_SCRIPT_COUNT, "HQ_SCRIPT_LIST and the files of lua/ differ");

const hq_script_source *hq_script(int script) {
  return script >= 0 && script < HQ_SCRIPT_COUNT ? &sources[script] : NULL;
}

void hq_batch_script(hq_batch *b, int script, uint32_t nkeys, uint32_t nargs) {
  hq_batch_begin(b, 3 + nkeys + nargs, script);
  hq_batch_arg(b, "EVALSHA", 7);
  hq_batch_arg(b, sources[script].sha1, 40);
  hq_batch_int(b, nkeys);
}
