/*!
Reads what decoding needs from `config.json`, `generation_config.json` and `genai_config.json`.
*/

use std::path::Path;

use serde_json::{Value, json};

use super::read_json;
use super::{CONFIG, GENAI};
use crate::error::{Error, Result};

/// The names that configurations use for the longest sequence, in tokens. The first one present counts.
const LENGTHS: [&str; 9] = [
    "max_position_embeddings",
    "n_positions",
    "max_sequence_length",
    "max_seq_length",
    "max_seq_len",
    "seq_length",
    "n_ctx",
    "context_length",
    "model_max_length",
];

/// The part of the configuration that decoding needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Config {
    /// Rows of the embedding matrix: the width of whole-vocabulary logits.
    pub vocab_size: Option<usize>,
    /// Tokens that end an answer.
    pub eos: Vec<u32>,
    /// The beginning-of-sequence token.
    pub bos: Option<u32>,
    /// The longest sequence, in tokens.
    pub max_positions: Option<usize>,
    /// Key/value heads of a layer.
    pub kv_heads: Option<usize>,
    /// Width of a head.
    pub head_dim: Option<usize>,
    /// The smallest attention window of any layer, if some layer has one.
    pub window: Option<usize>,
    /// transformers' tokenizer class, used if `tokenizer_config.json` gives none.
    pub tokenizer_class: Option<String>,
}

impl Config {
    /// Reads the configuration of a model folder.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(CONFIG);
        let genai: Option<Value> = read_json(&folder.join(GENAI))?;
        let (path, json) = match (read_json(&path)?, &genai) {
            (Some(json), _) => (path, json),
            (None, Some(genai)) => (folder.join(GENAI), as_hugging_face(genai)),
            (None, None) => {
                return Err(Error::model(format!(
                    "{}: no such file (a model folder holds a graph, config.json or genai_config.json, and tokenizer.json)",
                    path.display()
                )));
            }
        };
        let mut config = Self::from_json(&json).map_err(|error| error.at(path.display()))?;
        if config.max_positions.is_none() {
            // If the length is unknown, this is 10^30, which is not taken as a count.
            let words: Option<Value> = read_json(&folder.join("tokenizer_config.json"))?;
            config.max_positions = (words.as_ref())
                .and_then(|words| words.get("model_max_length"))
                .and_then(whole);
        }
        // If this file exists, transformers takes the end tokens only from it.
        let path = folder.join("generation_config.json");
        if let Some(json) = read_json::<Value>(&path)? {
            config.eos = ends(&json).map_err(|error| error.at(path.display()))?;
        }
        let window = genai
            .as_ref()
            .and_then(|json| json.pointer("/model/decoder/sliding_window/window_size"))
            .and_then(whole)
            .filter(|&width| width > 0);
        config.window = config.window.into_iter().chain(window).min();
        Ok(config)
    }

    /// Checks that every special token is in the vocabulary.
    pub(crate) fn check_tokens(&self, vocabulary: usize) -> Result<()> {
        let beyond = |id: &&u32| **id as usize >= vocabulary;
        for (name, ids) in [
            ("eos_token_id", &self.eos[..]),
            ("bos_token_id", self.bos.as_slice()),
        ] {
            if let Some(id) = ids.iter().find(beyond) {
                return Err(Error::model(format!(
                    "{name} {id} is not one of {vocabulary} tokens"
                )));
            }
        }
        Ok(())
    }

    fn from_json(json: &Value) -> Result<Self> {
        let heads = number(json, "num_attention_heads")?;
        Ok(Self {
            vocab_size: number(json, "vocab_size")?,
            eos: ends(json)?,
            bos: field(json, "bos_token_id")
                .map(|id| token("bos_token_id", id))
                .transpose()?,
            max_positions: (LENGTHS.iter())
                .find_map(|name| number(json, name).transpose())
                .transpose()?,
            kv_heads: number(json, "num_key_value_heads")?.or(heads),
            head_dim: match number(json, "head_dim")? {
                Some(dim) => Some(dim),
                None => number(json, "hidden_size")?
                    .zip(heads.filter(|&heads| heads > 0))
                    .map(|(hidden, heads)| hidden / heads),
            },
            window: window(json),
            tokenizer_class: field(json, "tokenizer_class")
                .and_then(Value::as_str)
                .map(str::to_owned),
        })
    }
}

/// Converts `genai_config.json` to the form of `config.json`.
fn as_hugging_face(genai: &Value) -> Value {
    let at = |path: &str| genai.pointer(path);
    json!({
        "vocab_size": at("/model/vocab_size"),
        "eos_token_id": at("/model/eos_token_id"),
        "bos_token_id": at("/model/bos_token_id"),
        "context_length": at("/model/context_length"),
        "num_key_value_heads": at("/model/decoder/num_key_value_heads"),
        "head_dim": at("/model/decoder/head_size"),
    })
}

