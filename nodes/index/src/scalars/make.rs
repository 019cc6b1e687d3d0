//! One scalar index: opened or built, and put to use.

use super::difference::{Missing, Wanted};
use crate::error::{Error, Result};
use crate::node::IndexNode;
use crate::plan::IndexTarget;
use crate::state::Failure;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use vecraft_expr::{ColumnValues, FieldIndex};
use vecraft_runtime::shutdown::Shutdown;
use vecraft_segment::SealedSegment;

impl IndexNode {
    /// Does one job, unless nobody wants it any more meanwhile or the node stops.
    pub(super) async fn make_scalar(&self, missing: Missing, stop: &Shutdown) {
        let (target, started) = (missing.target, self.clock.monotonic());
        let unwanted = Arc::new(AtomicBool::new(false));
        let made = {
            let making = self.open_or_build(&missing, &unwanted);
            tokio::pin!(making);
            loop {
                tokio::select! {
                    made = &mut making => break made,
                    () = stop.triggered(), if !unwanted.load(Ordering::Relaxed) => {
                        unwanted.store(true, Ordering::Relaxed);
                    }
                    () = self.scalars.changed.notified(), if !unwanted.load(Ordering::Relaxed) => {
                        let is_it = |other: &Missing| other.target == target && Arc::ptr_eq(&other.segment, &missing.segment);
                        if !self.difference().missing.iter().any(is_it) {
                            unwanted.store(true, Ordering::Relaxed);
                        }
                    }
                }
            }
        };
        let attached = made.and_then(|(index, bytes, is_new)| {
            missing.segment.attach_scalar(target.index, missing.wanted.field, index)?;
            Ok((bytes, is_new))
        });
        match attached {
            Ok((bytes, is_new)) => {
                self.scalars.failures.lock().remove(&target);
                self.scalars.files.lock().insert(target, bytes);
                let mut state = self.state.lock();
                *(if is_new { &mut state.report.scalars_built } else { &mut state.report.scalars_opened }) +=
                    1;
                tracing::info!(
                    target_index = %target,
                    kind = missing.wanted.spec.kind.name(),
                    is_new,
                    rows = missing.segment.rows(),
                    bytes,
                    took = ?self.clock.monotonic().saturating_sub(started),
                    "scalar index in use"
                );
            }
            Err(error) if error.is_cancelled() => {
                tracing::info!(%target, "scalar index no longer wanted, cancelled")
            }
            Err(error) => {
                self.tell_damage(target.shard, &error);
                let (pause, lasts_since_now) = self.put_off_scalar(target, &error);
                if lasts_since_now {
                    tracing::error!(%target, %error, "a scalar index cannot be built, filters scan; it is tried on");
                } else {
                    tracing::warn!(%target, %error, ?pause, "no scalar index, filters scan; trying again after the pause");
                }
            }
        }
    }

    /// Counts a failure; answers the pause, and whether this is the one with which it counts as lasting.
    fn put_off_scalar(&self, target: IndexTarget, error: &Error) -> (Duration, bool) {
        let now = self.clock.monotonic();
        let mut failures = self.scalars.failures.lock();
        let failed = failures.entry(target).or_insert_with(|| Failure::first(now));
        let was_lasting = failed.is_lasting();
        failed.why = error.to_string();
        if matches!(error, Error::Scalar(vecraft_scalar::Error::TooLarge(_))) {
            // The same column will be too large again.
            failed.last();
        }
        let pause = failed.again(now, self.config.retry_first);
        self.state.lock().report.failed += 1;
        (pause, failed.is_lasting() && !was_lasting)
    }

    /// The index, the bytes of its file, and whether it was built now.
    async fn open_or_build(
        &self,
        missing: &Missing,
        unwanted: &Arc<AtomicBool>,
    ) -> Result<(Arc<dyn FieldIndex>, u64, bool)> {
        let Missing { target, wanted, segment, over } = missing;
        let (target, over) = (*target, *over);
        let open = || {
            let (store, spec) = (self.scalars.store.clone(), wanted.spec.clone());
            self.io.run(move || store.open(target, over, &spec))
        };
        match open().await? {
            Ok(Some((index, bytes))) => return Ok((index, bytes, false)),
            Ok(None) => {}
            Err(error) => {
                tracing::error!(%target, %error, "scalar index file is of no use, building it again")
            }
        }
        let bytes = self.build_in_room(wanted, segment, unwanted).await?;
        let store = self.scalars.store.clone();
        self.io.run(move || store.save(target, over, &bytes)).await??;
        let opened = open().await??;
        let (index, bytes) =
            opened.ok_or_else(|| Error::Lost { why: "it was removed as soon as it was there".to_owned() })?;
        Ok((index, bytes, true))
    }

    /// Builds, with room taken for it (I21); the index itself is read from its file and takes none. How much pieces of texts
    /// take is known when they are counted: more than there was room for ends the build, and it begins again with twice as
    /// much, for as long as the node gives it.
    async fn build_in_room(
        &self,
        wanted: &Wanted,
        segment: &Arc<SealedSegment>,
        unwanted: &Arc<AtomicBool>,
    ) -> Result<Vec<u8>> {
        let mut bytes = self.scalar_build_bytes(wanted, segment).await?;
        let mut too_small = None;
        loop {
            let _room = self.memory.room_for_index(bytes).map_err(|why| Error::ScalarRoom {
                kind: wanted.spec.kind.name(),
                bytes,
                why,
                found: too_small.take().map(|error| format!(" ({error})")).unwrap_or_default(),
            })?;
            let (spec, field, segment, unwanted) =
                (wanted.spec.clone(), wanted.field, segment.clone(), unwanted.clone());
            let building = move || {
                let is_unwanted = || unwanted.load(Ordering::Relaxed);
                segment.read_column(field, |column, rows| {
                    vecraft_scalar::build(&spec, column, rows, bytes, &is_unwanted)
                })
            };
            match self.pool.run(building).await?? {
                Err(error @ vecraft_scalar::Error::NoRoom { .. }) => too_small = Some(error),
                built => return Ok(built?),
            }
            bytes = bytes.saturating_mul(2);
        }
    }

    /// Bytes to begin a build with.
    async fn scalar_build_bytes(&self, wanted: &Wanted, segment: &Arc<SealedSegment>) -> Result<u64> {
        let (field, column) = (wanted.field, segment.clone());
        let measuring = move || {
            column.read_column(field, |column, rows| match &column.values {
                ColumnValues::VarChar(texts) | ColumnValues::Json(texts) => {
                    (0..rows).map(|row| texts.value(row).len()).sum()
                }
                _ => 0,
            })
        };
        let text_bytes: usize = self.io.run(measuring).await??;
        Ok(vecraft_scalar::build_bytes(&wanted.spec, segment.rows() as usize, text_bytes))
    }
}
