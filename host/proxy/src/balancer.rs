//! Connections that a load balancer passes on: the PROXY header ahead of the first octet says whose they are. It is
//! read to its last octet and no further; before it nothing is answered.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use lazaret_smtp::proxy_header::MAX_V2;
use lazaret_smtp::{Origin, ProxyHeader};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

/// The client's address, or the balancer's own for its health checks.
pub(crate) async fn client(
    stream: &mut (impl AsyncRead + Unpin),
    balancer: SocketAddr,
    deadline: Duration,
) -> io::Result<SocketAddr> {
    let header = timeout(deadline, header(stream)).await??;
    Ok(match header.origin {
        Origin::Own => balancer,
        Origin::Client { client, .. } => client,
    })
}

async fn header(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<ProxyHeader> {
    let mut octets = Vec::new();
    loop {
        match ProxyHeader::parse(&octets) {
            Ok(Some(header)) => return Ok(header),
            Ok(None) => {}
            Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        }
        let seen = octets.len();
        octets.resize(seen + ProxyHeader::missing(&octets).min(MAX_V2), 0);
        let read = stream.read(&mut octets[seen..]).await?;
        octets.truncate(seen + read);
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    const PATIENCE: Duration = Duration::from_secs(5);

    fn balancer() -> SocketAddr {
        ([192, 0, 2, 9], 5000).into()
    }

    /// One octet at a time, and what is behind the header is left for whoever comes next.
    #[tokio::test]
    async fn nothing_behind_the_header_is_read() {
        let (mut peer, mut ours) = tokio::io::duplex(1);
        let sent = tokio::spawn(async move {
            let stream = b"PROXY TCP4 192.0.2.1 198.51.100.1 40000 25\r\nEHLO x\r\n";
            peer.write_all(stream).await
        });
        let client = client(&mut ours, balancer(), PATIENCE).await.unwrap();
        assert_eq!(client, ([192, 0, 2, 1], 40000).into());
        let mut rest = String::new();
        ours.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "EHLO x\r\n");
        sent.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_health_check_is_the_balancers_own() {
        let mut stream: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
        let client = client(&mut stream, balancer(), PATIENCE).await.unwrap();
        assert_eq!(client, balancer());
    }

    #[tokio::test]
    async fn without_a_header_there_is_no_client() {
        for mut stream in [&b"EHLO x\r\n"[..], b"PROXY TCP4 192.0.2.1", b""] {
            assert!(client(&mut stream, balancer(), PATIENCE).await.is_err());
        }
        let (_peer, mut silent) = tokio::io::duplex(1);
        let late = client(&mut silent, balancer(), Duration::from_millis(20)).await;
        assert_eq!(late.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
