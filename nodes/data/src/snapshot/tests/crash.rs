//! I3: whenever the power goes, one whole checkpoint is there, the old one or the new one.

use super::rig::*;
use vecraft_storage::failpoint;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_a_crash_anywhere_leaves_the_old_checkpoint_or_the_new_one() {
    let (a, b) = (shard(3), shard(4));
    let mut origin = Origin::new().await;
    origin.create(a).await;
    origin.create(b).await;
    origin.insert(a, 0..400).await;
    origin.flush(a).await;
    origin.insert(b, 0..30).await;
    origin.checkpoint().await;
    let old = content(&origin.views, &[a, b]);
    let (first, _first_offer) = origin.offer();
    origin.insert(a, 200..600).await;
    origin.drop_shard(b).await;
    origin.checkpoint().await;
    let new = content(&origin.views, &[a, b]);
    let (second, _second_offer) = origin.offer();

    for (place, is_new) in [
        ("snapshot.before_rename", false),
        ("snapshot.before_records", false),
        ("snapshot.after_records", true),
    ] {
        let mut receiver = Receiver::new(&origin);
        receiver.fetch(&first).await.unwrap();
        receiver.install(&first).await.unwrap();
        failpoint::configure(&format!("{place}=1*error")).unwrap();
        let failed = match receiver.fetch(&second).await {
            Ok(()) => receiver.install(&second).await,
            failed => failed,
        };
        failed.expect_err(place);
        receiver.crash();
        let (expected, mark) = if is_new { (&new, &second.mark) } else { (&old, &first.mark) };
        assert_eq!(&content(&receiver.views, &[a, b]), expected, "{place}");
        assert_eq!(
            vecraft_raft_host::Machine::checkpoint(&*receiver.machine.lock()).as_ref(),
            Some(mark),
            "{place}"
        );
        // Whatever was left half done does not stand in the way.
        receiver.fetch(&second).await.unwrap();
        receiver.install(&second).await.unwrap();
        assert_eq!(content(&receiver.views, &[a, b]), new, "{place}");
    }
    // A full disk is told apart: with room the replica begins again (P6), and then nothing is missing.
    for (action, lacks_room) in [("no_space", true), ("error", false)] {
        let mut receiver = Receiver::new(&origin);
        receiver.fetch(&first).await.unwrap();
        failpoint::configure(&format!("snapshot.before_records=1*{action}")).unwrap();
        receiver.install(&first).await.unwrap_err();
        let is_broken = receiver.machine.lock().broken().is_some();
        assert_eq!((is_broken, receiver.machine.lock().lacks_room()), (true, lacks_room), "{action}");
        receiver.crash();
        receiver.fetch(&first).await.unwrap();
        receiver.install(&first).await.unwrap();
        assert_eq!(content(&receiver.views, &[a, b]), old, "{action}");
    }
    // A store that refuses: the old one holds.
    let mut receiver = Receiver::new(&origin);
    receiver.fetch(&first).await.unwrap();
    receiver.install(&first).await.unwrap();
    receiver.fetch(&second).await.unwrap();
    receiver.kv.fail_writes(1);
    receiver.install(&second).await.unwrap_err();
    assert!(receiver.machine.lock().broken().is_some_and(|why| why.contains("snapshot")), "I24: it says why");
    receiver.crash();
    assert_eq!(content(&receiver.views, &[a, b]), old);
}
