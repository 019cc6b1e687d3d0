//! A wire between a client and a node's door that a test can cut: what was sent may have arrived, its answer not.

use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// See the [module](self). Dropping it cuts everything for good.
pub struct Relay {
    address: String,
    cut: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Relay {
    /// A wire to this door.
    pub async fn to(door: String) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let cut = Arc::new(Notify::new());
        let cutting = cut.clone();
        let task = tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (door, cut) = (door.clone(), cutting.clone());
                tokio::spawn(async move {
                    // A door that is closed closes the near end, as it would without us.
                    let Ok(mut far) = TcpStream::connect(&door).await else { return };
                    tokio::select! {
                        () = cut.notified() => {}
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    }
                });
            }
        });
        Relay { address, cut, task }
    }

    /// Its near end.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Cuts every connection; new ones are let through.
    pub fn cut(&self) {
        self.cut.notify_waiters();
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}
