/*!
Drawing trials. The grid of an experiment and a seed come in. Trials go out one by one; each is a function of the seed
and its position in the grid. Derangements, shards and the replay of published prompts are here, too.
*/

mod derange;
mod draw;
mod replay;
pub mod shard;

pub use derange::derange;
pub use draw::{Grid, Trials};
pub use replay::Replay;
