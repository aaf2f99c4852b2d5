/*!
`infer --verify`: compares a model with the reference values in its card.

There are two tests; a card may hold the values of either or both:

- **recorded**: logits of the reference implementation at a few places of one text, stored at conversion;
- **acceptance**: the loss and accuracy of next-base prediction that the model's authors published for their own
  sequences (Evo2). The user gives these sequences.
*/

use std::fmt::Write;

use super::OnnxModel;
use super::decode::Candidates;
use super::engine::{Feed, LogitQuery, LogitSummary};
use super::folder::{Acceptance, NextBase, Recorded};
use crate::error::{Error, Result};
use crate::stats::count;

/// The largest allowed difference from the recorded logits in float32. On the models measured, rounding differs between
/// implementations by up to 2e-3.
const LOGIT_FLOAT32: f64 = 5e-3;
/// The same for weights that were rounded to 16 bits. Logits of language models span some tens, and this rounding
/// changes their first decimal.
const LOGIT_16_BITS: f64 = 0.5;
/// How far mean loss (nats per base) and accuracy may differ from the published figures. Those were measured in
/// bfloat16, whose noise is 2 % of a logit. A wrong model differs by far more: without FP8, upstream says, the larger
/// models' accuracy falls to 20-30 %.
const LOSS: f64 = 0.01;
const ACCURACY: f64 = 0.005;

/// A readable report, and whether every test in it passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// One line per figure.
    pub report: String,
    /// Whether the model passed.
    pub passed: bool,
}

impl Verdict {
    fn line(&mut self, name: &str, value: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.report, "{name:<12} {value}");
    }

    fn judge(&mut self, name: &str, value: &str, allowed: f64, difference: f64) {
        // NaN does not pass.
        let passed = difference.abs() <= allowed;
        let word = if passed { "pass" } else { "FAIL" };
        self.passed &= passed;
        self.line(
            name,
            &format!("{value}, off by {difference:.1e}, allowed {allowed}: {word}"),
        );
    }
}

/// Runs every test that the card and the user's `sequences` (name, symbols) allow.
///
/// # Errors
/// [`Error::Usage`] if sequences are needed but not given, or given but not needed. [`Error::Model`] if the card holds
/// nothing to compare with. Any error of the model while it reads the texts.
pub fn verify(model: &mut OnnxModel, sequences: &[(String, String)]) -> Result<Verdict> {
    let card = model.card.clone();
    let mut verdict = Verdict {
        report: String::new(),
        passed: true,
    };
    verdict.line("model", &card.name);
    match (&card.acceptance, sequences) {
        (Some(acceptance), [_, ..]) => accept(model, acceptance, sequences, &mut verdict)?,
        (Some(acceptance), []) if card.recorded.is_none() => {
            return Err(Error::usage(format!(
                "--verify: give the sequences behind the published figures, as FASTA or CSV ({})",
                acceptance.source
            )));
        }
        (None, [_, ..]) => {
            return Err(Error::usage(format!(
                "--verify: the card of {} has no published figures for sequences",
                card.name
            )));
        }
        (_, []) => {}
    }
    if let Some(recorded) = &card.recorded {
        compare(model, recorded, &mut verdict)?;
    } else if card.acceptance.is_none() {
        return Err(Error::model(format!(
            "--verify: the card of {} holds nothing to verify against: neither \"recorded\" logits nor \"acceptance\" \
             figures",
            card.name
        )));
    }
    Ok(verdict)
}

fn accept(
    model: &mut OnnxModel,
    acceptance: &Acceptance,
    sequences: &[(String, String)],
    verdict: &mut Verdict,
) -> Result<()> {
    verdict.line("reference", &acceptance.source);
    let mut sum = NextBase {
        loss: 0.0,
        accuracy: 0.0,
    };
    for (name, sequence) in sequences {
        let found = next_base(model, sequence).map_err(|error| error.at(name))?;
        verdict.line("sequence", &format!("{name}: {}", words(found)));
        sum.loss += found.loss;
        sum.accuracy += found.accuracy;
    }
    let mean = |sum: f64| sum / count(sequences.len());
    let (loss, accuracy) = (mean(sum.loss), mean(sum.accuracy));
    let published = acceptance.published;
    verdict.line("published", &words(published));
    verdict.judge("loss", &format!("{loss:.4}"), LOSS, loss - published.loss);
    verdict.judge(
        "accuracy",
        &format!("{accuracy:.4}"),
        ACCURACY,
        accuracy - published.accuracy,
    );
    Ok(())
}

fn words(found: NextBase) -> String {
    format!("loss {:.4}, accuracy {:.4}", found.loss, found.accuracy)
}

