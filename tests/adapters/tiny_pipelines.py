"""Tiny pipelines of random weights, built from configurations alone and saved as diffusers saves them.

Each `build(folder)` writes one; nothing is fetched. Sizes are the smallest that the classes take, so that
lengths, strides and interfaces are those of the published ones and everything else is not.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

WORDS = ("<pad>", "</s>", "<unk>", "<image>", "<|vision_start|>", "<|im_end|>", "<|start_header_id|>",
         "<|end_header_id|>", "<|eot_id|>", "a", "red", "blue", "green", "ball", "is", "pushed", "to", "the",
         "right", "left", "and", "floor", "grey", "above", ".", ",", ":")  # fmt: skip
CHAT = (
    "{% for m in messages %}{% if m['content'] is string %}{{ m['content'] }}{% else %}"
    "{% for c in m['content'] %}{{ c['text'] }} {% endfor %}{% endif %} {% endfor %}"
)


def tokenizer(most: int = 64) -> Any:
    """Return a tokenizer of 32 words, which need no file."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    book = {w: i for i, w in enumerate(WORDS)} | {f"spare{i}": len(WORDS) + i for i in range(32 - len(WORDS))}
    made = Tokenizer(models.WordLevel(book, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    out = PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="<unk>", pad_token="<pad>", eos_token="</s>", model_max_length=most,
        additional_special_tokens=[w for w in WORDS[3:] if w.startswith("<")],
    )  # fmt: skip
    out.chat_template = CHAT
    return out


def t5(umt5: bool = False) -> Any:
    from transformers import T5Config, T5EncoderModel, UMT5Config, UMT5EncoderModel

    size = {"vocab_size": 32, "d_model": 32, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2}
    return UMT5EncoderModel(UMT5Config(**size)) if umt5 else T5EncoderModel(T5Config(**size))


def wan_vae() -> Any:
    from diffusers import AutoencoderKLWan

    return AutoencoderKLWan(
        base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
    )


def wan(folder: Path) -> None:
    from diffusers import FlowMatchEulerDiscreteScheduler, WanImageToVideoPipeline, WanTransformer3DModel

    body = WanTransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=12, in_channels=36, out_channels=16,
        text_dim=32, freq_dim=16, ffn_dim=16, num_layers=1, cross_attn_norm=True, rope_max_seq_len=32,
    )  # fmt: skip
    save(folder, WanImageToVideoPipeline(
        tokenizer=tokenizer(), text_encoder=t5(umt5=True), vae=wan_vae(), transformer=body,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
    ), max_sequence_length=16)  # fmt: skip


def wan_vace(folder: Path) -> None:
    from diffusers import FlowMatchEulerDiscreteScheduler, WanVACEPipeline, WanVACETransformer3DModel

    body = WanVACETransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=12, in_channels=16, out_channels=16,
        text_dim=32, freq_dim=16, ffn_dim=16, num_layers=2, cross_attn_norm=True, rope_max_seq_len=32,
        vace_layers=[0], vace_in_channels=96,
    )  # fmt: skip
    save(folder, WanVACEPipeline(
        tokenizer=tokenizer(), text_encoder=t5(umt5=True), vae=wan_vae(), transformer=body,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
    ), max_sequence_length=16)  # fmt: skip


def ltx(folder: Path) -> None:
    from diffusers import (
        AutoencoderKLLTXVideo,
        FlowMatchEulerDiscreteScheduler,
        LTXConditionPipeline,
        LTXVideoTransformer3DModel,
    )

    body = LTXVideoTransformer3DModel(
        in_channels=8, out_channels=8, num_attention_heads=2, attention_head_dim=8, cross_attention_dim=16,
        num_layers=1, caption_channels=32,
    )  # fmt: skip
    widths = (8, 8, 8, 8)
    vae = AutoencoderKLLTXVideo(
        latent_channels=8, block_out_channels=widths, decoder_block_out_channels=widths,
        layers_per_block=(1,) * 5, decoder_layers_per_block=(1,) * 5,
        spatio_temporal_scaling=(True, True, True, False),
        decoder_spatio_temporal_scaling=(True, True, True, False),
        decoder_inject_noise=(False,) * 5, upsample_residual=(False,) * 4, upsample_factor=(1,) * 4,
        patch_size=4, patch_size_t=1,
    )  # fmt: skip
    save(folder, LTXConditionPipeline(
        tokenizer=tokenizer(), text_encoder=t5(), vae=vae, transformer=body,
        scheduler=FlowMatchEulerDiscreteScheduler(),
    ), max_sequence_length=16)  # fmt: skip


