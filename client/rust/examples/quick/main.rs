//! Puts 100,000 vectors of 128 numbers into a running server and searches them.
//!
//! ```text
//! cargo run --release --package vecraft-client --example quick -- --connect 127.0.0.1:19540
//! ```

// A program for people: it reads the clock, as the library must not.
#![allow(clippy::disallowed_methods)]

mod work;

use vecraft_client::Client;
use vecraft_client::types::Result;

#[tokio::main]
async fn main() -> Result<()> {
    work::run(&Client::connect(address()).await?).await
}

/// `--connect HOST:PORT`, or the default door.
fn address() -> String {
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--connect" {
            return arguments.next().unwrap_or_default();
        }
    }
    "127.0.0.1:19540".to_owned()
}
