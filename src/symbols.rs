/*!
The symbols of a prompt: bits to text, and text to symbols.

A symbol is one character, or a word of several characters for vocabularies with longer tokens. No symbol of a prompt is
the beginning of another, and the text around them has none of a word's characters. So a text splits into symbols in one
way.
*/

use crate::error::shorten;
use crate::program::Bits;

/// Replaces white space within a token of an output, where a space separates the tokens.
const BLANK: &str = "\u{2423}";

/// The symbols of one trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Symbols<'a> {
    /// Bit 0.
    pub zero: &'a str,
    /// Bit 1.
    pub one: &'a str,
    /// Between examples, if the template has a separator.
    pub separator: Option<&'a str>,
}

impl<'a> Symbols<'a> {
    /// Whether the symbols are words.
    #[must_use]
    pub fn are_words(self) -> bool {
        is_word(self.zero)
    }

    /// The symbol of a bit.
    #[must_use]
    pub fn of(self, bit: bool) -> &'a str {
        if bit { self.one } else { self.zero }
    }

    /// The bits as text of a prompt.
    #[must_use]
    pub fn encode(self, bits: Bits) -> String {
        bits.iter().map(|bit| self.of(bit)).collect()
    }

    /// Splits a prompt's text into symbols. Other text is split into characters.
    pub fn split<'t>(self, text: &'t str) -> impl Iterator<Item = &'t str> + use<'a, 't> {
        let (mut rest, are_words) = (text, self.are_words());
        std::iter::from_fn(move || {
            let next = rest.chars().next()?;
            let word = are_words.then(|| self.all().find(|(_, word)| rest.starts_with(word)));
            let length = word
                .flatten()
                .map_or(next.len_utf8(), |(_, word)| word.len());
            let (symbol, behind) = rest.split_at(length);
            rest = behind;
            Some(symbol)
        })
    }

    /// The length of a text in symbols.
    #[must_use]
    pub fn count(self, text: &str) -> usize {
        if self.are_words() {
            self.split(text).count()
        } else {
            text.chars().count()
        }
    }

    /// The first `count` symbols of a text.
    #[must_use]
    pub fn first(self, count: usize, text: &str) -> &str {
        let end = if self.are_words() {
            Some(self.split(text).take(count).map(str::len).sum())
        } else {
            text.char_indices().nth(count).map(|(at, _)| at)
        };
        end.map_or(text, |end| &text[..end])
    }

    /// An answer as in the column `output`, from the text of each token. Words are separated by a space.
    pub fn output(self, tokens: impl IntoIterator<Item = impl Into<String>>) -> String {
        let tokens = tokens.into_iter().map(Into::into);
        if !self.are_words() {
            return tokens.collect();
        }
        let visible = tokens.map(|token| token.replace(char::is_whitespace, BLANK));
        visible.collect::<Vec<_>>().join(" ")
    }

    /// The bits of an output up to its first foreign symbol, at most `bits` of them. An answer with fewer is malformed.
    #[must_use]
    pub fn decode(self, output: &str, bits: u32) -> Bits {
        let symbols: Vec<&str> = if self.are_words() {
            output.split(' ').collect()
        } else {
            self.split(output).collect()
        };
        symbols
            .into_iter()
            .take(bits as usize)
            .map_while(|symbol| {
                [false, true]
                    .into_iter()
                    .find(|&bit| self.of(bit) == symbol)
            })
            .fold(Bits::default(), Bits::push)
    }

    /// Checks that the symbols are distinguishable: all words or all characters, and none the beginning of another.
    ///
    /// # Errors
    /// The column, and what was expected.
    pub fn check(self) -> Result<(), String> {
        for (name, symbol) in self.all() {
            let expected = match (self.are_words(), is_word(symbol)) {
                _ if symbol.is_empty() => "one character, or a word",
                (true, false) => "a word, like the symbol of zero",
                (false, true) => "one character, like the symbol of zero",
                (true, true) if symbol.contains(char::is_whitespace) => {
                    "a word without white space"
                }
                _ => continue,
            };
            return Err(format!(
                "column {name:?}: expected {expected}, found {:?}",
                shorten(symbol)
            ));
        }
        let pairs = self.all().enumerate();
        for (index, (name, symbol)) in pairs {
            for (other, before) in self.all().take(index) {
                if symbol == before {
                    return Err(format!(
                        "column {name:?}: {symbol:?} is also the symbol of {other}"
                    ));
                }
                if symbol.starts_with(before) || before.starts_with(symbol) {
                    return Err(format!(
                        "column {name:?}: of {symbol:?} and the symbol of {other}, {before:?}, one begins the other"
                    ));
                }
            }
        }
        Ok(())
    }

    /// The symbols with their columns.
    fn all(self) -> impl Iterator<Item = (&'static str, &'a str)> {
        let bits = [("zero", self.zero), ("one", self.one)];
        let separator = self.separator.map(|symbol| ("separator", symbol));
        bits.into_iter().chain(separator)
    }
}

