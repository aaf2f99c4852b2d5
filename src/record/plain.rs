/*!
Records in JSON exactly as our own writers write it: no spaces, the columns in order and no others, texts of printable
ASCII without escapes, integers in their one form.

Such a line is read in one pass, into a record whose memory it takes over, and a filter that only adds columns can copy
it. Nothing is said of any other line: the general parser reads it, or says what is wrong with it.
*/

use crate::program::{Bits, MAX_BITS};

/// What is left of a line.
pub struct Plain<'a> {
    rest: &'a [u8],
    is_begun: bool,
}

impl<'a> Plain<'a> {
    /// The beginning of a line, which comes without its line break.
    pub(super) fn new(line: &'a [u8]) -> Self {
        Self {
            rest: line,
            is_begun: false,
        }
    }

    /// What `read` makes of a value that is all there is.
    pub(super) fn whole<T>(value: &'a str, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let mut plain = Self::new(value.as_bytes());
        let read = read(&mut plain)?;
        plain.rest.is_empty().then_some(read)
    }

    /// Passes a [column's key](super::column::Column::key).
    #[inline]
    pub(super) fn key(&mut self, key: &str) -> Option<()> {
        let mut key = key.as_bytes();
        if !self.is_begun {
            self.is_begun = true;
            self.byte(b'{')?;
            key = key.strip_prefix(b",")?;
        }
        self.rest = self.rest.strip_prefix(key)?;
        Some(())
    }

    /// Whether the record ends here, and the line with it.
    pub(super) fn is_end(&self) -> bool {
        self.rest == b"}"
    }

