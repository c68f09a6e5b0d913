"""What a training runs on: which accelerator, how many of it, in which precision. Asks the hardware, not a clock."""

from typing import Any

import torch
from pytorch_lightning.accelerators import XLAAccelerator

from ratsnlp.nlpbook.arguments import TrainArguments
from ratsnlp.nlpbook.errors import ArgumentError
from ratsnlp.nlpbook.logs import logger


def select_hardware(args: TrainArguments) -> dict[str, Any]:
    """Return the trainer's accelerator, devices, strategy and precision."""
    tpu = bool(XLAAccelerator.is_available())
    if args.tpu_cores and not tpu:
        logger.warning("tpu_cores=%d, but there is no TPU here; training on what there is", args.tpu_cores)
    accelerator = "tpu" if tpu and args.tpu_cores else "gpu" if torch.cuda.is_available() else "auto"
    devices: Any = args.devices or "auto"
    if accelerator == "tpu":
        devices = 1 if args.tpu_cores == 1 else "auto"  # XLA takes one core or all of them
    return {
        "accelerator": accelerator,
        "devices": devices,
        "num_nodes": args.num_nodes,
        "strategy": args.strategy,
        "precision": select_precision(args, accelerator),
    }


def select_precision(args: TrainArguments, accelerator: str) -> Any:
    """Return Lightning's name of the precision. Weights stay float32 except on XLA, which knows no mixed mode."""
    wanted = "16" if args.fp16 else args.precision
    if wanted == "auto" and accelerator == "gpu" and args.strategy == "ddp_notebook":
        logger.info("ddp_notebook trains in float32: asking a GPU what it is good at uses it; or give precision='bf16'")
        wanted = "32"
    if wanted == "auto":
        wanted = "bf16" if bf16_is_faster(accelerator) else "32"
    if wanted == "32":
        return "32-true"
    if accelerator == "tpu":
        return "bf16-true"
    if wanted == "16" and accelerator != "gpu":
        logger.info("float16 needs a GPU; training in bfloat16")
        wanted = "bf16"
    return f"{wanted}-mixed"


def bf16_is_faster(accelerator: str) -> bool:
    """Return whether this hardware multiplies bfloat16 matrices faster than float32 ones."""
    if accelerator == "gpu":
        return torch.cuda.get_device_capability() >= (8, 0)
    if accelerator == "tpu":
        return True
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # torch has no public name for it before 2.13
    return any(getattr(torch.cpu, probe, bool)() for probe in probes)


def refuse_fork(args: TrainArguments) -> None:
    """Refuse `ddp_notebook`, with an ArgumentError, where the notebook's kernel has initialised CUDA already."""
    if args.strategy == "ddp_notebook" and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        raise ArgumentError(
            "strategy='ddp_notebook' forks this notebook's kernel, but the kernel has used a GPU already, and forked "
            "processes cannot. Restart the kernel, and put nothing on a GPU before fit()"
        )
