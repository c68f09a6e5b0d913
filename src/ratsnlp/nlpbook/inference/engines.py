"""One model, run in several ways. An engine is called as the model is and answers with the same named outputs.

`torch` is the model itself. The others run on a CPU only and answer almost as it does; `use_engine` takes one of them
only where the answers to sample texts stay the same.
"""

import logging
import operator
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import PreTrainedModel

from ratsnlp.nlpbook.errors import ArgumentError
from ratsnlp.nlpbook.inference import ENGINE_NAMES
from ratsnlp.nlpbook.models import takes_token_types

logger = logging.getLogger("ratsnlp")

Engine = Callable[..., Any]

MIN_AGREEMENT = 0.99
ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")


class EngineUser(Protocol):
    """What `use_engine` needs of a predictor."""

    model: PreTrainedModel
    engine: Engine
    engine_name: str

    def to(self, device: str) -> Any:
        """Move the model to a device."""

    def decide(self, questions: Sequence[Any]) -> list[Any]:
        """Return the decisions on the questions: one each or, where tokens are labelled, one for each token."""


def use_engine(predictor: EngineUser, name: str, samples: Sequence[Any], min_agreement: float = MIN_AGREEMENT) -> float:
    """Let a predictor run its model by another engine, if that decides the sample questions as PyTorch does.

    Args:
        predictor: It is left on `torch`, with a warning, where the engine cannot be made or decides otherwise.
        name: One of `ENGINES`.
        samples: Questions to compare the decisions on.
        min_agreement: The share of samples on which both must decide alike.

    Returns:
        The share of samples on which both decided alike; 0 where the engine could not be made.

    Raises:
        ArgumentError: There is no such engine, its packages are not installed, or there are no samples.
    """
    check_engine_name(name)
    device, agreement, reason = predictor.model.device, 1.0, ""
    predictor.engine, predictor.engine_name = predictor.model, "torch"
    if name == "torch":
        return agreement
    if not samples:
        raise ArgumentError(f"engine {name!r} is compared with 'torch' before it is used: give sample questions")
    expected = predictor.to("cpu").decide(samples)
    try:
        predictor.engine = _build_engine(name, predictor.model)
        agreement = sum(map(operator.eq, expected, predictor.decide(samples))) / max(1, len(expected))
        reason = f"decides {agreement:.1%} of {len(samples)} sample questions as 'torch' does"
    except Exception as error:  # a conversion can fail in many ways, none of which may keep the model from serving
        agreement, reason = 0.0, f"cannot run this model ({type(error).__name__}: {error})"
    if agreement >= min_agreement:
        predictor.engine_name = name
        logger.info("engine %s: %s", name, reason)
    else:
        predictor.engine = predictor.model
        predictor.to(str(device))
        logger.warning("engine %s is not used: it %s; needed: %.0f%%", name, reason, 100 * min_agreement)
    return agreement


def check_engine_name(name: str) -> None:
    """Raise an error that says what to do where an engine is not known or its packages are missing.

    Raises:
        ArgumentError: Either of them.
    """
    if name not in ENGINES:
        raise ArgumentError(f"engine {name!r} is not known; there is {', '.join(ENGINES)}")
    missing = [package for package in ONNX_PACKAGES if name.startswith("onnx") and find_spec(package) is None]
    if missing:
        raise ArgumentError(
            f"engine {name!r} needs packages that are not installed here: {', '.join(missing)}. "
            f"Install them: pip install {' '.join(missing)} (or the extra: ratsnlp[onnx])"
        )


def _build_engine(name: str, model: PreTrainedModel) -> Engine:
    with quiet():
        return ENGINES[name](model)


def _quantize(model: PreTrainedModel) -> Engine:
    quantize_dynamic: Callable[..., Engine] = torch.ao.quantization.quantize_dynamic
    return quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)


class OnnxEngine:
    """A model in ONNX Runtime."""

    def __init__(self, path: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # it would burn the web server's cores
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.inputs = [given.name for given in self.session.get_inputs()]
        self.outputs = [made.name for made in self.session.get_outputs()]

    def __call__(self, **inputs: Tensor) -> SimpleNamespace:
        """Return the model's outputs by name."""
        found = self.session.run(self.outputs, {name: inputs[name].numpy() for name in self.inputs})
        return SimpleNamespace(
            **{name: torch.from_numpy(values) for name, values in zip(self.outputs, found, strict=True)}
        )


def export(model: PreTrainedModel) -> Engine:
    """Return the model in ONNX Runtime, in float32."""
    with tempfile.TemporaryDirectory() as folder:
        return OnnxEngine(_write_onnx(model, Path(folder) / "model.onnx"))


def _export_quantized(model: PreTrainedModel) -> Engine:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        graph = onnx.load(_write_onnx(model, Path(folder) / "model.onnx"))
        del graph.graph.value_info[:]  # shapes as exported, which the quantizer finds contradictory
        small = Path(folder) / "small.onnx"
        quantize_dynamic(graph, small, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gemm"])
        return OnnxEngine(small)


BUILDERS: tuple[Callable[[PreTrainedModel], Engine], ...] = (lambda model: model, _quantize, export, _export_quantized)
ENGINES = dict(zip(ENGINE_NAMES, BUILDERS, strict=True))


class NamedOutputs(torch.nn.Module):
    """A model that takes its inputs by place and gives its outputs as a tuple, as an export wants it."""

    def __init__(self, model: PreTrainedModel, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        super().__init__()
        self.model, self.inputs, self.outputs = model, inputs, outputs

    def forward(self, *values: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs in their order."""
        found = self.model(**dict(zip(self.inputs, values, strict=True)))
        return tuple(found[name] for name in self.outputs)


def _write_onnx(model: PreTrainedModel, path: Path) -> Path:
    names = ["input_ids", "attention_mask", *(["token_type_ids"] if takes_token_types(model) else [])]
    examples = tuple(torch.ones(2, 8, dtype=torch.int64) for _ in names)  # one tensor for two inputs would join them
    with torch.no_grad():
        found = model(**dict(zip(names, examples, strict=True)))
    outputs = [name for name, value in found.items() if isinstance(value, Tensor)]
    any_shape = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    program = torch.onnx.export(
        NamedOutputs(model, names, outputs).eval(),
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


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what converters say: deprecations and hints that a reader of the log can do nothing about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        disabled = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(disabled)
