//! `vecraft explain`: a search that tells how its answer comes about, and why rows are missing from it.

mod asked;
mod table;

use super::failure::Failure;
use super::node::reach::Reach;
use super::patience::patiently;
use asked::Asked;
use clap::{Args, ValueEnum};
use vecraft_types::api::{Call, Consistency, Database};
use vecraft_types::{Code, Error, Timestamp};

/// Options of `vecraft explain`.
#[derive(Debug, Args)]
#[command(
    after_help = "What is searched for: the vector of a stored row (--key, or --row for the Nth in key order), or one given by its numbers.\nA segment's figures say which way it was searched and why; `distances` are those by code, by value and to centroids;\n`touched` is computed from them. --missing tells of each key where it is: its real rank is found by comparing every row.\n\nEnds 0 when the search was answered, 1 when not, 2 when the options are wrong.\n\nExamples:\n  vecraft explain docs --key 42                              what is near row 42, and how that is found\n  vecraft explain docs --row 0 --limit 5 --filter 'year > 1990' --param ef=64\n  vecraft explain docs --vector 0.1,0.2,0.3,0.4 --missing 7,8   why are rows 7 and 8 no hits?\n  vecraft explain docs --key 42 --connect 10.0.0.2:19540 --json"
)]
pub struct Explain {
    /// The collection.
    collection: String,
    #[command(flatten)]
    what: What,
    /// The vector field; needed when there are several.
    #[arg(long, default_value = "")]
    field: String,
    /// Hits wanted, 1 to 16384.
    #[arg(long, default_value_t = 10, value_name = "N")]
    limit: usize,
    /// Only rows that match, in Milvus's filter language.
    #[arg(long, default_value = "", value_name = "EXPR")]
    filter: String,
    /// Only this partition; may be given several times.
    #[arg(long = "partition", value_name = "NAME")]
    partitions: Vec<String>,
    /// A search parameter, as ef=64, nprobe=16 or recall=0.95; may be given several times.
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parameter)]
    params: Vec<(String, String)>,
    /// How fresh the answer must be.
    #[arg(long, value_enum, default_value_t = Level::Strong)]
    consistency: Level,
    /// Primary keys of which to tell why they are (no) hits, at most 100, with commas between.
    #[arg(long, value_delimiter = ',', value_name = "PK,PK")]
    missing: Vec<String>,
    #[command(flatten)]
    reach: Reach,
}

/// What is searched for.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct What {
    /// The vector of the row with this primary key.
    #[arg(long, value_name = "PK")]
    key: Option<String>,
    /// The vector of the row at this place in key order, from 0.
    #[arg(long, value_name = "N")]
    row: Option<usize>,
    /// The vector itself, with commas between; of fields of floats.
    #[arg(long, value_delimiter = ',', allow_hyphen_values = true, value_name = "X,X,...")]
    vector: Option<Vec<f32>>,
}

/// Consistency levels that mean something to a client that has written nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Level {
    /// Everything acknowledged before.
    Strong,
    /// Nothing older than 5 s.
    Bounded,
    /// Whatever the replica has.
    Eventually,
}

/// What Bounded means, in milliseconds.
const BOUND_MS: u64 = 5_000;

impl Level {
    fn consistency(self) -> Consistency {
        match self {
            Level::Strong => Consistency::Strong,
            Level::Bounded => Consistency::Bounded(BOUND_MS, Timestamp::ZERO),
            Level::Eventually => Consistency::Eventually,
        }
    }
}

fn parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() && !value.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("write NAME=VALUE, for example ef=64".to_owned()),
    }
}

impl Explain {
    pub fn run(self) -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| format!("cannot start: {e}"))?;
        runtime.block_on(self.work())
    }

    async fn work(self) -> Result<(), Failure> {
        let client = self.reach.client().await?;
        let work = async {
            let asked = Asked::of(&client, &self).await?;
            let reply = client.search(Call::default(), asked.request).await.map_err(refused)?;
            Ok::<_, Failure>(reply)
        };
        let reply = patiently("the answer to the search", work).await?;
        let Some(explanation) = &reply.explanation else {
            return Err(Failure::from("the node explained nothing: is it of an older version?".to_owned()));
        };
        if self.reach.json {
            println!("{}", serde_json::to_string_pretty(explanation).map_err(|e| e.to_string())?);
        } else {
            print!("{}", table::table(explanation, &reply));
        }
        Ok(())
    }
}

/// What the server does not take of the options is a slip in them.
fn refused(error: Error) -> Failure {
    let is_of_options =
        matches!(error.code, Code::InvalidParameter | Code::MissingParameter | Code::FieldNotFound);
    if is_of_options { Failure::options(error.to_string()) } else { Failure::from(error.to_string()) }
}
