/*!
Results about one model: scores, errors, designs and fits. Also listings of suites.
*/

use super::{Condition, CurveKey, Design};
use crate::record::check::{Checked, LOG, SHARE, SHARE_ERROR, range};

record! {
    /// Accuracy and errors of one cell, of one function in it (`--by task`), or of its functions of
    /// one complexity (`--by bitload`, `--by bitdiversity`) or group (`--by group`).
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
        se: Option<f64>, "Its standard error by the two-stage cluster bootstrap; null for a cell with one function.";
        ci_low: Option<f64>, "2.5 % percentile of the bootstrap.";
        ci_high: Option<f64>, "97.5 % percentile of the bootstrap.";
        normal_low: Option<f64>, "accuracy - 1.96 se.";
        normal_high: Option<f64>, "accuracy + 1.96 se.";
        task_se: Option<f64>, "Task-cluster error: sd of the functions' accuracies (ddof 1) / sqrt(functions).";
        mode_accuracy: Option<f64>, "Expected accuracy of the mode baseline on the same trials.";
        mode_se: Option<f64>, "Its bootstrap standard error.";
        z_mode: Option<f64>, "(accuracy - `mode_accuracy`) / sqrt(se^2 + `mode_se`^2).";
        p_mode: Option<f64>, "One-sided p of `z_mode`.";
        p_mode_paired: Option<f64>, "One-sided p of the paired bootstrap of the difference.";
        malformed: Option<f64>, "Share of malformed answers.";
        edit_distance: Option<f64>, "Mean Levenshtein distance of prediction and target, in bits.";
        answer_logprob: Option<f64>, "Mean `answer_logprob`, in nats.";
        perplexity: Option<f64>, "Perplexity per symbol of the target: exp(-`answer_logprob` / bits).";
        zero_bd_targets: Option<u32>, "Targets that are all zeros or all ones.";
        zero_bd_predictions: Option<u32>, "Whole predictions that are all zeros or all ones.";
        correct_zero_bd: Option<u32>, "Correct predictions whose target is all zeros or all ones.";
        correct_other: Option<u32>, "Correct predictions with any other target.";
        understandable: Option<u32>,
            "Wrong answers that another function of the suite gives which fits all demonstrations.";
        group: Option<String>, "`--by group`: the group of functions.";
    }
    check score;
    details [
        "bitdiversity", "params", "normal_low", "normal_high", "task_se", "mode_se", "z_mode", "p_mode",
        "edit_distance", "answer_logprob", "perplexity", "zero_bd_targets", "zero_bd_predictions",
        "correct_zero_bd", "correct_other", "understandable",
    ];
}

words! {
    /// A kind of wrong answer. An answer may be of several kinds.
    enum ErrorKind {
        Malformed = "malformed", "Not exactly as many bits as asked for.";
        Rival = "rival", "The output of another function of the suite that fits all demonstrations.";
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
        wrong: u32, "Number of wrong predictions among them.";
        count: Option<u32>, "Wrong answers of this kind; an answer may be of several. Null if undetermined.";
        share: Option<f64>, "Their share of the wrong answers.";
        chance: Option<f64>,
            "The expected share if every wrong answer of full length were drawn uniformly from all wrong strings.";
        counted_once: Option<u32>, "Wrong answers, each counted once, under the first kind that fits.";
    }
    details ["params"];
}

record! {
    /// A design that gives a cell's accuracy the wanted standard error (`--power`).
    struct Power: "power" {
        ..curve: CurveKey, "The columns of a curve.";
        shots: u32, "Number of demonstrations.";
        tasks: u32, "Number of functions in the input.";
        trials: f64, "Mean number of trials per function in the input.";
        se: f64, "Bootstrap error of the accuracy in the input, in closed form.";
        between: f64, "Standard deviation of accuracy between functions, without the noise of trials.";
        within: f64, "Standard deviation of a trial within its function.";
        wanted_se: f64, "The wanted standard error.";
        trials_enough: Option<u32>,
            "Trials per function that would suffice with the same functions; null if no number does.";
        design_trials: u32, "Trials per function in this design.";
        design_tasks: Option<u32>, "Number of functions that the design needs; null if 2^31 do not suffice.";
        design_predictions: Option<f64>, "Number of predictions: functions times trials.";
        design_se: Option<f64>, "The standard error to expect from this design.";
    }
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
        group: Option<String>, "`--by group`: the group of functions.";
    }
    details ["params", "trial_a0", "trial_a0_se", "trial_a1", "trial_t", "trial_df"];
}

