/*!
The record kinds, one table a stage: the columns of trials, prompts, predictions, scores, fits,
contrasts and suite listings. The JSON Schemas in `schemas` describe the same columns; a test holds them together.
*/

use super::check;
use crate::program::Bits;

words! {
    /// What the demonstrations show.
    enum Condition {
        /// The function's own outputs.
        Clean = "clean",
        /// The same outputs, permuted across the demonstrations: the mapping is destroyed.
        Deranged = "deranged",
    }
}

words! {
    /// How the shot counts of one curve share examples.
    enum Design {
        /// Every shot count has trials of its own: the paper's.
        Independent = "independent",
        /// One sequence of examples is read at every shot count.
        Nested = "nested",
    }
}

record! {
    /// A trial: demonstrations, a query and the target that a predictor should answer.
    struct Trial: "trial" {
        /// Unique among all trials of all seeds.
        trial_id: String,
        /// The hidden function, in dot notation.
        function: String,
        /// Width of the bitstrings.
        bits: u32,
        /// Clean or deranged demonstrations.
        condition: Condition,
        /// Number of demonstrations.
        shots: u32,
        /// Number of the trial within its function and shot count, from 0.
        trial: u32,
        /// The seed it was drawn from.
        seed: i64,
        /// Independent or nested shot counts.
        design: Design,
        /// The trial's constant, where the function uses one.
        constant: Option<Bits>,
        /// The demonstrations' inputs, in the order shown.
        inputs: Vec<Bits>,
        /// The demonstrations' outputs, as shown.
        outputs: Vec<Bits>,
        /// The input to answer.
        query: Bits,
        /// The function's output for the query.
        target: Bits,
        /// Demonstrations whose output the derangement left in place; null if clean.
        unchanged: Option<u32>,
        /// Nested: the shot counts at which the sequence is read.
        eval_shots: Option<Vec<u32>>,
    }
    check check::trial;
}

record! {
    /// A trial dressed in the symbols of a modality.
    struct Prompt: "prompt" {
        /// The columns of a trial.
        ..trial: Trial,
        /// The alphabet's name, or its characters.
        encoding: String,
        /// How one example is written.
        template: String,
        /// Text before the first example.
        prefix: String,
        /// The symbol of bit 0 in this trial.
        zero: String,
        /// The symbol of bit 1 in this trial.
        one: String,
        /// The symbol between examples; null where the template has none.
        separator: Option<String>,
        /// What the model reads; it ends where the answer begins.
        prompt: String,
        /// The encoded target, never shown.
        answer: String,
        /// Nested: where each answer of `eval_shots` begins in `prompt`, in symbols.
        answer_starts: Option<Vec<u32>>,
    }
    check check::prompt;
}

