"""The sample image: local, downloaded and checked, or simulated."""

from __future__ import annotations

import pytest

from PreopReviewLib import errors, images, samples


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PREOP_MODELS", str(tmp_path / "models"))


def test_a_local_copy_is_used(shared_data):
    found = samples.sample_ct(shared_data)
    assert found.path == shared_data / "totalsegmentator" / "ct_3mm.nii.gz"
    assert "real CT" in found.origin


def test_a_download_with_another_hash_is_refused_and_leaves_nothing(tmp_path, monkeypatch):
    wrong = tmp_path / "wrong.nii.gz"
    wrong.write_bytes(b"not the file")
    monkeypatch.setattr(samples, "CT_URL", wrong.as_uri())
    with pytest.raises(errors.ModelCorrupt, match="SHA-256 differs"):
        samples.sample_ct()
    assert list((tmp_path / "models").rglob("*.*.gz")) == []


def test_a_download_is_kept(tmp_path, monkeypatch, shared_data):
    local = shared_data / "totalsegmentator" / "ct_3mm.nii.gz"
    monkeypatch.setattr(samples, "CT_URL", local.as_uri())
    first = samples.sample_ct()
    monkeypatch.setattr(samples, "CT_URL", "file:///nowhere")
    assert samples.sample_ct().path == first.path


def test_without_network_the_sample_is_simulated_and_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(samples, "CT_URL", (tmp_path / "nowhere").as_uri())
    found = samples.sample_ct()
    assert "SIMULATED" in found.origin
    image = images.read_image(found.path)
    assert images.guess_modality(image) == "CT"
    assert images.check_image(image, "CT") == []
