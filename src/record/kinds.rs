/*!
The record kinds, one table a stage: the columns of trials, prompts, predictions, scores, fits,
contrasts and suite listings. The JSON Schemas in `schemas` describe the same columns; a test holds them together.
*/

use super::check;
use crate::program::Bits;

words! {
    /// What the demonstrations show.
    enum Condition {
        Clean = "clean", "The function's own outputs.";
        Deranged = "deranged", "The same outputs, permuted across the demonstrations: the mapping is destroyed.";
    }
}

words! {
    /// How the shot counts of one curve share examples.
    enum Design {
        Independent = "independent", "Every shot count has trials of its own: the paper's.";
        Nested = "nested", "One sequence of examples is read at every shot count.";
    }
}

record! {
    /// A trial: demonstrations, a query and the target that a predictor should answer.
    struct Trial: "trial" {
        trial_id: String, "Unique among all trials of all seeds.";
        function: String, "The hidden function, in dot notation.";
        bits: u32, "Width of the bitstrings.";
        condition: Condition, "Clean or deranged demonstrations.";
        shots: u32, "Number of demonstrations.";
        trial: u32, "Number of the trial within its function and shot count, from 0.";
        seed: i64, "The seed it was drawn from.";
        design: Design, "Independent or nested shot counts.";
        constant: Option<Bits>, "The trial's constant, where the function uses one.";
        inputs: Vec<Bits>, "The demonstrations' inputs, in the order shown.";
        outputs: Vec<Bits>, "The demonstrations' outputs, as shown.";
        query: Bits, "The input to answer.";
        target: Bits, "The function's output for the query.";
        unchanged: Option<u32>, "Demonstrations whose output the derangement left in place; null if clean.";
        eval_shots: Option<Vec<u32>>, "Nested: the shot counts at which the sequence is read.";
    }
    check check::trial;
}

record! {
    /// A trial dressed in the symbols of a modality.
    struct Prompt: "prompt" {
        ..trial: Trial, "The columns of a trial.";
        encoding: String, "The alphabet's name, or its characters.";
        template: String, "How one example is written.";
        prefix: String, "Text before the first example.";
        zero: String, "The symbol of bit 0 in this trial.";
        one: String, "The symbol of bit 1 in this trial.";
        separator: Option<String>, "The symbol between examples; null where the template has none.";
        prompt: String, "What the model reads; it ends where the answer begins.";
        answer: String, "The encoded target, never shown.";
        answer_starts: Option<Vec<u32>>, "Nested: where each answer of `eval_shots` begins in `prompt`, in symbols.";
    }
    check check::prompt;
}

record! {
    /// A predictor's answer to one prompt (to one evaluation point of a nested one).
    struct Prediction: "prediction" {
        trial_id: String, "Unique; that of the trial, or of one point of a nested trial.";
        sequence_id: Option<String>, "The nested trial that this point was read from; null if independent.";
        function: String, "The hidden function, in dot notation.";
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
        encoding: String, "The alphabet's name, or its characters.";
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
        output: String, "The raw symbols answered.";
        prediction: Bits, "Their bits up to the first foreign symbol or the end; may be short.";
        malformed: bool, "Whether the prediction has not exactly `bits` bits.";
        correct: bool, "Whether the prediction equals the target.";
        answer_logprob: Option<f64>,
            "Sum of ln p(target symbol | target prefix), in nats; null if the engine gives none.";
        margin: Option<f64>, "Smallest gap between the best two logits along the answer.";
    }
    check check::prediction;
}

/// The columns of a prediction that `infer --slim` leaves out.
pub const SLIM: &[&str] = &["inputs", "outputs", "prompt"];

