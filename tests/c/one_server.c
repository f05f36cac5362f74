/* The server that the tests of a program share. */
#include "one_server.h"

test_server *server;

int start_server(void **state) {
  (void)state;
  server = test_server_start(NULL);
  return 0;
}

int stop_server(void **state) {
  (void)state;
  test_server_free(server);
  return 0;
}
