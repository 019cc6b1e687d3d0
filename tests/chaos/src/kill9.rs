//! The rounds.

use crate::checker::{Findings, check};
use crate::ledger::Ledger;
use crate::namer::Namer;
use crate::report::Report;
use crate::row::{COLLECTION, Row, schema};
use crate::server::{Place, Server};
use crate::writer::{End, Writer};
use crate::{Trouble, scan};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use vecraft_client::Client;
use vecraft_client::types::api::{Call, Database};
use vecraft_client::types::{Code, Error, Metric};

/// How long writers work before the kill, at least and at most.
const WORK: (u64, u64) = (150, 1_200);
/// How soon after its start a server is killed, when it is not allowed to finish.
const START_KILL_MAX_MS: u64 = 400;
/// How long a recovered server may take to answer rightly.
const RECOVERY_MAX: Duration = Duration::from_secs(120);

/// What to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Kills.
    pub rounds: usize,
    /// Writers at once.
    pub writers: usize,
    /// Chooses moments and operations.
    pub seed: u64,
}

/// A run and what it has found so far. A run that is dropped kills its server.
pub struct Run {
    place: Place,
    random: StdRng,
    writers: Vec<Writer>,
    /// Away while it works.
    namer: Option<Namer>,
    /// From the last start to its first right answer, in milliseconds.
    answered_ms: f64,
    /// What is wrong since the last look.
    findings: Findings,
    /// What is told at the end.
    pub report: Report,
}

impl Run {
    /// A run that has not begun.
    pub fn new(plan: &Plan, place: Place) -> Run {
        let report = Report {
            program: place.command.first().map(|p| p.display().to_string()).unwrap_or_default(),
            seed: plan.seed,
            writers: plan.writers,
            rounds: plan.rounds,
            ..Report::default()
        };
        let writers = (0..plan.writers).map(|owner| Writer::new(owner, plan.seed)).collect();
        Run {
            place,
            namer: Some(Namer::new(plan.seed)),
            random: StdRng::seed_from_u64(plan.seed),
            writers,
            answered_ms: 0.0,
            findings: Findings::default(),
            report,
        }
    }

    /// All rounds, then an orderly stop and a last scan. What is found stands in the report.
    ///
    /// # Errors
    /// When the test cannot go on: the server does not start, ends by itself, or refuses what is right.
    pub async fn all(&mut self) -> Result<(), Trouble> {
        let (server, client) = self.start().await?;
        prepare(&client).await.map_err(|e| format!("cannot make the collection: {e}"))?;
        let mut alive = (server, client);
        for round in 1..=self.report.rounds {
            alive = self.round(round, alive).await?;
        }
        let status = alive.0.stop().await?;
        if !status.success() {
            return Err(format!("the server ended with {status} after SIGTERM"));
        }
        let (server, client) = self.start().await?;
        let clean = self.look(&client).await?;
        self.report.findings.add(clean);
        server.stop().await.map(|_| ())
    }

    /// Writers work, the server dies, the next one is looked at.
    async fn round(&mut self, round: usize, alive: (Server, Client)) -> Result<(Server, Client), Trouble> {
        let (server, client) = alive;
        let working = self.set_to_work(&client);
        let naming = self.set_to_name(&client);
        let flushing = self.random.random_bool(0.3).then(|| self.flush_soon(&client));
        let work = self.random.random_range(WORK.0..WORK.1);
        tokio::time::sleep(Duration::from_millis(work)).await;
        server.kill()?;
        self.report.kills_writing += 1;
        self.gather(working, naming).await?;
        if let Some(flushing) = flushing {
            flushing.abort();
        }
        let died = if self.random.random_bool(0.2) { self.kill_a_start().await? } else { "" };
        let (server, client) = self.start().await?;
        self.report.recovery_ms.push(self.answered_ms);
        let mut findings = self.look(&client).await?;
        self.writers.iter_mut().for_each(|writer| findings.add(std::mem::take(&mut writer.findings)));
        println!(
            "round {round:>4}: killed after {work:>4} ms{died}, first answer in {:>6.0} ms, {:>6} rows, {}",
            self.answered_ms,
            self.report.rows_at_end,
            if findings.is_clean() { "ok".to_owned() } else { format!("WRONG {findings:?}") }
        );
        self.report.rounds_passed += usize::from(findings.is_clean());
        self.report.findings.add(findings);
        Ok((server, client))
    }

    fn set_to_work(&mut self, client: &Client) -> Vec<JoinHandle<(Writer, End)>> {
        let writers = std::mem::take(&mut self.writers);
        let set = |mut writer: Writer| {
            let client = client.clone();
            tokio::spawn(async move {
                let end = writer.work(client).await;
                (writer, end)
            })
        };
        writers.into_iter().map(set).collect()
    }

    fn set_to_name(&mut self, client: &Client) -> Option<JoinHandle<(Namer, End)>> {
        let (mut namer, client) = (self.namer.take()?, client.clone());
        Some(tokio::spawn(async move {
            let end = namer.work(client).await;
            (namer, end)
        }))
    }

