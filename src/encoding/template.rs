/*!
Templates: the form of one example, such as `{x}{y}{sep}` or `{x}>{y}\n`.
*/

use super::alphabet::Alphabet;
use crate::error::{Error, Result};
use std::fmt;

/// A part of the text around an input and its output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// The trial's separator.
    Separator,
    /// These characters.
    Literal(String),
}

/// The character that is meant by the one behind a backslash.
fn escaped(c: Option<char>) -> std::result::Result<char, String> {
    match c {
        Some('n') => Ok('\n'),
        Some('t') => Ok('\t'),
        Some(c @ ('\\' | '{' | '}')) => Ok(c),
        other => {
            let other = other.map(String::from).unwrap_or_default();
            Err(format!(
                "unknown escape \\{other}; there are \\n, \\t, \\\\, \\{{ and \\}}"
            ))
        }
    }
}

/// A text with a template's escapes.
pub fn unescape(text: &str) -> std::result::Result<String, String> {
    let mut chars = text.chars();
    let mut out = String::new();
    while let Some(c) = chars.next() {
        out.push(if c == '\\' { escaped(chars.next())? } else { c });
    }
    Ok(out)
}

/// The form of one example: an input before its output, and other text around them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Before the input, between input and output, and after the output.
    pub(super) around: [Vec<Part>; 3],
}

impl Template {
    /// Parses a template of `{x}`, `{y}`, `{sep}`, literal characters, and the escapes `\n`, `\t`, `\\`, `\{`, `\}`.
    ///
    /// # Errors
    /// A placeholder or an escape is unknown, or there is not exactly one `{x}` before exactly one `{y}`.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |what: String| Error::usage(format!("--template {text:?}: {what}"));
        let mut around: [Vec<Part>; 3] = Default::default();
        let mut order = String::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            let parts = &mut around[order.len().min(2)];
            let literal = match c {
                '{' => {
                    let Some((name, rest)) = chars.as_str().split_once('}') else {
                        return Err(wrong("a { without its }; write \\{".to_owned()));
                    };
                    chars = rest.chars();
                    match name {
                        "x" | "y" => order.push_str(name),
                        "sep" => parts.push(Part::Separator),
                        _ => {
                            return Err(wrong(format!(
                                "expected {{x}}, {{y}} or {{sep}}, found {{{name}}}"
                            )));
                        }
                    }
                    continue;
                }
                '}' => return Err(wrong("a } without its {; write \\}".to_owned())),
                '\\' => escaped(chars.next()).map_err(wrong)?,
                c => c,
            };
            match parts.last_mut() {
                Some(Part::Literal(text)) => text.push(literal),
                _ => parts.push(Part::Literal(literal.to_string())),
            }
        }
        match &*order {
            "xy" => Ok(Self { around }),
            "yx" => Err(wrong(
                "{y} is before {x}, so the answer would come before its query".to_owned(),
            )),
            _ => Err(wrong("expected {x} once and {y} once".to_owned())),
        }
    }

    /// Checks that an answer in the alphabet's symbols is distinguishable from the text around it.
    ///
    /// # Errors
    /// A literal character is part of a symbol, or there are too few symbols for the separator.
    pub fn check(&self, alphabet: &Alphabet) -> Result<()> {
        for literal in self.literals() {
            if let Some(c) = literal.chars().find(|&c| alphabet.is_taken(c)) {
                let what = if alphabet.is_within_a_word(c) {
                    "also occurs in a word"
                } else {
                    "is also a symbol"
                };
                return Err(Error::usage(format!(
                    "--template {:?}: {c:?} {what} of the alphabet {}, so an answer would be ambiguous",
                    self.to_string(),
                    alphabet.name
                )));
            }
        }
        let drawn = 2 + usize::from(self.has_separator() && alphabet.separator.is_none());
        if alphabet.symbols.len() < drawn {
            return Err(Error::usage(format!(
                "--alphabet {}: {} symbols, but the template needs {drawn} (zero, one and {{sep}})",
                alphabet.name,
                alphabet.symbols.len()
            )));
        }
        Ok(())
    }

    /// Whether the template has a separator.
    #[must_use]
    pub fn has_separator(&self) -> bool {
        self.around
            .iter()
            .flatten()
            .any(|part| *part == Part::Separator)
    }

    /// Whether prompts end in white space.
    #[must_use]
    pub fn ends_prompts_in_space(&self) -> bool {
        matches!(self.around[1].last(), Some(Part::Literal(text)) if text.ends_with(char::is_whitespace))
    }

    /// The text besides input, output and separators.
    pub fn literals(&self) -> impl Iterator<Item = &str> {
        self.around.iter().flatten().filter_map(|part| match part {
            Part::Literal(text) => Some(text.as_str()),
            Part::Separator => None,
        })
    }
}

/// The template's text, with the escapes that the parser needs.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (parts, end) in self.around.iter().zip(["{x}", "{y}", ""]) {
            for part in parts {
                let Part::Literal(literal) = part else {
                    f.write_str("{sep}")?;
                    continue;
                };
                for c in literal.chars() {
                    match c {
                        '\n' => f.write_str("\\n")?,
                        '\t' => f.write_str("\\t")?,
                        '\\' | '{' | '}' => write!(f, "\\{c}")?,
                        c => write!(f, "{c}")?,
                    }
                }
            }
            f.write_str(end)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        for text in ["{x}{y}{sep}", "{x}>{y}\\n", "\\{{x}\\\\{sep}{y}\\t\\}"] {
            assert_eq!(Template::parse(text).unwrap().to_string(), text);
        }
        let real_newline = Template::parse("{x}>{y}\n").unwrap();
        assert_eq!(real_newline.to_string(), "{x}>{y}\\n");
    }
}
