//! `vecraft explain` as a user gives it.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod processes;

use processes::{Nodes, Said, vecraft};
use vecraft_client::types::{CollectionSchema, DataType, FieldSchema};
use vecraft_client::{Client, Rows};

/// Rows 0..200 with vectors `[key, 0, 0, 1]`, without row 8.
async fn load(door: String) {
    let client = Client::connect(door).await.unwrap();
    let schema = CollectionSchema::new(vec![
        FieldSchema::new("id", DataType::Int64).primary(false),
        FieldSchema::new("v", DataType::FloatVector { dim: 4 }),
    ]);
    let books = client.create("books", schema).await.unwrap();
    let values = (0..200).flat_map(|key| [key as f32, 0.0, 0.0, 1.0]).collect();
    books.insert(Rows::new().int64("id", 0..200).vectors("v", 4, values)).await.unwrap();
    books.delete([vecraft_client::types::PrimaryKey::Int64(8)]).await.unwrap();
}

#[track_caller]
fn check(said: &Said, code: i32, wanted: &[&str]) {
    assert_eq!(said.code, code, "{said:?}");
    for words in wanted {
        assert!(said.out.contains(words) || said.err.contains(words), "{words:?} is missing: {said:?}");
    }
}

#[test]
fn a_search_is_explained_as_a_table_and_as_json_and_slips_are_refused() {
    let nodes = Nodes::start(1);
    let door = nodes.door(1);
    tokio::runtime::Runtime::new().unwrap().block_on(load(door.clone()));
    let explain = |args: &[&str]| vecraft(&[&["explain", "books", "--connect", &door], args].concat());

    let said = explain(&["--key", "5", "--limit", "3", "--missing", "5,8,60,777", "--filter", "id < 50"]);
    check(
        &said,
        0,
        &[
            "books.v, ",
            "filter: id <= 49\n",
            "1 shard, 1 segment, 49 of 200 rows match, 49 distances",
            "shard 0 at node 1, group ",
            "filter and search",
            "exact scan",
            "the segment is growing: it has no index yet",
            "key 5    found: hit 1, real rank 1",
            "key 8    deleted by entry ",
            "key 60   filtered out: id <= 49 is false",
            "key 777  no such row",
        ],
    );
    // The row at place 8 in key order is 9: 8 was deleted.
    check(&explain(&["--row", "8", "--limit", "1"]), 0, &["hits: 9 ("]);
    check(&explain(&["--vector", "3,0,0,1", "--limit", "1"]), 0, &["hits: 3 ("]);

    let said = explain(&["--key", "5", "--missing", "199", "--json", "--consistency", "bounded"]);
    check(&said, 0, &[]);
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&json["collection"], &json["shards"][0]["node"]), (&"books".into(), &1.into()));
    assert_eq!((&json["keys"][0]["key"], &json["keys"][0]["verdict"]), (&199.into(), &"beyond_limit".into()));
    assert_eq!(json["consistency"], "bounded to 5000 ms");

    for (args, code, words) in [
        (&["--key", "5", "--row", "1"][..], 2, &["--row"][..]),
        (&[], 2, &["--key", "--vector"]),
        (&["--key", "five"], 2, &["five", "Int64"]),
        (&["--key", "5", "--missing", "x"], 2, &["\"x\"", "Int64"]),
        (&["--vector", "1,2"], 2, &["2 numbers", "4 dimensions"]),
        (&["--key", "5", "--param", "ef"], 2, &["NAME=VALUE"]),
        (&["--key", "5", "--param", "effort=3"], 2, &["effort"]),
        (&["--key", "5", "--filter", "id <"], 2, &["filter"]),
        (&["--key", "5", "--field", "w"], 2, &["\"w\"", "the vector fields of books are v"]),
        (&["--key", "5", "--consistency", "session"], 2, &["strong", "eventually"]),
        (&["--key", "777"], 1, &["no row has the key 777 in books"]),
        (&["--row", "500"], 1, &["there is no row 500"]),
    ] {
        check(&explain(args), code, words);
    }
    let missing = vecraft(&["explain", "boks", "--key", "1", "--connect", &door]);
    check(&missing, 1, &["collection not found", "boks"]);
}
