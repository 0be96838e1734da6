/*
 * What the server and its helper joblight-send say to each other over a pair of sockets.
 *
 * The server sends frames: a head of SEND_HEAD_BYTES, with the length of the body and the number of
 * items that it stands for, both as four bytes in network order; then the body.  The body of the
 * first frame is the configuration, as JSON:
 *
 *      {"url":"https://…","headers":"FILE","ca":"FILE","allow":["192.0.2.0/24"]}
 *
 * in which everything but `url` may be missing.  Each other body is sent in a POST as it is.
 *
 * The helper answers with lines of at most SEND_LINE_MAX bytes:
 *
 *      ready                 the configuration is good
 *      fault TEXT            it is not; the helper ends
 *      sent N                items that the receiver has taken
 *      rejected N TEXT       items among them that it did not take after all
 *      trouble TEXT          an attempt failed, and will be repeated
 *      lost N TEXT           items that will not be sent any more
 *
 * When the server's end is closed, the helper tries for SEND_FLUSH_MS to send what it has, and
 * ends.
 */
#ifndef JOBLIGHT_BASE_SEND_WIRE_H
#define JOBLIGHT_BASE_SEND_WIRE_H

#include <stdint.h>

#define SEND_PROGRAM "joblight-send"
#define SEND_HEAD_BYTES 8
#define SEND_BODY_MAX (1024 * 1024)
#define SEND_LINE_MAX 512
#define SEND_FLUSH_MS 1500

static inline void send_put_u32(unsigned char *out, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		out[i] = (unsigned char)(value >> (24 - 8 * i));
}

static inline uint32_t send_get_u32(const unsigned char *in)
{
	return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

#endif
