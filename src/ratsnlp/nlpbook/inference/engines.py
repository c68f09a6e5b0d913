"""One model, run in several ways. An engine is called as the model is and answers with the same named outputs.

`torch` is the model itself. The others run on a CPU only and answer almost as it does. Nothing heavy is imported until
an engine is built, so that the command's help can list them.
"""

import logging
import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ratsnlp.nlpbook.errors import ArgumentError

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

Engine = Callable[..., Any]
ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def check_engine_name(name: str) -> None:
    """Raise `ArgumentError`, with what to do, if there is no such engine or its packages are not installed."""
    if name not in ENGINES:
        raise ArgumentError(f"engine {name!r} is not known; there is {', '.join(ENGINES)}")
    missing = [package for package in ONNX_PACKAGES if name.startswith("onnx") and find_spec(package) is None]
    if missing:
        raise ArgumentError(
            f"engine {name!r} needs packages that are not installed here: {', '.join(missing)}. "
            f"Install them: pip install {' '.join(missing)} (or the extra: ratsnlp[onnx])"
        )


def build_engine(name: str, model: "PreTrainedModel") -> Engine:
    """Return an engine for a model. Any error of a converter may be raised."""
    disabled = logging.root.manager.disable
    with warnings.catch_warnings():
        # converters warn of deprecations and give hints that a reader of the log can do nothing about
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            return ENGINES[name](model)
        finally:
            logging.disable(disabled)


def _quantize(model: "PreTrainedModel") -> Engine:
    import torch

    quantize_dynamic: Callable[..., Engine] = torch.ao.quantization.quantize_dynamic
    return quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)


def _export(model: "PreTrainedModel", *, quantized: bool) -> Engine:
    with tempfile.TemporaryDirectory() as folder:
        path = _write_onnx(model, Path(folder) / "model.onnx")
        if quantized:
            import onnx
            from onnxruntime.quantization import QuantType, quantize_dynamic

            graph, path = onnx.load(path), Path(folder) / "small.onnx"
            del graph.graph.value_info[:]  # shapes as exported, which the quantizer finds contradictory
            quantize_dynamic(graph, path, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gemm"])
        return _open_onnx(path)


ENGINES: dict[str, Callable[["PreTrainedModel"], Engine]] = {
    "torch": lambda model: model,
    "torch-int8": _quantize,
    "onnx": partial(_export, quantized=False),
    "onnx-int8": partial(_export, quantized=True),
}


def _open_onnx(path: Path) -> Engine:
    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # it would burn the web server's cores
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    inputs = [given.name for given in session.get_inputs()]
    outputs = [made.name for made in session.get_outputs()]

    def run(**batch: "Tensor") -> SimpleNamespace:
        found = session.run(outputs, {name: batch[name].numpy() for name in inputs})
        return SimpleNamespace(**dict(zip(outputs, map(torch.from_numpy, found), strict=True)))

    return run


def _write_onnx(model: "PreTrainedModel", path: Path) -> Path:
    import torch

    from ratsnlp.nlpbook.models import takes_token_types

    names = ["input_ids", "attention_mask", *(["token_type_ids"] if takes_token_types(model) else [])]
    examples = tuple(torch.ones(2, 8, dtype=torch.int64) for _ in names)  # one tensor for two inputs would join them
    with torch.no_grad():
        found = model(**dict(zip(names, examples, strict=True)))
    outputs = [name for name, value in found.items() if isinstance(value, torch.Tensor)]

    class ByPlace(torch.nn.Module):  # an export wants inputs by place and outputs as a tuple
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *values: "Tensor") -> "tuple[Tensor, ...]":
            named = self.model(**dict(zip(names, values, strict=True)))
            return tuple(named[name] for name in outputs)

    any_shape = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    program = torch.onnx.export(
        ByPlace().eval(),
        examples,
        dynamo=True,
        verbose=False,
        input_names=names,
        output_names=outputs,
        dynamic_shapes={"values": (any_shape,) * len(names)},
    )
    if program is None:
        raise RuntimeError("the export gave nothing")
    program.save(path)
    return path