def cogvideox(folder: Path) -> None:
    from diffusers import (
        AutoencoderKLCogVideoX,
        CogVideoXDDIMScheduler,
        CogVideoXImageToVideoPipeline,
        CogVideoXTransformer3DModel,
    )

    body = CogVideoXTransformer3DModel(
        num_attention_heads=2, attention_head_dim=16, in_channels=8, out_channels=4, time_embed_dim=4,
        text_embed_dim=32, num_layers=1, sample_width=4, sample_height=4, sample_frames=9,
        max_text_seq_length=16, use_rotary_positional_embeddings=True,
        use_learned_positional_embeddings=True,
    )  # fmt: skip
    vae = AutoencoderKLCogVideoX(
        down_block_types=("CogVideoXDownBlock3D",) * 4, up_block_types=("CogVideoXUpBlock3D",) * 4,
        block_out_channels=(8, 8, 8, 8), latent_channels=4, layers_per_block=1, norm_num_groups=2,
    )  # fmt: skip
    save(folder, CogVideoXImageToVideoPipeline(
        tokenizer=tokenizer(), text_encoder=t5(), vae=vae, transformer=body,
        scheduler=CogVideoXDDIMScheduler(),
    ), max_sequence_length=16)  # fmt: skip


def hunyuan(folder: Path) -> None:
    from diffusers import (
        AutoencoderKLHunyuanVideo,
        FlowMatchEulerDiscreteScheduler,
        HunyuanVideoImageToVideoPipeline,
        HunyuanVideoTransformer3DModel,
    )
    from transformers import (
        CLIPImageProcessor,
        CLIPTextConfig,
        CLIPTextModel,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
    )

    body = HunyuanVideoTransformer3DModel(
        in_channels=9, out_channels=4, num_attention_heads=2, attention_head_dim=10, num_layers=1,
        num_single_layers=1, num_refiner_layers=1, patch_size=2, patch_size_t=1, guidance_embeds=False,
        text_embed_dim=16, pooled_projection_dim=8, rope_axes_dim=(2, 4, 4),
        image_condition_type="latent_concat",
    )  # fmt: skip
    vae = AutoencoderKLHunyuanVideo(
        latent_channels=4, block_out_channels=(8, 8, 8, 8), layers_per_block=1, norm_num_groups=4,
    )  # fmt: skip
    # 576 picture tokens, which the pipeline's own template counts on
    sees = CLIPVisionConfig(
        hidden_size=8,
        intermediate_size=8,
        num_attention_heads=2,
        num_hidden_layers=2,
        image_size=336,
        patch_size=14,
    )
    reads = LlamaConfig(
        hidden_size=16, intermediate_size=16, num_attention_heads=2, num_hidden_layers=3, vocab_size=32,
        pad_token_id=0, bos_token_id=1, eos_token_id=1,
    )  # fmt: skip
    clip = CLIPTextConfig(
        hidden_size=8, intermediate_size=8, num_attention_heads=2, num_hidden_layers=1, vocab_size=32,
        pad_token_id=0, bos_token_id=1, eos_token_id=1, max_position_embeddings=77,
    )  # fmt: skip
    save(folder, HunyuanVideoImageToVideoPipeline(
        text_encoder=LlavaForConditionalGeneration(
            LlavaConfig(vision_config=sees, text_config=reads, image_token_index=3, pad_token_id=0)
        ),
        tokenizer=tokenizer(512), transformer=body, vae=vae,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=7.0),
        text_encoder_2=CLIPTextModel(clip), tokenizer_2=tokenizer(77),
        image_processor=CLIPImageProcessor(
            size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336}
        ),
    ), max_sequence_length=64)  # fmt: skip


def svd(folder: Path) -> None:
    from diffusers import (
        AutoencoderKLTemporalDecoder,
        EulerDiscreteScheduler,
        StableVideoDiffusionPipeline,
        UNetSpatioTemporalConditionModel,
    )
    from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

    unet = UNetSpatioTemporalConditionModel(
        block_out_channels=(32, 32), layers_per_block=1, sample_size=8, cross_attention_dim=8, num_frames=14,
        num_attention_heads=(2, 2), projection_class_embeddings_input_dim=24, addition_time_embed_dim=8,
        down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
        up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
    )  # fmt: skip
    vae = AutoencoderKLTemporalDecoder(
        block_out_channels=(32, 32), down_block_types=("DownEncoderBlock2D",) * 2, layers_per_block=1
    )
    sees = CLIPVisionConfig(
        hidden_size=8, projection_dim=8, num_hidden_layers=1, num_attention_heads=2, image_size=224,
        intermediate_size=8, patch_size=56,
    )  # fmt: skip
    scheduler = EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type="v_prediction",
        sigma_max=700.0, sigma_min=0.002, timestep_type="continuous", use_karras_sigmas=True,
    )  # fmt: skip
    save(folder, StableVideoDiffusionPipeline(
        vae=vae, image_encoder=CLIPVisionModelWithProjection(sees), unet=unet, scheduler=scheduler,
        feature_extractor=CLIPImageProcessor(crop_size=224, size={"shortest_edge": 224}),
    ))  # fmt: skip


def skyreels(folder: Path) -> None:
    from diffusers import (
        SkyReelsV2DiffusionForcingVideoToVideoPipeline,
        SkyReelsV2Transformer3DModel,
        UniPCMultistepScheduler,
    )

    body = SkyReelsV2Transformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=12, in_channels=16, out_channels=16,
        text_dim=32, freq_dim=16, ffn_dim=16, num_layers=1, cross_attn_norm=True, rope_max_seq_len=32,
        inject_sample_info=True,
    )  # fmt: skip
    save(folder, SkyReelsV2DiffusionForcingVideoToVideoPipeline(
        tokenizer=tokenizer(), text_encoder=t5(umt5=True), transformer=body, vae=wan_vae(),
        scheduler=UniPCMultistepScheduler(flow_shift=5.0, use_flow_sigmas=True),
    ), max_sequence_length=16)  # fmt: skip


