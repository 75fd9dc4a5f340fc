/* Names of the original layouts, a table a network: CompVis' latent-diffusion and Stability's generative-models (SD 1
 * and 2, SDXL), sd3-infer (SD3 and SD3.5), OpenCLIP. Targets are diffusers' and transformers' names. Compared with
 * diffusers' loaders/single_file_utils.py by tests/parity/single_file.py. */
#include "model/original_internal.h"

#define COUNT(rows) (int)(sizeof(rows) / sizeof(rows)[0])

/* ---- U-Net ---- */

#define RESNET(from, to)                                                                                               \
    {from "in_layers.0.", to "norm1.", MAP_SAME}, {from "in_layers.2.", to "conv1.", MAP_SAME},                        \
        {from "emb_layers.1.", to "time_emb_proj.", MAP_SAME}, {from "out_layers.0.", to "norm2.", MAP_SAME},          \
        {from "out_layers.3.", to "conv2.", MAP_SAME}, {                                                               \
        from "skip_connection.", to "conv_shortcut.", MAP_SAME                                                         \
    }

static const map_row UNET[] = {
    {"time_embed.0.", "time_embedding.linear_1.", MAP_SAME},
    {"time_embed.2.", "time_embedding.linear_2.", MAP_SAME},
    {"label_emb.0.0.", "add_embedding.linear_1.", MAP_SAME},
    {"label_emb.0.2.", "add_embedding.linear_2.", MAP_SAME},
    {"out.0.", "conv_norm_out.", MAP_SAME},
    {"out.2.", "conv_out.", MAP_SAME},
    {"input_blocks.0.0.", "conv_in.", MAP_SAME},
    {"input_blocks.#.0.op.", "down_blocks.{0<}.downsamplers.0.conv.", MAP_SAME},
    RESNET("input_blocks.#.0.", "down_blocks.{0<}.resnets.{0,}."),
    {"input_blocks.#.1.", "down_blocks.{0<}.attentions.{0,}.", MAP_SAME},
    RESNET("middle_block.0.", "mid_block.resnets.0."),
    {"middle_block.1.", "mid_block.attentions.0.", MAP_SAME},
    RESNET("middle_block.2.", "mid_block.resnets.1."),
    RESNET("output_blocks.#.0.", "up_blocks.{0>}.resnets.{0;}."),
    {"output_blocks.#.1.conv.", "up_blocks.{0>}.upsamplers.0.conv.", MAP_SAME},
    {"output_blocks.#.2.conv.", "up_blocks.{0>}.upsamplers.0.conv.", MAP_SAME},
    {"output_blocks.#.1.", "up_blocks.{0>}.attentions.{0;}.", MAP_SAME},
};
const name_map ORIGINAL_UNET = {UNET, COUNT(UNET)};

/* ---- autoencoder ---- */

#define VAE_RESNET(from, to)                                                                                           \
    {from "nin_shortcut.", to "conv_shortcut.", MAP_SAME}, { from, to, MAP_SAME }

#define VAE_HALF(half)                                                                                                 \
    {half ".conv_in.", half ".conv_in.", MAP_SAME}, {half ".conv_out.", half ".conv_out.", MAP_SAME},                  \
        {half ".norm_out.", half ".conv_norm_out.", MAP_SAME},                                                         \
        VAE_RESNET(half ".mid.block_#.", half ".mid_block.resnets.{0-}."),                                             \
        {half ".mid.attn_1.norm.", half ".mid_block.attentions.0.group_norm.", MAP_SAME},                              \
        {half ".mid.attn_1.q.", half ".mid_block.attentions.0.to_q.", MAP_FLAT},                                       \
        {half ".mid.attn_1.k.", half ".mid_block.attentions.0.to_k.", MAP_FLAT},                                       \
        {half ".mid.attn_1.v.", half ".mid_block.attentions.0.to_v.", MAP_FLAT}, {                                     \
        half ".mid.attn_1.proj_out.", half ".mid_block.attentions.0.to_out.0.", MAP_FLAT                               \
    }

