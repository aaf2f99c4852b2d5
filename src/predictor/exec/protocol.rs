/*!
The messages between `infer` and an engine: one JSON object on each line, as docs/engines.md describes.
*/

use super::super::{Answer, Point};
use crate::error::{Error, Result};
use crate::symbols::Symbols;
use serde::{Deserialize, Serialize};

/// How many characters of a wrong line an error message shows.
const SHOWN: usize = 80;

/// A sequence of symbols: a string if symbols are characters, a list if they are words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a string, or a list of them")]
pub(super) enum Text {
    Characters(String),
    Words(Vec<String>),
}

/// The request for one evaluation point.
#[derive(Debug, Serialize)]
pub(super) struct Request {
    id: u64,
    prompt: Text,
    symbols: [String; 2],
    max_symbols: usize,
    constrained: bool,
    /// The engine does not see it.
    #[serde(skip)]
    target: Text,
}

/// An engine's line. Missing optional fields count as null; unknown fields are ignored.
#[derive(Debug, Deserialize)]
pub(super) struct Reply {
    /// The id of the request.
    pub id: u64,
    output: Text,
    logprob: Option<f64>,
    margin: Option<f64>,
}

impl Text {
    fn of(text: &str, symbols: Symbols<'_>) -> Self {
        if symbols.are_words() {
            Self::Words(symbols.split(text).map(str::to_owned).collect())
        } else {
            Self::Characters(text.to_owned())
        }
    }

    fn symbols(&self) -> Vec<&str> {
        match self {
            Self::Characters(text) => text.split_inclusive(|_: char| true).collect(),
            Self::Words(words) => words.iter().map(String::as_str).collect(),
        }
    }
}

impl Request {
    pub(super) fn new(id: u64, point: &Point<'_>, symbols: Symbols<'_>, constrained: bool) -> Self {
        Self {
            id,
            prompt: Text::of(point.prompt, symbols),
            symbols: [symbols.zero, symbols.one].map(str::to_owned),
            max_symbols: symbols.count(&point.answer),
            constrained,
            target: Text::of(&point.answer, symbols),
        }
    }

    /// The request as a line of JSON, with its line break.
    pub(super) fn line(&self) -> Vec<u8> {
        // Cannot fail: strings, numbers and booleans always have a JSON form.
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }

    /// Checks a reply against the request.
    pub(super) fn check(&self, reply: &Reply) -> Result<Answer> {
        let output = reply.output.symbols();
        let length = output.len();
        let wrong = |what: String| Err(Error::model(format!("answer {}: {what}", reply.id)));
        let symbols = Symbols {
            zero: &self.symbols[0],
            one: &self.symbols[1],
            separator: None,
        };
        if matches!(reply.output, Text::Words(_)) != symbols.are_words() {
            return wrong(format!(
                "\"output\" {} is not {}, as the prompt is",
                shortened(&output.concat()),
                if symbols.are_words() {
                    "a list of words"
                } else {
                    "a string"
                }
            ));
        }
        if length > self.max_symbols {
            return wrong(format!(
                "{length} symbols of \"output\", at most {} were asked for",
                self.max_symbols
            ));
        }
        let is_bit = |symbol: &&str| [symbols.zero, symbols.one].contains(symbol);
        if self.constrained && (length < self.max_symbols || !output.iter().all(is_bit)) {
            return wrong(format!(
                "\"output\" {} is not {} times {:?} or {:?}, as --constrain asks",
                shortened(&symbols.output(output)),
                self.max_symbols,
                symbols.zero,
                symbols.one
            ));
        }
        if let Some(logprob) = reply.logprob.filter(|&p| p > 0.0) {
            return wrong(format!("\"logprob\" {logprob}, expected at most 0"));
        }
        if let Some(margin) = reply.margin.filter(|&m| m < 0.0) {
            return wrong(format!("\"margin\" {margin}, expected at least 0"));
        }
        Ok(Answer {
            // The engine gives the log probability of its answer. It is that of the target only if the two are equal.
            logprob: reply.logprob.filter(|_| reply.output == self.target),
            margin: reply.margin,
            output: symbols.output(output),
            is_broken: false,
        })
    }
}

