#include "joblight/net/pages.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "joblight/base/buf.h"
#include "joblight/base/digest.h"
#include "joblight/base/xalloc.h"
#include "loop_private.h"
#include "pages_builtin.h"
#include "router.h"

#define PAGE_MOST (16 * 1024 * 1024)
#define FOLDERS_MOST 8

struct pages {
	struct page *all;
	size_t count;
	bool owned; /* the bytes are ours to free */
};

static const struct {
	const char *suffix, *type;
} types[] = {
	{ ".html", "text/html; charset=utf-8" },   { ".js", "text/javascript; charset=utf-8" },
	{ ".css", "text/css; charset=utf-8" },     { ".json", "application/json" },
	{ ".svg", "image/svg+xml" },               { ".png", "image/png" },
	{ ".ico", "image/x-icon" },                { ".ts", "text/plain; charset=utf-8" },
	{ ".txt", "text/plain; charset=utf-8" },   { ".md", "text/plain; charset=utf-8" },
	{ ".woff2", "font/woff2" },                { ".webmanifest", "application/manifest+json" },
};

static const char *type_of(const char *name)
{
	const char *dot = strrchr(name, '.');

	for (size_t i = 0; dot && i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(dot, types[i].suffix) == 0)
			return types[i].type;
	return "application/octet-stream";
}

static void add(struct pages *p, const char *name, struct slice bytes)
{
	uint8_t digest[DIGEST_LEN];
	char hex[33];

	p->all = xrealloc(p->all, (p->count + 1) * sizeof(*p->all));
	struct page *page = &p->all[p->count++];
	digest_sha256(bytes, digest);
	digest_hex(digest, 16, hex);
	*page = (struct page){ .name = xstrdup(name), .type = type_of(name), .bytes = bytes };
	snprintf(page->etag, sizeof(page->etag), "\"%s\"", hex);
}

static bool read_file(const char *path, off_t size, struct buf *out)
{
	FILE *f = fopen(path, "rbe");

	if (!f)
		return false;
	buf_reserve(out, (size_t)size + 1);
	out->len = fread(out->ptr, 1, (size_t)size, f);
	bool ok = out->len == (size_t)size;
	fclose(f);
	return ok;
}

/* Plain files and folders only: links are not followed, dot files are not served. */
static bool load_folder(struct pages *p, const char *directory, const char *prefix, int depth, char *error,
                        size_t error_len)
{
	DIR *d = opendir(directory);
	bool ok = d != NULL;
	struct dirent *entry;

	while (ok && (entry = readdir(d))) {
		struct buf path = { 0 }, name = { 0 }, bytes = { 0 };
		struct stat about;
		buf_format(&path, "%s/%s", directory, entry->d_name);
		buf_format(&name, "%s%s", prefix, entry->d_name);
		if (entry->d_name[0] != '.' && lstat(buf_string(&path), &about) == 0) {
			if (S_ISDIR(about.st_mode) && depth < FOLDERS_MOST) {
				buf_char(&name, '/');
				ok = load_folder(p, path.ptr, buf_string(&name), depth + 1, error, error_len);
			} else if (S_ISREG(about.st_mode) && about.st_size <= PAGE_MOST) {
				ok = read_file(path.ptr, about.st_size, &bytes);
				if (ok)
					add(p, buf_string(&name), buf_as_slice(&bytes));
			}
		}
		buf_finish(&path);
		buf_finish(&name);
	}
	if (!ok && !error[0])
		snprintf(error, error_len, "cannot read %s: %s", directory, strerror(errno));
	if (d)
		closedir(d);
	return ok;
}

static void load_builtin(struct pages *p)
{
	for (const struct builtin_page *b = builtin_pages; b->name; b++)
		add(p, b->name, (struct slice){ b->start, (size_t)(b->end - b->start) });
}

struct pages *pages_load(const char *directory, char *error, size_t error_len)
{
	struct pages *p = xcalloc(1, sizeof(*p));

	error[0] = '\0';
	if (!directory) {
		load_builtin(p);
		return p;
	}
	p->owned = true;
	if (load_folder(p, directory, "", 0, error, error_len))
		return p;
	pages_free(p);
	return NULL;
}

const struct page *pages_find(const struct pages *p, struct slice name)
{
	for (size_t i = 0; i < p->count; i++)
		if (slice_is(name, p->all[i].name))
			return &p->all[i];
	return NULL;
}

void pages_free(struct pages *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->count; i++) {
		free(p->all[i].name);
		if (p->owned)
			free((void *)(uintptr_t)p->all[i].bytes.ptr);
	}
	free(p->all);
	free(p);
}

/* Serving. */

static const char page_headers[] = "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
				   "img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; "
				   "form-action 'none'; frame-ancestors 'none'\r\n"
				   "Referrer-Policy: same-origin\r\n";

static void serve(struct conn *c, struct slice name)
{
	const struct page *page = pages_find(c->loop->pages, name);
	struct buf lines = { 0 };

	if (!page) {
		reply_refuse(c, OUTCOME_NOT_FOUND, "there is nothing at this path");
		return;
	}
	buf_format(&lines, "ETag: %s\r\nCache-Control: no-cache\r\nX-Content-Type-Options: nosniff\r\n", page->etag);
	if (strncmp(page->type, "text/html", 9) == 0)
		buf_text(&lines, page_headers);
	if (request_has_etag(c->request, page->etag))
		reply_empty(c, OUTCOME_NOT_MODIFIED, buf_string(&lines));
	else
		reply_bytes(c, 200, "OK", page->type, buf_string(&lines), page->bytes);
	buf_finish(&lines);
}

void pages_index(struct conn *c, struct request *r)
{
	(void)r;
	serve(c, SLICE("index.html"));
}

void pages_job(struct conn *c, struct request *r)
{
	(void)r;
	serve(c, SLICE("job.html"));
}

void pages_file(struct conn *c, struct request *r)
{
	serve(c, (struct slice){ r->path.ptr + 1, r->path.len - 1 });
}
