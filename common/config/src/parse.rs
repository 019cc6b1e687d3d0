//! From text to configuration, keeping lines for messages.

use std::collections::HashMap;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{Config, NodeConfig, Problem, section::Section, validate};

/// Reads and checks; on failure all problems in the order of the lines.
pub(crate) fn parse(text: &str) -> Result<Config, Vec<Problem>> {
    let mut reader = Reader { text, lines: HashMap::new(), problems: Vec::new() };
    let config = reader.config();
    let Reader { lines, mut problems, .. } = reader;
    if problems.is_empty() {
        // Checks across keys make sense only when every key was understood.
        problems = validate::problems(&config);
        for problem in &mut problems {
            problem.line = lines.get(&problem.key).copied();
        }
    }
    if problems.is_empty() {
        return Ok(config);
    }
    problems.sort_by_key(|problem| problem.line);
    Err(problems)
}

struct Reader<'t> {
    text: &'t str,
    /// The line of every key that was read, by the key as messages name it.
    lines: HashMap<String, usize>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn config(&mut self) -> Config {
        let mut config = Config::default();
        let document = match DeTable::parse(self.text) {
            Ok(document) => document,
            Err(error) => {
                let line = error.span().map(|span| self.line(span.start));
                self.problems.push(Problem { line, key: String::new(), what: error.message().to_string() });
                return config;
            }
        };
        for (name, value) in document.get_ref() {
            let line = self.line(name.span().start);
            match name.get_ref().as_ref() {
                "node" => config.nodes = self.nodes(value, line),
                "cluster" => self.table("cluster", &mut config.cluster, value),
                "proxy" => self.table("proxy", &mut config.proxy, value),
                "data" => self.table("data", &mut config.data, value),
                "query" => self.table("query", &mut config.query, value),
                "index" => self.table("index", &mut config.index, value),
                "milvus" => self.table("milvus", &mut config.milvus, value),
                "log" => self.table("log", &mut config.log, value),
                unknown => {
                    let what = unknown_table(unknown);
                    self.problems.push(Problem { line: Some(line), key: unknown.to_string(), what });
                }
            }
        }
        config
    }

    fn nodes(&mut self, value: &Spanned<DeValue<'_>>, line: usize) -> Vec<NodeConfig> {
        let Some(entries) = value.get_ref().as_array() else {
            let what = "write [[node]] with two brackets, once per node".to_string();
            self.problems.push(Problem { line: Some(line), key: "node".to_string(), what });
            return Vec::new();
        };
        let mut nodes = Vec::new();
        for (position, entry) in entries.iter().enumerate() {
            let key = validate::node_key(position);
            let mut node = NodeConfig::default();
            self.table(&key, &mut node, entry);
            let missing = entry.get_ref().as_table().into_iter().flat_map(|table| {
                ["id", "data_dir"].into_iter().filter(|required| !table.contains_key(*required))
            });
            for required in missing {
                let line = Some(self.line(entry.span().start));
                let what = format!("`{required}` is missing");
                self.problems.push(Problem { line, key: key.clone(), what });
            }
            nodes.push(node);
        }
        nodes
    }

    fn table<S: Section>(&mut self, name: &str, section: &mut S, value: &Spanned<DeValue<'_>>) {
        let Some(table) = value.get_ref().as_table() else {
            let line = Some(self.line(value.span().start));
            let what = format!("is not a table, write [{name}]");
            self.problems.push(Problem { line, key: name.to_string(), what });
            return;
        };
        for (key, value) in table {
            let (line, key) = (self.line(key.span().start), key.get_ref().as_ref());
            let path = format!("{name}.{key}");
            let result = if S::KEYS.contains(&key) {
                section.read(key, value.get_ref())
            } else {
                Err(unknown_key(key, S::KEYS))
            };
            match result {
                Ok(()) => drop(self.lines.insert(path, line)),
                Err(what) => self.problems.push(Problem { line: Some(line), key: path, what }),
            }
        }
    }

    fn line(&self, offset: usize) -> usize {
        1 + self.text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count()
    }
}

fn unknown_table(name: &str) -> String {
    let tables: Vec<_> = Config::known_keys().iter().map(|(table, _)| *table).collect();
    if let Some((table, _)) = Config::known_keys().iter().find(|(_, keys)| keys.contains(&name)) {
        return format!("unknown key, it belongs in [{table}]");
    }
    match closest(name, &tables) {
        Some(table) => format!("unknown table, did you mean [{table}]?"),
        None => format!("unknown table, there are: {}", tables.join(", ")),
    }
}

fn unknown_key(key: &str, known: &[&'static str]) -> String {
    if let Some(close) = closest(key, known) {
        return format!("unknown key, did you mean `{close}`?");
    }
    if let Some((table, _)) = Config::known_keys().iter().find(|(_, keys)| keys.contains(&key)) {
        return format!("unknown key, it belongs in [{table}]");
    }
    format!("unknown key, there are: {}", known.join(", "))
}

/// The known word that was probably meant: at most a third of its letters away.
fn closest<'w>(word: &str, known: &[&'w str]) -> Option<&'w str> {
    let distance = |known: &str| strsim::damerau_levenshtein(word, known);
    let close = known.iter().copied().min_by_key(|known| distance(known))?;
    (distance(close) <= (close.len() / 3).max(1)).then_some(close)
}
