#include "joblight/api/pages.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "joblight/base/buf.h"
#include "joblight/base/digest.h"
#include "joblight/base/xalloc.h"
#include "content_coding.h"
#include "context.h"
#include "net/ask.h"
#include "net/loop_private.h"
#include "pages_builtin.h"
#include "pages_serve.h"
#include "router.h"

#define PAGE_BYTES_MAX (16 * 1024 * 1024)
#define FOLDERS_MAX 8

struct pages {
	struct page *all;
	size_t count;
};

static const struct {
	const char *suffix, *type;
} types[] = {
	{ ".html", "text/html; charset=utf-8" },
	{ ".js", "text/javascript; charset=utf-8" },
	{ ".css", "text/css; charset=utf-8" },
	{ ".json", "application/json" },
	{ ".svg", "image/svg+xml" },
	{ ".png", "image/png" },
	{ ".ico", "image/x-icon" },
	{ ".ts", "text/plain; charset=utf-8" },
	{ ".txt", "text/plain; charset=utf-8" },
	{ ".md", "text/plain; charset=utf-8" },
	{ ".woff2", "font/woff2" },
	{ ".webmanifest", "application/manifest+json" },
};

static const char *type_of(const char *name)
{
	const char *dot = strrchr(name, '.');

	for (size_t i = 0; dot && i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(dot, types[i].suffix) == 0)
			return types[i].type;
	return "application/octet-stream";
}

/* Each encoding has an ETag of its own, because its bytes differ. */
static struct page_body make_body(struct slice bytes, bool owned)
{
	struct page_body body = { .bytes = bytes, .owned = owned };
	uint8_t digest[DIGEST_LEN];
	char hex[33];

	digest_sha256(bytes, digest);
	digest_hex(digest, 16, hex);
	snprintf(body.etag, sizeof(body.etag), "\"%s\"", hex);
	return body;
}

static struct page *add(struct pages *p, const char *name, struct slice bytes, bool owned)
{
	p->all = xrealloc(p->all, (p->count + 1) * sizeof(*p->all));
	struct page *page = &p->all[p->count++];
	*page = (struct page){ .name = xstrdup(name),
		               .type = type_of(name),
		               .plain = make_body(bytes, owned) };
	return page;
}

static bool is_html(const struct page *page)
{
	return strncmp(page->type, "text/html", 9) == 0;
}

static void free_body(struct page_body *body)
{
	if (body->owned)
		free((void *)(uintptr_t)body->bytes.ptr);
	*body = (struct page_body){ 0 };
}

/* Adds the attribute to the first tag.  A page without a tag is unchanged. */
static void mark_demo(struct page *page)
{
	struct slice old = page->plain.bytes, tag = SLICE("<html");
	const char *at = memmem(old.ptr, old.len, tag.ptr, tag.len);
	struct buf bytes = { 0 };

	if (!at)
		return;
	size_t head = (size_t)(at - old.ptr) + tag.len;
	buf_add(&bytes, old.ptr, head);
	buf_text(&bytes, " data-demo");
	buf_add(&bytes, old.ptr + head, old.len - head);
	free_body(&page->plain);
	free_body(&page->gzip);
	page->plain = make_body(buf_as_slice(&bytes), true);
}

/*
 * The addresses that begin with a slash get the base path, unless they have it.  Those that begin
 * with two slashes are of other servers.
 */
static void rebase(struct page *page, const char *base_path)
{
	const char *at = page->plain.bytes.ptr, *end = at + page->plain.bytes.len, *found;
	struct slice start = SLICE("=\"/");
	size_t len = strlen(base_path);
	struct buf bytes = { 0 };

	while ((found = memmem(at, (size_t)(end - at), start.ptr, start.len))) {
		const char *path = found + start.len - 1;
		bool is_done = (size_t)(end - path) > len && memcmp(path, base_path, len) == 0 &&
		               strchr("/\"", path[len]);
		buf_add(&bytes, at, (size_t)(path - at));
		if (!is_done && (path + 1 == end || path[1] != '/'))
			buf_text(&bytes, base_path);
		buf_char(&bytes, '/');
		at = path + 1;
	}
	buf_add(&bytes, at, (size_t)(end - at));
	free_body(&page->plain);
	free_body(&page->gzip);
	page->plain = make_body(buf_as_slice(&bytes), true);
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

/* Only plain files and folders: links are not followed, and dot files are not served. */
static bool load_folder(struct pages *p, const char *directory, const char *prefix, int depth,
                        char *error, size_t error_len)
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
			if (S_ISDIR(about.st_mode) && depth < FOLDERS_MAX) {
				buf_char(&name, '/');
				ok = load_folder(p, path.ptr, buf_string(&name), depth + 1, error,
				                 error_len);
			} else if (S_ISREG(about.st_mode) && about.st_size <= PAGE_BYTES_MAX) {
				ok = read_file(path.ptr, about.st_size, &bytes);
				if (ok)
					add(p, buf_string(&name), buf_as_slice(&bytes), true);
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
	for (const struct builtin_page *b = builtin_pages; b->name; b++) {
		struct slice bytes = { b->start, (size_t)(b->end - b->start) };
		struct page *page = add(p, b->name, bytes, false);
		if (b->gzip_start) {
			struct slice gzip = { b->gzip_start,
				              (size_t)(b->gzip_end - b->gzip_start) };
			page->gzip = make_body(gzip, false);
		}
	}
}

/* What depends on the server that the pages belong to. */
static void adapt(struct page *page, const char *base_path, bool demo)
{
	if (!is_html(page))
		return;
	if (base_path[0])
		rebase(page, base_path);
	if (demo)
		mark_demo(page);
}

struct pages *pages_load(const char *directory, const char *base_path, bool demo, char *error,
                         size_t error_len)
{
	struct pages *p = xcalloc(1, sizeof(*p));

	error[0] = '\0';
	if (!directory) {
		load_builtin(p);
	} else if (!load_folder(p, directory, "", 0, error, error_len)) {
		pages_free(p);
		return NULL;
	}
	for (size_t i = 0; i < p->count; i++)
		adapt(&p->all[i], base_path, demo);
	return p;
}

const struct page *pages_find(const struct pages *p, struct slice name)
{
	for (size_t i = 0; i < p->count; i++)
		if (slice_is(name, p->all[i].name))
			return &p->all[i];
	return NULL;
}

bool pages_have_folder(const struct pages *p, struct slice name)
{
	for (size_t i = 0; i < p->count; i++) {
		const char *file = p->all[i].name;
		size_t len = strcspn(file, "/");
		if (len == name.len && memcmp(file, name.ptr, len) == 0)
			return true;
	}
	return false;
}

void pages_free(struct pages *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->count; i++) {
		free(p->all[i].name);
		free_body(&p->all[i].plain);
		free_body(&p->all[i].gzip);
	}
	free(p->all);
	free(p);
}

