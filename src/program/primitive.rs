/*!
The 30 primitive bitstring functions (Breslow et al., arXiv 2511.12797, appendix A), for any width.

A bitstring of width k is the low k bits of a `u16`; its first character is the highest of them. The left half of a
string has floor(k/2) bits.
*/

/// The width of the widest bitstrings.
pub const MAX_BITS: u32 = 16;

/// The arguments of a primitive besides the current value.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    /// The width of the bitstrings, 1..=16.
    pub bits: u32,
    /// The program's original input (`xor_with_s0` reads it).
    pub input: u16,
    /// The trial's constant (`meta_constant` returns it).
    pub constant: u16,
}

impl Context {
    fn mask(self) -> u16 {
        mask(self.bits)
    }

    /// The width of the left half.
    fn left(self) -> u32 {
        self.bits / 2
    }

    /// The positions of the right half. With an odd width it has the centre bit.
    fn right_mask(self) -> u16 {
        mask(self.bits - self.left())
    }

    /// `1010...`: ones at the even 0-based positions.
    fn even_mask(self) -> u16 {
        (0..self.bits)
            .step_by(2)
            .fold(0, |pattern, i| pattern | self.position(i))
    }

    /// The bit at 0-based position `i`, counted from the left.
    fn position(self, i: u32) -> u16 {
        1 << (self.bits - 1 - i)
    }

    fn edge_mask(self) -> u16 {
        self.position(0) | self.position(self.bits - 1)
    }

    fn rotate_left(self, value: u16, by: u32) -> u16 {
        let by = by % self.bits;
        if by == 0 {
            return value;
        }
        ((value << by) | (value >> (self.bits - by))) & self.mask()
    }

    fn reverse(self, value: u16) -> u16 {
        value.reverse_bits() >> (MAX_BITS - self.bits)
    }

    fn fill(self, ones: bool) -> u16 {
        if ones { self.mask() } else { 0 }
    }

    fn majority(self, value: u16) -> bool {
        2 * value.count_ones() >= self.bits
    }
}

/// The low `bits` bits set.
#[must_use]
pub fn mask(bits: u32) -> u16 {
    u16::MAX.checked_shr(MAX_BITS - bits).unwrap_or_default()
}

macro_rules! primitives {
    ($($variant:ident $name:literal),* $(,)?) => {
        /// A primitive function on bitstrings.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Primitive {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        impl Primitive {
            /// All primitives, by name.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name in dot notation.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }
    };
}

primitives! {
    AlternatingStartOne "alternating_start_one",
    AlternatingStartZero "alternating_start_zero",
    CenterMask "center_mask",
    DoubleRotl "double_rotl",
    DoubleRotr "double_rotr",
    EdgeMask "edge_mask",
    FlipBits "flip_bits",
    Identity "identity",
    InvertPrefix "invert_prefix",
    InvertSuffix "invert_suffix",
    KeepEvenPositions "keep_even_positions",
    KeepOddPositions "keep_odd_positions",
    LeftHalf "left_half",
    Majority "majority",
    MetaConstant "meta_constant",
    Minority "minority",
    MirrorHalf "mirror_half",
    OnesIfPalindrome "ones_if_palindrome",
    ParityFill "parity_fill",
    ReverseBits "reverse_bits",
    RightHalf "right_half",
    Rotl1 "rotl1",
    Rotr1 "rotr1",
    ShiftLeftZero "shift_left_zero",
    ShiftRightZero "shift_right_zero",
    SpreadFirstBit "spread_first_bit",
    SpreadLastBit "spread_last_bit",
    SwapHalves "swap_halves",
    SwapPairs "swap_pairs",
    XorWithS0 "xor_with_s0",
}

impl Primitive {
    /// The primitive of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|p| p.name() == name)
    }

    /// The primitive's value at `value`.
    #[must_use]
    pub fn apply(self, value: u16, context: Context) -> u16 {
        let c = context;
        match self {
            Self::AlternatingStartOne => value ^ c.even_mask(),
            Self::AlternatingStartZero => value ^ !c.even_mask() & c.mask(),
            Self::CenterMask => value & !c.edge_mask(),
            Self::DoubleRotl => c.rotate_left(value, 2),
            Self::DoubleRotr => c.rotate_left(value, 2 * c.bits - 2),
            Self::EdgeMask => value & c.edge_mask(),
            Self::FlipBits => value ^ c.mask(),
            Self::Identity => value,
            Self::InvertPrefix => value ^ !c.right_mask() & c.mask(),
            Self::InvertSuffix => value ^ c.right_mask(),
            Self::KeepEvenPositions => value & c.even_mask(),
            Self::KeepOddPositions => value & !c.even_mask(),
            Self::LeftHalf => value & !c.right_mask(),
            Self::Majority => c.fill(c.majority(value)),
            Self::MetaConstant => c.constant,
            Self::Minority => c.fill(!c.majority(value)),
            Self::MirrorHalf => {
                let mirrored = c.reverse(value) & mask(c.left());
                value & !mask(c.left()) | mirrored
            }
            Self::OnesIfPalindrome => c.fill(c.reverse(value) == value),
            Self::ParityFill => c.fill(value.count_ones() % 2 == 1),
            Self::ReverseBits => c.reverse(value),
            Self::RightHalf => value & c.right_mask(),
            Self::Rotl1 => c.rotate_left(value, 1),
            Self::Rotr1 => c.rotate_left(value, c.bits - 1),
            Self::ShiftLeftZero => value << 1 & c.mask(),
            Self::ShiftRightZero => value >> 1,
            Self::SpreadFirstBit => c.fill(value & c.position(0) != 0),
            Self::SpreadLastBit => c.fill(value & 1 != 0),
            Self::SwapHalves => c.rotate_left(value, c.left()),
            Self::SwapPairs => swap_pairs(value, c),
            Self::XorWithS0 => value ^ c.input,
        }
    }
}

