/* Repositories of the Hugging Face hub in the cache on this machine, by the rules of huggingface_hub (constants.py,
 * file_download.try_to_load_from_cache): CACHE/models--OWNER--NAME/{refs/REVISION, snapshots/COMMIT/FILE}, where the
 * files are links into blobs/. Nothing is ever downloaded. docs/FORMATS.md has the rules for users. */
#ifndef IO_HUB_H
#define IO_HUB_H

#include "base/text.h"

/* "OWNER/NAME", "OWNER/NAME@REVISION", either with "/FILE" behind it. Parts point into what was read. */
typedef struct hub_name {
    int owner_length, name_length, revision_length; /* revision: 0 = none was given */
    const char *owner, *name, *revision;
    const char *file; /* below the repository; "" = the repository itself */
} hub_name;

/* Whether the text may be such a name (it may also be a path). "models/..." is none: that folder ships. */
int hub_read_name(const char *s, hub_name *out);

/* The cache: $HF_HUB_CACHE, else $HUGGINGFACE_HUB_CACHE, else $HF_HOME/hub, else $XDG_CACHE_HOME/huggingface/hub, else
 * ~/.cache/huggingface/hub. What is set to nothing is not set. */
void hub_add_cache(text *out);

/* Append with ~ at the beginning, $NAME and ${NAME} replaced, as Python's expanduser and expandvars do. */
void hub_expand(const char *s, text *out);

/* The path of the repository, or of its file, in the cache (malloc): of the revision (a branch, tag, "refs/pr/1" or
 * commit; main), or, where no revision is given and no main is known, of the only snapshot. *path is NULL where that is
 * not there. `looked`: where it was looked for, appended. */
ss_status hub_find(const hub_name *name, char **path, text *looked, ss_error *err);

/* Append "hf download OWNER/NAME FILE --revision REVISION". */
void hub_add_command(const hub_name *name, text *out);

/* What a path or name of a model stands for (malloc): a path that is there, but for a repository's own folder in a
 * cache (models--OWNER--NAME), which stands for its snapshot; else a hub name in the cache. `also`: where else it was
 * looked for, for the error ("in /usr/share/sinkscope"), or NULL. */
ss_status hub_locate(const char *name, const char *also, char **out, ss_error *err);

#endif