    /// Passes a null, if one is here.
    #[inline]
    pub(super) fn null(&mut self) -> bool {
        let rest = self.rest.strip_prefix(b"null");
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// A text.
    #[inline]
    pub(super) fn text(&mut self) -> Option<&'a str> {
        self.byte(b'"')?;
        let is_end = |&byte: &u8| !matches!(byte, b' '..=b'~') || matches!(byte, b'"' | b'\\');
        let end = self.rest.iter().position(is_end)?;
        let (text, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        self.byte(b'"')?;
        std::str::from_utf8(text).ok()
    }

    /// An integer.
    #[inline]
    pub(super) fn int(&mut self) -> Option<i64> {
        // Any 18 digits fit 64 bits; what is longer is left to the general parser.
        const DIGITS: usize = 18;
        let negative = self.byte(b'-').is_some();
        let end = self.rest.iter().position(|byte| !byte.is_ascii_digit())?;
        let (digits, rest) = self.rest.split_at_checked(end)?;
        match digits {
            [] | [b'0', _, ..] => return None,
            [b'0'] if negative => return None,
            _ if end > DIGITS => return None,
            _ => {}
        }
        self.rest = rest;
        let size = digits
            .iter()
            .fold(0, |n, &digit| 10 * n + i64::from(digit - b'0'));
        Some(if negative { -size } else { size })
    }

    /// A bitstring.
    #[inline]
    pub(super) fn bits(&mut self) -> Option<Bits> {
        let width = self.width_behind(0)?;
        self.bits_of(width)
    }

    /// Appends the items of a list of bitstrings of one width to `list`.
    #[inline]
    pub(super) fn bits_list(&mut self, list: &mut Vec<Bits>) -> Option<()> {
        if self.width_behind(1) == Some(8) {
            return self.eights(list);
        }
        self.list(|plain, first| {
            let width = match first {
                None => plain.width_behind(0)?,
                Some(width) => width,
            };
            list.push(plain.bits_of(width)?);
            Some(width)
        })
    }

    /// The same for the papers' width, eight bits: each with its quotes and what is behind them at once.
    #[inline]
    fn eights(&mut self, list: &mut Vec<Bits>) -> Option<()> {
        self.byte(b'[')?;
        loop {
            let ([b'"', bits @ .., b'"', behind], rest) = self.rest.split_first_chunk::<11>()?
            else {
                return None;
            };
            list.push(Bits::from_ascii(bits)?);
            self.rest = rest;
            match behind {
                b',' => {}
                b']' => return Some(()),
                _ => return None,
            }
        }
    }

    /// Appends the items of a list of integers to `list`.
    pub(super) fn ints(&mut self, list: &mut Vec<u32>) -> Option<()> {
        self.list(|plain, _: Option<()>| {
            list.push(plain.int()?.try_into().ok()?);
            Some(())
        })
    }

    /// A list whose items `item` reads; it is given what it said of the item before.
    #[inline]
    fn list<T>(&mut self, mut item: impl FnMut(&mut Self, Option<T>) -> Option<T>) -> Option<()> {
        self.byte(b'[')?;
        if self.byte(b']').is_some() {
            return Some(());
        }
        let mut said = None;
        loop {
            said = Some(item(self, said)?);
            if self.byte(b',').is_none() {
                return self.byte(b']');
            }
        }
    }

    /// The number of bits of the bitstring that begins this many bytes on.
    #[inline]
    fn width_behind(&self, bytes: usize) -> Option<usize> {
        let text = self.rest.get(bytes..)?.strip_prefix(b"\"")?;
        let longest = &text[..text.len().min(MAX_BITS as usize + 1)];
        longest.iter().position(|&byte| byte == b'"')
    }

    /// A bitstring of `width` bits.
    #[inline]
    fn bits_of(&mut self, width: usize) -> Option<Bits> {
        let (text, rest) = self.rest.split_at_checked(width + 2)?;
        let [b'"', text @ .., b'"'] = text else {
            return None;
        };
        self.rest = rest;
        Bits::from_ascii(text)
    }

    /// Passes this byte.
    #[inline]
    fn byte(&mut self, wanted: u8) -> Option<()> {
        match self.rest {
            [first, rest @ ..] if *first == wanted => {
                self.rest = rest;
                Some(())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::json::{Object, push_record};
    use crate::record::{Condition, Design, Extra, Prompt, Record, Trial};
    use proptest::prelude::*;

    /// Trials of any shape, sound or not: names that need escapes, bitstrings of any widths, no demonstrations.
    fn trials() -> impl Strategy<Value = Trial> {
        let text = || prop_oneof![3 => "[a-z_.0-9/]{0,20}", 1 => any::<String>()];
        let bits = |width: u32| any::<u16>().prop_map(move |value| Bits::new(value, width));
        let of_width = move |width: u32| {
            let list = move || prop::collection::vec(bits(width), 0..5);
            (list(), list(), bits(width), prop::option::of(bits(width)))
        };
        let strings = prop_oneof![4 => Just(8), 1 => 0..=16u32].prop_flat_map(of_width);
        let odd = prop::option::weighted(0.1, bits(3));
        let points = prop::option::of(prop::collection::vec(any::<u32>(), 0..4));
        let words = (any::<bool>(), any::<bool>(), prop::option::of(any::<u32>()));
        let numbers = (any::<u32>(), any::<u32>(), any::<i64>(), points);
        (text(), text(), words, numbers, strings, odd).prop_map(
            |(trial_id, function, words, numbers, strings, odd)| {
                let (mut inputs, outputs, query, constant) = strings;
                inputs.extend(odd);
                Trial {
                    trial_id,
                    function,
                    bits: 8,
                    condition: if words.0 {
                        Condition::Clean
                    } else {
                        Condition::Deranged
                    },
                    shots: numbers.0,
                    trial: numbers.1,
                    seed: numbers.2,
                    design: if words.1 {
                        Design::Independent
                    } else {
                        Design::Nested
                    },
                    constant,
                    inputs,
                    outputs,
                    query,
                    target: query,
                    unchanged: words.2,
                    eval_shots: numbers.3,
                }
            },
        )
    }

    fn written<T: Record>(record: &T, shared: Option<&[u8]>) -> Vec<u8> {
        let mut line = Vec::new();
        push_record(&mut line, shared, record, &Extra::default(), &[]);
        line
    }

    fn read_generally(line: &[u8]) -> Option<Trial> {
        let object = Object::parse(std::str::from_utf8(line).ok()?).ok()?;
        Trial::read(&object, 0).ok()
    }

    fn read_plainly(line: &[u8], last: &Trial) -> Option<Trial> {
        let mut trial = last.clone();
        let mut plain = Plain::new(line);
        trial.read_plain(&mut plain)?;
        plain.is_end().then_some(trial)
    }

    /// Texts without escapes, and no list of bitstrings of several widths.
    fn is_plain(trial: &Trial) -> bool {
        let is_plain = |text: &str| {
            let mut chars = text.chars();
            chars.all(|c| (' '..='~').contains(&c) && c != '"' && c != '\\')
        };
        let is_even = |list: &[Bits]| list.windows(2).all(|w| w[0].len() == w[1].len());
        // Integers of 19 digits are left to the general parser.
        let is_short = trial.seed.unsigned_abs() < 1_000_000_000_000_000_000;
        is_plain(&trial.trial_id) && is_plain(&trial.function) && is_even(&trial.inputs) && is_short
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_alike(trial in trials(), last in trials()) {
            let line = written(&trial, None);
            prop_assert_eq!(read_generally(&line), Some(trial.clone()));
            let wanted = is_plain(&trial).then_some(trial);
            prop_assert_eq!(read_plainly(&line, &last), wanted);
        }

        /// Whatever is done to a line: if it is read at all, it is what the general parser reads, and a copy of it is
        /// what would be written.
        #[test]
        fn any_other_line_is_left_to_the_general_parser(
            trial in trials(),
            last in trials(),
            changes in prop::collection::vec(
                (any::<prop::sample::Index>(), 0..3u8, prop::sample::select(&b"0123 \",:[]{}-+.en\\\x7f\xc3"[..])),
                1..3,
            ),
        ) {
            let mut line = written(&trial, None);
            for (at, what, byte) in changes {
                let at = at.index(line.len());
                match what {
                    0 => line[at] = byte,
                    1 => line.insert(at, byte),
                    _ => _ = line.remove(at),
                }
            }
            if let Some(read) = read_plainly(&line, &last) {
                prop_assert_eq!(written(&read, None), line.clone());
                prop_assert_eq!(Some(read), read_generally(&line));
            }
        }

        #[test]
        fn columns_upon_a_copied_line_are_the_whole_record(trial in trials(), text in any::<String>()) {
            let shared = written(&trial, None);
            let prompt = Prompt {
                trial,
                encoding: "genomic".into(),
                template: "{x}>{y}\n".into(),
                prefix: text.clone(),
                zero: "A".into(),
                one: "\"".into(),
                separator: None,
                prompt: text,
                answer: "A\"".into(),
                answer_starts: Some(vec![1, 20]),
            };
            prop_assert_eq!(written(&prompt, Some(&shared)), written(&prompt, None));
        }
    }

    #[test]
    fn integers_have_one_form() {
        for (text, number) in [
            ("0", 0),
            ("-7", -7),
            ("120", 120),
            ("999999999999999999", 999_999_999_999_999_999),
        ] {
            let line = format!("{text},");
            assert_eq!(Plain::new(line.as_bytes()).int(), Some(number));
        }
        for text in ["-0", "00", "01", "", "-", "1000000000000000000"] {
            assert_eq!(
                Plain::new(format!("{text},").as_bytes()).int(),
                None,
                "{text}"
            );
        }
    }
}
