/*!
The ONNX Runtime predictor: it answers encoded prompts with the model in a folder.

Its layers; each uses only those listed before it:

- [`runtime`]: the library, devices, memory, errors;
- `folder`: reads a model's files: graph, weights, card, configuration, symbols;
- `engine`: the forward pass: graph, cache, one call, its logits, the sizes of calls and batches;
- `decode`, `batch`: the answers: greedy decoding, the teacher-forced pass that replaces it, batches of prompts;
- [`verify`], `probe`, [`doctor`]: whether a model is the right one, and whether the machine computes right.
*/

mod batch;
mod decode;
pub mod doctor;
mod engine;
mod folder;
mod probe;
pub mod runtime;
pub mod verify;

use std::path::Path;

pub use folder::{Acceptance, Card, NextBase, Recorded};
pub use runtime::{ChosenDevice, Device, Options};

#[cfg(fuzzing)]
pub use folder::fuzz_folder;

use clap::ValueEnum;
use ort::session::builder::SessionBuilder;
use ort::value::Outlet;
use serde_json::json;

use batch::Batches;
use decode::{AnswerSpan, Candidates, Decoded, ReadMode, Sequence};
use engine::{Engine, Graph, Limits, Port};
use folder::{Config, Folder, Vocabulary, contents};
use runtime::{ModelNeeds, Runtime, free_memory};

use super::stream::{Job, Jobs};
use super::{Answer, Predictor, points};
use crate::error::{Error, Result};
use crate::provenance::Facts;
use crate::record::Prompt;
use crate::symbols::Symbols;

/// How an answer is found. Both give the same answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Method {
    /// One teacher-forced pass.
    ///
    /// Decoding goes on from the first wrong symbol only.
    Score,
    /// Greedy decoding.
    #[default]
    Generate,
}

impl Method {
    /// Its name in records and on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Score => "score",
            Self::Generate => "generate",
        }
    }
}

/// Whether a beginning-of-sequence token goes before the prompt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Bos {
    /// As the model's tokenizer does.
    #[default]
    Auto,
    /// Yes.
    Always,
    /// No.
    Never,
}

/// How prompts are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How the answer is found.
    pub method: Method,
    /// Whether only the two bit symbols compete, not the whole vocabulary.
    pub constrained: bool,
    /// Whether a beginning-of-sequence token goes before the prompt.
    pub bos: Bos,
    /// With [`Method::Score`]: whether a wrong answer is decoded to its end, or ends with its first wrong symbol.
    pub complete: bool,
}

impl Settings {
    /// Empty batches for prompts that are answered with these settings.
    fn batches<T>(self) -> Batches<T> {
        let reads = match self.method {
            Method::Generate => ReadMode::Prompt,
            Method::Score => ReadMode::TeacherForced {
                complete: self.complete,
            },
        };
        Batches::new(reads)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            method: Method::default(),
            constrained: false,
            bos: Bos::default(),
            complete: true,
        }
    }
}

/// A place in a prompt where an answer is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EvalPoint<'a> {
    /// Where the answer begins, in symbols. At the prompt's end, the answer follows the prompt. Anywhere else, the
    /// prompt holds the target there, because later points must see it.
    pub start: usize,
    /// The encoded target, which also gives the answer's length.
    pub target: &'a str,
}

/// One encoded prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// The text; each symbol is one token.
    pub prompt: &'a str,
    /// The places to answer, in ascending order, without overlap: one at the end, or several in a nested prompt.
    pub points: &'a [EvalPoint<'a>],
    /// The prompt's symbols.
    pub symbols: Symbols<'a>,
}

/// SHA-256 in hexadecimal of a model's graph, followed by its external data in the order of their names.
///
/// # Errors
/// [`Error::Model`] if there is no ONNX model, [`Error::Io`] if a file cannot be read.
pub fn sha256(model: &Path) -> Result<String> {
    crate::digest::sha256(&contents(&Folder::find(model)?.graph)?.files)
}

/// A model in memory, ready to answer.
pub struct OnnxModel {
    /// The model's card, which says who the model is.
    pub card: Card,
    config: Config,
    vocabulary: Vocabulary,
    engine: Engine,
    /// The model's attention window, if its graph does not apply it.
    lost_window: Option<usize>,
    /// The operators that make a token's logits depend on what else its call reads, if there are any.
    pub inexact: Option<String>,
    /// The runtime that runs it.
    pub runtime: &'static Runtime,
    /// The device it runs on and why it was chosen, for stderr and the provenance.
    pub device: ChosenDevice,
}