def cosmos_body() -> Any:
    from diffusers import CosmosTransformer3DModel

    return CosmosTransformer3DModel(
        in_channels=17, out_channels=16, num_attention_heads=2, attention_head_dim=16, num_layers=1,
        mlp_ratio=2, text_embed_dim=32, adaln_lora_dim=4, max_size=(8, 32, 32), patch_size=(1, 2, 2),
        rope_scale=(2.0, 1.0, 1.0), concat_padding_mask=True, extra_pos_embed_type="learnable",
    )  # fmt: skip


def flowing() -> Any:
    from diffusers import UniPCMultistepScheduler

    return UniPCMultistepScheduler(use_flow_sigmas=True, flow_shift=5.0, prediction_type="flow_prediction")


def cosmos2(folder: Path) -> None:
    from diffusers import Cosmos2VideoToWorldPipeline, FlowMatchEulerDiscreteScheduler

    from wmeval_adapters.diffusers_video.guard import NoGuardrail

    save(folder, Cosmos2VideoToWorldPipeline(
        text_encoder=t5(), tokenizer=tokenizer(512), transformer=cosmos_body(), vae=wan_vae(),
        scheduler=FlowMatchEulerDiscreteScheduler(use_karras_sigmas=True), safety_checker=NoGuardrail(),
    ), max_sequence_length=16)  # fmt: skip


def cosmos25(folder: Path) -> None:
    from diffusers import Cosmos2_5_PredictBasePipeline
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    from wmeval_adapters.diffusers_video.guard import NoGuardrail

    reads = {
        "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        "num_key_value_heads": 1, "vocab_size": 32, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 1,
        "rope_scaling": {"type": "mrope", "rope_type": "default", "mrope_section": [1, 1, 2]},
    }  # fmt: skip
    sees = {
        "hidden_size": 8, "intermediate_size": 8, "depth": 1, "num_heads": 2, "out_hidden_size": 16,
        "fullatt_block_indexes": [0],
    }  # fmt: skip
    text = Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(text_config=reads, vision_config=sees, vision_start_token_id=4, image_token_id=3,
                         video_token_id=30, vision_end_token_id=31)
    )  # fmt: skip
    save(folder, Cosmos2_5_PredictBasePipeline(
        text_encoder=text, tokenizer=tokenizer(512), transformer=cosmos_body(), vae=wan_vae(),
        scheduler=flowing(),
        safety_checker=NoGuardrail(),
    ), max_sequence_length=16)  # fmt: skip


def cosmos3(folder: Path) -> None:
    from diffusers import Cosmos3OmniPipeline, Cosmos3OmniTransformer

    body = Cosmos3OmniTransformer(
        head_dim=6, hidden_act="relu2", hidden_size=6, intermediate_size=12, latent_channel=16,
        latent_patch_size=2,
        num_attention_heads=1, num_hidden_layers=1, num_key_value_heads=1, patch_latent_dim=64,
        qk_norm_for_text=False, rms_norm_eps=1e-5, rope_axes_dim=[1, 1, 1], vocab_size=32, action_gen=True,
        action_dim=16, num_embodiment_domains=32,
    )  # fmt: skip
    save(folder, Cosmos3OmniPipeline(
        transformer=body, text_tokenizer=tokenizer(4096), vae=wan_vae(),
        scheduler=flowing(),
        enable_safety_checker=False,
    ))  # fmt: skip


BUILDERS: dict[str, Callable[[Path], None]] = {
    "wan": wan, "wan-vace": wan_vace, "ltx": ltx, "cogvideox": cogvideox, "hunyuan": hunyuan, "svd": svd,
    "skyreels": skyreels, "cosmos2": cosmos2, "cosmos2.5": cosmos25, "cosmos3": cosmos3,
}  # fmt: skip
MODEL_OF = {"wan-vace": "wan", "cosmos2": "cosmos", "cosmos2.5": "cosmos", "cosmos3": "cosmos"}


def save(folder: Path, pipe: Any, side: int = 32, **options: object) -> None:
    """Write a pipeline with the options that fit it, without what stands in a guardrail's place."""
    import torch

    for component in pipe.components.values():
        if isinstance(component, torch.nn.Module):
            component.eval()
    if "safety_checker" in pipe.components and pipe.components["safety_checker"] is not None:
        pipe.register_modules(safety_checker=None)
    pipe.save_pretrained(folder)
    fits = {"height": side, "width": side, "num_inference_steps": 2, **options}
    (folder / "wmeval.json").write_text(json.dumps(fits))


def build(name: str, folder: Path, seed: int = 0) -> Path:
    """Return a folder with the tiny pipeline of a name of BUILDERS."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        BUILDERS[name](folder)
    return folder
