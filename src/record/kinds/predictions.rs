/*!
Predictions, and the columns that name a curve of them.
*/

use super::{Condition, Design};
use crate::program::Bits;
use crate::record::check::{Checked, LOG, range};

record! {
    /// A predictor's answer to one prompt (to one evaluation point of a nested one).
    struct Prediction: "prediction" {
        trial_id: String, "Unique; that of the trial, or of one point of a nested trial.";
        sequence_id: Option<String>, "The nested trial that this point was read from; null if independent.";
        function: String, "The hidden function: in dot notation, or by its own name.";
        bits: u32, "Width of the bitstrings.";
        condition: Condition, "Clean or deranged demonstrations.";
        shots: u32, "Number of demonstrations before this query.";
        trial: u32, "Number of the trial within its function and shot count, from 0.";
        seed: i64, "The seed it was drawn from.";
        design: Design, "Independent or nested shot counts.";
        constant: Option<Bits>, "The trial's constant, where the function uses one.";
        inputs: Option<Vec<Bits>>, "The demonstrations' inputs, in the order shown; left out by `--slim`.";
        outputs: Option<Vec<Bits>>, "The demonstrations' outputs, as shown; left out by `--slim`.";
        query: Bits, "The input to answer.";
        target: Bits, "The function's output for the query.";
        unchanged: Option<u32>, "Demonstrations whose output the derangement left in place; null if clean.";
        encoding: String, "The alphabet's name, or its symbols.";
        template: String, "How one example is written.";
        prefix: String, "Text before the first example.";
        zero: String, "The symbol of bit 0 in this trial.";
        one: String, "The symbol of bit 1 in this trial.";
        separator: Option<String>, "The symbol between examples; null where the template has none.";
        prompt: Option<String>, "What the model read; left out by `--slim`.";
        answer: String, "The encoded target.";
        model: String, "The predictor's name.";
        modality: Option<String>, "`genomic`, `linguistic`, `protein`, ... or `baseline`.";
        params: Option<f64>, "Number of parameters; null if unknown.";
        method: String, "`score`, `generate` or `builtin`.";
        constrained: bool, "Whether only the two bit symbols competed.";
        bos: bool, "Whether a beginning-of-sequence token was put before the prompt.";
        output: String, "The raw symbols of the answer, with blanks between them if symbols are words.";
        prediction: Bits, "The bits of `output` up to its first symbol that is not a bit; may be too short.";
        malformed: bool, "Whether the prediction has more or fewer bits than `bits`.";
        correct: bool, "Whether the prediction equals the target.";
        answer_logprob: Option<f64>,
            "Sum of ln p(target symbol | target prefix), in nats; null if the engine gives none.";
        margin: Option<f64>, "Smallest gap between the best two logits along the answer.";
    }
    check prediction;
}

/// The columns of a prediction that `infer --slim` leaves out.
pub const SLIM: &[&str] = &["inputs", "outputs", "prompt"];

record! {
    /// What all points of a curve have in common: a cell without its shot count. Nothing is pooled
    /// across cells.
    struct CurveKey: "curve" {
        model: String, "The predictor's name.";
        modality: Option<String>, "The modality it was trained on.";
        encoding: Option<String>, "The alphabet's name, or its symbols.";
        template: Option<String>, "How one example is written.";
        bits: Option<u32>, "Width of the bitstrings.";
        condition: Option<Condition>, "Clean or deranged demonstrations.";
        design: Option<Design>, "Independent or nested shot counts.";
        method: Option<String>, "How the answer was made.";
        constrained: Option<bool>, "Whether only the two bit symbols competed.";
        bos: Option<bool>, "Whether a beginning-of-sequence token was put before the prompt.";
    }
}

impl CurveKey {
    /// Whether the curve is that of a built-in baseline of `infer`: a control, not one of the compared models.
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.method.as_deref() == Some("builtin")
    }
}

fn prediction(prediction: &Prediction) -> Checked {
    range(LOG, &[("answer_logprob", prediction.answer_logprob)])?;
    range(0.0..=f64::INFINITY, &[("margin", prediction.margin)])
}
