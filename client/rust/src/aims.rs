//! Which calls some nodes are nearer to, and by which keys.

use crate::map::{Aim, Near};
use vecraft_types::PrimaryKey;
use vecraft_types::api::{DeleteRequest, DeleteRows, InsertRequest, QueryRequest, RowCount, SearchRequest};

/// Keys of a batch that are looked at: enough to tell the shard with the most rows.
const KEYS_MAX: usize = 256;

impl Aim for InsertRequest {
    fn collection(&self) -> &str {
        &self.collection
    }

    fn near(&self) -> Near {
        Near::Leaders
    }

    fn keys(&self, field: &str) -> Vec<PrimaryKey> {
        let Some(column) = self.rows.column(field) else { return Vec::new() };
        (0..self.rows.batch.rows.min(KEYS_MAX)).filter_map(|row| column.data.key(row)).collect()
    }
}

impl Aim for DeleteRequest {
    fn collection(&self) -> &str {
        &self.collection
    }

    fn near(&self) -> Near {
        Near::Leaders
    }

    fn keys(&self, _: &str) -> Vec<PrimaryKey> {
        match &self.rows {
            DeleteRows::Keys(keys) => keys.iter().take(KEYS_MAX).cloned().collect(),
            DeleteRows::Filter(_) => Vec::new(),
        }
    }
}

macro_rules! whole {
    ($($request:ident near $near:ident;)+) => {
        $(impl Aim for $request {
            fn collection(&self) -> &str {
                &self.collection
            }

            fn near(&self) -> Near {
                Near::$near
            }

            fn keys(&self, _: &str) -> Vec<PrimaryKey> {
                Vec::new()
            }
        })+
    };
}

whole! {
    SearchRequest near Replicas;
    QueryRequest near Replicas;
    RowCount near Leaders;
}
