/*!
From prompts to predictions. A predictor may take many prompts at a time and return them in any order. [`Jobs`] writes
their predictions in the order of the prompts.
*/

use super::{Answer, Identity, Point, Predictor, points};
use crate::error::{Error, Result};
use crate::record::{Design, Entry, Prediction, Prompt};
use std::collections::BTreeMap;

/// A prompt on its way through a predictor.
pub(super) struct Job {
    /// The prompt's number in the run, from 0.
    number: u64,
    /// The prompt, and the place it was read from.
    pub entry: Entry<Prompt>,
}

/// Takes a prompt's predictions.
type Sink<'a> = dyn FnMut(&Entry<Prompt>, &[Prediction]) -> Result<()> + 'a;

/// The prompts of one run, and the place for their answers.
pub struct Jobs<'a> {
    identity: &'a Identity,
    source: &'a mut dyn FnMut() -> Result<Option<Entry<Prompt>>>,
    sink: &'a mut Sink<'a>,
    /// Number of prompts that the predictor has taken.
    given: u64,
    /// Number of prompts whose predictions went to the sink.
    written: u64,
    /// Number of answers that ended early because the model's logits were not finite.
    broken: u64,
    /// Predictions that came back before their turn, by prompt number.
    early: BTreeMap<u64, (Entry<Prompt>, Vec<Prediction>)>,
}

impl<'a> Jobs<'a> {
    /// A run of the predictor that `identity` describes. It takes prompts from `source` and passes all predictions of a
    /// prompt at once to `sink`.
    pub fn new(
        identity: &'a Identity,
        source: &'a mut dyn FnMut() -> Result<Option<Entry<Prompt>>>,
        sink: &'a mut Sink<'a>,
    ) -> Self {
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

    /// Answers all prompts. Returns the number of answers that ended early because the model's logits were not finite.
    ///
    /// # Errors
    /// Those of the predictor, the source and the sink.
    pub fn run(mut self, predictor: &mut dyn Predictor) -> Result<u64> {
        predictor.answer_all(&mut self)?;
        Ok(self.broken)
    }

    /// The next prompt; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Job>> {
        let entry = (self.source)()?;
        Ok(entry.map(|entry| {
            let number = self.given;
            self.given += 1;
            Job { number, entry }
        }))
    }

    /// Returns a prompt with its answers, one for each evaluation point, in the order of the points. Prompts may come
    /// back in any order: an early one waits in memory until all prompts before it are written.
    pub(super) fn done(&mut self, job: Job, answers: Vec<Answer>) -> Result<()> {
        self.broken += answers.iter().filter(|answer| answer.is_broken).count() as u64;
        let predictions = predictions(self.identity, &job.entry.record, answers)
            .map_err(|e| e.at(&job.entry.place))?;
        self.early.insert(job.number, (job.entry, predictions));
        while let Some((entry, predictions)) = self.early.remove(&self.written) {
            (self.sink)(&entry, &predictions)?;
            self.written += 1;
        }
        Ok(())
    }
}

/// Answers prompts one by one. Errors name the prompt.
pub(super) fn one_by_one(
    jobs: &mut Jobs<'_>,
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

/// Turns the answers to a prompt into predictions, one for each evaluation point.
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
