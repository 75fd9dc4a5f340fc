/* What the files of the plan share: plan.c lays out units, plan_bind.c binds conditions to the model, plan_words.c
 * describes. */
#ifndef STUDY_PLAN_INTERNAL_H
#define STUDY_PLAN_INTERNAL_H

#include "study/plan.h"

/* The model's defaults where the study is silent; what the model refuses is an error of the study file. */
ss_status plan_resolve_settings(const plan *p, pipeline *pl, const sample_settings *asked, resolved_settings *out,
                                ss_error *err);

/* Fill p->condition, p->measure and p->recall; settings, sites and blocks are there. */
ss_status plan_bind_conditions(plan *p, pipeline *pl, ss_error *err);

/* "3 of 64 prompts are too long for text_encoder (77 tokens)", by encoder; nothing where none is. */
void plan_add_cuts(const plan *p, text *out);

/* "self (11 blocks), cross (11 blocks)" */
void plan_list_kinds(const plan *p, text *out);

/* How many texts a whole plan has encoded: prompts, swapped and repeated ones, negative prompts. */
ss_status plan_count_texts(const plan *p, int64_t *count, ss_error *err);

#endif
