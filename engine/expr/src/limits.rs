//! What one filter may cost. A filter comes from the network, so every size has an end.

/// Longest filter, in bytes: that of a request. Long `in` lists need the room.
pub const FILTER_BYTES_MAX: usize = vecraft_types::limits::MESSAGE_BYTES_MAX;
/// Deepest nesting of parentheses, `not` and operators (`and` and `or` chains are one level however long). Bounds
/// the stack of parser, planner and evaluation: at the limit an unoptimised build stays below 1 MiB.
pub const DEPTH_MAX: usize = 128;
/// Most keys in one JSON path.
pub const PATH_STEPS_MAX: usize = 100;
/// Most operators, fields and literals outside of lists. Bounds the passes over a row.
pub const NODES_MAX: usize = 65_536;
/// Most values in one list.
pub const LIST_ITEMS_MAX: usize = 2_097_152;
/// Most characters between two `%` of a `like` pattern when one of them is `_`. Keeps matching linear.
pub const LIKE_GAP_CHARS_MAX: usize = 64;
/// Most values that `json_contains_all` and `json_contains_any` look for.
pub const CONTAINS_ITEMS_MAX: usize = 1_024;
