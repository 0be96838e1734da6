/* `joblight completion`: scripts for shells, from the rows of the verbs and the settings. */
#include <stdio.h>
#include <string.h>

#include "joblight/base/buf.h"
#include "output.h"
#include "serve/setting.h"
#include "verbs.h"

/* A verb by its words, such as "job create". */
typedef void each_verb(struct buf *out, const char *name, const struct verb *v);

static void visit_verbs(struct buf *out, const struct verb *table, each_verb *visit)
{
	char name[64];

	for (const struct verb *v = table; v->name; v++) {
		if (!v->parts)
			visit(out, v->name, v);
		for (const struct verb *part = v->parts; part && part->name; part++) {
			snprintf(name, sizeof(name), "%s %s", v->name, part->name);
			visit(out, name, part);
		}
	}
}

static void add_names(struct buf *out, const struct verb *table)
{
	for (const struct verb *v = table; v->name; v++)
		buf_format(out, "%s%s", v == table ? "" : " ", v->name);
}

/* The flags of a row, or the settings of the server. */
static void visit_flags(const struct verb *v, void (*visit)(void *, const struct flag *),
                        void *context)
{
	for (size_t i = 0; v->own && i < SETTING_COUNT; i++)
		visit(context, &(struct flag){ settings[i].flag, settings[i].argument,
		                               settings[i].help, NULL });
	if (v->own == verb_serve)
		visit(context, &(struct flag){ "help-all", NULL, "show all settings", NULL });
	verb_visit_flags(v, visit, context);
	visit(context, &(struct flag){ "help", NULL, "show the help", NULL });
}

/* ---- bash, and zsh by its bashcompinit ---- */

static void add_flag_name(void *context, const struct flag *f)
{
	buf_format(context, " --%s", f->name);
}

static void add_bash_flags(struct buf *out, const char *name, const struct verb *v)
{
	buf_format(out, "\t\"%s\") flags='", name);
	visit_flags(v, add_flag_name, out);
	buf_text(out, "' ;;\n");
}

struct bash_values {
	struct buf *out;
	const char *name;
};

static bool takes_file(const struct flag *f)
{
	return f->argument && (strcmp(f->argument, "FILE") == 0 || strcmp(f->argument, "DIR") == 0);
}

static void add_bash_value(void *context, const struct flag *f)
{
	const struct bash_values *b = context;

	if (!f->argument)
		return;
	buf_format(b->out, "\t\"%s --%s\") ", b->name, f->name);
	if (f->words)
		buf_format(b->out, "_joblight_words '%s'; return ;;\n", f->words);
	else if (takes_file(f))
		buf_text(b->out, "_joblight_files; return ;;\n");
	else
		buf_text(b->out, "return ;;\n");
}

static void add_bash_values(struct buf *out, const char *name, const struct verb *v)
{
	struct bash_values b = { out, name };

	visit_flags(v, add_bash_value, &b);
}

static void add_bash_parts(struct buf *out, const struct verb *table)
{
	for (const struct verb *v = table; v->name; v++) {
		if (!v->parts)
			continue;
		buf_format(out, "\t%s)\n\t\t[ \"$COMP_CWORD\" = 2 ] && _joblight_words '", v->name);
		add_names(out, v->parts);
		buf_text(out, "' && return\n\t\tname=\"$name ${COMP_WORDS[2]}\" ;;\n");
	}
}

