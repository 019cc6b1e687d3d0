//! Links between nodes that can be cut, each way on its own: a small TCP proxy per direction.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

type Ports = Arc<Mutex<BTreeMap<u64, SocketAddr>>>;

/// All links. The direction of a link is the direction of connecting: questions one way, their answers back.
#[derive(Default)]
pub struct Links {
    ports: Ports,
    cuts: Mutex<BTreeMap<(u64, u64), watch::Sender<bool>>>,
}

impl Links {
    /// Where `node` really listens, from now on.
    pub fn moved(&self, node: u64, port: SocketAddr) {
        self.ports.lock().insert(node, port);
    }

    /// The address under which `from` reaches `to`.
    pub async fn open(&self, from: u64, to: u64) -> String {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap().to_string();
        let (cut, is_cut) = watch::channel(false);
        self.cuts.lock().insert((from, to), cut);
        tokio::spawn(forward(socket, to, self.ports.clone(), is_cut));
        address
    }

    /// Cuts or mends `node` off from everybody, both ways.
    pub fn isolate(&self, node: u64, is_cut: bool) {
        for ((from, to), cut) in self.cuts.lock().iter() {
            if *from == node || *to == node {
                cut.send_replace(is_cut);
            }
        }
    }

    /// Cuts or mends one direction.
    pub fn cut(&self, from: u64, to: u64, is_cut: bool) {
        self.cuts.lock()[&(from, to)].send_replace(is_cut);
    }
}

async fn forward(socket: TcpListener, to: u64, ports: Ports, is_cut: watch::Receiver<bool>) {
    while let Ok((mut near, _)) = socket.accept().await {
        let (port, mut is_cut) = (ports.lock().get(&to).copied(), is_cut.clone());
        let Some(port) = port.filter(|_| !*is_cut.borrow()) else { continue };
        tokio::spawn(async move {
            let Ok(mut far) = TcpStream::connect(port).await else { return };
            let _ = near.set_nodelay(true);
            let _ = far.set_nodelay(true);
            tokio::select! {
                _ = copy_bidirectional(&mut near, &mut far) => {}
                _ = is_cut.wait_for(|is_cut| *is_cut) => {}
            }
        });
    }
}
