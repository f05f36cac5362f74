/* Starts that were noted and not made: their caller died between the hash and the push. */
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "keys_private.h"

static void remember(heroq_actor *a, hq_source *s, hq_slice id) {
  hq_intent *i = id.p ? malloc(sizeof *i + id.n + 1) : NULL;
  if (!i) return;
  int step = hq_wire_id_ok(id) ? HQ_INTENT_LOOK : HQ_INTENT_OFF;
  *i = (hq_intent){.next = a->intents, .source = s, .step = step, .id = {i->text, id.n}};
  memcpy(i->text, id.p, id.n);
  i->text[id.n] = 0;
  a->intents = i;
}

/* What is not answered changes nothing: the note stays, for the next time. */
static void put(heroq_actor *a, hq_intent *i) {
  bool look = i->step == HQ_INTENT_LOOK;
  const hq_qkeys *q = &i->source->keys;
  hq_buf key = {0};
  hq_key_job(&key, i->id);
  hq_item *item = key.failed ? NULL : hq_engine_item(a, look ? HQ_OP_INTENT_LOOK : HQ_OP_PLAIN, i->source, NULL);
  if (item && look) {
    item->intent = i;
    hq_put_intent_look(&a->batch, hq_buf_cstr(&key));
  } else if (item && i->step == HQ_INTENT_PUSH)
    hq_put_push(&a->batch, q, &i->id, 1, 0, 0, false, true);
  else if (item)
    hq_put_intent_off(&a->batch, q, i->id);
  if (!item || !look) free(i);
  hq_buf_free(&key);
}

void hq_intents_put(heroq_actor *a) {
  for (hq_intent *i; (i = a->intents) != NULL;) {
    a->intents = i->next;
    put(a, i);
  }
}

static void looked(heroq_actor *a, hq_intent *i, const hq_reply *r) {
  if (!r || r->type == HQ_ERROR) {
    free(i);
    return;
  }
  i->step = hq_get_intent_look(r) ? HQ_INTENT_PUSH : HQ_INTENT_OFF;
  i->next = a->intents;
  a->intents = i;
}

void hq_intents_answer(heroq_actor *a, const hq_item *item, const hq_reply *r) {
  if (item->op == HQ_OP_INTENT_LOOK)
    looked(a, item->intent, r);
  else
    for (uint32_t i = 0; i < hq_reply_count(r); i++) remember(a, item->source, hq_reply_str(hq_reply_at(r, i)));
}

void hq_intents_free(heroq_actor *a) {
  for (hq_intent *i; (i = a->intents) != NULL;) {
    a->intents = i->next;
    free(i);
  }
}
