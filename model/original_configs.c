/* The families of single files: what each is recognised by, in the order of diffusers' infer_diffusers_model_type, and
 * the configs of the repository that its from_single_file fetches for it (DIFFUSERS_DEFAULT_PIPELINE_PATHS). A key that
 * is missing has the default of its class. */
#include "model/original_internal.h"

/* ---- parts that families share ---- */

#define CLIP_L(class_name)                                                                                             \
    "{\"architectures\": [\"" class_name "\"], \"hidden_act\": \"quick_gelu\", \"hidden_size\": 768, "                 \
    "\"intermediate_size\": 3072, \"num_attention_heads\": 12, \"num_hidden_layers\": 12, \"projection_dim\": 768, "   \
    "\"max_position_embeddings\": 77, \"vocab_size\": 49408, \"layer_norm_eps\": 1e-05, \"bos_token_id\": 0, "         \
    "\"eos_token_id\": 2, \"pad_token_id\": 1, \"model_type\": \"clip_text_model\"}"

#define CLIP_G                                                                                                         \
    "{\"architectures\": [\"CLIPTextModelWithProjection\"], \"hidden_act\": \"gelu\", \"hidden_size\": 1280, "         \
    "\"intermediate_size\": 5120, \"num_attention_heads\": 20, \"num_hidden_layers\": 32, \"projection_dim\": 1280, "  \
    "\"max_position_embeddings\": 77, \"vocab_size\": 49408, \"layer_norm_eps\": 1e-05, \"bos_token_id\": 0, "         \
    "\"eos_token_id\": 2, \"pad_token_id\": 1, \"model_type\": \"clip_text_model\"}"

#define CLIP_H                                                                                                         \
    "{\"architectures\": [\"CLIPTextModel\"], \"hidden_act\": \"gelu\", \"hidden_size\": 1024, "                       \
    "\"intermediate_size\": 4096, \"num_attention_heads\": 16, \"num_hidden_layers\": 23, \"projection_dim\": 512, "   \
    "\"max_position_embeddings\": 77, \"vocab_size\": 49408, \"layer_norm_eps\": 1e-05, \"bos_token_id\": 0, "         \
    "\"eos_token_id\": 2, \"pad_token_id\": 1, \"model_type\": \"clip_text_model\"}"

/* tokenizer_config.json; the padding differs */
#define CLIP_TOKENIZER(padding)                                                                                        \
    "{\"tokenizer_class\": \"CLIPTokenizer\", \"add_prefix_space\": false, \"bos_token\": \"<|startoftext|>\", "       \
    "\"do_lower_case\": true, \"eos_token\": \"<|endoftext|>\", \"errors\": \"replace\", \"model_max_length\": 77, "   \
    "\"pad_token\": \"" padding "\", \"unk_token\": \"<|endoftext|>\"}"
#define TOKENIZER_1                                                                                                    \
    { "tokenizer", CLIP_TOKENIZER("<|endoftext|>") }
#define TOKENIZER_2                                                                                                    \
    { "tokenizer_2", CLIP_TOKENIZER("!") }

#define T5_XXL                                                                                                         \
    "{\"architectures\": [\"T5EncoderModel\"], \"d_ff\": 10240, \"d_kv\": 64, \"d_model\": 4096, "                     \
    "\"feed_forward_proj\": \"gated-gelu\", \"dense_act_fn\": \"gelu_new\", \"is_gated_act\": true, "                  \
    "\"layer_norm_epsilon\": 1e-06, \"num_heads\": 64, \"num_layers\": 24, \"num_decoder_layers\": 24, "               \
    "\"relative_attention_max_distance\": 128, \"relative_attention_num_buckets\": 32, \"vocab_size\": 32128, "        \
    "\"model_type\": \"t5\"}"

/* Autoencoders differ in these alone. */
#define VAE(latents, size, more)                                                                                       \
    "{\"_class_name\": \"AutoencoderKL\", \"act_fn\": \"silu\", \"block_out_channels\": [128, 256, 512, 512], "        \
    "\"down_block_types\": [\"DownEncoderBlock2D\", \"DownEncoderBlock2D\", \"DownEncoderBlock2D\", "                  \
    "\"DownEncoderBlock2D\"], \"up_block_types\": [\"UpDecoderBlock2D\", \"UpDecoderBlock2D\", "                       \
    "\"UpDecoderBlock2D\", \"UpDecoderBlock2D\"], \"in_channels\": 3, \"out_channels\": 3, "                           \
    "\"layers_per_block\": 2, \"norm_num_groups\": 32, \"latent_channels\": " latents ", \"sample_size\": " size       \
    ", " more "}"