record! {
    /// A predictor's answer to one prompt (to one evaluation point of a nested one).
    struct Prediction: "prediction" {
        /// Unique; that of the trial, or of one point of a nested trial.
        trial_id: String,
        /// The nested trial that this point was read from; null if independent.
        sequence_id: Option<String>,
        /// The hidden function, in dot notation.
        function: String,
        /// Width of the bitstrings.
        bits: u32,
        /// Clean or deranged demonstrations.
        condition: Condition,
        /// Number of demonstrations before this query.
        shots: u32,
        /// Number of the trial within its function and shot count, from 0.
        trial: u32,
        /// The seed it was drawn from.
        seed: i64,
        /// Independent or nested shot counts.
        design: Design,
        /// The trial's constant, where the function uses one.
        constant: Option<Bits>,
        /// The demonstrations' inputs, in the order shown; left out by `--slim`.
        inputs: Option<Vec<Bits>>,
        /// The demonstrations' outputs, as shown; left out by `--slim`.
        outputs: Option<Vec<Bits>>,
        /// The input to answer.
        query: Bits,
        /// The function's output for the query.
        target: Bits,
        /// Demonstrations whose output the derangement left in place; null if clean.
        unchanged: Option<u32>,
        /// The alphabet's name, or its characters.
        encoding: String,
        /// How one example is written.
        template: String,
        /// Text before the first example.
        prefix: String,
        /// The symbol of bit 0 in this trial.
        zero: String,
        /// The symbol of bit 1 in this trial.
        one: String,
        /// The symbol between examples; null where the template has none.
        separator: Option<String>,
        /// What the model read; left out by `--slim`.
        prompt: Option<String>,
        /// The encoded target.
        answer: String,
        /// The predictor's name.
        model: String,
        /// `genomic`, `linguistic`, `protein`, ... or `baseline`.
        modality: Option<String>,
        /// Number of parameters; null if unknown.
        params: Option<f64>,
        /// `score`, `generate` or `builtin`.
        method: String,
        /// Whether only the two bit symbols competed.
        constrained: bool,
        /// Whether a beginning-of-sequence token was put before the prompt.
        bos: bool,
        /// The raw symbols answered.
        output: String,
        /// Their bits up to the first foreign symbol or the end; may be short.
        prediction: Bits,
        /// Whether the prediction has not exactly `bits` bits.
        malformed: bool,
        /// Whether the prediction equals the target.
        correct: bool,
        /// Sum of ln p(target symbol | target prefix), in nats; null if the engine gives none.
        answer_logprob: Option<f64>,
        /// Smallest gap between the best two logits along the answer.
        margin: Option<f64>,
    }
    check check::prediction;
}

/// The columns of a prediction that `infer --slim` leaves out.
pub const SLIM: &[&str] = &["inputs", "outputs", "prompt"];

record! {
    /// The columns of a prediction that say whose it is and whether it is right.
    struct Verdict: "prediction" {
        /// Unique; that of the trial, or of one point of a nested trial.
        trial_id: String,
        /// The nested trial that this point was read from.
        sequence_id: Option<String>,
        /// The hidden function, in dot notation.
        function: String,
        /// Width of the bitstrings.
        bits: u32,
        /// Clean or deranged demonstrations.
        condition: Condition,
        /// Number of demonstrations before this query.
        shots: u32,
        /// Number of the trial within its function and shot count.
        trial: u32,
        /// Independent or nested shot counts.
        design: Design,
        /// The function's output for the query.
        target: Bits,
        /// The alphabet's name, or its characters.
        encoding: Option<String>,
        /// How one example is written.
        template: Option<String>,
        /// The predictor's name.
        model: String,
        /// The modality it was trained on.
        modality: Option<String>,
        /// Number of parameters.
        params: Option<f64>,
        /// How the answer was made.
        method: Option<String>,
        /// Whether only the two bit symbols competed.
        constrained: Option<bool>,
        /// Whether a beginning-of-sequence token was put before the prompt.
        bos: Option<bool>,
        /// The answered bits; may be short.
        prediction: Bits,
        /// Whether the prediction equals the target.
        correct: bool,
    }
    check check::verdict;
}

record! {
    /// The columns of a prediction that scoring reads.
    struct Outcome: "prediction" {
        /// The columns of a verdict.
        ..verdict: Verdict,
        /// The demonstrations' inputs.
        inputs: Option<Vec<Bits>>,
        /// The demonstrations' outputs.
        outputs: Option<Vec<Bits>>,
        /// The input to answer.
        query: Bits,
        /// Sum of ln p(target symbol | target prefix), in nats.
        answer_logprob: Option<f64>,
    }
    check check::outcome;
}

