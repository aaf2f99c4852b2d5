/*!
From predictions to numbers: cells and tasks, the mode baseline, bootstrap replicates, scores, fits.
*/

mod cells;
mod fit;
mod mode;
mod resample;
mod score;

pub use cells::{Cell, Cells, CurveCells};
pub use fit::{Points, fit_means, fit_predictions, least_squares};
pub use mode::{mode_accuracy, modes};
pub use resample::{Replicates, replicates};
pub use score::{Complexities, score_cell, score_tasks};
