/*!
The record kinds, one table a stage, each beside what must hold between its columns. The JSON Schemas in `schemas` describe
the same columns; a test holds them together.
*/

mod contrasts;
mod predictions;
mod results;
mod trials;

pub use contrasts::{Contrast, Listed, PairKey, ProfileOf, Side, Similarity, Versus, VersusTask};
pub use predictions::{CurveKey, Outcome, Prediction, SLIM, Verdict};
pub use results::{
    ErrorKind, ErrorShare, Fit, Identifiability, Listing, Mean, Power, Quantity, Scaling, Score,
    Shape, ShapeFit, Summary,
};
pub use trials::{Condition, Design, Prompt, Trial};