/* Serving. */

static const char page_headers[] =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'\r\n"
    "Referrer-Policy: same-origin\r\n";

static void add_headers(const struct page *page, const struct page_body *body, struct buf *lines)
{
	buf_format(lines,
	           "ETag: %s\r\nCache-Control: no-cache\r\nX-Content-Type-Options: nosniff\r\n",
	           body->etag);
	if (body == &page->gzip)
		buf_text(lines, "Content-Encoding: gzip\r\n");
	if (is_html(page))
		buf_text(lines, page_headers);
}

void pages_serve(struct conn *c, enum outcome o, struct slice name)
{
	const struct page *page = pages_find(api_of(c)->pages, name);
	struct buf lines = { 0 };

	if (!page) {
		reply_refuse(c, OUTCOME_NOT_FOUND, "there is nothing at this path");
		return;
	}
	bool zip = page->gzip.bytes.ptr &&
	           coding_takes_gzip(c->request->headers[HEADER_ACCEPT_ENCODING]);
	const struct page_body *body = zip ? &page->gzip : &page->plain;
	if (page->gzip.bytes.ptr)
		c->request->varies = "Accept-Encoding";
	add_headers(page, body, &lines);
	reply_lasting_bytes(c, outcome_status(o), outcome_title(o), page->type, buf_string(&lines),
	                    body->bytes);
	buf_finish(&lines);
}

void pages_index(struct conn *c, struct request *r)
{
	(void)r;
	pages_serve(c, OUTCOME_OK, SLICE("index.html"));
}

/* A failed read is no missing job: the page loads, shows the error and tries again. */
static void job_looked_up(struct conn *c, struct read_result *result, const void *data)
{
	bool missing = result->problem.outcome == OUTCOME_NOT_FOUND;

	(void)data;
	pages_serve(c, missing ? OUTCOME_NOT_FOUND : OUTCOME_OK, SLICE("job.html"));
}

/* Reading the end of the log is the cheapest query that tells whether the job exists. */
void pages_job(struct conn *c, struct request *r)
{
	struct read_query q = { .kind = READ_ACTIVITY, .from = INT64_MAX, .limit = 1 };

	if (!access_is_open(c->loop)) {
		/* nobody learns here whether the job exists */
		pages_serve(c, OUTCOME_OK, SLICE("job.html"));
		return;
	}
	if (!id_valid(r->params[0])) {
		pages_serve(c, OUTCOME_NOT_FOUND, SLICE("job.html"));
		return;
	}
	memcpy(q.job_id, r->params[0].ptr, r->params[0].len);
	if (!ask_read(c, &q, job_looked_up, NULL, 0))
		pages_serve(c, OUTCOME_OK, SLICE("job.html"));
}

/* `joblight demo` only: redirects to the job that its worker is doing. */
void pages_demo(struct conn *c, struct request *r)
{
	const atomic_uint *demo = api_of(c)->demo_run;
	unsigned run = demo ? atomic_load(demo) : 0;
	struct buf headers = { 0 };

	(void)r;
	if (!demo) {
		reply_refuse(c, OUTCOME_NOT_FOUND, "there is nothing at this path");
		return;
	}
	buf_format(&headers, "Location: %s/", api_of(c)->base_path);
	if (run)
		buf_format(&headers, "jobs/demo-%u", run);
	buf_text(&headers, "\r\nCache-Control: no-store\r\n");
	reply_bytes(c, 302, "Found", NULL, buf_string(&headers), (struct slice){ 0 });
	buf_finish(&headers);
}

void pages_login(struct conn *c, struct request *r)
{
	(void)r;
	pages_serve(c, OUTCOME_OK, SLICE("login.html"));
}

void pages_file(struct conn *c, struct request *r)
{
	pages_serve(c, OUTCOME_OK, (struct slice){ r->path.ptr + 1, r->path.len - 1 });
}