    fn flush_soon(&mut self, client: &Client) -> JoinHandle<()> {
        self.report.flushes += 1;
        let (client, after) = (client.clone(), self.random.random_range(0..WORK.1));
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(after)).await;
            // Killed in the middle or refused: both are fine, what counts is what is there afterwards.
            let _ = client.flush(Call::default(), vec![COLLECTION.to_owned()]).await;
        })
    }

    /// Waits for the writers and the namer to notice.
    async fn gather(
        &mut self,
        working: Vec<JoinHandle<(Writer, End)>>,
        naming: Option<JoinHandle<(Namer, End)>>,
    ) -> Result<(), Trouble> {
        let mut ends = Vec::new();
        for writer in working {
            let (writer, end) = writer.await.map_err(|e| format!("a writer ended: {e}"))?;
            self.writers.push(writer);
            ends.push(end);
        }
        if let Some(namer) = naming {
            let (namer, end) = namer.await.map_err(|e| format!("the namer ended: {e}"))?;
            self.report.ddl_acked = namer.ledger.writes_acked;
            self.namer = Some(namer);
            ends.push(end);
        }
        self.sum();
        for end in ends {
            match end {
                End::Refused(error) => return Err(format!("the server refused a good request: {error}")),
                End::Failed(error) if matches!(error.code, Code::OutcomeUnknown | Code::Unavailable) => {}
                End::Failed(error) => self.report.other_errors.push(error.to_string()),
            }
        }
        Ok(())
    }

    fn sum(&mut self) {
        let sum = |value: fn(&Writer) -> u64| self.writers.iter().map(value).sum();
        self.report.writes_acked = sum(|writer| writer.ledger.writes_acked);
        self.report.rows_acked = sum(|writer| writer.ledger.rows_acked);
        self.report.writes_unknown = sum(|writer| writer.ledger.writes_unknown);
        self.report.reads = sum(|writer| writer.reads);
    }

    /// Starts a server and kills it before it can have finished recovering.
    async fn kill_a_start(&mut self) -> Result<&'static str, Trouble> {
        let server = Server::start(&self.place)?;
        let after = self.random.random_range(0..START_KILL_MAX_MS);
        tokio::time::sleep(Duration::from_millis(after)).await;
        server.kill()?;
        self.report.kills_starting += 1;
        Ok(", again while starting")
    }

    /// Starts a server and waits for its first right answer.
    async fn start(&mut self) -> Result<(Server, Client), Trouble> {
        let mut server = Server::start(&self.place)?;
        let address = server.client_address().await?;
        let ledgers = self.ledgers();
        loop {
            match first_answer(&address, &ledgers).await {
                Ok((client, wrong)) => {
                    self.answered_ms = millis(server.started());
                    // A Strong read is right or not given: a wrong one is not a server that still recovers.
                    wrong.into_iter().for_each(|text| self.findings.disagrees(text));
                    return Ok((server, client));
                }
                Err(why) if server.started().elapsed() > RECOVERY_MAX => {
                    return Err(format!("no right answer within {} s: {why}", RECOVERY_MAX.as_secs()));
                }
                Err(_) => {
                    server.is_running()?;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }
    }

    /// Scans, checks, settles.
    async fn look(&mut self, client: &Client) -> Result<Findings, Trouble> {
        let failed = |error: Error| format!("a Strong read failed: {error}");
        let rows: Vec<Row> = scan::everything(client).await.map_err(failed)?;
        let mut findings = std::mem::take(&mut self.findings);
        findings.add(check(&rows, &self.ledgers()));
        let pick = self.random.random_range(0..usize::MAX);
        scan::cross_check(client, &rows, pick, &mut findings).await.map_err(failed)?;
        if let Some(namer) = &self.namer {
            namer.check(client, &mut findings).await.map_err(failed)?;
        }
        let seen = scan::seen(&rows);
        self.writers.iter_mut().for_each(|writer| writer.ledger.settle(&seen));
        self.report.rows_at_end = rows.len();
        self.report.rows_scanned += rows.len() as u64;
        Ok(findings)
    }

    fn ledgers(&self) -> Vec<Ledger> {
        self.writers.iter().map(|writer| writer.ledger.clone()).collect()
    }
}

/// The collection; one shard, so that a write of several rows is one entry (I20).
async fn prepare(client: &Client) -> Result<(), Error> {
    let chaos = client.create(COLLECTION, schema()).await?;
    chaos.index("vector", "FLAT", Metric::L2).await
}

/// Connects and asks for a count; the second value says so when it does not fit what was acknowledged.
async fn first_answer(address: &str, ledgers: &[Ledger]) -> Result<(Client, Option<String>), String> {
    let builder = Client::builder().address(address).retries(false).deadline(Duration::from_secs(10));
    let client = builder.connect().await.map_err(|e| e.to_string())?;
    if ledgers.iter().all(|ledger| ledger.keys.is_empty()) {
        client.server_info(Call::default()).await.map_err(|e| e.to_string())?;
        return Ok((client, None));
    }
    let count = client.collection(COLLECTION).count().await.map_err(|e| e.to_string())?;
    let wrong =
        (!scan::is_right(count, ledgers)).then(|| format!("the first answer, count(*) {count}, is wrong"));
    Ok((client, wrong))
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}
