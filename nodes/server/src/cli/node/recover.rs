//! `vecraft node recover`: for a cluster that has lost its majority for good.

use crate::recover::Recovery;
use clap::Args;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;

/// What `--help` teaches. Named where the command is: there its first line would take the place of this.
pub const ABOUT: &str = "Let a stopped node go on alone, from what it holds, after the majority of its cluster was lost for good.\n\nTHIS LOSES DATA: acknowledged writes that only the lost nodes had are gone. While any of them can be brought back with its directory, bring it back instead: the cluster then goes on by itself and loses nothing.\n\nIt works on the directory of a stopped node and forces every group there to a membership of this node alone. The cluster gets a new id, and the other nodes are removed for ever: an old node that comes back is refused. Afterwards start the node, check what it holds, and add nodes with new ids and empty directories (vecraft node add).\n\nOf several nodes that are left, choose the one that holds most: run it on each without --unsafe, which changes nothing but says how far each group is: the later term holds more, in one term the later entry. A node with an INCOMPLETE group comes last: its copy was still on its way.";

/// Options of `vecraft node recover`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  vecraft node recover --data-dir data                                  says what would happen, and the cluster id\n  vecraft node recover --data-dir data --unsafe                         asks for the cluster id, and does it\n  vecraft node recover --data-dir data --unsafe --cluster-id 3f0c...    does it without asking"
)]
pub struct Recover {
    /// Directory of the stopped node.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data_dir: PathBuf,
    /// Say that you accept the loss.
    #[arg(long = "unsafe")]
    is_accepted: bool,
    /// The cluster's id, all 32 digits: says that this is the directory you mean. Asked for on a terminal.
    #[arg(long, value_name = "ID", requires = "is_accepted")]
    cluster_id: Option<String>,
}

impl Recover {
    pub async fn run(self) -> Result<(), String> {
        let recovery = Recovery::survey(&self.data_dir).await.map_err(|e| e.to_string())?;
        println!("{recovery}\n");
        if !self.is_accepted {
            println!(
                "Nothing was changed. To do it: vecraft node recover --data-dir {} --unsafe",
                self.data_dir.display()
            );
            return Ok(());
        }
        let said = match self.cluster_id {
            Some(id) => id,
            None => asked(&recovery.cluster_id())?,
        };
        if said.trim() != recovery.cluster_id() {
            return Err(format!(
                "{said:?} is not this cluster's id, which is {}; nothing was changed",
                recovery.cluster_id()
            ));
        }
        let amended = recovery.amended();
        let becomes = recovery.force().await.map_err(|e| {
            format!("{e}; the node does not start before this command has ended well: run it again")
        })?;
        println!(
            "Done. This node is now the whole of cluster {becomes}. Start it, look at what it holds, then add nodes"
        );
        println!("with new ids and empty directories: vecraft node add NEW_ID HOST:NODE_PORT");
        if !amended.is_empty() {
            println!(
                "\nTell those who use these collections (the log of the next start says it once more, at ERROR):"
            );
            amended.iter().for_each(|what| println!("  {what}"));
        }
        Ok(())
    }
}

fn asked(id: &str) -> Result<String, String> {
    if !std::io::stdin().is_terminal() {
        return Err(format!("say which cluster you mean with --cluster-id {id}; nothing was changed"));
    }
    print!("Type the cluster id to do it: ");
    std::io::stdout().flush().map_err(|e| e.to_string())?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(|e| e.to_string())?;
    Ok(line.trim().to_owned())
}
