"""Images of an anatomy in named contrasts. Intensities are drawn relative to the liver's own and then scaled.

- `hbp`: T1 MRI 20 min after gadoxetate: bright liver and ducts, dark vessels and tumors;
- `pv_mr`: T1 MRI in the portal-venous phase: bright vessels;
- `ct`: portal-venous CT in HU;
- `any`: random, for networks that should not depend on contrast.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from PreopReviewLib.phantoms.anatomy import Anatomy
from PreopReviewLib.phantoms.fields import smooth_noise, stretch
from PreopReviewLib.phantoms.tissues import TISSUES, Tissue

CONTRASTS = ("hbp", "pv_mr", "ct", "any")


@dataclass(frozen=True)
class Appearance:
    """Mean intensities and image quality of one scan; liver = 1.

    Attributes:
        tissue: (TISSUES,) mean of each tissue.
        vessel: (4,) mean of each of VESSELS.
        texture: amplitude of parenchymal unevenness.
        noise: standard deviation.
        unit: what 1 is in the image's own units (HU for CT).
        additive: CT, where values may be negative.
    """

    tissue: np.ndarray
    vessel: np.ndarray
    texture: float
    noise: float
    unit: float
    additive: bool


def draw_appearance(rng: np.random.Generator, contrast: str) -> Appearance:
    """Random intensities of a named contrast.

    Raises:
        KeyError: unknown contrast.
    """
    return {"hbp": _hbp, "pv_mr": _pv_mr, "ct": _ct, "any": _any}[contrast](rng)


def paint(rng: np.random.Generator, anatomy: Anatomy, look: Appearance) -> np.ndarray:
    """The image (float32, K-J-I, in the contrast's units), before thick slices."""
    from scipy import ndimage

    shape, tissues, uniform = anatomy.tissues.shape, anatomy.tissues, rng.uniform
    image = look.tissue[tissues]
    parenchyma = anatomy.liver
    uneven = smooth_noise(rng, shape, 7) + 0.6 * smooth_noise(rng, shape, 26)
    image += parenchyma * (look.texture * uneven)
    tumor = tissues == Tissue.TUMOR
    if tumor.any():
        image += tumor * (smooth_noise(rng, shape, 18) * uniform(0, 0.12))
        if rng.random() < 0.3:
            halo = np.clip(ndimage.gaussian_filter(tumor.astype(np.float32), 1.2) * 2, 0, 1)
            image += uniform(-0.12, 0.25) * halo * ~tumor * parenchyma
    for share, mean in zip(anatomy.fractions, look.vessel, strict=True):
        part = share * np.float32(1 / 255)
        image += part * (mean - image)
    blur = np.array([uniform(0.5, 1.8), *[uniform(0.4, 1.3)] * 2]) / anatomy.spacing
    image = ndimage.gaussian_filter(image, blur * 0.6, truncate=3)
    if look.additive:
        image += _ct_artifacts(rng, shape, anatomy.spacing)
    else:
        image *= np.exp(smooth_noise(rng, shape, 3) * uniform(0, 0.22))
    image += _noise(rng, shape, look.noise, anatomy.spacing)
    return (image * look.unit).astype(np.float32)


def thick_slices(
    rng: np.random.Generator, image: np.ndarray, spacing: float, thickness: float | None = None
) -> np.ndarray:
    """The image (K, J, I) as if acquired in slices along K (2 to 5 mm unless given) and interpolated back."""
    from scipy import ndimage

    thickness = rng.uniform(2.0, 5.0) if thickness is None else thickness
    ratio = thickness / spacing
    if ratio < 1.15:
        return image
    few = max(4, round(image.shape[0] / ratio))
    blurred = ndimage.gaussian_filter1d(image, 0.35 * thickness / spacing, axis=0)
    at = np.linspace(0, image.shape[0] - 1, few)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, image.shape[0] - 1)
    part = (at - low)[:, None, None].astype(np.float32)
    slices = blurred[low] * (1 - part) + blurred[high] * part
    return stretch(slices, image.shape[0], 0)