/* A command of `run` completes as it would without it. */
static void add_bash(struct buf *out, const struct verb *table)
{
	buf_text(out, "_joblight_words() {\n"
	              "\tCOMPREPLY=($(compgen -W \"$1\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n}\n\n"
	              "_joblight_files() {\n"
	              "\tcompopt -o filenames 2>/dev/null\n"
	              "\tCOMPREPLY=($(compgen -f -- \"${COMP_WORDS[COMP_CWORD]}\"))\n}\n\n"
	              "_joblight() {\n"
	              "\tlocal name=\"${COMP_WORDS[1]}\" flags=''\n"
	              "\tCOMPREPLY=()\n"
	              "\t[ \"$COMP_CWORD\" = 1 ] && _joblight_words '");
	add_names(out, table);
	buf_text(out, "' && return\n\tcase \"$name\" in\n");
	add_bash_parts(out, table);
	buf_text(out, "\tesac\n\tcase \"$name ${COMP_WORDS[COMP_CWORD - 1]}\" in\n");
	visit_verbs(out, table, add_bash_values);
	buf_text(out, "\tesac\n\tcase \"$name\" in\n");
	visit_verbs(out, table, add_bash_flags);
	buf_text(out, "\tesac\n"
	              "\tcase \"$name ${COMP_WORDS[COMP_CWORD]}\" in\n"
	              "\t*' -'*) _joblight_words \"$flags\" ;;\n"
	              "\t'run '*) COMPREPLY=($(compgen -c -- \"${COMP_WORDS[COMP_CWORD]}\")) ;;\n"
	              "\t'completion '*) _joblight_words 'bash zsh fish' ;;\n"
	              "\tesac\n}\n\ncomplete -F _joblight joblight\n");
}

static void add_zsh(struct buf *out, const struct verb *table)
{
	buf_text(out, "autoload -U +X compinit bashcompinit\n"
	              "(( $+functions[compdef] )) || compinit\n"
	              "bashcompinit\n\n");
	add_bash(out, table);
}

/* ---- fish ---- */

/* In single quotes, fish knows \' and \\. */
static void add_quoted(struct buf *out, const char *text)
{
	buf_char(out, '\'');
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			buf_char(out, '\\');
		buf_char(out, *text);
	}
	buf_char(out, '\'');
}

/* The condition that the words of the verb stand on the line. */
static void add_fish_condition(struct buf *out, const char *name)
{
	const char *space = strchr(name, ' ');

	buf_format(out, "complete -c joblight -n '__fish_seen_subcommand_from %.*s",
	           (int)(space ? space - name : (long)strlen(name)), name);
	if (space)
		buf_format(out, "; and __fish_seen_subcommand_from %s", space + 1);
	buf_char(out, '\'');
}

static void add_fish_flag(void *context, const struct flag *f)
{
	const struct bash_values *b = context;

	add_fish_condition(b->out, b->name);
	buf_format(b->out, " -l %s -d ", f->name);
	add_quoted(b->out, f->help);
	if (f->words)
		buf_format(b->out, " -xa '%s'", f->words);
	else if (f->argument)
		buf_text(b->out, takes_file(f) ? " -rF" : " -x");
	buf_char(b->out, '\n');
}

static void add_fish_flags(struct buf *out, const char *name, const struct verb *v)
{
	struct bash_values b = { out, name };

	visit_flags(v, add_fish_flag, &b);
}

static void add_fish_parts(struct buf *out, const struct verb *v)
{
	for (const struct verb *part = v->parts; part && part->name; part++) {
		buf_format(out,
		           "complete -c joblight -n '__fish_seen_subcommand_from %s; and not "
		           "__fish_seen_subcommand_from ",
		           v->name);
		add_names(out, v->parts);
		buf_format(out, "' -a %s -d ", part->name);
		add_quoted(out, part->help);
		buf_char(out, '\n');
	}
}

static void add_fish(struct buf *out, const struct verb *table)
{
	buf_text(out, "complete -c joblight -f\n");
	for (const struct verb *v = table; v->name; v++) {
		buf_format(out, "complete -c joblight -n __fish_use_subcommand -a %s -d ", v->name);
		add_quoted(out, v->help);
		buf_char(out, '\n');
		add_fish_parts(out, v);
	}
	visit_verbs(out, table, add_fish_flags);
	buf_text(out,
	         "complete -c joblight -n '__fish_seen_subcommand_from completion' -a 'bash zsh "
	         "fish'\n");
}

int verb_completion(const struct arguments *a)
{
	static const struct {
		const char *name;
		void (*add)(struct buf *out, const struct verb *table);
	} shells[] = { { "bash", add_bash }, { "zsh", add_zsh }, { "fish", add_fish } };
	struct buf out = { 0 };

	for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++)
		if (strcmp(a->operands[0], shells[i].name) == 0) {
			shells[i].add(&out, a->table);
			output_bytes(buf_as_slice(&out));
			buf_finish(&out);
			return EXIT_OK;
		}
	return arguments_fault("completion", a->operands[0], "it takes bash, zsh or fish");
}
