"""Checkpoint -> answers."""

ENGINE_NAMES = ("torch", "torch-int8", "onnx", "onnx-int8")
"""The ways to run a model. They are named here, without torch, so that the command's help can list them."""
