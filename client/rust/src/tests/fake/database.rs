//! The verbs of the fake database.

use super::*;

#[async_trait]
impl Database for Fake {
    async fn create_collection(&self, call: Call, request: CreateCollection) -> Result<()> {
        let trouble = self.arrive(call);
        self.state.lock().collections.entry(request.name).or_insert((request.schema, BTreeMap::new()));
        match trouble {
            Some(Trouble::LoseAnswer) => std::future::pending().await,
            _ => Ok(()),
        }
    }

    async fn drop_collection(&self, call: Call, name: String) -> Result<()> {
        let trouble = self.arrive(call);
        if let Some(Trouble::Refuse(error)) = trouble {
            return Err(error);
        }
        self.state.lock().collections.remove(&name);
        match trouble {
            Some(Trouble::LoseAnswer) => std::future::pending().await,
            _ => Ok(()),
        }
    }

    async fn insert(&self, call: Call, request: InsertRequest) -> Result<MutationReply> {
        self.put(call, request).await
    }

    async fn upsert(&self, call: Call, request: InsertRequest) -> Result<MutationReply> {
        self.put(call, request).await
    }

    async fn delete(&self, call: Call, request: DeleteRequest) -> Result<MutationReply> {
        self.write(call, request.request, move |state| {
            let (_, rows) = collection(state, &request.collection)?;
            let DeleteRows::Keys(keys) = request.rows else { return unbuilt() };
            let deleted = keys.iter().filter(|key| rows.remove(key).is_some()).count() as u64;
            Ok(MutationReply { deleted, ..MutationReply::default() })
        })
        .await
    }

    async fn search(&self, call: Call, request: SearchRequest) -> Result<SearchReply> {
        self.read(call, request.consistency, &request.seen)?;
        let mut state = self.state.lock();
        state.searches.push(request.clone());
        let (schema, rows) = collection(&mut state, &request.collection)?;
        let at = schema.fields.iter().position(|field| field.data_type.is_vector()).unwrap();
        let all = joined(&schema, rows.values());
        let ColumnData::FloatVector { values, .. } = &all.columns[at].data else { return unbuilt() };
        let (mut counts, mut scores, mut found) = (vec![], vec![], vec![]);
        let QueryVectors::Float(queries) = &request.vectors else { return unbuilt() };
        // Of each key, that it is absent.
        let explanation = request.explain.as_ref().map(|explain| {
            let key = |key: &PrimaryKey| KeyExplanation::new(key.clone(), KeyVerdict::Absent);
            let keys = explain.why_missing.iter().map(key).collect();
            Box::new(Explanation { collection: request.collection.clone(), keys, ..Explanation::default() })
        });
        for query in queries.chunks(request.dim as usize) {
            let distance = |vector: &[f32]| vector.iter().zip(query).map(|(a, b)| (a - b).powi(2)).sum();
            let vectors = values.chunks(query.len()).enumerate();
            let mut near: Vec<(f32, usize)> = vectors.map(|(row, v)| (distance(v), row)).collect();
            near.sort_by(|a, b| a.0.total_cmp(&b.0));
            near.truncate(request.limit);
            counts.push(near.len());
            scores.extend(near.iter().map(|(score, _)| *score));
            found.extend(near.iter().map(|(_, row)| *row));
        }
        Ok(SearchReply {
            counts,
            scores,
            recalls: Vec::new(),
            primary_field: schema.primary_field().unwrap().name.clone(),
            rows: named(&schema, all.take(&found)),
            output_fields: request.output_fields,
            groups: None,
            timestamp: Timestamp(state.clock),
            seen: state.shown.pop_front().unwrap_or_default(),
            explanation,
        })
    }

