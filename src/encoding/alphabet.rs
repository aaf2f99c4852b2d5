/*!
Alphabets: the symbols that a modality offers, from which every trial draws its own.
*/

use crate::error::{Error, Result};

/// The symbols of a modality, and how the papers write its prompts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alphabet {
    name: String,
    symbols: Vec<char>,
    separator: Option<char>,
    prefix: &'static str,
    template: &'static str,
}

/// The paper's concatenation: examples back to back, a separator between them.
const CONCATENATION: &str = "{x}{y}{sep}";

/// Before characters that would look like a name.
const CHARS: &str = "chars:";

impl Alphabet {
    /// The names of the papers' alphabets.
    pub const NAMES: [&str; 4] = ["genomic", "linguistic", "integer", "protein"];

    /// One of [`Self::NAMES`], or the characters themselves; `chars:` stands before those that look like a name.
    ///
    /// # Errors
    /// Too few, repeated or invisible characters, or a misspelt name.
    pub fn parse(text: &str) -> Result<Self> {
        // Breslow et al., arXiv 2511.12797 (genomic, linguistic) and 2609.14011 (integer, protein).
        let named = |symbols: &str, separator, prefix, template| Self {
            name: text.to_owned(),
            symbols: symbols.chars().collect(),
            separator,
            prefix,
            template,
        };
        match text {
            "genomic" => return Ok(named("ACGT", None, "", CONCATENATION)),
            "linguistic" => return Ok(named("0123456789", None, "", CONCATENATION)),
            "integer" => return Ok(named("123456789", Some(','), "", "{x}{sep}{y}{sep}")),
            "protein" => return Ok(named("ACDEFGHIKLMNPQRSTVWY", None, "1", CONCATENATION)),
            _ => {}
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
            return Err(Error::usage(format!(
                "--alphabet {text}: {c:?} stands twice (again at character {})",
                i + 1
            )));
        }
        if let Some(c) = symbols.iter().find(|c| c.is_control() || c.is_whitespace()) {
            return Err(Error::usage(format!(
                "--alphabet: {c:?} cannot be seen, so it cannot be a symbol"
            )));
        }
        if symbols.len() < 2 {
            return Err(Error::usage(format!(
                "--alphabet {text}: {} symbols; two bits need two different ones",
                symbols.len()
            )));
        }
        Ok(named(letters, None, "", CONCATENATION))
    }

    /// The name, or the characters.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The characters that trials draw from.
    #[must_use]
    pub fn symbols(&self) -> &[char] {
        &self.symbols
    }

    /// The separator, where it is the same for every trial.
    #[must_use]
    pub fn separator(&self) -> Option<char> {
        self.separator
    }

    /// The text before the first example, by default.
    #[must_use]
    pub fn prefix(&self) -> &'static str {
        self.prefix
    }

    /// How an example is written, by default.
    #[must_use]
    pub fn template(&self) -> &'static str {
        self.template
    }
}

/// The name that is meant by what looks like one: a molecule, a name with a slip in it, any longer word.
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
        assert_eq!(Alphabet::parse("genomic").unwrap().symbols().len(), 4);
        assert_eq!(Alphabet::parse("protein").unwrap().symbols().len(), 20);
        assert_eq!(Alphabet::parse("integer").unwrap().separator(), Some(','));
        assert_eq!(Alphabet::parse("01#").unwrap().symbols(), ['0', '1', '#']);
        for letters in ["01x", "ACGU", "ACG", "Dn", "an"] {
            let alphabet = Alphabet::parse(letters).unwrap();
            assert!(alphabet.symbols().iter().copied().eq(letters.chars()));
        }
        let spelt_out = Alphabet::parse("chars:dna").unwrap();
        assert_eq!(spelt_out.symbols(), ['d', 'n', 'a']);
        // The name in the records is one that is read again.
        assert_eq!(Alphabet::parse(spelt_out.name()).unwrap(), spelt_out);
    }

    #[test]
    fn what_cannot_be_an_alphabet() {
        for (text, word) in [
            ("genomics", "expected genomic;"),
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
            ("ACCA", "'C' stands twice"),
            ("A", "two different"),
            ("", "two different"),
            ("A C", "' '"),
        ] {
            let error = Alphabet::parse(text).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}
