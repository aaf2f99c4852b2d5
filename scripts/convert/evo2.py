"""The published Evo 2 models: data that a checkpoint does not contain.

Sizes, contexts and rotary scalings are from the configurations in the PyPI package evo2 0.6.0 (evo2/configs/*.yml;
CONFIG_MAP in evo2/utils.py maps names to them). Losses and accuracies are from its evo2/test/test_evo2.py: next-base
cross-entropy in nats, and the share of correct arg-max predictions, averaged over upstream's four test sequences. FP8
is from its README and from `use_fp8_input_projections` in its configurations.
"""

from dataclasses import dataclass
from pathlib import Path

from errors import ConvertError
from shape import Shape

SOURCE = "evo2 0.6.0 (PyPI), evo2/test/test_evo2.py"
FP8_WARNING = (
    "Upstream says that this model needs its input projections in FP8 (Transformer Engine, on a Hopper GPU) for "
    "numerical accuracy; here they are computed without it, and nobody has compared the answers. The sure road is "
    "upstream's own program, through `infer --model exec:` and scripts/engines/evo2-vortex.py; "
    "`infer --model DIR --verify prompts.csv`, with the sequences of upstream's test, tells whether this one will do."
)


@dataclass(frozen=True)
class Variant:
    """Data that the conversion needs and a checkpoint does not contain."""

    # The divisor of the positions before the rotary embedding.
    scaling: int
    # The longest sequence the model was made for.
    positions: int

    def check(self, path: Path, shape: Shape) -> None:
        """Refuse sizes that are not this variant's. A variant without a name accepts all sizes."""

    def notes(self) -> dict:
        """The card's fields about this variant."""
        return {}


@dataclass(frozen=True)
class Published(Variant):
    """A model that upstream publishes."""

    name: str
    # Layers, width, heads, width of the MLP.
    sizes: tuple[int, int, int, int]
    needs_fp8: bool
    # Next-base loss (nats) and accuracy on upstream's test sequences.
    expected: tuple[float, float] | None = None

    def check(self, path: Path, shape: Shape) -> None:
        found = (shape.layers, shape.width, shape.heads, shape.hidden)
        if found != self.sizes:
            names = ("layers", "width", "heads", "MLP width")
            says = lambda sizes: ", ".join(f"{name} {size}" for name, size in zip(names, sizes))
            raise ConvertError(f"{path}: not {self.name}: found {says(found)}, expected {says(self.sizes)}")

    def notes(self) -> dict:
        table = {}
        if self.needs_fp8:
            table["warnings"] = [FP8_WARNING]
        if self.expected:
            loss, accuracy = self.expected
            published = {"loss": loss, "accuracy": accuracy}
            table["acceptance"] = {"kind": "next-base", "published": published, "source": SOURCE}
        return table


_1B, _7B, _20B, _40B = (25, 1920, 15), (32, 4096, 32), (24, 8192, 64), (50, 8192, 64)
PUBLISHED = {
    model.name: model
    for model in (
        Published(1, 8192, "evo2_1b_base", (*_1B, 5120), True, (0.501953125, 0.79556)),
        Published(128, 1048576, "evo2_7b", (*_7B, 11264), False, (0.3476563, 0.86346)),
        Published(32, 262144, "evo2_7b_262k", (*_7B, 11008), False),
        Published(1, 32768, "evo2_7b_base", (*_7B, 11008), False, (0.3520508, 0.85921)),
        Published(1, 32768, "evo2_7b_microviridae", (*_7B, 11008), False),
        Published(128, 1048576, "evo2_20b", (*_20B, 22528), True, (0.2166748046875, 0.91666)),
        Published(128, 1048576, "evo2_40b", (*_40B, 22528), True, (0.2159424, 0.91673)),
        Published(1, 8192, "evo2_40b_base", (*_40B, 21888), True, (0.2149658, 0.91741)),
    )
}


@dataclass(frozen=True)
class Told:
    """What the user specifies about a checkpoint: its published model, or else its rotary scaling and context."""

    model: str | None = None
    scaling: int | None = None
    positions: int | None = None


def variant_of(path: Path, told: Told) -> Variant:
    """The variant that the user specifies; by default, the model that the checkpoint's file name names."""
    if told.scaling is not None or told.positions is not None:
        if told.model is not None or told.scaling is None or told.positions is None:
            raise ConvertError(f"{path}: expected --evo2-model, or both --rope-scaling and --max-positions")
        return Variant(told.scaling, told.positions)
    name = told.model or path.stem
    if name not in PUBLISHED:
        raise ConvertError(
            f'{path}: "{name}" is no published Evo 2 model, and a checkpoint does not say how its rotary embedding is '
            f"scaled: name the model with --evo2-model ({', '.join(PUBLISHED)}), or give --rope-scaling (1: none) and "
            "--max-positions"
        )
    return PUBLISHED[name]
