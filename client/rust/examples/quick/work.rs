//! What the example does, over the network or in one process.

use std::time::{Duration, Instant};
use vecraft_client::types::{CollectionSchema, DataType, FieldSchema, Metric, Result};
use vecraft_client::{Client, Collection, Rows};

const ROWS: usize = 100_000;
const DIM: usize = 128;
const BATCH: usize = 5_000;
const SEARCHES: usize = 1_000;
/// How long the index may take.
const INDEX_MAX: Duration = Duration::from_secs(180);

/// Makes the collection `quick`, fills it, searches it and drops it again; prints how fast that went.
pub async fn run(client: &Client) -> Result<()> {
    client.collection("quick").drop().await?;
    let schema = CollectionSchema::new(vec![
        FieldSchema::new("id", DataType::Int64).primary(false),
        FieldSchema::new("vector", DataType::FloatVector { dim: DIM as u32 }),
    ]);
    let quick = client.create("quick", schema).await?;
    quick.index("vector", "AUTOINDEX", Metric::L2).await?;

    let vectors = vectors(ROWS + SEARCHES);
    let (stored, asked) = vectors.split_at(ROWS * DIM);
    let began = Instant::now();
    for (batch, values) in stored.chunks(BATCH * DIM).enumerate() {
        let first = (batch * BATCH) as i64;
        let ids = first..first + (values.len() / DIM) as i64;
        let rows = Rows::new().int64("id", ids).vectors("vector", DIM as u32, values.to_vec());
        quick.insert(rows).await?;
    }
    let took = began.elapsed();
    println!(
        "{} rows in {:.2} s: {:.0} rows/s, each durable when answered",
        quick.count().await?,
        took.as_secs_f64(),
        ROWS as f64 / took.as_secs_f64()
    );

    measure("every row compared", &quick, asked).await?;

    let began = Instant::now();
    quick.flush().await?;
    while quick.indexes().await?.iter().any(|index| index.pending_rows > 0) {
        if began.elapsed() > INDEX_MAX {
            println!("the index is not ready after {} s", INDEX_MAX.as_secs());
            return quick.drop().await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("index built in {:.1} s", began.elapsed().as_secs_f64());
    measure("by the index", &quick, asked).await?;
    quick.drop().await
}

/// One search after another, ten hits each.
async fn measure(how: &str, quick: &Collection, queries: &[f32]) -> Result<()> {
    let mut times = Vec::with_capacity(SEARCHES);
    let mut found = 0;
    for query in queries.chunks(DIM) {
        let began = Instant::now();
        found += quick.search(query).limit(10).one().await?.len();
        times.push(began.elapsed());
    }
    times.sort();
    let at = |share: f64| millis(times[((times.len() - 1) as f64 * share) as usize]);
    println!("{SEARCHES} searches, {how}: {found} hits, p50 {:.2} ms, p99 {:.2} ms", at(0.5), at(0.99));
    Ok(())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Numbers between 0 and 1 that are the same in every run.
fn vectors(count: usize) -> Vec<f32> {
    let mut state = 42u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u32 << 24) as f32
    };
    (0..count * DIM).map(|_| next()).collect()
}
