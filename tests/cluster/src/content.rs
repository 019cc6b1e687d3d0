//! Rows whose every value follows from key and version, and one hash over all rows of a collection.
//!
//! Counts of rows agree also when a replica holds an old version of one, another's vector, or a row that was deleted in the
//! place of one that was lost. The hash of what was acknowledged and that of what a node answers agree only when all is there.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hasher};
use vecraft_client::types::{CollectionSchema, ColumnData, DataType, FieldSchema, PrimaryKey};
use vecraft_client::{Client, Collection, Rows};
use vecraft_types::api::{Consistency, QueryReply};

const DIM: u32 = 8;
/// Rows read with one query.
const PAGE: i64 = 5_000;

/// What should be there: the version of each key.
pub type Written = BTreeMap<i64, i32>;

/// Number and hash of rows in the order of their keys.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Content {
    rows: usize,
    hash: u64,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows, hash {:016x}", self.rows, self.hash)
    }
}

/// Makes the collection that [`edition`]s go into.
pub async fn create_books(client: &Client) -> Collection {
    client.create("books", books_schema()).await.unwrap()
}

/// Its schema.
pub fn books_schema() -> CollectionSchema {
    let field = |name: &str, data_type| FieldSchema::new(name, data_type);
    CollectionSchema::new(vec![
        field("id", DataType::Int64).primary(false),
        field("v", DataType::FloatVector { dim: DIM }),
        field("title", DataType::VarChar { max_length: 64 }),
        field("price", DataType::Double),
        field("version", DataType::Int32),
    ])
}

fn vector(key: i64, version: i32) -> impl Iterator<Item = f32> {
    (0..DIM).map(move |at| (key as f32).mul_add(0.5, at as f32 + 1000.0 * version as f32))
}

fn title(key: i64, version: i32) -> String {
    format!("book {key}, edition {version}")
}

fn price(key: i64, version: i32) -> f64 {
    key as f64 / 7.0 + f64::from(version)
}

/// These rows in this version.
pub fn edition(keys: impl Iterator<Item = i64> + Clone, version: i32) -> Rows {
    Rows::new()
        .int64("id", keys.clone())
        .vectors("v", DIM, keys.clone().flat_map(|key| vector(key, version)).collect())
        .varchar("title", keys.clone().map(|key| title(key, version)))
        .data("price", ColumnData::Double(keys.clone().map(|key| price(key, version)).collect()))
        .data("version", ColumnData::Int32(keys.map(|_| version).collect()))
}

/// Keys for a delete.
pub fn keys(keys: impl Iterator<Item = i64>) -> impl Iterator<Item = PrimaryKey> {
    keys.map(PrimaryKey::Int64)
}

struct Summed {
    rows: usize,
    hasher: DefaultHasher,
}

impl Summed {
    fn new() -> Summed {
        Summed { rows: 0, hasher: DefaultHasher::new() }
    }

    fn row(&mut self, key: i64, vector: impl Iterator<Item = f32>, title: &str, price: f64, version: i32) {
        self.rows += 1;
        self.hasher.write_i64(key);
        vector.for_each(|value| self.hasher.write_u32(value.to_bits()));
        self.hasher.write(title.as_bytes());
        self.hasher.write_u64(price.to_bits());
        self.hasher.write_i32(version);
    }

    fn page(&mut self, reply: &QueryReply) {
        let column = |name: &str| reply.rows.column(name).map(|column| &column.data);
        let columns = (column("id"), column("v"), column("title"), column("price"), column("version"));
        let (
            Some(ColumnData::Int64(ids)),
            Some(ColumnData::FloatVector { values, .. }),
            Some(ColumnData::VarChar(titles)),
            Some(ColumnData::Double(prices)),
            Some(ColumnData::Int32(versions)),
        ) = columns
        else {
            panic!("a column is missing: {:?}", reply.rows.names);
        };
        for (at, vector) in values.chunks(DIM as usize).enumerate() {
            self.row(ids[at], vector.iter().copied(), titles.get(at), prices[at], versions[at]);
        }
    }

    fn content(self) -> Content {
        Content { rows: self.rows, hash: self.hasher.finish() }
    }
}

/// The content that was written.
pub fn written<'a>(rows: impl IntoIterator<Item = (&'a i64, &'a i32)>) -> Content {
    let mut summed = Summed::new();
    for (key, version) in rows {
        summed.row(*key, vector(*key, *version), &title(*key, *version), price(*key, *version), *version);
    }
    summed.content()
}

/// The content that a node answers for keys from `first` to below `end`.
///
/// # Errors
/// What the node answered.
pub async fn read(
    books: &Collection,
    first: i64,
    end: i64,
    consistency: Consistency,
) -> Result<Content, String> {
    let mut summed = Summed::new();
    let mut at = first;
    while at < end {
        let next = end.min(at + PAGE);
        let query = books.query(&format!("id >= {at} && id < {next}")).consistency(consistency);
        let query = query.output(["id", "v", "title", "price", "version"]);
        summed.page(&query.rows().await.map_err(|error| error.to_string())?);
        at = next;
    }
    Ok(summed.content())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_old_version_or_one_row_in_the_place_of_another_is_another_content() {
        let all: Written = (0..100).map(|key| (key, 0)).collect();
        let mut newer = all.clone();
        newer.insert(50, 1);
        let mut other = all.clone();
        other.remove(&50);
        other.insert(100, 0);
        assert_eq!(written(&all), written(&all.clone()));
        assert!(written(&all) != written(&newer) && written(&all) != written(&other));
    }
}
