//! The Rust client's example `quick` with the server inside the program: no network, the same calls.
//!
//! ```text
//! cargo run --release --package vecraft-server --example quick_embedded -- quick-data
//! ```

// A program for people: it reads the clock, as the product's crates must not.
#![allow(clippy::disallowed_methods)]

#[path = "../../../client/rust/examples/quick/work.rs"]
mod work;

use std::error::Error;
use vecraft_client::Client;
use vecraft_config::Config;
use vecraft_server::Server;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args().nth(1).unwrap_or_else(|| "quick-data".to_owned());
    let server = Server::start(&Config::embedded(directory).with_free_ports(), 1).await?;
    let client = Client::embedded(server.database())?;
    let done = work::run(&client).await;
    server.stop("the example is over").await;
    Ok(done?)
}
