/* The side of joblight/net/certificates.h that TLS connections use. */
#ifndef JOBLIGHT_NET_CERTIFICATES_PRIVATE_H
#define JOBLIGHT_NET_CERTIFICATES_PRIVATE_H

#include "joblight/net/certificates.h"

struct ssl_st;

/* Returns a new SSL object for the server's side of a connection. */
struct ssl_st *certificates_open(const struct certificates *c);

#endif