static const map_row VAE[] = {
    VAE_HALF("encoder"),
    VAE_HALF("decoder"),
    VAE_RESNET("encoder.down.#.block.#.", "encoder.down_blocks.{0}.resnets.{1}."),
    {"encoder.down.#.downsample.conv.", "encoder.down_blocks.{0}.downsamplers.0.conv.", MAP_SAME},
    VAE_RESNET("decoder.up.#.block.#.", "decoder.up_blocks.{0^}.resnets.{1}."),
    {"decoder.up.#.upsample.conv.", "decoder.up_blocks.{0^}.upsamplers.0.conv.", MAP_SAME},
    {"quant_conv.", "quant_conv.", MAP_SAME},
    {"post_quant_conv.", "post_quant_conv.", MAP_SAME},
};
const name_map ORIGINAL_VAE = {VAE, COUNT(VAE)};

/* ---- MMDiT ---- */

#define JOINT "joint_blocks.#."
#define BLOCK "transformer_blocks.{0}."

static const map_row MMDIT[] = {
    {"pos_embed", "pos_embed.pos_embed", MAP_SAME},
    {"x_embedder.proj.", "pos_embed.proj.", MAP_SAME},
    {"t_embedder.mlp.0.", "time_text_embed.timestep_embedder.linear_1.", MAP_SAME},
    {"t_embedder.mlp.2.", "time_text_embed.timestep_embedder.linear_2.", MAP_SAME},
    {"y_embedder.mlp.0.", "time_text_embed.text_embedder.linear_1.", MAP_SAME},
    {"y_embedder.mlp.2.", "time_text_embed.text_embedder.linear_2.", MAP_SAME},
    {"context_embedder.", "context_embedder.", MAP_SAME},
    {JOINT "x_block.attn.qkv.", BLOCK "attn.to_q.|" BLOCK "attn.to_k.|" BLOCK "attn.to_v.", MAP_SAME},
    {JOINT "x_block.attn.proj.", BLOCK "attn.to_out.0.", MAP_SAME},
    {JOINT "x_block.attn.ln_q.", BLOCK "attn.norm_q.", MAP_SAME},
    {JOINT "x_block.attn.ln_k.", BLOCK "attn.norm_k.", MAP_SAME},
    {JOINT "x_block.attn2.qkv.", BLOCK "attn2.to_q.|" BLOCK "attn2.to_k.|" BLOCK "attn2.to_v.", MAP_SAME},
    {JOINT "x_block.attn2.proj.", BLOCK "attn2.to_out.0.", MAP_SAME},
    {JOINT "x_block.attn2.ln_q.", BLOCK "attn2.norm_q.", MAP_SAME},
    {JOINT "x_block.attn2.ln_k.", BLOCK "attn2.norm_k.", MAP_SAME},
    {JOINT "x_block.adaLN_modulation.1.", BLOCK "norm1.linear.", MAP_SAME},
    {JOINT "x_block.mlp.fc1.", BLOCK "ff.net.0.proj.", MAP_SAME},
    {JOINT "x_block.mlp.fc2.", BLOCK "ff.net.2.", MAP_SAME},
    {JOINT "context_block.attn.qkv.", BLOCK "attn.add_q_proj.|" BLOCK "attn.add_k_proj.|" BLOCK "attn.add_v_proj.",
     MAP_SAME},
    {JOINT "context_block.attn.proj.", BLOCK "attn.to_add_out.", MAP_SAME},
    {JOINT "context_block.attn.ln_q.", BLOCK "attn.norm_added_q.", MAP_SAME},
    {JOINT "context_block.attn.ln_k.", BLOCK "attn.norm_added_k.", MAP_SAME},
    {JOINT "context_block.adaLN_modulation.1.", BLOCK "norm1_context.linear.", MAP_SWAP_LAST},
    {JOINT "context_block.mlp.fc1.", BLOCK "ff_context.net.0.proj.", MAP_SAME},
    {JOINT "context_block.mlp.fc2.", BLOCK "ff_context.net.2.", MAP_SAME},
    {"final_layer.linear.", "proj_out.", MAP_SAME},
    {"final_layer.adaLN_modulation.1.", "norm_out.linear.", MAP_SWAP},
};
const name_map ORIGINAL_MMDIT = {MMDIT, COUNT(MMDIT)};

