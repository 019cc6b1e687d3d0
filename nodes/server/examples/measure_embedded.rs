//! The Rust client's example `measure` with the server inside the program.
//!
//! ```text
//! cargo run --release --package vecraft-server --example measure_embedded -- dir=DIRECTORY metric=L2 dim=784 ...
//! ```

// A program for people: it reads the clock, as the product's crates must not.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::panic)]

#[path = "../../../client/rust/examples/measure/options.rs"]
mod options;
#[path = "../../../client/rust/examples/measure/work.rs"]
mod work;

use options::Options;
use std::error::Error;
use vecraft_client::Client;
use vecraft_config::Config;
use vecraft_server::Server;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn Error>> {
    vecraft_server::heap::keep_pages_small();
    tokio::runtime::Runtime::new()?.block_on(measure())
}

async fn measure() -> Result<(), Box<dyn Error>> {
    let mut options = Options::read(std::env::args().skip(1));
    let directory = options.take("dir", "measured-data");
    let server = Server::start(&Config::embedded(&directory).with_free_ports(), 1).await?;
    let client = Client::embedded(server.database())?;
    let done = work::run(&client, options).await;
    // What this program itself had, the vectors among it, is no part of what is measured.
    vecraft_server::heap::give_back();
    let status = std::fs::read_to_string("/proc/self/status")?;
    for key in ["VmRSS", "RssAnon", "RssFile"] {
        let kib = status.split(&format!("{key}:")).nth(1).and_then(|rest| rest.split_whitespace().next());
        println!(r#"{{"memory":"{key}","kib":{}}}"#, kib.unwrap_or("0"));
    }
    server.stop("measured").await;
    Ok(done?)
}
