/*!
Statistics. Slices of numbers come in. Small structs of named numbers go out, with the formula and its source beside
them. Nothing here knows about records or files.
*/

mod attenuation;
mod binomial;
mod bootstrap;
mod clusters;
mod components;
mod lack_of_fit;
mod least_squares;
mod linear;
mod multiple;
mod normal;
mod paired;
mod rank;
mod rounding;
mod sampling;
mod sign_flip;

pub use attenuation::{Attenuation, Halves};
pub use binomial::{Likelihood, LikelihoodCurve, Link, Share, log_likelihood};
pub use bootstrap::{Bootstrap, bootstrap_p, quantile, standard_deviation};
pub use clusters::{ClusteredLine, Group, clustered_line};
pub use components::Components;
pub use lack_of_fit::{FTest, lack_of_fit};
pub use least_squares::{Line, line};
pub use multiple::{adjusted, benjamini_hochberg, holm};
pub use normal::{NORMAL_95, one_sided_p, z_difference};
pub use paired::{Paired, PairedTest, paired};
pub use rank::{Correlation, rank_correlations, spearman};
pub use sampling::{Beta, ExpectedRho, Truth};
pub use sign_flip::{SignFlipTest, sign_flip_test};

/// A count as a float; all counts here are far below 2^53.
#[must_use]
#[allow(clippy::cast_precision_loss)]
pub fn count(n: usize) -> f64 {
    n as f64
}