record! {
    /// The columns of a prediction that say whose it is and whether it is right.
    struct Verdict: "prediction" {
        trial_id: String, "Unique; that of the trial, or of one point of a nested trial.";
        sequence_id: Option<String>, "The nested trial that this point was read from.";
        function: String, "The hidden function, in dot notation.";
        bits: u32, "Width of the bitstrings.";
        condition: Condition, "Clean or deranged demonstrations.";
        design: Design, "Independent or nested shot counts.";
        ..curve: CurveKey, "The curve that it is a point of: of the same columns, but none is required.";
        shots: u32, "Number of demonstrations before this query.";
        trial: u32, "Number of the trial within its function and shot count.";
        target: Bits, "The function's output for the query.";
        params: Option<f64>, "Number of parameters.";
        prediction: Bits, "The answered bits; may be short.";
        correct: bool, "Whether the prediction equals the target.";
    }
    check check::verdict;
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
    check check::outcome;
}

record! {
    /// What is kept fixed along one curve: a cell without its shot count. Nothing is pooled
    /// across cells.
    struct CurveKey: "curve" {
        model: String, "The predictor's name.";
        modality: Option<String>, "The modality it was trained on.";
        encoding: Option<String>, "The alphabet's name, or its characters.";
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
        ..curve: CurveKey, "The columns of a curve.";
        shots: u32, "Number of demonstrations.";
        function: Option<String>, "`--by task`: the function.";
        bitload: Option<u32>, "`--by task`, `--by bitload`: number of input bits that matter.";
        bitdiversity: Option<f64>,
            "`--by task`: mean minority bits of the outputs; `--by bitdiversity`: from here to 0.5 more.";
        params: Option<f64>, "Number of parameters; null if unknown.";
        tasks: Option<u32>, "Number of functions.";
        trials: Option<u32>, "Number of predictions.";
        accuracy: f64, "Mean over functions of the share of exact matches.";
        se: Option<f64>, "Its error by the two-stage cluster bootstrap; null of a cell with one function.";
        ci_low: Option<f64>, "2.5 % percentile of the bootstrap.";
        ci_high: Option<f64>, "97.5 % percentile of the bootstrap.";
        normal_low: Option<f64>, "accuracy - 1.96 se.";
        normal_high: Option<f64>, "accuracy + 1.96 se.";
        task_se: Option<f64>, "Task-cluster error: sd of the functions' accuracies (ddof 1) / sqrt(functions).";
        mode_accuracy: Option<f64>, "Expected accuracy of the mode baseline on the same trials.";
        mode_se: Option<f64>, "Its bootstrap error.";
        z_mode: Option<f64>, "(accuracy - `mode_accuracy`) / sqrt(se^2 + `mode_se`^2).";
        p_mode: Option<f64>, "One-sided p of `z_mode`.";
        p_mode_paired: Option<f64>, "One-sided p of the paired bootstrap of the difference.";
        malformed: Option<f64>, "Share of malformed answers.";
        edit_distance: Option<f64>, "Mean Levenshtein distance of prediction and target, in bits.";
        answer_logprob: Option<f64>, "Mean `answer_logprob`, in nats.";
        perplexity: Option<f64>, "Perplexity of a target's symbol: exp(-`answer_logprob` / bits).";
        zero_bd_targets: Option<u32>, "Targets that are all zeros or all ones.";
        zero_bd_predictions: Option<u32>, "Whole predictions that are all zeros or all ones.";
        correct_zero_bd: Option<u32>, "Correct predictions with such a target.";
        correct_other: Option<u32>, "Correct predictions with any other target.";
        understandable: Option<u32>,
            "Wrong answers that another function of the suite, true to all demonstrations, gives.";
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
        Malformed = "malformed", "Not exactly as many bits as asked for.";
        Rival = "rival", "What another function of the suite gives that agrees with all demonstrations.";
        Mode = "mode", "The most frequent output among the demonstrations (any of them, if several are).";
        Demonstration = "demonstration", "An output of the demonstrations.";
        Query = "query", "The query.";
        OneBit = "one_bit", "The target but for one bit.";
        Other = "other", "None of these.";
    }
}

