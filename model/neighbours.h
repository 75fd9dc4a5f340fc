/* Files in a model's folders that are not used, and look as if they were. */
#ifndef MODEL_NEIGHBOURS_H
#define MODEL_NEIGHBOURS_H

#include "base/notices.h"

/* Weights of another format in the folder of `used`, of the same variant (NULL = none): which, and whether newer. */
ss_status model_note_other_weights(notices *list, const char *used, const char *variant, ss_error *err);

/* LoRA files in the folder. */
ss_status model_note_lora(notices *list, const char *folder, ss_error *err);

#endif
