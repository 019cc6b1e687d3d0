//! What a user may try after the demo, in Python and in Rust.
//!
//! The Rust programs are compiled as tests of this documentation. While a node serves:
#![doc = include_str!("next_connect.md")]
//! With the node inside the program:
#![doc = include_str!("next_embed.md")]

use super::load::COLLECTION;
use std::path::Path;

const CONNECT: &str = include_str!("next_connect.md");
const EMBED: &str = include_str!("next_embed.md");

/// With Milvus's own client, while the node serves.
pub fn python(uri: &str) -> String {
    format!(
        r#"From Python, while the node serves (pip install pymilvus==3.0.2):

    from pymilvus import MilvusClient
    client = MilvusClient("{uri}")
    row = client.get("{COLLECTION}", ids=[0], output_fields=["text", "vector"])[0]
    print(row["text"])
    found = client.search("{COLLECTION}", [row["vector"]], limit=3, filter="length < 200", output_fields=["text"])
    for hit in found[0]:
        print(hit["distance"], hit["entity"]["text"])
"#
    )
}

/// With our own client, while the node serves.
pub fn rust_connect(client_address: &str) -> String {
    format!(
        "From Rust, while the node serves (dependencies: tokio, and vecraft-client of this repository):\n\n{}",
        indented(CONNECT).replace("CLIENT_ADDRESS", client_address)
    )
}

/// With the node inside the program, on the rows that the demo left.
pub fn rust_embed(data_dir: Option<&Path>) -> String {
    let (before, directory) = match data_dir {
        Some(directory) => ("while no other process serves them", directory.display().to_string()),
        None => ("after vecraft demo --data-dir demo-data", "demo-data".to_owned()),
    };
    format!(
        "From Rust, with the node inside your program, {before}\n(dependencies: tokio, and of this repository \
         vecraft-server, vecraft-config, vecraft-client):\n\n{}",
        indented(EMBED).replace("demo-data", &directory)
    )
}

/// The program without its fences, four spaces to the right.
fn indented(markdown: &str) -> String {
    let code = markdown.lines().filter(|line| !line.starts_with("```"));
    code.map(|line| if line.is_empty() { "\n".to_owned() } else { format!("    {line}\n") }).collect()
}