record! {
    /// One kind of wrong answers in one cell (`--errors`).
    struct ErrorShare: "error" {
        ..curve: CurveKey, "The columns of a curve.";
        shots: u32, "Number of demonstrations.";
        params: Option<f64>, "Number of parameters; null if unknown.";
        kind: ErrorKind, "The kind.";
        trials: u32, "Number of predictions.";
        wrong: u32, "Wrong ones among them.";
        count: Option<u32>, "Wrong answers of this kind; an answer may be of several. Null where it cannot be told.";
        share: Option<f64>, "Their share of the wrong answers.";
        chance: Option<f64>,
            "The share to expect if every whole wrong answer were drawn uniformly from all wrong strings.";
        counted_once: Option<u32>, "Wrong answers counted once each, under the first kind that fits.";
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
        ..curve: CurveKey, "The columns of a curve.";
        shots: u32, "Number of demonstrations.";
        tasks: u32, "Number of functions now.";
        trials: f64, "Mean number of trials of a function now.";
        se: f64, "Bootstrap error now, in closed form.";
        between: f64, "Standard deviation of accuracy between functions, without the noise of trials.";
        within: f64, "Standard deviation of a trial within its function.";
        wanted_se: f64, "The error wanted.";
        trials_enough: Option<u32>,
            "Trials a function that would be enough for the functions there are; null if no number is.";
        design_trials: u32, "This design's trials a function.";
        design_tasks: Option<u32>, "The functions that it needs; null where 2^31 are not enough.";
        design_predictions: Option<f64>, "Their product.";
        design_se: Option<f64>, "The error to expect of it.";
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
        ..curve: CurveKey, "The columns of a curve.";
        params: Option<f64>, "Number of parameters; null if unknown.";
        a0: f64, "Accuracy at one shot.";
        a0_se: Option<f64>, "Its standard error.";
        a1: f64, "Gain in accuracy per unit of ln(shots): ICL efficacy.";
        a1_se: Option<f64>, "Its standard error.";
        t: Option<f64>, "a1 / `a1_se`; null where the error is 0, and for nested curves, whose points are correlated.";
        df: Option<u32>, "Shot counts - 2; null for nested curves.";
        p: Option<f64>, "One-sided p of a1 > 0: of t, or of the bootstrap for nested curves.";
        r2: Option<f64>, "Share of variance explained.";
        points: u32, "Number of shot counts.";
        a1_ci_low: Option<f64>, "2.5 % bootstrap percentile of a1; null unless predictions were read.";
        a1_ci_high: Option<f64>, "97.5 % bootstrap percentile of a1; null unless predictions were read.";
        trial_a0: Option<f64>, "Intercept of the regression over single trials; null unless predictions were read.";
        trial_a0_se: Option<f64>, "Its error, robust to clusters (functions): CR1.";
        trial_a1: Option<f64>, "Slope of the regression over single trials.";
        trial_a1_se: Option<f64>, "Its error, robust to clusters (functions): CR1.";
        trial_t: Option<f64>, "`trial_a1` / `trial_a1_se`.";
        trial_df: Option<u32>, "Functions - 1.";
        trial_p: Option<f64>, "One-sided p of `trial_t`.";
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
        model: String, "The predictor's name.";
        modality: Option<String>, "The modality it was trained on.";
        params: Option<f64>, "Number of parameters; null if unknown.";
        encoding: Option<String>, "The alphabet's name, or its characters.";
        template: Option<String>, "How one example is written.";
        bits: Option<u32>, "Width of the bitstrings.";
        design: Option<Design>, "Independent or nested shot counts.";
        method: Option<String>, "How the answer was made.";
        constrained: Option<bool>, "Whether only the two bit symbols competed.";
        bos: Option<bool>, "Whether a beginning-of-sequence token was put before the prompt.";
        shots: u32, "Number of demonstrations.";
        function: Option<String>, "`--by task`: the function.";
        bitload: Option<u32>, "`--by task`: number of input bits that matter.";
        bitdiversity: Option<f64>, "`--by task`: mean minority bits of the outputs.";
        tasks: u32, "Number of functions.";
        trials: u32, "Number of predictions with clean demonstrations.";
        clean_accuracy: f64, "Mean over functions of the accuracy with clean demonstrations.";
        deranged_accuracy: f64, "The same with deranged ones.";
        gap: f64, "Mean over functions of their difference, clean less deranged.";
        gap_se: Option<f64>, "Its paired error: sd of the differences (ddof 1) / sqrt(functions).";
        ci_low: Option<f64>, "gap - 1.96 `gap_se`.";
        ci_high: Option<f64>, "gap + 1.96 `gap_se`.";
        up: u32, "Functions with a gap above 0.";
        equal: u32, "Functions without one.";
        down: u32, "Functions with a gap below 0.";
        p_swap: Option<f64>, "Exact one-sided p of the condition-swap test; null where trials are unequal.";
        t: Option<f64>, "gap / `gap_se`.";
        p_t: Option<f64>, "One-sided p of t, functions - 1 degrees of freedom.";
        p_holm: Option<f64>,
            "`p_swap` after Holm's correction over the models, each at its largest shot count; null at the others, \
             and of controls.";
        p_bh: Option<f64>, "The same after Benjamini and Hochberg's correction.";
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
        model_a: String, "The first predictor's name.";
        modality_a: Option<String>, "The modality that it was trained on.";
        encoding_a: Option<String>, "Its alphabet's name, or its characters.";
        model_b: String, "The second predictor's name.";
        modality_b: Option<String>, "The modality that it was trained on.";
        encoding_b: Option<String>, "Its alphabet's name, or its characters.";
        bits: Option<u32>, "Width of the bitstrings.";
    }
}

