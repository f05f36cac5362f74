/* Which server has a key. One server today; a cluster's slots would be looked up here, and no caller would change. */
#include "client_state.h"

const hq_endpoint *hq_client_endpoint(heroq_client *c, hq_slice key) {
  (void)key;
  return &c->endpoint;
}
