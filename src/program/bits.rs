/*!
A bitstring of up to 16 bits as a value: what inputs, outputs, queries and targets are made of.
*/

use super::primitive::{MAX_BITS, mask};
use std::fmt;
use std::str::FromStr;

/// A bitstring: its first character is the highest of the low `len` bits of `value`.
/// It may be empty or short, as a malformed prediction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Bits {
    len: u8,
    value: u16,
}

impl Bits {
    /// The low `len` bits of `value`; `len` is at most 16.
    #[must_use]
    pub fn new(value: u16, len: u32) -> Self {
        let len = len.min(MAX_BITS);
        let value = if len == 0 { 0 } else { value & mask(len) };
        // At most 16, so it fits.
        #[allow(clippy::cast_possible_truncation)]
        let len = len as u8;
        Self { len, value }
    }

    /// Number of bits.
    #[must_use]
    pub fn len(self) -> u32 {
        u32::from(self.len)
    }

    /// Whether there is no bit at all.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    /// The bits as a number, the first character the highest.
    #[must_use]
    pub fn value(self) -> u16 {
        self.value
    }

    /// The bits from left to right.
    #[must_use]
    pub fn iter(self) -> impl DoubleEndedIterator<Item = bool> + Clone {
        (0..self.len).rev().map(move |i| self.value >> i & 1 == 1)
    }

    /// The string with one more bit at the right end; unchanged at 16 bits.
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

impl fmt::Display for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0u8; MAX_BITS as usize];
        for (byte, bit) in text.iter_mut().zip(self.iter()) {
            *byte = b'0' + u8::from(bit);
        }
        // Only the bytes b'0' and b'1' are in there.
        f.write_str(std::str::from_utf8(&text[..self.len as usize]).unwrap_or_default())
    }
}

impl FromStr for Bits {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() > MAX_BITS as usize {
            return Err(format!(
                "a bitstring has at most {MAX_BITS} bits, not {}",
                text.chars().count()
            ));
        }
        text.chars().try_fold(Self::default(), |bits, c| match c {
            '0' => Ok(bits.push(false)),
            '1' => Ok(bits.push(true)),
            other => Err(format!(
                "{other:?} in a bitstring, which holds only 0 and 1"
            )),
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
        assert!("0".repeat(17).parse::<Bits>().is_err());
        assert_eq!("011".parse::<Bits>().unwrap(), Bits::new(3, 3));
    }
}
