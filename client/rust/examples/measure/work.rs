//! Loading and measuring, over the network or in one process. One JSON object a line goes to standard output.
//!
//! ```text
//! metric=L2 dim=784 base=FILE.f32 queries=FILE.f32   little-endian f32, row after row
//! columns=NAME:FILE.i64,...                           integer columns of the rows, to filter by
//! index=HNSW:M=16;efConstruction=200                  type and build parameters
//! batch=1000 load=yes|no                              rows a call; no: the collection is there already
//! ef=10,16,24 clients=1,4 seconds=2                   searches: each breadth, then so many callers for so long
//! filters=EXPRESSION|EXPRESSION                       the same under filters
//! found=DIRECTORY                                     keys found for every query, as FILE.i64, ten a query
//! ```

use crate::options::Options;
use std::time::{Duration, Instant};
use vecraft_client::types::api::Consistency;
use vecraft_client::types::{CollectionSchema, DataType, FieldSchema, Metric, PrimaryKey, Result};
use vecraft_client::{Client, Collection, Rows};

const NAME: &str = "measured";
const K: usize = 10;

struct Data {
    dim: usize,
    base: Vec<f32>,
    queries: Vec<f32>,
    columns: Vec<(String, Vec<i64>)>,
}

fn read<T>(path: &str, width: usize, value: impl Fn(&[u8]) -> T) -> Vec<T> {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    bytes.chunks_exact(width).map(value).collect()
}

impl Data {
    fn read(options: &mut Options) -> Data {
        let floats = |path: String| read(&path, 4, |bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
        let column = |word: &str| {
            let (name, path) = word.split_once(':')?;
            Some((name.to_owned(), read(path, 8, |bytes| i64::from_le_bytes(bytes.try_into().unwrap()))))
        };
        Data {
            dim: options.number("dim", ""),
            base: floats(options.take("base", "")),
            queries: floats(options.take("queries", "")),
            columns: options.take("columns", "").split(',').filter_map(column).collect(),
        }
    }
}

/// One kind of search.
struct Cell<'a> {
    collection: &'a Collection,
    data: &'a Data,
    ef: usize,
    filter: &'a str,
}

impl Cell<'_> {
    async fn search(&self, query: usize) -> Result<Vec<i64>> {
        let dim = self.data.dim;
        let values = &self.data.queries[query * dim..(query + 1) * dim];
        let search = self.collection.search(values).limit(K).param("ef", self.ef).filter(self.filter);
        let hits = search.consistency(Consistency::Eventually).one().await?;
        let key = |key: &PrimaryKey| if let PrimaryKey::Int64(key) = key { *key } else { -1 };
        Ok(hits.iter().map(|hit| key(&hit.key)).collect())
    }

    fn queries(&self) -> usize {
        self.data.queries.len() / self.data.dim
    }

    /// Callers that each wait for their answer before they ask again: milliseconds of every search.
    async fn drive(&self, clients: usize, time: Duration) -> Result<(f64, Vec<f64>)> {
        let began = Instant::now();
        let one = |number: usize| async move {
            let (mut times, mut query) = (Vec::new(), number * 61);
            while began.elapsed() < time {
                let asked = Instant::now();
                self.search(query % self.queries()).await?;
                times.push(asked.elapsed().as_secs_f64() * 1e3);
                query += 1;
            }
            Ok::<_, vecraft_client::types::Error>(times)
        };
        let mut times = Vec::new();
        for caller in together((0..clients).map(one)).await {
            times.extend(caller?);
        }
        times.sort_by(f64::total_cmp);
        Ok((times.len() as f64 / began.elapsed().as_secs_f64(), times))
    }
}

