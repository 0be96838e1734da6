/* /api/keys: access keys.  The loop has them all; making and revoking go through the store. */
#include "http_store.h"
#include "net/loop_private.h"
#include "router.h"

static void add_key(void *context, const struct credential *c)
{
	struct buf *out = context;

	if (out->ptr[out->len - 1] == '}')
		buf_char(out, ',');
	buf_char(out, '{');
	access_key_encode(out, &c->key);
	buf_char(out, '}');
}

void keys_list(struct conn *c, struct request *r)
{
	struct buf body = { 0 };

	(void)r;
	buf_text(&body, "{\"keys\":[");
	keyring_each(c->loop->keyring, add_key, &body);
	buf_text(&body, "]}");
	reply_json_taken(c, OUTCOME_OK, "Cache-Control: no-store\r\n", &body);
}

void keys_revoke(struct conn *c, struct request *r)
{
	struct slice id = r->params[0];

	if (id.len != ACCESS_KEY_ID_LEN) {
		reply_refuse(c, OUTCOME_NOT_FOUND, "there is no key \"%.*s\"", (int)id.len, id.ptr);
		return;
	}
	struct op *op = op_create(OP_KEY_REVOKE);
	memcpy(op->access_key.id, id.ptr, id.len);
	http_conditions(r, op);
	http_submit(c, op);
}
