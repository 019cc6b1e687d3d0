//! A node's health and metrics, by plain HTTP.

use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_millis(800);

/// The body of an answer with status 200; `None` for anything else.
pub async fn get(address: &str, path: &str) -> Option<String> {
    timeout(PATIENCE, ask(address, path)).await.ok()?.ok().flatten()
}

async fn ask(address: &str, path: &str) -> std::io::Result<Option<String>> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return Ok(None) };
    let is_ok = head.split_whitespace().nth(1) == Some("200");
    Ok(is_ok.then(|| body.to_owned()))
}

/// What one replica says about its group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The group.
    pub group: u64,
    /// Position of the last entry applied.
    pub applied: u64,
    /// Whether it leads.
    pub is_leader: bool,
    /// Whether it knows who leads.
    pub has_leader: bool,
}

/// The groups of a node, from its metrics; `None` when it does not answer.
pub async fn standings(address: &str) -> Option<Vec<Standing>> {
    Some(parse(&get(address, "/metrics").await?))
}

fn parse(text: &str) -> Vec<Standing> {
    let mut groups = std::collections::BTreeMap::<u64, Standing>::new();
    for line in text.lines() {
        let Some((name, rest)) = line.split_once('{') else { continue };
        let Some((labels, value)) = rest.rsplit_once(' ') else { continue };
        let group = labels.split_once("group=\"").and_then(|(_, id)| id.split_once('"')).map(|(id, _)| id);
        let (Some(group), Ok(value)) = (group.and_then(|id| id.parse().ok()), value.parse::<f64>()) else {
            continue;
        };
        let standing = groups.entry(group).or_insert(Standing { group, ..Standing::default() });
        match name {
            "vecraft_group_applied_position" => standing.applied = value as u64,
            "vecraft_group_is_leader" => standing.is_leader = value > 0.0,
            "vecraft_group_has_leader" => standing.has_leader = value > 0.0,
            _ => {}
        }
    }
    groups.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_standings_from_metrics() {
        let text = "# HELP x y\nvecraft_group_applied_position{group=\"3\"} 42\n\
                    vecraft_group_is_leader{group=\"3\"} 1\nother{a=\"b\"} 1\nvecraft_group_has_leader{group=\"3\"} 1\n";
        let expected = Standing { group: 3, applied: 42, is_leader: true, has_leader: true };
        assert_eq!(parse(text), vec![expected]);
    }
}