    async fn query(&self, call: Call, request: QueryRequest) -> Result<QueryReply> {
        self.read(call, request.consistency, &request.seen)?;
        let mut state = self.state.lock();
        state.queries.push(request.clone());
        let (schema, rows) = collection(&mut state, &request.collection)?;
        // The only filter that it understands: `id > 7`, and whatever behind it.
        let behind =
            request.filter.strip_prefix("id > ").and_then(|rest| rest.split(' ').next()?.parse().ok());
        let is_wanted = |key: &PrimaryKey| behind.is_none_or(|behind| *key > PrimaryKey::Int64(behind));
        let wanted = rows.iter().filter(|(key, _)| is_wanted(key)).map(|(_, row)| row).skip(request.offset);
        let all = joined(&schema, wanted.take(request.limit.unwrap_or(usize::MAX)));
        Ok(QueryReply {
            count: request.output_fields.iter().any(|field| field == "count(*)").then_some(rows.len() as u64),
            rows: named(&schema, all),
            primary_field: schema.primary_field().unwrap().name.clone(),
            output_fields: request.output_fields,
            timestamp: Timestamp(state.clock),
            seen: state.shown.pop_front().unwrap_or_default(),
        })
    }

    async fn server_info(&self, call: Call) -> Result<ServerInfo> {
        let mut info = ServerInfo {
            version: "fake".into(),
            cluster_id: String::new(),
            cluster_name: String::new(),
            is_healthy: true,
            reasons: vec![],
            now: Timestamp::ZERO,
        };
        match self.arrive(call) {
            Some(Trouble::Refuse(error)) => Err(error),
            Some(Trouble::Panic) => panic!("planted"),
            Some(Trouble::Slow(time)) => {
                tokio::time::sleep(time).await;
                Ok(info)
            }
            Some(Trouble::LoseAnswer) => std::future::pending().await,
            Some(Trouble::Long(bytes)) => {
                info.version = "x".repeat(bytes);
                Ok(info)
            }
            None => Ok(info),
        }
    }

    async fn topology(&self, _: Call, request: TopologyRequest) -> Result<TopologyReply> {
        if self.state.lock().is_silent {
            std::future::pending::<()>().await;
        }
        let known = self.state.lock().topology.clone();
        let missing = || Error::new(Code::Unimplemented, "not in the fake");
        let mut reply = known.ok_or_else(missing)?;
        reply.collection = reply.collection.filter(|_| request.collection.as_deref() == Some("c"));
        Ok(reply)
    }

    async fn describe_collection(&self, _: Call, _: CollectionName) -> Result<CollectionDescriptor> {
        unbuilt()
    }
    async fn list_collections(&self, _: Call) -> Result<Vec<CollectionDescriptor>> {
        unbuilt()
    }
    async fn row_count(&self, _: Call, _: RowCount) -> Result<u64> {
        unbuilt()
    }
    async fn create_partition(&self, _: Call, _: PartitionRequest) -> Result<()> {
        unbuilt()
    }
    async fn drop_partition(&self, _: Call, _: PartitionRequest) -> Result<()> {
        unbuilt()
    }
    async fn create_index(&self, _: Call, _: CreateIndex) -> Result<()> {
        Ok(())
    }
    async fn drop_index(&self, call: Call, _: DropIndex) -> Result<()> {
        match self.arrive(call) {
            Some(Trouble::Refuse(error)) => Err(error),
            Some(Trouble::LoseAnswer) => std::future::pending().await,
            _ => Ok(()),
        }
    }
    async fn describe_indexes(&self, _: Call, _: String) -> Result<Vec<IndexInfo>> {
        unbuilt()
    }
    async fn set_loaded(&self, _: Call, _: SetLoaded) -> Result<()> {
        unbuilt()
    }
    async fn compact(&self, call: Call, request: CompactRequest) -> Result<CollectionId> {
        if let Some(Trouble::Refuse(error)) = self.arrive(call) {
            return Err(error);
        }
        self.state.lock().compactions.push(request);
        Ok(CollectionId(1))
    }
    /// One compaction is finished for each time that somebody asked.
    async fn segments(&self, _: Call, _: CollectionName) -> Result<CollectionSegments> {
        let finished = self.state.lock().compactions.len() as u64;
        let asked = Some(AskedInfo { is_done: true, finished, under_way: 0 });
        Ok(CollectionSegments { collection: CollectionId(1), segments: vec![], merges: vec![], asked })
    }
    async fn flush(&self, _: Call, _: Vec<String>) -> Result<Vec<FlushInfo>> {
        unbuilt()
    }
}
