#include "websocket.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "net.h"

size_t websocket_request(char *out, size_t size, const char *path, unsigned port)
{
	return (size_t)snprintf(out, size,
	                        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUpgrade: websocket\r\n"
	                        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	                        "Sec-WebSocket-Key: " WEBSOCKET_KEY "\r\n\r\n",
	                        path, port);
}

bool websocket_accepted(const char *head, size_t len)
{
	return memmem(head, len, WEBSOCKET_ACCEPT, sizeof(WEBSOCKET_ACCEPT) - 1) != NULL;
}

size_t websocket_head(char *out, enum websocket_opcode opcode, size_t payload)
{
	size_t len = 0;
	out[len++] = (char)(0x80 | (int)opcode);
	if (payload < 126) {
		out[len++] = (char)(0x80 | payload);
	} else {
		out[len++] = (char)(0x80 | 126);
		out[len++] = (char)(payload >> 8);
		out[len++] = (char)payload;
	}
	memset(out + len, 0, 4);
	return len + 4;
}

bool websocket_send(int fd, enum websocket_opcode opcode, const char *payload, size_t len)
{
	char frame[WEBSOCKET_HEAD_MAX + 1024];
	if (len > 1024)
		return false;
	size_t head = websocket_head(frame, opcode, len);
	memcpy(frame + head, payload, len);
	return net_send(fd, frame, head + len) == (ssize_t)(head + len);
}
