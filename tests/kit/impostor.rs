//! A service that is no use: it listens, and is slow, late, resets, or says what it should not.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the service that it stands for says to what was heard since it last said something.
#[derive(Clone, Debug)]
pub enum Said {
    /// nothing: more must come
    Nothing,
    /// what is said before anything is asked
    SmallTalk(Vec<u8>),
    /// what was asked for
    Answer(Vec<u8>),
}

/// What it does with each connection.
#[derive(Clone, Debug)]
pub enum Vice {
    /// gives the right answers, so late; without delay it is no vice
    Late(Duration, fn(&[u8]) -> Said),
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
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    closing: AtomicBool,
    /// those that would go on by themselves
    connections: Mutex<Vec<TcpStream>>,
}

impl Impostor {
    /// Listens there.
    pub fn start(address: SocketAddr, vice: Vice) -> Self {
        let listener = TcpListener::bind(address).expect("the port is free");
        let shared = Arc::new(Shared::default());
        let seen = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if matches!(vice, Vice::Late(..)) {
                    seen.keep(&stream);
                }
                if seen.closing.load(Ordering::SeqCst) {
                    break;
                }
                let vice = vice.clone();
                // Whoever is let down goes away, and that is no error.
                std::thread::spawn(move || drop(let_down(stream, vice)));
            }
        });
        Self { address, shared }
    }
}

impl Shared {
    fn keep(&self, stream: &TcpStream) {
        let mut connections = self.connections.lock().expect("no panic");
        connections.extend(stream.try_clone());
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        // Wakes the listening thread, which then closes the port.
        self.shared.closing.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
        while TcpListener::bind(self.address).is_err() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let mut connections = self.shared.connections.lock().expect("no panic");
        for stream in connections.drain(..) {
            // Most are closed by now.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn let_down(mut stream: TcpStream, vice: Vice) -> std::io::Result<()> {
    if let Vice::Late(delay, says) = vice {
        return converse(stream, delay, says);
    }
    let mut some = vec![0; 64 << 10];
    if stream.read(&mut some)? == 0 {
        return Ok(());
    }
    match vice {
        Vice::Late(..) => {}
        Vice::Slow(time) => std::thread::sleep(time),
        Vice::Resets => {
            socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        }
        Vice::Says(octets) => {
            stream.write_all(&octets)?;
            stream.shutdown(Shutdown::Write)?;
            // All that is still coming is heard: a reset would take the answer away.
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            while stream.read(&mut some)? > 0 {}
        }
    }
    Ok(())
}

/// Until either side is gone.
fn converse(
    mut stream: TcpStream,
    delay: Duration,
    says: fn(&[u8]) -> Said,
) -> std::io::Result<()> {
    let (mut heard, mut some) = (Vec::new(), vec![0; 64 << 10]);
    loop {
        match stream.read(&mut some)? {
            0 => return Ok(()),
            more => heard.extend_from_slice(&some[..more]),
        }
        let said = match says(&heard) {
            Said::Nothing => continue,
            Said::SmallTalk(octets) => octets,
            Said::Answer(octets) => {
                std::thread::sleep(delay);
                octets
            }
        };
        stream.write_all(&said)?;
        heard.clear();
    }
}
