/*!
Which models are sizes of one family, by their names.
*/

/// The family of a model: the first of `prefixes` that its name begins with, or else the name before its size
/// (`Qwen3` of `Qwen3-0.6B-Base`, `evo2` of `evo2_7b`); the whole name where it has none.
#[must_use]
pub fn family<'a>(model: &'a str, prefixes: &'a [String]) -> &'a str {
    if let Some(prefix) = prefixes.iter().find(|p| model.starts_with(p.as_str())) {
        return prefix;
    }
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
        let prefixes = ["ProGen2".to_owned(), "Qwen3-0".to_owned()];
        assert_eq!(family("ProGen2-base-bf16", &prefixes), "ProGen2");
        assert_eq!(family("Qwen3-0.6B-Base", &prefixes), "Qwen3-0");
        assert_eq!(family("Qwen3-8B", &prefixes), "Qwen3");
    }
}
