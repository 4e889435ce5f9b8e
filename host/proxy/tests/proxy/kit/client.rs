//! A client that plays transcripts.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// No test waits longer for a reply.
const PATIENCE: Duration = Duration::from_secs(20);

pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

pub struct Client(pub BufReader<Box<dyn Stream>>);

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        let tcp = TcpStream::connect(address).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        Self::over(Box::new(tcp))
    }

    pub fn over(stream: Box<dyn Stream>) -> Self {
        Self(BufReader::new(stream))
    }

    /// `C:` lines are sent, `S:` lines must begin the next reply; `S: 250 2.1.0 ...` leaves its end open anyway.
    /// `S: closed` wants the connection closed.
    pub async fn play(&mut self, transcript: &str) {
        for line in transcript
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
        {
            match line
                .split_once(':')
                .unwrap_or_else(|| panic!("no C: or S: in `{line}`"))
            {
                ("C", said) => {
                    self.send(format!("{}\r\n", said.strip_prefix(' ').unwrap_or(said)).as_bytes())
                        .await
                }
                ("S", " closed") => assert_eq!(self.reply().await, "", "in {transcript}"),
                ("S", wanted) => {
                    let reply = self.reply().await;
                    let wanted = wanted.trim();
                    assert!(
                        reply.starts_with(wanted),
                        "wanted `{wanted}`, got `{reply}` in {transcript}"
                    );
                }
                (who, _) => panic!("who is {who}?"),
            }
        }
    }

    pub async fn send(&mut self, octets: &[u8]) {
        // The proxy may have closed already; the reply tells.
        drop(self.0.get_mut().write_all(octets).await);
        drop(self.0.get_mut().flush().await);
    }

    /// The last line of the next reply, or nothing if the connection is closed.
    pub async fn reply(&mut self) -> String {
        self.lines().await.pop().unwrap_or_default()
    }

    /// All lines of the next reply.
    pub async fn lines(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            let read = timeout(PATIENCE, self.0.read_line(&mut line))
                .await
                .expect("a reply in time");
            if read.unwrap_or(0) == 0 {
                return lines;
            }
            lines.push(line.trim_end().to_owned());
            if line.as_bytes().get(3) != Some(&b'-') {
                return lines;
            }
        }
    }

    /// Everything until the connection is closed.
    pub async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        drop(
            timeout(PATIENCE, self.0.read_to_end(&mut rest))
                .await
                .expect("closed in time"),
        );
        String::from_utf8(rest).unwrap()
    }
}
