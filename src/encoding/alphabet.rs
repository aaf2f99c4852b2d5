/*!
Alphabets: the symbols of a modality, from which every trial draws its own.
*/

use crate::digest::sha256_of_text;
use crate::error::{Error, Result, counted};
use crate::symbols::is_word;
use crate::text;
use std::fs::File;
use std::path::Path;

/// The symbols of a modality, and the papers' form of its prompts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alphabet {
    /// The name, or the symbols. For a file of words its name, and the beginning of its SHA-256.
    pub name: String,
    /// The symbols that trials draw from.
    pub symbols: Vec<String>,
    /// The separator, if all trials have the same.
    pub separator: Option<&'static str>,
    /// The default text before the first example.
    pub prefix: &'static str,
    /// The default template.
    pub template: &'static str,
}

/// The paper's concatenation: examples without space, a separator between them.
const CONCATENATION: &str = "{x}{y}{sep}";

/// The prefix of characters that look like a name.
const CHARS: &str = "chars:";

/// The prefix of words, or of a file of words.
const WORDS: &str = "words:";

/// The digits of a file's SHA-256 in the name of its alphabet.
const DIGITS: usize = 12;

impl Alphabet {
    /// The names of the papers' alphabets.
    pub const NAMES: [&str; 4] = ["genomic", "linguistic", "integer", "protein"];

    /// Parses one of [`Self::NAMES`], or the symbols themselves: characters (with `chars:` if they look like a name),
    /// or `words:` and words separated by commas, or `words:` and a file of words.
    ///
    /// # Errors
    /// There are too few symbols; characters are repeated or invisible, or look like a misspelt name; a word is the
    /// beginning of another; the file cannot be read.
    pub fn parse(text: &str) -> Result<Self> {
        // Breslow et al., arXiv 2511.12797 (genomic, linguistic) and 2609.14011 (integer, protein).
        let named = |symbols: &str, separator, prefix, template| Self {
            name: text.to_owned(),
            symbols: symbols.chars().map(String::from).collect(),
            separator,
            prefix,
            template,
        };
        match text {
            "genomic" => return Ok(named("ACGT", None, "", CONCATENATION)),
            "linguistic" => return Ok(named("0123456789", None, "", CONCATENATION)),
            "integer" => return Ok(named("123456789", Some(","), "", "{x}{sep}{y}{sep}")),
            "protein" => return Ok(named("ACDEFGHIKLMNPQRSTVWY", None, "1", CONCATENATION)),
            _ => {}
        }
        if let Some(words) = text.strip_prefix(WORDS) {
            return Self::of_words(words);
        }
        let spelt_out = text.strip_prefix(CHARS);
        if let (None, Some(name)) = (spelt_out, meant(text)) {
            return Err(Error::usage(format!(
                "--alphabet {text}: expected {name}; these letters as symbols are {CHARS}{text}"
            )));
        }
        let letters = spelt_out.unwrap_or(text);
        let symbols: Vec<char> = letters.chars().collect();
        if let Some((i, c)) = symbols
            .iter()
            .enumerate()
            .find(|(i, c)| symbols[..*i].contains(c))
        {
            let hint = if letters.contains(',') {
                format!("; words as symbols are {WORDS}{letters}")
            } else {
                String::new()
            };
            return Err(Error::usage(format!(
                "--alphabet {text}: {c:?} appears twice (again at character {}){hint}",
                i + 1
            )));
        }
        if let Some(c) = symbols.iter().find(|c| c.is_control() || c.is_whitespace()) {
            return Err(Error::usage(format!(
                "--alphabet: {c:?} is invisible, so it cannot be a symbol"
            )));
        }
        if symbols.len() < 2 {
            return Err(Error::usage(format!(
                "--alphabet {text}: {}; two bits need two different ones",
                counted(symbols.len(), "symbol")
            )));
        }
        Ok(named(letters, None, "", CONCATENATION))
    }

