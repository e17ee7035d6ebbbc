"""TorchScript files as networks of packages, after every operation in their code was looked up in a list.

A TorchScript file is a program. torch runs it in an interpreter of its own, but that interpreter has operations that
read files, too. So its code, which the archive holds as text, is read first; a file whose code uses anything but the
arithmetic of networks is refused before torch sees it. The archive then lies in a package as bytes, like weights, and
its code is read again whenever it is loaded.
"""

from __future__ import annotations

import ast
import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PreopReviewLib.errors import FileMissing, ModelCorrupt, ModelError
from PreopReviewLib.models.adapter import Adapter

if TYPE_CHECKING:
    from torch import Tensor, nn

ADAPTER = Adapter(f"{__name__}:import_torchscript", networks={"TorchScript": f"{__name__}:build"})
MOST_BYTES = 2 << 30
MOST_CODE_BYTES = 32 << 20
KEY = "archive"
_WORDS = """
abs adaptive_avg_pool adaptive_max_pool add addmm amax amin and append arange argmax argmin avg_pool baddbmm
batch_norm bmm bool cat ceil chunk clamp clamp_max clamp_min clone constant_pad_nd contains contiguous conv
conv_transpose convolution cos cpu cuda cumsum derive_index detach device dim div dropout einsum elu embedding
eq erf exp expand expand_as eye feature_dropout fill flatten flip float floor floor_divide floordiv format full
full_like gather ge gelu getitem glu group_norm gt hardsigmoid hardswish hardtanh index_select instance_norm int
interpolate is is_floating_point isnot item keys layer_norm le leaky_relu len len_ lerp linalg_norm linear
linspace list log log_softmax logical_and logical_not logical_or logsumexp lt masked_fill matmul max max_pool
maximum mean median meshgrid min minimum mish mm movedim mul narrow native_batch_norm ndim ne neg new_full
new_ones new_zeros norm not numel ones ones_like or outer pad permute pixel_shuffle pixel_unshuffle pow prelu
prod range_length reciprocal reflection_pad relu relu6 remainder repeat repeat_interleave replication_pad
reshape resolve_conj reverse roll rot90 round rsqrt rsub scalar_tensor scaled_dot_product_attention select selu
set_item sigmoid sign silu sin size slice softmax softplus split split_with_sizes sqrt square squeeze stack std
sub sum swapaxes t tan tanh tensor to transpose tril triu type_as unbind unflatten unfold unsqueeze
upsample_bicubic upsample_bilinear upsample_lanczos upsample_linear upsample_nearest upsample_nearest_exact
upsample_trilinear values var view view_as warn where xor zeros zeros_like
"""
_OPERATIONS = frozenset(_WORDS.split())
"""Operations by name, without the underscores and dimensions that variants of them have."""
_MODULES = ("torch", "ops")
_PRIMITIVES = frozenset(["RaiseException", "NumToTensor", "data", "device", "dtype", "is_cuda", "layout", "min", "max"])


def import_torchscript(given: str | Path, folder: str | Path, options: Any, overwrite: bool = False) -> Any:
    """Writes a package of a TorchScript file.

    Args:
        given: the file.
        options: `importing.ImportOptions`; its settings say what the file does not: ``spacing_mm``, ``window``,
            ``intensity``, ``divisor``, and ``orientation`` and ``array_order`` where they are not LPS and KJI; its
            structures name the output channels from 1 on.

    Raises:
        FileMissing, ModelCorrupt, ModelError: it cannot be used; the message says why.
    """
    from PreopReviewLib.models.foreign import card_of_foreign, checked_preparation
    from PreopReviewLib.models.package import write_package

    file = Path(given).expanduser()
    content = read_checked(file)
    if not options.structures:
        raise ModelError(
            f"{file} does not say what its output channels mean", "Name them, e.g. liver=1,tumor=2 (0 is background)"
        )
    labels = options.named(dict(options.structures))
    if sorted(labels) != list(range(1, len(labels) + 1)):
        raise ModelError("The output channels are not numbered from 1 on", "Name every channel but the background, 0")
    network = build(len(content))
    state = {KEY: _as_tensor(content)}
    network.load_state_dict(state)
    metadata = {
        "name": options.name or file.stem,
        "version": "imported",
        "task": "segmentation",
        "description": f"TorchScript network from {file.name}",
        "license": options.license_words or "not stated",
        "intended_use": "Not stated by the model; not validated here",
        "network": {"name": "TorchScript", "arguments": {"size": len(content)}},
        "inference": {
            "classes": ["background", *(labels[n] for n in sorted(labels))],
            **checked_preparation(options.settings, str(file)),
        },
        "training": {"data": "not stated"},
    }
    terms = f"The license of this model is {metadata['license']}.\n"
    return write_package(folder, metadata, state, card_of_foreign(metadata, file), terms, overwrite)


def read_checked(file: Path) -> bytes:
    """The bytes of a TorchScript file whose code uses listed operations only.

    Raises:
        FileMissing: no such file. ModelCorrupt: no TorchScript file. ModelError: other operations; names them.
    """
    if not file.is_file():
        raise FileMissing(f"There is no file {file}", "Check the path")
    if file.stat().st_size > MOST_BYTES:
        raise ModelError(f"{file} is larger than {MOST_BYTES >> 30} GB", "Give a smaller network")
    content = file.read_bytes()
    check_code(content, str(file))
    return content


