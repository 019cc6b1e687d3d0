//! Reading everything, Strong.

use crate::checker::Findings;
use crate::ledger::{Ledger, Seen};
use crate::row::{COLLECTION, DIM, Row};
use vecraft_client::types::api::{Consistency, NamedRows};
use vecraft_client::types::{ColumnData, PrimaryKey, Result};
use vecraft_client::{Client, Collection};

const PAGE: usize = 4_000;

/// Every row of the collection, in key order, page after page. Nobody writes meanwhile.
///
/// # Errors
/// Those of the calls.
pub async fn everything(client: &Client) -> Result<Vec<Row>> {
    let mut all = Vec::new();
    let mut filter = String::new();
    loop {
        let query = client.collection(COLLECTION).query(&filter).output(["*"]).limit(PAGE);
        let page = rows(&query.consistency(Consistency::Strong).rows().await?.rows);
        let full = page.len() == PAGE;
        all.extend(page);
        match all.last() {
            Some(last) if full => filter = format!("id > {}", last.id),
            _ => return Ok(all),
        }
    }
}

/// The row of one key, or rows if there are several.
///
/// # Errors
/// Those of the call.
pub async fn one(collection: &Collection, id: i64) -> Result<Vec<Row>> {
    let query = collection.query(&format!("id == {id}")).output(["*"]).limit(10);
    Ok(rows(&query.consistency(Consistency::Strong).rows().await?.rows))
}

/// Rows of a reply. A column that is missing or of another type reads as values that no write wrote, so the
/// checker reports it.
pub fn rows(named: &NamedRows) -> Vec<Row> {
    let int = |name: &str, row: usize| match named.column(name).map(|c| &c.data) {
        Some(ColumnData::Int64(v)) => v[row],
        _ => i64::MIN,
    };
    let note = |row: usize| match named.column("note").map(|c| &c.data) {
        Some(ColumnData::VarChar(v)) => v.get(row).to_owned(),
        _ => "missing".to_owned(),
    };
    let vector = |row: usize| match named.column("vector").map(|c| &c.data) {
        Some(ColumnData::FloatVector { dim, values }) if *dim as usize == DIM => {
            values[row * DIM..(row + 1) * DIM].to_vec()
        }
        _ => Vec::new(),
    };
    let read = |row| Row {
        id: int("id", row),
        owner: int("owner", row),
        version: int("version", row),
        note: note(row),
        vector: vector(row),
    };
    (0..named.batch.rows).map(read).collect()
}

/// `count(*)` must equal the scan, and a search for a row's own vector must find it at distance 0.
///
/// # Errors
/// Those of the calls.
pub async fn cross_check(client: &Client, scan: &[Row], pick: usize, findings: &mut Findings) -> Result<()> {
    let chaos = client.collection(COLLECTION);
    let count = chaos.count().await?;
    if count != scan.len() as u64 {
        findings.disagrees(format!("count(*) is {count}, the scan has {} rows", scan.len()));
    }
    if scan.is_empty() {
        return Ok(());
    }
    let row = &scan[pick % scan.len()];
    let search = chaos.search(&row.vector).limit(1).consistency(Consistency::Strong);
    match search.one().await?.first() {
        Some(hit) if hit.key == PrimaryKey::Int64(row.id) && hit.score == 0.0 => {}
        other => findings.disagrees(format!(
            "a search for the vector of key {} found {:?}",
            row.id,
            other.map(|hit| (&hit.key, hit.score))
        )),
    }
    Ok(())
}

/// Whether a count may be right, given what was acknowledged.
pub fn is_right(count: u64, ledgers: &[Ledger]) -> bool {
    let (least, most) = ledgers.iter().map(Ledger::rows_allowed).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    (least..=most).contains(&count)
}

/// What a scan shows of each key.
pub fn seen(scan: &[Row]) -> std::collections::BTreeMap<i64, Seen> {
    scan.iter().map(|row| (row.id, Seen::Version(row.version))).collect()
}
