/*!
Recognises the graphs that can be run, by the inputs and outputs of a session. There are two signatures:

- the reading graph of `scripts/convert` (its decoder.py states the contract). It takes `input_ids`, `seqlens_k`,
  `total_sequence_length`, `positions`, `choices` and the cache, returns a summary of the logits at these positions, and
  writes the cache in place;
- the plain export of Hugging Face's and onnxruntime-genai's tools. It takes `input_ids`, `attention_mask`, the cache
  and maybe some of [`OPTIONAL`]. It returns logits over the whole vocabulary, at every position or only at the last.

The cache is what a graph keeps of the tokens that it has read: the keys and values of attention layers, which grow by
one row per token, and the states of recurrent layers (Evo2's convolutions), whose size is fixed.
*/

use std::fmt::Write;

use ort::value::TensorElementType;

use super::slots::{FLOATS, Port, ROWS, STATES, Slot, cached, layer_of, size, slots, typed};
use crate::error::{Error, Result, counted};
use crate::predictor::onnx::folder::Config;

const EXPECTED: &str = "expected input_ids and past_key_values.N.key/value (or past_states.N.*), with attention_mask \
                        and maybe position_ids, giving logits, or with seqlens_k, total_sequence_length, positions \
                        and choices, giving best, top, log_sum and chosen; beside these present.N.key/value (or \
                        present_states.N.*)";
/// What a reading graph returns besides its cache.
pub(crate) const READING: [(&str, TensorElementType); 4] = [
    ("best", TensorElementType::Int64),
    ("top", TensorElementType::Float32),
    ("log_sum", TensorElementType::Float32),
    ("chosen", TensorElementType::Float32),
];

/// What a plain export may take besides tokens, mask and cache.
const OPTIONAL: [&str; 3] = [POSITION_IDS, LOGITS_TO_KEEP, CACHE_BRANCH];
pub(crate) const POSITION_IDS: &str = "position_ids";
/// The number of last tokens whose logits are wanted, or 0 for all.
pub(crate) const LOGITS_TO_KEEP: &str = "num_logits_to_keep";
/// Whether a merged decoder uses its branch for a filled cache. That branch was traced with one token, so its mask may
/// be missing: in a call of several tokens, each might then attend to later ones.
pub(crate) const CACHE_BRANCH: &str = "use_cache_branch";

/// A graph that can be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Graph {
    /// Whether it is a plain export, which returns all logits and its whole cache anew with every call. Otherwise it is
    /// a reading graph: it takes queries about the logits and writes the cache in place.
    pub is_plain: bool,
    /// Names of its inputs, without those of the cache.
    inputs: Vec<String>,
    /// The type of a plain export's logits.
    pub logits: TensorElementType,
    /// Whether it returns only the last token's logits.
    pub is_last_only: bool,
    /// Key and value, or the states, of layer 0, of layer 1, ...
    pub slots: Vec<Slot>,
    /// Number of token ids.
    pub vocab: usize,
}

