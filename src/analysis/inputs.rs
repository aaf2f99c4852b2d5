/*!
What the analyses read: the columns of predictions and of scores that they use.
*/

use crate::program::Bits;
use crate::record::check::{Checked, LOG, SHARE, SHARE_ERROR, bits, demonstrations, range, width};
use crate::record::{Condition, CurveKey, Design};

record! {
    /// The columns of a prediction that name its curve and say whether it is correct.
    struct Verdict: "prediction" {
        trial_id: String, "Unique; that of the trial, or of one point of a nested trial.";
        sequence_id: Option<String>, "The nested trial that this point was read from.";
        function: String, "The hidden function: in dot notation, or by its own name.";
        bits: u32, "Width of the bitstrings.";
        condition: Condition, "Clean or deranged demonstrations.";
        design: Design, "Independent or nested shot counts.";
        ..curve: CurveKey, "The curve of this point. The other columns of the curve may be absent.";
        shots: u32, "Number of demonstrations before this query.";
        trial: u32, "Number of the trial within its function and shot count.";
        target: Bits, "The function's output for the query.";
        params: Option<f64>, "Number of parameters.";
        prediction: Bits, "The bits of the answer; may be shorter than the target.";
        correct: bool, "Whether the prediction equals the target.";
    }
    check verdict;
}

record! {
    /// The columns of a prediction that scoring reads.
    struct Outcome: "prediction" {
        ..verdict: Verdict, "The columns of a verdict.";
        inputs: Option<Vec<Bits>>, "The demonstrations' inputs.";
        outputs: Option<Vec<Bits>>, "The demonstrations' outputs.";
        query: Bits, "The input to answer.";
        answer_logprob: Option<f64>, "Sum of ln p(target symbol | target prefix), in nats.";
    }
    check outcome;
}

record! {
    /// The columns of a score that a fit reads.
    struct Mean: "score" {
        ..curve: CurveKey, "The columns of a curve.";
        shots: u32, "Number of demonstrations.";
        function: Option<String>, "The function, for a score of a single function.";
        group: Option<String>, "The group of functions, for a score of a group.";
        params: Option<f64>, "Number of parameters; null if unknown.";
        accuracy: f64, "Mean accuracy.";
        se: Option<f64>, "Its error.";
    }
    check mean;
}

fn verdict(verdict: &Verdict) -> Checked {
    let bits = bits(verdict.bits)?;
    width("target", verdict.target, bits)?;
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

fn outcome(outcome: &Outcome) -> Checked {
    verdict(&outcome.verdict)?;
    range(LOG, &[("answer_logprob", outcome.answer_logprob)])?;
    let bits = outcome.verdict.bits;
    width("query", outcome.query, bits)?;
    match (&outcome.inputs, &outcome.outputs) {
        (Some(inputs), Some(outputs)) => {
            demonstrations(inputs, outputs, outcome.verdict.shots, bits)
        }
        (None, None) => Ok(()),
        _ => Err("columns \"inputs\", \"outputs\": one is there without the other".into()),
    }
}

fn mean(mean: &Mean) -> Checked {
    range(SHARE, &[("accuracy", Some(mean.accuracy))])?;
    range(SHARE_ERROR, &[("se", mean.se)])
}
