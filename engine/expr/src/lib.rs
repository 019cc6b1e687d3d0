//! Milvus's filter language: parse, type against a schema, evaluate to a bitmap of rows.
//!
//! ```text
//! text --lexer--> tokens --parser--> tree --typing--> plan --eval--> Bitmap
//!                 (limits: bytes, depth, nodes)        (columns of one chunk)
//! ```
//!
//! It does *not* fetch columns, know about segments, index files or deletes, and it has no clock, randomness,
//! threads or files. Whoever holds the rows implements [`ColumnSource`], asks [`Filter::fields`] which columns
//! are needed, and calls [`Filter::evaluate`] chunk by chunk. Who has an index of a field ([`FieldIndex`]) hands it out
//! beside the column: a test takes its rows from there when that is cheaper than looking at every value, and finds the same. A zone
//! map ([`Zones`]) spares the loop the rows that a bound rules out or lets through by the thousand.
//!
//! # What a filter means
//!
//! - **Null.** Logic has three values. A test is *unknown* where a value it needs is null, missing in a JSON
//!   document, or has no result; `not` of unknown is unknown; a row matches when the filter is surely true. So
//!   neither `age > 5` nor `not (age > 5)` finds a row without an age; `age is null` does. `is null`,
//!   `is not null` and `exists` are never unknown.
//! - **Numbers** are compared exactly, whatever their types: `int_field > 1.5` works, and 2^53 + 1 is not 2^53.
//!   One exception: beside a Float or Double field a constant is first rounded to that type, as the stored values
//!   were, so `f == 0.1` finds the rows into which 0.1 was written.
//! - **Arithmetic** of integers is 64 bits wide and division goes towards zero; with a float it is done in f64.
//!   Overflow, division by zero and `%` of floats have no result: unknown, no match. In constants they are errors.
//! - **Strings** are compared by their UTF-8 bytes. `like` knows `%`, `_` and the backslash.
//! - **JSON** values are compared with values of their own kind only: numbers, strings, Bools. A missing key,
//!   JSON null, another kind, an object or a list is unknown, also for `!=` and `not in`. A name that the schema
//!   does not know is a key of `$meta` when the collection has a dynamic field. A path step is a key of an object
//!   or an index of a list; `is null` holds where the path leads nowhere or to JSON null, `exists` is its
//!   opposite. A JSON integer beyond int64 is a float.
//! - **Keywords** are written in lower or in UPPER case.
//!
//! Functions on text, arrays, geometry and struct arrays, regular expressions, bit operators, timestamps, random
//! samples and templates are recognised and answered with "not supported".

mod ast;
mod columns;
mod eval;
mod explain;
mod fault;
mod filter;
mod index;
mod json_path;
mod lexer;
mod like;
pub mod limits;
mod number;
mod parser;
mod parts;
mod plan;
mod sets;
#[cfg(test)]
mod tests;
mod typing;
mod zones;

pub use columns::{ColumnSource, ColumnValues, ColumnView, StrValues};
pub use filter::Filter;
pub use index::{Ask, Estimate, FieldIndex, Like, TextTest};
pub use json_path::{JsonPath, JsonValue, PathReader};
pub use zones::Zones;