#define UNET_2                                                                                                         \
    "{\"_class_name\": \"UNet2DConditionModel\", \"block_out_channels\": [320, 640, 1280, 1280], "                     \
    "\"down_block_types\": [\"CrossAttnDownBlock2D\", \"CrossAttnDownBlock2D\", \"CrossAttnDownBlock2D\", "            \
    "\"DownBlock2D\"], \"up_block_types\": [\"UpBlock2D\", \"CrossAttnUpBlock2D\", \"CrossAttnUpBlock2D\", "           \
    "\"CrossAttnUpBlock2D\"], \"in_channels\": 4, \"out_channels\": 4, \"layers_per_block\": 2, "

#define UNET_XL                                                                                                        \
    "{\"_class_name\": \"UNet2DConditionModel\", \"addition_embed_type\": \"text_time\", "                             \
    "\"addition_time_embed_dim\": 256, \"attention_head_dim\": [5, 10, 20], "                                          \
    "\"block_out_channels\": [320, 640, 1280], \"cross_attention_dim\": 2048, "                                        \
    "\"down_block_types\": [\"DownBlock2D\", \"CrossAttnDownBlock2D\", \"CrossAttnDownBlock2D\"], "                    \
    "\"up_block_types\": [\"CrossAttnUpBlock2D\", \"CrossAttnUpBlock2D\", \"UpBlock2D\"], \"in_channels\": 4, "        \
    "\"out_channels\": 4, \"layers_per_block\": 2, \"projection_class_embeddings_input_dim\": 2816, "                  \
    "\"sample_size\": 128, \"transformer_layers_per_block\": [1, 2, 10], \"use_linear_projection\": true}"

#define MMDIT(blocks, width, positions, more)                                                                          \
    "{\"_class_name\": \"SD3Transformer2DModel\", \"attention_head_dim\": 64, \"caption_projection_dim\": " width      \
    ", \"in_channels\": 16, \"joint_attention_dim\": 4096, \"num_attention_heads\": " blocks                           \
    ", \"num_layers\": " blocks ", \"out_channels\": 16, \"patch_size\": 2, \"pooled_projection_dim\": 2048, "         \
    "\"pos_embed_max_size\": " positions ", \"sample_size\": 128" more "}"

#define BETAS "\"beta_start\": 0.00085, \"beta_end\": 0.012, \"beta_schedule\": \"scaled_linear\", "
#define SD_INDEX(scheduler)                                                                                            \
    "{\"_class_name\": \"StableDiffusionPipeline\", \"feature_extractor\": [null, null], "                             \
    "\"safety_checker\": [null, null], \"scheduler\": [\"diffusers\", \"" scheduler                                    \
    "\"], \"text_encoder\": [\"transformers\", \"CLIPTextModel\"], "                                                   \
    "\"tokenizer\": [\"transformers\", \"CLIPTokenizer\"], \"unet\": [\"diffusers\", \"UNet2DConditionModel\"], "      \
    "\"vae\": [\"diffusers\", \"AutoencoderKL\"]}"
#define XL_INDEX(scheduler)                                                                                            \
    "{\"_class_name\": \"StableDiffusionXLPipeline\", \"force_zeros_for_empty_prompt\": true, "                        \
    "\"feature_extractor\": [null, null], \"image_encoder\": [null, null], "                                           \
    "\"scheduler\": [\"diffusers\", \"" scheduler "\"], \"text_encoder\": [\"transformers\", \"CLIPTextModel\"], "     \
    "\"text_encoder_2\": [\"transformers\", \"CLIPTextModelWithProjection\"], "                                        \
    "\"tokenizer\": [\"transformers\", \"CLIPTokenizer\"], \"tokenizer_2\": [\"transformers\", \"CLIPTokenizer\"], "   \
    "\"unet\": [\"diffusers\", \"UNet2DConditionModel\"], \"vae\": [\"diffusers\", \"AutoencoderKL\"]}"
#define SD3_INDEX                                                                                                      \
    "{\"_class_name\": \"StableDiffusion3Pipeline\", \"feature_extractor\": [null, null], "                            \
    "\"image_encoder\": [null, null], \"scheduler\": [\"diffusers\", \"FlowMatchEulerDiscreteScheduler\"], "           \
    "\"text_encoder\": [\"transformers\", \"CLIPTextModelWithProjection\"], "                                          \
    "\"text_encoder_2\": [\"transformers\", \"CLIPTextModelWithProjection\"], "                                        \
    "\"text_encoder_3\": [\"transformers\", \"T5EncoderModel\"], "                                                     \
    "\"tokenizer\": [\"transformers\", \"CLIPTokenizer\"], \"tokenizer_2\": [\"transformers\", \"CLIPTokenizer\"], "   \
    "\"tokenizer_3\": [\"transformers\", \"T5TokenizerFast\"], "                                                       \
    "\"transformer\": [\"diffusers\", \"SD3Transformer2DModel\"], \"vae\": [\"diffusers\", \"AutoencoderKL\"]}"
