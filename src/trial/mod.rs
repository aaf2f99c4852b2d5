/*!
Drawing trials. The grid of an experiment and a seed come in; trials go out one by one, each a function of the seed and its
own place in the grid. Derangements, shards and the replay of published prompts belong here.
*/

mod derange;
mod draw;
mod replay;
pub mod shard;

pub use derange::derange;
pub use draw::{Grid, Trials};
pub use replay::Replay;
