/*
 * The ciphers of TLS that are spoken on either side: those with forward secrecy and authenticated
 * encryption, the cheapest first.  TLS 1.3 has no others.
 */
#ifndef JOBLIGHT_BASE_TLS_CIPHERS_H
#define JOBLIGHT_BASE_TLS_CIPHERS_H

#define CIPHERS_OF_TLS_1_2                                                                         \
	"ECDHE+AESGCM+AES128:ECDHE+AESGCM+AES256:ECDHE-ECDSA-CHACHA20-POLY1305:"                   \
	"ECDHE-RSA-CHACHA20-POLY1305"
#define CIPHERS_OF_TLS_1_3                                                                         \
	"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

#endif