record! {
    /// What is kept fixed along one curve: a cell without its shot count. Nothing is pooled
    /// across cells.
    struct CurveKey: "curve" {
        /// The predictor's name.
        model: String,
        /// The modality it was trained on.
        modality: Option<String>,
        /// The alphabet's name, or its characters.
        encoding: Option<String>,
        /// How one example is written.
        template: Option<String>,
        /// Width of the bitstrings.
        bits: Option<u32>,
        /// Clean or deranged demonstrations.
        condition: Option<Condition>,
        /// Independent or nested shot counts.
        design: Option<Design>,
        /// How the answer was made.
        method: Option<String>,
        /// Whether only the two bit symbols competed.
        constrained: Option<bool>,
        /// Whether a beginning-of-sequence token was put before the prompt.
        bos: Option<bool>,
    }
}

impl CurveKey {
    /// Whether it is a baseline's that `infer` has built in: a control, none of the models compared.
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.method.as_deref() == Some("builtin")
    }
}

record! {
    /// Accuracy and errors of one cell, of one function in it (`--by task`), or of its functions of
    /// one complexity (`--by bitload`, `--by bitdiversity`).
    struct Score: "score" {
        /// The columns of a curve.
        ..curve: CurveKey,
        /// Number of demonstrations.
        shots: u32,
        /// `--by task`: the function.
        function: Option<String>,
        /// `--by task`, `--by bitload`: number of input bits that matter.
        bitload: Option<u32>,
        /// `--by task`: mean minority bits of the outputs; `--by bitdiversity`: from here to 0.5
        /// more.
        bitdiversity: Option<f64>,
        /// Number of parameters; null if unknown.
        params: Option<f64>,
        /// Number of functions.
        tasks: Option<u32>,
        /// Number of predictions.
        trials: Option<u32>,
        /// Mean over functions of the share of exact matches.
        accuracy: f64,
        /// Its error by the two-stage cluster bootstrap; null of a cell with one function.
        se: Option<f64>,
        /// 2.5 % percentile of the bootstrap.
        ci_low: Option<f64>,
        /// 97.5 % percentile of the bootstrap.
        ci_high: Option<f64>,
        /// accuracy - 1.96 se.
        normal_low: Option<f64>,
        /// accuracy + 1.96 se.
        normal_high: Option<f64>,
        /// Task-cluster error: sd of the functions' accuracies (ddof 1) / sqrt(functions).
        task_se: Option<f64>,
        /// Expected accuracy of the mode baseline on the same trials.
        mode_accuracy: Option<f64>,
        /// Its bootstrap error.
        mode_se: Option<f64>,
        /// (accuracy - `mode_accuracy`) / sqrt(se^2 + `mode_se`^2).
        z_mode: Option<f64>,
        /// One-sided p of `z_mode`.
        p_mode: Option<f64>,
        /// One-sided p of the paired bootstrap of the difference.
        p_mode_paired: Option<f64>,
        /// Share of malformed answers.
        malformed: Option<f64>,
        /// Mean Levenshtein distance of prediction and target, in bits.
        edit_distance: Option<f64>,
        /// Mean `answer_logprob`, in nats.
        answer_logprob: Option<f64>,
        /// Perplexity of a target's symbol: exp(-`answer_logprob` / bits).
        perplexity: Option<f64>,
        /// Targets that are all zeros or all ones.
        zero_bd_targets: Option<u32>,
        /// Whole predictions that are all zeros or all ones.
        zero_bd_predictions: Option<u32>,
        /// Correct predictions with such a target.
        correct_zero_bd: Option<u32>,
        /// Correct predictions with any other target.
        correct_other: Option<u32>,
        /// Wrong answers that another function of the suite, true to all demonstrations, gives.
        understandable: Option<u32>,
    }
    check check::score;
    brief [
        "model", "modality", "encoding", "template", "bits", "condition", "design", "method",
        "constrained", "bos", "shots", "function", "bitload", "tasks", "trials", "accuracy", "se",
        "ci_low", "ci_high", "mode_accuracy", "p_mode_paired", "malformed",
    ];
}