/// Tokens that end an answer: one, several, or none.
fn ends(json: &Value) -> Result<Vec<u32>> {
    const NAME: &str = "eos_token_id";
    match field(json, NAME) {
        Some(Value::Array(ids)) => ids.iter().map(|id| token(NAME, id)).collect(),
        Some(id) => Ok(vec![token(NAME, id)?]),
        None => Ok(Vec::new()),
    }
}

/// The attention window of some layer, from a configuration of transformers.
fn window(json: &Value) -> Option<usize> {
    // In these families a window applies only if `use_sliding_window` says so. In all others it applies by default.
    let is_asked = field(json, "model_type")
        .and_then(Value::as_str)
        .is_some_and(|family| family.starts_with("qwen") || family == "smollm3");
    let is_used = field(json, "use_sliding_window").and_then(Value::as_bool);
    // Qwen's first layers have no window.
    let layers = |name| field(json, name).and_then(whole::<usize>);
    let some_layer = field(json, "layer_types").and_then(Value::as_array).map_or(
        !is_asked || layers("max_window_layers") < layers("num_hidden_layers"),
        |kinds| kinds.iter().any(|kind| kind == "sliding_attention"),
    );
    field(json, "sliding_window")
        .and_then(whole)
        .filter(|&width| width > 0 && some_layer && is_used.unwrap_or(!is_asked))
}

/// A field that is present and not null. Multimodal models keep their language model's fields under `text_config`.
fn field<'a>(json: &'a Value, name: &str) -> Option<&'a Value> {
    [
        json.get(name),
        json.get("text_config").and_then(|text| text.get(name)),
    ]
    .into_iter()
    .flatten()
    .find(|value| !value.is_null())
}

fn number(json: &Value, name: &str) -> Result<Option<usize>> {
    field(json, name)
        .map(|value| {
            whole(value)
                .ok_or_else(|| Error::model(format!("{name:?} is {value}, expected a count")))
        })
        .transpose()
}

fn token(name: &str, value: &Value) -> Result<u32> {
    whole(value).ok_or_else(|| Error::model(format!("{name:?} is {value}, expected a token id")))
}

/// A whole number that fits its type.
fn whole<T: TryFrom<u64>>(value: &Value) -> Option<T> {
    value.as_u64()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_negative_token_id_is_refused_by_name() {
        let error = Config::from_json(&json!({"bos_token_id": -1})).unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"bos_token_id\" is -1, expected a token id"
        );
    }

    #[test]
    fn head_sizes_follow_hugging_faces_defaults() {
        let config =
            Config::from_json(&json!({"hidden_size": 64, "num_attention_heads": 4})).unwrap();
        assert_eq!((config.kv_heads, config.head_dim), (Some(4), Some(16)));
    }

    #[test]
    fn a_multimodal_config_keeps_its_numbers_under_text_config() {
        let json = json!({"eos_token_id": 1, "text_config": {"vocab_size": 7, "eos_token_id": 5}});
        let config = Config::from_json(&json).unwrap();
        assert_eq!((config.vocab_size, config.eos), (Some(7), vec![1]));
    }

    #[test]
    fn a_window_is_in_effect_as_in_transformers() {
        let window = |json| Config::from_json(&json).unwrap().window;
        let all = json!(["full_attention", "full_attention"]);
        let some = json!(["sliding_attention", "full_attention"]);
        for (config, expected) in [
            (
                json!({"model_type": "mistral", "sliding_window": 4096}),
                Some(4096),
            ),
            (
                json!({"model_type": "mistral", "sliding_window": null}),
                None,
            ),
            (json!({"model_type": "phi3", "sliding_window": -1}), None),
            (json!({"model_type": "qwen2", "sliding_window": 9}), None),
            (
                json!({"model_type": "qwen3", "sliding_window": 9, "use_sliding_window": false}),
                None,
            ),
            (
                json!({"model_type": "qwen2", "sliding_window": 9, "use_sliding_window": true,
                    "max_window_layers": 2, "num_hidden_layers": 2}),
                None,
            ),
            (
                json!({"model_type": "qwen2", "sliding_window": 9, "use_sliding_window": true,
                    "max_window_layers": 1, "num_hidden_layers": 2}),
                Some(9),
            ),
            (
                json!({"model_type": "qwen3", "sliding_window": 9, "use_sliding_window": true, "layer_types": all}),
                None,
            ),
            (
                json!({"model_type": "gemma3_text", "sliding_window": 9, "layer_types": some}),
                Some(9),
            ),
            (
                json!({"model_type": "gemma3", "text_config": {"sliding_window": 9}}),
                Some(9),
            ),
        ] {
            let text = config.to_string();
            assert_eq!(window(config), expected, "{text}");
        }
    }
}
