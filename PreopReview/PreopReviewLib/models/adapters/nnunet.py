"""From a result folder of nnU-Net v2 to a model package."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PreopReviewLib.errors import ModelCorrupt, ModelError
from PreopReviewLib.models.adapter import Adapter
from PreopReviewLib.models.nnunet.checkpoint import plain_weights, read_checkpoint
from PreopReviewLib.models.nnunet.plans import channels_of, checked_configuration, labels_of, modalities_of
from PreopReviewLib.models.nnunet.result_folder import ResultFolder, find_result_folder

if TYPE_CHECKING:
    from torch import Tensor, nn

    from PreopReviewLib.models.importing import ImportOptions
    from PreopReviewLib.models.package import ModelPackage

NETWORK = "NnUNet"
ADAPTER = Adapter(
    f"{__name__}:import_nnunet",
    networks={NETWORK: "PreopReviewLib.models.nnunet.network:NnUNet"},
    segmenters={NETWORK: "PreopReviewLib.models.nnunet.segmenter:NnUNetSegmenter"},
)


def import_nnunet(
    given: str | Path, folder: str | Path, options: ImportOptions, overwrite: bool = False
) -> ModelPackage:
    """Writes a package with the weights of the folds as safetensors; the checkpoints are not needed any more.

    Args:
        given: the result folder, or what `find_result_folder` understands.
        options: the name is by default the data set's; the folder does not say its license.

    Raises:
        FileMissing, ModelCorrupt, ModelError: it cannot be used; the message says why.
        OutputError: the package cannot be written.
    """
    from PreopReviewLib.models import networks
    from PreopReviewLib.models.nnunet.network import NnUNet, unshared
    from PreopReviewLib.models.package import write_package

    results = find_result_folder(given, options.folds)
    names = options.named(labels_of(results.dataset))
    channels_of(results.dataset)
    for configuration in results.plans.get("configurations") or ():
        if results.folder.name.endswith(f"__{configuration}"):
            checked_configuration(results.plans, configuration)  # before a file of weights is opened
    arguments, mirror, weights = _read_folds(results)
    checked_configuration(results.plans, arguments["configuration"])
    network = networks.build(NETWORK, arguments)
    assert isinstance(network, NnUNet)
    for number, state in enumerate(weights):
        _load(network.folds[number], state, list(results.checkpoints.values())[number])
    metadata = _metadata(results, arguments, mirror, names, options)
    return write_package(
        folder, metadata, unshared(network), _card(metadata, results), _license_text(metadata), overwrite
    )


def _read_folds(results: ResultFolder) -> tuple[dict[str, Any], list[int] | None, list[dict[str, Tensor]]]:
    weights, kinds, mirrored = [], [], []
    for file in results.checkpoints.values():
        kept = read_checkpoint(file)
        kinds.append((kept["init_args"].get("configuration"), kept["trainer_name"]))
        axes = kept.get("inference_allowed_mirroring_axes")
        mirrored.append(None if axes is None else [int(a) for a in axes])
        weights.append(plain_weights(kept["network_weights"]))
    if any(each != kinds[0] for each in kinds):
        raise ModelError(
            f"The folds of {results.folder} were trained by different trainers or configurations",
            "Choose folds that belong together",
        )
    (configuration, trainer), mirror = kinds[0], mirrored[0]  # nnU-Net, too, goes by the first
    arguments = {
        "plans": results.plans,
        "dataset": results.dataset,
        "configuration": str(configuration),
        "trainer": trainer,
        "folds": list(results.checkpoints),
    }
    return arguments, mirror, weights


def _load(network: nn.Module, state: dict[str, Tensor], file: Path) -> None:
    try:
        network.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise ModelCorrupt(
            f"The weights of {file} do not fit the network of plans.json ({str(error).splitlines()[0].rstrip(':')})",
            "Copy the folder again, plans.json and checkpoints together",
        ) from error


def _metadata(
    results: ResultFolder,
    arguments: Mapping[str, Any],
    mirror: list[int] | None,
    names: Mapping[int, str],
    options: ImportOptions,
) -> dict[str, Any]:
    channels = channels_of(results.dataset)
    plans_name = str(results.plans.get("dataset_name") or results.dataset.get("name") or results.folder.parent.name)
    return {
        "name": options.name or plans_name,
        "version": "imported",
        "task": "segmentation",
        "description": f"nnU-Net {arguments['configuration']} of {plans_name}, trained elsewhere",
        "license": options.license_words or "not stated",
        "intended_use": "Not stated by the model; not validated here",
        "network": {"name": NETWORK, "arguments": dict(arguments)},
        "inference": {
            "classes": ["background", *dict.fromkeys(names.values())],
            "values": {str(value): structure for value, structure in names.items()},
            "mirror_axes": mirror,
            "channels": list(channels),
            "modalities": list(modalities_of(channels)),
        },
        "training": {
            "data": f"{results.dataset.get('numTraining', 'an unknown number of')} images of {plans_name}; what they "
            "show is not stated"
        },
        "notes": results.notes,
    }


def _card(metadata: Mapping[str, Any], results: ResultFolder) -> str:
    arguments, inference = metadata["network"]["arguments"], metadata["inference"]
    own = labels_of(results.dataset)
    drawn = [f"{v}: {own[v]} → {inference['values'][str(v)]}" for v in own]
    lines = [
        f"# {metadata['name']} {metadata['version']}",
        "",
        f"{metadata['description']}. Imported from `{results.folder.name}`, run by nnunetv2.",
        "",
        "## Known",
        "",
        f"- Trainer `{arguments['trainer']}`, configuration `{arguments['configuration']}`, "
        f"folds {', '.join(arguments['folds'])}.",
        f"- Images that go in: {', '.join(inference['channels'])}.",
        f"- Labels: {'; '.join(drawn)}.",
        f"- Number of training images: {results.dataset.get('numTraining', 'not stated')}.",
        *(f"- {note}" for note in results.notes),
        "",
        "## Not known",
        "",
        f"- License: {metadata['license']}.",
        "- What the training images show, of whom, from which scanners, in which phases.",
        "- How accurate it is: nothing was measured here. Measure it on patients that it has not seen.",
        "- Images are not turned before it sees them unless its reader does: give it images oriented as its training "
        "images were.",
        "",
    ]
    return "\n".join(lines)


def _license_text(metadata: Mapping[str, Any]) -> str:
    return f"The license of this model is {metadata['license']}; the folder it was imported from holds none.\n"
