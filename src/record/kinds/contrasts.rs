/*!
Results about pairs: clean against deranged demonstrations, and model against model.
*/

use super::{Condition, Design};
use crate::record::check::{Checked, SHARE, range};

record! {
    /// Clean against deranged demonstrations: one model at one shot count, or one function there
    /// (`--by task`), or one group of functions (`--by group`).
    struct Contrast: "contrast" {
        model: String, "The predictor's name.";
        modality: Option<String>, "The modality it was trained on.";
        params: Option<f64>, "Number of parameters; null if unknown.";
        encoding: Option<String>, "The alphabet's name, or its symbols.";
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
        ..paired: PairedGap, "The columns of their difference, clean less deranged: tests are one-sided.";
        group: Option<String>, "`--by group`: the group of functions.";
    }
    check contrast;
    details ["params", "bitdiversity", "trials", "gap_se", "t"];
}

record! {
    /// The difference of two sides, function by function: clean less deranged, or first less second model.
    struct PairedGap: "gap" {
        gap: f64, "Mean over functions of the difference.";
        gap_se: Option<f64>, "Its paired error: sd of the differences (ddof 1) / sqrt(functions).";
        ci_low: Option<f64>, "gap - 1.96 `gap_se`.";
        ci_high: Option<f64>, "gap + 1.96 `gap_se`.";
        up: u32, "Functions with a gap above 0.";
        equal: u32, "Functions with a gap of 0.";
        down: u32, "Functions with a gap below 0.";
        p_swap: Option<f64>, "Exact p of the swap test; null where trials are unequal.";
        t: Option<f64>, "gap / `gap_se`.";
        p_t: Option<f64>, "p of t, functions - 1 degrees of freedom.";
        p_holm: Option<f64>,
            "`p_swap` after Holm's correction over the models, each at its largest shot count, or over the pairs; null \
             at other shot counts, and of controls.";
        p_bh: Option<f64>, "The same after Benjamini and Hochberg's correction.";
    }
}

record! {
    /// Two models: the columns with which every row about a pair begins.
    struct PairKey: "pair" {
        model_a: String, "The first predictor's name.";
        modality_a: Option<String>, "The modality that it was trained on.";
        encoding_a: Option<String>, "Its alphabet's name, or its symbols.";
        model_b: String, "The second predictor's name.";
        modality_b: Option<String>, "The modality that it was trained on.";
        encoding_b: Option<String>, "Its alphabet's name, or its symbols.";
        bits: Option<u32>, "Width of the bitstrings.";
    }
}

record! {
    /// Two models compared function by function: gap, tests, and the overlap of their best functions.
    struct Versus: "versus" {
        ..pair: PairKey, "The columns of a pair of models.";
        condition: Option<Condition>, "Clean or deranged demonstrations.";
        shots: u32, "Number of demonstrations: the largest that both have.";
        tasks: u32, "Number of functions.";
        accuracy_a: f64, "Mean accuracy of the first.";
        accuracy_b: f64, "Mean accuracy of the second.";
        ..paired: PairedGap, "The columns of their difference, first less second: tests are two-sided.";
        top: u32, "Length of the lists of best functions.";
        shared: u32, "Functions in both lists.";
        iou: f64, "Intersection over union of the lists: `shared` / functions in at least one list.";
        tied_a: u32, "Functions outside the first model's list that are as accurate as the last one in it.";
        tied_b: u32, "Functions outside the second model's list that are as accurate as the last one in it.";
    }
    check versus;
}

words! {
    /// Which model's list of best functions has a function.
    enum Listed {
        Both = "both", "Both lists.";
        A = "a", "Only the first model's list.";
        B = "b", "Only the second model's list.";
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
        rank_a: u32, "Rank by the first model's accuracy, from 1; ties are ordered by name.";
        rank_b: u32, "Rank by the second model's accuracy.";
        best: Option<Listed>, "Which list of best functions it is in; null if in none.";
        favours: Option<Side>, "The model that it favours, if it is one of the functions that favour it most.";
    }
}

words! {
    /// The number that a model's profile has for each function.
    enum ProfileOf {
        Gap = "gap", "Accuracy with clean less accuracy with deranged demonstrations.";
        Accuracy = "accuracy", "Accuracy with clean demonstrations.";
    }
}

record! {
    /// How similar the profiles of two models are (a profile has one number per function), and how similar they can be
    /// with a finite number of trials.
    struct Similarity: "similarity" {
        ..pair: PairKey, "The columns of a pair of models.";
        shots_a: u32, "The first's largest shot count.";
        shots_b: u32, "The second's largest shot count.";
        tasks: u32, "Number of functions.";
        rho: Option<f64>, "Spearman's rank correlation; null if all functions of a model have the same value.";
        permutations: u32, "Number of permutations.";
        p: Option<f64>, "One-sided permutation p of rho > 0.";
        p_holm: Option<f64>, "p after Holm's correction over the pairs; null for a pair with a control.";
        p_bh: Option<f64>, "The same after Benjamini and Hochberg's correction.";
        profile: Option<ProfileOf>, "What the profiles hold; null, in older tables, means gaps.";
        reliability_a: Option<f64>,
            "Reliability of the first profile, by split halves; null if not positive, or if a half is constant.";
        reliability_b: Option<f64>, "Reliability of the second profile.";
        ceiling: Option<f64>, "sqrt(`reliability_a` `reliability_b`): the mean rho of equal profiles with this noise.";
        disattenuated: Option<f64>,
            "rho without the noise of finite trials: the correlation of one model's half with the other model's other \
             half, divided by the correlations of each model's halves. May be above 1; null where `ceiling` is.";
        disattenuated_low: Option<f64>, "`disattenuated` - 1.96 standard errors (jackknife over functions).";
        disattenuated_high: Option<f64>, "`disattenuated` + 1.96 standard errors.";
        rho_if_equal: Option<f64>,
            "Mean rho if both models had the same true accuracies, simulated; null for gaps and unequal trials.";
        rho_if_equal_low: Option<f64>, "Its 2.5 % quantile.";
        rho_if_equal_high: Option<f64>, "Its 97.5 % quantile.";
        rho_if_independent: Option<f64>, "Mean rho if their true accuracies were independent.";
        rho_if_independent_low: Option<f64>, "Its 2.5 % quantile.";
        rho_if_independent_high: Option<f64>, "Its 97.5 % quantile.";
    }
    details [
        "modality_a", "encoding_a", "modality_b", "encoding_b", "bits", "permutations", "p", "p_bh",
        "rho_if_equal_low", "rho_if_equal_high", "rho_if_independent", "rho_if_independent_low",
        "rho_if_independent_high",
    ];
}

fn contrast(row: &Contrast) -> Checked {
    let shares = [
        ("clean_accuracy", Some(row.clean_accuracy)),
        ("deranged_accuracy", Some(row.deranged_accuracy)),
    ];
    range(SHARE, &shares)?;
    gap(&row.paired)
}

fn versus(row: &Versus) -> Checked {
    let shares = [
        ("accuracy_a", Some(row.accuracy_a)),
        ("accuracy_b", Some(row.accuracy_b)),
    ];
    range(SHARE, &shares)?;
    gap(&row.paired)
}

/// Checks a mean difference of shares and its standard error. Differences span -1 to 1, twice the range of shares, so
/// the bound of the error doubles, too.
fn gap(of: &PairedGap) -> Checked {
    range(-1.0..=1.0, &[("gap", Some(of.gap))])?;
    range(0.0..=1.0, &[("gap_se", of.gap_se)])
}
