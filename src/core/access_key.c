#include "joblight/core/access_key.h"

#include <stdlib.h>

static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#define DIGIT_COUNT 62
#define EVEN_MAX (256 / DIGIT_COUNT * DIGIT_COUNT) /* bytes below it give every digit as often */

void access_key_row_finish(struct access_key_row *row)
{
	free(row->name);
	free(row->jobs);
	row->name = row->jobs = NULL;
}

static bool are_digits(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!text[i] || !strchr(digits, text[i]))
			return false;
	return true;
}

bool access_key_parse(struct slice text, struct slice *id)
{
	const char *at = text.ptr;

	if (text.len != ACCESS_KEY_LEN || memcmp(at, ACCESS_KEY_PREFIX, 3) != 0)
		return false;
	at += 3;
	*id = (struct slice){ at, ACCESS_KEY_ID_LEN };
	return are_digits(at, ACCESS_KEY_ID_LEN) && at[ACCESS_KEY_ID_LEN] == '_' &&
	       are_digits(at + ACCESS_KEY_ID_LEN + 1, ACCESS_KEY_SECRET_LEN);
}

void access_key_hash(struct slice text, uint8_t hash[DIGEST_LEN])
{
	digest_sha256(text, hash);
}

static void add_digits(char *out, size_t len, access_key_entropy *entropy)
{
	uint8_t byte;

	while (len) {
		entropy(&byte, 1);
		if (byte >= EVEN_MAX)
			continue;
		*out++ = digits[byte % DIGIT_COUNT];
		len--;
	}
}

void access_key_generate(struct access_key_row *row, access_key_entropy *entropy,
                         char text[ACCESS_KEY_LEN + 1])
{
	add_digits(row->id, ACCESS_KEY_ID_LEN, entropy);
	row->id[ACCESS_KEY_ID_LEN] = '\0';
	memcpy(text, ACCESS_KEY_PREFIX, 3);
	memcpy(text + 3, row->id, ACCESS_KEY_ID_LEN);
	text[3 + ACCESS_KEY_ID_LEN] = '_';
	add_digits(text + 4 + ACCESS_KEY_ID_LEN, ACCESS_KEY_SECRET_LEN, entropy);
	text[ACCESS_KEY_LEN] = '\0';
	access_key_hash((struct slice){ text, ACCESS_KEY_LEN }, row->hash);
}