def _ct_artifacts(rng: np.random.Generator, shape: tuple[int, ...], spacing: float) -> np.ndarray:
    """Beam hardening as a slope from front to back, cupping, and streaks from side to side (liver = 1).

    The contrast CT that these were drawn after loses a third of the liver's attenuation within 40 mm, where the
    spine and the arms begin to lie beside the liver.
    """
    field = np.zeros(shape, np.float32)
    if rng.random() < 0.5:
        slope = np.linspace(-0.5, 0.5, shape[1], dtype=np.float32) * rng.uniform(-0.4, 0.15)
        field += slope[None, :, None]
    if rng.random() < 0.45:
        at = np.arange(shape[1], dtype=np.float32) - rng.uniform(0.1, 0.9) * shape[1]
        tilt = np.linspace(-1, 1, shape[2], dtype=np.float32) * rng.uniform(-0.15, 0.15) * shape[1]
        step = 1 / (1 + np.exp(-(at[:, None] + tilt[None]) * spacing / rng.uniform(2, 14)))
        step = step[None].astype(np.float32)
        grain = rng.standard_normal((*shape[:2], shape[2] // 3 + 1), dtype=np.float32)
        field += step * (rng.uniform(0, 0.2) * stretch(grain, shape[2], 2) - rng.uniform(0.05, 0.42))
    if rng.random() < 0.5:
        field += smooth_noise(rng, shape, 2.5) * rng.uniform(0, 0.08)
    if rng.random() < 0.4:
        lines = rng.standard_normal((shape[0], shape[1], 3), dtype=np.float32)
        weight = np.clip(np.linspace(rng.uniform(-0.5, 1), 1, shape[1], dtype=np.float32), 0, 1)
        field += stretch(lines, shape[2], 2) * weight[None, :, None] * rng.uniform(0, 0.15)
    return field


def _noise(rng: np.random.Generator, shape: tuple[int, ...], amount: float, spacing: float) -> np.ndarray:
    """Correlated noise of standard deviation `amount`."""
    from scipy import ndimage

    values = rng.standard_normal(shape, dtype=np.float32)
    width = rng.uniform(0, 1.4) / spacing
    if width > 0.2:
        values = ndimage.gaussian_filter(values, [width * rng.uniform(0.3, 1), width, width], truncate=3)
    return values * np.float32(amount / max(float(values[::4, ::4, ::4].std()), 1e-6))


def _organ_defaults(rng: np.random.Generator, low: float, high: float) -> np.ndarray:
    tissue = rng.uniform(low, high, TISSUES).astype(np.float32)
    tissue[Tissue.LIVER] = 1
    return tissue


def _tumor_parts(rng: np.random.Generator, tissue: np.ndarray, fluid: float) -> None:
    """Necrosis between tumor and fluid, sometimes bright (blood, calcium, lipiodol); rim either way."""
    body = tissue[Tissue.TUMOR]
    share = rng.uniform(0.2, 0.95)
    core = body + (fluid - body) * share
    tissue[Tissue.TUMOR_CORE] = core if rng.random() < 0.85 else rng.uniform(0.9, 2.2)
    tissue[Tissue.TUMOR_RIM] = body + rng.uniform(-0.15, 0.45) * abs(1 - body) / 0.5


def _hbp(rng: np.random.Generator) -> Appearance:
    u = rng.uniform
    tissue = _organ_defaults(rng, 0.2, 0.7)
    vein = u(0.3, 0.75)
    tissue[Tissue.AIR] = tissue[Tissue.LUNG] = tissue[Tissue.GAS] = u(0, 0.06)
    tissue[Tissue.TUMOR], tissue[Tissue.CYST] = u(0.3, 0.82), u(0.1, 0.5)
    tissue[Tissue.FISSURE] = tissue[Tissue.FAT] = u(0.3, 0.9)
    tissue[Tissue.GALLBLADDER] = u(0.1, 2.2)
    tissue[Tissue.SPLEEN], tissue[Tissue.KIDNEY] = u(0.35, 0.7), u(0.5, 1.2)
    tissue[Tissue.MUSCLE] = u(0.25, 0.55)
    tissue[Tissue.AORTA] = tissue[Tissue.HEART] = vein
    tissue[Tissue.STEATOSIS] = u(0.75, 1.0)
    _tumor_parts(rng, tissue, 0.25)
    duct = u(1.2, 2.2) if rng.random() < 0.9 else u(0.3, 0.8)
    vessel = np.array([vein, vein * u(0.92, 1.08), duct, vein * u(0.9, 1.1)], np.float32)
    return Appearance(tissue, vessel, u(0.01, 0.05), u(0.02, 0.09), u(150, 700), False)


def _pv_mr(rng: np.random.Generator) -> Appearance:
    u = rng.uniform
    tissue = _organ_defaults(rng, 0.3, 1.0)
    vein = u(1.15, 1.8)
    tissue[Tissue.AIR] = tissue[Tissue.LUNG] = tissue[Tissue.GAS] = u(0, 0.06)
    tissue[Tissue.TUMOR] = u(0.4, 0.9) if rng.random() < 0.88 else u(1.1, 1.4)
    tissue[Tissue.CYST] = u(0.1, 0.5)
    tissue[Tissue.FISSURE] = tissue[Tissue.FAT] = u(0.3, 1.2)
    tissue[Tissue.AORTA] = tissue[Tissue.HEART] = vein
    tissue[Tissue.SPLEEN], tissue[Tissue.KIDNEY] = u(0.8, 1.3), u(1.1, 1.7)
    tissue[Tissue.STEATOSIS] = u(0.75, 1.0)
    _tumor_parts(rng, tissue, 0.3)
    vessel = np.array([vein, vein * u(0.9, 1.05), u(0.25, 0.8), vein * u(0.85, 1.05)], np.float32)
    return Appearance(tissue, vessel, u(0.01, 0.05), u(0.02, 0.09), u(150, 700), False)


def _ct(rng: np.random.Generator) -> Appearance:
    u = rng.uniform
    liver = u(75, 130)
    tissue = _organ_defaults(rng, 0.2, 1.2)
    hu = {
        Tissue.AIR: -1000,
        Tissue.LUNG: u(-900, -780),
        Tissue.GAS: u(-1000, -500),
        Tissue.FAT: u(-115, -85),
        Tissue.FISSURE: u(-80, 20),
        Tissue.MUSCLE: u(50, 75),
        Tissue.BONE: u(350, 800),
        Tissue.MARROW: u(120, 250),
        Tissue.SPLEEN: u(100, 140),
        Tissue.KIDNEY: u(130, 210),
        Tissue.GALLBLADDER: u(0, 25),
        Tissue.CYST: u(-5, 22),
        Tissue.HEART: u(110, 170),
        Tissue.AORTA: u(130, 190),
        Tissue.STOMACH: u(0, 60) if rng.random() < 0.7 else u(100, 300),
        Tissue.BOWEL: u(30, 110),
        Tissue.SOFT: u(70, 120),
        Tissue.STEATOSIS: liver - u(0, 30),
    }
    for code, value in hu.items():
        tissue[code] = value / liver
    hyper = rng.random() < 0.06
    tissue[Tissue.TUMOR] = 1 + u(0.1, 0.35) if hyper else 1 - u(0.15, 0.7)
    _tumor_parts(rng, tissue, 0.2)
    enhanced = u(25, 100) / liver
    drained = u(0.75, 1.08) if rng.random() < 0.8 else u(0.25, 0.8)
    portal, hepatic = 1 + enhanced, 1 + enhanced * drained
    vessel = np.array([portal, hepatic, u(5, 40) / liver, hepatic * u(0.78, 1.02)], np.float32)
    return Appearance(tissue, vessel, u(0.0, 0.05), u(5, 22) / liver, liver, True)


def _any(rng: np.random.Generator) -> Appearance:
    u = rng.uniform
    tissue = _organ_defaults(rng, 0.0, 2.0)
    tissue[Tissue.STEATOSIS] = u(0.85, 1.1)
    vein = u(1.25, 2.0) if rng.random() < 0.5 else u(0.2, 0.75)
    duct = u(1.3, 2.0) if vein < 1 else u(0.1, 0.7)
    tissue[Tissue.TUMOR] = u(0.2, 0.85) if rng.random() < 0.8 else u(1.15, 1.6)
    vessel = np.array([vein, vein * u(0.9, 1.1), duct, vein * u(0.85, 1.1)], np.float32)
    return Appearance(tissue, vessel, u(0.01, 0.05), u(0.02, 0.1), u(50, 700), rng.random() < 0.4)