/// Swaps the positions 2i and 2i+1. The last bit of an odd width stays.
fn swap_pairs(value: u16, c: Context) -> u16 {
    let odd = c.bits % 2;
    let stays = value & mask(odd);
    let pairs = value >> odd;
    let swapped = (pairs & 0x5555) << 1 | (pairs & 0xAAAA) >> 1;
    swapped << odd | stays
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn apply(name: &str, text: &str) -> String {
        let bits = u32::try_from(text.len()).unwrap();
        let value = u16::from_str_radix(text, 2).unwrap();
        let context = Context {
            bits,
            input: value,
            constant: 0,
        };
        let output = Primitive::named(name).unwrap().apply(value, context);
        format!("{output:0width$b}", width = text.len())
    }

    #[test]
    fn ties_and_short_strings() {
        assert_eq!(apply("majority", "0101"), "1111");
        assert_eq!(apply("minority", "0101"), "0000");
        assert_eq!(apply("center_mask", "11"), "00");
        assert_eq!(apply("edge_mask", "1"), "1");
        assert_eq!(apply("swap_pairs", "1"), "1");
        assert_eq!(apply("double_rotl", "1"), "1");
        assert_eq!(apply("mirror_half", "1"), "1");
        assert_eq!(apply("ones_if_palindrome", "0110"), "1111");
    }

    fn any_value() -> impl Strategy<Value = (u16, Context)> {
        (1..=MAX_BITS, any::<u16>(), any::<u16>()).prop_map(|(bits, value, constant)| {
            let context = Context {
                bits,
                input: value & mask(bits),
                constant: constant & mask(bits),
            };
            (context.input, context)
        })
    }

    proptest! {
        #[test]
        fn every_output_has_the_width((value, c) in any_value()) {
            for p in Primitive::ALL {
                prop_assert_eq!(p.apply(value, c) & !mask(c.bits), 0, "{:?}", p);
            }
        }

        #[test]
        fn inverse_pairs((value, c) in any_value()) {
            use Primitive as P;
            for (first, second) in [
                (P::Rotl1, P::Rotr1), (P::Rotr1, P::Rotl1),
                (P::DoubleRotl, P::DoubleRotr), (P::DoubleRotr, P::DoubleRotl),
                (P::ReverseBits, P::ReverseBits), (P::FlipBits, P::FlipBits),
                (P::SwapPairs, P::SwapPairs), (P::XorWithS0, P::XorWithS0),
                (P::AlternatingStartOne, P::AlternatingStartOne),
                (P::AlternatingStartZero, P::AlternatingStartZero),
                (P::InvertPrefix, P::InvertPrefix), (P::InvertSuffix, P::InvertSuffix),
            ] {
                prop_assert_eq!(second.apply(first.apply(value, c), c), value, "{:?} {:?}", first, second);
            }
        }

        #[test]
        fn idempotent((value, c) in any_value()) {
            use Primitive as P;
            for p in [
                P::Identity, P::CenterMask, P::EdgeMask, P::KeepEvenPositions, P::KeepOddPositions,
                P::LeftHalf, P::RightHalf, P::Majority, P::MirrorHalf, P::SpreadFirstBit,
                P::SpreadLastBit, P::MetaConstant,
            ] {
                let once = p.apply(value, c);
                prop_assert_eq!(p.apply(once, c), once, "{:?}", p);
            }
        }

        #[test]
        fn complements((value, c) in any_value()) {
            use Primitive as P;
            for (a, b) in [
                (P::LeftHalf, P::RightHalf), (P::KeepEvenPositions, P::KeepOddPositions),
            ] {
                prop_assert_eq!(a.apply(value, c) | b.apply(value, c), value);
                prop_assert_eq!(a.apply(value, c) & b.apply(value, c), 0);
            }
            let both = P::AlternatingStartOne.apply(P::AlternatingStartZero.apply(value, c), c);
            prop_assert_eq!(both, P::FlipBits.apply(value, c));
            prop_assert_eq!(P::Majority.apply(value, c) ^ P::Minority.apply(value, c), mask(c.bits));
            let twice = P::Rotl1.apply(P::Rotl1.apply(value, c), c);
            prop_assert_eq!(twice, P::DoubleRotl.apply(value, c));
        }

        /// The same definitions on characters instead of bits.
        #[test]
        fn as_on_characters((value, c) in any_value()) {
            use Primitive as P;
            let k = c.bits as usize;
            let text: Vec<char> = format!("{value:0k$b}").chars().collect();
            let expect = |p: P, chars: Vec<char>| {
                let got: Vec<char> = format!("{:0k$b}", p.apply(value, c)).chars().collect();
                assert_eq!(got, chars, "{p:?}");
            };
            let (left, right) = text.split_at(k / 2);
            expect(P::SwapHalves, [right, left].concat());
            expect(P::ReverseBits, text.iter().rev().copied().collect());
            expect(P::ShiftLeftZero, text[1..].iter().copied().chain(['0']).collect());
            expect(P::ShiftRightZero, ['0'].into_iter().chain(text[..k - 1].iter().copied()).collect());
            let mut mirrored = text.clone();
            for i in 0..k / 2 { mirrored[k - 1 - i] = text[i]; }
            expect(P::MirrorHalf, mirrored);
            let mut swapped = text.clone();
            for pair in swapped.chunks_exact_mut(2) { pair.swap(0, 1); }
            expect(P::SwapPairs, swapped);
        }
    }
}