words! {
    /// What a wrong answer is like; it may be like several.
    enum ErrorKind {
        /// Not exactly as many bits as asked for.
        Malformed = "malformed",
        /// What another function of the suite gives that agrees with all demonstrations.
        Rival = "rival",
        /// The most frequent output among the demonstrations (any of them, if several are).
        Mode = "mode",
        /// An output of the demonstrations.
        Demonstration = "demonstration",
        /// The query.
        Query = "query",
        /// The target but for one bit.
        OneBit = "one_bit",
        /// None of these.
        Other = "other",
    }
}

record! {
    /// One kind of wrong answers in one cell (`--errors`).
    struct ErrorShare: "error" {
        /// The columns of a curve.
        ..curve: CurveKey,
        /// Number of demonstrations.
        shots: u32,
        /// Number of parameters; null if unknown.
        params: Option<f64>,
        /// The kind.
        kind: ErrorKind,
        /// Number of predictions.
        trials: u32,
        /// Wrong ones among them.
        wrong: u32,
        /// Wrong answers of this kind; an answer may be of several. Null where it cannot be told.
        count: Option<u32>,
        /// Their share of the wrong answers.
        share: Option<f64>,
        /// The share to expect if every whole wrong answer were drawn uniformly from all wrong
        /// strings.
        chance: Option<f64>,
        /// Wrong answers counted once each, under the first kind that fits.
        counted_once: Option<u32>,
    }
    brief [
        "model", "modality", "encoding", "template", "bits", "condition", "design", "method",
        "constrained", "bos", "shots", "kind", "trials", "wrong", "count", "share", "chance",
        "counted_once",
    ];
}

record! {
    /// A design that would give a cell's accuracy the standard error wanted (`--power`).
    struct Power: "power" {
        /// The columns of a curve.
        ..curve: CurveKey,
        /// Number of demonstrations.
        shots: u32,
        /// Number of functions now.
        tasks: u32,
        /// Mean number of trials of a function now.
        trials: f64,
        /// Bootstrap error now, in closed form.
        se: f64,
        /// Standard deviation of accuracy between functions, without the noise of trials.
        between: f64,
        /// Standard deviation of a trial within its function.
        within: f64,
        /// The error wanted.
        wanted_se: f64,
        /// Trials a function that would be enough for the functions there are; null if no number
        /// is.
        trials_enough: Option<u32>,
        /// This design's trials a function.
        design_trials: u32,
        /// The functions that it needs; null where 2^31 are not enough.
        design_tasks: Option<u32>,
        /// Their product.
        design_predictions: Option<f64>,
        /// The error to expect of it.
        design_se: Option<f64>,
    }
    brief [
        "model", "modality", "encoding", "template", "bits", "condition", "design", "method",
        "constrained", "bos", "shots", "tasks", "trials", "se", "between", "within", "wanted_se",
        "trials_enough", "design_trials", "design_tasks", "design_predictions", "design_se",
    ];
}

record! {
    /// The log-linear fit of one curve: accuracy = a0 + a1 ln(shots).
    struct Fit: "fit" {
        /// The columns of a curve.
        ..curve: CurveKey,
        /// Number of parameters; null if unknown.
        params: Option<f64>,
        /// Accuracy at one shot.
        a0: f64,
        /// Its standard error.
        a0_se: Option<f64>,
        /// Gain in accuracy per unit of ln(shots): ICL efficacy.
        a1: f64,
        /// Its standard error.
        a1_se: Option<f64>,
        /// a1 / `a1_se`; null where the error is 0, and for nested curves, whose points are
        /// correlated.
        t: Option<f64>,
        /// Shot counts - 2; null for nested curves.
        df: Option<u32>,
        /// One-sided p of a1 > 0: of t, or of the bootstrap for nested curves.
        p: Option<f64>,
        /// Share of variance explained.
        r2: Option<f64>,
        /// Number of shot counts.
        points: u32,
        /// 2.5 % bootstrap percentile of a1; null unless predictions were read.
        a1_ci_low: Option<f64>,
        /// 97.5 % bootstrap percentile of a1; null unless predictions were read.
        a1_ci_high: Option<f64>,
        /// Intercept of the regression over single trials; null unless predictions were read.
        trial_a0: Option<f64>,
        /// Its error, robust to clusters (functions): CR1.
        trial_a0_se: Option<f64>,
        /// Slope of the regression over single trials.
        trial_a1: Option<f64>,
        /// Its error, robust to clusters (functions): CR1.
        trial_a1_se: Option<f64>,
        /// `trial_a1` / `trial_a1_se`.
        trial_t: Option<f64>,
        /// Functions - 1.
        trial_df: Option<u32>,
        /// One-sided p of `trial_t`.
        trial_p: Option<f64>,
    }
    brief [
        "model", "modality", "encoding", "template", "bits", "condition", "design", "method",
        "constrained", "bos", "a0", "a0_se", "a1", "a1_se", "a1_ci_low", "a1_ci_high", "t", "df",
        "p", "r2", "points", "trial_a1_se", "trial_p",
    ];
}

