/*!
`card.json`: who a model is.
*/

use serde::Deserialize;

use super::{Folder, read_json};
use crate::error::Result;

/// Who the model is, for the `model`, `modality` and `params` columns of predictions.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct Card {
    /// The model's name; the folder's name if the card gives none.
    pub name: String,
    /// `linguistic`, `genomic`, ...
    pub modality: Option<String>,
    /// Number of parameters.
    pub params: Option<f64>,
    /// `bytes` if a token's id is its byte's value; anything else means `tokenizer.json`.
    pub vocabulary: Option<String>,
    /// Where the weights came from and how they are stored.
    pub weights: Option<String>,
    /// The longest sequence that the graph takes, in tokens. It overrides `config.json`.
    pub max_positions: Option<usize>,
    /// Where the graph can run, `cpu` or `cuda`; `None` means anywhere.
    pub device: Option<String>,
    /// What a user must know before trusting the model's answers.
    pub warnings: Vec<String>,
    /// Figures that the model's authors published for their own sequences.
    pub acceptance: Option<Acceptance>,
    /// Logits of the reference implementation.
    pub recorded: Option<Recorded>,
}

impl Card {
    /// Reads a model's `card.json`. Without one, only the name of its folder is known.
    pub(crate) fn read(folder: &Folder) -> Result<Self> {
        let mut card: Self = read_json(&folder.home.join("card.json"))?.unwrap_or_default();
        if card.name.is_empty() {
            card.name.clone_from(&folder.name);
        }
        Ok(card)
    }
}

/// Loss and accuracy of predicting every symbol of a sequence but the first.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(expecting = "an object")]
pub struct NextBase {
    /// Mean of -ln p(symbol | all before it), in nats.
    pub loss: f64,
    /// Share of symbols that are the arg-max.
    pub accuracy: f64,
}

/// What a model's makers publish for sequences of theirs.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(expecting = "an object")]
pub struct Acceptance {
    /// Means over the sequences.
    pub published: NextBase,
    /// Where the figures and the sequences come from.
    pub source: String,
}

/// Logits of the reference implementation.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(expecting = "an object")]
pub struct Recorded {
    /// The implementation, its version and precision.
    pub reference: String,
    /// The tokens of the text.
    pub input_ids: Vec<u32>,
    /// Indices of tokens in the text, ascending.
    pub positions: Vec<usize>,
    /// For each position, the tokens whose logits are kept, the likeliest first.
    pub ids: Vec<Vec<u32>>,
    /// Their logits.
    pub logits: Vec<Vec<f64>>,
}
