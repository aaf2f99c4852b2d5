"""Implement the paper's 30 primitives on strings of 0 and 1, and programs of primitives in dot notation.

The code follows the definitions (Breslow et al., arXiv 2511.12797, appendix A) and shares nothing with src/program.
"""


def invert(s: str) -> str:
    return s.translate(INVERTED)


INVERTED = str.maketrans("01", "10")


def xor(a: str, b: str) -> str:
    return "".join("1" if p != q else "0" for p, q in zip(a, b))


def fill(s: str, bit: str) -> str:
    return bit * len(s)


def keep(s: str, positions: range) -> str:
    return "".join(bit if i in positions else "0" for i, bit in enumerate(s))


def rotl(s: str, by: int) -> str:
    by %= len(s)
    return s[by:] + s[:by]


def half(s: str) -> int:
    return len(s) // 2


def center_mask(s: str) -> str:
    return "0" + s[1:-1] + "0" if len(s) > 2 else "0" * len(s)


def edge_mask(s: str) -> str:
    return s[0] + "0" * (len(s) - 2) + s[-1] if len(s) > 1 else s


def mirror_half(s: str) -> str:
    h = half(s)
    return s[: len(s) - h] + s[:h][::-1]


def swap_pairs(s: str) -> str:
    even = len(s) // 2 * 2
    return "".join(s[i + 1] + s[i] for i in range(0, even, 2)) + s[even:]


def majority(s: str) -> str:
    return fill(s, "1" if 2 * s.count("1") >= len(s) else "0")


# Arguments: the value s so far, the program's input s0 and the trial's constant c.
PRIMITIVES = {
    "alternating_start_one": lambda s, s0, c: xor(s, ("10" * len(s))[: len(s)]),
    "alternating_start_zero": lambda s, s0, c: xor(s, ("01" * len(s))[: len(s)]),
    "center_mask": lambda s, s0, c: center_mask(s),
    "double_rotl": lambda s, s0, c: rotl(s, 2),
    "double_rotr": lambda s, s0, c: rotl(s, -2),
    "edge_mask": lambda s, s0, c: edge_mask(s),
    "flip_bits": lambda s, s0, c: invert(s),
    "identity": lambda s, s0, c: s,
    "invert_prefix": lambda s, s0, c: invert(s[: half(s)]) + s[half(s) :],
    "invert_suffix": lambda s, s0, c: s[: half(s)] + invert(s[half(s) :]),
    "keep_even_positions": lambda s, s0, c: keep(s, range(0, len(s), 2)),
    "keep_odd_positions": lambda s, s0, c: keep(s, range(1, len(s), 2)),
    "left_half": lambda s, s0, c: s[: half(s)] + "0" * (len(s) - half(s)),
    "majority": lambda s, s0, c: majority(s),
    "meta_constant": lambda s, s0, c: c,
    "minority": lambda s, s0, c: invert(majority(s)),
    "mirror_half": lambda s, s0, c: mirror_half(s),
    "ones_if_palindrome": lambda s, s0, c: fill(s, "1" if s == s[::-1] else "0"),
    "parity_fill": lambda s, s0, c: fill(s, "1" if s.count("1") % 2 else "0"),
    "reverse_bits": lambda s, s0, c: s[::-1],
    "right_half": lambda s, s0, c: "0" * half(s) + s[half(s) :],
    "rotl1": lambda s, s0, c: rotl(s, 1),
    "rotr1": lambda s, s0, c: rotl(s, -1),
    "shift_left_zero": lambda s, s0, c: s[1:] + "0",
    "shift_right_zero": lambda s, s0, c: "0" + s[:-1],
    "spread_first_bit": lambda s, s0, c: fill(s, s[0]),
    "spread_last_bit": lambda s, s0, c: fill(s, s[-1]),
    "swap_halves": lambda s, s0, c: s[half(s) :] + s[: half(s)],
    "swap_pairs": lambda s, s0, c: swap_pairs(s),
    "xor_with_s0": lambda s, s0, c: xor(s, s0),
}


class Program:
    """A program of primitives, applied from left to right, such as `flip_bits.reverse_bits`."""

    def __init__(self, name: str):
        self.name = name
        self.steps = [PRIMITIVES[part] for part in name.split(".")]
        self.uses_constant = "meta_constant" in name.split(".")

    def __call__(self, s0: str, constant: str) -> str:
        s = s0
        for step in self.steps:
            s = step(s, s0, constant)
        return s


def all_strings(width: int) -> list[str]:
    return [format(i, f"0{width}b") for i in range(2**width)]