    /// An alphabet of words: separated by commas, or from a file. In records, the name of the file replaces the words.
    fn of_words(text: &str) -> Result<Self> {
        let (name, symbols) = if text.contains(',') {
            let words = text.split(',').map(str::to_owned).collect();
            (format!("{WORDS}{text}"), words)
        } else {
            let path = Path::new(text);
            let read = File::open(path).and_then(text::read).map_err(|e| {
                let what =
                    format!("--alphabet {WORDS}{text} (without a comma it is a file of words)");
                Error::io(what, e)
            })?;
            let words: Vec<String> = read.split_whitespace().map(str::to_owned).collect();
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            let digest = sha256_of_text(&words.join("\n"));
            (format!("{WORDS}{file}#{}", &digest[..DIGITS]), words)
        };
        let wrong = |what: String| Err(Error::usage(format!("--alphabet {WORDS}{text}: {what}")));
        if let [] | [_] = symbols[..] {
            return wrong(format!(
                "{} words; two bits need two different ones",
                symbols.len()
            ));
        }
        let invisible = |c: char| c.is_control() || c.is_whitespace();
        for word in &symbols {
            if word.contains(invisible) {
                return wrong(format!(
                    "{word:?} has white space or a control character in it"
                ));
            }
            if !is_word(word) {
                return wrong(format!(
                    "expected words of two characters or more, found {word:?}; characters have no {WORDS}, as in ACGT"
                ));
            }
        }
        // In sorted order, the words that begin with a word follow it directly.
        let mut sorted: Vec<&String> = symbols.iter().collect();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[1].starts_with(pair[0])) {
            return wrong(if pair[0] == pair[1] {
                format!("{:?} appears twice", pair[0])
            } else {
                format!(
                    "{:?} is the beginning of {:?}, so prompts would be ambiguous",
                    pair[0], pair[1]
                )
            });
        }
        Ok(Self {
            name,
            symbols,
            separator: None,
            prefix: "",
            template: CONCATENATION,
        })
    }

    /// Whether a character is part of a symbol.
    #[must_use]
    pub fn is_taken(&self, c: char) -> bool {
        let mut all = self
            .symbols
            .iter()
            .map(String::as_str)
            .chain(self.separator);
        all.any(|symbol| symbol.contains(c))
    }

    /// Whether a character is part of a word.
    #[must_use]
    pub fn is_within_a_word(&self, c: char) -> bool {
        let mut all = self.symbols.iter();
        all.any(|symbol| is_word(symbol) && symbol.contains(c))
    }
}

/// What is probably meant by characters that look like a name: a molecule, a name with a typo, any longer word.
fn meant(text: &str) -> Option<&'static str> {
    let folded = text.to_lowercase();
    if folded == "dna" || folded == "rna" {
        return Some("genomic (ACGT)");
    }
    let near = |name: &&str| strsim::osa_distance(name, &folded) <= 1;
    let is_word = text.len() > 3 && text.chars().all(|c| c.is_ascii_lowercase());
    let any = is_word.then_some("genomic, linguistic, integer, protein, or characters");
    Alphabet::NAMES.into_iter().find(near).or(any)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_and_spelt_out() {
        assert_eq!(Alphabet::parse("genomic").unwrap().symbols.len(), 4);
        assert_eq!(Alphabet::parse("protein").unwrap().symbols.len(), 20);
        assert_eq!(Alphabet::parse("integer").unwrap().separator, Some(","));
        assert_eq!(Alphabet::parse("01#").unwrap().symbols, ["0", "1", "#"]);
        for letters in ["01x", "ACGU", "ACG", "Dn", "an"] {
            let alphabet = Alphabet::parse(letters).unwrap();
            assert_eq!(alphabet.symbols.concat(), letters);
        }
        let spelt_out = Alphabet::parse("chars:dna").unwrap();
        assert_eq!(spelt_out.symbols, ["d", "n", "a"]);
        // The name in the records is one that is read again.
        assert_eq!(Alphabet::parse(&spelt_out.name).unwrap(), spelt_out);
    }

    #[test]
    fn words_from_a_file_have_its_name_and_digest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kmers.txt");
        let parse = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Alphabet::parse(&format!("words:{}", path.display()))
        };
        let found = parse("AAAAAA\r\nCCCCCC GGGGGG\n").unwrap();
        assert_eq!(found.symbols, ["AAAAAA", "CCCCCC", "GGGGGG"]);
        // printf 'AAAAAA\nCCCCCC\nGGGGGG' | sha256sum
        assert_eq!(found.name, "words:kmers.txt#0926b2606a99");
        assert_ne!(parse("AAAAAA CCCCCC\n").unwrap().name, found.name);
        let error = parse("AAAAAA\n").unwrap_err();
        assert!(
            error.to_string().contains("1 words; two bits need"),
            "{error}"
        );
    }

    #[test]
    fn these_are_no_alphabets() {
        for (text, word) in [
            ("GENOMIC", "expected genomic;"),
            ("Genomc", "expected genomic;"),
            ("INTEGERS", "expected integer;"),
            ("rotein", "expected protein;"),
            (
                "DNA",
                "expected genomic (ACGT); these letters as symbols are chars:DNA",
            ),
            ("rna", "expected genomic (ACGT)"),
            (
                "words",
                "expected genomic, linguistic, integer, protein, or characters",
            ),
            ("chars:", "two different"),
            ("ACCA", "'C' appears twice (again at character 3)"),
            ("AA,CC", "as symbols are words:AA,CC"),
            ("A", "two different"),
            ("", "two different"),
            ("words:AAA,CC,AAA", "\"AAA\" appears twice"),
            ("words:AAA,", "two characters or more, found \"\""),
            ("words:A,C", "characters have no words:, as in ACGT"),
            ("words:AA,C C", "\"C C\" has white space"),
        ] {
            let error = Alphabet::parse(text).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}