record! {
    /// Clean against deranged demonstrations: one model at one shot count, or one function there
    /// (`--by task`).
    struct Contrast: "contrast" {
        /// The predictor's name.
        model: String,
        /// The modality it was trained on.
        modality: Option<String>,
        /// Number of parameters; null if unknown.
        params: Option<f64>,
        /// The alphabet's name, or its characters.
        encoding: Option<String>,
        /// How one example is written.
        template: Option<String>,
        /// Width of the bitstrings.
        bits: Option<u32>,
        /// Independent or nested shot counts.
        design: Option<Design>,
        /// How the answer was made.
        method: Option<String>,
        /// Whether only the two bit symbols competed.
        constrained: Option<bool>,
        /// Whether a beginning-of-sequence token was put before the prompt.
        bos: Option<bool>,
        /// Number of demonstrations.
        shots: u32,
        /// `--by task`: the function.
        function: Option<String>,
        /// `--by task`: number of input bits that matter.
        bitload: Option<u32>,
        /// `--by task`: mean minority bits of the outputs.
        bitdiversity: Option<f64>,
        /// Number of functions.
        tasks: u32,
        /// Number of predictions with clean demonstrations.
        trials: u32,
        /// Mean over functions of the accuracy with clean demonstrations.
        clean_accuracy: f64,
        /// The same with deranged ones.
        deranged_accuracy: f64,
        /// Mean over functions of their difference, clean less deranged.
        gap: f64,
        /// Its paired error: sd of the differences (ddof 1) / sqrt(functions).
        gap_se: Option<f64>,
        /// gap - 1.96 `gap_se`.
        ci_low: Option<f64>,
        /// gap + 1.96 `gap_se`.
        ci_high: Option<f64>,
        /// Functions with a gap above 0.
        up: u32,
        /// Functions without one.
        equal: u32,
        /// Functions with a gap below 0.
        down: u32,
        /// Exact one-sided p of the condition-swap test; null where trials are unequal.
        p_swap: Option<f64>,
        /// gap / `gap_se`.
        t: Option<f64>,
        /// One-sided p of t, functions - 1 degrees of freedom.
        p_t: Option<f64>,
        /// `p_swap` after Holm's correction over the models, each at its largest shot count; null
        /// at the others, and of controls.
        p_holm: Option<f64>,
        /// The same after Benjamini and Hochberg's correction.
        p_bh: Option<f64>,
    }
    check check::contrast;
    brief [
        "model", "modality", "encoding", "template", "bits", "design", "method", "constrained",
        "bos", "shots", "function", "bitload", "tasks", "clean_accuracy", "deranged_accuracy",
        "gap", "ci_low", "ci_high", "up", "equal", "down", "p_swap", "p_t", "p_holm", "p_bh",
    ];
}

