//! Mistakes planted in the twin: the checker must report each, or it would not report the server's either.

use clap::ValueEnum;
use std::fmt;

/// What the twin gets wrong, once, at the first opportunity in the second half of the operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Fault {
    /// A deleted row stays.
    ForgetDelete,
    /// The row that an upsert or insert replaced stays.
    KeepReplaced,
    /// A scalar of an inserted row is another one.
    OtherValue,
    /// A vector of an inserted row is another one.
    OtherVector,
    /// Rows of a dropped partition stay.
    KeepPartition,
    /// Pages of an iterator are asked of the present, from then on.
    ForgetMoment,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.write_str(value.as_ref().map_or("fault", |value| value.get_name()))
    }
}
