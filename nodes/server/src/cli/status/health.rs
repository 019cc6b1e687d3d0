//! One GET to a health door. A whole HTTP library for one fixed request would be out of proportion.

use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A node that does not answer in this time is as good as silent.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Bytes; reasons are a few lines.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// What `/healthz?strict` said: a person hears of everything that a node lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 200.
    Well,
    /// 503 with its reasons.
    Unwell(Vec<String>),
}

/// Asks the door at `address` (`host:port`).
pub async fn ask(address: &str) -> Result<Answer, String> {
    match tokio::time::timeout(TIMEOUT, get(address)).await {
        Ok(answered) => answered,
        Err(_) => Err(format!("no answer in {} s", TIMEOUT.as_secs())),
    }
}

async fn get(address: &str) -> Result<Answer, String> {
    let mut stream = TcpStream::connect(address).await.map_err(|e| e.to_string())?;
    let request = format!("GET /healthz?strict HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(|e| e.to_string())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await.map_err(|e| e.to_string())?;
    parse(&String::from_utf8_lossy(&answer))
}

/// Status and body of an answer. Our door gives its bodies in one piece with their length.
pub fn parse(answer: &str) -> Result<Answer, String> {
    let strange = || format!("not an answer of a health door: {:?}", answer.lines().next().unwrap_or(""));
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(strange)?;
    let mut words = head.split(' ');
    match (words.next(), words.next()) {
        (Some("HTTP/1.1"), Some("200")) if body == "OK" => Ok(Answer::Well),
        (Some("HTTP/1.1"), Some("503")) => Ok(Answer::Unwell(body.lines().map(str::to_owned).collect())),
        _ => Err(strange()),
    }
}
