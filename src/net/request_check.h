/*
 * From a request's head to the request that handlers see: framing that could be read in two ways,
 * bytes that must not reach a handler, and bodies that will not be taken are refused here.  RFC
 * 9112 sections 3 and 6.
 */
#ifndef JOBLIGHT_NET_REQUEST_CHECK_H
#define JOBLIGHT_NET_REQUEST_CHECK_H

#include "request_head.h"

/* A fresh request with copies of what it needs from the head; NULL when refused (the problem says
 * why).  `free_path`: see struct dispatch. */
struct request *request_check(const struct request_head *head, const struct limits *limits,
                              const char *free_path, struct problem *problem);

/* The request asks to become a WebSocket. */
bool request_asks_upgrade(const struct request_head *head);

#endif