#define FLOW "{\"_class_name\": \"FlowMatchEulerDiscreteScheduler\", \"num_train_timesteps\": 1000, \"shift\": 3.0}"

/* ---- families ---- */

/* stable-diffusion-v1-5/stable-diffusion-v1-5 */
static const original_config_row SD_1[ORIGINAL_CONFIGS] = {
    {"model_index", SD_INDEX("PNDMScheduler")},
    {"scheduler", "{\"_class_name\": \"PNDMScheduler\", " BETAS
                  "\"clip_sample\": false, \"num_train_timesteps\": 1000, \"set_alpha_to_one\": false, "
                  "\"skip_prk_steps\": true, \"steps_offset\": 1, \"trained_betas\": null}"},
    TOKENIZER_1,
    {"text_encoder", CLIP_L("CLIPTextModel")},
    {"unet", UNET_2 "\"attention_head_dim\": 8, \"cross_attention_dim\": 768, \"sample_size\": 64}"},
    {"vae", VAE("4", "512", "\"scaling_factor\": 0.18215")},
    {0},
};

/* stabilityai/stable-diffusion-2-1 */
static const original_config_row SD_2[ORIGINAL_CONFIGS] = {
    {"model_index", SD_INDEX("DDIMScheduler")},
    {"scheduler", "{\"_class_name\": \"DDIMScheduler\", " BETAS
                  "\"clip_sample\": false, \"num_train_timesteps\": 1000, \"prediction_type\": \"v_prediction\", "
                  "\"set_alpha_to_one\": false, \"skip_prk_steps\": true, \"steps_offset\": 1, "
                  "\"trained_betas\": null}"},
    {"tokenizer", CLIP_TOKENIZER("!")},
    {"text_encoder", CLIP_H},
    {"unet", UNET_2 "\"attention_head_dim\": [5, 10, 20, 20], \"cross_attention_dim\": 1024, \"sample_size\": 96, "
                    "\"upcast_attention\": true, \"use_linear_projection\": true}"},
    {"vae", VAE("4", "768", "\"scaling_factor\": 0.18215")},
    {0},
};

/* stabilityai/stable-diffusion-xl-base-1.0 */
static const original_config_row SD_XL[ORIGINAL_CONFIGS] = {
    {"model_index", XL_INDEX("EulerDiscreteScheduler")},
    {"scheduler", "{\"_class_name\": \"EulerDiscreteScheduler\", " BETAS
                  "\"clip_sample\": false, \"interpolation_type\": \"linear\", \"num_train_timesteps\": 1000, "
                  "\"prediction_type\": \"epsilon\", \"sample_max_value\": 1.0, \"set_alpha_to_one\": false, "
                  "\"skip_prk_steps\": true, \"steps_offset\": 1, \"timestep_spacing\": \"leading\", "
                  "\"trained_betas\": null, \"use_karras_sigmas\": false}"},
    TOKENIZER_1,
    {"text_encoder", CLIP_L("CLIPTextModel")},
    TOKENIZER_2,
    {"text_encoder_2", CLIP_G},
    {"unet", UNET_XL},
    {"vae", VAE("4", "1024", "\"scaling_factor\": 0.13025, \"force_upcast\": true")},
    {0},
};

/* playgroundai/playground-v2.5-1024px-aesthetic */
static const original_config_row PLAYGROUND[ORIGINAL_CONFIGS] = {
    {"model_index", XL_INDEX("EDMDPMSolverMultistepScheduler")},
    {"scheduler", "{\"_class_name\": \"EDMDPMSolverMultistepScheduler\", \"algorithm_type\": \"dpmsolver++\", "
                  "\"dynamic_thresholding_ratio\": 0.995, \"euler_at_final\": false, "
                  "\"final_sigmas_type\": \"zero\", \"lower_order_final\": true, \"num_train_timesteps\": 1000, "
                  "\"prediction_type\": \"epsilon\", \"rho\": 7.0, \"sample_max_value\": 1.0, \"sigma_data\": 0.5, "
                  "\"sigma_max\": 80.0, \"sigma_min\": 0.002, \"solver_order\": 2, \"solver_type\": \"midpoint\", "
                  "\"thresholding\": false}"},
    TOKENIZER_1,
    {"text_encoder", CLIP_L("CLIPTextModel")},
    TOKENIZER_2,
    {"text_encoder_2", CLIP_G},
    {"unet", UNET_XL},
    {"vae", VAE("4", "1024",
                "\"scaling_factor\": 0.5, \"force_upcast\": true, "
                "\"latents_mean\": [-1.6574, 1.886, -1.383, 2.5155], "
                "\"latents_std\": [8.4927, 5.9022, 6.5498, 5.2299]")},
    {0},
};

