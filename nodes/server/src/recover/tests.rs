#![allow(clippy::unwrap_used)]
use super::*;
use crate::Server;
use vecraft_config::Config;

async fn start(config: &Config) -> Result<Server, String> {
    Server::start(config, 1).await.map_err(|why| why.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i22_i24_a_replica_that_is_out_of_service_for_good_cannot_become_the_only_truth() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config::embedded(dir.path()).with_free_ports();
    start(&config).await.unwrap().stop("the test says so").await;
    let group = GroupId(1);
    let refusal = async || match Recovery::survey(dir.path()).await {
        Ok(_) => panic!("it was surveyed"),
        Err(why) => why.to_string(),
    };
    let failures = |offline: &Offline| Failures::load(offline.kv.clone(), group).unwrap();

    let offline = Offline::open(dir.path()).unwrap();
    for _ in 0..2 {
        failures(&offline).note(LogPosition(7), "it panicked");
    }
    drop(offline);
    let why = refusal().await;
    assert!(why.contains("group 1 has a replica here that is out of service for good"), "{why}");
    assert!(why.contains("entry 7") && why.contains("vecraft group skip --group 1 --entry 7"), "{why}");

    let offline = Offline::open(dir.path()).unwrap();
    vecraft_data::skip_entry(offline.kv.as_ref(), group, LogPosition(7)).unwrap();
    drop(offline);
    assert!(refusal().await.contains("needs no recovery"));

    failures(&Offline::open(dir.path()).unwrap()).condemn("this replica differs").unwrap();
    let why = refusal().await;
    assert!(why.contains("group 1 has a replica") && why.contains("this replica differs"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovery_that_was_cut_off_keeps_the_node_from_starting_and_goes_on_when_asked_again() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config::embedded(dir.path()).with_free_ports();
    let server = start(&config).await.unwrap();
    let was = server.cluster_id().to_owned();
    server.stop("the test says so").await;
    let Err(why) = Recovery::survey(dir.path()).await else { panic!("a lone node was surveyed") };
    assert!(why.to_string().contains("needs no recovery"), "{why}");

    let offline = Offline::open(dir.path()).unwrap();
    let identity = Identity::read(offline.kv.as_ref()).unwrap().unwrap();
    let begun = Unfinished { was: identity.cluster_id, becomes: 0xabcd };
    begun.begin(offline.kv.as_ref(), &identity, &[]).unwrap();
    drop(offline);
    let Err(why) = start(&config).await else { panic!("it started") };
    assert!(why.contains("vecraft node recover --data-dir") && why.contains(&was), "{why}");

    for _ in 0..2 {
        // Twice: the second is cut off before it has crossed the first out.
        let recovery = Recovery::survey(dir.path()).await.unwrap();
        assert_eq!(recovery.cluster_id(), was);
        assert_eq!(recovery.force().await.unwrap(), ClusterId(0xabcd).to_string());
        let offline = Offline::open(dir.path()).unwrap();
        let identity = Identity::read(offline.kv.as_ref()).unwrap().unwrap();
        begun.begin(offline.kv.as_ref(), &identity, &[]).unwrap();
    }
    Recovery::survey(dir.path()).await.unwrap().force().await.unwrap();
    let offline = Offline::open(dir.path()).unwrap();
    assert_eq!(ancestors(offline.kv.as_ref()).unwrap(), [begun.was], "once");
    drop(offline);
    let server = start(&config).await.unwrap();
    assert_eq!(server.cluster_id(), ClusterId(0xabcd).to_string());
    server.stop("the test says so").await;
}
