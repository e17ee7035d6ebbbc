"""Several networks that answer together: the network, its package, going on from it."""

from __future__ import annotations

import numpy as np
import pytest

from LiverPlannerLib.segmentation.five_structures import class_probabilities
from PreopReviewLib.errors import ModelError
from PreopReviewLib.models import networks, write_package
from PreopReviewLib.models.package import load_package
from PreopReviewLib.training.checkpoint import LAST, read_checkpoint
from PreopReviewLib.training.fine_tuning import start_from
from PreopReviewLib.training.fit import RunSettings, start_run
from PreopReviewLib.training.join import join_packages
from PreopReviewLib.training.pack import pack_run
from PreopReviewLib.training.recipe import load_recipe

torch = pytest.importorskip("torch")

ARGUMENTS = {"in_channels": 2, "out_channels": 7, "widths": [4, 8], "block": 2}


def small_run(folder, seed, **changes):
    recipe = load_recipe("five-structures").changed(
        data__patch=[16, 16, 16],
        data__echo=1,
        network__arguments=ARGUMENTS,
        schedule__iterations=2,
        training__seed=seed,
        validation__every=10**6,
        validation__cases=2,
        **changes,
    )
    start_run(recipe, folder, RunSettings(workers=0))
    return recipe


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    folder = tmp_path_factory.mktemp("members")
    packages = []
    for seed in (1, 2):
        small_run(folder / f"run{seed}", seed)
        version = f"0.{seed}"
        packages.append(pack_run(folder / f"run{seed}", folder / f"p{seed}", "five", version, "last", f"train {seed}"))
    return packages


@pytest.fixture(scope="module")
def joined(members, tmp_path_factory):
    figures = {"phantoms": {"tumor": {"mean": 0.5, "sd": 0.1, "cases": 2}}}
    return join_packages([m.folder for m in members], tmp_path_factory.mktemp("joined") / "p", "both", "1", figures)


def test_its_probabilities_are_the_mean_of_its_members(members, joined):
    image = torch.randn(1, 2, 16, 16, 16)
    with torch.inference_mode():
        each = [m.load_network()(image).softmax(1) for m in members]
        together = joined.load_network()(image)
    assert (each[0] - each[1]).abs().max() > 1e-3
    assert torch.allclose(together.softmax(1), (each[0] + each[1]) / 2, atol=1e-5)
    assert torch.allclose(together.exp().sum(1), torch.ones(1, 16, 16, 16), atol=1e-5)


def test_inside_a_liver_each_member_sees_its_own_place_of_the_blocks(members, joined):
    rng = np.random.default_rng(3)
    volume = rng.normal(100, 20, (20, 22, 24)).astype(np.float32)
    liver = np.zeros(volume.shape, bool)
    liver[4:16, 4:18, 4:20] = True
    first, second = (class_probabilities(m, volume, liver, shifts=(s,)) for s, m in enumerate(members))
    assert np.allclose(class_probabilities(joined, volume, liver), (first + second) / 2, atol=1e-6)


def test_the_card_tells_how_each_member_was_trained(members, joined):
    for words in ("# both 1", "2 networks", "### five 0.1", "seed 1", "train 2", "seed 2", "| tumor | 0.500 |"):
        assert words in joined.card
    assert joined.metadata["training"]["data"] == "synthesized images only"
    assert joined.metadata["inference"] == members[0].metadata["inference"]


def test_packages_that_differ_are_not_joined(members, tmp_path):
    with pytest.raises(ModelError, match="two packages"):
        join_packages([members[0].folder], tmp_path / "one")
    other = networks.build("ResidualUNet3D", ARGUMENTS | {"widths": [4, 6]})
    metadata = dict(members[0].metadata) | {
        "network": {"name": "ResidualUNet3D", "arguments": ARGUMENTS | {"widths": [4, 6]}}
    }
    write_package(tmp_path / "other", metadata, other.state_dict(), "# other", "Apache-2.0")
    with pytest.raises(ModelError, match="differs .* network"):
        join_packages([members[0].folder, tmp_path / "other"], tmp_path / "both")
    assert not (tmp_path / "both").exists()


def test_packages_under_other_terms_are_not_joined_and_the_terms_are_kept(members, joined, tmp_path):
    assert (joined.folder / "LICENSE").read_text() == (members[0].folder / "LICENSE").read_text()
    metadata = dict(members[1].metadata) | {"license": "CC-BY-NC-4.0"}
    other = write_package(tmp_path / "other", metadata, members[1].load_network().state_dict(), "# other", "NC")
    with pytest.raises(ModelError, match="differs .* license"):
        join_packages([members[0].folder, other.folder], tmp_path / "both")


def test_an_ensemble_is_not_joined_again_because_its_card_would_lose_the_members(joined, tmp_path):
    with pytest.raises(ModelError, match="ensemble already"):
        join_packages([joined.folder, joined.folder], tmp_path / "both")


def test_training_goes_on_from_all_members_and_packs_them(joined, tmp_path):
    recipe, weights = start_from(load_recipe("five-structures"), joined.folder)
    assert recipe["network.name"] == "Ensemble"
    recipe = recipe.changed(
        data__patch=[16, 16, 16], data__echo=1, schedule__iterations=2, validation__every=10**6, validation__cases=2
    )
    start_run(recipe, tmp_path / "run", RunSettings(workers=0, initial=weights))
    trained = read_checkpoint(tmp_path / "run" / LAST)["network"]
    for member in ("members.0.", "members.1."):
        assert any(not torch.equal(trained[k], weights[k]) for k in trained if k.startswith(member))
    packed = pack_run(tmp_path / "run", tmp_path / "package", checkpoint="last")
    assert packed.metadata["inference"]["divisor"] == joined.metadata["inference"]["divisor"] == 4
    assert len(load_package(packed.folder).load_network().members) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        {"network": "ResidualUNet3D", "arguments": ARGUMENTS, "members": 1},
        {"network": "ResidualUNet3D", "arguments": ARGUMENTS, "members": 10**9},
        {"network": "os.system", "arguments": {}, "members": 2},
    ],
)
def test_an_ensemble_of_nothing_of_too_many_or_of_what_is_not_allowed_is_refused(arguments):
    with pytest.raises(ModelError):
        networks.build("Ensemble", arguments)
