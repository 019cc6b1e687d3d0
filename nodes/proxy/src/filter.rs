//! Filters, as far as the proxy looks at them: are they right, and do they name keys?

use vecraft_expr::Filter;
use vecraft_types::{CollectionSchema, PrimaryKey, Result};

/// A checked filter.
pub(crate) struct CheckedFilter {
    /// The keys, when the filter is exactly `pk in [...]` or `pk == x`: then only their shards are asked.
    pub(crate) keys: Option<Vec<PrimaryKey>>,
}

/// Checks a filter against the schema; an empty one means all rows.
///
/// # Errors
/// [`vecraft_types::Code::InvalidParameter`] with the position of the fault.
pub(crate) fn parse_filter(text: &str, schema: &CollectionSchema) -> Result<CheckedFilter> {
    if text.trim().is_empty() {
        return Ok(CheckedFilter { keys: None });
    }
    let filter = Filter::parse(text, schema)?;
    Ok(CheckedFilter { keys: filter.primary_keys() })
}

/// The filter as it is planned, in one line; none when every row matches.
///
/// # Errors
/// As [`parse_filter`].
pub(crate) fn planned(text: &str, schema: &CollectionSchema) -> Result<Option<String>> {
    let filter = Filter::parse(text, schema)?;
    Ok((!filter.matches_all()).then(|| filter.to_string()))
}
