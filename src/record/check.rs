/*!
What must hold between the columns of a record, whatever file it comes from.
*/

use super::column::shorten;
use super::kinds::{
    Contrast, Design, Mean, Outcome, Prediction, Prompt, Score, Trial, Verdict, Versus,
};
use crate::program::{Bits, MAX_BITS};
use std::ops::RangeInclusive;

/// Nothing, or the column and what was expected.
type Checked = Result<(), String>;

/// The shape of a trial: every bitstring has the trial's width, every input its output.
pub(super) fn trial(trial: &Trial) -> Checked {
    let bits = check_bits(trial.bits)?;
    check_demonstrations(&trial.inputs, &trial.outputs, trial.shots, bits)?;
    check_width("query", trial.query, bits)?;
    check_width("target", trial.target, bits)?;
    if let Some(constant) = trial.constant {
        check_width("constant", constant, bits)?;
    }
    match (&trial.eval_shots, trial.design) {
        (Some(points), Design::Nested) => {
            if let Some(beyond) = points.iter().find(|&&s| s > trial.shots) {
                return Err(format!(
                    "column \"eval_shots\": {beyond} is more than the sequence's {} shots",
                    trial.shots
                ));
            }
            if points.is_empty() || points.windows(2).any(|w| w[0] >= w[1]) {
                return Err("column \"eval_shots\": expected increasing shot counts".to_owned());
            }
            Ok(())
        }
        (None, Design::Nested) => {
            Err("column \"eval_shots\": is missing, but design is nested".to_owned())
        }
        (Some(_), Design::Independent) => {
            Err("column \"eval_shots\": expected null where design is independent".to_owned())
        }
        (None, Design::Independent) => Ok(()),
    }
}

pub(super) fn prompt(prompt: &Prompt) -> Checked {
    trial(&prompt.trial)?;
    for (name, symbol) in [("zero", &prompt.zero), ("one", &prompt.one)] {
        check_symbol(name, symbol)?;
    }
    if let Some(separator) = &prompt.separator {
        check_symbol("separator", separator)?;
    }
    if prompt.zero == prompt.one {
        return Err(format!(
            "column \"one\": {:?} is the symbol of zero, too",
            prompt.one
        ));
    }
    let symbols = u32::try_from(prompt.answer.chars().count()).unwrap_or(u32::MAX);
    if symbols != prompt.trial.bits {
        return Err(format!(
            "column \"answer\": {symbols} symbols for {} bits",
            prompt.trial.bits
        ));
    }
    match (&prompt.answer_starts, &prompt.trial.eval_shots) {
        (None, None) => Ok(()),
        (Some(starts), Some(points)) if starts.len() == points.len() => {
            let end = prompt.prompt.chars().count();
            let last = starts.last().copied().unwrap_or_default() as usize;
            if starts.windows(2).any(|w| w[0] >= w[1]) || last > end {
                return Err(format!(
                    "column \"answer_starts\": expected increasing offsets up to {end}"
                ));
            }
            Ok(())
        }
        _ => Err(
            "column \"answer_starts\": expected one offset for every one of eval_shots".to_owned(),
        ),
    }
}

pub(super) fn verdict(verdict: &Verdict) -> Checked {
    let bits = check_bits(verdict.bits)?;
    check_width("target", verdict.target, bits)?;
    if verdict.correct != (verdict.prediction == verdict.target) {
        return Err(format!(
            "column \"correct\": {}, but prediction is {:?} and target {:?}",
            verdict.correct,
            verdict.prediction.to_string(),
            verdict.target.to_string()
        ));
    }
    Ok(())
}

pub(super) fn outcome(outcome: &Outcome) -> Checked {
    verdict(&outcome.verdict)?;
    check_range(LOG, &[("answer_logprob", outcome.answer_logprob)])?;
    let bits = outcome.verdict.bits;
    check_width("query", outcome.query, bits)?;
    match (&outcome.inputs, &outcome.outputs) {
        (Some(inputs), Some(outputs)) => {
            check_demonstrations(inputs, outputs, outcome.verdict.shots, bits)
        }
        (None, None) => Ok(()),
        _ => Err("columns \"inputs\", \"outputs\": one is there without the other".into()),
    }
}

pub(super) fn prediction(prediction: &Prediction) -> Checked {
    check_range(LOG, &[("answer_logprob", prediction.answer_logprob)])?;
    check_range(0.0..=f64::INFINITY, &[("margin", prediction.margin)])
}

