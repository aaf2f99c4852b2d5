/*!
The record kinds: one table for each stage, with the checks between its columns. The JSON Schemas in `schemas` describe
the same columns; a test compares the two.
*/

mod contrasts;
mod predictions;
mod results;
mod trials;

pub use contrasts::{
    Contrast, Listed, PairKey, PairedGap, ProfileOf, Side, Similarity, Versus, VersusTask,
};
pub use predictions::{CurveKey, Prediction, SLIM};
pub use results::{
    ErrorKind, ErrorShare, Fit, Identifiability, Listing, Power, Quantity, Scaling, Score, Shape,
    ShapeFit,
};
pub use trials::{Condition, Design, Prompt, Trial};
