/*!
Damaged binary files: decoders that panic on them are held to an error.

arrow 60 believes offsets and lengths in a batch's header, and panics where they point outside it; tokenizers 0.22 panics
on a decoder that it does not know.
*/

use crate::error::{Error, Result};
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Whether a panic of this thread is caught here, so that nothing should be printed of it.
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// What `decode` gives; an error if it panics. `decode` is not used again after that.
pub(crate) fn catch_panic<T>(decode: impl FnOnce() -> Result<T>) -> Result<T> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !CONTAINED.get() {
                loud(info);
            }
        }));
    });
    CONTAINED.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(decode));
    CONTAINED.set(false);
    result.unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no further reason");
        Err(Error::data(format!(
            "damaged or cut-off file: {}",
            message.lines().next().unwrap_or_default()
        )))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_and_a_result_stays() {
        assert_eq!(catch_panic(|| Ok(1)).unwrap(), 1);
        let error = catch_panic::<()>(|| panic!("at {}\nmore", 7)).unwrap_err();
        assert_eq!(error.to_string(), "damaged or cut-off file: at 7");
        assert_eq!(error.exit_code(), 1);
        let error = catch_panic::<()>(|| Err(Error::usage("u"))).unwrap_err();
        assert_eq!(error.exit_code(), 2);
    }
}
