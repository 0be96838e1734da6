#include "server_state.h"

struct loop_settings *server_loop_settings(const struct server *s, const struct config *c)
{
	struct api api = s->api;

	api.origin_rules = (struct origin_rules){ &c->hosts, &c->origins };
	return loop_settings_create(&c->trusted_proxies, c->proxy_protocol, api_copy(&api),
	                            api_free);
}