#define SD3_TEXT                                                                                                       \
    TOKENIZER_1, TOKENIZER_2, {"model_index", SD3_INDEX}, {"scheduler", FLOW},                                         \
        {"text_encoder", CLIP_L("CLIPTextModelWithProjection")}, {"text_encoder_2", CLIP_G},                           \
        {"text_encoder_3", T5_XXL}, {                                                                                  \
        "vae", VAE("16", "1024",                                                                                       \
                   "\"scaling_factor\": 1.5305, \"shift_factor\": 0.0609, \"use_quant_conv\": false, "                 \
                   "\"use_post_quant_conv\": false, \"force_upcast\": true")                                           \
    }

/* stabilityai/stable-diffusion-3-medium-diffusers */
static const original_config_row SD_3[ORIGINAL_CONFIGS] = {
    SD3_TEXT, {"transformer", MMDIT("24", "1536", "192", "")}, {0}};

/* stabilityai/stable-diffusion-3.5-medium */
static const original_config_row SD_35_MEDIUM[ORIGINAL_CONFIGS] = {
    SD3_TEXT,
    {"transformer", MMDIT("24", "1536", "384",
                          ", \"dual_attention_layers\": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], "
                          "\"qk_norm\": \"rms_norm\"")},
    {0}};

/* stabilityai/stable-diffusion-3.5-large */
static const original_config_row SD_35_LARGE[ORIGINAL_CONFIGS] = {
    SD3_TEXT,
    {"transformer", MMDIT("38", "2432", "192", ", \"dual_attention_layers\": [], \"qk_norm\": \"rms_norm\"")},
    {0}};

#define FIRST_CONV "input_blocks.0.0.weight"
#define CONTEXT_0 "joint_blocks.0.context_block.adaLN_modulation.1.bias"

const original_family_row ORIGINAL_FAMILIES[] = {
    {"an inpainting model", {{FIRST_CONV, 1, 9}}, NULL},
    {"Stable Diffusion 2", {{"input_blocks.2.1.transformer_blocks.0.attn2.to_k.weight", -1, 1024}}, SD_2},
    {"playground v2.5", {{"edm_mean", 0, 0}}, PLAYGROUND},
    {"Stable Diffusion XL base",
     {{"conditioner.embedders.1.model.transformer.resblocks.9.mlp.c_proj.bias", 0, 0}},
     SD_XL},
    {"SDXL's refiner", {{"conditioner.embedders.0.model.transformer.resblocks.9.mlp.c_proj.bias", 0, 0}}, NULL},
    {"an upscaler", {{"input_blocks.10.0.skip_connection.bias", 0, 0}, {FIRST_CONV, 1, 7}}, NULL},
    {"a ControlNet", {{"control_model.time_embed.0.weight", 0, 0}}, NULL},
    {"a ControlNet", {{"controlnet_cond_embedding.conv_in.weight", 0, 0}}, NULL},
    {"Stable Diffusion 3 medium", {{CONTEXT_0, -1, 9216}, {"pos_embed", 1, 36864}}, SD_3},
    {"Stable Diffusion 3.5 medium", {{CONTEXT_0, -1, 9216}, {"pos_embed", 1, 147456}}, SD_35_MEDIUM},
    {"Stable Diffusion 3.5 large", {{"joint_blocks.37.x_block.mlp.fc1.weight", 0, 0}}, SD_35_LARGE},
    {"FLUX", {{"double_blocks.0.img_attn.norm.key_norm.scale", 0, 0}}, NULL},
    {"AuraFlow", {{"double_layers.0.attn.w2q.weight", 0, 0}}, NULL},
    {"Stable Cascade", {{"clip_txt_mapper.weight", 0, 0}}, NULL},
    {"Stable Cascade", {{"down_blocks.1.0.channelwise.0.weight", 0, 0}}, NULL},
    {"Lumina 2", {{"cap_embedder.0.weight", 0, 0}}, NULL},
    {"Wan", {{"head.modulation", 0, 0}}, NULL},
    {"InstructPix2Pix", {{FIRST_CONV, 1, 8}}, NULL},
    /* a denoiser alone, which diffusers does not distinguish from Stable Diffusion 1 */
    {"Stable Diffusion XL base", {{"label_emb.0.0.weight", 1, 2816}, {FIRST_CONV, 1, 4}}, SD_XL},
    {"Stable Diffusion 1", {{"output_blocks.11.0.skip_connection.weight", 0, 0}, {FIRST_CONV, 1, 4}}, SD_1},
};
const int ORIGINAL_FAMILY_COUNT = sizeof ORIGINAL_FAMILIES / sizeof ORIGINAL_FAMILIES[0];
