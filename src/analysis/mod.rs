/*!
From predictions to results. Predictions come in and are sorted into cells of one model, condition and shot count, by
function. Rows of scores, fits and contrasts go out, with errors from the bootstrap over functions and trials.
*/

mod cells;
mod compare;
mod contrast;
mod errors;
mod family;
mod fit;
mod groups;
mod identify;
mod inputs;
mod judge;
mod mode;
mod power;
mod profiles;
mod resample;
mod scaling;
mod score;
mod shape;
mod versus;

pub use cells::{Cells, CurveCell, CurveCells, Details, place};
pub use contrast::{Contrasts, contrast_cells, contrast_tasks};
pub use errors::error_shares;
pub use family::{Family, family};
pub use fit::{Points, fit_means, fit_predictions, least_squares, points_of};
pub use groups::Groups;
pub use identify::SuiteDistances;
pub use inputs::{Mean, Outcome, Verdict};
pub use judge::Judge;
pub use mode::{mode_accuracy, modes};
pub use power::power;
pub use profiles::{Profile, similarities};
pub use resample::{Replicates, replicates};
pub use scaling::scalings;
pub use score::{Complexities, Measure, Stratum, score_cell, score_tasks, strata};
pub use shape::shapes;
pub use versus::{versus, versus_tasks};
