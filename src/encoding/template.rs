/*!
Templates: the form of one example, such as `{x}{y}{sep}` or `{x}>{y}\n`.
*/

use super::alphabet::Alphabet;
use crate::error::{Error, Result};
use std::fmt;

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplatePart {
    /// The input's symbols.
    X,
    /// The output's symbols.
    Y,
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
    parts: Vec<TemplatePart>,
    /// The index of the output's part.
    answer: usize,
}

impl Template {
    /// Parses a template of `{x}`, `{y}`, `{sep}`, literal characters, and the escapes `\n`, `\t`, `\\`, `\{`, `\}`.
    ///
    /// # Errors
    /// A placeholder or an escape is unknown, or there is not exactly one `{x}` before exactly one `{y}`.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |what: String| Error::usage(format!("--template {text:?}: {what}"));
        let mut parts = Vec::new();
        let mut chars = text.chars();
        let push = |parts: &mut Vec<TemplatePart>, c: char| match parts.last_mut() {
            Some(TemplatePart::Literal(literal)) => literal.push(c),
            _ => parts.push(TemplatePart::Literal(c.to_string())),
        };
        while let Some(c) = chars.next() {
            match c {
                '{' => {
                    let Some((name, rest)) = chars.as_str().split_once('}') else {
                        return Err(wrong("a { without its }; write \\{".to_owned()));
                    };
                    chars = rest.chars();
                    parts.push(match name {
                        "x" => TemplatePart::X,
                        "y" => TemplatePart::Y,
                        "sep" => TemplatePart::Separator,
                        _ => {
                            return Err(wrong(format!(
                                "expected {{x}}, {{y}} or {{sep}}, found {{{name}}}"
                            )));
                        }
                    });
                }
                '\\' => push(&mut parts, escaped(chars.next()).map_err(wrong)?),
                '}' => return Err(wrong("a } without its {; write \\}".to_owned())),
                c => push(&mut parts, c),
            }
        }
        let places = |part: &TemplatePart| -> Vec<usize> {
            (0..parts.len()).filter(|&i| parts[i] == *part).collect()
        };
        let (x, y) = (places(&TemplatePart::X), places(&TemplatePart::Y));
        let ([x], [y]) = (x.as_slice(), y.as_slice()) else {
            return Err(wrong("expected {x} once and {y} once".to_owned()));
        };
        let answer = *y;
        if *x > answer {
            return Err(wrong(
                "{y} is before {x}, so the answer would come before its query".to_owned(),
            ));
        }
        Ok(Self { parts, answer })
    }

    /// Checks that an answer in the alphabet's symbols is distinguishable from the text around it.
    ///
    /// # Errors
    /// A literal character is part of a symbol, or there are too few symbols for the separator.
    pub fn check(&self, alphabet: &Alphabet) -> Result<()> {
        for part in &self.parts {
            let TemplatePart::Literal(literal) = part else {
                continue;
            };
            if let Some(c) = literal.chars().find(|&c| alphabet.is_taken(c)) {
                let what = if alphabet.is_within_a_word(c) {
                    "also occurs in a word"
                } else {
                    "is also a symbol"
                };
                return Err(Error::usage(format!(
                    "--template {:?}: {c:?} {what} of the alphabet {}, so an answer would be ambiguous",
                    self.to_string(),
                    alphabet.name()
                )));
            }
        }
        let drawn = 2 + usize::from(self.has_separator() && alphabet.separator().is_none());
        if alphabet.symbols().len() < drawn {
            return Err(Error::usage(format!(
                "--alphabet {}: {} symbols, but the template needs {drawn} (zero, one and {{sep}})",
                alphabet.name(),
                alphabet.symbols().len()
            )));
        }
        Ok(())
    }

    /// Whether the template has a separator.
    #[must_use]
    pub fn has_separator(&self) -> bool {
        self.parts.contains(&TemplatePart::Separator)
    }

    /// Whether prompts end in white space.
    #[must_use]
    pub fn ends_prompts_in_space(&self) -> bool {
        matches!(self.before_answer().last(), Some(TemplatePart::Literal(text)) if text.ends_with(char::is_whitespace))
    }

    /// The parts before the output.
    #[must_use]
    pub fn before_answer(&self) -> &[TemplatePart] {
        &self.parts[..self.answer]
    }

    /// The parts after the output.
    #[must_use]
    pub fn after_answer(&self) -> &[TemplatePart] {
        &self.parts[self.answer + 1..]
    }
}

/// The template's text, with the escapes that the parser needs.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            match part {
                TemplatePart::X => f.write_str("{x}")?,
                TemplatePart::Y => f.write_str("{y}")?,
                TemplatePart::Separator => f.write_str("{sep}")?,
                TemplatePart::Literal(literal) => {
                    for c in literal.chars() {
                        match c {
                            '\n' => f.write_str("\\n")?,
                            '\t' => f.write_str("\\t")?,
                            '\\' | '{' | '}' => write!(f, "\\{c}")?,
                            c => write!(f, "{c}")?,
                        }
                    }
                }
            }
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
