//! Copies of index files between the replicas of a shard (I13): having others hold what was built here, holding what was
//! built elsewhere, fetching what is missing.
//!
//! One node builds, the leader's; the others wait for its word, and for the word of the next leader when it is gone. What
//! is held is remembered as unnamed: a replica that comes to lead names that file instead of building another.

use crate::error::{Error, Result};
use crate::node::IndexNode;
use crate::plan::IndexTarget;
use crate::store::whole_file;
use crate::watched::JobWatch;
use async_trait::async_trait;
use futures::stream::{FuturesUnordered, StreamExt};
use std::collections::BTreeSet;
use std::time::Duration;
use vecraft_rpc::copies::{HoldIndex, IndexHolder, ShardMembers};
use vecraft_types::{Code, IndexBuild};

/// How long a replica that is asked to hold a file may take to seal the segment and to hear of the index. Both follow
/// from entries that the asking node has applied already.
const READY_MAX: Duration = Duration::from_secs(15);

impl IndexNode {
    /// Returns once a majority of the shard's voters holds the file that is durable here.
    pub(crate) async fn spread(
        &self,
        target: IndexTarget,
        build: IndexBuild,
        unwanted: &JobWatch,
    ) -> Result<()> {
        let members = self.members(target)?;
        let (shard, segment, own) = (target.shard, target.segment, members.own);
        let ask = |node| {
            let hold = HoldIndex { shard, segment, build, from: own };
            async move { (node, self.peers.hold(node, hold).await) }
        };
        let others = members.voters.iter().copied().filter(|node| *node != own);
        let mut asked: FuturesUnordered<_> = others.map(ask).collect();
        let (mut held, mut refusals) = (BTreeSet::from([own]), Vec::new());
        while !members.is_majority(&held) {
            let answer = tokio::select! {
                answer = asked.next() => answer,
                () = unwanted.until_set() => return Err(Error::Cancelled),
            };
            match answer {
                Some((node, Ok(()))) => _ = held.insert(node),
                Some((node, Err(error))) => refusals.push(format!("node {node}: {error}")),
                None => {
                    let (held, voters) = (held.len(), members.voters.len());
                    return Err(Error::NoMajority { held, voters, why: refusals.join("; ") });
                }
            }
        }
        Ok(())
    }

    /// Brings the file of a build in force here from a replica that has it.
    ///
    /// # Errors
    /// [`Error::Lost`] when it has to be built again, here: a majority of the voters does not have it, and nobody who does
    /// was found.
    pub(crate) async fn fetch(
        &self,
        target: IndexTarget,
        build: &IndexBuild,
        members: &ShardMembers,
    ) -> Result<()> {
        let _one = self.one_fetch.lock().await;
        if self.has(target, build).await? {
            return Ok(());
        }
        let (mut lacking, mut refusals) = (BTreeSet::from([members.own]), Vec::new());
        for node in members.others() {
            match self.peers.pull(node, target.shard, whole_file(target, build)).await {
                Ok(()) => {
                    self.state.lock().report.fetched += 1;
                    tracing::info!(%target, %node, bytes = build.file_bytes, "index file fetched");
                    return Ok(());
                }
                Err(error) => {
                    if error.code == Code::IndexNotFound {
                        lacking.insert(node);
                    }
                    refusals.push(format!("node {node}: {error}"));
                }
            }
        }
        let why = refusals.join("; ");
        match members.builds_here() && members.is_majority(&lacking) {
            true => Err(Error::Lost { why }),
            false => Err(Error::Nowhere { why }),
        }
    }

    pub(crate) fn members(&self, target: IndexTarget) -> Result<ShardMembers> {
        self.peers.members(target.shard).ok_or(Error::NoMembers)
    }

    async fn has(&self, target: IndexTarget, build: &IndexBuild) -> Result<bool> {
        let (store, build) = (self.store.clone(), *build);
        Ok(self.io.run(move || store.has(target, &build)).await?)
    }

    /// Returns once this replica could use the file: it serves the segment from the same column file, and its catalogue
    /// wants the index. Before, the file would be removed as one that nobody wants.
    async fn until_of_use(&self, target: IndexTarget, build: &IndexBuild) -> vecraft_types::Result<()> {
        loop {
            let looked = self.looked.notified();
            tokio::pin!(looked);
            looked.as_mut().enable();
            let survey = self.survey();
            if survey.may_come(&target, build) {
                return Ok(());
            }
            if let Some(own) = survey.column_file(&target).filter(|own| *own != build.over) {
                let text = format!("built over column file {:016x}, here it is {own:016x} (I22)", build.over);
                return Err(vecraft_types::Error::new(Code::Io, text));
            }
            if let Some(named) = survey.named.get(&target).filter(|named| named.version >= build.version) {
                let text = format!("build {} is in force already", named.build);
                return Err(vecraft_types::Error::new(Code::IndexDuplicate, text));
            }
            looked.await;
        }
    }

    async fn hold_now(&self, hold: HoldIndex) -> vecraft_types::Result<()> {
        let HoldIndex { shard, segment, build, from } = hold;
        let target = IndexTarget { shard, segment, index: build.index };
        let of_use = tokio::time::timeout(READY_MAX, self.until_of_use(target, &build)).await;
        let late = |_| {
            let text = "the segment is not sealed here yet, or the catalogue here does not know the index";
            vecraft_types::Error::new(Code::NotReady, text)
        };
        of_use.map_err(late)??;
        // From here on its file stays, and so does what comes of it.
        self.unnamed.lock().entry((target, build.checksum)).or_insert(build);
        let _one = self.one_fetch.lock().await;
        let failed = |error: Error| vecraft_types::Error::new(Code::Io, error.to_string());
        if self.has(target, &build).await.map_err(failed)? {
            return Ok(());
        }
        self.peers.pull(from, shard, whole_file(target, &build)).await?;
        self.state.lock().report.fetched += 1;
        tracing::info!(%target, node = %from, bytes = build.file_bytes, "index file fetched, to be named");
        Ok(())
    }
}

#[async_trait]
impl IndexHolder for IndexNode {
    async fn hold(&self, hold: HoldIndex) -> vecraft_types::Result<()> {
        let target = (hold.shard, hold.segment);
        let mut is_running = self.is_running.subscribe();
        tokio::select! {
            held = self.hold_now(hold) => held,
            // The caller must not keep a stopped node's files.
            _ = is_running.wait_for(|is_running| !is_running) => {
                let text = format!("the index role does not run, shard {} segment {}", target.0, target.1);
                Err(vecraft_types::Error::new(Code::NotReady, text))
            }
        }
    }
}
