//! The links: level 0 in one flat array of fixed stride, upper levels in another.
//!
//! ```text
//! links0   node 0: [n n n ... NONE NONE]  node 1: [...]     stride0 words each, 64-byte aligned
//! upper    node with level L: L lists of m words, at upper_start[node], level 1 first
//! ```
//! A list ends at the first NONE or at its capacity. No counts: one cache line less to touch.

use crate::Result;
use crate::aligned::AlignedWords;

/// Ends a list; never a row.
pub(crate) const NONE: u32 = u32::MAX;

/// Levels above 0 at most; at M = 2 and 2^31 rows the expected top is 31.
pub(crate) const LEVEL_MAX: usize = 40;

/// The links of all nodes; node = row.
#[derive(Clone)]
pub(crate) struct Graph {
    pub(crate) m: usize,
    pub(crate) stride0: usize,
    pub(crate) links0: AlignedWords,
    pub(crate) levels: Vec<u8>,
    pub(crate) upper_start: Vec<u32>,
    pub(crate) upper: Vec<u32>,
    /// Where walks begin: the lowest row of the highest level.
    pub(crate) entry: u32,
}

impl Graph {
    /// A graph without links for nodes of the given levels.
    pub(crate) fn new(m: usize, levels: Vec<u8>) -> Result<Graph> {
        let mut graph = Graph::unlinked(m, levels)?;
        graph.links0 = AlignedWords::new(graph.len() * graph.stride0, NONE)?;
        Ok(graph)
    }

    /// The same, whose lists on level 0 have yet to be given.
    pub(crate) fn unlinked(m: usize, levels: Vec<u8>) -> Result<Graph> {
        let stride0 = Graph::stride0(m);
        let links0 = AlignedWords::new(0, NONE)?;
        let mut upper_start = Vec::with_capacity(levels.len());
        let mut next = 0usize;
        for &level in &levels {
            upper_start.push(next as u32);
            next += level as usize * m;
        }
        let top = levels.iter().copied().max().unwrap_or(0);
        let entry = levels.iter().position(|&level| level == top).map_or(NONE, |row| row as u32);
        Ok(Graph { m, stride0, links0, levels, upper_start, upper: vec![NONE; next], entry })
    }

    /// Adds nodes without links behind the last; they cannot be reached until somebody links to them.
    pub(crate) fn grow(&mut self, levels: &[u8]) -> Result<()> {
        self.links0.grow((self.len() + levels.len()) * self.stride0, NONE)?;
        for &level in levels {
            self.upper_start.push(self.upper.len() as u32);
            self.upper.resize(self.upper.len() + level as usize * self.m, NONE);
        }
        self.levels.extend_from_slice(levels);
        Ok(())
    }

    /// Words of a node on level 0.
    pub(crate) fn stride0(m: usize) -> usize {
        (2 * m).next_multiple_of(16)
    }

    /// Words of all nodes on the levels above.
    pub(crate) fn upper_len(m: usize, levels: &[u8]) -> usize {
        levels.iter().map(|level| usize::from(*level)).sum::<usize>().saturating_mul(m)
    }

    /// Number of nodes.
    pub(crate) fn len(&self) -> usize {
        self.levels.len()
    }

    /// Level of the entry.
    pub(crate) fn top(&self) -> usize {
        self.levels.get(self.entry as usize).map_or(0, |level| *level as usize)
    }

    /// Links a list may hold.
    pub(crate) fn capacity(&self, level: usize) -> usize {
        if level == 0 { 2 * self.m } else { self.m }
    }

    fn range(&self, node: u32, level: usize) -> std::ops::Range<usize> {
        let start = if level == 0 {
            node as usize * self.stride0
        } else {
            self.upper_start[node as usize] as usize + (level - 1) * self.m
        };
        start..start + self.capacity(level)
    }

    /// The list with its padding; readers stop at the first [`NONE`].
    #[inline(always)]
    pub(crate) fn slots(&self, node: u32, level: usize) -> &[u32] {
        if level == 0 {
            let start = node as usize * self.stride0;
            &self.links0.as_slice()[start..start + 2 * self.m]
        } else {
            &self.upper[self.range(node, level)]
        }
    }

    /// The links of a node.
    #[inline]
    pub(crate) fn links(&self, node: u32, level: usize) -> &[u32] {
        let slots = self.slots(node, level);
        &slots[..slots.iter().position(|&link| link == NONE).unwrap_or(slots.len())]
    }

    /// Replaces the links of a node; what exceeds the capacity is dropped.
    pub(crate) fn set_links(&mut self, node: u32, level: usize, links: &[u32]) {
        let range = self.range(node, level);
        let slots = if level == 0 { &mut self.links0.as_mut_slice()[range] } else { &mut self.upper[range] };
        let count = links.len().min(slots.len());
        slots[..count].copy_from_slice(&links[..count]);
        slots[count..].fill(NONE);
    }

    /// Hints that the node's level 0 list will be read.
    #[inline(always)]
    pub(crate) fn prefetch(&self, node: u32) {
        let start = node as usize * self.stride0;
        vecraft_kernel::prefetch_words(&self.links0.as_slice()[start..start + 2 * self.m]);
    }

    /// Whether the lists on level 0 are in a mapped file.
    pub(crate) fn is_mapped(&self) -> bool {
        self.links0.is_mapped()
    }

    /// Asks for the pages of level 0 lists that are probably not in memory.
    pub(crate) fn fetch(&self, nodes: impl Iterator<Item = u32>) {
        if self.is_mapped() {
            vecraft_kernel::fetch_pages(nodes.map(|node| bytemuck::cast_slice(self.slots(node, 0))));
        }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.links0.memory_bytes()
            + self.levels.len()
            + size_of_val(self.upper_start.as_slice())
            + size_of_val(self.upper.as_slice())
    }

    /// Mean number of links on level 0.
    pub(crate) fn mean_degree(&self) -> f64 {
        let links: usize = (0..self.len() as u32).map(|node| self.links(node, 0).len()).sum();
        links as f64 / self.len().max(1) as f64
    }
}
