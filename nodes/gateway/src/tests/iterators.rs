//! Iterators: which moment and which page reach the database, and what a client is told for the next.

use super::fake::Fake;
use super::requests::search_request;
use super::{context, refused};
use crate::params::pair;
use crate::proto::common::KeyValuePair;
use crate::proto::milvus as pb;
use crate::{query, search};
use std::sync::Arc;
use vecraft_types::Timestamp;
use vecraft_types::api::Moment;

/// As pymilvus's query iterator sends its calls.
fn iterating(guarantee: u64, extra: &[(&str, &str)]) -> pb::QueryRequest {
    let own =
        [("limit", "4"), ("iterator", "True"), ("reduce_stop_for_best", "True"), ("collection_id", "7")];
    let kept = own.iter().filter(|(key, _)| extra.iter().all(|(other, _)| other != key));
    pb::QueryRequest {
        collection_name: "books".to_owned(),
        expr: "id > 1".to_owned(),
        query_params: kept.chain(extra).map(|(key, value)| pair(*key, value)).collect(),
        use_default_consistency: true,
        guarantee_timestamp: guarantee,
        ..Default::default()
    }
}

#[tokio::test]
async fn an_iterator_begins_without_a_timestamp_and_goes_on_with_that_of_its_first_answer() {
    // 1 and 2 are levels, not points in time.
    for (guarantee, moment) in [
        (0, Moment::Begin),
        (1, Moment::Begin),
        (2, Moment::Begin),
        (3, Moment::Of(Timestamp(3))),
        (900, Moment::Of(Timestamp(900))),
    ] {
        let fake = Arc::new(Fake::default());
        query::query(context(&fake), iterating(guarantee, &[])).await.unwrap();
        let asked = fake.queried.lock().take().unwrap();
        assert_eq!((asked.moment, asked.limit), (moment, Some(4)), "{guarantee}");
        assert_eq!(*fake.verbs.lock(), ["known_collection", "query"]);
    }
    let fake = Arc::new(Fake::default());
    query::query(context(&fake), iterating(900, &[("iterator", "False"), ("reduce_stop_for_best", "False")]))
        .await
        .unwrap();
    assert_eq!(fake.queried.lock().take().unwrap().moment, Moment::Present, "a client that skips an offset");
}

#[tokio::test]
async fn wrong_words_about_an_iterator_are_refused() {
    let refuses = |extra: &'static [(&str, &str)], words: &'static [&str]| async move {
        let fake = Arc::new(Fake::default());
        refused(query::query(context(&fake), iterating(900, extra)).await, 1100, words);
        assert!(fake.queried.lock().is_none());
    };
    refuses(&[("collection_id", "8")], &["collection_id is 8", "is 7", "made anew"]).await;
    refuses(&[("collection_id", "-1")], &["-1"]).await;
    refuses(&[("iterator", "perhaps")], &["iterator", "perhaps"]).await;
    refuses(&[("limit", "0")], &["limit", "16384"]).await;
    refuses(&[("limit", "16385")], &["16385", "16384"]).await;
}

/// As pymilvus's search iterator sends a page.
fn search_page(guarantee: u64, extra: &[(&str, &str)]) -> pb::SearchRequest {
    let own = [
        ("topk", "4"),
        ("iterator", "True"),
        ("search_iter_v2", "True"),
        ("search_iter_batch_size", "4"),
        ("collection_id", "7"),
    ];
    let kept = own.iter().filter(|(key, _)| extra.iter().all(|(other, _)| other != key));
    let params: Vec<KeyValuePair> = kept.chain(extra).map(|(key, value)| pair(*key, value)).collect();
    pb::SearchRequest { guarantee_timestamp: guarantee, ..search_request(&params) }
}

#[tokio::test]
async fn pages_of_a_search_begin_behind_the_bound_and_name_their_moment_by_the_token() {
    let ask = |guarantee, extra: &'static [(&str, &str)]| async move {
        let fake = Arc::new(Fake::default());
        let reply = search::search(context(&fake), search_page(guarantee, extra)).await.unwrap();
        let asked = fake.searched.lock().take().unwrap();
        (asked.moment, asked.page.unwrap().after, asked.limit, reply.results.unwrap())
    };
    let (moment, after, limit, results) = ask(0, &[("search_iter_batch_size", "1"), ("topk", "1")]).await;
    assert_eq!((moment, after, limit), (Moment::Begin, None, 1));
    let ended = results.search_iterator_v2_results.unwrap();
    assert_eq!((ended.token.as_str(), ended.last_bound), ("77", 0.5), "the timestamp, and the last score");
    let page = &[("search_iter_last_bound", "0.10000000149011612"), ("search_iter_id", "77")];
    let (moment, after, limit, _) = ask(77, page).await;
    assert_eq!((moment, after, limit), (Moment::Of(Timestamp(77)), Some(0.1), 4));
    let (moment, ..) = ask(0, &[("search_iter_id", "77")]).await;
    assert_eq!(moment, Moment::Of(Timestamp(77)), "the token alone says it too");
    // An ordinary search has no such thing; nor has one page of an older client's iterator, but it has its moment.
    let fake = Arc::new(Fake::default());
    let reply = search::search(context(&fake), search_request(&[pair("iterator", "True")])).await.unwrap();
    assert!(reply.results.unwrap().search_iterator_v2_results.is_none());
    let asked = fake.searched.lock().take().unwrap();
    assert_eq!((asked.moment, asked.page), (Moment::Of(Timestamp(900)), None));
}

#[tokio::test]
async fn wrong_words_about_pages_of_a_search_are_refused() {
    let refuses = |extra: &'static [(&str, &str)], words: &'static [&str]| async move {
        let fake = Arc::new(Fake::default());
        refused(search::search(context(&fake), search_page(900, extra)).await, 1100, words);
        assert!(fake.searched.lock().is_none());
    };
    refuses(&[("search_iter_batch_size", "0")], &["search_iter_batch_size is 0", "16384"]).await;
    refuses(&[("search_iter_batch_size", "16385")], &["16385", "16384"]).await;
    refuses(&[("search_iter_batch_size", "")], &["search_iter_batch_size is missing"]).await;
    refuses(&[("search_iter_last_bound", "near")], &["search_iter_last_bound", "near"]).await;
    refuses(&[("search_iter_last_bound", "nan")], &["search_iter_last_bound", "nan"]).await;
    for token in ["5a7e", "-900", "0900", "1"] {
        let fake = Arc::new(Fake::default());
        let request = search_page(900, &[("search_iter_id", token)]);
        refused(search::search(context(&fake), request).await, 1100, &["search_iter_id", token]);
    }
    refuses(&[("search_iter_id", "901")], &["901", "900", "one moment"]).await;
    refuses(&[("iterator", "False")], &["iterator is not"]).await;
    refuses(&[("search_iter_v2", "False")], &["search_iter_batch_size", "search_iter_v2 is not"]).await;
    refuses(&[("group_by_field", "id")], &["cannot group"]).await;
    refuses(&[("collection_id", "8")], &["made anew"]).await;
}
