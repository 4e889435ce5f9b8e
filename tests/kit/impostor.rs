//! A service that is no use: it listens, and is slow, resets, or says what it should not.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What it does with each connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vice {
    /// hears what comes, and says nothing for so long
    Slow(Duration),
    /// ends the connection with a reset once something was heard
    Resets,
    /// hears something, says this and closes
    Says(Vec<u8>),
}

/// The service; its port is free again when it is dropped.
#[derive(Debug)]
pub struct Impostor {
    address: SocketAddr,
    closing: Arc<AtomicBool>,
}

impl Impostor {
    /// Listens there.
    pub fn start(address: SocketAddr, vice: Vice) -> Self {
        let listener = TcpListener::bind(address).expect("the port is free");
        let closing = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&closing);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if seen.load(Ordering::SeqCst) {
                    break;
                }
                let vice = vice.clone();
                // Whoever is let down goes away, and that is no error.
                std::thread::spawn(move || drop(let_down(stream, vice)));
            }
        });
        Self { address, closing }
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        // Wakes the listening thread, which then closes the port.
        self.closing.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
        while TcpListener::bind(self.address).is_err() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn let_down(mut stream: TcpStream, vice: Vice) -> std::io::Result<()> {
    let mut some = vec![0; 64 << 10];
    if stream.read(&mut some)? == 0 {
        return Ok(());
    }
    match vice {
        Vice::Slow(time) => std::thread::sleep(time),
        Vice::Resets => {
            socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        }
        Vice::Says(octets) => {
            stream.write_all(&octets)?;
            stream.shutdown(std::net::Shutdown::Write)?;
            // All that is still coming is heard: a reset would take the answer away.
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            while stream.read(&mut some)? > 0 {}
        }
    }
    Ok(())
}
