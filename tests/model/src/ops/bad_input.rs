//! Requests that must be refused, and change nothing.

use super::COLLECTION;
use crate::life::Life;
use crate::{Step, broken};
use vecraft_types::api::{Consistency, DeleteRequest, DeleteRows, Moment, QueryRequest, SearchRequest};
use vecraft_types::{Code, ColumnData, Error, Packed};

impl Life {
    pub(crate) fn bad_input(&mut self) -> Step {
        let rows_before = self.twin.len();
        let (what, code) = match self.rng.below(8) {
            0 => (
                "another dimension",
                self.bad_insert(|columns| {
                    for column in columns {
                        let rows = column.rows();
                        match column {
                            ColumnData::FloatVector { dim, values } => {
                                *dim += 1;
                                *values = vec![0.0; rows * *dim as usize];
                            }
                            ColumnData::PackedVector { kind, dim, bytes } => {
                                *dim += 8;
                                *bytes = vec![0; rows * kind.row_bytes(*dim)];
                            }
                            _ => {}
                        }
                    }
                })?,
            ),
            1 => (
                "NaN in a vector, or one of another type",
                self.bad_insert(|columns| {
                    for column in columns {
                        match column {
                            ColumnData::FloatVector { values, .. } => {
                                values.iter_mut().take(1).for_each(|value| *value = f32::NAN);
                            }
                            ColumnData::PackedVector {
                                kind: Packed::Float16 | Packed::BFloat16,
                                bytes,
                                ..
                            } => {
                                bytes.iter_mut().take(2).for_each(|byte| *byte = 0xff);
                            }
                            ColumnData::PackedVector { kind, dim, bytes } => {
                                (*dim, *kind) = match kind {
                                    Packed::Bit => (*dim / 8, Packed::Int8),
                                    _ => (bytes.len() as u32, Packed::Bit),
                                };
                            }
                            _ => {}
                        }
                    }
                })?,
            ),
            2 => ("an unknown partition", self.bad_partition()?),
            3 => ("limit 0", self.bad_query(String::new(), Some(0))?),
            4 => ("no limit and no filter", self.bad_query(String::new(), None)?),
            5 => ("half a filter", self.bad_query("id ==".to_owned(), Some(1))?),
            6 => ("a delete without a filter", self.bad_delete()?),
            _ => ("a query vector of another dimension", self.bad_search()?),
        };
        let is_right =
            code.is_some_and(|code| Error::new(code, "").is_input_error() || code == Code::PartitionNotFound);
        if !is_right {
            return broken(format!("{what} is answered with {code:?}"));
        }
        self.look_at_everything()?;
        debug_assert_eq!(rows_before, self.twin.len());
        Ok(())
    }

    fn bad_insert(&mut self, spoil: impl Fn(Vec<&mut ColumnData>)) -> Step<Option<Code>> {
        let mut draft = self.draft(false, true)?;
        self.note("an insert that is wrong".to_owned());
        spoil(draft.request.rows.batch.columns.iter_mut().map(|column| &mut column.data).collect());
        Ok(self.send(&draft)?.err().map(|error| error.code))
    }

    fn bad_partition(&mut self) -> Step<Option<Code>> {
        let mut draft = self.draft(false, true)?;
        self.note("an insert into no partition".to_owned());
        draft.request.partition = Some("nowhere".to_owned());
        Ok(self.send(&draft)?.err().map(|error| error.code))
    }

    fn bad_query(&mut self, filter: String, limit: Option<usize>) -> Step<Option<Code>> {
        self.note(format!("query where {filter:?} limit {limit:?}"));
        let request = QueryRequest {
            collection: COLLECTION.to_owned(),
            partitions: Vec::new(),
            filter,
            output_fields: Vec::new(),
            limit,
            offset: 0,
            consistency: Consistency::Strong,
            moment: Moment::Present,
            seen: Vec::new(),
        };
        let reply = self.node.ask("the query", |db, call| async move { db.query(call, request).await })?;
        Ok(reply.err().map(|error| error.code))
    }

    fn bad_delete(&mut self) -> Step<Option<Code>> {
        self.note("delete everything without saying so".to_owned());
        let request = DeleteRequest {
            collection: COLLECTION.to_owned(),
            partition: None,
            rows: DeleteRows::Filter("  ".to_owned()),
            request: None,
        };
        let reply = self.node.ask("the delete", |db, call| async move { db.delete(call, request).await })?;
        Ok(reply.err().map(|error| error.code))
    }

    fn bad_search(&mut self) -> Step<Option<Code>> {
        self.note("search by a vector that is too long".to_owned());
        let request = SearchRequest {
            collection: COLLECTION.to_owned(),
            partitions: Vec::new(),
            field: "v".to_owned(),
            dim: 33,
            vectors: vec![0.0; 33].into(),
            metric: None,
            limit: 3,
            offset: 0,
            filter: String::new(),
            params: Default::default(),
            output_fields: Vec::new(),
            group_by: None,
            page: None,
            consistency: Consistency::Strong,
            moment: Moment::Present,
            seen: Vec::new(),
            explain: None,
        };
        let reply = self.node.ask("the search", |db, call| async move { db.search(call, request).await })?;
        Ok(reply.err().map(|error| error.code))
    }
}
