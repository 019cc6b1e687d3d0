#![allow(clippy::unwrap_used)]
//! Tests of the crate from within.

mod formats;
