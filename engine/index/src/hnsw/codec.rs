//! The graph as bytes. What is read is checked beyond the checksum: no link, level or start may point outside,
//! since walks do not check again.

use super::Hnsw;
use super::build::BuildParams;
use super::graph::{Graph, LEVEL_MAX, NONE};
use super::scratch::ScratchPool;
use crate::container::{Reader, Writer};
use crate::rows_header::{read_rows_header, write_rows_header};
use crate::scorer::Scorer;
use crate::{Error, IndexKind, Result, VectorRows};
use std::io::Write;
use vecraft_types::Metric;

pub(super) fn write(index: &Hnsw, out: &mut dyn Write) -> Result<()> {
    let mut writer = Writer::new(out, IndexKind::Hnsw)?;
    write_rows_header(&mut writer, index.scorer.metric, &index.scorer.rows)?;
    write_graph(&mut writer, index.params, &index.scorer, &index.graph)?;
    writer.finish()
}

/// Parameters, norms and links.
pub(super) fn write_graph(
    writer: &mut Writer<'_>,
    params: BuildParams,
    scorer: &Scorer,
    graph: &Graph,
) -> Result<()> {
    writer.u64(params.m as u64)?;
    writer.u64(params.ef_construction as u64)?;
    writer.u64(params.seed)?;
    writer.u32(graph.entry)?;
    scorer.write(writer)?;
    writer.slice(&graph.levels)?;
    writer.slice(&graph.upper)?;
    writer.words(graph.links0.as_slice())
}

/// Reads what [`write_graph`] wrote.
pub(super) fn read_graph(
    reader: &mut Reader<'_>,
    metric: Metric,
    rows: VectorRows,
) -> Result<(BuildParams, Scorer, Graph)> {
    let count = rows.len();
    let params = BuildParams {
        m: reader.u64()? as usize,
        ef_construction: reader.u64()? as usize,
        seed: reader.u64()?,
    };
    if !(2..=2_048.max(count)).contains(&params.m) {
        return Err(Error::corrupt(format!("M = {} in the graph's header", params.m)));
    }
    let entry = reader.u32()?;
    let scorer = Scorer::read(reader, metric, rows)?;
    let levels: Vec<u8> = reader.slice(count, "levels")?;
    if let Some(row) = levels.iter().position(|level| *level as usize > LEVEL_MAX) {
        return Err(Error::corrupt(format!("level {} of row {row}", levels[row])));
    }
    // Lengths first: what a wrong M or level asks for must not be reserved.
    let upper = reader.slice(Graph::upper_len(params.m, &levels), "upper links")?;
    let links0 = reader.words(count * Graph::stride0(params.m), "links")?;
    let mut graph = Graph::unlinked(params.m, levels)?;
    (graph.upper, graph.links0) = (upper, links0);
    graph.entry = entry;
    check(&graph)?;
    Ok((params, scorer, graph))
}

impl Hnsw {
    /// Reads what `save` wrote.
    pub(crate) fn read(mut reader: Reader<'_>, rows: VectorRows) -> Result<Hnsw> {
        let metric = read_rows_header(&mut reader, &rows)?;
        let (params, scorer, graph) = read_graph(&mut reader, metric, rows)?;
        reader.finish()?;
        Ok(Hnsw { scorer, graph, params, scratches: ScratchPool::default() })
    }
}

fn check(graph: &Graph) -> Result<()> {
    let count = graph.len();
    let entry_is_right = if count == 0 {
        graph.entry == NONE
    } else {
        let top = graph.levels.iter().copied().max();
        graph.levels.get(graph.entry as usize).copied() == top
    };
    if !entry_is_right {
        return Err(Error::corrupt(format!("entry {} of {count} rows", graph.entry)));
    }
    for node in 0..count as u32 {
        for level in 0..=graph.levels[node as usize] as usize {
            let wrong =
                |link: &&u32| **link as usize >= count || (graph.levels[**link as usize] as usize) < level;
            if let Some(link) = graph.links(node, level).iter().find(wrong) {
                return Err(Error::corrupt(format!("row {node} links to {link} on level {level}")));
            }
        }
    }
    Ok(())
}