record! {
    /// Two models, function by function: gap, tests, and what their best functions share.
    struct Versus: "versus" {
        ..pair: PairKey, "The columns of a pair of models.";
        condition: Option<Condition>, "Clean or deranged demonstrations.";
        shots: u32, "Number of demonstrations: the largest that both have.";
        tasks: u32, "Number of functions.";
        accuracy_a: f64, "Mean accuracy of the first.";
        accuracy_b: f64, "Mean accuracy of the second.";
        gap: f64, "Mean over functions of their difference, first less second.";
        gap_se: Option<f64>, "Its paired error: sd of the differences (ddof 1) / sqrt(functions).";
        ci_low: Option<f64>, "gap - 1.96 `gap_se`.";
        ci_high: Option<f64>, "gap + 1.96 `gap_se`.";
        up: u32, "Functions at which the first is better.";
        equal: u32, "Functions at which they are equal.";
        down: u32, "Functions at which the second is better.";
        p_swap: Option<f64>, "Exact two-sided p of the swap test; null where trials are unequal.";
        t: Option<f64>, "gap / `gap_se`.";
        p_t: Option<f64>, "Two-sided p of t, functions - 1 degrees of freedom.";
        p_holm: Option<f64>, "`p_swap` after Holm's correction over the pairs; null of a pair with a control.";
        p_bh: Option<f64>, "The same after Benjamini and Hochberg's correction.";
        top: u32, "Length of the lists of best functions.";
        shared: u32, "Functions in both lists.";
        iou: f64, "`shared` over the number of functions in either.";
        tied_a: u32, "Functions left out of the first's list that are as accurate as its last.";
        tied_b: u32, "Functions left out of the second's list that are as accurate as its last.";
    }
    check check::versus;
}

words! {
    /// Whose list of best functions a function is in.
    enum Listed {
        Both = "both", "In both.";
        A = "a", "In the first's only.";
        B = "b", "In the second's only.";
    }
}

words! {
    /// One of two models.
    enum Side {
        A = "a", "The first.";
        B = "b", "The second.";
    }
}

record! {
    /// One function of a pair of models.
    struct VersusTask: "versus-task" {
        ..pair: PairKey, "The columns of a pair of models.";
        condition: Option<Condition>, "Clean or deranged demonstrations.";
        shots: u32, "Number of demonstrations: the largest that both have.";
        function: String, "The function.";
        bitload: u32, "Number of input bits that matter.";
        bitdiversity: f64, "Mean minority bits of the outputs.";
        accuracy_a: f64, "Accuracy of the first.";
        accuracy_b: f64, "Accuracy of the second.";
        gap: f64, "Their difference, first less second.";
        rank_a: u32, "Place by the first's accuracy, from 1; equal ones by name.";
        rank_b: u32, "Place by the second's accuracy.";
        best: Option<Listed>, "Whose list of best functions it is in; null if in neither.";
        favours: Option<Side>, "The model that it favours, if it is among the functions that do most; null if not.";
    }
}

