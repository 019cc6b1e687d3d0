//! Back-pressure: how many bytes one request may have, and how many are worked on at once.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use vecraft_types::{Code, Error, Result};

/// Bytes are counted in units of this size, so that the semaphore's 32 bits reach far enough.
const UNIT_BYTES: usize = 1 << 10;

/// A budget of bytes. A request that finds no room is refused at once: a queue would only hide the overload.
pub(crate) struct Admission {
    units: u32,
    free: Arc<Semaphore>,
    /// Bytes that one request may have.
    request_bytes_max: usize,
    retry_after: Duration,
}

impl Admission {
    pub(crate) fn new(bytes_max: usize, request_bytes_max: usize, retry_after: Duration) -> Admission {
        let units = to_units(bytes_max);
        Admission { units, free: Arc::new(Semaphore::new(units as usize)), request_bytes_max, retry_after }
    }

    /// Room for so many bytes, given back when the permit is dropped. A request above the whole budget takes all
    /// of it, so that it can run alone.
    pub(crate) fn enter(&self, bytes: usize) -> Result<OwnedSemaphorePermit> {
        let units = to_units(bytes).min(self.units);
        self.free.clone().try_acquire_many_owned(units).map_err(|_| {
            let text = format!(
                "{bytes} more bytes do not fit, {} of {} are in flight",
                self.in_flight_bytes(),
                self.units as usize * UNIT_BYTES
            );
            let retry_after_ms = u64::try_from(self.retry_after.as_millis()).unwrap_or(u64::MAX);
            Error::new(Code::RateLimited, text).retry_after(retry_after_ms)
        })
    }

    /// Refuses rows, vectors or a filter of more bytes than one request may have. The doors refuse by what arrives,
    /// this also holds for a program that embeds the node.
    pub(crate) fn check(&self, bytes: usize) -> Result<()> {
        let max = self.request_bytes_max;
        if bytes <= max {
            return Ok(());
        }
        let text =
            format!("the request has {bytes} bytes of rows, vectors or filter, at most {max} are allowed");
        Err(Error::new(Code::ParameterTooLarge, text))
    }

    /// Bytes being worked on, for metrics.
    pub(crate) fn in_flight_bytes(&self) -> usize {
        (self.units as usize).saturating_sub(self.free.available_permits()) * UNIT_BYTES
    }
}

fn to_units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX >> 3).clamp(1, u32::MAX >> 3)
}