/// How well a model predicts each symbol of a sequence from all before it.
fn next_base(model: &mut OnnxModel, sequence: &str) -> Result<NextBase> {
    let tokens = sequence
        .split_inclusive(|_: char| true)
        .map(|symbol| model.vocabulary.id(symbol))
        .collect::<Result<Vec<u32>>>()?;
    model.check_length(tokens.len())?;
    let targets = match &tokens[..] {
        [] => return Err(Error::data("an empty sequence")),
        [_] => {
            return Err(Error::data(
                "a sequence of one symbol, which predicts nothing",
            ));
        }
        [_, targets @ ..] => targets,
    };
    let asks: Vec<LogitQuery> = (targets.iter().enumerate())
        .map(|(after, &token)| LogitQuery {
            after,
            choices: vec![token],
        })
        .collect();
    let seen = read(model, &tokens[..targets.len()], &asks)?;
    let pairs = || seen.iter().zip(targets);
    let right = pairs().filter(|(seen, token)| seen.best == **token).count();
    let logprob: Option<f64> = pairs()
        .map(|(seen, &token)| Candidates::Vocabulary.judge(seen, token).logprob)
        .sum();
    Ok(NextBase {
        // Unusable logits have no loss; NaN passes no test.
        loss: logprob.map_or(f64::NAN, |sum| -sum / count(asks.len())),
        accuracy: count(right) / count(asks.len()),
    })
}

/// The model's replies to queries about a text.
fn read(model: &mut OnnxModel, tokens: &[u32], asks: &[LogitQuery]) -> Result<Vec<LogitSummary>> {
    let needed = asks.last().map_or(0, |ask| ask.after + 1);
    let mut cache = model.engine.cache(1, needed)?;
    let feed = Feed {
        tokens: &tokens[..needed],
        asks,
    };
    let seen = model.engine.forward(&mut cache, &[feed])?;
    Ok(seen.into_iter().flatten().collect())
}

/// Compares the model's logits with the recorded ones.
fn compare(model: &mut OnnxModel, recorded: &Recorded, verdict: &mut Verdict) -> Result<()> {
    check(recorded, model.engine.graph.vocab)?;
    model.check_length(recorded.input_ids.len())?;
    verdict.line("reference", &recorded.reference);
    let asks: Vec<LogitQuery> = (recorded.positions.iter().zip(&recorded.ids))
        .map(|(&after, ids)| LogitQuery {
            after,
            choices: ids.clone(),
        })
        .collect();
    let found = read(model, &recorded.input_ids, &asks)?;
    let (mut furthest, mut alike) = (0.0f64, 0);
    for (seen, logits) in found.iter().zip(&recorded.logits) {
        for (&found, &expected) in seen.chosen.iter().zip(logits) {
            let difference = f64::from(found) - expected;
            // `max` would ignore NaN.
            if difference.is_nan() || difference.abs() > furthest.abs() {
                furthest = difference;
            }
        }
        // The reference's likeliest token comes first. It counts even if another has the same logit here.
        alike += usize::from((seen.chosen.first()).is_some_and(|&best| best >= seen.top[0]));
    }
    let allowed = match model.card.weights.as_deref() {
        // q4: the reference read the same blocks of 4 bits. The rest is float32, so nothing was rounded anew.
        None | Some("float32" | "q4") => LOGIT_FLOAT32,
        Some(_) => LOGIT_16_BITS,
    };
    let places = recorded.positions.len();
    verdict.line(
        "arg-max",
        &format!("the reference's at {alike} of {places} places"),
    );
    verdict.judge(
        "logits",
        &format!("{places} places compared"),
        allowed,
        furthest,
    );
    Ok(())
}

/// Checks that what a card recorded is well-formed.
fn check(recorded: &Recorded, vocabulary: usize) -> Result<()> {
    let Recorded {
        input_ids,
        positions,
        ids,
        logits,
        ..
    } = recorded;
    let refuse = |problem: &str| Err(Error::model(format!("card.json, \"recorded\": {problem}")));
    if positions.is_empty() || !positions.is_sorted_by(|a, b| a < b) {
        return refuse("its positions are not in ascending order");
    }
    if positions
        .last()
        .is_some_and(|&last| last >= input_ids.len())
    {
        return refuse("a position stands behind the text");
    }
    let pairs = ids.len() == positions.len()
        && logits.len() == positions.len()
        && ids
            .iter()
            .zip(logits)
            .all(|(ids, logits)| ids.len() == logits.len() && !ids.is_empty());
    if !pairs {
        return refuse("not one logit for every id at every position");
    }
    if (input_ids.iter().chain(ids.iter().flatten())).any(|&id| id as usize >= vocabulary) {
        return refuse("a token id beyond the vocabulary");
    }
    Ok(())
}
