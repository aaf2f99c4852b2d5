/*!
Recognises the cache's tensors among a graph's inputs.
*/

use std::collections::BTreeMap;

use ort::value::{TensorElementType, ValueType};

use crate::error::{Error, Result};
use crate::predictor::onnx::folder::Config;

/// Prefixes of the names of the cache's inputs and outputs: keys and values, recurrent states.
pub(crate) const ROWS: [&str; 2] = ["past_key_values", "present"];
pub(crate) const STATES: [&str; 2] = ["past_states", "present_states"];

/// The types of a plain export's numbers.
pub(crate) const FLOATS: [TensorElementType; 3] = [
    TensorElementType::Float32,
    TensorElementType::Float16,
    TensorElementType::Bfloat16,
];

/// Name and type of an input or output. An `Outlet` of `ort` cannot be made without the runtime, so tests need this.
pub(crate) type Port<'a> = (&'a str, &'a ValueType);

/// What one tensor of the cache holds, for one sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// Keys or values, `[1, heads, tokens, dim]`. They can be cut back to any token.
    Rows {
        /// Key/value heads.
        heads: usize,
        /// Width of a head.
        dim: usize,
    },
    /// A recurrent state, `[1, channels, width]`, all zeros before the first token. It cannot be cut back.
    State {
        /// Channels.
        channels: usize,
        /// Numbers per channel.
        width: usize,
    },
}

/// One tensor of one layer's cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slot {
    /// Name of the input.
    pub past: String,
    /// Name of the output, which also contains the call's tokens.
    pub present: String,
    /// What it holds.
    pub content: Content,
    /// The type of its numbers.
    pub element: TensorElementType,
}

impl Slot {
    /// Whether it holds keys or values.
    pub(crate) fn is_rows(&self) -> bool {
        matches!(self.content, Content::Rows { .. })
    }
}

/// The cache's tensors in the order of the layers: key before value, states sorted by name.
pub(crate) fn slots(
    inputs: &[Port<'_>],
    config: &Config,
    elements: &[TensorElementType],
    unknown: &dyn Fn(&str) -> Error,
) -> Result<Vec<Slot>> {
    let mut layers: BTreeMap<usize, Vec<(&str, &str)>> = BTreeMap::new();
    for (prefix, layer, part) in inputs.iter().filter_map(|&(name, _)| cached(name)) {
        layers.entry(layer).or_default().push((prefix, part));
    }
    if layers.is_empty() {
        return Err(unknown(
            "has no key/value cache (export it with one: the task is called text-generation-with-past)",
        ));
    }
    let mut slots = Vec::with_capacity(2 * layers.len());
    for (expected, (layer, mut parts)) in layers.into_iter().enumerate() {
        parts.sort_unstable();
        let whole = parts == [(ROWS[0], "key"), (ROWS[0], "value")]
            || parts.iter().all(|(prefix, _)| *prefix == STATES[0]);
        if layer != expected || !whole {
            return Err(unknown(&format!(
                "has no whole key/value pair for layer {expected}, nor only states"
            )));
        }
        for (prefix, part) in parts {
            let past = format!("{prefix}.{layer}.{part}");
            let is_rows = prefix == ROWS[0];
            let (prefix, elements) = if is_rows {
                (ROWS[1], elements)
            } else {
                (STATES[1], &FLOATS[..1])
            };
            let (element, shape) = typed(inputs, &past, elements, unknown)?;
            if let Some(&batch) = shape.first().filter(|&&batch| batch > 1) {
                return Err(unknown(&format!("takes batches of {batch} only, not of 1")));
            }
            let content = if is_rows {
                rows(shape, config)
            } else {
                state(shape).ok_or("that is not of shape [batch, channels, width]")
            };
            slots.push(Slot {
                present: format!("{prefix}.{layer}.{part}"),
                content: content.map_err(|problem| unknown(&format!("has a {past} {problem}")))?,
                past,
                element,
            });
        }
    }
    Ok(slots)
}

/// The sizes of keys or values. If the graph leaves one open, it comes from `config.json`.
fn rows(shape: &[i64], config: &Config) -> std::result::Result<Content, &'static str> {
    let &[_, heads, _, dim] = shape else {
        return Err("that is not of shape [batch, heads, length, width]");
    };
    Ok(Content::Rows {
        heads: size(heads)
            .or(config.kv_heads)
            .ok_or("of unknown heads, and config.json gives no \"num_key_value_heads\"")?,
        dim: size(dim)
            .or(config.head_dim)
            .ok_or("of unknown width, and config.json gives no \"head_dim\"")?,
    })
}

/// The sizes of a recurrent state, which the graph must declare.
fn state(shape: &[i64]) -> Option<Content> {
    let &[_, channels, width] = shape else {
        return None;
    };
    Some(Content::State {
        channels: size(channels)?,
        width: size(width)?,
    })
}

/// The size that a graph declares; `None` if it leaves the size open.
pub(crate) fn size(declared: i64) -> Option<usize> {
    usize::try_from(declared).ok().filter(|&size| size > 0)
}

/// Splits the name of a cache's input: `past_key_values.3.key` gives `("past_key_values", 3, "key")`.
pub(crate) fn cached(name: &str) -> Option<(&'static str, usize, &str)> {
    [ROWS[0], STATES[0]].into_iter().find_map(|prefix| {
        let (layer, part) = layer_of(name, prefix)?;
        Some((prefix, layer, part))
    })
}

/// `("past_key_values.3.key", "past_key_values")` gives `(3, "key")`.
pub(crate) fn layer_of<'a>(name: &'a str, prefix: &str) -> Option<(usize, &'a str)> {
    let (layer, part) = name
        .strip_prefix(prefix)?
        .strip_prefix('.')?
        .split_once('.')?;
    Some((layer.parse().ok()?, part))
}

/// The element type of a tensor and its declared shape. The type must be one of those `expected`.
pub(crate) fn typed<'a>(
    ports: &[Port<'a>],
    name: &str,
    expected: &[TensorElementType],
    unknown: &dyn Fn(&str) -> Error,
) -> Result<(TensorElementType, &'a [i64])> {
    let Some(&(_, dtype)) = ports.iter().find(|port| port.0 == name) else {
        return Err(unknown(&format!("has no {name}")));
    };
    match dtype {
        ValueType::Tensor { ty, shape, .. } if expected.contains(ty) => Ok((*ty, shape)),
        other => Err(Error::model(format!(
            "the graph has {name} as {other}, expected elements of type {}",
            expected
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" or ")
        ))),
    }
}