def check_code(content: bytes, source: str) -> None:
    """Raises unless every operation in the code of a TorchScript archive is listed; nothing of it is run.

    Raises:
        ModelCorrupt: it is none. ModelError: other operations; names them.
    """
    again = "Export it with torch.jit.save"
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [m for m in archive.infolist() if m.filename.endswith(".py")]
            names = archive.namelist()
            if len(set(names)) < len(names) or content[:2] != b"PK":
                raise ModelCorrupt(f"{source} is an archive that different programs read differently", again)
            if not members or not any(n.endswith("/constants.pkl") for n in names):
                raise ModelCorrupt(f"{source} is not a TorchScript file", again)
            if sum(m.file_size for m in members) > MOST_CODE_BYTES:
                raise ModelError(f"The code in {source} is longer than any network's", again)
            texts = [archive.read(m).decode("utf-8") for m in members]
    except (zipfile.BadZipFile, UnicodeDecodeError, OSError, ValueError, NotImplementedError) as error:
        raise ModelCorrupt(f"{source} is not a TorchScript file ({error})", again) from error
    unlisted = sorted({word for text in texts for word in _unlisted(text, source)})
    if unlisted:
        raise ModelError(
            f"The code in {source} does more than a network's arithmetic ({', '.join(unlisted[:6])}); nothing of it "
            "was run",
            "Ask its authors for the weights and the network's name instead",
        )


def _unlisted(text: str, source: str) -> Iterator[str]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ModelCorrupt(f"The code in {source} cannot be read ({error})", "Export it again") from error
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    inner |= {id(node.args[0]) for node in ast.walk(tree) if _is_numbered_part(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Global | ast.Nonlocal | ast.Lambda | ast.Await):
            yield type(node).__name__.lower()
        elif isinstance(node, ast.Name) and node.id in _MODULES and _is_loaded(node) and id(node) not in inner:
            yield f"{node.id} by itself"  # e.g. getattr(torch, …)
        elif (
            isinstance(node, ast.Attribute)
            and id(node) not in inner
            and (path := _dotted(node))
            and not _is_arithmetic(path)
        ):
            yield path


def _is_loaded(node: ast.Name) -> bool:
    """Whether a name is used, not given to a variable (VNet has one that is called `ops`)."""
    return node.id == "torch" or isinstance(node.ctx, ast.Load)


def _is_numbered_part(node: ast.AST) -> bool:
    """Whether it is `getattr(ops, "0")`, a part of a variable: no namespace of operations is called by a number."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "getattr"
        and len(node.args) == 2
        and isinstance(node.args[0], ast.Name)
        and node.args[0].id == "ops"
        and isinstance(node.args[1], ast.Constant)
        and str(node.args[1].value).isdigit()
    )


def _is_arithmetic(path: str) -> bool:
    first, *rest = path.split(".")
    if path == "ops.forward":  # of a variable that is called so
        return True
    if rest[:2] == ["torch", "classes"]:  # classes of C++ code
        return False
    if first == "ops":
        return len(rest) == 2 and rest[0] == "prim" and rest[1] in _PRIMITIVES
    return first != "torch" or _is_listed(rest)


def _is_listed(parts: list[str]) -> bool:
    if parts[:2] == ["nn", "functional"]:
        parts = parts[2:]
    return len(parts) == 1 and base_name(parts[0]) in _OPERATIONS


def base_name(operation: str) -> str:
    """An operation's name without leading and trailing underscores and without 1d, 2d, 3d, _aa."""
    bare = operation.strip("_")
    return re.sub(r"_aa$", "", re.sub(r"[123]d(?=$|_)", "", bare)).strip("_")


def _dotted(node: ast.Attribute) -> str:
    """``torch.nn.relu`` of such an expression; empty if it does not begin with a name."""
    parts = [node.attr]
    value: ast.expr = node.value
    while isinstance(value, ast.Attribute):
        parts.append(value.attr)
        value = value.value
    return ".".join([value.id, *reversed(parts)]) if isinstance(value, ast.Name) else ""


def _as_tensor(content: bytes) -> Tensor:
    import torch

    return torch.frombuffer(bytearray(content), dtype=torch.uint8)


def build(size: int) -> nn.Module:
    """An empty network of the allow-list that becomes the one in an archive of so many bytes when it is loaded."""
    import torch
    from torch import nn

    class TorchScript(nn.Module):
        """A TorchScript archive as a network; its code is read before it is loaded."""

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer(KEY, torch.zeros(int(size), dtype=torch.uint8))
            self.network: nn.Module | None = None

        def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
            done = super().load_state_dict(state_dict, strict, assign)
            content = self.get_buffer(KEY).numpy().tobytes()
            check_code(content, "The package")
            try:
                self.network = torch.jit.load(io.BytesIO(content), map_location="cpu").eval()
            except (RuntimeError, ValueError) as error:
                raise ModelCorrupt(
                    f"The TorchScript network cannot be loaded ({str(error).splitlines()[0]})", "Export it again"
                ) from error
            return done

        def forward(self, image: Tensor) -> Tensor:
            assert self.network is not None
            return self.network(image)

    return TorchScript()