record! {
    /// Two models by name: what every row about a pair begins with.
    struct PairKey: "pair" {
        /// The first predictor's name.
        model_a: String,
        /// The modality that it was trained on.
        modality_a: Option<String>,
        /// Its alphabet's name, or its characters.
        encoding_a: Option<String>,
        /// The second predictor's name.
        model_b: String,
        /// The modality that it was trained on.
        modality_b: Option<String>,
        /// Its alphabet's name, or its characters.
        encoding_b: Option<String>,
        /// Width of the bitstrings.
        bits: Option<u32>,
    }
}

record! {
    /// Two models, function by function: gap, tests, and what their best functions share.
    struct Versus: "versus" {
        /// The columns of a pair of models.
        ..pair: PairKey,
        /// Clean or deranged demonstrations.
        condition: Option<Condition>,
        /// Number of demonstrations: the largest that both have.
        shots: u32,
        /// Number of functions.
        tasks: u32,
        /// Mean accuracy of the first.
        accuracy_a: f64,
        /// Mean accuracy of the second.
        accuracy_b: f64,
        /// Mean over functions of their difference, first less second.
        gap: f64,
        /// Its paired error: sd of the differences (ddof 1) / sqrt(functions).
        gap_se: Option<f64>,
        /// gap - 1.96 `gap_se`.
        ci_low: Option<f64>,
        /// gap + 1.96 `gap_se`.
        ci_high: Option<f64>,
        /// Functions at which the first is better.
        up: u32,
        /// Functions at which they are equal.
        equal: u32,
        /// Functions at which the second is better.
        down: u32,
        /// Exact two-sided p of the swap test; null where trials are unequal.
        p_swap: Option<f64>,
        /// gap / `gap_se`.
        t: Option<f64>,
        /// Two-sided p of t, functions - 1 degrees of freedom.
        p_t: Option<f64>,
        /// `p_swap` after Holm's correction over the pairs; null of a pair with a control.
        p_holm: Option<f64>,
        /// The same after Benjamini and Hochberg's correction.
        p_bh: Option<f64>,
        /// Length of the lists of best functions.
        top: u32,
        /// Functions in both lists.
        shared: u32,
        /// `shared` over the number of functions in either.
        iou: f64,
        /// Functions left out of the first's list that are as accurate as its last.
        tied_a: u32,
        /// Functions left out of the second's list that are as accurate as its last.
        tied_b: u32,
    }
    check check::versus;
}

words! {
    /// Whose list of best functions a function is in.
    enum Listed {
        /// In both.
        Both = "both",
        /// In the first's only.
        A = "a",
        /// In the second's only.
        B = "b",
    }
}

words! {
    /// One of two models.
    enum Side {
        /// The first.
        A = "a",
        /// The second.
        B = "b",
    }
}

record! {
    /// One function of a pair of models.
    struct VersusTask: "versus-task" {
        /// The columns of a pair of models.
        ..pair: PairKey,
        /// Clean or deranged demonstrations.
        condition: Option<Condition>,
        /// Number of demonstrations: the largest that both have.
        shots: u32,
        /// The function.
        function: String,
        /// Number of input bits that matter.
        bitload: u32,
        /// Mean minority bits of the outputs.
        bitdiversity: f64,
        /// Accuracy of the first.
        accuracy_a: f64,
        /// Accuracy of the second.
        accuracy_b: f64,
        /// Their difference, first less second.
        gap: f64,
        /// Place by the first's accuracy, from 1; equal ones by name.
        rank_a: u32,
        /// Place by the second's accuracy.
        rank_b: u32,
        /// Whose list of best functions it is in; null if in neither.
        best: Option<Listed>,
        /// The model that it favours, if it is among the functions that do most; null if not.
        favours: Option<Side>,
    }
}