impl Reply {
    /// Reads a line.
    pub(super) fn parse(line: &[u8]) -> Result<Self> {
        let read = || {
            let strict = serde_json::from_slice(line);
            strict
                .or_else(|e| serde_json::from_slice(&with_nulls(line)).map_err(|_| e))
                .map_err(|e| {
                    let error = e.to_string();
                    // Cut the position: the caller's error names the line.
                    let what = error.split_once(" at line 1 ").map(|(what, _)| what);
                    what.unwrap_or(&error).to_owned()
                })
        };
        // serde would accept an array and take its items as the fields, so require an object.
        let reply = if line.trim_ascii_start().starts_with(b"{") {
            read()
        } else {
            Err("not a JSON object".to_owned())
        };
        reply.map_err(|what| {
            Error::model(format!(
                "expected {{\"id\", \"output\", \"logprob\", \"margin\"}}, found {}: {what}",
                shortened(&String::from_utf8_lossy(line))
            ))
        })
    }
}

/// Replaces NaN and -Infinity in a line with null. JSON has no such numbers, but Python's `json` writes them: for the
/// log probability of an impossible token, or of logits that are NaN.
fn with_nulls(line: &[u8]) -> Vec<u8> {
    let (mut out, mut rest, mut in_text) = (Vec::with_capacity(line.len()), line, false);
    while let Some(&byte) = rest.first() {
        let words = [&b"NaN"[..], b"-Infinity"];
        let none = words
            .into_iter()
            .find(|word| !in_text && rest.starts_with(word));
        in_text ^= byte == b'"';
        let length = match none {
            Some(word) => word.len(),
            None if byte == b'\\' => rest.len().min(2),
            None => 1,
        };
        out.extend_from_slice(none.map_or(&rest[..length], |_| b"null"));
        rest = &rest[length..];
    }
    out
}

/// A text in quotes. The end of a long text is left out.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{:?}...", &text[..at]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(bits: [&str; 2], max_symbols: usize, target: Text) -> Request {
        Request {
            id: 7,
            prompt: target.clone(),
            symbols: bits.map(str::to_owned),
            max_symbols,
            constrained: false,
            target,
        }
    }

    fn characters() -> Request {
        asked(["A", "C"], 4, Text::Characters("ACCA".to_owned()))
    }

    fn words() -> Request {
        let target = ["CCC", "AAA"].map(str::to_owned).to_vec();
        asked(["AAA", "CCC"], 2, Text::Words(target))
    }

    fn answer(asked: &Request, line: &str) -> Result<Answer> {
        Reply::parse(line.as_bytes()).and_then(|reply| asked.check(&reply))
    }

    #[test]
    fn symbols_are_characters_or_words() {
        for (asked, line, output, logprob) in [
            (
                words(),
                r#"{"id":7,"output":["CCC","AAA"],"logprob":-1.5}"#,
                "CCC AAA",
                Some(-1.5),
            ),
            (
                words(),
                r#"{"id":7,"output":["CCCA","AA"],"logprob":-1.5}"#,
                "CCCA AA",
                None,
            ),
            (
                characters(),
                r#"{"id":7,"output":"NaN\"","logprob":NaN,"more":["\\\"NaN", -Infinity]}"#,
                "NaN\"",
                None,
            ),
        ] {
            let answer = answer(&asked, line).unwrap();
            assert_eq!((answer.output.as_str(), answer.logprob), (output, logprob));
        }
    }

    #[test]
    fn what_cannot_be_an_answer_is_refused() {
        for (asked, line, problem) in [
            (characters(), "null", "found \"null\": not a JSON object"),
            (characters(), r#"[7,"A"]"#, "]\": not a JSON object"),
            (characters(), r#"{"output":"A"}"#, "missing field `id`"),
            (
                characters(),
                r#"{"id":7,"output":NaN}"#,
                "found \"{\\\"id\\\":7,\\\"output\\\":NaN}\": expected value",
            ),
            (
                characters(),
                r#"{"id":7,"output":"A"}{"id":8"#,
                "trailing characters",
            ),
            (
                characters(),
                r#"{"id":7,"output":["A"]}"#,
                "\"A\" is not a string",
            ),
            (
                words(),
                r#"{"id":7,"output":["AAA","AAA","AAA"]}"#,
                "3 symbols of \"output\", at most 2",
            ),
        ] {
            let error = answer(&asked, line).unwrap_err().to_string();
            assert!(error.contains(problem), "{line}: {error}");
        }
    }
}
