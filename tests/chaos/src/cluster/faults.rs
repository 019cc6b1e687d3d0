//! Does faults to nodes, and takes them back.

use super::ground::Ground;
use super::history::Recorder;
use super::nodes::{Node, Nodes};
use super::plan::{Fault, Planned};
use super::replacement::replace;
use super::service::Happened;
use crate::Trouble;
use tokio::time::sleep;

/// What a cable carries when it is slow.
const SLOW_KBIT: u64 = 512;

/// Lets a planned fault happen; returns when all nodes serve again.
///
/// # Errors
/// When a node ended by itself, or does not come back.
pub async fn happen(
    planned: &Planned,
    nodes: &mut Nodes,
    ground: &mut Ground,
    recorder: &Recorder,
) -> Result<Happened, Trouble> {
    let hit = targets(planned, nodes).await;
    let ids = hit.iter().map(|at| nodes.nodes[*at].id).collect();
    let start = recorder.now();
    match planned.fault {
        Fault::KillLeader | Fault::KillAny | Fault::KillAll => {
            hit.iter().try_for_each(|at| nodes.nodes[*at].kill())?;
            sleep(planned.lasts).await;
        }
        Fault::Pause | Fault::PauseLeader => {
            hit.iter().try_for_each(|at| nodes.nodes[*at].signal(libc::SIGSTOP))?;
            sleep(planned.lasts).await;
            hit.iter().try_for_each(|at| nodes.nodes[*at].signal(libc::SIGCONT))?;
        }
        Fault::Rolling => {
            for at in &hit {
                let node = &mut nodes.nodes[*at];
                node.stop().await?;
                node.start()?;
                node.wait_until_it_serves().await?;
            }
        }
        Fault::PartitionLeader | Fault::Partition | Fault::OneWay | Fault::Bridge | Fault::Slow => {
            disturb(planned, &hit, ground)?;
            sleep(planned.lasts).await;
            let network = ground.network.as_mut().map_err(|why| why.clone())?;
            network.heal()?;
            hit.iter().try_for_each(|at| network.limit(at + 1, None))?;
        }
        Fault::PowerCut | Fault::PowerCutAll => cut_power(planned, &hit, nodes, ground).await?,
        Fault::DiskFull => {
            let disks = ground.disks.as_ref().map_err(|why| why.clone())?;
            hit.iter().try_for_each(|at| disks[*at].fill())?;
            sleep(planned.lasts).await;
            hit.iter().try_for_each(|at| disks[*at].free())?;
        }
        Fault::Wipe => wipe(planned, &mut nodes.nodes[hit[0]]).await?,
        Fault::Replace => replace(planned, nodes, hit[0]).await?,
    }
    let healed = recorder.now();
    nodes.up().await?;
    Ok(Happened { fault: planned.fault, nodes: ids, start, healed, serving: recorder.now() })
}

/// The nodes that a fault hits, as places in the list.
async fn targets(planned: &Planned, nodes: &Nodes) -> Vec<usize> {
    let count = nodes.nodes.len();
    let any = (planned.pick % count as u64) as usize;
    match planned.fault {
        Fault::KillLeader | Fault::PauseLeader | Fault::PartitionLeader | Fault::DiskFull => {
            vec![nodes.leader().await]
        }
        Fault::KillAny | Fault::Pause | Fault::Partition | Fault::OneWay | Fault::Slow => vec![any],
        Fault::PowerCut | Fault::Wipe | Fault::Replace => vec![any],
        Fault::Bridge => {
            let leader = nodes.leader().await;
            vec![leader, (leader + 1 + (planned.pick % (count as u64 - 1)) as usize) % count]
        }
        Fault::KillAll | Fault::Rolling | Fault::PowerCutAll => (0..count).collect(),
    }
}

/// Faults of the network; hosts are numbered from 1.
fn disturb(planned: &Planned, hit: &[usize], ground: &mut Ground) -> Result<(), Trouble> {
    let network = ground.network.as_mut().map_err(|why| why.clone())?;
    let host = hit[0] + 1;
    match planned.fault {
        Fault::OneWay => {
            let is_deaf = planned.pick.is_multiple_of(2);
            for other in (1..=network.hosts()).filter(|other| *other != host) {
                let (from, to) = if is_deaf { (other, host) } else { (host, other) };
                network.cut(from, to)?;
            }
            Ok(())
        }
        Fault::Bridge => {
            network.cut(host, hit[1] + 1)?;
            network.cut(hit[1] + 1, host)
        }
        Fault::Slow => network.limit(host, Some(SLOW_KBIT)),
        _ => network.isolate(host),
    }
}

/// The disks forget, then the processes end; or, as often, the processes stand still first, so that none sees an error.
async fn cut_power(
    planned: &Planned,
    hit: &[usize],
    nodes: &mut Nodes,
    ground: &Ground,
) -> Result<(), Trouble> {
    let disks = ground.disks.as_ref().map_err(|why| why.clone())?;
    if planned.pick.is_multiple_of(2) {
        hit.iter().try_for_each(|at| nodes.nodes[*at].signal(libc::SIGSTOP))?;
    }
    hit.iter().try_for_each(|at| disks[*at].cut_power())?;
    // A node that ended by itself because its disk is gone has done nothing wrong.
    hit.iter().for_each(|at| nodes.nodes[*at].end());
    sleep(planned.lasts).await;
    hit.iter().try_for_each(|at| disks[*at].remount())
}

/// A node on an empty directory must not serve under its old number (I1): it would vote as somebody it is not.
async fn wipe(planned: &Planned, node: &mut Node) -> Result<(), Trouble> {
    node.kill()?;
    let aside = node.data().with_extension("aside");
    let moved = |e| format!("cannot move {}: {e}", node.data().display());
    std::fs::rename(node.data(), &aside).map_err(moved)?;
    node.start()?;
    sleep(planned.lasts).await;
    let serves = node.serves().await;
    node.end();
    if serves {
        return Err(format!("node {} serves with an empty directory under its old number", node.id));
    }
    if node.data().exists() {
        std::fs::remove_dir_all(node.data())
            .map_err(|e| format!("cannot remove {}: {e}", node.data().display()))?;
    }
    std::fs::rename(&aside, node.data()).map_err(|e| format!("cannot move {}: {e}", aside.display()))
}