record! {
    /// How alike two models' profiles of per-function gaps are.
    struct Similarity: "similarity" {
        /// The columns of a pair of models.
        ..pair: PairKey,
        /// The first's largest shot count.
        shots_a: u32,
        /// The second's largest shot count.
        shots_b: u32,
        /// Number of functions.
        tasks: u32,
        /// Spearman's rank correlation of the gaps; null where all gaps of a model are equal.
        rho: Option<f64>,
        /// Number of permutations.
        permutations: u32,
        /// One-sided permutation p of rho > 0.
        p: Option<f64>,
        /// p after Holm's correction over the pairs; null of a pair with a control.
        p_holm: Option<f64>,
        /// The same after Benjamini and Hochberg's correction.
        p_bh: Option<f64>,
    }
}

record! {
    /// How surely demonstrations tell a function from its rivals.
    struct Identifiability: "identifiability" {
        /// Width of the bitstrings.
        bits: u32,
        /// Number of demonstrations.
        shots: u32,
        /// `--by task`: the function.
        function: Option<String>,
        /// `--by task`: number of input bits that matter.
        bitload: Option<u32>,
        /// Number of functions.
        tasks: u32,
        /// Lower bound of the probability that every function true to all demonstrations is right
        /// at the query; averaged over functions.
        identified: f64,
        /// The smallest among the functions.
        worst: Option<f64>,
        /// The function that has it.
        worst_function: Option<String>,
    }
}

words! {
    /// What is regressed on ln(params).
    enum Quantity {
        /// Mean accuracy at one shot count.
        Accuracy = "accuracy",
        /// Intercept of the log-linear fits.
        A0 = "a0",
        /// Slope of the log-linear fits.
        A1 = "a1",
    }
}

record! {
    /// A quantity against ln(params) over the models of one family (`--families`).
    struct Scaling: "scaling" {
        /// The family's name; null where the models have no modality.
        family: Option<String>,
        /// The alphabet's name, or its characters.
        encoding: Option<String>,
        /// How one example is written.
        template: Option<String>,
        /// Width of the bitstrings.
        bits: Option<u32>,
        /// Clean or deranged demonstrations.
        condition: Option<Condition>,
        /// Independent or nested shot counts.
        design: Option<Design>,
        /// How the answers were made.
        method: Option<String>,
        /// Whether only the two bit symbols competed.
        constrained: Option<bool>,
        /// Whether a beginning-of-sequence token was put before the prompts.
        bos: Option<bool>,
        /// What is regressed.
        quantity: Quantity,
        /// Number of demonstrations; null for a0 and a1.
        shots: Option<u32>,
        /// Number of models.
        models: u32,
        /// Where the line is at ln(params) = 0.
        intercept: f64,
        /// Change per unit of ln(params).
        slope: f64,
        /// Its standard error; null with two models, or where the quantity does not vary.
        slope_se: Option<f64>,
        /// slope / `slope_se`; null where the error is 0.
        t: Option<f64>,
        /// Models - 2.
        df: Option<u32>,
        /// One-sided p of slope > 0.
        p: Option<f64>,
        /// Share of variance explained.
        r2: Option<f64>,
    }
}

record! {
    /// A program of a suite and its measures.
    struct Listing: "listing" {
        /// The program, in dot notation.
        function: String,
        /// Number of input bits that matter.
        bitload: u32,
        /// Mean minority bits of the outputs.
        bitdiversity: f64,
        /// Share of outputs that are all zeros or all ones.
        zero_bd: f64,
        /// First 16 hexadecimal digits of the SHA-256 of its truth table.
        table_hash: String,
    }
}

record! {
    /// The columns of a score that a fit reads.
    struct Mean: "score" {
        /// The columns of a curve.
        ..curve: CurveKey,
        /// Number of demonstrations.
        shots: u32,
        /// The function, where the score is that of one.
        function: Option<String>,
        /// Number of parameters; null if unknown.
        params: Option<f64>,
        /// Mean accuracy.
        accuracy: f64,
        /// Its error.
        se: Option<f64>,
    }
    check check::mean;
}