/// Polls all of them, on this task: what is measured is the server, or the node in this process.
async fn together<T>(work: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut work: Vec<_> = work.map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(|context| {
        let mut is_over = true;
        for (one, done) in work.iter_mut().filter(|(_, done)| done.is_none()) {
            match one.as_mut().poll(context) {
                std::task::Poll::Ready(value) => *done = Some(value),
                std::task::Poll::Pending => is_over = false,
            }
        }
        if is_over { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    work.into_iter().filter_map(|(_, done)| done).collect()
}

/// Seconds of CPU that this process has used.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

async fn load(client: &Client, data: &Data, options: &mut Options) -> Result<Collection> {
    let index = options.take("index", "AUTOINDEX");
    let (metric, batch) = (options.take("metric", "L2"), options.number::<usize>("batch", "1000"));
    let collection = client.collection(NAME);
    if options.take("load", "yes") == "no" {
        return Ok(collection);
    }
    collection.drop().await?;
    let mut fields = vec![
        FieldSchema::new("id", DataType::Int64).primary(false),
        FieldSchema::new("vector", DataType::FloatVector { dim: data.dim as u32 }),
    ];
    fields.extend(data.columns.iter().map(|(name, _)| FieldSchema::new(name, DataType::Int64)));
    let collection = client.create(NAME, CollectionSchema::new(fields)).await?;
    let (kind, params) = index.split_once(':').unwrap_or((&index, ""));
    let params: Vec<(&str, &str)> = params.split(';').filter_map(|pair| pair.split_once('=')).collect();
    collection.index_with("vector", kind, Metric::parse(&metric).unwrap(), &params).await?;
    for (name, _) in &data.columns {
        collection.scalar_index(name, "STL_SORT", &[]).await?;
    }

    let (began, cpu) = (Instant::now(), cpu_seconds());
    for (number, values) in data.base.chunks(batch * data.dim).enumerate() {
        let rows = number * batch..number * batch + values.len() / data.dim;
        let ids = rows.clone().map(|row| row as i64);
        let mut batch = Rows::new().int64("id", ids).vectors("vector", data.dim as u32, values.to_vec());
        for (name, column) in &data.columns {
            batch = batch.int64(name, column[rows.clone()].iter().copied());
        }
        collection.insert(batch).await?;
    }
    let inserted = began.elapsed().as_secs_f64();
    collection.flush().await?;
    while collection.indexes().await?.iter().any(|index| index.pending_rows > 0) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (ready, cpu) = (began.elapsed().as_secs_f64() - inserted, cpu_seconds() - cpu);
    let rate = data.base.len() as f64 / data.dim as f64 / inserted;
    println!(r#"{{"insert_rows_s":{rate:.0},"ready_s":{ready:.2},"own_cpu_s":{cpu:.2}}}"#);
    Ok(collection)
}

/// Loads, then measures every cell.
pub async fn run(client: &Client, mut options: Options) -> Result<()> {
    let mut data = Data::read(&mut options);
    let collection = load(client, &data, &mut options).await?;
    data.base = Vec::new();
    let (efs, clients) = (options.numbers("ef", "10,16,24,32"), options.numbers("clients", "1"));
    let time = Duration::from_secs_f64(options.number("seconds", "2"));
    let (filters, found) = (options.take("filters", ""), options.take("found", ""));
    options.end();
    for (number, filter) in filters.split('|').enumerate() {
        for &ef in &efs {
            let cell = Cell { collection: &collection, data: &data, ef, filter };
            let mut keys = Vec::new();
            for query in 0..cell.queries() {
                let mut hits = cell.search(query).await?;
                hits.resize(K, -1);
                keys.extend(hits.iter().flat_map(|key| key.to_le_bytes()));
            }
            let file = format!("{found}/{number}-{ef}.i64");
            if !found.is_empty() {
                std::fs::write(&file, keys).unwrap_or_else(|error| panic!("{file}: {error}"));
            }
            for &clients in &clients {
                let cpu = cpu_seconds();
                let (qps, times) = cell.drive(clients, time).await?;
                let cpu = (cpu_seconds() - cpu) * 1e3 / times.len().max(1) as f64;
                let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
                let (half, most) = (at(0.5), at(0.99));
                println!(
                    r#"{{"filter":"{filter}","ef":{ef},"clients":{clients},"qps":{qps:.0},"p50_ms":{half:.3},"p99_ms":{most:.3},"own_cpu_ms":{cpu:.3},"found":"{file}"}}"#
                );
            }
        }
    }
    Ok(())
}