record! {
    /// How alike two models' profiles of per-function gaps are.
    struct Similarity: "similarity" {
        ..pair: PairKey, "The columns of a pair of models.";
        shots_a: u32, "The first's largest shot count.";
        shots_b: u32, "The second's largest shot count.";
        tasks: u32, "Number of functions.";
        rho: Option<f64>, "Spearman's rank correlation of the gaps; null where all gaps of a model are equal.";
        permutations: u32, "Number of permutations.";
        p: Option<f64>, "One-sided permutation p of rho > 0.";
        p_holm: Option<f64>, "p after Holm's correction over the pairs; null of a pair with a control.";
        p_bh: Option<f64>, "The same after Benjamini and Hochberg's correction.";
    }
}

record! {
    /// How surely demonstrations tell a function from its rivals.
    struct Identifiability: "identifiability" {
        bits: u32, "Width of the bitstrings.";
        shots: u32, "Number of demonstrations.";
        function: Option<String>, "`--by task`: the function.";
        bitload: Option<u32>, "`--by task`: number of input bits that matter.";
        tasks: u32, "Number of functions.";
        identified: f64,
            "Lower bound of the probability that every function true to all demonstrations is right at the query; \
             averaged over functions.";
        worst: Option<f64>, "The smallest among the functions.";
        worst_function: Option<String>, "The function that has it.";
    }
}

words! {
    /// What is regressed on ln(params).
    enum Quantity {
        Accuracy = "accuracy", "Mean accuracy at one shot count.";
        A0 = "a0", "Intercept of the log-linear fits.";
        A1 = "a1", "Slope of the log-linear fits.";
    }
}

record! {
    /// A quantity against ln(params) over the models of one family (`--families`).
    struct Scaling: "scaling" {
        family: Option<String>, "The family's name; null where the models have no modality.";
        encoding: Option<String>, "The alphabet's name, or its characters.";
        template: Option<String>, "How one example is written.";
        bits: Option<u32>, "Width of the bitstrings.";
        condition: Option<Condition>, "Clean or deranged demonstrations.";
        design: Option<Design>, "Independent or nested shot counts.";
        method: Option<String>, "How the answers were made.";
        constrained: Option<bool>, "Whether only the two bit symbols competed.";
        bos: Option<bool>, "Whether a beginning-of-sequence token was put before the prompts.";
        quantity: Quantity, "What is regressed.";
        shots: Option<u32>, "Number of demonstrations; null for a0 and a1.";
        models: u32, "Number of models.";
        intercept: f64, "Where the line is at ln(params) = 0.";
        slope: f64, "Change per unit of ln(params).";
        slope_se: Option<f64>, "Its standard error; null with two models, or where the quantity does not vary.";
        t: Option<f64>, "slope / `slope_se`; null where the error is 0.";
        df: Option<u32>, "Models - 2.";
        p: Option<f64>, "One-sided p of slope > 0.";
        r2: Option<f64>, "Share of variance explained.";
    }
}

record! {
    /// A program of a suite and its measures.
    struct Listing: "listing" {
        function: String, "The program, in dot notation.";
        bitload: u32, "Number of input bits that matter.";
        bitdiversity: f64, "Mean minority bits of the outputs.";
        zero_bd: f64, "Share of outputs that are all zeros or all ones.";
        table_hash: String, "First 16 hexadecimal digits of the SHA-256 of its truth table.";
    }
}

record! {
    /// The columns of a score that a fit reads.
    struct Mean: "score" {
        ..curve: CurveKey, "The columns of a curve.";
        shots: u32, "Number of demonstrations.";
        function: Option<String>, "The function, where the score is that of one.";
        params: Option<f64>, "Number of parameters; null if unknown.";
        accuracy: f64, "Mean accuracy.";
        se: Option<f64>, "Its error.";
    }
    check check::mean;
}