words! {
    /// A shape for a curve: accuracy as a function of n shots.
    enum Shape {
        Log = "log", "a + b ln n: the line.";
        Constant = "constant", "a.";
        Linear = "linear", "a + b n.";
        Root = "root", "a + b sqrt(n).";
        Logistic = "logistic", "1 / (1 + exp(-(a + b ln n))).";
        Saturating = "saturating", "a + b n / (n + c).";
        Break = "break", "a + b ln n + d max(0, ln(n / c)).";
    }
}

record! {
    /// The fit of one shape to one curve, with the same parameters for all functions (`--shape`).
    struct ShapeFit: "shape" {
        ..curve: CurveKey, "The columns of a curve.";
        params: Option<f64>, "Number of parameters of the model; null if unknown.";
        shape: Shape, "The shape.";
        parameters: u32, "Number of the shape's parameters.";
        points: u32, "Number of shot counts above 0.";
        tasks: u32, "Number of functions.";
        a: f64, "Parameter a of the shape.";
        b: Option<f64>, "Parameter b; null if the shape has none.";
        c: Option<f64>, "Parameter c, in shots; null if the shape has none.";
        d: Option<f64>, "Parameter d; null if the shape has none.";
        log_likelihood: f64, "Log-likelihood of all answers, in nats, without binomial coefficients.";
        log_score: Option<f64>,
            "Mean over functions of a function's log-likelihood, with the shape fitted to all other functions.";
        gain: Option<f64>, "`log_score` minus that of the line; null for the line.";
        gain_se: Option<f64>, "Its paired standard error: sd of the functions' gains (ddof 1) / sqrt(functions).";
        f: Option<f64>,
            "Lack of fit: the shape against one free mean per shot count, by Hotelling's test over functions; null for \
             shapes that are not linear in their parameters.";
        df1: Option<u32>, "Degrees of freedom of f: shot counts - parameters.";
        df2: Option<u32>, "Functions - `df1`.";
        p: Option<f64>, "P(F >= f).";
        curvature: Option<f64>, "Mean over functions of the coefficient of (ln n)^2 beside the line; null for others.";
        curvature_se: Option<f64>, "Its standard error over functions.";
        p_curvature: Option<f64>, "Two-sided p of the curvature: Student's t, functions - 1 degrees of freedom.";
    }
    details [
        "params", "points", "tasks", "log_likelihood", "df1", "df2", "curvature", "curvature_se",
    ];
}

record! {
    /// How surely demonstrations distinguish a function from the others of its suite.
    struct Identifiability: "identifiability" {
        bits: u32, "Width of the bitstrings.";
        shots: u32, "Number of demonstrations.";
        function: Option<String>, "`--by task`: the function.";
        bitload: Option<u32>, "`--by task`: number of input bits that matter.";
        tasks: u32, "Number of functions.";
        identified: f64,
            "Lower bound of the probability that every function which fits all demonstrations answers the query right; \
             averaged over functions.";
        worst: Option<f64>, "The smallest value of a function.";
        worst_function: Option<String>, "The function with this value.";
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
        family: Option<String>, "The family's name; null if the models have no modality.";
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
        intercept: f64, "Height of the line at ln(params) = 0.";
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

fn score(score: &Score) -> Checked {
    range(
        SHARE,
        &[
            ("accuracy", Some(score.accuracy)),
            ("ci_low", score.ci_low),
            ("ci_high", score.ci_high),
            ("mode_accuracy", score.mode_accuracy),
        ],
    )?;
    range(
        SHARE_ERROR,
        &[
            ("se", score.se),
            ("task_se", score.task_se),
            ("mode_se", score.mode_se),
        ],
    )?;
    range(LOG, &[("answer_logprob", score.answer_logprob)])
}
