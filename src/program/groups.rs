/*!
Groups of functions by their primitives.
*/

use super::{Body, Primitive, Program};

impl Primitive {
    /// The group of the primitive. `identity`, which does nothing, and `xor_with_s0`, which combines a program's output
    /// with its input, have none.
    #[must_use]
    pub fn group(self) -> Option<&'static str> {
        match self {
            Self::Rotl1 | Self::Rotr1 | Self::DoubleRotl | Self::DoubleRotr => Some("rotations"),
            Self::ShiftLeftZero | Self::ShiftRightZero => Some("shifts"),
            Self::CenterMask
            | Self::EdgeMask
            | Self::KeepEvenPositions
            | Self::KeepOddPositions
            | Self::LeftHalf
            | Self::RightHalf => Some("masks"),
            Self::SwapHalves | Self::SwapPairs | Self::ReverseBits => Some("swaps"),
            Self::FlipBits | Self::InvertPrefix | Self::InvertSuffix => Some("inversions"),
            Self::MirrorHalf | Self::SpreadFirstBit | Self::SpreadLastBit => Some("copies"),
            Self::Majority | Self::Minority | Self::OnesIfPalindrome | Self::ParityFill => {
                Some("global_readouts")
            }
            Self::AlternatingStartOne | Self::AlternatingStartZero | Self::MetaConstant => {
                Some("constants")
            }
            Self::Identity | Self::XorWithS0 => None,
        }
    }
}

impl Program {
    /// The groups of its primitives. A table or a rule has none.
    pub fn groups(&self) -> impl Iterator<Item = &'static str> {
        let primitives: &[Primitive] = match &self.body {
            Body::Primitives(primitives) => primitives,
            Body::Table { .. } | Body::Rule(_) => &[],
        };
        primitives.iter().filter_map(|primitive| primitive.group())
    }
}
