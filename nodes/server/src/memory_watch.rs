//! Watches what the process really has of its memory (I21), beside what the governor counts.
//!
//! ```text
//! below 80 % of what the system allows      nothing
//! from 85 % on                              freed memory is given back; if that was not it: inserts are refused, no index is read
//!                                           or built, indexes are used in their mapped files, until it is below 80 % again
//! ```
//! The kernel asks nobody before it kills. What counts is memory that is not mapped files, for those pages it takes back by itself.

use crate::heap::give_back;
use crate::limits;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use vecraft_data::Governor;
use vecraft_runtime::pools::IoPool;
use vecraft_runtime::shutdown::Shutdown;

/// Between two looks: far from the limit, and near it.
const CALM_PAUSE: Duration = Duration::from_secs(1);
const CLOSE_PAUSE: Duration = Duration::from_millis(100);

/// Parts of a hundred of what is allowed.
const CLOSE: u64 = 60;
const ENOUGH: u64 = 80;
const TOO_NEAR: u64 = 85;

/// What to do, given what the process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Calm,
    /// Look more often.
    Close,
    /// Hold on to what was decided.
    Between,
    /// So many bytes too many.
    TooNear(u64),
}

fn level(has: u64, allowed: u64) -> Level {
    let part = |percent: u64| allowed / 100 * percent;
    match has {
        _ if has >= part(TOO_NEAR) => Level::TooNear(has - part(ENOUGH)),
        _ if has >= part(ENOUGH) => Level::Between,
        _ if has >= part(CLOSE) => Level::Close,
        _ => Level::Calm,
    }
}

/// Watches until shutdown.
///
/// # Errors
/// None; the type is what background tasks return.
pub(crate) async fn watch(governor: Arc<Governor>, io: IoPool, shutdown: Shutdown) -> Result<(), Infallible> {
    let allowed = limits::memory_bytes();
    let (mut pause, mut is_told) = (CALM_PAUSE, false);
    while shutdown.unless_triggered(tokio::time::sleep(pause)).await.is_some() {
        let Some(has) = limits::memory_taken() else { return Ok(()) };
        let mut now = level(has, allowed);
        if matches!(now, Level::TooNear(_)) {
            let Ok(()) = io.run(give_back).await else { return Ok(()) };
            now = level(limits::memory_taken().unwrap_or(has), allowed);
        }
        pause = if now == Level::Calm { CALM_PAUSE } else { CLOSE_PAUSE };
        match now {
            Level::TooNear(bytes) => {
                governor.set_too_many(bytes);
                if !std::mem::replace(&mut is_told, true) {
                    let (has_mib, allowed_mib) = (has >> 20, allowed >> 20);
                    tracing::warn!(
                        has_mib,
                        allowed_mib,
                        "memory is nearly used up: inserts are refused, indexes make room"
                    );
                }
            }
            Level::Between => {}
            Level::Close | Level::Calm => {
                governor.set_too_many(0);
                if std::mem::take(&mut is_told) {
                    tracing::info!("there is memory again: inserts are taken");
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i21_the_nearer_to_the_limit_the_more_is_done() {
        let of = |has| level(has, 1_000);
        assert_eq!([0, 599, 600, 799].map(of), [Level::Calm, Level::Calm, Level::Close, Level::Close]);
        // Back to the level at which inserts are taken again.
        assert_eq!(
            [800, 849, 850, 2_000].map(of),
            [Level::Between, Level::Between, Level::TooNear(50), Level::TooNear(1_200)]
        );
        assert!(limits::memory_taken().is_none_or(|bytes| (1 << 16..1 << 40).contains(&bytes)));
    }
}
