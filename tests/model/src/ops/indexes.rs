//! Indexes: made, waited for, described, dropped.

use super::searches::query_vectors;
use super::{COLLECTION, unexpected};
use crate::life::Life;
use crate::twin::Index;
use crate::{Step, broken};
use std::collections::BTreeMap;
use vecraft_types::api::{Consistency, CreateIndex, DropIndex, Explain, Moment, SearchRequest};
use vecraft_types::{Metric, Packed};

const TYPES: [&str; 12] = [
    "HNSW",
    "HNSW",
    "HNSW_SQ",
    "HNSW_PQ",
    "HNSWLIB",
    "IVF_FLAT",
    "IVF_SQ8",
    "IVF_PQ",
    "IVF_RABITQ",
    "SCANN",
    "AUTOINDEX",
    "FLAT",
];
const BIT_TYPES: [&str; 3] = ["BIN_FLAT", "AUTOINDEX", "BIN_IVF_FLAT"];
const PACKED_TYPES: [&str; 11] = [
    "HNSW",
    "HNSW_SQ",
    "HNSW_SQ",
    "HNSW_PQ",
    "IVF_FLAT",
    "IVF_SQ8",
    "IVF_PQ",
    "IVF_RABITQ",
    "SCANN",
    "AUTOINDEX",
    "FLAT",
];

impl Life {
    pub(crate) fn index(&mut self) -> Step {
        let vectors = self.twin.shape.vectors();
        let place = vectors.start + self.rng.below(vectors.len() as u64) as usize;
        match self.twin.indexes.get(&place) {
            Some(index) => self.drop_index(place, index.name.clone()),
            None => self.create_index(place),
        }
    }

    fn create_index(&mut self, place: usize) -> Step {
        let field = &self.twin.shape.fields()[place];
        let types = match field.data_type.packed() {
            None => &TYPES[..],
            Some((Packed::Bit, _)) => &BIT_TYPES,
            Some(_) => &PACKED_TYPES,
        };
        let metrics = field.data_type.metrics();
        let (field, dim) = (field.name.clone(), u64::from(field.data_type.dim().unwrap_or(1)));
        let index = Index {
            name: format!("by_{field}"),
            index_type: self.rng.pick(types).copied().unwrap_or("FLAT"),
            metric: self.rng.pick(metrics).copied().unwrap_or(Metric::L2),
            lists: self.rng.between(1, 12),
        };
        let params = match index.index_type {
            "HNSW" | "HNSW_SQ" | "HNSWLIB" => {
                vec![("M", self.rng.between(4, 16)), ("efConstruction", self.rng.between(60, 120))]
            }
            "HNSW_PQ" => vec![("M", self.rng.between(4, 16)), ("m", dim), ("nbits", self.rng.between(4, 10))],
            "IVF_FLAT" | "BIN_IVF_FLAT" | "IVF_SQ8" | "IVF_RABITQ" | "SCANN" => vec![("nlist", index.lists)],
            "IVF_PQ" => vec![("nlist", index.lists), ("m", dim), ("nbits", self.rng.between(4, 10))],
            _ => Vec::new(),
        };
        let params: BTreeMap<String, String> =
            params.into_iter().map(|(name, value)| (name.to_owned(), value.to_string())).collect();
        self.note(format!("create index {} {} {:?} {params:?}", index.name, index.index_type, index.metric));
        let request = CreateIndex {
            collection: COLLECTION.to_owned(),
            field,
            name: index.name.clone(),
            index_type: index.index_type.to_owned(),
            metric: Some(index.metric),
            params,
        };
        let done =
            self.node.ask("create index", |db, call| async move { db.create_index(call, request).await })?;
        done.map_err(unexpected("create index"))?;
        self.twin.indexes.insert(place, index);
        if self.rng.chance(60) { self.wait_for_indexes() } else { Ok(()) }
    }

    fn drop_index(&mut self, place: usize, name: String) -> Step {
        self.note(format!("drop index {name}"));
        let request = DropIndex { collection: COLLECTION.to_owned(), field: String::new(), name };
        let done =
            self.node.ask("drop index", |db, call| async move { db.drop_index(call, request).await })?;
        done.map_err(unexpected("drop index"))?;
        self.twin.indexes.remove(&place);
        self.wait_until_unused(place)
    }

    /// The node lets go of a dropped index in the background; from then on searches compare every row.
    fn wait_until_unused(&mut self, place: usize) -> Step {
        let field = &self.twin.shape.fields()[place];
        // Any query vector will do.
        let Some(row) = self.twin.rows.values().flatten().next() else { return Ok(()) };
        let request = SearchRequest {
            collection: COLLECTION.to_owned(),
            partitions: Vec::new(),
            field: field.name.clone(),
            dim: field.data_type.dim().unwrap_or(0),
            vectors: query_vectors(std::slice::from_ref(&row.cells[place])),
            metric: field.data_type.metrics().first().copied(),
            limit: 1,
            offset: 0,
            filter: String::new(),
            params: BTreeMap::new(),
            output_fields: Vec::new(),
            group_by: None,
            page: None,
            moment: Moment::Present,
            seen: Vec::new(),
            explain: Some(Explain::default()),
            consistency: Consistency::Eventually,
        };
        self.node.wait_until("a dropped index is not used any more", |db| {
            let request = request.clone();
            async move {
                let reply = db.search(Default::default(), request).await.map_err(unexpected("explain"))?;
                let shards = reply.explanation.iter().flat_map(|told| &told.shards);
                Ok(shards.flat_map(|shard| &shard.segments).all(|segment| segment.index.is_none()))
            }
        })
    }

    /// From now on searches of sealed segments go by their index.
    pub(crate) fn wait_for_indexes(&mut self) -> Step {
        self.note("wait until indexes are built".to_owned());
        self.node.wait_until("indexes are built", |db| async move {
            let told = db.describe_indexes(Default::default(), COLLECTION.to_owned()).await;
            Ok(told.map_err(unexpected("describe indexes"))?.iter().all(|index| index.pending_rows == 0))
        })
    }

    pub(super) fn look_at_indexes(&self) -> Step {
        let told = self.node.ask("describe indexes", |db, call| async move {
            db.describe_indexes(call, COLLECTION.to_owned()).await
        })?;
        let told = told.map_err(unexpected("describe indexes"))?;
        if told.len() != self.twin.indexes.len() {
            return broken(format!("{} indexes are told, there are {}", told.len(), self.twin.indexes.len()));
        }
        for info in told {
            let field = self.twin.shape.place(&info.field);
            let Some(index) = field.and_then(|place| self.twin.indexes.get(&place)) else {
                return broken(format!("an index on {} is told, nobody made one", info.field));
            };
            let (spec, rows) = (&info.index.spec, self.twin.len() as u64);
            if (&spec.name, spec.index_type.as_str(), spec.metric)
                != (&index.name, index.index_type, index.metric)
            {
                return broken(format!("{spec:?} is told of {index:?}"));
            }
            // Rows of large segments that still grow are neither: nobody waits for them, and they have no index.
            if info.total_rows != rows || info.indexed_rows > rows.saturating_sub(info.pending_rows) {
                return broken(format!("{info:?} is told of {rows} rows"));
            }
        }
        Ok(())
    }
}
