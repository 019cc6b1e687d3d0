//! Loads vectors into a running server and measures searches; for the scripts of `tests/bench`, which say more.
//!
//! ```text
//! cargo run --release --package vecraft-client --example measure -- connect=127.0.0.1:19540 metric=L2 dim=784 ...
//! ```

// A program for people: it reads the clock, as the library must not.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::panic)]

mod options;
mod work;

use options::Options;
use vecraft_client::Client;
use vecraft_client::types::Result;

#[tokio::main]
async fn main() -> Result<()> {
    let mut options = Options::read(std::env::args().skip(1));
    let address = options.take("connect", "127.0.0.1:19540");
    work::run(&Client::connect(address).await?, options).await
}
