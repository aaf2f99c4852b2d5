/*!
Families of models of different sizes, by their names.
*/

use std::str::FromStr;

/// A family of models: all whose names have a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    name: String,
    prefix: String,
}

impl FromStr for Family {
    type Err = String;

    /// Parses `NAME=PREFIX`.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text.split_once('=') {
            Some((name, prefix)) if !name.is_empty() && !prefix.is_empty() => Ok(Self {
                name: name.to_owned(),
                prefix: prefix.to_owned(),
            }),
            _ => Err(format!(
                "expected NAME=PREFIX, such as Qwen3=Qwen3-; found {text:?}"
            )),
        }
    }
}

/// The first of `families` that a model belongs to.
#[must_use]
pub fn named_family<'a>(model: &str, families: &'a [Family]) -> Option<&'a str> {
    let mut families = families.iter();
    let found = families.find(|family| model.starts_with(&family.prefix))?;
    Some(&found.name)
}

/// The family of a model: the first of `families` that it belongs to, or else the part of its name before a size
/// (`Qwen3` of `Qwen3-0.6B-Base`, `evo2` of `evo2_7b`), or else the whole name.
#[must_use]
pub fn family<'a>(model: &'a str, families: &'a [Family]) -> &'a str {
    named_family(model, families).unwrap_or_else(|| before_size(model))
}

fn before_size(model: &str) -> &str {
    let starts = model
        .match_indices(['-', '_', ' '])
        .map(|(at, separator)| (at, at + separator.len()));
    for (end, start) in starts {
        let rest = &model[start..];
        let word = rest.split(['-', '_', ' ']).next().unwrap_or(rest);
        if end > 0 && is_size(word) {
            return &model[..end];
        }
    }
    model
}

/// Whether a word is a number of parameters: `0.6B`, `135M`.
fn is_size(word: &str) -> bool {
    let digits = word.trim_end_matches(|c: char| "kmbtKMBT".contains(c));
    word.len() == digits.len() + 1 && digits.parse::<f64>().is_ok_and(f64::is_finite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_the_name_before_the_size() {
        for (model, expected) in [
            ("Qwen3-0.6B-Base", "Qwen3"),
            ("evo2_7b", "evo2"),
            ("evo2_1b_base", "evo2"),
            ("SmolLM2-135M-Instruct", "SmolLM2"),
            ("Gemma-3-270M", "Gemma-3"),
            ("ProGen2-base-bf16", "ProGen2-base-bf16"),
            ("builtin:mode", "builtin:mode"),
            ("7B", "7B"),
            ("", ""),
            ("a-inf-nan", "a-inf-nan"),
        ] {
            assert_eq!(family(model, &[]), expected, "{model}");
        }
    }

    #[test]
    fn a_prefix_makes_a_family() {
        let families = ["Protein=ProGen2", "Small=Qwen3-0"].map(|text| text.parse().unwrap());
        assert_eq!(family("ProGen2-base-bf16", &families), "Protein");
        assert_eq!(family("Qwen3-0.6B-Base", &families), "Small");
        assert_eq!(family("Qwen3-8B", &families), "Qwen3");
        assert_eq!(named_family("Qwen3-8B", &families), None);
    }
}
