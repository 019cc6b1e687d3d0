//! I21: what decodes to far more than it is long is refused before it is decoded.

use super::fake::Fake;
use super::port::{client, start};
use super::{columns, context, refused};
use crate::Options;
use crate::proto::common::{PlaceholderGroup, PlaceholderValue};
use crate::proto::milvus as pb;
use crate::proto::schema as wire;
use crate::proto::schema::{DataType as Type, scalar_field::Data as Scalar};
use crate::weigh::{self, EXTRA_BYTES_MAX, PLAIN, ROWS};
use prost::Message;
use std::sync::Arc;

fn insert(fields_data: Vec<wire::FieldData>) -> pb::InsertRequest {
    pb::InsertRequest { collection_name: "books".into(), fields_data, num_rows: 1, ..Default::default() }
}

fn check(message: &impl Message) -> vecraft_types::Result<()> {
    weigh::check(&message.encode_to_vec(), ROWS)
}

#[test]
fn i21_columns_are_counted_before_they_are_built() {
    let columns = |count| insert(vec![wire::FieldData::default(); count]);
    check(&columns(65)).unwrap();
    refused(check(&columns(66)), 1100, &["65 columns", "64 fields"]);
    // Two bytes each.
    let bytes = [0x2a, 0].repeat(5_000_000);
    refused(weigh::check(&bytes, ROWS), 1100, &["65 columns"]);
}

#[test]
fn i21_values_count_by_what_they_take_in_memory() {
    let texts = |data: Vec<String>| {
        insert(vec![columns::scalars(
            "t",
            Type::VarChar,
            Scalar::StringData(wire::StringArray { data }),
            &[],
        )])
    };
    check(&texts(vec!["a text of ordinary length".into(); 100_000])).unwrap();
    let empty = EXTRA_BYTES_MAX / size_of::<String>();
    check(&texts(vec![String::new(); empty])).unwrap();
    refused(check(&texts(vec![String::new(); empty + 1])), 1102, &["256 MiB", "fewer rows"]);

    let numbers = |data: Vec<i64>| {
        insert(vec![columns::scalars("n", Type::Int64, Scalar::LongData(wire::LongArray { data }), &[])])
    };
    check(&numbers(vec![i64::MAX; 100_000])).unwrap();
    // A byte on the wire, eight in memory.
    refused(check(&numbers(vec![1; EXTRA_BYTES_MAX / 7 + 1])), 1102, &["fewer rows"]);
    // Not packed, two bytes on the wire: scalars, long_data, data.
    let long_data = [0x08, 1].repeat(EXTRA_BYTES_MAX / 8 + 1);
    let nest = |tag: u8, inner: Vec<u8>| {
        let mut outer = vec![tag];
        prost::encoding::encode_varint(inner.len() as u64, &mut outer);
        outer.extend(inner);
        outer
    };
    let unpacked = nest(0x2a, nest(0x1a, nest(0x1a, long_data)));
    refused(weigh::check(&unpacked, ROWS), 1102, &["fewer rows"]);
    assert_eq!(weigh::extra_bytes(&numbers(vec![1; 10]).fields_data), 80);
    assert_eq!(weigh::extra_bytes(&[columns::vectors("v", 2, &[1.0; 20])]), 0);
}

#[test]
fn other_lists_are_bounded_and_what_is_no_message_is_left_to_the_decoder() {
    let names = |count| pb::QueryRequest { output_fields: vec![String::new(); count], ..Default::default() };
    let check = |count| weigh::check(&names(count).encode_to_vec(), PLAIN);
    check(60_000).unwrap();
    refused(check(65_537), 1100, &["65536"]);
    for torn in [&[0x2a][..], &[0x2a, 5, 1], &[0x2b], &[0xff; 20]] {
        weigh::check(torn, ROWS).unwrap();
    }
}

#[test]
fn i21_null_rows_are_weighed_before_each_gets_a_value() {
    let nulls = |rows: usize| {
        let data = Scalar::StringData(wire::StringArray::default());
        let field = columns::scalars("t", Type::VarChar, data, &vec![false; rows]);
        crate::columns::rows(vec![field], rows as u32)
    };
    assert_eq!(nulls(1_000).unwrap().batch.rows, 1_000);
    refused(nulls(EXTRA_BYTES_MAX / size_of::<String>() + 1).map(|_| ()), 1102, &["fewer rows"]);
}

#[tokio::test]
async fn i21_the_port_answers_with_a_status_and_goes_on() {
    let fake = Arc::new(Fake::default());
    let running = start(&fake, Options::default()).await;
    let (mut client, _) = client(&running).await;
    let many = insert(vec![wire::FieldData::default(); 1_000]);
    let status = client.insert(many).await.unwrap().into_inner().status.unwrap();
    assert_eq!(status.code, 1100);
    assert!(status.reason.contains("65 columns"), "{}", status.reason);
    let texts = wire::StringArray { data: vec![String::new(); EXTRA_BYTES_MAX / size_of::<String>() + 1] };
    let heavy = insert(vec![columns::scalars("t", Type::VarChar, Scalar::StringData(texts), &[])]);
    let status = client.insert(heavy).await.unwrap().into_inner().status.unwrap();
    assert_eq!(status.code, 1102);
    client.get_version(pb::GetVersionRequest {}).await.unwrap();
}

#[tokio::test]
async fn i21_messages_inside_messages_are_weighed_too() {
    let fake = Arc::new(Fake::default());
    let placeholder = PlaceholderValue {
        vector_type: 101,
        values: vec![bytes::Bytes::new(); 70_000],
        ..Default::default()
    };
    let group = PlaceholderGroup { placeholders: vec![placeholder] }.encode_to_vec();
    let search = pb::SearchRequest {
        collection_name: "books".into(),
        search_input: Some(pb::search_request::SearchInput::PlaceholderGroup(group.into())),
        search_params: vec![crate::params::pair("topk", 2)],
        ..Default::default()
    };
    refused(crate::search::search(context(&fake), search).await.map(|_| ()), 1100, &["65536"]);
    let fields = vec![wire::FieldSchema::default(); 70_000];
    let schema = wire::CollectionSchema { fields, ..Default::default() }.encode_to_vec();
    let create = pb::CreateCollectionRequest { schema, ..Default::default() };
    refused(crate::collection::create(context(&fake), create).await, 1100, &["65536"]);
}
