/*!
A fast path for JSON lines written by Shotline: no white space, no escapes in strings, lists of strings of eight bits.

Such a line is split without a JSON parser. For any other line this module returns none; then the JSON parser reads it
or reports what is wrong.
*/

use serde::de::IgnoredAny;
use std::borrow::Cow;

/// The column names of a line and their values as JSON text; none if the line has another form.
pub(super) fn fields(line: &str) -> Option<Vec<(Cow<'_, str>, &str)>> {
    let mut fields = Vec::with_capacity(32);
    let mut rest = line.strip_prefix('{')?;
    loop {
        let name = text(rest)?;
        rest = rest[name.len()..].strip_prefix(':')?;
        let value = value(rest)?;
        fields.push((name[1..name.len() - 1].into(), value));
        rest = &rest[value.len()..];
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => return (rest == "}").then_some(fields),
        }
    }
}

/// The JSON value at the start of `rest`.
fn value(rest: &str) -> Option<&str> {
    match rest.as_bytes() {
        [b'"', ..] => text(rest),
        [b'[', b'"', ..] => eights(rest),
        _ => {
            let end = memchr::memchr2(b',', b'}', rest.as_bytes())?;
            let value = &rest[..end];
            let is_whole = match value.as_bytes() {
                b"null" | b"true" | b"false" | b"0" => true,
                [b'1'..=b'9', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
                _ => false,
            };
            let is_value = || {
                !value.contains(|c: char| c.is_ascii_whitespace())
                    && serde_json::from_str::<IgnoredAny>(value).is_ok()
            };
            (is_whole || is_value()).then_some(value)
        }
    }
}

/// The JSON string at the start of `rest`, with its quotes.
fn text(rest: &str) -> Option<&str> {
    let end = memchr::memchr2(b'"', b'\\', rest.strip_prefix('"')?.as_bytes())? + 1;
    let text = rest.get(..=end).filter(|text| text.ends_with('"'))?;
    // The fold has no early exit, so that the compiler can check many bytes at once.
    let control = text
        .bytes()
        .fold(0, |found, byte| found | u8::from(byte < b' '));
    (control == 0).then_some(text)
}

/// The list at the start of `rest`, if all its items are strings of eight bits.
pub(super) fn eights(rest: &str) -> Option<&str> {
    let mut at = rest.strip_prefix('[').map(|_| 1)?;
    loop {
        let ([b'"', bits @ .., b'"', behind], _) =
            rest.as_bytes()[at..].split_first_chunk::<11>()?
        else {
            return None;
        };
        // The characters '0' (0x30) and '1' (0x31) differ only in their lowest bit.
        if u64::from_le_bytes(*bits) & !0x0101_0101_0101_0101 != 0x3030_3030_3030_3030 {
            return None;
        }
        at += 11;
        match behind {
            b',' => {}
            b']' => return rest.get(..at),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;
    use serde_json::value::RawValue;
    use std::collections::BTreeMap;

    fn lines() -> impl Strategy<Value = String> {
        let value = prop_oneof![
            "[a-z_.0-9/]{0,20}".prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            prop::collection::vec("[01]{8}", 0..5).prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<Option<bool>>().prop_map(Value::from),
        ];
        prop::collection::vec(("[a-z_]{1,8}", value), 1..6)
            .prop_map(|columns| Value::Object(columns.into_iter().collect()).to_string())
    }

    proptest! {
        /// Lines with random changes: if the fast path accepts a line, its result is that of the general parser.
        #[test]
        fn a_line_is_taken_apart_as_the_parser_does(
            line in lines(),
            changes in prop::collection::vec(
                (any::<prop::sample::Index>(), 0..3u8, prop::sample::select(&b"0123 \",:[]{}-+.en\\\x7f"[..])),
                0..3,
            ),
        ) {
            let mut bytes = line.into_bytes();
            for (at, what, byte) in changes {
                let at = at.index(bytes.len());
                match what {
                    0 => bytes[at] = byte,
                    1 => bytes.insert(at, byte),
                    _ => _ = bytes.remove(at),
                }
            }
            let line = String::from_utf8_lossy(&bytes);
            if let Some(fields) = fields(&line) {
                let parsed: BTreeMap<String, Box<RawValue>> = serde_json::from_str(&line).expect("it is JSON");
                // Of columns with the same name, the parser keeps the last.
                let fields: BTreeMap<_, _> = fields.into_iter().collect();
                prop_assert_eq!(fields.len(), parsed.len());
                for (name, value) in fields {
                    prop_assert_eq!(parsed[&*name].get(), value);
                }
            }
        }
    }

    #[test]
    fn our_own_lines_are_plain() {
        let line = r#"{"a":"x","n":-3,"x":[],"list":["01010101","11111111"],"f":0.25,"no":null}"#;
        let fields = fields(line).unwrap();
        assert_eq!(fields[3], ("list".into(), "[\"01010101\",\"11111111\"]"));
        assert_eq!(fields.len(), 6);
        assert!(super::fields(r#"{"a":1 }"#).is_none());
    }
}