impl OnnxModel {
    /// Loads a model: a folder, or one of its graphs.
    ///
    /// # Errors
    /// [`Error::Model`] naming what is missing or not as expected: runtime, device, file, graph.
    pub fn load(model: &Path, options: &Options) -> Result<Self> {
        let folder = Folder::find(model)?;
        let (model, home) = (&folder.graph, &folder.home);
        let here = |error: Error| error.at(model.display());
        let card = Card::read(&folder)?;
        let config = Config::read(home)?;
        // Refuses bad external data before the runtime reads it.
        let contents = contents(model)?;
        if contents.slides {
            return Err(here(Error::model(
                "sliding_window_cache: its cache loses what is behind the window, so that no answer can go on from a prompt's \
                 beginning; build it with --extra_options windowed_kv_cache=false",
            )));
        }
        let inexact = contents
            .quantising
            .into_iter()
            .reduce(|all, next| all + ", " + &next);
        if let Some(operators) = inexact.as_ref().filter(|_| !options.allow_inexact) {
            return Err(Error::model(format!(
                "{}: dynamically quantised ({operators}): a token's logits depend on what else is read in its call, so that \
                 answers depend on method and batch; take a graph that is not, or --allow-inexact with --method generate{}",
                model.display(),
                folder::others(model)
            )));
        }
        let bytes = (contents.files.iter())
            .filter_map(|file| Some(file.metadata().ok()?.len()))
            .sum();
        let needs = ModelNeeds {
            made_for: card.device.as_deref(),
            weights: card.weights.as_deref(),
            bytes,
        };
        let runtime = Runtime::get(options.ort_lib.as_deref())?;
        let open = |builder: &mut SessionBuilder| builder.commit_from_file(model);
        let (session, device) = runtime.open_for(options, needs, &open).map_err(here)?;
        let graph = Graph::recognise(&ports(session.inputs()), &ports(session.outputs()), &config)
            .map_err(here)?;
        config.check_tokens(graph.vocab).map_err(here)?;
        let vocabulary = Vocabulary::read(home, &card, &config, graph.vocab)?;
        let free = device.device.cuda().and_then(free_memory);
        let is_whole = inexact.is_some() || graph.reads_whole();
        let limits = Limits::of(device.device, free).with(options, is_whole);
        let engine = Engine::new(session, graph, limits, device.device)?;
        Ok(Self {
            lost_window: config.window.filter(|_| contents.is_without_window),
            card,
            config,
            vocabulary,
            engine,
            inexact,
            runtime,
            device,
        })
    }

    /// Whether prompts get a beginning-of-sequence token under this setting.
    ///
    /// # Errors
    /// [`Error::Usage`] for [`Bos::Always`] if the model has no such token. [`Error::Model`] for [`Bos::Auto`] if
    /// prompts cannot begin as the model's tokenizer begins a text.
    pub fn puts_bos(&self, bos: Bos) -> Result<bool> {
        Ok(!self.before(bos)?.is_empty())
    }

    /// The tokens that go before a prompt.
    fn before(&self, bos: Bos) -> Result<Vec<u32>> {
        match bos {
            Bos::Auto => self.vocabulary.leading.clone().map_err(Error::model),
            Bos::Never => Ok(Vec::new()),
            Bos::Always => self.config.bos.map(|id| vec![id]).ok_or_else(|| {
                Error::usage(format!(
                    "--bos always: config.json of {} has no \"bos_token_id\"",
                    self.card.name
                ))
            }),
        }
    }

    /// Answers a prompt at each of its points, in their order.
    ///
    /// # Errors
    /// [`Error::Data`] for a prompt that this model cannot read: a symbol that is not one token, too many tokens,
    /// points that do not match the prompt. [`Error::Model`] if the graph does not do what its signature promises.
    pub fn answer(&mut self, request: &Request<'_>, settings: &Settings) -> Result<Vec<Answer>> {
        let mut batches = settings.batches();
        batches.push((), self.sequence(request, *settings)?);
        let mut answers = Vec::new();
        while !batches.is_empty() {
            let done = self.work(&mut batches)?;
            let done = done.iter().flat_map(|((), decoded)| decoded);
            answers.extend(done.map(|one| self.text(one, request.symbols)));
        }
        Ok(answers)
    }

