//! Pages of one moment, as they are asked for.

use super::fake::{Fake, Trouble};
use super::*;
use vecraft_types::api::{Moment, SearchPage};
use vecraft_types::{Code, Error, PrimaryKey, Timestamp};

async fn filled(client: &Client) -> Collection {
    let c = collection(client).await;
    for id in 0..10 {
        c.insert(row(id)).await.unwrap();
    }
    c
}

#[tokio::test]
async fn i18_a_query_begins_a_moment_and_goes_on_behind_the_last_key_at_whichever_door() {
    let fake = Fake::new([]);
    let door = Door::open(&fake).await;
    let client = door.client().await;
    let mut pages = filled(&client).await.query("id > -1 or id == 7").output(["id"]).offset(1).pages(4);
    assert_eq!(pages.moment(), None);
    let mut sizes = vec![];
    let mut door = Some(door);
    while let Some(page) = pages.next().await.unwrap() {
        sizes.push(page.rows.batch.rows);
        fake.trouble(Trouble::Refuse(Error::new(Code::ReplicaUnavailable, "no leader")));
        let address = door.take().unwrap().crash().await;
        door = Some(Door::open_at(&fake, address).await);
    }
    assert_eq!(sizes, [4, 4, 1]);
    let (asked, moment) = (fake.queries(), pages.moment().unwrap());
    assert_eq!(moment, Timestamp(fake.writes_done()));
    assert_eq!((asked[0].moment, asked[0].limit, asked[0].offset), (Moment::Begin, Some(4), 1));
    let filters: Vec<&str> = asked.iter().map(|asked| asked.filter.as_str()).collect();
    let own = "(id > -1 or id == 7)";
    assert_eq!(filters[1..], [format!("id > 4 and {own}"), format!("id > 8 and {own}")]);
    assert!(asked[1..].iter().all(|asked| asked.moment == Moment::Of(moment) && asked.offset == 0));
    assert!(pages.next().await.unwrap().is_none(), "the end stays the end");
}

#[tokio::test]
async fn a_limit_is_that_of_all_pages_and_an_error_may_be_asked_again() {
    let fake = Fake::new([]);
    let door = Door::open(&fake).await;
    let c = filled(&door.client().await).await;
    let mut pages = c.query("").limit(6).pages(4);
    fake.trouble(Trouble::Refuse(Error::invalid("planted")));
    assert!(pages.next().await.is_err());
    assert_eq!(pages.next().await.unwrap().unwrap().rows.batch.rows, 4);
    assert_eq!(pages.next().await.unwrap().unwrap().rows.batch.rows, 2);
    assert!(pages.next().await.unwrap().is_none());
}

#[tokio::test]
async fn i20_what_a_page_shows_says_nothing_about_the_present() {
    let fake = Fake::new([]);
    let door = Door::open(&fake).await;
    let c = filled(&door.client().await).await;
    let mut pages = c.query("").pages(4);
    pages.next().await.unwrap();
    let seen = |at| {
        let shard = vecraft_types::ShardId { collection: vecraft_types::CollectionId(1), index: 0 };
        vec![vecraft_types::api::Seen { shard, timestamp: Timestamp(at) }]
    };
    fake.shows([seen(90)]);
    c.query("").limit(1).rows().await.unwrap();
    let before = fake.calls().len();
    fake.shows([seen(40)]);
    pages.next().await.unwrap();
    assert_eq!(fake.calls().len(), before + 1, "older than what was seen, and not asked again");
    c.query("").limit(1).rows().await.unwrap();
    assert_eq!(fake.owed().last().unwrap(), &seen(90));
}

#[tokio::test]
async fn a_search_goes_on_behind_the_last_score() {
    let fake = Fake::new([]);
    let door = Door::open(&fake).await;
    let c = filled(&door.client().await).await;
    let mut pages = c.search(&[0.0, 0.0]).pages(3);
    assert_eq!(pages.next().await.unwrap().unwrap().len(), 3);
    assert_eq!(pages.next().await.unwrap().unwrap()[2].key, PrimaryKey::Int64(2), "this fake knows no pages");
    let asked = fake.searches();
    assert_eq!(
        (asked[0].moment, asked[0].limit, asked[0].page),
        (Moment::Begin, 3, Some(SearchPage::default()))
    );
    assert_eq!(asked[1].moment, Moment::Of(pages.moment().unwrap()));
    assert_eq!(asked[1].page, Some(SearchPage { after: Some(4.0) }), "squared");
}

#[test]
fn keys_are_quoted() {
    let text = |key: &str| crate::pages::behind("a == 1", "name", &PrimaryKey::VarChar(key.into()));
    assert_eq!(text("x"), r#"name > "x" and (a == 1)"#);
    assert_eq!(text("a\"b\\c\n"), r#"name > "a\"b\\c\n" and (a == 1)"#);
    assert_eq!(crate::pages::behind(" ", "id", &PrimaryKey::Int64(-3)), "id > -3");
}
