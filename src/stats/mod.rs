/*!
Numeric functions on slices: no records, no files.
*/

mod bootstrap;
mod least_squares;
mod normal;

pub use bootstrap::{Bootstrap, Task, bootstrap_p, quantile, standard_deviation};
pub use least_squares::{Line, line};
pub use normal::{one_sided_p, z_difference};
