//! What a user may try after the demo, in Python and in Rust.
//!
//! The Rust program is compiled as a test of this documentation:
#![doc = include_str!("next_rust.md")]

use super::load::COLLECTION;
use std::path::Path;

const RUST: &str = include_str!("next_rust.md");

/// With Milvus's own client.
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

/// With the node inside the program, on the rows that the demo left.
pub fn rust(data_dir: Option<&Path>) -> String {
    let code = RUST.lines().filter(|line| !line.starts_with("```"));
    let indented: String = code.map(|line| format!("    {line}\n").replace("    \n", "\n")).collect();
    let (before, directory) = match data_dir {
        Some(directory) => ("while no other process serves them", directory.display().to_string()),
        None => ("after vecraft demo --data-dir demo-data", "demo-data".to_owned()),
    };
    format!(
        "From Rust, with the node inside your program, {before}\n(dependencies: tokio, and of this repository \
         vecraft-server, vecraft-config, vecraft-types):\n\n{}",
        indented.replace("demo-data", &directory)
    )
}
