#include "joblight/core/credential.h"

#include <stdlib.h>

#include "joblight/base/base64url.h"
#include "joblight/base/xalloc.h"

struct credential *credential_create(struct access_key_row *key)
{
	struct credential *c = xcalloc(1, sizeof(*c));

	atomic_init(&c->references, 1);
	c->key = *key;
	memcpy(c->identity, key->id, sizeof(key->id));
	*key = (struct access_key_row){ 0 };
	return c;
}

struct credential *credential_hold(struct credential *c)
{
	if (c)
		atomic_fetch_add_explicit(&c->references, 1, memory_order_relaxed);
	return c;
}

void credential_release(struct credential *c)
{
	if (!c || atomic_fetch_sub_explicit(&c->references, 1, memory_order_acq_rel) != 1)
		return;
	access_key_row_finish(&c->key);
	free(c->commands);
	free(c);
}

/* 132 bits of the digest: nobody finds two subjects with the same ones. */
void credential_identify(struct credential *c, const char *prefix, struct slice subject)
{
	uint8_t digest[DIGEST_LEN];
	struct buf text = { 0 };

	digest_sha256(subject, digest);
	buf_format(&text, "%s/", prefix);
	base64url_encode(&text, (struct slice){ (const char *)digest, DIGEST_LEN });
	size_t len = strlen(prefix) + 1 + TOKEN_ID_LEN;
	memcpy(c->identity, text.ptr, len);
	c->identity[len] = '\0';
	buf_finish(&text);
}

bool credential_may_command(const struct credential *c, struct slice command)
{
	if (!c->commands)
		return true;
	for (const char *at = c->commands; *at; at += *at == ' ') {
		size_t len = strcspn(at, " ");
		if (len == command.len && memcmp(at, command.ptr, len) == 0)
			return true;
		at += len;
	}
	return false;
}

bool credential_is_over(const struct credential *c, int64_t wall_ms)
{
	return c->key.revoked || (c->key.expires && c->key.expires <= wall_ms);
}