/// A share, and a bound of one. It need not be a multiple of one over its trials: it is a mean over
/// functions, and printed tables are rounded.
const SHARE: RangeInclusive<f64> = 0.0..=1.0;

/// The standard error of a mean of shares: values between 0 and 1 deviate by 1/2 at most, and two
/// that do have this error.
const SHARE_ERROR: RangeInclusive<f64> = 0.0..=0.5;

/// The logarithm of a probability.
const LOG: RangeInclusive<f64> = f64::NEG_INFINITY..=0.0;

pub(super) fn score(score: &Score) -> Checked {
    check_range(
        SHARE,
        &[
            ("accuracy", Some(score.accuracy)),
            ("ci_low", score.ci_low),
            ("ci_high", score.ci_high),
            ("mode_accuracy", score.mode_accuracy),
        ],
    )?;
    check_range(
        SHARE_ERROR,
        &[
            ("se", score.se),
            ("task_se", score.task_se),
            ("mode_se", score.mode_se),
        ],
    )?;
    check_range(LOG, &[("answer_logprob", score.answer_logprob)])
}

pub(super) fn mean(mean: &Mean) -> Checked {
    check_range(SHARE, &[("accuracy", Some(mean.accuracy))])?;
    check_range(SHARE_ERROR, &[("se", mean.se)])
}

pub(super) fn contrast(row: &Contrast) -> Checked {
    let shares = [
        ("clean_accuracy", Some(row.clean_accuracy)),
        ("deranged_accuracy", Some(row.deranged_accuracy)),
    ];
    check_range(SHARE, &shares)?;
    check_gap(row.gap, row.gap_se)
}

pub(super) fn versus(row: &Versus) -> Checked {
    let shares = [
        ("accuracy_a", Some(row.accuracy_a)),
        ("accuracy_b", Some(row.accuracy_b)),
    ];
    check_range(SHARE, &shares)?;
    check_gap(row.gap, row.gap_se)
}

/// A mean difference of shares, and its error, which is that of a mean of shares over twice the
/// range.
fn check_gap(gap: f64, error: Option<f64>) -> Checked {
    check_range(-1.0..=1.0, &[("gap", Some(gap))])?;
    check_range(0.0..=1.0, &[("gap_se", error)])
}

fn check_range(range: RangeInclusive<f64>, columns: &[(&str, Option<f64>)]) -> Checked {
    let outside = |(_, value): &&(&str, Option<f64>)| value.is_some_and(|v| !range.contains(&v));
    let Some((name, Some(found))) = columns.iter().find(outside) else {
        return Ok(());
    };
    let (low, high) = range.into_inner();
    let expected = if low.is_infinite() {
        format!("at most {high}")
    } else if high.is_infinite() {
        format!("at least {low}")
    } else {
        format!("{low}..{high}")
    };
    Err(format!(
        "column {name:?}: expected {expected}, found {found}"
    ))
}

fn check_bits(bits: u32) -> Result<u32, String> {
    if (1..=MAX_BITS).contains(&bits) {
        return Ok(bits);
    }
    Err(format!("column \"bits\": expected 1..16, found {bits}"))
}

fn check_demonstrations(inputs: &[Bits], outputs: &[Bits], shots: u32, bits: u32) -> Checked {
    if inputs.len() != shots as usize {
        return Err(format!(
            "column \"inputs\": {} inputs for {shots} shots",
            inputs.len()
        ));
    }
    if outputs.len() != inputs.len() {
        return Err(format!(
            "column \"outputs\": {} outputs for {} inputs",
            outputs.len(),
            inputs.len()
        ));
    }
    let wide = |name, list: &[Bits]| {
        // All are looked at whatever is found, which is many at once; the culprit is looked for where there is one.
        let same = list.iter().fold(true, |same, b| same & (b.len() == bits));
        if same {
            return Ok(());
        }
        list.iter().try_for_each(|&b| check_width(name, b, bits))
    };
    wide("inputs", inputs)?;
    wide("outputs", outputs)
}

fn check_width(name: &str, value: Bits, bits: u32) -> Checked {
    if value.len() == bits {
        return Ok(());
    }
    Err(format!(
        "column {name:?}: expected {bits} bits, found {:?}",
        value.to_string()
    ))
}

fn check_symbol(name: &str, symbol: &str) -> Checked {
    if symbol.chars().count() == 1 {
        return Ok(());
    }
    Err(format!(
        "column {name:?}: expected one character, found {:?}",
        shorten(symbol)
    ))
}
