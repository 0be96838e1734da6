#include "server_paths.h"

#include "dispatch.h"
#include "loop_private.h"

struct server_paths dispatch_paths(const struct loop *l)
{
	return (struct server_paths){ l->loops->config.base_path, l->dispatch->free_path,
		                      l->dispatch->stream_path };
}