/// Whether a symbol has more than one character.
#[must_use]
pub fn is_word(symbol: &str) -> bool {
    symbol.chars().nth(1).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: Symbols<'_> = Symbols {
        zero: "AAC",
        one: "ACA",
        separator: Some("TT"),
    };
    const CHARACTERS: Symbols<'_> = Symbols {
        zero: "A",
        one: "é",
        separator: None,
    };

    #[test]
    fn a_text_splits_into_symbols_in_one_way() {
        let split = |symbols: Symbols<'_>, text| symbols.split(text).collect::<Vec<_>>().join("|");
        assert_eq!(split(WORDS, "1>AACACAAACTT\n"), "1|>|AAC|ACA|AAC|TT|\n");
        assert_eq!(split(CHARACTERS, "AéA>ü"), "A|é|A|>|ü");
        for symbols in [WORDS, CHARACTERS] {
            let bits: Bits = "011010".parse().unwrap();
            let text = symbols.encode(bits);
            assert_eq!(symbols.split(&text).count(), 6);
            assert_eq!(
                symbols.decode(&symbols.output(symbols.split(&text)), 6),
                bits
            );
        }
    }

    #[test]
    fn an_output_ends_with_its_first_foreign_token() {
        let decoded = |symbols: Symbols<'_>, tokens: &[&str]| {
            let output = symbols.output(tokens.iter().copied());
            (symbols.decode(&output, 3).to_string(), output)
        };
        for (symbols, tokens, bits, output) in [
            (WORDS, &["ACA", "AAC", "ACA"][..], "101", "ACA AAC ACA"),
            (
                WORDS,
                &["ACA", "AAC", "ACA", "AAC"],
                "101",
                "ACA AAC ACA AAC",
            ),
            (WORDS, &["ACA", "AACACA"], "1", "ACA AACACA"),
            // Two tokens that together would be a word.
            (WORDS, &["AA", "C"], "", "AA C"),
            (WORDS, &["ACA ", "AAC"], "", "ACA\u{2423} AAC"),
            // A special token has no text.
            (WORDS, &["", "AAC"], "", " AAC"),
            (WORDS, &[], "", ""),
            (CHARACTERS, &["é", "A", "x", "A"], "10", "éAxA"),
            // A token of several characters stands as it is.
            (CHARACTERS, &["éA", "", "é", "A"], "101", "éAéA"),
        ] {
            assert_eq!(
                decoded(symbols, tokens),
                (bits.to_owned(), output.to_owned()),
                "{tokens:?}"
            );
        }
    }

    #[test]
    fn symbols_that_could_be_confused_are_refused() {
        WORDS.check().unwrap();
        CHARACTERS.check().unwrap();
        for (zero, one, separator, found) in [
            ("", "A", None, "\"zero\": expected one character, or a word"),
            ("A", "BC", None, "\"one\": expected one character, like"),
            ("BC", "A", None, "\"one\": expected a word, like"),
            ("BC", "D E", None, "\"one\": expected a word without"),
            ("A", "A", None, "\"one\": \"A\" is also the symbol of zero"),
            (
                "A",
                "C",
                Some("C"),
                "\"separator\": \"C\" is also the symbol of one",
            ),
            (
                "AC",
                "ACG",
                None,
                "\"one\": of \"ACG\" and the symbol of zero, \"AC\",",
            ),
        ] {
            let symbols = Symbols {
                zero,
                one,
                separator,
            };
            let error = symbols.check().unwrap_err();
            assert!(error.contains(found), "{error}");
        }
    }
}
