//! Tests of the translation, against a database that only remembers what it was asked, and of the port, through a
//! real socket.

#![allow(clippy::unwrap_used)]

mod arriving;
mod closing;
mod columns;
mod fake;
mod iterators;
mod port;
mod requests;
mod results;
mod schemas;
mod segments;
mod statuses;
mod strangers;
mod weigh;

use crate::call::Context;
use fake::Fake;
use std::sync::Arc;
use vecraft_types::Error;
use vecraft_types::api::Call;

/// A context whose database is the fake.
fn context(fake: &Arc<Fake>) -> Context {
    Context { db: Arc::clone(fake) as _, call: Call::default() }
}

/// Checks a refusal: its code, and what its text must name.
fn refused<T: std::fmt::Debug>(result: vecraft_types::Result<T>, code: i32, names: &[&str]) -> Error {
    let error = result.unwrap_err();
    assert_eq!(error.code.number(), code, "{error}");
    for name in names {
        assert!(error.to_string().contains(name), "{error} does not name {name}");
    }
    error
}
