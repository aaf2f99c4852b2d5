/*!
Numeric functions on slices: no records, no files.
*/

mod bootstrap;
mod clusters;
mod components;
mod least_squares;
mod multiple;
mod normal;
mod paired;
mod rank;
mod rounding;
mod swap;

pub use bootstrap::{Bootstrap, Task, bootstrap_p, quantile, standard_deviation};
pub use clusters::{ClusteredLine, Group, clustered_line};
pub use components::Components;
pub use least_squares::{Line, line};
pub use multiple::{adjusted, benjamini_hochberg, holm};
pub use normal::{NORMAL_95, one_sided_p, z_difference};
pub use paired::{Paired, PairedTest, paired};
pub use rank::{Correlation, average_ranks, rank_correlations, spearman};
pub use swap::{SwapTest, condition_swap};