    /// Answers the next batch. Returns the prompts that are done.
    fn work<T>(&mut self, batches: &mut Batches<T>) -> Result<Vec<(T, Vec<Decoded>)>> {
        batches
            .work(&mut self.engine, &self.config.eos)
            .map_err(|error| error.at(&self.card.name))
    }

    fn text(&self, decoded: &Decoded, symbols: Symbols<'_>) -> Answer {
        let tokens = decoded.tokens.iter().map(|&id| self.vocabulary.text(id));
        Answer {
            output: symbols.output(tokens),
            logprob: decoded.logprob,
            margin: Some(decoded.margin).filter(|margin| margin.is_finite()),
            is_broken: decoded.is_broken,
        }
    }

    /// Checks a request and converts it to tokens.
    fn sequence(&mut self, request: &Request<'_>, settings: Settings) -> Result<Sequence> {
        let problem = if self.inexact.is_some() {
            Some("is dynamically quantised, so that its targets would change each other")
        } else if self.engine.graph.is_last_only {
            Some("gives logits of the last token only (prune_lm_head)")
        } else {
            None
        };
        if let Some(problem) = problem.filter(|_| settings.method != Method::Generate) {
            return Err(Error::usage(format!(
                "--method score: {} {problem}; use --method generate",
                self.card.name
            )));
        }
        let symbols = request.symbols;
        let prompt: Vec<&str> = symbols.split(request.prompt).collect();
        let mut tokens = self.before(settings.bos)?;
        let shift = tokens.len();
        for symbol in &prompt {
            tokens.push(self.vocabulary.id(symbol)?);
        }
        let mut places = Vec::with_capacity(request.points.len());
        let mut free = 0;
        for point in request.points {
            let target: Vec<&str> = symbols.split(point.target).collect();
            check(point.start, &target, &prompt, free, shift)?;
            free = point.start + target.len();
            let foreign = target
                .iter()
                .find(|&&symbol| symbol != symbols.zero && symbol != symbols.one);
            if let Some(symbol) = foreign.filter(|_| settings.constrained) {
                return Err(Error::data(format!(
                    "target {:?}: {symbol:?} is neither the symbol of 0 ({:?}) nor of 1 ({:?})",
                    point.target, symbols.zero, symbols.one
                )));
            }
            let target = target
                .iter()
                .map(|symbol| self.vocabulary.id(symbol))
                .collect::<Result<_>>()?;
            places.push(AnswerSpan {
                start: shift + point.start,
                target,
            });
        }
        let over = if settings.constrained {
            let mut pair = [
                self.vocabulary.id(symbols.zero)?,
                self.vocabulary.id(symbols.one)?,
            ];
            pair.sort_unstable();
            Candidates::Pair(pair)
        } else {
            Candidates::Vocabulary
        };
        if self.inexact.is_some() && places.iter().any(|place| place.start < tokens.len()) {
            return Err(Error::data(
                "a nested prompt: this graph is dynamically quantised, so that what stands behind an answer would change it",
            ));
        }
        let sequence = Sequence {
            tokens,
            places,
            over,
        };
        self.check_length(sequence.longest())?;
        Ok(sequence)
    }

    /// Checks that the model can read a text of `length` tokens.
    fn check_length(&self, length: usize) -> Result<()> {
        if let Some(window) = self.lost_window.filter(|&window| length > window) {
            return Err(Error::data(format!(
                "prompt and answer are {length} tokens, {} attends within a window of {window}, which its graph has lost",
                self.card.name
            )));
        }
        match self.card.max_positions.or(self.config.max_positions) {
            Some(longest) if length > longest => Err(Error::data(format!(
                "prompt and answer are {length} tokens, {} reads at most {longest}",
                self.card.name
            ))),
            _ => Ok(()),
        }
    }
}

/// A model with the settings of a run.
pub struct Onnx {
    model: OnnxModel,
    settings: Settings,
    threads: usize,
    /// How often a batch did not fit into memory.
    halvings: u32,
}

impl Onnx {
    /// A predictor with these settings. `threads` is only reported, in [`measured`](Predictor::measured).
    #[must_use]
    pub fn new(model: OnnxModel, settings: Settings, threads: usize) -> Self {
        Self {
            model,
            settings,
            threads,
            halvings: 0,
        }
    }

