/*!
From prompts to predictions: a stream of prompts goes through a predictor, which may take many at a time and give them
back in any order; their predictions come out in the order of the prompts.
*/

use super::{Answer, Identity, Point, Predictor, points};
use crate::error::{Error, Result};
use crate::record::{Design, Entry, Prediction, Prompt};
use std::collections::BTreeMap;

/// A prompt on its way through a predictor.
#[derive(Debug)]
pub struct Job {
    /// Its number among the prompts of the run.
    number: u64,
    /// The prompt, and where it was read.
    pub entry: Entry<Prompt>,
}

/// Where a predictor takes prompts from and leaves its answers.
pub trait Jobs {
    /// The next prompt; none at the end.
    ///
    /// # Errors
    /// An input that is damaged.
    fn next(&mut self) -> Result<Option<Job>>;

    /// Hands a prompt back with its answers, one for each of its points, in their order. Prompts
    /// may come back in any order; what is handed back early waits in memory for its turn.
    ///
    /// # Errors
    /// Not as many answers as points; an output that cannot be written.
    fn done(&mut self, job: Job, answers: Vec<Answer>) -> Result<()>;
}

/// Answers prompts one after the other; errors say which.
pub(super) fn one_by_one(
    jobs: &mut dyn Jobs,
    mut answer: impl FnMut(&Prompt, &[Point<'_>]) -> Result<Vec<Answer>>,
) -> Result<()> {
    while let Some(job) = jobs.next()? {
        let prompt = &job.entry.record;
        let answers = points(prompt)
            .and_then(|points| answer(prompt, &points))
            .map_err(|e| e.at(&job.entry.place))?;
        jobs.done(job, answers)?;
    }
    Ok(())
}

/// The [`Jobs`] of one run: prompts from `source`; predictions, a prompt's together, to `sink`.
pub struct Stream<'a, Source, Sink> {
    identity: &'a Identity,
    source: Source,
    sink: Sink,
    /// Prompts given out so far.
    given: u64,
    /// Prompts whose predictions went to the sink.
    written: u64,
    /// Answers that ended because a model's logits were no numbers.
    broken: u64,
    /// What came back before its turn.
    early: BTreeMap<u64, (Entry<Prompt>, Vec<Prediction>)>,
}

impl<'a, Source, Sink> Stream<'a, Source, Sink>
where
    Source: FnMut() -> Result<Option<Entry<Prompt>>>,
    Sink: FnMut(&Entry<Prompt>, Vec<Prediction>) -> Result<()>,
{
    /// A run of a predictor called `identity`.
    pub fn new(identity: &'a Identity, source: Source, sink: Sink) -> Self {
        Self {
            identity,
            source,
            sink,
            given: 0,
            written: 0,
            broken: 0,
            early: BTreeMap::new(),
        }
    }

    /// Runs the predictor to the end of the prompts; gives the number of answers that ended because a
    /// model's logits were no numbers.
    ///
    /// # Errors
    /// Those of the predictor, the source and the sink.
    pub fn run(mut self, predictor: &mut dyn Predictor) -> Result<u64> {
        predictor.answer_all(&mut self)?;
        Ok(self.broken)
    }
}

impl<Source, Sink> Jobs for Stream<'_, Source, Sink>
where
    Source: FnMut() -> Result<Option<Entry<Prompt>>>,
    Sink: FnMut(&Entry<Prompt>, Vec<Prediction>) -> Result<()>,
{
    fn next(&mut self) -> Result<Option<Job>> {
        let entry = (self.source)()?;
        Ok(entry.map(|entry| {
            let number = self.given;
            self.given += 1;
            Job { number, entry }
        }))
    }

    fn done(&mut self, job: Job, answers: Vec<Answer>) -> Result<()> {
        self.broken += answers.iter().filter(|answer| answer.is_broken).count() as u64;
        let predictions = predictions(self.identity, &job.entry.record, answers)
            .map_err(|e| e.at(&job.entry.place))?;
        self.early.insert(job.number, (job.entry, predictions));
        while let Some((entry, predictions)) = self.early.remove(&self.written) {
            (self.sink)(&entry, predictions)?;
            self.written += 1;
        }
        Ok(())
    }
}

/// The predictions that answers are, one an evaluation point.
pub(super) fn predictions(
    identity: &Identity,
    prompt: &Prompt,
    answers: Vec<Answer>,
) -> Result<Vec<Prediction>> {
    let points = points(prompt)?;
    if answers.len() != points.len() {
        return Err(Error::model(format!(
            "{}: {} answers at {} points",
            identity.model,
            answers.len(),
            points.len()
        )));
    }
    let symbols = prompt.symbols();
    Ok(points
        .into_iter()
        .zip(answers)
        .map(|(point, answer)| {
            let bits = prompt.trial.bits;
            let prediction = symbols.decode(&answer.output, bits);
            let nested = prompt.trial.design == Design::Nested;
            Prediction {
                trial_id: if nested {
                    format!("{}@{}", prompt.trial.trial_id, point.shots)
                } else {
                    prompt.trial.trial_id.clone()
                },
                sequence_id: nested.then(|| prompt.trial.trial_id.clone()),
                function: prompt.trial.function.clone(),
                bits,
                condition: prompt.trial.condition,
                shots: point.shots,
                trial: prompt.trial.trial,
                seed: prompt.trial.seed,
                design: prompt.trial.design,
                constant: prompt.trial.constant,
                inputs: Some(point.inputs.to_vec()),
                outputs: Some(point.outputs.to_vec()),
                query: point.query,
                target: point.target,
                unchanged: prompt.trial.unchanged,
                encoding: prompt.encoding.clone(),
                template: prompt.template.clone(),
                prefix: prompt.prefix.clone(),
                zero: prompt.zero.clone(),
                one: prompt.one.clone(),
                separator: prompt.separator.clone(),
                prompt: Some(point.prompt.to_owned()),
                answer: point.answer,
                model: identity.model.clone(),
                modality: identity.modality.clone(),
                params: identity.params,
                method: identity.method.to_owned(),
                constrained: identity.constrained,
                bos: identity.bos,
                correct: prediction == point.target,
                malformed: prediction.len() != bits,
                output: answer.output,
                prediction,
                answer_logprob: answer.logprob,
                margin: answer.margin,
            }
        })
        .collect())
}
