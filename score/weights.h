/* Where published weights lie on this machine. Nothing is ever downloaded: a file that is not here is an error that
 * says what to get, from where, and which places were looked in. */
#ifndef SCORE_WEIGHTS_H
#define SCORE_WEIGHTS_H

#include "base/text.h"

/* A place of publication is written
 *   hf:OWNER/REPOSITORY          the folder of a Hugging Face repository
 *   hf:OWNER/REPOSITORY/FILE     one file of it
 *   torch:FILE                   a file of PyTorch's hub (torchvision's backbones, pytorch-fid)
 *   github:OWNER/REPOSITORY/FILE a file that a package carries */
int weights_is_published(const char *written);

/* The path of what is published so (malloc; the caller frees). Looked for, in this order: $SINKSCOPE_WEIGHTS with all
 * that follows the colon, then with the last part alone (for a repository, too); for hf: the cache of
 * huggingface_hub (io/hub.h; REPOSITORY may be NAME@REVISION), then where packages put it (~/.cache/ImageReward,
 * $HPS_ROOT or ~/.cache/hpsv2); for torch: $TORCH_HOME/hub/checkpoints, else in $XDG_CACHE_HOME/torch or
 * ~/.cache/torch. */
ss_status weights_find(const char *written, char **path, ss_error *err);

/* Whether a file, or the weights in a folder, say of themselves that they are random (nn/weights.h): a score by them
 * means nothing. 0 for what is no checkpoint; only memory (or the disk) is an error. */
ss_status weights_are_random(const char *path, int *random, ss_error *err);

/* Append " NAME SHA-256" of every regular file of a folder, links followed, sorted by name; subfolders are not entered
 * (a component lies in one folder). */
ss_status weights_hash_folder(const char *folder, text *out, ss_error *err);

#endif
