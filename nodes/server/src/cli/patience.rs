//! What a command says once it has waited for a moment: a silent one looks as if it hung.
//!
//! It ends nothing: how long something is waited for is the business of who asks.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

/// Longer than what is well takes, shorter than a person's patience.
pub const QUIET: Duration = Duration::from_secs(2);

/// Waits for `work`. When that takes longer than a moment, says on standard error for what it waits, once.
pub async fn patiently<T>(what: &str, work: impl Future<Output = T>) -> T {
    telling(what, QUIET, work, |line| eprintln!("{line}")).await
}

async fn telling<T>(
    what: &str,
    quiet: Duration,
    work: impl Future<Output = T>,
    tell: impl FnOnce(String),
) -> T {
    let mut work = pin!(work);
    tokio::select! {
        biased;
        done = &mut work => return done,
        () = tokio::time::sleep(quiet) => tell(format!("waiting for {what}")),
    }
    work.await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn only_what_takes_long_is_told() {
        let quick = telling("an answer", QUIET, async { 7 }, |line| panic!("{line}"));
        assert_eq!(quick.await, 7);
        // This one ends when it was told.
        let (tell, told) = oneshot::channel();
        let slow = telling("an answer", Duration::from_millis(1), told, |line| tell.send(line).unwrap());
        assert_eq!(slow.await.unwrap(), "waiting for an answer");
    }
}
