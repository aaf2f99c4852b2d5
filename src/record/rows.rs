/*!
What every format gives a reader: rows, one after the other.
*/

use super::place::Place;
use super::provenance::Chain;
use super::row::Row;
use crate::error::Result;

/// The rows of one table.
pub(super) trait Rows {
    /// Hands the next row to `see`, and whatever it refuses back with the row's place; false where there is none.
    fn next(
        &mut self,
        see: &mut dyn FnMut(Row<'_>, Place) -> std::result::Result<(), String>,
    ) -> Result<bool>;

    /// The provenance found since the last call.
    fn provenance(&mut self) -> Option<Chain>;

    /// The names of the table's columns; of lines those of the first record, as long as it has not been read.
    fn columns(&self) -> Vec<String>;

    /// The number of records, where the file says it beforehand.
    fn total(&self) -> Option<u64> {
        None
    }
}
