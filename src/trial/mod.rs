/*!
Drawing trials: the grid of an experiment, derangements, and the replay of published prompts.
*/

mod derange;
mod draw;
mod replay;
pub mod shard;

pub use derange::derange;
pub use draw::{Grid, Trials};
pub use replay::Replay;