    /// Checks a prompt and converts it to tokens.
    fn sequence(&mut self, prompt: &Prompt) -> Result<Sequence> {
        let points = points(prompt)?;
        let places: Vec<EvalPoint<'_>> = points
            .iter()
            .map(|point| EvalPoint {
                start: point.start,
                target: &point.answer,
            })
            .collect();
        let request = Request {
            prompt: &prompt.prompt,
            points: &places,
            symbols: prompt.symbols(),
        };
        self.model.sequence(&request, self.settings)
    }

    /// Answers the next batch.
    fn work(&mut self, batches: &mut Batches<Job>, jobs: &mut Jobs<'_>) -> Result<()> {
        for (job, decoded) in self.model.work(batches)? {
            let symbols = job.entry.record.symbols();
            let text = |one| self.model.text(one, symbols);
            let answers = decoded.iter().map(text).collect();
            jobs.done(job, answers)?;
        }
        Ok(())
    }
}

impl Predictor for Onnx {
    fn answer_all(&mut self, jobs: &mut Jobs<'_>) -> Result<()> {
        let mut batches: Batches<Job> = self.settings.batches();
        let fed = loop {
            let job = match jobs.next() {
                Ok(Some(job)) => job,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            };
            match self.sequence(&job.entry.record) {
                Ok(sequence) => batches.push(job, sequence),
                Err(error) => break Err(error.at(&job.entry.place)),
            }
            if batches.is_full() {
                self.work(&mut batches, jobs)?;
            }
        };
        // An unreadable prompt does not stop the prompts before it from being answered.
        while !batches.is_empty() {
            self.work(&mut batches, jobs)?;
        }
        self.halvings = batches.halvings;
        fed
    }

    fn measured(&self) -> Facts {
        let engine = &self.model.engine;
        [
            ("tokens", json!(engine.tokens_read)),
            ("runtime_seconds", json!(engine.time.as_secs_f64())),
            ("device", json!(self.model.device.device.to_string())),
            ("threads", json!(self.threads)),
            ("batch_tokens", json!(engine.limits.call_tokens())),
            ("batches_halved", json!(self.halvings)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}

fn ports<'a>(outlets: &'a [Outlet]) -> Vec<Port<'a>> {
    let port = |outlet: &'a Outlet| (outlet.name(), outlet.dtype());
    outlets.iter().map(port).collect()
}

/// Checks that an answer's place matches the prompt. `free` is the first symbol after all earlier answers; `shift` is
/// the number of tokens before the prompt.
fn check(start: usize, target: &[&str], prompt: &[&str], free: usize, shift: usize) -> Result<()> {
    let refuse = |problem: &str| Err(Error::data(format!("answer at symbol {start}: {problem}")));
    if target.is_empty() {
        return refuse("its target is empty");
    }
    if start < free {
        return refuse("answers must be in ascending order, apart from each other");
    }
    if start + shift == 0 {
        return refuse("nothing stands before it, and no beginning-of-sequence token either");
    }
    if start != prompt.len() && prompt.get(start..start + target.len()) != Some(target) {
        return refuse("the prompt does not hold the target there");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(
        start: usize,
        target: &str,
        free: usize,
        shift: usize,
    ) -> std::result::Result<(), String> {
        let target: Vec<&str> = target.split_inclusive(|_: char| true).collect();
        let prompt = ["0", "1", "1", "0", ",", "1"];
        check(start, &target, &prompt, free, shift).map_err(|error| error.to_string())
    }

    #[test]
    fn points_must_be_borne_out_by_the_prompt() {
        assert_eq!(checked(6, "11", 0, 0), Ok(()));
        assert_eq!(checked(2, "10", 0, 0), Ok(()));
        assert_eq!(checked(0, "01", 0, 1), Ok(()));
        for (start, target, free, problem) in [
            (0, "01", 0, "nothing stands before it"),
            (2, "11", 0, "does not hold the target"),
            (5, "11", 0, "does not hold the target"),
            (7, "1", 0, "does not hold the target"),
            (usize::MAX - 1, "1", 0, "does not hold the target"),
            (2, "", 0, "target is empty"),
            (2, "10", 3, "ascending order"),
        ] {
            let refused = checked(start, target, free, 0).unwrap_err();
            assert!(refused.contains(problem), "{start} {target}: {refused}");
        }
    }
}
