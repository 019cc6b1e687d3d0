//! The cluster.toml of a run: limits, and one section for each node. It is written again when a host gets another number.

use super::ground::Ground;
use super::network;
use crate::Trouble;
use std::fmt::Write;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Doors of a node: Milvus, client, node, HTTP.
const DOORS: usize = 4;

/// See the [module](self).
pub struct Config {
    /// Where the file is.
    pub path: PathBuf,
    settings: String,
    hosts: Vec<Host>,
}

/// Where one node is.
#[derive(Clone, Debug)]
pub struct Host {
    /// The number of the node that lives there now. No number comes twice.
    pub number: u64,
    /// Its data directory.
    pub data: PathBuf,
    address: String,
    ports: [u16; DOORS],
}

impl Config {
    /// For `count` nodes with free ports, on the hosts and disks of the ground, else on 127.0.0.1 and in `dir`. Writes the file.
    ///
    /// # Errors
    /// When there are no free ports or a file cannot be written.
    pub fn make(dir: &Path, count: u64, groups_per_node: u64, ground: &Ground) -> Result<Config, Trouble> {
        let mut settings = settings(groups_per_node);
        if ground.network.is_ok() {
            let secret = dir.join("secret");
            write_secret(&secret)?;
            settings =
                settings.replace("[data]", &format!("secret_file = \"{}\"\n\n[data]", secret.display()));
        }
        let mut ports = free_ports(count as usize * DOORS)?.into_iter();
        let host = |number: u64| {
            let mut next = || ports.next().ok_or_else(|| "too few free ports".to_owned());
            let ports = [next()?, next()?, next()?, next()?];
            let has_network = ground.network.is_ok();
            let address = if has_network { network::host(number as usize) } else { "127.0.0.1".to_owned() };
            // Inside the filesystem, beside its lost+found.
            let disk =
                if ground.disks.is_ok() { format!("disk-{number}/data") } else { format!("node-{number}") };
            Ok::<Host, Trouble>(Host { number, data: dir.join(disk), address, ports })
        };
        let hosts = (1..=count).map(host).collect::<Result<Vec<Host>, Trouble>>()?;
        let config = Config { path: dir.join("cluster.toml"), settings, hosts };
        config.write()?;
        Ok(config)
    }

    /// The hosts, in order.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// Gives a host a number that no node had before, and writes the file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn renumber(&mut self, at: usize, number: u64) -> Result<(), Trouble> {
        self.hosts[at].number = number;
        self.write()
    }

    fn write(&self) -> Result<(), Trouble> {
        fs::write(&self.path, self.text()).map_err(|e| format!("cannot write {}: {e}", self.path.display()))
    }

    fn text(&self) -> String {
        let mut text = self.settings.clone();
        for Host { number, data, address, ports: [milvus, client, node, http] } in &self.hosts {
            let _ = write!(
                text,
                "[[node]]\nid = {number}\nhost = \"{address}\"\ndata_dir = \"{}\"\nmilvus_port = {milvus}\nclient_port = \
                 {client}\nnode_port = {node}\nhttp_port = {http}\n",
                data.display()
            );
        }
        text
    }
}

impl Host {
    /// Where its clients go.
    pub fn client_address(&self) -> String {
        format!("{}:{}", self.address, self.ports[1])
    }

    /// Where other nodes go.
    pub fn node_address(&self) -> String {
        format!("{}:{}", self.address, self.ports[2])
    }

    /// Where health and metrics are.
    pub fn http_address(&self) -> String {
        format!("{}:{}", self.address, self.ports[3])
    }
}

/// Limits so small that checkpoints, purges and snapshots happen within seconds (I3, I4, I5).
fn settings(groups_per_node: u64) -> String {
    format!(
        "[cluster]\nname = \"chaos\"\nreplication = 3\n\n[data]\ngroups_per_node = {groups_per_node}\n\
         checkpoint_bytes = 1048576\ncheckpoint_interval_s = 5\nfollower_log_bytes = 262144\n\
         segment_bytes_max = 524288\nchunk_bytes = 65536\n\n[log]\nsegment_bytes = 4194304\n\n"
    )
}

/// What nodes on hosts of their own must share.
fn write_secret(path: &Path) -> Result<(), Trouble> {
    let wrong = |e| format!("cannot write {}: {e}", path.display());
    fs::write(path, format!("chaos-{:032x}", rand::random::<u128>())).map_err(wrong)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(wrong)
}

/// Ports below those that the kernel gives to clients, so that a node that is down finds its ports again.
fn free_ports(count: usize) -> Result<Vec<u16>, Trouble> {
    let first = 12_000 + (std::process::id() % 1_000) as u16 * 16;
    let candidates = (first..32_000).chain(12_000..first);
    let free = candidates.filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    let ports: Vec<u16> = free.take(count).collect();
    if ports.len() < count { Err(format!("there are no {count} free ports")) } else { Ok(ports) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_keeps_everything_but_its_number() {
        let host = |number| Host {
            number,
            data: PathBuf::from(format!("node-{number}")),
            address: "127.0.0.1".to_owned(),
            ports: [1, 2, 3, 4].map(|port| number as u16 * 10 + port),
        };
        let path = std::env::temp_dir().join(format!("vecraft-chaos-{}.toml", std::process::id()));
        let mut config = Config { path, settings: settings(1), hosts: vec![host(1), host(2)] };
        config.renumber(1, 3).expect("written");
        let text = fs::read_to_string(&config.path).expect("readable");
        fs::remove_file(&config.path).expect("removed");
        assert!(text.contains("id = 1\n") && !text.contains("id = 2\n"), "{text}");
        assert!(
            text.contains("id = 3\nhost = \"127.0.0.1\"\ndata_dir = \"node-2\"\nmilvus_port = 21\n"),
            "{text}"
        );
    }
}