/* ---- text encoders ---- */

#define OPEN "transformer.resblocks.#."
#define LAYER "text_model.encoder.layers.{0}."

#define OPEN_CLIP_ROWS                                                                                                 \
    {"positional_embedding", "text_model.embeddings.position_embedding.weight", MAP_SAME},                             \
        {"token_embedding.weight", "text_model.embeddings.token_embedding.weight", MAP_SAME},                          \
        {"ln_final.", "text_model.final_layer_norm.", MAP_SAME},                                                       \
        {OPEN "attn.in_proj_weight",                                                                                   \
         LAYER "self_attn.q_proj.weight|" LAYER "self_attn.k_proj.weight|" LAYER "self_attn.v_proj.weight", MAP_SAME}, \
        {OPEN "attn.in_proj_bias",                                                                                     \
         LAYER "self_attn.q_proj.bias|" LAYER "self_attn.k_proj.bias|" LAYER "self_attn.v_proj.bias", MAP_SAME},       \
        {OPEN "attn.out_proj.", LAYER "self_attn.out_proj.", MAP_SAME},                                                \
        {OPEN "ln_1.", LAYER "layer_norm1.", MAP_SAME}, {OPEN "ln_2.", LAYER "layer_norm2.", MAP_SAME},                \
        {OPEN "mlp.c_fc.", LAYER "mlp.fc1.", MAP_SAME}, {OPEN "mlp.c_proj.", LAYER "mlp.fc2.", MAP_SAME}, {            \
        "logit_scale", NULL, MAP_DROP                                                                                  \
    }

static const map_row OPEN_CLIP[] = {
    {"text_projection", "text_projection.weight", MAP_TURN},
    OPEN_CLIP_ROWS,
};
const name_map ORIGINAL_OPEN_CLIP = {OPEN_CLIP, COUNT(OPEN_CLIP)};

/* SD 2 takes the states before the last of 24 layers, normed: a network of 23 without projection. */
static const map_row OPEN_CLIP_23[] = {
    {"text_projection", NULL, MAP_DROP},
    {"transformer.resblocks.23.", NULL, MAP_DROP},
    OPEN_CLIP_ROWS,
};
const name_map ORIGINAL_OPEN_CLIP_23 = {OPEN_CLIP_23, COUNT(OPEN_CLIP_23)};

/* transformers' own names. */
static const map_row CLIP[] = {
    {"text_model.embeddings.position_ids", NULL, MAP_DROP},
    {"text_model.", "text_model.", MAP_SAME},
    {"text_projection.weight", "text_projection.weight", MAP_SAME},
    {"logit_scale", NULL, MAP_DROP},
};
const name_map ORIGINAL_CLIP = {CLIP, COUNT(CLIP)};

/* SD3's files have no projection of CLIP-L worth the name: it is the identity (original.c makes it). */
static const map_row CLIP_BARE[] = {
    {"text_model.embeddings.position_ids", NULL, MAP_DROP},
    {"text_model.", "text_model.", MAP_SAME},
    {"text_projection.weight", NULL, MAP_DROP},
    {"logit_scale", NULL, MAP_DROP},
};
const name_map ORIGINAL_CLIP_BARE = {CLIP_BARE, COUNT(CLIP_BARE)};

static const map_row T5[] = {
    {"shared.weight", "shared.weight", MAP_SAME},
    {"encoder.", "encoder.", MAP_SAME},
    {"logit_scale", NULL, MAP_DROP},
};
const name_map ORIGINAL_T5 = {T5, COUNT(T5)};
