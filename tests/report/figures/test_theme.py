"""The palettes, as colour-blind eyes see them: any two hues stay apart, and each from its background."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from separatrix.report.figures import theme

# Machado, Oliveira and Fernandes 2009, severity 1, on linear sRGB
EYES = {
    "normal": np.eye(3),
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]
    ),
    "tritan": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]]
    ),
}
XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]])
WHITE = np.array([0.95047, 1.0, 1.08883])
APART, CONTRAST = 15.0, 3.0
"""Distance in CIE 1976 L*a*b*: 2.3 is just noticeable side by side. Contrast of graphical objects: WCAG 1.4.11."""


def linear(colour: str) -> np.ndarray:
    rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    share = XYZ @ rgb / WHITE
    f = np.where(share > (6 / 29) ** 3, np.cbrt(share), share / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def distance(one: str, other: str, eyes: str) -> float:
    seen = [lab(np.clip(EYES[eyes] @ linear(colour), 0, 1)) for colour in (one, other)]
    return float(np.linalg.norm(seen[0] - seen[1]))


def contrast(one: str, other: str) -> float:
    bright, dark = sorted((float(XYZ[1] @ linear(colour)) for colour in (one, other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def palette(mode: theme.Mode) -> tuple[list[str], str]:
    config = theme.config(mode)
    return next(each["value"] for each in config["params"] if each["name"] == "palette"), config["background"]


def test_the_measure_knows_distances():
    assert distance("#ffffff", "#000000", "normal") == pytest.approx(100, abs=0.01)
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert distance("#c44e00", "#8a6a00", "protan") < 4  # two hues of a palette that failed


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_any_two_hues_are_apart(mode, eyes):
    hues, _ = palette(mode)
    assert len(hues) == theme.HUES
    for one, other in combinations(hues, 2):
        assert distance(one, other, eyes) >= APART, (one, other)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_every_hue_stands_out_from_the_page(mode):
    hues, page = palette(mode)
    assert min(contrast(hue, page) for hue in hues) >= CONTRAST
