/*!
A bitstring of up to 16 bits: the type of inputs, outputs, queries and targets.
*/

use super::primitive::{MAX_BITS, mask};
use std::fmt;
use std::str::FromStr;

/// A bitstring. Its first character is the highest of the low `len` bits of `value`. A malformed prediction is a short
/// or empty one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Bits {
    len: u8,
    value: u16,
}

impl Bits {
    /// The low `len` bits of `value`. `len` is at most 16.
    #[must_use]
    pub fn new(value: u16, len: u32) -> Self {
        let len = len.min(MAX_BITS);
        let value = value & mask(len);
        // At most 16.
        #[allow(clippy::cast_possible_truncation)]
        let len = len as u8;
        Self { len, value }
    }

    /// The number of bits.
    #[must_use]
    pub fn len(self) -> u32 {
        u32::from(self.len)
    }

    /// Whether there are no bits.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    /// The bits as a number. The first character is the highest bit.
    #[must_use]
    pub fn value(self) -> u16 {
        self.value
    }

    /// The bits from left to right.
    #[must_use]
    pub fn iter(self) -> impl DoubleEndedIterator<Item = bool> + Clone {
        (0..self.len).rev().map(move |i| self.value >> i & 1 == 1)
    }

    /// The bitstring of these characters. None if there is anything but 0 and 1, or too many.
    #[inline]
    #[must_use]
    pub fn from_ascii(text: &[u8]) -> Option<Self> {
        // A fast path for the paper's width, by far the most frequent one.
        if let Ok(eight) = <[u8; 8]>::try_from(text) {
            let value = u16::from(read_byte(eight)?);
            return Some(Self { len: 8, value });
        }
        let len = u8::try_from(text.len()).ok()?;
        if u32::from(len) > MAX_BITS {
            return None;
        }
        let (eights, others) = text.as_chunks();
        let mut value = 0;
        for &eight in eights {
            value = value << 8 | u16::from(read_byte(eight)?);
        }
        let mut all = 0;
        for &byte in others {
            // 0 or 1 for a bit; anything else has higher bits.
            let bit = byte ^ b'0';
            all |= bit;
            value = value << 1 | u16::from(bit & 1);
        }
        (all <= 1).then_some(Self { len, value })
    }

    /// The bits from left to right as the characters `zero` and `one`. Only the first [`len`](Self::len) characters
    /// have a meaning.
    #[inline]
    #[must_use]
    pub fn spell(self, zero: u8, one: u8) -> [u8; MAX_BITS as usize] {
        // An empty bitstring is shifted by all 16 bits.
        let first = self
            .value
            .checked_shl(MAX_BITS - self.len())
            .unwrap_or_default();
        let [high, low] = first.to_be_bytes();
        let mut spelt = [0; MAX_BITS as usize];
        spelt[..8].copy_from_slice(&spell_byte(high, zero, one));
        if self.len > 8 {
            spelt[8..].copy_from_slice(&spell_byte(low, zero, one));
        }
        spelt
    }

    /// The string with one more bit at its right end. Unchanged if it has 16 bits.
    #[must_use]
    pub fn push(self, bit: bool) -> Self {
        if self.len() == MAX_BITS {
            return self;
        }
        Self {
            len: self.len + 1,
            value: self.value << 1 | u16::from(bit),
        }
    }
}

/// A 1 in every byte of a word.
const EACH: u64 = 0x0101_0101_0101_0101;

/// The byte of these eight characters, the highest bit first. None if one of them is neither 0 nor 1.
#[inline]
fn read_byte(text: [u8; 8]) -> Option<u8> {
    // 0 or 1 in every byte; anything else has higher bits.
    let bits = u64::from_le_bytes(text) ^ u64::from(b'0') * EACH;
    if bits & !EACH != 0 {
        return None;
    }
    // The product moves byte i of the word into bit 63 - i, without carries.
    let [.., byte] = bits.wrapping_mul(0x8040_2010_0804_0201).to_le_bytes();
    Some(byte)
}

/// The eight bits of `byte` as `zero` and `one`, the highest first. Computing all in one word takes half the time of a
/// loop, and prompts and records consist mostly of bits.
#[inline]
fn spell_byte(byte: u8, zero: u8, one: u8) -> [u8; 8] {
    // Byte i of the word, from its low end, keeps only the i-th highest bit ...
    let apart = (u64::from(byte) * EACH) & 0x0102_0408_1020_4080;
    // ... which becomes 1. No sum carries into the next byte.
    let bits = ((apart + 0x7f * EACH) >> 7) & EACH;
    (u64::from(zero) * EACH ^ bits * u64::from(zero ^ one)).to_le_bytes()
}

impl fmt::Display for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spelt = self.spell(b'0', b'1');
        // These bytes are all b'0' or b'1'.
        f.write_str(std::str::from_utf8(&spelt[..usize::from(self.len)]).unwrap_or_default())
    }
}

impl FromStr for Bits {
    type Err = String;

    #[inline]
    fn from_str(text: &str) -> Result<Self, String> {
        Self::from_ascii(text.as_bytes()).ok_or_else(|| {
            match text.chars().find(|c| !matches!(c, '0' | '1')) {
                Some(other) if text.len() <= MAX_BITS as usize => {
                    format!("{other:?} in a bitstring, which holds only 0 and 1")
                }
                _ => format!(
                    "a bitstring has at most {MAX_BITS} bits, not {}",
                    text.chars().count()
                ),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        for text in ["", "0", "1", "0011", "10000001", "0101010101010101"] {
            assert_eq!(text.parse::<Bits>().unwrap().to_string(), text);
        }
        assert!("012".parse::<Bits>().unwrap_err().contains("'2'"));
        for text in ["2", "/", ":", "0 1", "0\u{131}", "\0"] {
            assert!(text.parse::<Bits>().is_err(), "{text:?}");
        }
        for text in ["0".repeat(17), "1".repeat(300), "x".repeat(17)] {
            assert!(text.parse::<Bits>().unwrap_err().contains("at most 16"));
        }
        assert_eq!("011".parse::<Bits>().unwrap(), Bits::new(3, 3));
    }

    #[test]
    fn spell_is_bit_by_bit() {
        for len in [0, 1, 7, 8, 9, 15, 16] {
            for value in 0..=u16::MAX {
                let bits = Bits::new(value, len);
                let by_bit: Vec<u8> = bits.iter().map(|b| if b { b'T' } else { 0xff }).collect();
                assert_eq!(bits.spell(0xff, b'T')[..len as usize], by_bit);
            }
        }
    }
}
