#include "frames.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

/* Appends up to `want` bytes.  False: there are none now, or the end. */
static bool read_some(struct frames *f, void *out, size_t want, size_t *len)
{
	ssize_t n = recv(f->fd, out, want, MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		f->ended = true;
	if (n <= 0)
		return false;
	*len += (size_t)n;
	return true;
}

static bool read_head(struct frames *f)
{
	while (f->head_len < SEND_HEAD_BYTES)
		if (!read_some(f, f->head + f->head_len, SEND_HEAD_BYTES - f->head_len,
		               &f->head_len))
			return false;
	return true;
}

bool frames_read(struct frames *f, uint32_t *items)
{
	if (f->ended || !read_head(f))
		return false;
	uint32_t len = send_get_u32(f->head);
	if (len > SEND_BODY_MAX) {
		f->ended = true;
		return false;
	}
	buf_reserve(&f->body, len);
	while (f->body.len < len)
		if (!read_some(f, f->body.ptr + f->body.len, len - f->body.len, &f->body.len))
			return false;
	*items = send_get_u32(f->head + 4);
	f->head_len = 0;
	return true;
}

bool frames_are_ending(const struct frames *f)
{
	struct pollfd server = { .fd = f->fd, .events = POLLRDHUP };

	return f->ended ||
	       (poll(&server, 1, 0) == 1 && (server.revents & (POLLRDHUP | POLLHUP | POLLERR)));
}