impl Graph {
    /// Recognises a graph by its inputs and outputs. Sizes that they leave open come from `config.json`.
    pub(crate) fn recognise(
        inputs: &[Port<'_>],
        outputs: &[Port<'_>],
        config: &Config,
    ) -> Result<Self> {
        let unknown = |problem: &str| {
            Error::model(format!(
                "the graph {problem}: found inputs {}, outputs {}; {EXPECTED}",
                listing(inputs),
                listing(outputs)
            ))
        };
        let mut others: Vec<&str> = inputs
            .iter()
            .map(|port| port.0)
            .filter(|name| cached(name).is_none())
            .collect();
        others.sort_unstable();
        let is_plain = match others[..] {
            [
                "choices",
                "input_ids",
                "positions",
                "seqlens_k",
                "total_sequence_length",
            ] => false,
            ["attention_mask", "input_ids", "positions", "vocab_ids"] => {
                return Err(Error::model(
                    "the graph was converted for an earlier version: convert the model again (scripts/convert)",
                ));
            }
            ["attention_mask", "input_ids", ref more @ ..]
                if more.iter().all(|name| OPTIONAL.contains(name)) =>
            {
                true
            }
            _ => return Err(unknown("takes inputs that are not known here")),
        };
        let elements = if is_plain {
            &FLOATS[..]
        } else {
            // A graph for a GPU may use bfloat16.
            &[TensorElementType::Float32, TensorElementType::Bfloat16]
        };
        let slots = slots(inputs, config, elements, &unknown)?;
        for &name in &others {
            let element = match name {
                "seqlens_k" | "total_sequence_length" => TensorElementType::Int32,
                CACHE_BRANCH => TensorElementType::Bool,
                _ => TensorElementType::Int64,
            };
            let (_, shape) = typed(inputs, name, &[element], &unknown)?;
            if let Some(&length) = shape
                .get(1)
                .filter(|&&length| length > 0 && name == "input_ids")
            {
                return Err(unknown(&format!(
                    "takes calls of {} only, not of any number",
                    counted(length, "token")
                )));
            }
        }
        for slot in &slots {
            typed(outputs, &slot.present, &[slot.element], &unknown)?;
        }
        let (logits, positions, width, given) = if is_plain {
            let (element, shape) = typed(outputs, "logits", &FLOATS, &unknown)?;
            let &[_, positions, width] = shape else {
                return Err(unknown(
                    "gives logits that are not of shape [batch, positions, vocabulary]",
                ));
            };
            (element, positions, width, 1)
        } else {
            for (name, element) in READING {
                typed(outputs, name, &[element], &unknown)?;
            }
            (FLOATS[0], -1, -1, READING.len())
        };
        if outputs.len() != slots.len() + given {
            return Err(unknown("gives outputs that are not known here"));
        }
        Ok(Self {
            is_plain,
            inputs: others.into_iter().map(str::to_owned).collect(),
            logits,
            is_last_only: positions == 1,
            slots,
            vocab: vocab(width, config)?,
        })
    }

    /// Whether it takes an input of this name.
    pub(crate) fn takes(&self, name: &str) -> bool {
        self.inputs.iter().any(|input| input == name)
    }

    /// Whether a prompt must be read in one call, and the answer token by token.
    pub(crate) fn reads_whole(&self) -> bool {
        self.is_last_only || self.takes(CACHE_BRANCH)
    }

    /// Whether its cache holds recurrent states. It can then be cut back only to places where states were kept.
    pub(crate) fn is_recurrent(&self) -> bool {
        self.states().next().is_some()
    }

    /// The slots of keys and values.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(|slot| slot.is_rows())
    }

    /// The slots of recurrent states.
    pub(crate) fn states(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(|slot| !slot.is_rows())
    }

    /// The bytes that a sequence of `tokens` tokens takes in a cache that holds its states `copies` times.
    pub(crate) fn bytes(&self, tokens: usize, copies: usize) -> usize {
        let states: usize = self.states().map(|slot| slot.bytes(0)).sum();
        self.rows().map(|slot| slot.bytes(tokens)).sum::<usize>() + copies * states
    }
}

/// The vocabulary's size, which is the width of the logits: from the graph, else from `config.json`.
fn vocab(declared: i64, config: &Config) -> Result<usize> {
    match (size(declared), config.vocab_size.filter(|&width| width > 0)) {
        (Some(declared), Some(configured)) if declared != configured => Err(Error::model(format!(
            "the graph gives logits over {declared} tokens, config.json says \"vocab_size\": {configured}"
        ))),
        (Some(width), _) | (None, Some(width)) => Ok(width),
        (None, None) => Err(Error::model("config.json gives no \"vocab_size\"")),
    }
}

/// Lists names for a message. Those of the cache are only counted, since there may be hundreds.
fn listing(ports: &[Port<'_>]) -> String {
    let prefixes = [ROWS, STATES].concat();
    let (cache, others): (Vec<&str>, Vec<&str>) =
        (ports.iter().map(|port| port.0)).partition(|name| {
            prefixes
                .iter()
                .any(|prefix| layer_of(name, prefix).is_some())
        });
    let mut text = others.join(", ");
    if !cache.is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(text, " and {} of the cache", cache.len());
    }
    if text.is_empty() { "none".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::super::slots::Content;
    use super::*;
    use ort::value::{Shape, SymbolicDimensions, ValueType};

    type Owned = (String, ValueType);

    fn ports(owned: &[Owned]) -> Vec<Port<'_>> {
        owned
            .iter()
            .map(|(name, dtype)| (name.as_str(), dtype))
            .collect()
    }

    fn outlet(name: &str, ty: TensorElementType, shape: &[i64]) -> Owned {
        let dtype = ValueType::Tensor {
            ty,
            shape: Shape::new(shape.iter().copied()),
            dimension_symbols: SymbolicDimensions::empty(shape.len()),
        };
        (name.to_owned(), dtype)
    }

    fn ids(name: &str) -> Owned {
        let element = match name {
            "seqlens_k" | "total_sequence_length" => TensorElementType::Int32,
            _ => TensorElementType::Int64,
        };
        outlet(name, element, &[-1, -1])
    }

    fn readings() -> Vec<Owned> {
        READING
            .map(|(name, element)| outlet(name, element, &[-1, -1]))
            .to_vec()
    }

    fn cache(prefix: &str, layers: usize) -> Vec<Owned> {
        (0..layers)
            .flat_map(|layer| ["value", "key"].map(|part| format!("{prefix}.{layer}.{part}")))
            .map(|name| outlet(&name, TensorElementType::Float32, &[-1, 3, -1, 64]))
            .collect()
    }

    fn logits(width: i64) -> Owned {
        outlet("logits", TensorElementType::Float32, &[-1, -1, width])
    }

    fn recognise(inputs: &[&str], layers: usize, config: &Config) -> Result<Graph> {
        let inputs: Vec<Owned> = inputs
            .iter()
            .map(|name| ids(name))
            .chain(cache("past_key_values", layers))
            .collect();
        let outputs: Vec<Owned> = cache("present", layers)
            .into_iter()
            .chain(if inputs.len() == TAKEN.len() + 2 * layers {
                readings()
            } else {
                vec![logits(-1)]
            })
            .collect();
        Graph::recognise(&ports(&inputs), &ports(&outputs), config)
    }

    const TAKEN: [&str; 5] = [
        "input_ids",
        "seqlens_k",
        "total_sequence_length",
        "positions",
        "choices",
    ];

    fn config() -> Config {
        Config {
            vocab_size: Some(100),
            ..Config::default()
        }
    }

    #[test]
    fn both_signatures_are_recognised() {
        let graph = recognise(&TAKEN, 12, &config()).unwrap();
        assert_eq!(
            (graph.is_plain, graph.vocab, graph.slots.len()),
            (false, 100, 24)
        );
        let slot = &graph.slots[21];
        assert_eq!(
            (slot.past.as_str(), slot.present.as_str()),
            ("past_key_values.10.value", "present.10.value")
        );
        assert_eq!(slot.content, Content::Rows { heads: 3, dim: 64 });
        for count in 2..=3 {
            let inputs = &["input_ids", "attention_mask", "position_ids"][..count];
            let graph = recognise(inputs, 1, &config()).unwrap();
            assert_eq!(
                (graph.is_plain, graph.takes(POSITION_IDS)),
                (true, count == 3)
            );
        }
    }

    /// Layer 0 with states, layer 1 with keys and values.
    fn hybrid(width: i64) -> Result<Graph> {
        let mut inputs: Vec<Owned> = TAKEN.iter().map(|name| ids(name)).collect();
        let mut outputs = readings();
        for (part, width) in [("short", 2), ("modes", width)] {
            for (ports, prefix) in [(&mut inputs, STATES[0]), (&mut outputs, STATES[1])] {
                let name = format!("{prefix}.0.{part}");
                ports.push(outlet(&name, TensorElementType::Float32, &[-1, 24, width]));
            }
        }
        for (ports, prefix) in [(&mut inputs, ROWS[0]), (&mut outputs, ROWS[1])] {
            for part in ["key", "value"] {
                let name = format!("{prefix}.1.{part}");
                ports.push(outlet(&name, TensorElementType::Float32, &[-1, 2, -1, 16]));
            }
        }
        Graph::recognise(&ports(&inputs), &ports(&outputs), &config())
    }

    #[test]
    fn recurrent_states_stand_beside_keys_and_values() {
        let graph = hybrid(16).unwrap();
        let contents: Vec<Content> = graph.slots.iter().map(|slot| slot.content).collect();
        let state = |width| Content::State {
            channels: 24,
            width,
        };
        let rows = Content::Rows { heads: 2, dim: 16 };
        assert_eq!(contents, [state(16), state(2), rows, rows]);
        assert_eq!(graph.slots[0].present, "present_states.0.modes");
    }

    #[test]
    fn what_cannot_be_run_is_refused_by_name() {
        let with_cache = |cache: Vec<Owned>| {
            let inputs: Vec<Owned> = TAKEN.iter().map(|name| ids(name)).chain(cache).collect();
            Graph::recognise(&ports(&inputs), &ports(&[logits(-1)]), &config())
        };
        let half = ["key", "value"].map(|part| {
            let name = format!("past_key_values.0.{part}");
            outlet(&name, TensorElementType::Float16, &[-1, 3, -1, 64])
        });
        let mut missing = cache("past_key_values", 3);
        missing.retain(|input| input.0 != "past_key_values.1.key");
        let unknown = ["input_ids", "attention_mask", "token_type_ids"];
        let unknown = || recognise(&unknown, 1, &config());
        for (refused, words) in [
            (
                hybrid(-1),
                "past_states.0.modes that is not of shape [batch, channels, width]",
            ),
            (
                unknown(),
                "found inputs input_ids, attention_mask, token_type_ids and 2 of the cache",
            ),
            (
                unknown(),
                "expected input_ids and past_key_values.N.key/value",
            ),
            (
                recognise(&["input_ids", "attention_mask"], 0, &config()),
                "text-generation-with-past",
            ),
            (
                with_cache(half.to_vec()),
                "past_key_values.0.key as Tensor<f16>",
            ),
            (with_cache(missing), "no whole key/value pair for layer 1"),
        ] {
            let error = refused.unwrap_err();
            assert_eq!(error.exit_code(), 3);
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    #[test]
    fn the_vocabulary_must_agree_with_the_configuration() {
        let text = vocab(99, &config()).unwrap_err().to_string();
        assert_eq!(
            text,
            "the graph gives logits over 99 tokens, config.json says \"vocab_size\": 100"
        );
        assert_eq!(vocab(99, &Config::default()).unwrap(), 99);
        assert!(vocab(-1, &Config::default()).is_err());
    }
}
