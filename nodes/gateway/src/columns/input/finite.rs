//! Numbers that are none: NaN and infinity.

use vecraft_types::{Error, Result};

/// Refuses NaN and infinity, naming the row (or what else `width` values make).
pub(crate) fn finite<T: Copy + std::fmt::Debug>(
    what: &str,
    values: &[T],
    width: usize,
    is_finite: fn(T) -> bool,
) -> Result<()> {
    // Whole blocks first: a loop without an early exit is vectorised.
    for (block, chunk) in values.chunks(1_024).enumerate() {
        if chunk.iter().fold(true, |all, value| all & is_finite(*value)) {
            continue;
        }
        let at = block * 1_024 + chunk.iter().position(|value| !is_finite(*value)).unwrap_or(0);
        let row = at / width.max(1);
        return Err(Error::invalid(format!(
            "{what} {row} has the value {:?}, a number is needed",
            values[at]
        )));
    }
    Ok(())
}
