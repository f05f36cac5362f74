/* One private server for all tests of a program: cmocka's group fixtures. */
#ifndef TESTS_ONE_SERVER_H
#define TESTS_ONE_SERVER_H
#include "support.h"

extern test_server *server;
int start_server(void **state);
int stop_server(void **state);
#endif
